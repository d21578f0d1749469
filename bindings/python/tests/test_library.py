"""The life of the library in a process of Python: which file, log, configuration, the end of the interpreter."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL

import vixdisklib
from vixdisklib import SECTOR_SIZE, Connection, Disk, Library, errors

NewDisk = Callable[..., Disk]


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_library_is_found_by_every_name(lib: Library, folder: Path) -> None:
    tree = folder / "tree" / "lib64"
    tree.mkdir(parents=True)
    (tree / "libvixDiskLib.so").symlink_to(Path(lib.file).resolve())
    for path in (tree / "libvixDiskLib.so", tree, tree.parent):
        with vixdisklib.library(path=path) as named:
            assert Path(named.file).name.startswith("libvixDiskLib.so")
        program = "import vixdisklib; print(vixdisklib.library().file)"
        found = run(program, VIXDISKLIB_PATH=str(path))
        assert Path(found.stdout.strip()).resolve() == Path(lib.file).resolve(), found.stderr


def test_a_file_that_is_no_library_is_an_error(folder: Path) -> None:
    (folder / "text.so").write_text("no library")
    for path in (folder / "text.so", folder, folder / "missing.so"):
        with pytest.raises(OSError, match=r"libvixDiskLib\.so|text\.so|missing\.so"):
            vixdisklib.library(path=path)


def test_the_log_goes_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vixdisklib")
    with vixdisklib.library() as lib, lib.connect() as local:
        local.create("100%s %d.vmdk", SMALL)
        with local.open("100%s %d.vmdk") as disk, pytest.raises(errors.DiskOutofrange):
            disk.readinto(bytearray(SECTOR_SIZE), SMALL)
    said = {level: [text for _, is_, text in caplog.record_tuples if is_ == level] for level in (20, 30)}
    assert any(text.startswith("VMware VixDiskLib (") for text in said[20])
    assert any("'100%s %d.vmdk'" in text and not text.endswith("\n") for text in said[20])
    assert any("VixDiskLib_Read" in text and "VIX_E_DISK_OUTOFRANGE" in text for text in said[30])


def test_a_configuration_is_a_file_or_a_mapping(caplog: pytest.LogCaptureFixture, folder: Path) -> None:
    caplog.set_level(logging.INFO, "vixdisklib")
    (folder / "quiet.conf").write_text("vixDiskLib.transport.LogLevel = 0\n")
    for config in (folder / "quiet.conf", {"vixDiskLib.transport.LogLevel": "0"}):
        with vixdisklib.library(config=config) as lib, pytest.raises(errors.FileNotFound):
            lib.connect().open("missing.vmdk")
        assert not caplog.records
    with pytest.raises(ValueError, match="cannot hold"):
        vixdisklib.library(config={"a": "b\nvixen.allowOutsideFolder = 1"})
    (folder / "large.conf").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(errors.InvalidArg, match="large"):
        vixdisklib.library(config="large.conf")


def test_a_configuration_has_the_last_word(folder: Path) -> None:
    with vixdisklib.library(config={"vixen.progressCancels": "0"}) as lib, lib.connect() as local:
        local.create("disk.vmdk", SMALL)
        local.clone("disk.vmdk", "clone.vmdk", progress=lambda _percent: False)
    assert (folder / "clone.vmdk").exists()


@pytest.mark.parametrize("way", ["sys.exit(7)", "os.kill(os.getpid(), signal.SIGINT)", "raise SystemExit(7)"])
def test_the_interpreter_ends_with_everything_open(way: str) -> None:
    """Threads of the library that call into an interpreter that has ended would take the process down."""
    program = f"""
import logging, os, signal, sys
import vixdisklib
# Whoever started the tests may have had it ignored, as shells do for what runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
logging.basicConfig(level=10, stream=sys.stdout)
lib = vixdisklib.library()
local = lib.connect()
local.create("disk.vmdk", 400000)
disk = local.open("disk.vmdk")
futures = [disk.write_async(i * 8000, bytearray(b"x" * 8000 * 512)) for i in range(40)]
{way}
"""
    ended = run(program)
    assert ended.returncode == (7 if "7" in way else -2), ended.stderr
    assert "Closed 'disk.vmdk'" in ended.stdout
    assert "Traceback" not in ended.stderr or "KeyboardInterrupt" in ended.stderr
    with vixdisklib.library() as lib, lib.connect() as local, local.open("disk.vmdk") as disk:
        assert disk.read(39 * 8000, 1) == b"x" * SECTOR_SIZE


def test_what_is_left_open_is_closed_with_its_owner(lib: Library, local: Connection, small_disk: NewDisk) -> None:
    disk = small_disk()
    disk.write(0, b"\1" * SECTOR_SIZE)
    local.close()
    assert disk.closed
    with pytest.raises(ValueError, match="the connection is closed"):
        local.open("disk.vmdk")
    with lib.connect() as again, again.open("disk.vmdk") as reopened:
        assert reopened.read(0, 1) == b"\1" * SECTOR_SIZE


def test_the_calls_for_servers_do_nothing_for_local_disks(lib: Library) -> None:
    lib.prepare_for_access(None, "tests")
    lib.end_access(None, "tests")
    assert lib.cleanup() == (0, 0)
    with pytest.raises(errors.InvalidArg):
        lib.prepare_for_access(None, "x" * 51)


def test_strings_and_numbers_that_c_would_cut_are_refused(lib: Library, local: Connection) -> None:
    with pytest.raises(ValueError, match="null byte"):
        local.open("disk\0.vmdk")
    with pytest.raises(ValueError, match="capacity is -1"):
        local.create("disk.vmdk", -1)
    with pytest.raises(ValueError, match="hardware is 65536"):
        local.create("disk.vmdk", 1, hardware=65536)
    with pytest.raises(ValueError, match="port is 70000"):
        lib.connect(vixdisklib.Server("host", port=70000))


def test_no_secret_is_shown() -> None:
    shown = repr(vixdisklib.Server("host", "user", "s3cret", cookie="c00kie"))
    assert "host" in shown and "s3cret" not in shown and "c00kie" not in shown


def test_exceptions_survive_pickling(local: Connection) -> None:
    with pytest.raises(errors.FileNotFound) as caught:
        local.open("missing.vmdk")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.code, again.detail, str(again)) == (
        errors.FileNotFound, 4, caught.value.detail, str(caught.value),
    )  # fmt: skip
