"""Futures: with asyncio, under load, when what they need goes away."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from conftest import SMALL, pattern

from vixdisklib import SECTOR_SIZE, Connection, Disk, Library, _requests, errors

NewDisk = Callable[..., Disk]


def test_asyncio_waits_for_requests(small_disk: NewDisk) -> None:
    disk = small_disk()

    async def main() -> None:
        write = [asyncio.wrap_future(disk.write_async(i * 50, pattern(i * 50, 50))) for i in range(100)]
        assert await asyncio.gather(*write) == [50 * SECTOR_SIZE] * 100
        read = [asyncio.wrap_future(disk.read_async(i * 50, 50)) for i in range(100)]
        for i, data in enumerate(await asyncio.gather(*read)):
            assert data == pattern(i * 50, 50)
        with pytest.raises(errors.DiskOutofrange):
            await asyncio.wrap_future(disk.readinto_async(bytearray(SECTOR_SIZE), SMALL))

    asyncio.run(main())


def test_asyncio_may_give_up_a_request(small_disk: NewDisk) -> None:
    """The library goes on to use the memory, so the request ends for itself, whatever asyncio thinks of it."""
    disk = small_disk()

    async def main() -> Future[bytearray]:
        future = disk.read_async(0, SMALL)
        waiting = asyncio.wrap_future(future)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return future

    future = asyncio.run(main())
    assert future.result(60) == bytes(SMALL * SECTOR_SIZE)
    assert not future.cancelled() and not future.cancel()


def test_a_loop_may_be_gone_before_its_requests(small_disk: NewDisk) -> None:
    disk = small_disk()
    futures: list[Future[bytearray]] = []

    async def main() -> None:
        futures.extend(disk.read_async(0, SMALL) for _ in range(8))

    asyncio.run(main())
    disk.wait()
    assert all(future.done() for future in futures)


def test_a_buffer_nobody_else_has_lives_as_long_as_its_request(small_disk: NewDisk) -> None:
    disk = small_disk()
    futures = []
    for i in range(200):
        futures.append(disk.write_async(i * 100, bytearray(pattern(i * 100, 100))))
        gc.collect(0)
    for future in futures:
        future.result(60)
    for i in range(200):
        assert disk.read(i * 100, 100) == pattern(i * 100, 100)


def test_nothing_is_left_of_requests(small_disk: NewDisk) -> None:
    disk = small_disk()
    for _ in range(50):
        disk.read_async(0, 100)
    disk.wait()
    assert not _requests._under_way


def test_requests_from_many_threads(small_disk: NewDisk) -> None:
    disk = small_disk()
    failed: list[BaseException] = []

    def work(index: int) -> None:
        try:
            for round_ in range(20):
                sector = index * 1000 + round_ * 40
                disk.write_async(sector, pattern(sector, 40)).result(60)
                assert disk.read_async(sector, 40).result(60) == pattern(sector, 40)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_closing_waits_for_requests(local: Connection, small_disk: NewDisk) -> None:
    disk = small_disk()
    futures = [disk.write_async(0, b"\1" * 4000 * SECTOR_SIZE) for _ in range(8)]
    disk.close()
    assert all(future.done() and future.exception() is None for future in futures)


def test_ending_the_library_waits_for_requests(lib: Library) -> None:
    with lib.connect() as local:
        local.create("disk.vmdk", SMALL)
        disk = local.open("disk.vmdk")
        futures = [disk.write_async(0, b"\1" * 4000 * SECTOR_SIZE) for _ in range(8)]
        lib.close()
    assert disk.closed and local.closed
    assert all(future.done() and future.exception() is None for future in futures)


def test_a_disk_is_not_closed_by_a_callback_of_its_own(small_disk: NewDisk) -> None:
    disk = small_disk()
    caught: list[BaseException] = []
    after_end: list[bool] = []

    def close(_future: object) -> None:
        # A callback that is added too late runs here and not on the library's thread.
        if threading.current_thread() is threading.main_thread():
            after_end.append(True)
            return
        try:
            disk.close()
        except errors.ObjectIsBusy as error:
            caught.append(error)

    future: Future[bytearray] = disk.read_async(0, SMALL)
    future.add_done_callback(close)
    future.result(60)
    disk.wait()
    assert len(caught) + len(after_end) == 1
    assert disk.read(0, 1) == bytes(SECTOR_SIZE)
