//! Calls on whole disks: children, attaching, cloning, deleting, renaming; qemu-img looks at the results.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use vixDiskLib::error::Kind;
use vixDiskLib::session::{self, Adapter, DiskKind, NewDisk, OpenFlags, manage};

const SPLIT_SECTORS: u64 = 4_192_256;

/// A disk with data in places that a map should tell apart: at the start, over borders, zeros written, at the end.
fn filled(path: &Path, kind: DiskKind, capacity: u64, seed: u64) -> Vec<u8> {
    create(path, kind, capacity);
    let open = Open::writable(path);
    let mut random = Bytes(seed);
    for (start, sectors) in [(0, 1), (100, 300), (capacity / 2, 129), (capacity - 70, 70)] {
        open.disk.write(start, &random.vec(sectors * SECTOR)).unwrap();
    }
    open.disk.write(200, &vec![0; 150 * SECTOR]).unwrap();
    let content = open.read_all();
    open.close();
    content
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn kind_of(result: vixDiskLib::error::Result<()>) -> Kind {
    result.unwrap_err().kind()
}

fn new_disk(kind: DiskKind) -> NewDisk {
    NewDisk { kind, adapter: Adapter::Ide, hardware: 7, capacity: 1 }
}

#[test]
fn children_show_their_parent_until_they_are_written() {
    for base_kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let base = in_folder(&folder, "base.vmdk");
        let mut expected = filled(&base, base_kind, 6145, 5);
        let mut parent = base.clone();
        for (number, kind) in [DiskKind::MonolithicSparse, DiskKind::SplitSparse].into_iter().enumerate() {
            let child = in_folder(&folder, &format!("child-{number}.vmdk"));
            let open = Open::with(&parent, OpenFlags { read_only: true, ..Default::default() }).unwrap();
            let mut heard = Vec::new();
            manage::create_child(open.handle(), &child, kind, &mut |percent| heard.push(percent)).unwrap();
            assert_eq!((heard.first(), heard.last()), (Some(&0), Some(&100)));
            assert_eq!(
                kind_of(manage::create_child(open.handle(), &child, kind, &mut |_| ())),
                Kind::FileExists
            );
            for bad in [DiskKind::MonolithicFlat, DiskKind::SplitFlat] {
                let path = in_folder(&folder, "bad.vmdk");
                assert_eq!(
                    kind_of(manage::create_child(open.handle(), &path, bad, &mut |_| ())),
                    Kind::InvalidArgument
                );
            }
            open.close();
            let open = Open::writable(&child);
            let info = open.disk.info().unwrap();
            assert_eq!((info.links, info.adapter), (number + 2, Adapter::LsiLogic));
            assert_eq!(info.parent_hint.as_deref(), parent.file_name().map(|name| name.as_encoded_bytes()));
            assert!(open.read_all() == expected);
            qemu_check(&child);
            assert!(qemu_content(&child) == expected);
            let data = Bytes(number as u64 + 9).vec(200 * SECTOR);
            open.disk.write(1000, &data).unwrap();
            expected[1000 * SECTOR..1200 * SECTOR].copy_from_slice(&data);
            open.close();
            assert!(qemu_content(&child) == expected);
            parent = child;
        }
        // The content id of a written child is its own, so a child of the old content is found out.
        let names = names(folder.path());
        assert!(!names.contains(&"bad.vmdk".to_owned()), "{names:?}");
    }
}

#[test]
fn a_child_in_another_folder_names_its_parent_by_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(in_folder(&folder, "below")).unwrap();
    let base = in_folder(&folder, "base.vmdk");
    filled(&base, DiskKind::MonolithicSparse, 1000, 5);
    let open = Open::read_only(&base);
    let child = in_folder(&folder, "below/child.vmdk");
    manage::create_child(open.handle(), &child, DiskKind::MonolithicSparse, &mut |_| ()).unwrap();
    open.close();
    let content = String::from_utf8_lossy(&fs::read(&child).unwrap()[512..2048]).into_owned();
    assert!(content.contains(&format!("parentFileNameHint=\"{}\"", text(&base))), "{content}");
    // It leads out of the child's folder, which only the configuration can allow.
    assert_eq!(
        Open::with(&child, OpenFlags { read_only: true, ..Default::default() }).err().unwrap().kind(),
        Kind::OpenParent
    );
}

