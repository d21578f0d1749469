"""The C interface as ctypes sees it: structs, types of functions, and the library file."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from ctypes import POINTER, c_char, c_char_p, c_int, c_long, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Union

StrPath = Union[str, "os.PathLike[str]"]

VIX_OK = 0
VIX_E_BUFFER_TOOSMALL = 24
VIX_E_DISK_KEY_NOTFOUND = 16052
VIX_ASYNC = 25000

#: Bytes in a sector; every disk is counted in these.
SECTOR_SIZE = 512
#: Smallest chunk of an allocation map, in sectors.
MIN_CHUNK = 128
#: Largest chunk of an allocation map, in sectors.
MAX_CHUNK = 131072
#: Most chunks that one question for the allocation map may cover.
MAX_CHUNKS = 524288

#: Names the library in place of the one that the package brings: the file, its folder, or the folder above ``lib64``.
PATH_VARIABLE = "VIXDISKLIB_PATH"


class UidCreds(ctypes.Structure):
    _fields_ = [("userName", c_char_p), ("password", c_char_p)]


class SessionCreds(ctypes.Structure):
    _fields_ = [("cookie", c_char_p), ("userName", c_char_p), ("key", c_char_p)]


class Creds(ctypes.Union):
    _fields_ = [("uid", UidCreds), ("sessionId", SessionCreds), ("ticketId", c_void_p)]


class VStorageObjectSpec(ctypes.Structure):
    _fields_ = [("id", c_char_p), ("datastoreMoRef", c_char_p), ("ssId", c_char_p)]


class DatastoreSpec(ctypes.Structure):
    _fields_ = [("datastoreMoRef", c_char_p), ("diskFolder", c_char_p)]


class Spec(ctypes.Union):
    _fields_ = [("vmxSpec", c_char_p), ("vStorageObjSpec", VStorageObjectSpec), ("dsSpec", DatastoreSpec)]


class ConnectParams(ctypes.Structure):
    _fields_ = [
        ("vmxSpec", c_char_p),
        ("serverName", c_char_p),
        ("thumbPrint", c_char_p),
        ("privateUse", c_long),
        ("credType", c_uint32),
        ("creds", Creds),
        ("port", c_uint32),
        ("nfcHostPort", c_uint32),
        ("vimApiVer", c_char_p),
        ("reserved", c_char * 8),
        ("state", c_void_p),
        ("spec", Spec),
        ("specType", c_uint32),
    ]


class Geometry(ctypes.Structure):
    _fields_ = [("cylinders", c_uint32), ("heads", c_uint32), ("sectors", c_uint32)]


class Info(ctypes.Structure):
    _fields_ = [
        ("biosGeo", Geometry),
        ("physGeo", Geometry),
        ("capacity", c_uint64),
        ("adapterType", c_uint32),
        ("numLinks", c_int),
        ("parentFileNameHint", c_char_p),
        ("uuid", c_char_p),
        ("logicalSectorSize", c_uint32),
        ("physicalSectorSize", c_uint32),
    ]


class CreateParams(ctypes.Structure):
    _fields_ = [
        ("diskType", c_uint32),
        ("adapterType", c_uint32),
        ("hwVersion", c_uint16),
        ("capacity", c_uint64),
        ("logicalSectorSize", c_uint32),
        ("physicalSectorSize", c_uint32),
    ]


class Block(ctypes.Structure):
    _fields_ = [("offset", c_uint64), ("length", c_uint64)]


class BlockList(ctypes.Structure):
    _fields_ = [("numBlocks", c_uint32), ("blocks", Block * 1)]


# A va_list is handed on as a pointer on x86-64 and aarch64.
LOG_FUNCTION = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
PROGRESS_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_byte, c_void_p, c_int)
COMPLETION_FUNCTION = ctypes.CFUNCTYPE(None, c_void_p, c_uint64)

# Parameters of each function; all of them return a VixError unless RESULTS says otherwise.
_HANDLE = c_void_p
_OUT = POINTER(c_void_p)
_BOOL = c_char
PARAMETERS: dict[str, list[Any]] = {
    "InitEx": [c_uint32, c_uint32, LOG_FUNCTION, LOG_FUNCTION, LOG_FUNCTION, c_char_p, c_char_p],
    "Exit": [],
    "ListTransportModes": [],
    "ConnectEx": [POINTER(ConnectParams), _BOOL, c_char_p, c_char_p, _OUT],
    "Disconnect": [_HANDLE],
    "PrepareForAccess": [POINTER(ConnectParams), c_char_p],
    "EndAccess": [POINTER(ConnectParams), c_char_p],
    "Cleanup": [POINTER(ConnectParams), POINTER(c_uint32), POINTER(c_uint32)],
    "AllocateConnectParams": [],
    "FreeConnectParams": [POINTER(ConnectParams)],
    "Open": [_HANDLE, c_char_p, c_uint32, _OUT],
    "Close": [_HANDLE],
    "GetInfo": [_HANDLE, POINTER(POINTER(Info))],
    "FreeInfo": [POINTER(Info)],
    "GetTransportMode": [_HANDLE],
    "Read": [_HANDLE, c_uint64, c_uint64, c_void_p],
    "Write": [_HANDLE, c_uint64, c_uint64, c_void_p],
    "ReadAsync": [_HANDLE, c_uint64, c_uint64, c_void_p, COMPLETION_FUNCTION, c_void_p],
    "WriteAsync": [_HANDLE, c_uint64, c_uint64, c_void_p, COMPLETION_FUNCTION, c_void_p],
    "Flush": [_HANDLE],
    "Wait": [_HANDLE],
    "QueryAllocatedBlocks": [_HANDLE, c_uint64, c_uint64, c_uint64, POINTER(POINTER(BlockList))],
    "FreeBlockList": [POINTER(BlockList)],
    "ReadMetadata": [_HANDLE, c_char_p, c_char_p, c_size_t, POINTER(c_size_t)],
    "WriteMetadata": [_HANDLE, c_char_p, c_char_p],
    "GetMetadataKeys": [_HANDLE, c_char_p, c_size_t, POINTER(c_size_t)],
    "Create": [_HANDLE, c_char_p, POINTER(CreateParams), PROGRESS_FUNCTION, c_void_p],
    "CreateChild": [_HANDLE, c_char_p, c_uint32, PROGRESS_FUNCTION, c_void_p],
    "Unlink": [_HANDLE, c_char_p],
    "Grow": [_HANDLE, c_char_p, c_uint64, _BOOL, PROGRESS_FUNCTION, c_void_p],
    "Shrink": [_HANDLE, PROGRESS_FUNCTION, c_void_p],
    "Defragment": [_HANDLE, PROGRESS_FUNCTION, c_void_p],
    "Rename": [c_char_p, c_char_p],
    "Clone": [
        _HANDLE, c_char_p, _HANDLE, c_char_p, POINTER(CreateParams), PROGRESS_FUNCTION, c_void_p, _BOOL,
    ],
    "SpaceNeededForClone": [_HANDLE, c_uint32, POINTER(c_uint64)],
    "CheckRepair": [_HANDLE, c_char_p, _BOOL],
    "IsAttachPossible": [_HANDLE, _HANDLE],
    "Attach": [_HANDLE, _HANDLE],
    "GetErrorText": [c_uint64, c_char_p],
    "FreeErrorText": [c_void_p],
}  # fmt: skip
RESULTS: dict[str, Any] = {
    "Exit": None,
    "ListTransportModes": c_char_p,
    "AllocateConnectParams": POINTER(ConnectParams),
    "FreeConnectParams": None,
    "FreeInfo": None,
    "GetTransportMode": c_char_p,
    "GetErrorText": c_void_p,
    "FreeErrorText": None,
}


class Functions:
    """The functions of one library file, with their types, by the names of C without ``VixDiskLib_``."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        library = ctypes.CDLL(self.path)
        for name, parameters in PARAMETERS.items():
            function = getattr(library, f"VixDiskLib_{name}")
            function.argtypes = parameters
            function.restype = RESULTS.get(name, c_uint64)
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    @property
    def folder(self) -> str | None:
        """The folder above ``lib64``, which VDDK wants to know; None when the library is elsewhere."""
        folder = Path(self.path).parent
        return str(folder.parent) if folder.name == "lib64" else None


