# A peer of `make bench`: dissect.hypervisor, the Python library. The same commands as in benches/bench.c.
#
# usage: dissect_vmdk.py seq DISK SECONDS | rnd DISK SECONDS OFFSETS | cat DISK
#
# SPDX-License-Identifier: Apache-2.0 OR MIT

import array
import os
import sys
import time
from pathlib import Path

from dissect.hypervisor.disk.vmdk import VMDK

LARGE = 1 << 20
SMALL = 4096


def sequential(disk: VMDK) -> int:
    total = 0
    disk.seek(0)
    for _ in range(disk.size // LARGE):
        total += int.from_bytes(disk.read(LARGE)[:8], "little")
    return total


def random_reads(disk: VMDK, offsets: array.array) -> int:
    total = 0
    for offset in offsets:
        disk.seek(offset)
        total += int.from_bytes(disk.read(SMALL)[:8], "little")
    return total


def cat(disk: VMDK) -> None:
    for _ in range(disk.size // LARGE):
        sys.stdout.buffer.write(disk.read(LARGE))


def main(command: str, path: str, *arguments: str) -> None:
    disk = VMDK(Path(path))
    if command == "cat":
        cat(disk)
        return
    least = float(arguments[0])
    offsets = array.array("Q")
    if command == "rnd":
        with open(arguments[1], "rb") as file:
            offsets.fromfile(file, os.path.getsize(arguments[1]) // 8)
    elif command != "seq":
        sys.exit(f"dissect_vmdk: unknown command '{command}'")
    total = passes = 0
    began = time.perf_counter()
    while passes == 0 or time.perf_counter() - began < least:
        total = random_reads(disk, offsets) if offsets else sequential(disk)
        passes += 1
    print(f"{(time.perf_counter() - began) / passes:.9f}\t{total % 2**64}")


main(*sys.argv[1:])
