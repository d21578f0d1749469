"""A newer client: parameters of the library's own, with strings of Python in them when they are freed; a local
connection made of nothing; the path of the library from a list of candidates.

Runs in a folder with disk.vmdk, whose first sector is all "A"; VDDK_LIBRARY names the library.
"""

from __future__ import annotations

import os
from ctypes import (
    CDLL,
    POINTER,
    Structure,
    Union,
    byref,
    c_char,
    c_char_p,
    c_int,
    c_long,
    c_uint32,
    c_uint64,
    c_void_p,
    create_string_buffer,
    sizeof,
    string_at,
)
from pathlib import Path


class Uid(Structure):
    _fields_ = [("userName", c_char_p), ("password", c_char_p)]


class Session(Structure):
    _fields_ = [("cookie", c_char_p), ("userName", c_char_p), ("key", c_char_p)]


class Creds(Union):
    _fields_ = [("uid", Uid), ("sessionId", Session), ("ticketId", c_void_p)]


class ObjectSpec(Structure):
    _fields_ = [("id", c_char_p), ("datastoreMoRef", c_char_p), ("ssId", c_char_p)]


class FolderSpec(Structure):
    _fields_ = [("datastoreMoRef", c_char_p), ("diskFolder", c_char_p)]


class Spec(Union):
    _fields_ = [("vStorageObjSpec", ObjectSpec), ("dsSpec", FolderSpec)]


class Params(Structure):
    _fields_ = [
        ("vmxSpec", c_char_p), ("serverName", c_char_p), ("thumbPrint", c_char_p), ("privateUse", c_long),
        ("credType", c_int), ("creds", Creds), ("port", c_uint32), ("nfcHostPort", c_uint32), ("vimApiVer", c_char_p),
        ("reserved", c_char * 8), ("state", c_void_p), ("spec", Spec), ("specType", c_int),
    ]  # fmt: skip


assert sizeof(Params) == 128
library = Path(os.environ["VDDK_LIBRARY"])
lib = CDLL(str(library))
lib.VixDiskLib_AllocateConnectParams.restype = POINTER(Params)
lib.VixDiskLib_FreeConnectParams.argtypes = [POINTER(Params)]
lib.VixDiskLib_FreeConnectParams.restype = None
lib.VixDiskLib_GetErrorText.restype = c_void_p
lib.VixDiskLib_GetErrorText.argtypes = [c_uint64, c_char_p]
lib.VixDiskLib_FreeErrorText.argtypes = [c_void_p]
lib.VixDiskLib_ListTransportModes.restype = c_char_p
for name in ("InitEx", "Connect", "ConnectEx", "Open", "Read", "Close", "Disconnect", "PrepareForAccess", "EndAccess"):
    getattr(lib, f"VixDiskLib_{name}").restype = c_uint64

# An error before there is a library, whose text is wanted all the same.
error = lib.VixDiskLib_InitEx(6, 8, None, None, None, None, b"/nowhere/vddk.conf")
text = lib.VixDiskLib_GetErrorText(error, None)
assert error == 4 and len(string_at(text)) > 5
lib.VixDiskLib_FreeErrorText(text)

assert lib.VixDiskLib_InitEx(6, 8, None, None, None, str(library.parent.parent).encode(), None) == 0
assert b"file" in lib.VixDiskLib_ListTransportModes()
params = lib.VixDiskLib_AllocateConnectParams()
assert string_at(params, 128) == bytes(128)
members = params.contents
members.vmxSpec = members.serverName = b""
members.credType, members.creds.uid.userName, members.creds.uid.password = 1, b"", b""
assert lib.VixDiskLib_PrepareForAccess(params, b"client") == 0
connection, disk = c_void_p(), c_void_p()
assert lib.VixDiskLib_ConnectEx(params, c_char(1), b"", b"nbdssl:nbd:file", byref(connection)) == 0
assert lib.VixDiskLib_Disconnect(connection) == 0
assert lib.VixDiskLib_Connect(None, byref(connection)) == 0
assert lib.VixDiskLib_Open(connection, b"disk.vmdk", c_uint32(4), byref(disk)) == 0
buffer = create_string_buffer(4 << 20)
assert lib.VixDiskLib_Read(disk, c_uint64(0), c_uint64(8192), buffer) == 0
assert buffer.raw[:512] == b"A" * 512
assert lib.VixDiskLib_Close(disk) == 0
assert lib.VixDiskLib_Disconnect(connection) == 0
assert lib.VixDiskLib_EndAccess(params, b"client") == 0
lib.VixDiskLib_FreeConnectParams(params)
lib.VixDiskLib_Exit()
