"""Codes become exceptions, and a client's progress functions become functions of C."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Optional

from . import errors
from ._abi import PROGRESS_FUNCTION, VIX_OK, Functions, text
from ._error import VixError

#: Told the per cent that are done, 0 to 100, on the calling thread. Returning False cancels; so does an exception,
#: which the call then raises.
ProgressFunction = Optional[Callable[[int], object]]

# What stands between the text of a code and the detail behind it.
_DETAIL = ": VixDiskLib_"


def check(functions: Functions, code: int) -> None:
    """Raises the exception of a code that is no success. Must run on the thread that got the code, before the next
    call: only there the library knows the details."""
    if code != VIX_OK:
        raise error(functions, code)


def error(functions: Functions, code: int) -> VixError:
    """The exception of a code, with what the library says of it."""
    pointer = functions.GetErrorText(code, None)
    message = text(ctypes.string_at(pointer)) if pointer else f"error {code}"
    functions.FreeErrorText(pointer)
    _, mark, rest = message.partition(_DETAIL)
    detail = mark[2:] + rest
    number = code & 0xFFFF
    if number in errors.BY_CODE:
        return errors.BY_CODE[number](message, detail)
    return VixError(message, detail, number)


class Progress:
    """A client's progress function for the time of one call."""

    def __init__(self, function: ProgressFunction) -> None:
        self._function = function
        self._raised: BaseException | None = None
        #: What C gets; NULL when there is nobody to tell.
        self.callback = PROGRESS_FUNCTION() if function is None else PROGRESS_FUNCTION(self._tell)

    def _tell(self, _data: int | None, percent: int) -> int:
        if self._function is None or self._raised is not None:
            return 0
        try:
            return 0 if self._function(percent) is False else 1
        except BaseException as raised:  # nothing may pass through the frames of C; `check` raises it
            self._raised = raised
            return 0

    def check(self, functions: Functions, code: int) -> None:
        """As the function of that name, after what the client's function raised."""
        if self._raised is not None:
            raise self._raised
        check(functions, code)
