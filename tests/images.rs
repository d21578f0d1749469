//! Disks that other programs wrote: a small one that is always there, and all of a collection where that is at hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::*;
use vixDiskLib::disk::Disk;
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::io::Files;
use vixDiskLib::io::local::LocalFiles;

fn read_only(path: &Path) -> vixDiskLib::error::Result<Disk> {
    let files: Arc<dyn Files> = Arc::new(LocalFiles::default());
    open(&files, path, Options { read_only: true, single_link: false })
}

fn unpack(packed: &Path, to: &Path) {
    let status = Command::new("xz").arg("-dc").arg(packed).stdout(File::create(to).unwrap()).status();
    assert!(status.expect("apt-get install xz-utils").success(), "{}", packed.display());
}

/// The SHA-256 of the first bytes of a disk.
fn content_hash(disk: &Disk, bytes: u64) -> String {
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

/// One image of the collection's manifest, by its keys.
struct Image<'a>(&'a str);

impl Image<'_> {
    /// A value without its quotes; `None` for null.
    fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.split_once(&format!("\"{key}\": ")).expect(key);
        let value = value.lines().next().unwrap().trim_end_matches(',').trim_matches('"');
        (value != "null").then_some(value)
    }

    fn text(&self, key: &str) -> &str {
        self.get(key).expect(key)
    }

    fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap()
    }

    /// What we call the type of the manifest.
    fn create_type(&self) -> &'static str {
        // The manifest names two fixed ones of Windows after how many blocks they have, not after their flag.
        match (self.text("type"), self.text("unpack_as")) {
            (_, "fat-parent.vhdx" | "ntfs-parent.vhdx") => "vhdx-fixed",
            (kind, _) if kind.starts_with("streamOptimized") => "streamOptimized",
            ("monolithicSparse", _) => "monolithicSparse",
            (kind, _) if kind.starts_with("VHD dynamic") => "vhd-dynamic",
            ("VHD fixed", _) => "vhd-fixed",
            ("VHD differencing", _) => "vhd-differencing",
            ("VHDX fixed", _) => "vhdx-fixed",
            ("VHDX differencing", _) => "vhdx-differencing",
            ("VHDX dynamic" | "VHDX with dirty log" | "VHDX", _) => "vhdx-dynamic",
            (kind, name) => panic!("{name}: {kind}"),
        }
    }
}

fn check(image: &Image<'_>, path: &Path) {
    let name = image.text("unpack_as");
    let disk = read_only(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(disk.create_type(), image.create_type(), "{name}");
    let bytes = image.number("expect_size");
    let info = disk.info();
    assert_eq!(info.capacity * SECTOR as u64, bytes, "{name}");
    let links = if image.text("type").contains("differencing") { 2 } else { 1 };
    assert_eq!((info.links, info.parent_hint.is_some()), (links, links == 2), "{name}");
    assert!(!disk.metadata(b"adapterType").unwrap().is_empty(), "{name}");
    assert_ne!(info.geometry.cylinders, 0, "{name}");
    if let Some(hash) = image.get("expect_sha256") {
        assert_eq!(content_hash(&disk, bytes), hash, "{name}");
    }
    println!("{name}: {} of {bytes} bytes", disk.create_type());
}

/// The collection is too large to come with the sources: `VIXEN_IMAGES` says where it is, or it is beside them.
#[test]
#[ignore = "needs the collection of images; scripts/test.sh images runs it"]
fn every_image_of_the_collection_is_what_its_manifest_says() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/images");
    let place = std::env::var_os("VIXEN_IMAGES").map_or(beside, PathBuf::from);
    let manifest = fs::read_to_string(place.join("manifest.json")).expect("VIXEN_IMAGES names no collection");
    let (_, list) = manifest.split_once("\"images\": [").unwrap();
    let images: Vec<Image<'_>> = list.split("  {\n").skip(1).map(Image).collect();
    assert!(images.len() >= 27, "{}", images.len());
    let work = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = images
        .iter()
        .map(|image| {
            let folder = work.path().join(image.text("folder"));
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join(image.text("unpack_as"));
            unpack(&place.join(image.text("file")), &path);
            assert_eq!(fs::metadata(&path).unwrap().len(), image.number("file_size"), "{}", path.display());
            path
        })
        .collect();
    for (image, path) in images.iter().zip(&paths) {
        match image.text("test") {
            "must refuse" => drop(read_only(path).expect_err(image.text("unpack_as"))),
            _ => check(image, path),
        }
    }
}
