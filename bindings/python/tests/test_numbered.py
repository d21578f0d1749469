"""The numbered tests, which C and Go have too; docs/bindings.md lists them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL, pattern

import vixdisklib
from vixdisklib import MAX_CHUNK, MAX_CHUNKS, MIN_CHUNK, SECTOR_SIZE, Block, Connection, Disk, DiskType, Library, errors

NewDisk = Callable[..., Disk]

#: 40 GiB in sectors: more chunks than one question may cover.
LARGE = 40 << 21
WINDOW = MAX_CHUNKS * MIN_CHUNK

# ---- init


def test_01_the_library_starts_ends_and_starts_again() -> None:
    for _ in range(2):
        with vixdisklib.library() as lib:
            assert "file" in lib.transport_modes()
        assert lib.closed
    with pytest.raises(ValueError, match="the library is closed"):
        lib.connect()


def test_02_starts_are_counted() -> None:
    first, second = vixdisklib.library(), vixdisklib.library()
    second.close()
    second.close()
    first.connect().close()
    first.close()


def test_03_a_missing_configuration_is_refused() -> None:
    with pytest.raises(errors.FileNotFound):
        vixdisklib.library(config="missing.conf")


# ---- connect


def test_04_local_disks_need_no_parameters(lib: Library) -> None:
    lib.connect().close()
    lib.connect(vixdisklib.Server(""), transports=["file"]).close()


def test_05_a_read_only_connection_changes_nothing(lib: Library, small_disk: NewDisk) -> None:
    small_disk().close()
    with lib.connect(read_only=True) as connection:
        with pytest.raises(errors.FileReadOnly):
            connection.create("new.vmdk", SMALL)
        with connection.open("disk.vmdk") as disk, pytest.raises(errors.FileReadOnly):
            disk.write(0, bytes(SECTOR_SIZE))


def test_06_a_server_that_is_not_there_is_an_error(lib: Library) -> None:
    server = vixdisklib.Server(
        "127.0.0.1", "user", "password", vm="vm-1", thumbprint=":".join(["00"] * 20), port=1, nfc_port=1
    )
    with (
        pytest.raises(vixdisklib.VixError),
        lib.connect(server, snapshot="snapshot-1", transports=["nbdssl", "nbd"], read_only=True) as connection,
    ):
        # A server may show its faults at the first open only.
        connection.open("[ds] vm/vm.vmdk", read_only=True)


# ---- open and info


def test_07_a_new_disk_tells_what_it_is(small_disk: NewDisk) -> None:
    disk = small_disk()
    info = disk.info
    assert (info.capacity, info.links, info.parent_hint) == (SMALL, 1, None)
    assert info.adapter_type is vixdisklib.AdapterType.SCSI_LSILOGIC
    assert info.capacity_bytes == SMALL * SECTOR_SIZE
    assert (info.logical_sector_size, info.physical_sector_size) == (SECTOR_SIZE, SECTOR_SIZE)
    assert info.uuid is not None and info.physical_geometry.heads > 0
    assert disk.transport_mode == "file"


def test_08_a_missing_disk_is_not_found(local: Connection) -> None:
    with pytest.raises(errors.FileNotFound):
        local.open("missing.vmdk", read_only=True)


def test_09_a_child_names_its_parent(local: Connection, small_disk: NewDisk) -> None:
    with small_disk() as parent:
        parent.create_child("child.vmdk")
    with local.open("child.vmdk") as child:
        assert (child.info.links, child.info.capacity) == (2, SMALL)
        assert "disk.vmdk" in (child.info.parent_hint or "")


# ---- read and write


def test_10_what_was_never_written_is_zeros(small_disk: NewDisk) -> None:
    buffer = bytearray(b"\xa5" * 2 * SECTOR_SIZE)
    assert small_disk().readinto(buffer, SMALL - 2) == 2 * SECTOR_SIZE
    assert buffer == bytes(2 * SECTOR_SIZE)


def test_11_nothing_is_read_past_the_end(small_disk: NewDisk) -> None:
    disk = small_disk()
    for sector, count in ((SMALL - 1, 2), (SMALL, 1)):
        with pytest.raises(errors.DiskOutofrange):
            disk.read(sector, count)
        with pytest.raises(errors.DiskOutofrange):
            disk.readinto(bytearray(count * SECTOR_SIZE), sector)


def test_12_what_was_written_is_there_after_reopening(local: Connection, small_disk: NewDisk) -> None:
    data = pattern(1000, 300)
    with small_disk() as disk:
        assert disk.write(1000, data) == len(data)
        disk.flush()
    with local.open("disk.vmdk", read_only=True) as disk:
        assert disk.read(1000, 300) == data


def test_13_a_read_only_disk_takes_no_write(local: Connection, small_disk: NewDisk) -> None:
    small_disk().close()
    with local.open("disk.vmdk", read_only=True) as disk, pytest.raises(errors.FileReadOnly):
        disk.write(0, bytes(SECTOR_SIZE))


# ---- metadata


def test_14_values_are_listed_changed_and_kept(local: Connection, small_disk: NewDisk) -> None:
    with small_disk() as disk:
        disk.metadata["toolsVersion"] = "1"
        disk.metadata["toolsVersion"] = "12352"
    with local.open("disk.vmdk", read_only=True) as disk:
        assert disk.metadata["toolsVersion"] == "12352"
        assert disk.metadata["adapterType"] == "lsilogic"
        assert "toolsVersion" in list(disk.metadata)


def test_15_an_unknown_name_has_no_value(small_disk: NewDisk) -> None:
    metadata = small_disk().metadata
    with pytest.raises(KeyError, match="nothing"):
        metadata["nothing"]
    assert "nothing" not in metadata and metadata.get("nothing") is None


def test_16_long_values_come_back_whole(small_disk: NewDisk) -> None:
    metadata = small_disk().metadata
    metadata["comment"] = "x" * 2999
    assert metadata["comment"] == "x" * 2999


# ---- blocks


def test_17_written_chunks_are_listed(small_disk: NewDisk) -> None:
    disk = small_disk()
    for sector in (130, 256, SMALL - 1):
        disk.write(sector, b"\1" * SECTOR_SIZE)
    assert list(disk.allocated_blocks()) == [Block(128, 256), Block(SMALL // 128 * 128, SMALL % 128)]


def test_18_the_map_of_a_large_disk_is_whole(local: Connection) -> None:
    local.create("large.vmdk", LARGE)
    with local.open("large.vmdk") as disk:
        disk.write(WINDOW - 128, b"\1" * 256 * SECTOR_SIZE)
        disk.write(LARGE - 1, b"\1" * SECTOR_SIZE)
        # A run over the border of two questions is one run of the disk.
        assert list(disk.allocated_blocks()) == [Block(WINDOW - 128, 256), Block(LARGE - 128, 128)]


def test_19_a_chunk_of_a_forbidden_size_is_refused(small_disk: NewDisk) -> None:
    disk = small_disk()
    for chunk in (0, 1, MAX_CHUNK + 1):
        with pytest.raises(errors.InvalidArg):
            list(disk.allocated_blocks(chunk=chunk))


# ---- async


def test_20_many_requests_end_once_each(small_disk: NewDisk) -> None:
    disk = small_disk()
    ends = [0] * 128
    lock = threading.Lock()

    def count(number: int) -> Callable[[object], None]:
        def ended(_future: object) -> None:
            with lock:
                ends[number] += 1

        return ended

    writes = [disk.write_async(i * 100, pattern(i * 100, 100)) for i in range(64)]
    for i, write in enumerate(writes):
        write.add_done_callback(count(i))
    assert [write.result(60) for write in writes] == [100 * SECTOR_SIZE] * 64
    reads = [disk.read_async(i * 100, 100) for i in range(64)]
    for i, read in enumerate(reads):
        read.add_done_callback(count(64 + i))
    disk.wait()
    assert all(read.result(0) == pattern(i * 100, 100) for i, read in enumerate(reads))
    assert ends == [1] * 128


def test_21_a_request_past_the_end_fails(small_disk: NewDisk) -> None:
    disk = small_disk()
    future = disk.readinto_async(bytearray(SECTOR_SIZE), SMALL)
    with pytest.raises(errors.DiskOutofrange) as caught:
        future.result(60)
    assert "disk.vmdk" in caught.value.detail


def test_22_waiting_ends_when_all_requests_have(small_disk: NewDisk) -> None:
    disk = small_disk()
    disk.wait()  # for nothing
    future = disk.write_async(0, b"\1" * 8000 * SECTOR_SIZE)
    disk.wait()
    assert future.done() and future.result(0) == 8000 * SECTOR_SIZE


# ---- errors


def test_23_the_text_says_what_failed(local: Connection) -> None:
    with pytest.raises(errors.FileNotFound) as caught:
        local.open("23.vmdk", read_only=True)
    error = caught.value
    assert error.code == 4 and error.name == "VIX_E_FILE_NOT_FOUND"
    assert error.detail.startswith("VixDiskLib_Open: ") and "23.vmdk" in error.detail
    assert "No such file" in error.detail and str(error).endswith(error.detail)


def test_24_every_code_has_a_name_and_a_text(lib: Library) -> None:
    from vixdisklib._check import error as error_of

    assert len(errors.BY_CODE) > 150
    for code, kind in errors.BY_CODE.items():
        error = error_of(lib._functions, code)
        assert type(error) is kind and error.code == code
        assert kind.name.startswith("VIX_E_") and kind.__doc__ and len(str(error)) > 5
    unknown = error_of(lib._functions, 65535)
    assert type(unknown) is vixdisklib.VixError and unknown.code == 65535 and len(str(unknown)) > 5


def test_25_a_closed_disk_is_refused(small_disk: NewDisk) -> None:
    disk = small_disk()
    disk.close()
    disk.close()
    for call in (lambda: disk.read(0, 1), lambda: disk.info, lambda: disk.metadata["uuid"], disk.flush):
        with pytest.raises(ValueError, match="the disk is closed"):
            call()


# ---- whole disks


def test_26_nothing_is_created_over_a_disk(local: Connection, small_disk: NewDisk) -> None:
    small_disk().close()
    with pytest.raises(errors.FileAlreadyExists):
        local.create("disk.vmdk", SMALL)


def clone(local: Connection, disk: Disk, progress: Callable[[int], object]) -> None:
    for sector in range(0, 4 * 4096, 4096):
        disk.write(sector, b"\7" * 4096 * SECTOR_SIZE)
    disk.close()
    local.clone("disk.vmdk", "clone.vmdk", disk_type=DiskType.MONOLITHIC_FLAT, progress=progress)


def test_27_a_clone_tells_its_progress(local: Connection, small_disk: NewDisk) -> None:
    heard: list[int] = []
    clone(local, small_disk(), heard.append)
    assert heard[0] == 0 and heard[-1] == 100 and heard == sorted(heard)
    with local.open("clone.vmdk", read_only=True) as copy:
        assert copy.read(4096, 1) == b"\7" * SECTOR_SIZE


def test_28_a_clone_can_be_cancelled(local: Connection, small_disk: NewDisk) -> None:
    heard: list[int] = []

    def stop(percent: int) -> bool:
        heard.append(percent)
        return percent < 20

    with pytest.raises(errors.Cancelled):
        clone(local, small_disk(), stop)
    assert heard[-1] < 100 and not Path("clone.vmdk").exists() and not Path("clone-flat.vmdk").exists()
