"""Buffers, files and threads over one disk."""

from __future__ import annotations

import array
import io
import mmap
import random
import shutil
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL, pattern

from vixdisklib import SECTOR_SIZE, Block, Connection, Disk, errors

NewDisk = Callable[..., Disk]


def test_any_writable_buffer_is_filled_in_place(small_disk: NewDisk) -> None:
    disk = small_disk()
    data = pattern(7, 2)
    disk.write(7, data)
    numbers = array.array("Q", bytes(2 * SECTOR_SIZE))
    mapped = mmap.mmap(-1, 2 * SECTOR_SIZE)
    larger = bytearray(4 * SECTOR_SIZE)
    for buffer in (bytearray(2 * SECTOR_SIZE), numbers, mapped, memoryview(larger)[SECTOR_SIZE : 3 * SECTOR_SIZE]):
        assert disk.readinto(buffer, 7) == 2 * SECTOR_SIZE
        assert bytes(memoryview(buffer)) == data
    assert larger[:SECTOR_SIZE] == bytes(SECTOR_SIZE) == larger[3 * SECTOR_SIZE :]


def test_no_copy_is_made_of_a_buffer(local: Connection) -> None:
    local.create("disk.vmdk", 1 << 17)
    with local.open("disk.vmdk") as disk:
        buffer = bytearray(64 << 20)
        view = memoryview(buffer)
        data = bytes(buffer)
        tracemalloc.start()
        try:
            disk.readinto(buffer, 0)
            disk.readinto(view[512:1024], 0)
            disk.readinto_async(buffer, 0).result(60)
            disk.as_file().readinto(buffer)
            disk.write(0, buffer)
            disk.write(0, data)
            disk.write_async(0, data).result(60)
            disk.wait()
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
            disk.read(0, 1 << 17)
            assert tracemalloc.get_traced_memory()[1] > 64 << 20
        finally:
            tracemalloc.stop()


def test_any_data_is_written(small_disk: NewDisk) -> None:
    disk = small_disk()
    data = pattern(7, 1)
    for given in (data, bytearray(data), memoryview(data), memoryview(bytearray(data)), array.array("I", data)):
        disk.write(7, bytes(SECTOR_SIZE))
        disk.write(7, given)
        assert disk.read(7, 1) == data


def test_buffers_that_will_not_do_are_refused(small_disk: NewDisk) -> None:
    disk = small_disk()
    with pytest.raises(ValueError, match="511 bytes are not a whole number of sectors"):
        disk.readinto(bytearray(511), 0)
    with pytest.raises(ValueError, match="not a whole number"):
        disk.write(0, b"x")
    with pytest.raises(TypeError):
        disk.readinto(bytes(SECTOR_SIZE), 0)
    with pytest.raises((TypeError, BufferError)):
        disk.readinto(memoryview(bytearray(2 * SECTOR_SIZE))[::2], 0)
    for sector in (-1, 1 << 64):
        with pytest.raises(ValueError, match="sector is"):
            disk.readinto(bytearray(SECTOR_SIZE), sector)
        with pytest.raises(ValueError, match="sector is"):
            disk.write(sector, bytes(SECTOR_SIZE))
    with pytest.raises(errors.DiskOutofrange):  # and no memory of that size is asked for
        disk.read(0, 1 << 60)


def test_no_sectors_are_a_success(small_disk: NewDisk) -> None:
    disk = small_disk()
    assert disk.read(5, 0) == b""
    assert disk.readinto(bytearray(), 5) == 0
    assert disk.write(5, b"") == 0
    assert disk.read_async(5, 0).result(60) == b""


def test_a_buffer_can_be_resized_after_use(small_disk: NewDisk) -> None:
    disk = small_disk()
    buffer = bytearray(SECTOR_SIZE)
    disk.readinto(buffer, 0)
    buffer.extend(b"x")
    buffer = bytearray(SECTOR_SIZE)
    disk.readinto_async(buffer, 0).result(60)
    disk.wait()
    buffer.extend(b"x")


def test_ranges_of_blocks(small_disk: NewDisk) -> None:
    disk = small_disk()
    disk.write(1280, b"\1" * 1280 * SECTOR_SIZE)
    assert list(disk.allocated_blocks(1408, 256)) == [Block(1408, 256)]
    assert list(disk.allocated_blocks(chunk=1024)) == [Block(1024, 2048)]
    assert list(disk.allocated_blocks(SMALL)) == []
    with pytest.raises(ValueError, match="start is -1"):
        disk.allocated_blocks(-1)


