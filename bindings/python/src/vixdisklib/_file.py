"""A disk as a file of Python."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING

from ._abi import SECTOR_SIZE

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._disk import Disk


class DiskFile(io.RawIOBase):
    """A seekable raw file over an open disk. Its length is that of the disk and stays so.

    Whole sectors go straight to and from the caller's memory; parts of sectors are copied through one sector.
    """

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk
        self._place = 0
        self._length = disk.capacity * SECTOR_SIZE

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def readable(self) -> bool:
        self._check_open()
        return True

    def writable(self) -> bool:
        self._check_open()
        return True

    def seekable(self) -> bool:
        self._check_open()
        return True

    def tell(self) -> int:
        self._check_open()
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._check_open()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}
        if whence not in bases:
            raise ValueError(f"whence {whence} is not 0, 1 or 2")
        place = bases[whence] + offset
        if place < 0:
            raise OSError(errno.EINVAL, f"place {place} is before the start of the disk")
        self._place = place
        return place

    def readinto(self, buffer: Buffer, /) -> int:
        """Reads up to the end of the buffer or of the disk; 0 at the end of the disk."""
        self._check_open()
        with memoryview(buffer) as given, given.cast("B") as view:
            length = max(0, min(len(view), self._length - self._place))
            self._each_part(length, lambda sector, skip, start, end: self._read(view, sector, skip, start, end))
        self._place += length
        return length

    def readall(self) -> bytes:
        data = bytearray(max(0, self._length - self._place))
        self.readinto(data)
        return bytes(data)

    def write(self, data: Buffer, /) -> int:
        """Writes up to the end of the disk, and tells how many bytes that were.

        Raises:
            OSError: ENOSPC, at the end of the disk.
        """
        self._check_open()
        with memoryview(data) as given, given.cast("B") as view:
            length = max(0, min(len(view), self._length - self._place))
            if length == 0 and len(view) > 0:
                raise OSError(errno.ENOSPC, "the disk ends here")
            self._each_part(length, lambda sector, skip, start, end: self._write(view, sector, skip, start, end))
        self._place += length
        return length

    def _each_part(self, length: int, use: _Use) -> None:
        """Cuts `length` bytes from the present place on into whole sectors in the middle and parts at the ends."""
        done = 0
        while done < length:
            sector, skip = divmod(self._place + done, SECTOR_SIZE)
            whole = (length - done) // SECTOR_SIZE * SECTOR_SIZE
            size = whole if skip == 0 and whole > 0 else min(SECTOR_SIZE - skip, length - done)
            use(sector, skip, done, done + size)
            done += size

    def _read(self, view: memoryview, sector: int, skip: int, start: int, end: int) -> None:
        part = view[start:end]
        if len(part) % SECTOR_SIZE == 0:
            self._disk.readinto(part, sector)
        else:
            part[:] = self._disk.read(sector, 1)[skip : skip + len(part)]

    def _write(self, view: memoryview, sector: int, skip: int, start: int, end: int) -> None:
        part = view[start:end]
        if len(part) % SECTOR_SIZE == 0:
            self._disk.write(sector, part)
            return
        with self._disk._part:
            whole = bytearray(self._disk.read(sector, 1))
            whole[skip : skip + len(part)] = part
            self._disk.write(sector, whole)


if TYPE_CHECKING:
    from typing import Callable

    #: Sector, bytes to skip in it, start and end of the bytes in memory.
    _Use = Callable[[int, int, int, int], None]
