#!/usr/bin/env python3
"""Takes a full backup of a disk, and restores it.

usage: full_backup.py backup DISK FOLDER
       full_backup.py restore FOLDER DISK

The folder gets the allocated parts one behind the other (data), and what and where they are (manifest.json). With
VIXDISKLIB_HOST in the environment the disk is one of a server: VIXDISKLIB_USER, VIXDISKLIB_PASSWORD_FILE,
VIXDISKLIB_THUMBPRINT, VIXDISKLIB_VM, VIXDISKLIB_SNAPSHOT and VIXDISKLIB_PORT say the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import vixdisklib
from vixdisklib import SECTOR_SIZE, Connection, Disk, Library, Server

#: Sectors of one read, 4 MiB.
STEP = 8192


def connect(lib: Library) -> Connection:
    host = os.environ.get("VIXDISKLIB_HOST")
    if not host:
        return lib.connect()
    server = Server(
        host,
        os.environ["VIXDISKLIB_USER"],
        Path(os.environ["VIXDISKLIB_PASSWORD_FILE"]).read_text().rstrip("\n"),
        vm=os.environ["VIXDISKLIB_VM"],
        thumbprint=os.environ.get("VIXDISKLIB_THUMBPRINT"),
        port=int(os.environ.get("VIXDISKLIB_PORT", "0")),
    )
    return lib.connect(server, snapshot=os.environ.get("VIXDISKLIB_SNAPSHOT"))


def backup(disk: Disk, folder: Path) -> None:
    folder.mkdir()
    areas: list[dict[str, object]] = []
    with (folder / "data").open("xb") as data:
        for block in disk.allocated_blocks():
            for sector in range(block.offset, block.offset + block.length, STEP):
                content = disk.read(sector, min(STEP, block.offset + block.length - sector))
                data.write(content)
                digest = hashlib.sha256(content).hexdigest()
                areas.append({"sector": sector, "sectors": len(content) // SECTOR_SIZE, "sha256": digest})
        data.flush()
        os.fsync(data.fileno())
    manifest = {"capacity": disk.capacity, "metadata": dict(disk.metadata), "areas": areas}
    # Last, and by its name only when it is whole: a folder without it is no backup.
    (folder / "manifest.new").write_text(json.dumps(manifest, indent=1))
    (folder / "manifest.new").rename(folder / "manifest.json")


def restore(folder: Path, connection: Connection, path: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    connection.create(path, manifest["capacity"])
    with connection.open(path) as disk, (folder / "data").open("rb") as data:
        for area in manifest["areas"]:
            content = data.read(area["sectors"] * SECTOR_SIZE)
            if hashlib.sha256(content).hexdigest() != area["sha256"]:
                sys.exit(f"{folder}: the data of sector {area['sector']} is damaged")
            disk.write(area["sector"], content)
        for name, value in manifest["metadata"].items():
            disk.metadata[name] = value


def main() -> None:
    if len(sys.argv) != 4 or sys.argv[1] not in ("backup", "restore"):
        sys.exit(__doc__)
    with vixdisklib.library() as lib, connect(lib) as connection:
        if sys.argv[1] == "backup":
            with connection.open(sys.argv[2], read_only=True) as disk:
                backup(disk, Path(sys.argv[3]))
        else:
            restore(Path(sys.argv[2]), connection, sys.argv[3])


if __name__ == "__main__":
    main()
