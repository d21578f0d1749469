"""The base of all exceptions of the library."""

from __future__ import annotations


class VixError(Exception):
    """A call of the library failed.

    Each error code has a class of its own in :mod:`vixdisklib.errors`; a code that none of them has is this class.

    Attributes:
        code: Number of the error.
        name: Its C name, ``VIX_E_...``; "" for a code that is not known.
        text: Everything that the library says of it, also ``str(error)``.
        detail: What failed behind the code: function, file, place and cause. "" when the library does not tell.
    """

    code: int = 0
    name: str = ""

    def __init__(self, text: str, detail: str = "", code: int | None = None) -> None:
        super().__init__(text, detail, code)
        self.text = text
        self.detail = detail
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.text
