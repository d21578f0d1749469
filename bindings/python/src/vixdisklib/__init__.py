"""Virtual disks of VMware products, local and on vSphere, through the VixDiskLib library.

    import vixdisklib

    with vixdisklib.library() as lib, lib.connect() as local, local.open("disk.vmdk", read_only=True) as disk:
        first = disk.read(0, 1)

Places and lengths are in sectors of 512 bytes unless a name says bytes. Every call that fails raises the exception
of its code, which :mod:`vixdisklib.errors` lists.
"""

from __future__ import annotations

from . import errors
from ._abi import MAX_CHUNK, MAX_CHUNKS, MIN_CHUNK, SECTOR_SIZE
from ._connection import Connection
from ._disk import Disk
from ._error import VixError
from ._file import DiskFile
from ._library import Library, library
from ._metadata import Metadata
from ._types import (
    CURRENT_HARDWARE,
    AdapterType,
    Block,
    Compression,
    DatastoreFolder,
    DiskInfo,
    DiskType,
    FirstClassDisk,
    Geometry,
    OpenFlag,
    Server,
)

__version__ = "0.1.0"

__all__ = [
    "CURRENT_HARDWARE",
    "MAX_CHUNK",
    "MAX_CHUNKS",
    "MIN_CHUNK",
    "SECTOR_SIZE",
    "AdapterType",
    "Block",
    "Compression",
    "Connection",
    "DatastoreFolder",
    "Disk",
    "DiskFile",
    "DiskInfo",
    "DiskType",
    "FirstClassDisk",
    "Geometry",
    "Library",
    "Metadata",
    "OpenFlag",
    "Server",
    "VixError",
    "errors",
    "library",
]
