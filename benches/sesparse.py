# Makes a disk with an seSparse extent out of raw content, for benches/bench.py: no software that we know writes them.
# Grains that are zero are left out, the others stand in order. Readers need neither bitmap nor back map.
#
# SPDX-License-Identifier: Apache-2.0 OR MIT

import struct
from pathlib import Path

SECTOR = 512
GRAIN = 4096
TABLE_ENTRIES = 4096
DIRECTORY = 8  # sector of the directory
ALIGNMENT = 2048  # sectors; so that grains of 4 KiB lie on pages, as those of the other disks do


def entry(index: int) -> int:
    """What a table says of the grain that has this number in the file: the lowest 12 bits come first."""
    return 3 << 60 | (index & 0xFFF) << 48 | index >> 12


def write_sesparse(raw: Path, disk: Path) -> None:
    """Makes DISK and its extent, whose name ends in -sesparse.vmdk."""
    capacity = raw.stat().st_size // SECTOR
    tables = -(-capacity // (TABLE_ENTRIES * GRAIN // SECTOR))
    first_table = DIRECTORY + -(-tables * 8 // SECTOR)
    first_grain = -(-(first_table + tables * 64 + 2) // ALIGNMENT) * ALIGNMENT
    extent = disk.with_name(f"{disk.stem}-sesparse.vmdk")
    entries, used = [0] * (tables * TABLE_ENTRIES), 0
    with open(raw, "rb") as source, open(extent, "wb") as target:
        target.seek(first_grain * SECTOR)
        for number in range(capacity * SECTOR // GRAIN):
            grain = source.read(GRAIN)
            if grain.count(0) < GRAIN:
                entries[number] = entry(used)
                target.write(grain)
                used += 1
        target.seek(0)
        target.write(header(capacity, tables, first_table, first_grain))
        target.seek(SECTOR)
        target.write(struct.pack("<Q", 0xCAFECAFE))
        target.seek(DIRECTORY * SECTOR)
        target.write(struct.pack(f"<{tables}Q", *(1 << 60 | table for table in range(tables))))
        target.seek(first_table * SECTOR)
        target.write(struct.pack(f"<{len(entries)}Q", *entries))
    disk.write_text(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"seSparse\"\n\n"
        f"# Extent description\nRW {capacity} SESPARSE \"{extent.name}\"\n\n# The Disk Data Base\n#DDB\n\n"
    )


def header(capacity: int, tables: int, first_table: int, first_grain: int) -> bytes:
    # Places and lengths, in sectors, of: volatile header, header of the journal, journal, directory, tables,
    # free bitmap, back map, grains.
    areas = [1, 1, 2, 2, 4, DIRECTORY - 4, DIRECTORY, first_table - DIRECTORY, first_table, tables * 64]
    areas += [first_grain - 2, 1, first_grain - 1, 1, first_grain, capacity]
    return struct.pack("<26Q", 0xCAFEBABE, 0x2_0000_0001, capacity, 8, 64, 0, 0, 0, 0, 0, *areas)
