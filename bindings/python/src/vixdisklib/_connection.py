"""Connections: opening disks, and what is done to disks as a whole."""

from __future__ import annotations

import contextlib
import ctypes
from types import TracebackType
from typing import TYPE_CHECKING

from . import _log, errors
from ._abi import CreateParams, Functions, StrPath, c_string, unsigned
from ._check import Progress, ProgressFunction, check
from ._disk import Disk
from ._params import boolean
from ._types import CURRENT_HARDWARE, AdapterType, Compression, DiskType, OpenFlag

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._library import Library

# What a line of the log begins with that is about a check.
_FINDING = "DISKLIB-CHECK : "


class Connection:
    """A connection, from :meth:`Library.connect` to :meth:`close`. Paths are those of local files, or
    ``[datastore] folder/disk.vmdk`` on a server."""

    def __init__(self, library: Library, functions: Functions, handle: int | None) -> None:
        self._library = library
        self._functions = functions
        self._handle = handle
        self._disks: set[Disk] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._handle is None

    def close(self) -> None:
        """Ends it, with the disks that are still open. A second call does nothing.

        Raises:
            VixError: A disk did not end well; everything is closed nevertheless. ObjectIsBusy, within a callback of
                a future of one of its disks: it stays open.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._disconnect)
            for disk in list(self._disks):
                stack.callback(disk.close)

    def _disconnect(self) -> None:
        if self._handle is None:
            return
        code = self._functions.Disconnect(self._handle)
        if code != errors.ObjectIsBusy.code:
            self._handle = None
            self._library._connections.discard(self)
        if code != errors.InvalidHandle.code:  # else another thread was faster
            check(self._functions, code)

    def _opened(self) -> int:
        if self._handle is None:
            raise ValueError("the connection is closed")
        return self._handle

    def open(
        self,
        path: StrPath,
        *,
        read_only: bool = False,
        unbuffered: bool = False,
        single_link: bool = False,
        compression: Compression = Compression.NONE,
    ) -> Disk:
        """Opens a disk: the path of its descriptor, or of the only file of a monolithic disk.

        Args:
            path: The disk.
            read_only: No writes. Without it other processes cannot open the disk for writing.
            unbuffered: Large transfers go past the host's cache.
            single_link: One link of a chain, not its parents.
            compression: Compression on the wire of the transport nbdssl.

        Raises:
            VixError: FileNotFound, FileAlreadyLocked, FileAccessError, DiskInvaliddisk and others.
        """
        flags = OpenFlag.UNBUFFERED * unbuffered | OpenFlag.SINGLE_LINK * single_link | OpenFlag.READ_ONLY * read_only
        handle = ctypes.c_void_p()
        code = self._functions.Open(self._opened(), c_string(path), flags | compression, ctypes.byref(handle))
        check(self._functions, code)
        disk = Disk(self, self._functions, handle.value)
        self._disks.add(disk)
        return disk

    def create(
        self,
        path: StrPath,
        capacity: int,
        *,
        disk_type: DiskType = DiskType.MONOLITHIC_SPARSE,
        adapter_type: AdapterType = AdapterType.SCSI_LSILOGIC,
        hardware: int = CURRENT_HARDWARE,
        progress: ProgressFunction = None,
    ) -> None:
        """Makes an empty local disk; nothing is overwritten.

        Args:
            path: Where its descriptor, or its only file, is to be.
            capacity: Capacity in sectors of 512 bytes.
            disk_type: Its kind.
            adapter_type: Its adapter, which decides the geometry.
            hardware: Its virtual hardware version.
            progress: Told the per cent that are done.

        Raises:
            VixError: FileAlreadyExists, DiskFull, InvalidArg and others; nothing is left behind then.
        """
        params = _create_params(disk_type, adapter_type, hardware, capacity)
        report = Progress(progress)
        code = self._functions.Create(self._opened(), c_string(path), ctypes.byref(params), report.callback, None)
        report.check(self._functions, code)

    def clone(
        self,
        source: StrPath,
        target: StrPath,
        *,
        source_connection: Connection | None = None,
        disk_type: DiskType = DiskType.MONOLITHIC_SPARSE,
        adapter_type: AdapterType = AdapterType.SCSI_LSILOGIC,
        hardware: int = CURRENT_HARDWARE,
        overwrite: bool = False,
        progress: ProgressFunction = None,
    ) -> None:
        """Copies a disk with all its links into a new one. Zeros take no space where the kind allows it.

        Args:
            source: The disk to copy.
            target: The new disk, of this connection.
            source_connection: The connection that `source` is of; this one without it.
            disk_type: Kind of the new disk.
            adapter_type: Its adapter.
            hardware: Its virtual hardware version.
            overwrite: A disk that is there is replaced, once the copy is whole.
            progress: Told the per cent that are done. False as its answer cancels the copy.

        Raises:
            VixError: FileAlreadyExists, Cancelled, DiskFull and others; what was made is removed then.
        """
        params = _create_params(disk_type, adapter_type, hardware, 0)
        report = Progress(progress)
        code = self._functions.Clone(
            self._opened(),
            c_string(target),
            (source_connection or self)._opened(),
            c_string(source),
            ctypes.byref(params),
            report.callback,
            None,
            boolean(overwrite),
        )
        report.check(self._functions, code)

    def grow(
        self, path: StrPath, capacity: int, *, update_geometry: bool = True, progress: ProgressFunction = None
    ) -> None:
        """Gives a local disk that nobody has open a larger capacity; what is new reads as zeros.

        Args:
            path: The disk.
            capacity: The new capacity in sectors of 512 bytes.
            update_geometry: Whether the geometry follows.
            progress: Told the per cent that are done.

        Raises:
            VixError: InvalidArg for less than it has, FileAlreadyLocked and others; it has its old capacity then.
        """
        report = Progress(progress)
        code = self._functions.Grow(
            self._opened(),
            c_string(path),
            unsigned("capacity", capacity),
            boolean(update_geometry),
            report.callback,
            None,
        )
        report.check(self._functions, code)

    def check(self, path: StrPath, *, repair: bool = False) -> list[str]:
        """Checks one link of a local disk, and repairs it if `repair` says so.

        Returns:
            What was found, a line each, the last with the counts. They come from the log, so a configuration
            without its level 3 leaves none.

        Raises:
            VixError: The check could not run, or a repair left damage (DiskCantrepair).
        """
        with _log.listening() as heard:
            code = self._functions.CheckRepair(self._opened(), c_string(path), boolean(repair))
            check(self._functions, code)
        return [line[len(_FINDING) :] for line in heard if line.startswith(_FINDING)]

    def unlink(self, path: StrPath) -> None:
        """Deletes every file of one link. Its parents stay; its children lose theirs.

        Raises:
            VixError: FileAlreadyLocked while somebody has it open, and others.
        """
        check(self._functions, self._functions.Unlink(self._opened(), c_string(path)))


def _create_params(disk_type: DiskType, adapter_type: AdapterType, hardware: int, capacity: int) -> CreateParams:
    return CreateParams(
        disk_type, adapter_type, unsigned("hardware", hardware, 16), unsigned("capacity", capacity), 0, 0
    )
