//! No open takes over a second: the inputs that the fuzz targets have found, as files.

use std::fs;
use std::path::{Path, PathBuf};

use super::{READ_ONLY, WRITABLE, timely};

/// Sectors that the header of an extent claims, at most those of 62 TiB.
fn capacity(bytes: &[u8]) -> u64 {
    let number = |at: usize, length: usize| {
        let bytes = bytes.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let claimed = match bytes.first_chunk() {
        Some(b"COWD") => number(12, 4),
        Some(b"KDMV") => number(12, 8),
        _ => number(16, 8),
    };
    claimed.unwrap_or(1).clamp(1, 62 << 31)
}

/// Puts the disk of a seed into a folder; `None` for a seed that is too short to be one.
fn put(folder: &Path, target: &str, bytes: &[u8]) -> Option<PathBuf> {
    let path = folder.join(if target == "vhd" { "d.vhd" } else { "d.vmdk" });
    let with_extent = |text: &[u8], extent: &[u8]| {
        fs::write(&path, text).unwrap();
        fs::write(folder.join("e.vmdk"), extent).unwrap();
    };
    let kind = match target {
        "cowd" => "VMFSSPARSE",
        "sesparse" => "SESPARSE",
        _ => "SPARSE",
    };
    match (target, bytes.split_first()) {
        ("descriptor", _) => fs::write(&path, bytes).unwrap(),
        ("vhd" | "image", None) => return None,
        ("vhd", Some((_, rest))) => fs::write(&path, rest).unwrap(),
        ("image", Some((choice, rest))) if choice % 2 == 0 => fs::write(&path, rest).unwrap(),
        ("image", Some((_, rest))) => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (text, extent) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
            with_extent(text, extent);
        }
        _ => with_extent(format!("CID=1\nRW {} {kind} \"e.vmdk\"\n", capacity(bytes)).as_bytes(), bytes),
    }
    Some(path)
}

#[test]
fn no_input_of_the_fuzz_targets_takes_long_to_open() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let (mut tried, mut opened) = (0, 0);
    for target in ["descriptor", "sparse", "check", "stream", "cowd", "sesparse", "image", "vhd"] {
        for seed in fs::read_dir(seeds.join(target)).unwrap() {
            let bytes = fs::read(seed.unwrap().path()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let Some(path) = put(folder.path(), target, &bytes) else { continue };
            for flags in [READ_ONLY, WRITABLE] {
                tried += 1;
                if let Ok(open) = timely(&path, flags) {
                    opened += 1;
                    open.close();
                }
            }
        }
    }
    assert!(opened > 20, "{opened} of {tried} are disks");
}
