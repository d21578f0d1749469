//! Disks as their files: what deleting, renaming and refused writes do to files of an uncommon arrangement.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use vixDiskLib::disk::files::{rename, unlink};
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::error::{Kind, Result};
use vixDiskLib::io::local::LocalFiles;
use vixDiskLib::io::{Access, Files, Folder, Storage};
use vixDiskLib::session::DiskKind;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn kind_of<T>(result: Result<T>) -> Kind {
    result.map(drop).unwrap_err().kind()
}

/// Writes a descriptor with these lines for extents.
fn descriptor(path: &Path, kind: &str, lines: &str) {
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"{kind}\"\n{lines}\n\
         ddb.adapterType = \"lsilogic\"\n"
    );
    fs::write(path, text).unwrap();
}

/// A disk whose two extents are in one file, and its content.
fn two_in_one(folder: &tempfile::TempDir) -> (PathBuf, Vec<u8>) {
    let disk = in_folder(folder, "disk.vmdk");
    descriptor(
        &disk,
        "twoGbMaxExtentFlat",
        "RW 16 FLAT \"disk-f001.vmdk\" 8\nRW 8 FLAT \"disk-f001.vmdk\" 0",
    );
    let mut content = vec![0; 24 * SECTOR];
    Bytes(7).fill(&mut content);
    let file = [&content[16 * SECTOR..], &content[..16 * SECTOR]].concat();
    fs::write(in_folder(folder, "disk-f001.vmdk"), file).unwrap();
    (disk, content)
}

#[test]
fn a_file_with_two_extents_is_renamed_and_deleted_once() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, content) = two_in_one(&folder);
    let files = LocalFiles::default();
    let new = in_folder(&folder, "new.vmdk");
    rename(&files, &disk, &new).unwrap();
    assert_eq!(names(folder.path()), ["new-f001.vmdk", "new.vmdk"]);
    let open = Open::writable(&new);
    assert!(open.read_all() == content);
    assert_eq!(kind_of(unlink(&files, &new)), Kind::Locked, "it is open");
    open.close();
    unlink(&files, &new).unwrap();
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_symbolic_link_is_no_disk_to_delete_or_rename() {
    for kind in [DiskKind::MonolithicFlat, DiskKind::MonolithicSparse] {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFiles::default();
        fs::create_dir(in_folder(&folder, "links")).unwrap();
        let disk = in_folder(&folder, "disk.vmdk");
        create(&disk, kind, 100);
        let before = names(folder.path());
        // One beside the extents, which it would take along, and one that would lose sight of them.
        for link in [in_folder(&folder, "link.vmdk"), in_folder(&folder, "links/link.vmdk")] {
            symlink(&disk, &link).unwrap();
            let error = unlink(&files, &link).unwrap_err();
            assert_eq!(error.kind(), Kind::NotSupported, "{error}");
            assert!(error.to_string().contains("symbolic link"), "{error}");
            assert_eq!(kind_of(rename(&files, &link, &in_folder(&folder, "new.vmdk"))), Kind::NotSupported);
            assert!(link.is_symlink());
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(names(folder.path()), before);
        // A folder may be reached by a link.
        symlink(folder.path(), in_folder(&folder, "links/here")).unwrap();
        unlink(&files, &in_folder(&folder, "links/here/disk.vmdk")).unwrap();
        assert_eq!(names(folder.path()), ["links"]);
    }
}

/// What follows the name of an extent, its type and how they are written is not ours to change.
#[test]
fn a_rename_keeps_the_lines_of_extents_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (in_folder(&folder, "old.vmdk"), in_folder(&folder, "new.vmdk"));
    for (before, after) in [
        ("RW 8 VMFS \"old-flat.vmdk\" 0", "RW 8 VMFS \"new-flat.vmdk\" 0"),
        ("RW 8 VMFS \"old-flat.vmdk\"", "RW 8 VMFS \"new-flat.vmdk\""),
        (
            "rw  8 Flat \"old-flat.vmdk\" 0 partitionUUID device",
            "rw  8 Flat \"new-flat.vmdk\" 0 partitionUUID device",
        ),
        ("RW 8 VMFSRAW \"old-flat.vmdk\"", "RW 8 VMFSRAW \"new-flat.vmdk\""),
        ("RDONLY 8 VMFSRDM \"old-flat.vmdk\" 0", "RDONLY 8 VMFSRDM \"new-flat.vmdk\" 0"),
    ] {
        descriptor(&old, "custom", before);
        let text = fs::read_to_string(&old).unwrap();
        fs::write(in_folder(&folder, "old-flat.vmdk"), [5; 8 * SECTOR]).unwrap();
        rename(&LocalFiles::default(), &old, &new).unwrap();
        assert_eq!(fs::read_to_string(&new).unwrap(), text.replace(before, after));
        assert_eq!(names(folder.path()), ["new-flat.vmdk", "new.vmdk"]);
        fs::remove_file(in_folder(&folder, "new-flat.vmdk")).unwrap();
        fs::remove_file(&new).unwrap();
    }
}

