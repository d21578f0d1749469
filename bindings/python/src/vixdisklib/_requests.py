"""Asynchronous requests: what C completes on any thread becomes futures."""

from __future__ import annotations

import itertools
from concurrent.futures import Future
from typing import Any, Callable, TypeVar

from ._abi import COMPLETION_FUNCTION, VIX_ASYNC, VIX_OK, Functions
from ._check import error

T = TypeVar("T")


class _Request:
    """A request under way, and the memory that it is about."""

    def __init__(self, functions: Functions, future: Future[Any], result: object, keep: object) -> None:
        self._functions = functions
        self._future = future
        self._result = result
        self._keep = keep

    def end(self, code: int) -> None:
        """Tells the future. On the thread that got the code, where the library knows the details."""
        failure = None if code == VIX_OK else error(self._functions, code)
        result, future = self._result, self._future
        self._keep = self._result = None  # who waits for the future may want the memory back
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


# C gets a number of a request, never an address of Python. Each is taken out once.
_under_way: dict[int, _Request] = {}
_numbers = itertools.count(1)


def _complete(number: int | None, code: int) -> None:
    request = _under_way.pop(number or 0, None)
    if request is not None:
        request.end(code)


# Lives as long as the process.
_COMPLETION = COMPLETION_FUNCTION(_complete)


def start(functions: Functions, call: Callable[[Any, int], int], result: T, keep: object) -> Future[T]:
    """Starts a request.

    Args:
        functions: The library.
        call: Makes the call of C with a completion function and its data.
        result: What the future gives when the request succeeded.
        keep: Is referred to until the request ends.

    Returns:
        A future that cannot be cancelled: nothing stops the library from using the memory.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    number = next(_numbers)
    _under_way[number] = _Request(functions, future, result, keep)
    code = call(_COMPLETION, number)
    if code != VIX_ASYNC:
        # Refused: the completion function never runs.
        _under_way.pop(number).end(code)
    return future
