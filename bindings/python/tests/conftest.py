"""What the tests share: a folder of their own, the library, a local connection, small disks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vixdisklib
from vixdisklib import SECTOR_SIZE, Connection, Disk, Library

#: Capacity of most disks, in sectors.
SMALL = 20000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lib() -> Iterator[Library]:
    with vixdisklib.library() as library:
        yield library


@pytest.fixture
def local(lib: Library) -> Iterator[Connection]:
    with lib.connect() as connection:
        yield connection


@pytest.fixture
def small_disk(local: Connection) -> Callable[..., Disk]:
    """Makes a disk of 20000 sectors, open for writing; the connection closes it."""

    def make(path: str = "disk.vmdk", disk_type: vixdisklib.DiskType = vixdisklib.DiskType.MONOLITHIC_SPARSE) -> Disk:
        local.create(path, SMALL, disk_type=disk_type)
        return local.open(path)

    return make


def pattern(sector: int, count: int) -> bytes:
    """Bytes that tell their place: no two sectors are the same."""
    return b"".join(
        hashlib.sha512(number.to_bytes(8, "little")).digest() * (SECTOR_SIZE // 64)
        for number in range(sector, sector + count)
    )
