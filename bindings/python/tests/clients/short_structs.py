"""A client of the oldest kind: parameters of 72 bytes, no declared types, an error text freed by half its address.

Runs in a folder with disk.vmdk, whose first sector is all "A"; libvixDiskLib.so is on the loader's path.
"""

from __future__ import annotations

from ctypes import (
    CDLL,
    Structure,
    Union,
    byref,
    c_char,
    c_char_p,
    c_int,
    c_long,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
    cast,
    create_string_buffer,
    memmove,
    sizeof,
)


class Uid(Structure):
    _fields_ = [("userName", c_char_p), ("password", c_char_p)]


class Session(Structure):
    _fields_ = [("cookie", c_char_p), ("userName", c_char_p), ("key", c_char_p)]


class Creds(Union):
    _fields_ = [("uid", Uid), ("sessionId", Session)]


class Params(Structure):
    _fields_ = [
        ("vmxSpec", c_char_p), ("serverName", c_char_p), ("thumbPrint", c_char_p), ("privateUse", c_long),
        ("credType", c_int), ("creds", Creds), ("port", c_uint32), ("nfcHostPort", c_uint32),
    ]  # fmt: skip


def at_page_end(params: Params) -> c_void_p:
    """A copy behind which nothing can be read."""
    libc = CDLL(None, use_errno=True)
    libc.mmap.restype = c_void_p
    libc.mmap.argtypes = [c_void_p, c_size_t, c_int, c_int, c_int, c_long]
    libc.mprotect.argtypes = [c_void_p, c_size_t, c_int]
    pages = libc.mmap(None, 8192, 3, 0x22, -1, 0)
    assert libc.mprotect(pages + 4096, 4096, 0) == 0
    place = pages + 4096 - sizeof(params)
    memmove(place, byref(params), sizeof(params))
    return c_void_p(place)


assert sizeof(Params) == 72
lib = CDLL("libvixDiskLib.so")
lib.VixDiskLib_GetErrorText.restype = c_void_p
lib.VixDiskLib_GetErrorText.argtypes = [c_uint64, c_char_p]
for name in ("InitEx", "ConnectEx", "Open", "Read", "ReadMetadata", "GetMetadataKeys", "Close", "Disconnect"):
    getattr(lib, f"VixDiskLib_{name}").restype = c_uint64

assert lib.VixDiskLib_InitEx(6, 0, None, None, None, None, None) == 0
server = create_string_buffer(b"")
params = Params(serverName=cast(server, c_char_p))
connection, disk = c_void_p(), c_void_p()
assert lib.VixDiskLib_ConnectEx(at_page_end(params), c_char(1), None, None, byref(connection)) == 0

for _ in range(3):
    error = lib.VixDiskLib_Open(connection, b"missing.vmdk", c_uint32(4), byref(disk))
    assert error == 4, error
    text = lib.VixDiskLib_GetErrorText(error, None)
    # Without argtypes a pointer is an int of 32 bits. The library must not free what it never gave out.
    lib.VixDiskLib_FreeErrorText(c_int(text & 0x7FFFFFFF))
    assert c_char_p(text).value

assert lib.VixDiskLib_Open(connection, b"disk.vmdk", c_uint32(4), byref(disk)) == 0
needed = c_size_t()
assert lib.VixDiskLib_GetMetadataKeys(disk, None, c_size_t(0), byref(needed)) in (0, 24)
keys = create_string_buffer(needed.value)
assert lib.VixDiskLib_GetMetadataKeys(disk, keys, needed, None) == 0
for key in keys.raw.rstrip(b"\0").split(b"\0"):
    assert lib.VixDiskLib_ReadMetadata(disk, key, None, c_size_t(0), byref(needed)) in (0, 24)
    value = create_string_buffer(needed.value)
    assert lib.VixDiskLib_ReadMetadata(disk, key, value, needed, None) == 0
    assert value.raw.endswith(b"\0")
sector = create_string_buffer(512)
assert lib.VixDiskLib_Read(disk, c_uint64(0), c_uint64(1), sector) == 0
assert sector.raw == b"A" * 512
assert lib.VixDiskLib_Close(disk) == 0
assert lib.VixDiskLib_Disconnect(connection) == 0
lib.VixDiskLib_Exit()
