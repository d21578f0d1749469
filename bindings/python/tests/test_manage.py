"""What is done to disks as a whole, and their metadata as a mapping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL, pattern

from vixdisklib import SECTOR_SIZE, Connection, Disk, DiskType, Library, errors

NewDisk = Callable[..., Disk]

CREATED = [
    DiskType.MONOLITHIC_SPARSE, DiskType.MONOLITHIC_FLAT, DiskType.SPLIT_SPARSE, DiskType.SPLIT_FLAT,
    DiskType.VMFS_FLAT, DiskType.VMFS_THIN,
]  # fmt: skip


@pytest.mark.parametrize("kind", CREATED)
def test_every_kind_of_disk_is_made_and_cloned(local: Connection, small_disk: NewDisk, kind: DiskType) -> None:
    with small_disk(disk_type=kind) as disk:
        disk.write(3000, pattern(3000, 9))
        space = disk.space_for_clone(DiskType.STREAM_OPTIMIZED)
        assert 0 < space < SMALL * SECTOR_SIZE
    local.clone("disk.vmdk", "stream.vmdk", disk_type=DiskType.STREAM_OPTIMIZED)
    local.clone("stream.vmdk", "back.vmdk", disk_type=kind)
    with local.open("back.vmdk", read_only=True) as back:
        assert back.read(3000, 9) == pattern(3000, 9) and back.capacity == SMALL


def test_a_clone_replaces_only_when_asked(local: Connection, small_disk: NewDisk) -> None:
    small_disk().close()
    local.clone("disk.vmdk", "clone.vmdk")
    with pytest.raises(errors.FileAlreadyExists):
        local.clone("disk.vmdk", "clone.vmdk")
    local.clone("disk.vmdk", "clone.vmdk", overwrite=True)


def test_what_a_progress_function_raises_ends_the_clone(local: Connection, small_disk: NewDisk) -> None:
    small_disk().close()

    def fail(percent: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.clone("disk.vmdk", "clone.vmdk", progress=fail)
    assert not Path("clone.vmdk").exists()


def test_a_child_is_attached(local: Connection, small_disk: NewDisk) -> None:
    with small_disk() as base:
        base.write(0, pattern(0, 1))
        base.create_child("child.vmdk", disk_type=DiskType.SPLIT_SPARSE)
    with (
        local.open("disk.vmdk", read_only=True) as parent,
        local.open("child.vmdk", single_link=True) as child,
    ):
        assert child.read(0, 1) == bytes(SECTOR_SIZE)
        with pytest.raises(errors.DiskAttachRootlink):
            child.check_attach(parent)
        parent.check_attach(child)
        parent.attach(child)
        assert child.read(0, 1) == pattern(0, 1) and child.info.links == 2


def test_a_disk_grows_shrinks_and_is_put_in_order(local: Connection, small_disk: NewDisk) -> None:
    heard: list[int] = []
    with small_disk() as disk:
        disk.write(0, pattern(0, 2000))
        disk.write(500, bytes(1000 * SECTOR_SIZE))
        disk.flush()
        before = Path("disk.vmdk").stat().st_size
        disk.shrink(progress=heard.append)
        disk.defragment(progress=heard.append)
        assert Path("disk.vmdk").stat().st_size < before and heard.count(100) == 2
        assert disk.read(0, 500) == pattern(0, 500)
        with pytest.raises(errors.FileAlreadyLocked):
            local.grow("disk.vmdk", 2 * SMALL)
    local.grow("disk.vmdk", 2 * SMALL, progress=heard.append)
    assert heard[-1] == 100
    with pytest.raises(errors.InvalidArg):
        local.grow("disk.vmdk", SMALL)
    with local.open("disk.vmdk") as disk:
        assert disk.capacity == 2 * SMALL and disk.read(0, 500) == pattern(0, 500)


def test_a_check_tells_what_it_found(local: Connection, small_disk: NewDisk) -> None:
    with small_disk() as disk:
        disk.write(0, pattern(0, 200))
    assert local.check("disk.vmdk") == ["Checked 'disk.vmdk': 0 findings of damage, 0 of them left, 0 sectors lost"]
    data = bytearray(Path("disk.vmdk").read_bytes())
    table = int.from_bytes(data[56:64], "little") * SECTOR_SIZE  # the grain directory; its first entry leads nowhere
    data[table : table + 4] = b"\xff\xff\xff\x7f"
    Path("disk.vmdk").write_bytes(data)
    found = local.check("disk.vmdk")
    assert len(found) > 1 and "0 findings" not in found[-1]
    local.check("disk.vmdk", repair=True)
    assert "0 findings" in local.check("disk.vmdk")[-1]
    with local.open("disk.vmdk", read_only=True) as disk:
        assert disk.read(0, 200) == pattern(0, 200)


def test_disks_are_renamed_and_deleted(lib: Library, local: Connection, small_disk: NewDisk) -> None:
    small_disk(disk_type=DiskType.MONOLITHIC_FLAT).close()
    lib.rename("disk.vmdk", "other.vmdk")
    assert sorted(path.name for path in Path().iterdir()) == ["other-flat.vmdk", "other.vmdk"]
    local.unlink("other.vmdk")
    assert not list(Path().iterdir())
    with pytest.raises(errors.FileNotFound):
        local.unlink("other.vmdk")


def test_metadata_is_a_mapping(local: Connection, small_disk: NewDisk) -> None:
    disk = small_disk()
    metadata = disk.metadata
    assert metadata["adapterType"] == "lsilogic" and len(metadata) == len(list(metadata)) == len(dict(metadata))
    metadata.update({"comment": "näme", "deletable": "true"})
    assert metadata["comment"] == "näme" and metadata.setdefault("deletable", "x") == "true"
    assert repr(metadata).startswith("Metadata({")
    del metadata["comment"]  # the interface cannot remove a name
    assert metadata["comment"] == "" and "comment" in metadata
    with pytest.raises(KeyError):
        del metadata["nothing"]
    assert "nothing" not in metadata
    assert metadata.pop("deletable") == "true" and metadata["deletable"] == ""
    with pytest.raises(TypeError, match="cannot be removed"):
        metadata.popitem()
    for value in ('a "quote"', "a\nline"):
        with pytest.raises(errors.InvalidArg):
            metadata["comment"] = value


def test_metadata_is_emptied(small_disk: NewDisk) -> None:
    metadata = small_disk().metadata
    metadata["comment"] = "x"
    names = list(metadata)
    try:
        metadata.clear()
    except errors.InvalidArg as error:  # what the library does not let go of, such as the adapter
        assert "adapterType" in error.detail or "geometry" in error.detail or "uuid" in error.detail
    assert list(metadata) == names
