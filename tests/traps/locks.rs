//! Locks of VMware's products: folders beside a disk or an extent.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::*;
use crate::generate::{descriptor, linked, random};
use crate::{READ_ONLY, WRITABLE, beside, content, disk, error_of};
use vixDiskLib::error::Kind;
use vixDiskLib::session::{DiskKind, manage};

/// Locks a file as a product does.
fn lock(file: &Path) -> PathBuf {
    let mut folder = file.as_os_str().to_owned();
    folder.push(".lck");
    let folder = PathBuf::from(folder);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("M34512.lck"), "host 4242-133").unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_disk_that_a_product_has_open_is_not_written() {
    for kind in KINDS {
        let (folder, path) = disk();
        create(&path, kind, 5000);
        let before = names(folder.path());
        let expected = content(&path);
        for file in before.iter().map(|name| in_folder(&folder, name)) {
            let lock = lock(&file);
            let error = error_of(&path, WRITABLE);
            assert_eq!(error.kind(), Kind::Locked, "{kind:?} {error}");
            let told = error.to_string();
            assert!(told.contains(text(&lock)) && told.contains("delete"), "{told}");
            assert!(content(&path) == expected, "reading works");
            assert_eq!(manage::check(connection(), &path, false).unwrap().damage, 0);
            for error in [
                manage::check(connection(), &path, true).unwrap_err(),
                manage::grow(connection(), &path, 9000, false, &mut |_| ()).unwrap_err(),
                manage::unlink(connection(), &path).unwrap_err(),
                manage::rename(&path, &in_folder(&folder, "new.vmdk")).unwrap_err(),
            ] {
                assert_eq!(error.kind(), Kind::Locked, "{error}");
            }
            // What a crash leaves is told by its text, and what an orderly end leaves is no lock.
            fs::remove_file(lock.join("M34512.lck")).unwrap();
            Open::writable(&path).close();
            fs::remove_dir(&lock).unwrap();
        }
        let open = Open::writable(&path);
        open.disk.write(0, &[1; SECTOR]).unwrap();
        assert_eq!(names(folder.path()), before, "no folder of ours");
        open.close();
        assert_eq!(names(folder.path()), before);
    }
}

#[test]
fn a_lock_is_found_by_the_name_that_a_link_leads_to() {
    let (folder, path) = disk();
    create(&path, DiskKind::MonolithicSparse, 100);
    let link = in_folder(&folder, "link.vmdk");
    std::os::unix::fs::symlink("disk.vmdk", &link).unwrap();
    lock(&path);
    assert_eq!(error_of(&link, WRITABLE).kind(), Kind::Locked);
    Open::with(&link, READ_ONLY).unwrap().close();
}

#[test]
fn what_is_only_read_may_be_locked() {
    let (folder, path) = disk();
    // A parent, and an extent that takes no writes.
    let base = in_folder(&folder, "base.vmdk");
    beside(&path, "data", random(1, 16));
    fs::write(&base, linked(7, None, "RW 16 FLAT \"data\" 0")).unwrap();
    let child = linked(7, Some((7, "base.vmdk")), "RW 16 SPARSE \"x\"");
    crate::generate::Sparse::new(16).descriptor(child, 20).write(&path);
    lock(&base);
    lock(&in_folder(&folder, "data"));
    Open::writable(&path).close();
    fs::write(&path, descriptor("RDONLY 16 FLAT \"data\" 0\nRW 16 ZERO")).unwrap();
    Open::writable(&path).close();
}