#[test]
fn a_single_link_is_attached_to_its_chain() {
    let folder = tempfile::tempdir().unwrap();
    let base = in_folder(&folder, "base.vmdk");
    let mut expected = filled(&base, DiskKind::SplitFlat, 6145, 5);
    let middle = in_folder(&folder, "middle.vmdk");
    let child = in_folder(&folder, "child.vmdk");
    for (parent, path) in [(&base, &middle), (&middle, &child)] {
        let open = Open::read_only(parent);
        manage::create_child(open.handle(), path, DiskKind::MonolithicSparse, &mut |_| ()).unwrap();
        open.close();
    }
    let single = |path: &Path, read_only| {
        Open::with(path, OpenFlags { single_link: true, read_only, ..Default::default() }).unwrap()
    };
    let (lower, upper) = (Open::read_only(&middle), single(&child, false));
    assert!(upper.read_all() == vec![0; 6145 * SECTOR], "alone it has nothing");
    let root = Open::read_only(&base);
    assert_eq!(kind_of(manage::attach(upper.handle(), root.handle())), Kind::AttachRoot);
    assert_eq!(kind_of(manage::check_attach(root.handle(), lower.handle())), Kind::InvalidArgument);
    assert_eq!(kind_of(manage::attach(upper.handle(), upper.handle())), Kind::InvalidArgument);
    manage::check_attach(lower.handle(), upper.handle()).unwrap();
    assert_eq!(lower.disk.info().unwrap().links, 2, "a dry run changes nothing");
    manage::attach(lower.handle(), upper.handle()).unwrap();
    assert_eq!(upper.disk.info().unwrap().links, 3);
    assert!(upper.read_all() == expected);
    assert_eq!(lower.disk.info().unwrap_err().kind(), Kind::InvalidHandle);
    lower.close();
    upper.disk.write(7, &[7; SECTOR]).unwrap();
    expected[7 * SECTOR..8 * SECTOR].fill(7);
    assert!(upper.read_all() == expected);
    upper.close();
    root.close();
    assert!(qemu_content(&child) == expected);
    // The parent has changed now: what was made over it does not fit any more.
    let open = Open::writable(&base);
    open.disk.write(0, &[1; SECTOR]).unwrap();
    open.close();
    let (lower, upper) = (Open::read_only(&base), single(&middle, true));
    assert_eq!(kind_of(manage::attach(lower.handle(), upper.handle())), Kind::CidMismatch);
    assert_eq!(lower.disk.info().unwrap().links, 1, "both are as they were");
    lower.close();
    upper.close();
}

#[test]
fn every_kind_is_cloned_into_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    for from in KINDS {
        let source = in_folder(&folder, &format!("from-{}.vmdk", qemu_name(from)));
        let expected = filled(&source, from, 9_001, 3);
        let open = Open::read_only(&source);
        let kinds = [DiskKind::VmfsFlat, DiskKind::VmfsThin, DiskKind::StreamOptimized];
        for to in KINDS.into_iter().chain(kinds) {
            let target = in_folder(&folder, &format!("to-{}-{}.vmdk", qemu_name(from), qemu_name(to)));
            let needed = manage::space_for_clone(open.handle(), Some(to)).unwrap();
            let before: u64 = sizes(folder.path());
            let mut heard = Vec::new();
            manage::clone(
                (connection(), &target),
                (connection(), &source),
                &new_disk(to),
                false,
                &mut |percent| {
                    heard.push(percent);
                    false // has no meaning unless the configuration gives it one
                },
            )
            .unwrap();
            assert_eq!((heard.first(), heard.last()), (Some(&0), Some(&100)), "{heard:?}");
            assert!(heard.is_sorted_by(|a, b| a < b));
            assert_eq!(sizes(folder.path()) - before, needed, "{from:?} to {to:?}");
            let clone = Open::read_only(&target);
            assert!(clone.read_all() == expected, "{from:?} to {to:?}");
            let info = clone.disk.info().unwrap();
            assert_eq!((info.adapter, info.capacity, info.links), (Adapter::Ide, 9_001, 1));
            assert_eq!((info.geometry.heads, info.geometry.sectors), (16, 63));
            clone.close();
            qemu_check(&target);
            assert!(qemu_content(&target) == expected);
        }
        assert_eq!(
            manage::space_for_clone(open.handle(), None).unwrap(),
            manage::space_for_clone(open.handle(), Some(from)).unwrap()
        );
        open.close();
    }
}

