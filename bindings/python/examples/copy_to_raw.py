#!/usr/bin/env python3
"""Copies a disk into a raw image, with a progress bar (pip install tqdm). Unallocated parts stay holes.

usage: copy_to_raw.py DISK IMAGE
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

import vixdisklib
from vixdisklib import SECTOR_SIZE, Disk

#: Sectors of one read, 4 MiB.
STEP = 8192


def copy(disk: Disk, image_path: Path) -> None:
    blocks = list(disk.allocated_blocks())
    memory = memoryview(bytearray(STEP * SECTOR_SIZE))
    total = sum(block.length for block in blocks) * SECTOR_SIZE
    with image_path.open("xb") as image, tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
        image.truncate(disk.info.capacity_bytes)
        for block in blocks:
            image.seek(block.offset * SECTOR_SIZE)
            for sector in range(block.offset, block.offset + block.length, STEP):
                count = min(STEP, block.offset + block.length - sector)
                part = memory[: count * SECTOR_SIZE]
                disk.readinto(part, sector)
                image.write(part)
                bar.update(len(part))


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with (
        vixdisklib.library() as lib,
        lib.connect(read_only=True) as local,
        local.open(sys.argv[1], read_only=True) as disk,
    ):
        copy(disk, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
