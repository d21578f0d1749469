"""Programs that call as clients with ctypes of their own do. What those were seen to do is a requirement."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vixdisklib import SECTOR_SIZE, Disk, Library

CLIENTS = Path(__file__).with_name("clients")


@pytest.mark.parametrize("client", sorted(path.name for path in CLIENTS.glob("*.py")))
def test_a_client_with_structs_of_its_own(lib: Library, small_disk: Callable[..., Disk], client: str) -> None:
    with small_disk() as disk:
        disk.write(0, b"A" * SECTOR_SIZE)
    names = Path("lib64")
    names.mkdir()
    library = names / "libvixDiskLib.so"
    library.symlink_to(Path(lib.file).resolve())
    environment = {"LD_LIBRARY_PATH": str(names.absolute()), "VDDK_LIBRARY": str(library.absolute())}
    program = [sys.executable, "-X", "faulthandler", str(CLIENTS / client)]
    ended = subprocess.run(
        program, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
