# The content of a disk as another reader sees it, on stdout; `tests/peers.rs` compares it with ours.
#
# usage: read.py dissect|libvmdk DISK [PARENT...]      parents from the child down, for libvmdk, which finds none itself
#
# SPDX-License-Identifier: Apache-2.0 OR MIT

import sys
from pathlib import Path

PIECE = 1 << 20


def dissect(path: str) -> None:
    from dissect.hypervisor.disk.vmdk import VMDK

    disk = VMDK(Path(path))
    left = disk.size
    while left:
        data = disk.read(min(left, PIECE))
        sys.stdout.buffer.write(data)
        left -= len(data)
        if not data:
            sys.exit(f"{left} bytes are missing")


def libvmdk(path: str, *parents: str) -> None:
    import pyvmdk

    handles = []
    for name in (path, *parents):
        handle = pyvmdk.handle()
        handle.open(name)
        handle.open_extent_data_files()
        handles.append(handle)
    for child, parent in zip(handles, handles[1:]):
        child.set_parent(parent)
    left = handles[0].get_media_size()
    while left:
        data = handles[0].read_buffer(min(left, PIECE))
        sys.stdout.buffer.write(data)
        left -= len(data)
        if not data:
            sys.exit(f"{left} bytes are missing")


{"dissect": dissect, "libvmdk": libvmdk}[sys.argv[1]](*sys.argv[2:])