/// The bytes of all files in a folder, each rounded up to 4 KiB.
fn sizes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len().next_multiple_of(4096)).sum()
}

#[test]
fn a_clone_replaces_a_disk_only_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (in_folder(&folder, "a.vmdk"), in_folder(&folder, "b.vmdk"));
    let expected = filled(&source, DiskKind::MonolithicSparse, 3_000, 3);
    let old = filled(&target, DiskKind::SplitFlat, 500, 4);
    let clone = |target: &Path, overwrite| {
        let new = new_disk(DiskKind::MonolithicFlat);
        manage::clone((connection(), target), (connection(), &source), &new, overwrite, &mut |_| true)
    };
    assert_eq!(kind_of(clone(&target, false)), Kind::FileExists);
    assert_eq!(kind_of(clone(&source, true)), Kind::InvalidArgument);
    let open = Open::writable(&target);
    // Within this process the lock is noticed too.
    assert_eq!(kind_of(clone(&target, true)), Kind::Locked);
    assert!(open.read_all() == old);
    open.close();
    assert_eq!(names(folder.path()), ["a.vmdk", "b-f001.vmdk", "b.vmdk"], "nothing half-made is left");
    clone(&target, true).unwrap();
    assert_eq!(names(folder.path()), ["a-flat.vmdk", "a.vmdk", "b-flat.vmdk", "b.vmdk"][1..]);
    let open = Open::read_only(&target);
    assert!(open.read_all() == expected);
    open.close();
}

#[test]
fn a_chain_is_cloned_as_one_disk() {
    let folder = tempfile::tempdir().unwrap();
    let base = in_folder(&folder, "base.vmdk");
    let mut expected = filled(&base, DiskKind::MonolithicSparse, 6_000, 5);
    let child = in_folder(&folder, "child.vmdk");
    let open = Open::read_only(&base);
    manage::create_child(open.handle(), &child, DiskKind::MonolithicSparse, &mut |_| ()).unwrap();
    open.close();
    let open = Open::writable(&child);
    open.disk.write(100, &[0; 128 * SECTOR]).unwrap();
    expected[100 * SECTOR..228 * SECTOR].fill(0);
    open.close();
    let target = in_folder(&folder, "whole.vmdk");
    let new = new_disk(DiskKind::SplitSparse);
    manage::clone((connection(), &target), (connection(), &child), &new, false, &mut |_| true).unwrap();
    assert!(qemu_content(&target) == expected);
}

#[test]
fn unlinking_deletes_every_file_of_one_link() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let (disk, other) = (in_folder(&folder, "disk.vmdk"), in_folder(&folder, "disk-2.vmdk"));
        filled(&disk, kind, 3_000, 1);
        filled(&other, kind, 3_000, 2);
        let both = names(folder.path()).len();
        let open = Open::writable(&disk);
        assert_eq!(kind_of(manage::unlink(connection(), &disk)), Kind::Locked);
        open.close();
        assert_eq!(names(folder.path()).len(), both);
        manage::unlink(connection(), &disk).unwrap();
        assert_eq!(names(folder.path()).len(), both / 2);
        assert_eq!(kind_of(manage::unlink(connection(), &disk)), Kind::FileNotFound);
        Open::read_only(&other).close();
        manage::unlink(connection(), &other).unwrap();
        assert!(names(folder.path()).is_empty());
    }
    fs::write(in_folder(&folder, "text"), "no disk").unwrap();
    assert_eq!(kind_of(manage::unlink(connection(), &in_folder(&folder, "text"))), Kind::InvalidDisk);
    assert_eq!(names(folder.path()), ["text"]);
}

