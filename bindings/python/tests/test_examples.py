"""The examples, run as programs, and those of the documents."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL, pattern

from vixdisklib import Connection, Disk

NewDisk = Callable[..., Disk]

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]


@pytest.fixture
def content(small_disk: NewDisk) -> bytes:
    """A disk with two runs of data, disk.vmdk, and all its bytes."""
    with small_disk() as disk:
        disk.write(1000, pattern(1000, 300))
        disk.write(SMALL - 5, pattern(SMALL - 5, 5))
        disk.metadata["comment"] = "kept"
        return disk.read(0, SMALL)


def example(name: str, *arguments: str) -> str:
    program = [sys.executable, str(PACKAGE / "examples" / name), *arguments]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_disk_is_copied_to_a_raw_image(content: bytes) -> None:
    example("copy_to_raw.py", "disk.vmdk", "raw.img")
    assert Path("raw.img").read_bytes() == content
    assert Path("raw.img").stat().st_blocks * 512 < len(content) // 2


def test_allocated_blocks_are_hashed(content: bytes) -> None:
    lines = [line.split() for line in example("hash_blocks.py", "disk.vmdk").splitlines()]
    assert [line[0] for line in lines] == ["0", "9"]
    for number, digest in lines:
        mib = content[int(number) << 20 : (int(number) + 1) << 20]
        assert digest == hashlib.sha256(mib).hexdigest()


def test_a_backup_is_restored(content: bytes, local: Connection) -> None:
    example("full_backup.py", "backup", "disk.vmdk", "backup")
    assert Path("backup/data").stat().st_size < len(content) // 2
    example("full_backup.py", "restore", "backup", "restored.vmdk")
    with local.open("restored.vmdk", read_only=True) as disk:
        assert disk.read(0, SMALL) == content and disk.metadata["comment"] == "kept"


@pytest.mark.parametrize("document", ["README.md", "bindings/python/README.md", "docs/bindings.md"])
@pytest.mark.usefixtures("content")
def test_the_python_of_documents_runs(document: str) -> None:
    programs = re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    assert programs
    for number, program in enumerate(programs):
        Path(f"example{number}.py").write_text(program)
        ended = subprocess.run(
            [sys.executable, f"example{number}.py"], capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, program + ended.stderr
