"""What Python knows of the C interface is what the header says."""

from __future__ import annotations

import ctypes
import gc
import re
import subprocess
from pathlib import Path

import vixdisklib
from vixdisklib import AdapterType, Compression, DiskType, OpenFlag, _abi, _params, errors

INCLUDE = Path(__file__).resolve().parents[3] / "include"
HEADER = (INCLUDE / "vixDiskLib.h").read_text()


def numbers(pattern: str) -> dict[str, int]:
    return {name: eval(value) for name, value in re.findall(pattern, HEADER, re.MULTILINE)}


def test_codes_are_those_of_the_header() -> None:
    header = numbers(r"^#define (VIX_E_\w+) (\d+)$")
    assert {kind.name: code for code, kind in errors.BY_CODE.items()} == header
    assert numbers(r"^#define (VIX_ASYNC) (\d+)$") == {"VIX_ASYNC": _abi.VIX_ASYNC}


def test_the_version_is_that_of_the_workspace() -> None:
    root = INCLUDE.parent
    workspace = re.search(r'^version = "(.*)"$', (root / "Cargo.toml").read_text(), re.MULTILINE)
    package = re.search(r'^version = "(.*)"$', (root / "bindings/python/pyproject.toml").read_text(), re.MULTILINE)
    assert workspace and package and workspace[1] == package[1] == vixdisklib.__version__


def test_enumerations_are_those_of_the_header() -> None:
    members = numbers(r"^  VIXDISKLIB_(\w+) = (\d+),$")
    assert {f"DISK_{kind.name}": kind.value for kind in DiskType} == {
        name: value for name, value in members.items() if name.startswith("DISK_")
    }
    assert {f"ADAPTER_{kind.name}": kind.value for kind in AdapterType} == {
        name: value for name, value in members.items() if name.startswith("ADAPTER_")
    }
    assert (members["CRED_UID"], members["CRED_SESSIONID"]) == (_params.CRED_UID, _params.CRED_SESSION_ID)
    assert members["SPEC_VSTORAGE_OBJECT"] == _params.SPEC_VSTORAGE_OBJECT
    assert members["SPEC_DATASTORE"] == _params.SPEC_DATASTORE


def test_flags_and_limits_are_those_of_the_header() -> None:
    constants = numbers(r"^#define VIXDISKLIB_(\w+) (\(?[\d< ]+\)?)$")
    flags = {f"FLAG_OPEN_{flag.name}": flag.value for flag in OpenFlag}
    flags.update({f"FLAG_OPEN_COMPRESSION_{kind.name}": kind.value for kind in Compression if kind})
    assert flags == {
        name: value for name, value in constants.items() if name.startswith("FLAG_OPEN_") and "MASK" not in name
    }
    assert constants["SECTOR_SIZE"] == vixdisklib.SECTOR_SIZE
    assert constants["MIN_CHUNK_SIZE"] == vixdisklib.MIN_CHUNK
    assert constants["MAX_CHUNK_SIZE"] == vixdisklib.MAX_CHUNK
    assert constants["MAX_CHUNK_NUMBER"] == vixdisklib.MAX_CHUNKS
    assert constants["HWVERSION_CURRENT"] == vixdisklib.CURRENT_HARDWARE


def test_functions_are_those_of_the_header() -> None:
    declared = re.findall(r"^\w[\w *]*?\**VixDiskLib_(\w+)\(([^;]*)\);", HEADER, re.MULTILINE)
    parameters = {name: 0 if text == "void" else text.count(",") + 1 for name, text in declared}
    unused = {"Init", "Connect", "GetConnectParams"}
    assert {name: len(types) for name, types in _abi.PARAMETERS.items()} == {
        name: count for name, count in parameters.items() if name not in unused
    }