#[test]
fn unlinking_never_leaves_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(in_folder(&folder, "disks")).unwrap();
    fs::write(in_folder(&folder, "precious"), "content").unwrap();
    let disk = in_folder(&folder, "disks/disk.vmdk");
    fs::write(&disk, "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"../precious\" 0\n").unwrap();
    assert_eq!(kind_of(manage::unlink(connection(), &disk)), Kind::BadName);
    assert_eq!(kind_of(manage::rename(&disk, &in_folder(&folder, "disks/new.vmdk"))), Kind::BadName);
    assert_eq!(fs::read(in_folder(&folder, "precious")).unwrap(), b"content");
    assert!(disk.exists());
}

#[test]
fn renaming_takes_every_file_along() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(in_folder(&folder, "other")).unwrap();
        let disk = in_folder(&folder, "old.vmdk");
        // More than one extent where the kind has them.
        let capacity = if kind == DiskKind::SplitSparse { SPLIT_SECTORS + 1000 } else { 5_000 };
        create(&disk, kind, capacity);
        let open = Open::writable(&disk);
        open.disk.write(capacity - 10, &[5; 10 * SECTOR]).unwrap();
        open.close();
        let files = names(folder.path()).len();
        for new in ["new name.vmdk", "other/third.vmdk"] {
            let old = if new.starts_with("new") { disk.clone() } else { in_folder(&folder, "new name.vmdk") };
            let new = in_folder(&folder, new);
            let open = Open::writable(&old);
            assert_eq!(kind_of(manage::rename(&old, &new)), Kind::Locked);
            open.close();
            fs::write(&new, "in the way").unwrap();
            assert_eq!(kind_of(manage::rename(&old, &new)), Kind::FileExists);
            assert_eq!(fs::read(&new).unwrap(), b"in the way");
            fs::remove_file(&new).unwrap();
            assert_eq!(names(folder.path()).len(), files);
            manage::rename(&old, &new).unwrap();
            assert!(!old.exists());
            let open = Open::writable(&new);
            assert!(open.read(capacity - 10, 10) == [5; 10 * SECTOR]);
            open.close();
            qemu_check(&new);
        }
        assert_eq!(names(folder.path()), ["other"]);
        assert_eq!(names(&in_folder(&folder, "other")).len(), files - 1);
        assert!(names(&in_folder(&folder, "other")).iter().all(|name| name.starts_with("third")));
    }
}

#[test]
fn change_tracking_goes_with_a_rename_and_ends_with_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "disk.vmdk");
    create(&disk, DiskKind::MonolithicFlat, 1000);
    let text = fs::read_to_string(&disk).unwrap();
    let text = text.replace("version=1", "version=3");
    fs::write(&disk, format!("{text}\n# Change Tracking File\nchangeTrackPath=\"disk-ctk.vmdk\"\n")).unwrap();
    fs::write(in_folder(&folder, "disk-ctk.vmdk"), "tracking").unwrap();
    Open::read_only(&disk).close();
    let new = in_folder(&folder, "new.vmdk");
    manage::rename(&disk, &new).unwrap();
    assert_eq!(names(folder.path()), ["new-ctk.vmdk", "new-flat.vmdk", "new.vmdk"]);
    assert!(fs::read_to_string(&new).unwrap().contains("changeTrackPath=\"new-ctk.vmdk\""));
    let open = Open::writable(&new);
    open.disk.write(0, &[1; SECTOR]).unwrap();
    open.close();
    let text = fs::read_to_string(&new).unwrap();
    assert!(!text.contains("changeTrackPath") && text.contains("version=1"), "{text}");
}

#[test]
fn read_only_connections_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "disk.vmdk");
    filled(&disk, DiskKind::MonolithicSparse, 1000, 1);
    let read_only = session::connect(Default::default(), true, None, None).unwrap();
    assert_eq!(kind_of(manage::unlink(read_only, &disk)), Kind::ReadOnly);
    let target = in_folder(&folder, "clone.vmdk");
    let new = new_disk(DiskKind::MonolithicSparse);
    assert_eq!(
        kind_of(manage::clone((read_only, &target), (read_only, &disk), &new, false, &mut |_| true)),
        Kind::ReadOnly
    );
    manage::clone((connection(), &target), (read_only, &disk), &new, false, &mut |_| true).unwrap();
}

