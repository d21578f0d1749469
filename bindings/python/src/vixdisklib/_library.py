"""The life of the library, and what needs no disk."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Union

from . import _log
from ._abi import StrPath, c_string, load, text
from ._check import check
from ._connection import Connection
from ._params import boolean, connect_params, modes
from ._types import Server

if TYPE_CHECKING:
    from typing_extensions import Self

Config = Union[StrPath, Mapping[str, str], None]

# The library reads no configuration file that is longer, in bytes.
_LONGEST_CONFIG = 1 << 20

# Told first, so that a file of the client's has the last word: a progress function may cancel.
_OWN_CONFIG = b"vixen.progressCancels = 1\n"

_alive: set[Library] = set()


def library(*, path: StrPath | None = None, config: Config = None, version: tuple[int, int] = (8, 0)) -> Library:
    """Starts the library; see :class:`Library`."""
    return Library(path=path, config=config, version=version)


class Library:
    """The library, from its start to its end.

    Starts are counted: each object ends what it began, and the last one ends the library. What it logs goes to the
    logger ``vixdisklib`` of :mod:`logging`, with the levels INFO and WARNING. The process must not fork while the
    library is started.

    Args:
        path: The library file, its folder, or the folder above its ``lib64``. Without it the environment variable
            ``VIXDISKLIB_PATH`` counts, and else the file that the package brings.
        config: Path of a configuration file, or its names and values. That of the first start is in force.
        version: The generation of VDDK's interface to ask for.

    Raises:
        OSError: The library file is not there or cannot be loaded.
        VixError: The version is not served, or the configuration file cannot be read.
    """

    def __init__(
        self, *, path: StrPath | None = None, config: Config = None, version: tuple[int, int] = (8, 0)
    ) -> None:
        self._functions = load(path)
        self._open = False
        self._connections: set[Connection] = set()
        with _config_file(config) as file:
            code = self._functions.InitEx(
                version[0],
                version[1],
                _log.LOG,
                _log.WARN,
                _log.PANIC,
                c_string(self._functions.folder),
                c_string(file),
            )
            check(self._functions, code)
        self._open = True
        _alive.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return not self._open

    @property
    def file(self) -> str:
        """Path of the library file."""
        return self._functions.path

    def close(self) -> None:
        """Ends it, with the connections and disks that are still open. A second call does nothing.

        Raises:
            VixError: A disk or connection did not end well; all of them are closed nevertheless.
        """
        if not self._open:
            return
        self._open = False
        _alive.discard(self)
        try:
            with contextlib.ExitStack() as stack:
                for connection in list(self._connections):
                    stack.callback(connection.close)
        finally:
            self._functions.Exit()

    def _started(self) -> None:
        if not self._open:
            raise ValueError("the library is closed")

    def transport_modes(self) -> list[str]:
        """The transport modes that the library has, best first."""
        self._started()
        return text(self._functions.ListTransportModes()).split(":")

    def connect(
        self,
        server: Server | None = None,
        *,
        snapshot: str | None = None,
        transports: str | list[str] | tuple[str, ...] | None = None,
        read_only: bool = False,
    ) -> Connection:
        """Connects to a server, or to the local host.

        Args:
            server: The server; None for disks that are local files.
            snapshot: Managed object reference of a snapshot of the virtual machine, such as ``snapshot-12``.
            transports: Modes to try, in their order: a list, or a string with colons. None for all, best first.
            read_only: Every disk of the connection is opened read-only.

        Raises:
            VixError: The connection failed. A server may show its faults at the first open only.
        """
        self._started()
        handle = ctypes.c_void_p()
        with connect_params(self._functions, server) as params:
            code = self._functions.ConnectEx(
                params, boolean(read_only), c_string(snapshot), modes(transports), ctypes.byref(handle)
            )
        check(self._functions, code)
        connection = Connection(self, self._functions, handle.value)
        self._connections.add(connection)
        return connection

    def prepare_for_access(self, server: Server | None, identity: str) -> None:
        """Announces a backup to vCenter, so that the virtual machine is not moved; before its snapshot is made.

        Args:
            server: The server with the virtual machine.
            identity: Who announces; at most 50 bytes.
        """
        self._started()
        with connect_params(self._functions, server) as params:
            code = self._functions.PrepareForAccess(params, c_string(identity))
        check(self._functions, code)

    def end_access(self, server: Server | None, identity: str) -> None:
        """Takes back what :meth:`prepare_for_access` announced, with the same arguments."""
        self._started()
        with connect_params(self._functions, server) as params:
            code = self._functions.EndAccess(params, c_string(identity))
        check(self._functions, code)

    def cleanup(self, server: Server | None = None) -> tuple[int, int]:
        """Removes what a client that died left behind; returns how much was removed and how much remains."""
        cleaned, remaining = ctypes.c_uint32(), ctypes.c_uint32()
        with connect_params(self._functions, server) as params:
            code = self._functions.Cleanup(params, ctypes.byref(cleaned), ctypes.byref(remaining))
        check(self._functions, code)
        return cleaned.value, remaining.value

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Renames every file of a local disk that nobody has open, also across folders. Its children still name the
        old one."""
        self._started()
        check(self._functions, self._functions.Rename(c_string(source), c_string(target)))


@contextlib.contextmanager
def _config_file(config: Config) -> Iterator[str | None]:
    """A file with this configuration, for the time of a start."""
    if config is None:
        given = b""
    elif isinstance(config, Mapping):
        given = _lines(config)
    else:
        try:
            with Path(config).open("rb") as file:
                given = file.read(_LONGEST_CONFIG + 1)
        except OSError:
            given = b" " * (_LONGEST_CONFIG + 1)
        if len(given) + len(_OWN_CONFIG) > _LONGEST_CONFIG:
            yield os.fspath(config)  # the library tells what is wrong with it
            return
    with tempfile.NamedTemporaryFile(prefix="vixdisklib-", suffix=".conf") as made:
        made.write(_OWN_CONFIG + given)
        made.flush()
        yield made.name


def _lines(config: Mapping[str, str]) -> bytes:
    lines = [f"{name} = {value}" for name, value in config.items()]
    for line in lines:
        if "\n" in line or "\0" in line:
            raise ValueError(f"a line of the configuration cannot hold {line!r}")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


@atexit.register
def _end() -> None:
    # Threads of the library may call into Python, which must not happen once the interpreter ends.
    for each in list(_alive):
        with contextlib.suppress(Exception):
            each.close()
