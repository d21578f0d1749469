"""A client that goes down from the newest version until one is accepted; parameters of 80 bytes.

Runs in an empty folder; libvixDiskLib.so is on the loader's path.
"""

from __future__ import annotations

from ctypes import (
    CDLL,
    POINTER,
    Structure,
    Union,
    byref,
    c_bool,
    c_char_p,
    c_int,
    c_long,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
    create_string_buffer,
    sizeof,
)


class Uid(Structure):
    _fields_ = [("userName", c_char_p), ("password", c_char_p)]


class Session(Structure):
    _fields_ = [("cookie", c_char_p), ("userName", c_char_p), ("key", c_char_p)]


class Creds(Union):
    _fields_ = [("uid", Uid), ("sessionId", Session), ("ticketId", c_void_p)]


class Params(Structure):
    _fields_ = [
        ("vmxSpec", c_char_p), ("serverName", c_char_p), ("thumbPrint", c_char_p), ("privateUse", c_long),
        ("credType", c_int), ("creds", Creds), ("port", c_uint32), ("nfcHostPort", c_uint32), ("vimApiVer", c_char_p),
    ]  # fmt: skip


class CreateParams(Structure):
    _fields_ = [("diskType", c_int), ("adapterType", c_int), ("hwVersion", c_uint16), ("capacity", c_uint64)]


assert (sizeof(Params), sizeof(CreateParams)) == (80, 24)
lib = CDLL("libvixDiskLib.so")
init, connect = lib.VixDiskLib_InitEx, lib.VixDiskLib_ConnectEx
init.argtypes = [c_uint32, c_uint32, c_void_p, c_void_p, c_void_p, c_char_p, c_char_p]
connect.argtypes = [POINTER(Params), c_bool, c_char_p, c_char_p, POINTER(c_void_p)]
lib.VixDiskLib_Create.argtypes = [c_void_p, c_char_p, POINTER(CreateParams), c_void_p, c_void_p]
lib.VixDiskLib_Open.argtypes = [c_void_p, c_char_p, c_uint32, POINTER(c_void_p)]
for name in ("Read", "Write"):
    getattr(lib, f"VixDiskLib_{name}").argtypes = [c_void_p, c_uint64, c_uint64, c_char_p]
for name in ("InitEx", "ConnectEx", "Create", "Open", "Read", "Write", "Close", "Disconnect"):
    getattr(lib, f"VixDiskLib_{name}").restype = c_uint64
for name in ("Close", "Disconnect"):
    getattr(lib, f"VixDiskLib_{name}").argtypes = [c_void_p]

LADDER = [(11, 0), (10, 0), (8, 0), (7, 0), (6, 7), (6, 5), (6, 0)]
accepted = next(version for version in LADDER if init(*version, None, None, None, None, None) == 0)
assert accepted == (8, 0), accepted

params = Params(vimApiVer=None, credType=1)
connection, disk = c_void_p(), c_void_p()
assert connect(byref(params), False, None, None, byref(connection)) == 0
new = CreateParams(1, 2, 7, 3 << 20)
assert lib.VixDiskLib_Create(connection, b"ladder.vmdk", byref(new), None, None) == 0
assert lib.VixDiskLib_Open(connection, b"ladder.vmdk", 0, byref(disk)) == 0
for place in (0, 1, 1 << 21):
    data = bytes([place % 251 + 1]) * 512
    assert lib.VixDiskLib_Write(disk, place, 1, data) == 0
    back = create_string_buffer(512)
    assert lib.VixDiskLib_Read(disk, place, 1, back) == 0
    assert back.raw == data
assert lib.VixDiskLib_Close(disk) == 0
assert lib.VixDiskLib_Disconnect(connection) == 0
lib.VixDiskLib_Exit()
