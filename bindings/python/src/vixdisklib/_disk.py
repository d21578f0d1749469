"""An open disk."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING

from . import _buffer, _requests, errors
from ._abi import MAX_CHUNKS, MIN_CHUNK, SECTOR_SIZE, BlockList, Functions, Info, StrPath, c_string, text, unsigned
from ._abi import Geometry as CGeometry
from ._check import Progress, ProgressFunction, check
from ._file import DiskFile
from ._metadata import Metadata
from ._types import AdapterType, Block, DiskInfo, DiskType, Geometry

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

    from ._connection import Connection


class Disk:
    """An open disk, from :meth:`Connection.open` to :meth:`close`.

    Places and lengths are in sectors of 512 bytes, also on disks that report larger ones; :meth:`as_file` counts
    bytes. Any thread may call, several at once; other threads of Python run meanwhile.
    """

    def __init__(self, connection: Connection, functions: Functions, handle: int | None) -> None:
        self._connection = connection
        self._functions = functions
        self._handle = handle
        self._capacity: int | None = None
        # Held while a part of a sector is written, which reads and writes the whole of it.
        self._part = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._handle is None

    def close(self) -> None:
        """Waits for asynchronous requests, makes everything that was written durable, and closes the disk. A second
        call does nothing.

        Raises:
            VixError: Something could not be written; the disk is closed nevertheless. ObjectIsBusy, within a
                callback of a future of this disk: it stays open.
        """
        if self._handle is None:
            return
        code = self._functions.Close(self._handle)
        if code != errors.ObjectIsBusy.code:
            self._handle = None
            self._connection._disks.discard(self)
        if code != errors.InvalidHandle.code:  # else another thread was faster
            check(self._functions, code)

    def _opened(self) -> int:
        if self._handle is None:
            raise ValueError("the disk is closed")
        return self._handle

    # ---- Information

    @property
    def info(self) -> DiskInfo:
        """What the disk tells of itself, asked for anew."""
        pointer = ctypes.POINTER(Info)()
        check(self._functions, self._functions.GetInfo(self._opened(), ctypes.byref(pointer)))
        try:
            return _info(pointer.contents)
        finally:
            self._functions.FreeInfo(pointer)

    @property
    def capacity(self) -> int:
        """Capacity in sectors."""
        if self._capacity is None:
            self._capacity = self.info.capacity
        return self._capacity

    @property
    def transport_mode(self) -> str:
        """How its sectors are reached, such as ``file`` or ``nbdssl``."""
        return text(self._functions.GetTransportMode(self._opened()))

    @property
    def metadata(self) -> Metadata:
        """Its metadata, a mapping of names to values."""
        return Metadata(self)

    # ---- Reading and writing

    def read(self, sector: int, count: int) -> bytes:
        """Reads `count` sectors from `sector` on. :meth:`readinto` saves the copy.

        Raises:
            VixError: DiskOutofrange past the end of the disk, and others.
        """
        buffer = self._new_buffer(sector, count)
        self.readinto(buffer, sector)
        return bytes(buffer)

    def readinto(self, buffer: Buffer, sector: int) -> int:
        """Fills a buffer from `sector` on, without a copy; returns the number of bytes.

        Args:
            buffer: Any writable buffer of whole sectors: bytearray, memoryview, array, mmap, numpy's.
            sector: First sector.
        """
        memory = _buffer.to_fill(buffer)
        code = self._functions.Read(self._opened(), unsigned("sector", sector), memory.sectors, memory.pointer)
        check(self._functions, code)
        return memory.sectors * SECTOR_SIZE

    def write(self, sector: int, data: Buffer) -> int:
        """Writes whole sectors from `sector` on; returns the number of bytes. They are durable after :meth:`flush`
        or :meth:`close`. Only read-only data that is not of type bytes is copied.

        Raises:
            VixError: DiskOutofrange, FileReadOnly, DiskFull and others.
        """
        memory = _buffer.to_read(data)
        code = self._functions.Write(self._opened(), unsigned("sector", sector), memory.sectors, memory.pointer)
        check(self._functions, code)
        return memory.sectors * SECTOR_SIZE

    def flush(self) -> None:
        """Makes everything durable that was written so far. Asynchronous writes count once they have ended."""
        check(self._functions, self._functions.Flush(self._opened()))

    def _new_buffer(self, sector: int, count: int) -> bytearray:
        """Memory for a read. What leaves the disk is refused before memory is taken for it."""
        unsigned("sector", sector)
        unsigned("count", count)
        if sector + count > self.capacity:
            raise errors.DiskOutofrange(
                f"{count} sectors from sector {sector} on leave the disk, which has {self.capacity}"
            )
        return bytearray(count * SECTOR_SIZE)

    # ---- Asynchronous reading and writing

    def read_async(self, sector: int, count: int) -> Future[bytearray]:
        """Starts to read `count` sectors from `sector` on.

        Returns:
            A future with the data. It ends on any thread, perhaps before this returns, and cannot be cancelled;
            :func:`asyncio.wrap_future` makes it one of asyncio. The library's errors are the future's.
        """
        buffer = self._new_buffer(sector, count)
        return self._start_read(buffer, sector, buffer)

    def readinto_async(self, buffer: Buffer, sector: int) -> Future[int]:
        """Starts to fill a buffer, as :meth:`readinto`. The buffer is kept alive and must be left alone until the
        future ends.

        Returns:
            As :meth:`read_async`, with the number of bytes.
        """
        with memoryview(buffer) as view:
            length = view.nbytes
        return self._start_read(buffer, sector, length)

    def _start_read(self, buffer: Buffer, sector: int, result: _requests.T) -> Future[_requests.T]:
        memory = _buffer.to_fill(buffer)
        handle, start = self._opened(), unsigned("sector", sector)
        return _requests.start(
            self._functions,
            lambda function, data: self._functions.ReadAsync(
                handle, start, memory.sectors, memory.pointer, function, data
            ),
            result,
            memory,
        )

    def write_async(self, sector: int, data: Buffer) -> Future[int]:
        """Starts to write whole sectors, as :meth:`write`. The data is kept alive and must not change until the
        future ends.

        Returns:
            As :meth:`read_async`, with the number of bytes.
        """
        memory = _buffer.to_read(data)
        handle, start = self._opened(), unsigned("sector", sector)
        return _requests.start(
            self._functions,
            lambda function, number: self._functions.WriteAsync(
                handle, start, memory.sectors, memory.pointer, function, number
            ),
            memory.sectors * SECTOR_SIZE,
            memory,
        )

    def wait(self) -> None:
        """Waits until every asynchronous request has ended, callbacks of its future included."""
        check(self._functions, self._functions.Wait(self._opened()))

    # ---- Allocation

    def allocated_blocks(self, start: int = 0, count: int | None = None, *, chunk: int = MIN_CHUNK) -> Iterator[Block]:
        """The allocated runs, in their order, disjoint and as long as possible. What is not listed reads as zeros;
        of a disk opened as a single link it is left to the parent.

        Args:
            start: First sector, best a multiple of `chunk`.
            count: Number of sectors; None for everything up to the end of the disk.
            chunk: How fine the runs are, 128 to 131072 sectors.

        Returns:
            An iterator that asks the library for some GB at a time.
        """
        end = self.capacity if count is None else start + count
        return _joined(self._windows(unsigned("start", start), end, unsigned("chunk", chunk)))

    def _windows(self, start: int, end: int, chunk: int) -> Iterator[Block]:
        while start < end:
            sectors = min(MAX_CHUNKS * max(chunk, 1), end - start)
            yield from self._query(start, sectors, chunk)
            start += sectors

    def _query(self, start: int, sectors: int, chunk: int) -> list[Block]:
        pointer = ctypes.POINTER(BlockList)()
        code = self._functions.QueryAllocatedBlocks(self._opened(), start, sectors, chunk, ctypes.byref(pointer))
        check(self._functions, code)
        try:
            blocks = pointer.contents
            # Objects for every run would be slow: a slice of numbers instead.
            numbers = ctypes.cast(blocks.blocks, ctypes.POINTER(ctypes.c_uint64))[: 2 * blocks.numBlocks]
        finally:
            self._functions.FreeBlockList(pointer)
        return [Block(*pair) for pair in zip(numbers[::2], numbers[1::2])]

    # ---- As a file

    def as_file(self) -> DiskFile:
        """A file object over the disk: seekable, places in bytes, any length. Closing it leaves the disk open.

        Writes become durable by :meth:`flush` or :meth:`close` of the disk. For many small reads wrap it into
        :class:`io.BufferedReader`.
        """
        return DiskFile(self)

    # ---- The disk as a whole

    def create_child(
        self,
        path: StrPath,
        *,
        disk_type: DiskType = DiskType.MONOLITHIC_SPARSE,
        progress: ProgressFunction = None,
    ) -> None:
        """Makes a child, a sparse link that shows this disk until it is written itself. This disk must not be
        written any more as long as the child is to be used.

        Args:
            path: Where the child is to be.
            disk_type: MONOLITHIC_SPARSE or SPLIT_SPARSE.
            progress: Told the per cent that are done.
        """
        report = Progress(progress)
        code = self._functions.CreateChild(self._opened(), c_string(path), disk_type, report.callback, None)
        report.check(self._functions, code)

    def check_attach(self, child: Disk) -> None:
        """Raises what :meth:`attach` would; changes nothing."""
        check(self._functions, self._functions.IsAttachPossible(self._opened(), child._opened()))

    def attach(self, child: Disk) -> None:
        """Puts `child`, opened as a single link, on top of this disk: from then on `child` is the whole chain, and
        this one can only be closed.

        Raises:
            VixError: DiskAttachRootlink, DiskCidMismatch, DiskCapacityMismatch; both are as they were then.
        """
        check(self._functions, self._functions.Attach(self._opened(), child._opened()))

    def shrink(self, *, progress: ProgressFunction = None) -> None:
        """Gives the space of zeros back to the file system. Flat disks have nothing to give back."""
        report = Progress(progress)
        report.check(self._functions, self._functions.Shrink(self._opened(), report.callback, None))

    def defragment(self, *, progress: ProgressFunction = None) -> None:
        """Puts the grains of a sparse disk into the order of the disk."""
        report = Progress(progress)
        report.check(self._functions, self._functions.Defragment(self._opened(), report.callback, None))

    def space_for_clone(self, disk_type: DiskType = DiskType.UNKNOWN) -> int:
        """The bytes that a clone takes as that kind, UNKNOWN for the kind it has. The whole disk is read."""
        space = ctypes.c_uint64()
        code = self._functions.SpaceNeededForClone(self._opened(), disk_type, ctypes.byref(space))
        check(self._functions, code)
        return space.value


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Runs that touch, as at the borders of windows, become one."""
    last: Block | None = None
    for block in blocks:
        if last is not None and last.offset + last.length == block.offset:
            last = Block(last.offset, last.length + block.length)
            continue
        if last is not None:
            yield last
        last = block
    if last is not None:
        yield last


def _info(info: Info) -> DiskInfo:
    known = {adapter.value for adapter in AdapterType}
    return DiskInfo(
        capacity=info.capacity,
        bios_geometry=_geometry(info.biosGeo),
        physical_geometry=_geometry(info.physGeo),
        adapter_type=AdapterType(info.adapterType) if info.adapterType in known else AdapterType.UNKNOWN,
        links=info.numLinks,
        parent_hint=None if info.parentFileNameHint is None else text(info.parentFileNameHint),
        uuid=None if info.uuid is None else text(info.uuid),
        logical_sector_size=info.logicalSectorSize,
        physical_sector_size=info.physicalSectorSize,
    )


def _geometry(geometry: CGeometry) -> Geometry:
    return Geometry(geometry.cylinders, geometry.heads, geometry.sectors)