_loaded: dict[str, Functions] = {}
_loading = threading.Lock()


def load(path: StrPath | None) -> Functions:
    """The functions of a library file, each file loaded once.

    Raises:
        OSError: The file is not there, or is no library.
    """
    chosen = str(_find(path))
    with _loading:
        if chosen not in _loaded:
            _loaded[chosen] = Functions(chosen)
        return _loaded[chosen]


def _find(path: StrPath | None) -> Path | str:
    given = path if path is not None else os.environ.get(PATH_VARIABLE)
    if given:
        named = Path(given)
        if not named.is_dir():
            return named
        files = [named / folder / "libvixDiskLib.so" for folder in ("lib64", ".")]
        for file in files:
            if file.exists():
                return file.resolve()
        raise FileNotFoundError(f"no libvixDiskLib.so in {named} or its lib64")
    bundled = Path(__file__).with_name("lib") / "libvixDiskLib.so.8"
    # Without a bundled file, as in a source tree, the system's loader looks for one.
    return bundled if bundled.exists() else "libvixDiskLib.so.8"


def c_string(value: StrPath | bytes | None) -> bytes | None:
    """A string for C; None stays None.

    Raises:
        ValueError: A NUL within it, where C would see its end.
    """
    if value is None:
        return None
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


def text(value: bytes | None) -> str:
    """A string from C; what is not UTF-8 is kept as surrogates, as for names of files."""
    return "" if value is None else value.decode("utf-8", "surrogateescape")


def unsigned(what: str, value: int, bits: int = 64) -> int:
    """A number for C, which would take one that does not fit without its upper bits.

    Raises:
        ValueError: It is negative or too large.
    """
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{what} is {value}, which is not between 0 and {(1 << bits) - 1}")
    return value


if sys.maxsize < 2**32:
    raise ImportError("vixdisklib needs a 64-bit Python")
