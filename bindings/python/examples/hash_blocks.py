#!/usr/bin/env python3
"""Prints the SHA-256 of every allocated MiB of a disk, with asynchronous reads under asyncio.

usage: hash_blocks.py DISK
"""

from __future__ import annotations

import asyncio
import hashlib
import sys

import vixdisklib
from vixdisklib import SECTOR_SIZE, Disk

#: Sectors of a MiB.
MIB = 2048
#: Reads under way at once.
DEPTH = 8


async def hash_blocks(disk: Disk) -> list[tuple[int, str]]:
    """The number of each allocated MiB, and its hash."""
    depth = asyncio.Semaphore(DEPTH)

    async def hash_of(sector: int) -> tuple[int, str]:
        async with depth:
            data = await asyncio.wrap_future(disk.read_async(sector, min(MIB, disk.capacity - sector)))
        return sector * SECTOR_SIZE >> 20, hashlib.sha256(data).hexdigest()

    sectors = [
        sector
        for block in disk.allocated_blocks(chunk=MIB)
        for sector in range(block.offset, block.offset + block.length, MIB)
    ]
    return await asyncio.gather(*map(hash_of, sectors))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with (
        vixdisklib.library() as lib,
        lib.connect(read_only=True) as local,
        local.open(sys.argv[1], read_only=True) as disk,
    ):
        for number, digest in asyncio.run(hash_blocks(disk)):
            print(number, digest)


if __name__ == "__main__":
    main()
