//! A disk that another program wrote. `collection.rs` has more of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::*;
use vixDiskLib::disk::Disk;
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::io::Files;
use vixDiskLib::io::local::LocalFiles;

/// Opens a disk.
pub(crate) fn read_only(path: &Path) -> vixDiskLib::error::Result<Disk> {
    let files: Arc<dyn Files> = Arc::new(LocalFiles::default());
    open(&files, path, Options { read_only: true, single_link: false })
}

/// Unpacks a file of xz.
pub(crate) fn unpack(packed: &Path, to: &Path) {
    let status = Command::new("xz").arg("-dc").arg(packed).stdout(File::create(to).unwrap()).status();
    assert!(status.expect("apt-get install xz-utils").success(), "{}", packed.display());
}

/// The SHA-256 of the first bytes of a disk.
pub(crate) fn content_hash(disk: &Disk, bytes: u64) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut buffer = vec![0xAA; 2049 * SECTOR];
    for start in (0..bytes / SECTOR as u64).step_by(2049) {
        let sectors = (bytes / SECTOR as u64 - start).min(2049) as usize;
        disk.read(start, &mut buffer[..sectors * SECTOR]).unwrap();
        pipe.write_all(&buffer[..sectors * SECTOR]).unwrap();
    }
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_sparse_disk_of_another_program_is_read_with_all_it_tells() {
    let folder = tempfile::tempdir().unwrap();
    // Renamed: its extent line still says ext2.vmdk.
    let path = in_folder(&folder, "renamed.vmdk");
    unpack(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/dfvfs-ext2.vmdk.xz"), &path);
    let before = fs::read(&path).unwrap();
    let disk = read_only(&path).unwrap();
    assert_eq!(
        content_hash(&disk, 4 << 20),
        "a6c2f0e39afe6c6ab432ca5465349fcefe8dc944398e97b2d957d3f89dbb5d80"
    );
    let info = disk.info();
    assert_eq!((info.capacity, info.links, info.parent_hint), (8192, 1, None));
    assert_eq!((info.geometry.cylinders, info.geometry.heads, info.geometry.sectors), (8, 16, 63));
    assert_eq!((info.logical_sector_size, info.physical_sector_size), (512, 512));
    assert_eq!(disk.create_type(), "monolithicSparse");
    for (key, value) in [("virtualHWVersion", "4"), ("adapterType", "ide"), ("geometry.cylinders", "8")] {
        assert_eq!(disk.metadata(key.as_bytes()).unwrap(), value.as_bytes(), "{key}");
    }
    let listed: u64 = disk.allocated_blocks(0, 8192, 128).unwrap().iter().map(|block| block.sectors).sum();
    assert!(listed > 0 && listed < 8192, "{listed}");
    drop(disk);
    assert!(fs::read(&path).unwrap() == before);
}