#[test]
fn disks_grow_and_keep_what_they_have() {
    for kind in KINDS.into_iter().chain([DiskKind::VmfsFlat]) {
        let folder = tempfile::tempdir().unwrap();
        let disk = in_folder(&folder, "disk.vmdk");
        let old = filled(&disk, kind, 100_000, 8);
        let grow = |capacity, geometry| manage::grow(connection(), &disk, capacity, geometry, &mut |_| ());
        assert_eq!(kind_of(grow(99_999, true)), Kind::InvalidArgument);
        let open = Open::writable(&disk);
        assert_eq!(kind_of(grow(200_000, true)), Kind::Locked);
        open.close();
        let mut heard = Vec::new();
        manage::grow(connection(), &disk, 200_001, false, &mut |percent| heard.push(percent)).unwrap();
        assert_eq!((heard.first(), heard.last()), (Some(&0), Some(&100)));
        // More files for a split disk, more tables for a sparse one.
        let capacity = SPLIT_SECTORS + 70_000;
        grow(capacity, true).unwrap();
        let open = Open::writable(&disk);
        let info = open.disk.info().unwrap();
        assert_eq!(info.capacity, capacity);
        assert_eq!(u64::from(info.geometry.cylinders), capacity / (255 * 63));
        assert!(open.read(0, 100_000) == old);
        assert!(open.read(100_000, 100_000) == vec![0; 100_000 * SECTOR]);
        let data = Bytes(3).vec(300 * SECTOR);
        for place in [99_900, SPLIT_SECTORS - 100, capacity - 300] {
            open.disk.write(place, &data).unwrap();
        }
        open.close();
        qemu_check(&disk);
        let open = Open::read_only(&disk);
        for place in [99_900, SPLIT_SECTORS - 100, capacity - 300] {
            assert!(open.read(place, 300) == data);
        }
        open.close();
        assert_eq!(manage::check(connection(), &disk, false).unwrap(), Default::default());
        manage::unlink(connection(), &disk).unwrap();
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
}

#[test]
fn a_disk_that_cannot_grow_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "disk.vmdk");
    filled(&disk, DiskKind::SplitSparse, 1_000, 8);
    let child = in_folder(&folder, "child.vmdk");
    let open = Open::read_only(&disk);
    manage::create_child(open.handle(), &child, DiskKind::MonolithicSparse, &mut |_| ()).unwrap();
    open.close();
    assert_eq!(kind_of(manage::grow(connection(), &child, 2_000, true, &mut |_| ())), Kind::InvalidChain);
    // A file in the way of a new extent.
    fs::write(in_folder(&folder, "disk-s002.vmdk"), "in the way").unwrap();
    let before = names(folder.path());
    let grown = manage::grow(connection(), &disk, SPLIT_SECTORS * 2 + 1, true, &mut |_| ());
    assert_eq!(kind_of(grown), Kind::FileExists);
    assert_eq!(names(folder.path()), before);
    let open = Open::writable(&disk);
    assert_eq!(open.sectors(), 1_000);
    open.close();
    qemu_check(&disk);
}

