"""Disks of a server: esxi-sim, or a host of one's own. Not among the tests that run by themselves.

    VIXDISKLIB_HOST=... VIXDISKLIB_USER=... VIXDISKLIB_PASSWORD=... VIXDISKLIB_THUMBPRINT=... VIXDISKLIB_VM=... \\
    VIXDISKLIB_DISK='[datastore] vm/vm.vmdk' pytest tests/server

VIXDISKLIB_PORT and VIXDISKLIB_NFC_PORT name other ports than 443 and 902, VIXDISKLIB_SNAPSHOT a snapshot.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import vixdisklib
from vixdisklib import Disk, Library


def server(password: str) -> vixdisklib.Server:
    return vixdisklib.Server(
        os.environ["VIXDISKLIB_HOST"],
        os.environ["VIXDISKLIB_USER"],
        password,
        vm=os.environ["VIXDISKLIB_VM"],
        thumbprint=os.environ.get("VIXDISKLIB_THUMBPRINT"),
        port=int(os.environ.get("VIXDISKLIB_PORT", "0")),
        nfc_port=int(os.environ.get("VIXDISKLIB_NFC_PORT", "0")),
    )


@pytest.fixture(params=["nbdssl", "nbd"])
def disk(request: pytest.FixtureRequest, lib: Library) -> Iterator[Disk]:
    snapshot = os.environ.get("VIXDISKLIB_SNAPSHOT")
    with (
        lib.connect(
            server(os.environ["VIXDISKLIB_PASSWORD"]), snapshot=snapshot, transports=request.param, read_only=True
        ) as connection,
        connection.open(os.environ["VIXDISKLIB_DISK"], read_only=True) as opened,
    ):
        assert opened.transport_mode == request.param
        yield opened


def test_every_way_of_reading_gives_the_same(disk: Disk) -> None:
    count = min(disk.capacity, 2048)
    data = disk.read(0, count)
    assert disk.read_async(0, count).result(60) == data
    assert disk.as_file().read(len(data)) == data


def test_what_is_not_allocated_is_zeros(disk: Disk) -> None:
    blocks = list(disk.allocated_blocks())
    gaps = [(first.offset + first.length, second.offset) for first, second in zip(blocks, blocks[1:])]
    for start, end in gaps[:16]:
        count = min(end - start, 128)
        assert disk.read(start, count) == bytes(count * vixdisklib.SECTOR_SIZE)


def test_a_wrong_password_is_refused(lib: Library) -> None:
    with (
        pytest.raises(vixdisklib.VixError),
        lib.connect(server("wrong")) as connection,
    ):
        connection.open(os.environ["VIXDISKLIB_DISK"], read_only=True)
