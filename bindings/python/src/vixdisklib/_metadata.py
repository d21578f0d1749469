"""The metadata of a disk as a mapping."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Callable

from ._abi import VIX_E_BUFFER_TOOSMALL, VIX_E_DISK_KEY_NOTFOUND, VIX_OK, c_string, text
from ._check import check

if TYPE_CHECKING:
    from ._disk import Disk


class Metadata(MutableMapping[str, str]):
    """The disk database: names such as ``adapterType`` or ``uuid``, with values that are strings.

    A change is durable at once. The interface can empty a value, but not remove a name: ``del`` and :meth:`clear`
    leave names with the value "". For the same reason :meth:`popitem` is not offered.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __getitem__(self, key: str) -> str:
        name = c_string(key)
        functions = self._disk._functions
        handle = self._disk._opened()
        code, value = _ask(lambda buffer, size, needed: functions.ReadMetadata(handle, name, buffer, size, needed))
        if code == VIX_E_DISK_KEY_NOTFOUND:
            raise KeyError(key)
        check(functions, code)
        return text(value.split(b"\0", 1)[0])

    def __setitem__(self, key: str, value: str) -> None:
        functions = self._disk._functions
        check(functions, functions.WriteMetadata(self._disk._opened(), c_string(key), c_string(value)))

    def __delitem__(self, key: str) -> None:
        self[key]  # a name that is not there is not to be made
        self[key] = ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def clear(self) -> None:
        """Empties every value."""
        for name in self._names():
            self[name] = ""

    def popitem(self) -> tuple[str, str]:
        """Not offered: nothing would be removed, and a loop that pops until nothing is left would not end.

        Raises:
            TypeError: Always.
        """
        raise TypeError("names of metadata cannot be removed")

    def _names(self) -> list[str]:
        functions = self._disk._functions
        handle = self._disk._opened()
        code, names = _ask(lambda buffer, size, needed: functions.GetMetadataKeys(handle, buffer, size, needed))
        check(functions, code)
        return [text(name) for name in names.split(b"\0") if name]


def _ask(call: Callable[[ctypes.Array[ctypes.c_char], int, object], int]) -> tuple[int, bytes]:
    """The code and the answer of a call that wants to know the size of the buffer."""
    size = 256
    while True:
        buffer = ctypes.create_string_buffer(size)
        needed = ctypes.c_size_t()
        code = call(buffer, size, ctypes.byref(needed))
        if code == VIX_E_BUFFER_TOOSMALL and needed.value > size:
            size = needed.value
            continue
        return code, buffer.raw[: needed.value] if code == VIX_OK else b""
