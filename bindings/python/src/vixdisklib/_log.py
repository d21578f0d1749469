"""The library's log functions: what they get goes to the logger ``vixdisklib``."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
from collections.abc import Iterator
from typing import Callable

from ._abi import LOG_FUNCTION, text

logger = logging.getLogger("vixdisklib")

# Longest message in bytes, with its NUL.
_LONGEST = 4096

_vsnprintf = ctypes.CDLL(None).vsnprintf
_vsnprintf.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
_vsnprintf.restype = ctypes.c_int

_thread = threading.local()


def _function_of(level: int) -> Callable[[int | None, int | None], None]:
    def log(format: int | None, arguments: int | None) -> None:
        heard: list[str] | None = getattr(_thread, "heard", None)
        if format is None or (heard is None and not logger.isEnabledFor(level)):
            return
        buffer = ctypes.create_string_buffer(_LONGEST)
        _vsnprintf(buffer, _LONGEST, format, arguments)
        message = text(buffer.value).rstrip("\n")
        if heard is not None:
            heard.append(message)
        logger.log(level, "%s", message)

    return log


# These live as long as the process: the library may log until its last Exit.
LOG = LOG_FUNCTION(_function_of(logging.INFO))
WARN = LOG_FUNCTION(_function_of(logging.WARNING))
PANIC = LOG_FUNCTION(_function_of(logging.CRITICAL))


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Collects what the library says on this thread meanwhile."""
    outer = getattr(_thread, "heard", None)
    heard: list[str] = []
    _thread.heard = heard
    try:
        yield heard
    finally:
        _thread.heard = outer
