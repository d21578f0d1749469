//! Every image of a collection that does not come with the sources. Not a part of `cargo test`: `scripts/test.sh images`
//! names it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "images.rs"]
mod images;

use std::fs;
use std::path::{Path, PathBuf};

use images::{content_hash, read_only, unpack};

const SECTOR: u64 = 512;

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
    assert_eq!(info.capacity * SECTOR, bytes, "{name}");
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
