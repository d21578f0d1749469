"""`Server` as the struct of C."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any

from ._abi import ConnectParams, Functions, c_string, unsigned
from ._types import DatastoreFolder, FirstClassDisk, Server

CRED_UID = 1
CRED_SESSION_ID = 2
SPEC_VSTORAGE_OBJECT = 1
SPEC_DATASTORE = 2


@contextlib.contextmanager
def connect_params(functions: Functions, server: Server | None) -> Iterator[Any]:
    """The parameters for the time of a call; NULL for the local host."""
    if server is None:
        yield None
        return
    # Only structs of the library's own are read to their end.
    params = functions.AllocateConnectParams()
    if not params:
        raise MemoryError("no memory for connection parameters")
    try:
        contents = params.contents  # keeps the strings alive; another look at `params.contents` would not
        fill(contents, server)
        yield params
    finally:
        # Frees the struct alone: the strings are Python's, and the library has copied what it needs.
        functions.FreeConnectParams(params)


def fill(params: ConnectParams, server: Server) -> None:
    """Writes the members; the struct keeps the strings alive."""
    params.serverName = c_string(server.host)
    params.thumbPrint = c_string(server.thumbprint)
    params.port = unsigned("port", server.port, 16)
    params.nfcHostPort = unsigned("nfc_port", server.nfc_port, 16)
    if server.cookie is None:
        params.credType = CRED_UID
        params.creds.uid.userName = c_string(server.user)
        params.creds.uid.password = c_string(server.password)
    else:
        params.credType = CRED_SESSION_ID
        params.creds.sessionId.cookie = c_string(server.cookie)
        params.creds.sessionId.userName = c_string(server.user)
        params.creds.sessionId.key = c_string(server.password)
    if isinstance(server.vm, FirstClassDisk):
        params.specType = SPEC_VSTORAGE_OBJECT
        params.spec.vStorageObjSpec.id = c_string(server.vm.id)
        params.spec.vStorageObjSpec.datastoreMoRef = c_string(server.vm.datastore)
        params.spec.vStorageObjSpec.ssId = c_string(server.vm.snapshot)
    elif isinstance(server.vm, DatastoreFolder):
        params.specType = SPEC_DATASTORE
        params.spec.dsSpec.datastoreMoRef = c_string(server.vm.datastore)
        params.spec.dsSpec.diskFolder = c_string(server.vm.folder)
    else:
        params.vmxSpec = c_string(machine(server.vm))


def machine(vm: str) -> str:
    """A bare reference of a virtual machine gets its prefix."""
    return vm if not vm or "=" in vm or "/" in vm else f"moref={vm}"


def modes(transports: str | list[str] | tuple[str, ...] | None) -> bytes | None:
    """Transport modes as C wants them, with colons between."""
    if transports is None or isinstance(transports, str):
        return c_string(transports)
    return c_string(":".join(transports))


def boolean(value: bool) -> ctypes.c_char:
    """A Bool of C, which is one byte."""
    return ctypes.c_char(1 if value else 0)