def test_a_file_reads_and_writes_any_bytes_like_memory(small_disk: NewDisk) -> None:
    """Random operations against an array of bytes."""
    chance = random.Random(5)
    model = bytearray(SMALL * SECTOR_SIZE)
    disk = small_disk()
    with disk.as_file() as file:
        assert file.readable() and file.writable() and file.seekable()
        for _ in range(300):
            place, length = chance.randrange(200_000), chance.choice((1, 3, 511, 512, 513, 4096, 10_000))
            assert file.seek(place) == place == file.tell()
            if chance.random() < 0.5:
                data = chance.randbytes(length)
                assert file.write(data) == length
                model[place : place + length] = data
            else:
                assert file.read(length) == model[place : place + length]
        file.seek(0)
        assert file.readall() == model
    assert not disk.closed and file.closed
    with pytest.raises(ValueError, match="closed file"):
        file.read(1)


def test_a_file_ends_where_the_disk_ends(small_disk: NewDisk) -> None:
    file = small_disk().as_file()
    assert file.seek(-3, io.SEEK_END) == SMALL * SECTOR_SIZE - 3
    assert file.read(10) == bytes(3) and file.read(10) == b"" and file.readall() == b""
    file.seek(-2, io.SEEK_CUR)
    assert file.write(b"abcd") == 2
    with pytest.raises(OSError, match="the disk ends here"):
        file.write(b"e")
    with pytest.raises(OSError, match="before the start"):
        file.seek(-1)
    with pytest.raises(ValueError, match="whence"):
        file.seek(0, 7)
    file.seek(SMALL * SECTOR_SIZE + 99)
    assert file.read(1) == b""


def test_a_file_works_with_what_takes_files(small_disk: NewDisk, folder: Path) -> None:
    disk = small_disk()
    disk.write(0, pattern(0, 100))
    with (folder / "raw.img").open("wb") as raw:
        shutil.copyfileobj(disk.as_file(), raw)
    assert (folder / "raw.img").read_bytes() == disk.read(0, SMALL)
    with io.BufferedReader(disk.as_file()) as buffered:
        buffered.seek(1000)
        assert buffered.read(33) == pattern(0, 3)[1000:1033]
    with io.BufferedRandom(disk.as_file()) as buffered:  # type: ignore[type-var,unused-ignore]
        buffered.seek(5)
        buffered.write(b"hello")
    assert disk.read(0, 1)[:12] == pattern(0, 1)[:5] + b"hello" + pattern(0, 1)[10:12]


def test_parts_of_one_sector_are_written_by_many_threads(small_disk: NewDisk) -> None:
    disk = small_disk()

    def write(index: int) -> None:
        file = disk.as_file()
        for round_ in range(20):
            file.seek(index * 8)
            file.write(bytes([index, round_] * 4))

    threads = [threading.Thread(target=write, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert disk.read(0, 1)[:64] == b"".join(bytes([index, 19] * 4) for index in range(8))


def test_other_threads_run_during_a_read(local: Connection) -> None:
    """Reads of 1 GB in all, while another thread counts: it gets on only if the interpreter's lock is free."""
    local.create("big.vmdk", 1 << 20)
    stop = threading.Event()
    during = 0
    reading = threading.Event()

    def count() -> None:
        nonlocal during
        while not stop.is_set():
            if reading.is_set():
                during += 1
            time.sleep(0)

    with local.open("big.vmdk", read_only=True) as disk:
        buffer = bytearray(512 << 20)
        thread = threading.Thread(target=count)
        thread.start()
        reading.set()
        for _ in range(2):
            disk.readinto(buffer, 0)
        reading.clear()
        stop.set()
        thread.join()
    assert during > 10


def test_a_disk_of_a_file_is_kept_when_a_read_fails(small_disk: NewDisk, local: Connection) -> None:
    disk = small_disk()
    disk.close()
    with pytest.raises(ValueError, match="the disk is closed"):
        disk.as_file()
    with local.open("disk.vmdk") as again:
        file = again.as_file()
    with pytest.raises(ValueError, match="the disk is closed"):
        file.read(SECTOR_SIZE)
    with pytest.raises(ValueError, match="the disk is closed"):
        file.read(1)