def test_every_function_has_its_place_in_both_languages() -> None:
    root = INCLUDE.parent
    rows = re.findall(r"^\| (`[A-Z].*`) \| (`.*`) \| (`.*`) \|$", (root / "docs/bindings.md").read_text(), re.MULTILINE)
    in_c, in_python, in_go = ([name for row in rows for name in re.findall(r"`([^`]+)`", row[i])] for i in range(3))
    exported = (root / "tests/exports.txt").read_text().split()
    assert sorted(f"VixDiskLib_{name}" for name in in_c) == sorted(exported)
    error = vixdisklib.VixError("text")
    for name in in_python:
        scope, _, member = name.rpartition(".")
        owner = error if scope == "VixError" else getattr(vixdisklib, scope) if scope else vixdisklib
        assert hasattr(owner, member), name
    source = "".join(path.read_text() for path in (root / "bindings/go").glob("*.go"))
    for name in in_go:
        scope, _, member = name.rpartition(".")
        declared = rf"^(func \(\w+ \*{scope}\) {member}\(|func {member}\(|type {member} |\t{member} string$)"
        assert re.search(declared, source, re.MULTILINE), name


def test_structs_are_laid_out_as_in_c(folder: Path) -> None:
    structs = {
        "VixDiskLibConnectParams": _abi.ConnectParams,
        "VixDiskLibCreateParams": _abi.CreateParams,
        "VixDiskLibInfo": _abi.Info,
        "VixDiskLibBlock": _abi.Block,
        "VixDiskLibBlockList": _abi.BlockList,
        "VixDiskLibGeometry": _abi.Geometry,
    }
    lines, wanted = [], []
    for name, struct in structs.items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        wanted.append(ctypes.sizeof(struct))
        for member, *_ in struct._fields_:
            lines.append(f'printf("%zu\\n", offsetof({name}, {member}));')
            wanted.append(getattr(struct, member).offset)
    source = '#include <stdio.h>\n#include "vixDiskLib.h"\nint main(void) {\n' + "\n".join(lines) + "\n}\n"
    (folder / "layout.c").write_text(source)
    subprocess.run(["cc", "-I", str(INCLUDE), "layout.c", "-o", "layout"], check=True, timeout=60)
    told = subprocess.run(["./layout"], check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert [int(number) for number in told] == wanted


def test_parameters_of_a_server_are_handed_over_whole() -> None:
    params = _abi.ConnectParams()
    server = vixdisklib.Server("host", "user", "", vm="vm-12", thumbprint="AA:BB", port=8443, nfc_port=9902)
    _params.fill(params, server)
    assert (params.serverName, params.vmxSpec, params.thumbPrint) == (b"host", b"moref=vm-12", b"AA:BB")
    # An empty password is a password.
    assert (params.credType, params.creds.uid.userName, params.creds.uid.password) == (1, b"user", b"")
    assert (params.port, params.nfcHostPort, params.specType) == (8443, 9902, 0)

    params = _abi.ConnectParams()
    _params.fill(params, vixdisklib.Server("host", "user", "key", cookie="c", vm=vixdisklib.FirstClassDisk("1", "ds")))
    session, disk = params.creds.sessionId, params.spec.vStorageObjSpec
    assert (params.credType, session.cookie, session.userName, session.key) == (2, b"c", b"user", b"key")
    assert (params.specType, disk.id, disk.datastoreMoRef, disk.ssId, params.vmxSpec) == (1, b"1", b"ds", None, None)

    params = _abi.ConnectParams()
    _params.fill(params, vixdisklib.Server("host", vm=vixdisklib.DatastoreFolder("ds", "folder")))
    assert (params.specType, params.spec.dsSpec.datastoreMoRef, params.spec.dsSpec.diskFolder) == (2, b"ds", b"folder")


def test_strings_live_as_long_as_the_parameters(lib: vixdisklib.Library) -> None:
    server = vixdisklib.Server("".join(["ho", "st"]), "us" + "er" * 40, "pass" * 40, vm="vm-" + "1" * 40)
    with _params.connect_params(lib._functions, server) as params:
        gc.collect()
        noise = [bytes(size) for size in range(400)]
        assert params.contents.serverName == b"host" and len(noise) == 400
        assert params.contents.creds.uid.userName == b"us" + b"er" * 40
        assert params.contents.vmxSpec == b"moref=vm-" + b"1" * 40


def test_virtual_machines_are_named_as_c_wants_them() -> None:
    legacy = "vm/vm.vmx?dcPath=dc&dsName=ds"
    for given, wanted in (("vm-1", "moref=vm-1"), ("moRef=2", "moRef=2"), (legacy, legacy), ("", "")):
        assert _params.machine(given) == wanted
    for modes, text in ((None, None), ("nbd", b"nbd"), (["nbdssl", "nbd"], b"nbdssl:nbd")):
        assert _params.modes(modes) == text
