"""Memory of Python objects for C, without a copy where Python allows it."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NamedTuple

from ._abi import SECTOR_SIZE

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Memory(NamedTuple):
    """Whole sectors in memory."""

    #: What C gets: an address, or bytes, of which C gets the address.
    pointer: int | bytes | None
    #: Number of sectors.
    sectors: int
    #: Keeps the memory in its place as long as it is referred to.
    keep: object


def to_fill(buffer: Buffer) -> Memory:
    """The memory of a writable buffer.

    Raises:
        TypeError: The buffer is read-only or not contiguous.
        ValueError: It is not a whole number of sectors.
    """
    sectors = _sectors(buffer)
    if sectors == 0:
        return Memory(None, 0, None)
    first = ctypes.c_char.from_buffer(buffer)
    return Memory(ctypes.addressof(first), sectors, first)


def to_read(data: Buffer) -> Memory:
    """The memory of data to be written. That of read-only objects other than bytes is copied.

    Raises:
        TypeError: The data is not contiguous.
        ValueError: It is not a whole number of sectors.
    """
    if not isinstance(data, bytes):
        with memoryview(data) as view:
            if not view.readonly:
                return to_fill(data)
            data = view.tobytes()
    return Memory(data, _sectors(data), data)


def _sectors(buffer: Buffer) -> int:
    with memoryview(buffer) as view:
        length = view.nbytes
    if length % SECTOR_SIZE != 0:
        raise ValueError(f"{length} bytes are not a whole number of sectors of {SECTOR_SIZE} bytes")
    return length // SECTOR_SIZE