#[test]
fn zeros_are_given_back_and_grains_put_in_order() {
    for kind in [DiskKind::MonolithicSparse, DiskKind::SplitSparse] {
        let folder = tempfile::tempdir().unwrap();
        let disk = in_folder(&folder, "disk.vmdk");
        create(&disk, kind, 100_000);
        let open = Open::writable(&disk);
        let mut random = Bytes(5);
        for grain in (0..700u64).rev() {
            open.disk.write(grain * 128, &random.vec(128 * SECTOR)).unwrap();
        }
        for grain in (0..700u64).filter(|grain| grain % 3 != 0) {
            open.disk.write(grain * 128, &[0; 128 * SECTOR]).unwrap();
        }
        let expected = open.read_all();
        let before = sizes(folder.path());
        manage::shrink(open.handle(), &mut |_| ()).unwrap();
        let after = sizes(folder.path());
        assert!(before - after >= 460 * 65536, "{before} to {after}");
        assert!(open.read_all() == expected);
        manage::defragment(open.handle(), &mut |_| ()).unwrap();
        assert!(sizes(folder.path()) <= after);
        assert!(open.read_all() == expected);
        open.close();
        qemu_check(&disk);
        assert!(qemu_content(&disk) == expected);
        assert_eq!(manage::check(connection(), &disk, false).unwrap(), Default::default());
    }
}

#[test]
fn damage_is_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "disk.vmdk");
    let expected = filled(&disk, DiskKind::MonolithicSparse, 100_000, 8);
    // The primary copy of the first table is lost (see the layout: 1 + 20 + (1 + 8) + 1 sectors before it).
    let mut bytes = fs::read(&disk).unwrap();
    bytes[31 * 512..31 * 512 + 2048].fill(0xEE);
    fs::write(&disk, &bytes).unwrap();
    let mut told = 0;
    let found = manage::check_and_tell(connection(), &disk, false, &mut |_| told += 1).unwrap();
    assert!(found.damage > 0 && found.left == found.damage && told >= found.damage, "{found:?}");
    assert!(fs::read(&disk).unwrap() == bytes, "a check changes nothing");
    let open = Open::read_only(&disk);
    assert!(open.disk.read(0, &mut [0; 512]).is_err());
    open.close();
    let repaired = manage::check(connection(), &disk, true).unwrap();
    assert_eq!((repaired.left, repaired.lost_sectors), (0, 0));
    assert_eq!(manage::check(connection(), &disk, false).unwrap(), Default::default());
    qemu_check(&disk);
    let open = Open::read_only(&disk);
    assert!(open.read_all() == expected);
    open.close();
    // A geometry that is larger than the disk.
    let text = fs::read(&disk).unwrap();
    let at = text.windows(20).position(|part| part == b"geometry.cylinders =").unwrap();
    let mut text = text;
    text[at + 22] = b'9';
    fs::write(&disk, text).unwrap();
    assert_eq!(manage::check(connection(), &disk, false).unwrap().damage, 1);
    assert_eq!(manage::check(connection(), &disk, true).unwrap().left, 0);
    assert_eq!(manage::check(connection(), &disk, false).unwrap(), Default::default());
    // A flat file that is too short cannot be repaired, and says so.
    let flat = in_folder(&folder, "flat.vmdk");
    create(&flat, DiskKind::MonolithicFlat, 1_000);
    fs::OpenOptions::new()
        .write(true)
        .open(in_folder(&folder, "flat-flat.vmdk"))
        .unwrap()
        .set_len(1000)
        .unwrap();
    assert_eq!(manage::check(connection(), &flat, false).unwrap().left, 1);
    assert_eq!(manage::check(connection(), &flat, true).unwrap_err().kind(), Kind::CannotRepair);
}

#[test]
fn a_damaged_stream_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "stream.vmdk");
    create(&disk, DiskKind::StreamOptimized, 1_000);
    let open = Open::writable(&disk);
    open.disk.write(0, &Bytes(3).vec(300 * SECTOR)).unwrap();
    open.close();
    for repair in [false, true] {
        assert_eq!(manage::check(connection(), &disk, repair).unwrap(), Default::default());
    }
    // In the middle of the first compressed grain, which begins behind the first 64 KiB.
    let mut bytes = fs::read(&disk).unwrap();
    bytes[128 * 512 + 1000] ^= 0x55;
    fs::write(&disk, &bytes).unwrap();
    let found = manage::check(connection(), &disk, false).unwrap();
    assert_eq!((found.damage, found.left, found.lost_sectors), (1, 1, 128));
    assert_eq!(manage::check(connection(), &disk, true).unwrap_err().kind(), Kind::CannotRepair);
    assert!(fs::read(&disk).unwrap() == bytes, "nothing was changed");
}