#[test]
fn a_write_that_a_stream_refuses_leaves_its_content_id() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "stream.vmdk");
    create(&disk, DiskKind::StreamOptimized, 1024);
    let open = Open::writable(&disk);
    open.disk.write(0, &[7; 128 * SECTOR]).unwrap();
    open.close();
    let before = fs::read(&disk).unwrap();
    let open = Open::writable(&disk);
    assert_eq!(kind_of(open.disk.write(0, &[8; 128 * SECTOR])), Kind::NotSupported);
    open.close();
    assert!(fs::read(&disk).unwrap() == before);
    let open = Open::writable(&disk);
    open.disk.write(256, &[8; 128 * SECTOR]).unwrap();
    open.close();
    assert!(
        fs::read(&disk).unwrap()[..before.len().min(8192)] != before[..before.len().min(8192)],
        "the test sees ids"
    );
}

fn open_disk(path: &Path, read_only: bool) -> Result<vixDiskLib::disk::Disk> {
    let files: Arc<dyn Files> = Arc::new(LocalFiles::default());
    open(&files, path, Options { read_only, single_link: false })
}

/// Nothing can be written to its extents, but its descriptor can.
#[test]
fn an_embedded_descriptor_over_read_only_extents_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "disk.vmdk");
    create(&disk, DiskKind::MonolithicSparse, 100);
    let mut bytes = fs::read(&disk).unwrap();
    let line = b"RW 100 SPARSE";
    let at = bytes.windows(line.len()).position(|window| window == line).unwrap();
    // The text stays as long as it was.
    let end = at + bytes[at..].iter().position(|byte| *byte == b'\n').unwrap();
    let mut changed = b"RDONLY 100 SPARSE \"d\"".to_vec();
    changed.resize(end - at, b' ');
    bytes[at..end].copy_from_slice(&changed);
    fs::write(&disk, bytes).unwrap();
    let first = open_disk(&disk, false).unwrap();
    assert_eq!(kind_of(open_disk(&disk, false)), Kind::Locked);
    assert_eq!(kind_of(unlink(&LocalFiles::default(), &disk)), Kind::Locked);
    first.set_metadata(b"comment", b"x").unwrap();
    first.finish().unwrap();
    drop(first);
    open_disk(&disk, false).unwrap();
}

/// A writer claims the first extent that it can write; who reads the disk as a parent must claim the same.
#[test]
fn a_parent_whose_first_extent_is_read_only_is_kept_from_writers() {
    let folder = tempfile::tempdir().unwrap();
    let (base, child) = (in_folder(&folder, "base.vmdk"), in_folder(&folder, "child.vmdk"));
    descriptor(&base, "custom", "RDONLY 8 FLAT \"shared\" 0\nRW 8 FLAT \"own\" 0");
    fs::write(in_folder(&folder, "shared"), [1; 8 * SECTOR]).unwrap();
    fs::write(in_folder(&folder, "own"), [2; 8 * SECTOR]).unwrap();
    let parent = "CID=1\nparentCID=12345678\nparentFileNameHint=\"base.vmdk\"\nRW 16 ZERO\n";
    fs::write(&child, parent).unwrap();
    let reader = open_disk(&child, true).unwrap();
    assert_eq!(kind_of(open_disk(&base, false)), Kind::Locked);
    drop(reader);
    let writer = open_disk(&base, false).unwrap();
    assert_eq!(kind_of(open_disk(&child, true)), Kind::Locked);
    drop(writer);
    // Without anything to write there is nothing to keep writers from, but those who delete.
    descriptor(&base, "custom", "RDONLY 8 FLAT \"shared\" 0\nRDONLY 8 FLAT \"own\" 0");
    let reader = open_disk(&child, true).unwrap();
    drop(open_disk(&base, false).unwrap());
    assert_eq!(kind_of(unlink(&LocalFiles::default(), &base)), Kind::Locked);
    drop(reader);
}

/// Files of which somebody replaces one by its copy, just before it is opened for the second time.
#[derive(Debug)]
struct Replacing {
    files: LocalFiles,
    name: &'static str,
    opened: AtomicUsize,
}

impl Files for Replacing {
    fn open_beside(&self, folder: &Folder, name: &Path, access: Access) -> Result<Arc<dyn Storage>> {
        if name == Path::new(self.name) && self.opened.fetch_add(1, Ordering::SeqCst) == 1 {
            let (path, copy) = (folder.path().join(name), folder.path().join("copy"));
            fs::copy(&path, &copy).unwrap();
            fs::rename(&copy, &path).unwrap();
        }
        self.files.open_beside(folder, name, access)
    }

    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn Storage>> {
        self.files.open(path, access)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        self.files.canonical(path)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn Storage>> {
        self.files.create(path)
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<Arc<dyn Storage>> {
        self.files.replace(path, content)
    }

    fn link(&self, existing: &Path, new: &Path) -> Result<()> {
        self.files.link(existing, new)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.files.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        self.files.sync_folder(folder)
    }
}

/// A lock of a file that has lost its name keeps nobody out.
#[test]
fn what_is_locked_is_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let disk = in_folder(&folder, "disk.vmdk");
    descriptor(&disk, "monolithicFlat", "RW 8 FLAT \"data\" 0");
    fs::write(in_folder(&folder, "data"), [0; 8 * SECTOR]).unwrap();
    let open_with = |name| {
        let files = Replacing { files: LocalFiles::default(), name, opened: AtomicUsize::new(0) };
        open(&(Arc::new(files) as Arc<dyn Files>), &disk, Options::default())
    };
    let error = open_with("data").unwrap_err();
    assert_eq!(error.kind(), Kind::Locked, "{error}");
    assert!(error.to_string().contains("replaced"), "{error}");
    open_with("nothing").unwrap();
}
