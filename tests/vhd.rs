//! VHD and VHDX: images that other programs wrote, and what qemu-img writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::*;
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::disk::{Disk, allocation::Block};
use vixDiskLib::error::Kind;
use vixDiskLib::format::crc32c;
use vixDiskLib::io::Files;
use vixDiskLib::io::local::LocalFiles;

/// An image of the manifest.
struct Image {
    packed: PathBuf,
    name: String,
    kind: String,
    links: usize,
    bytes: u64,
    hashed: u64,
    content_hash: String,
    file_hash: String,
}

fn images() -> Vec<Image> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let manifest = fs::read_to_string(folder.join("vhd.tsv")).unwrap();
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    let image = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        Image {
            packed: folder.join(fields[0]),
            name: fields[1].to_owned(),
            kind: fields[2].to_owned(),
            links: fields[3].parse().unwrap(),
            bytes: fields[4].parse().unwrap(),
            hashed: fields[5].parse().unwrap(),
            content_hash: fields[6].to_owned(),
            file_hash: fields[7].to_owned(),
        }
    };
    lines.map(image).collect()
}

/// Unpacks an image into a folder.
fn unpack(image: &Image, folder: &tempfile::TempDir) -> PathBuf {
    let path = in_folder(folder, &image.name);
    let status =
        Command::new("xz").arg("-dc").arg(&image.packed).stdout(File::create(&path).unwrap()).status();
    assert!(status.expect("apt-get install xz-utils").success(), "{}", image.name);
    path
}

fn unpacked(name: &str, folder: &tempfile::TempDir) -> PathBuf {
    let images = images();
    unpack(images.iter().find(|image| image.name == name).unwrap(), folder)
}

fn read_only(path: &Path) -> vixDiskLib::error::Result<Disk> {
    let files: Arc<dyn Files> = Arc::new(LocalFiles::default());
    open(&files, path, Options { read_only: true, single_link: false })
}

/// The SHA-256 of what `write` writes.
fn sha256(write: impl FnOnce(&mut dyn Write)) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    write(child.stdin.as_mut().unwrap());
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// Hands the first bytes of a disk on, in pieces that are no power of two.
fn content(disk: &Disk, bytes: u64, take: &mut dyn FnMut(&[u8])) {
    let mut buffer = vec![0xAA; 3001 * SECTOR];
    let end = bytes / SECTOR as u64;
    for start in (0..end).step_by(3001) {
        let sectors = (end - start).min(3001) as usize;
        disk.read(start, &mut buffer[..sectors * SECTOR]).unwrap();
        take(&buffer[..sectors * SECTOR]);
    }
}

fn all_content(disk: &Disk) -> Vec<u8> {
    let mut whole = Vec::new();
    content(disk, disk.sectors() * SECTOR as u64, &mut |piece| whole.extend_from_slice(piece));
    whole
}

/// What the allocation map of a disk does not list reads as zeros, and it lists nothing that is not there.
fn check_map(disk: &Disk, content: &[u8]) {
    let mut sector = 0;
    let blocks = disk.allocated_blocks(0, disk.sectors(), 1).unwrap();
    let end = Block { start: disk.sectors(), sectors: 0 };
    for block in blocks.iter().chain([&end]) {
        let gap = &content[sector as usize * SECTOR..block.start as usize * SECTOR];
        assert!(gap.iter().all(|byte| *byte == 0), "data at sectors {sector} to {}", block.start);
        sector = block.start + block.sectors;
    }
}

#[test]
fn images_of_other_programs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let images = images();
    assert_eq!(images.len(), 16);
    let paths: Vec<PathBuf> = images.iter().map(|image| unpack(image, &folder)).collect();
    for (image, path) in images.iter().zip(paths) {
        let disk = read_only(&path).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let info = disk.info();
        assert_eq!(disk.create_type(), image.kind, "{}", image.name);
        assert_eq!(info.links, image.links, "{}", image.name);
        assert_eq!(info.capacity * SECTOR as u64, image.bytes, "{}", image.name);
        assert_ne!(info.geometry.cylinders, 0, "{}", image.name);
        assert_eq!(info.uuid.map(|uuid| uuid.len()), Some(47), "{}", image.name);
        let hashed = image.hashed / SECTOR as u64;
        if hashed > 0 {
            let hash =
                sha256(|pipe| content(&disk, image.hashed, &mut |piece| pipe.write_all(piece).unwrap()));
            assert_eq!(hash, image.content_hash, "{}", image.name);
        }
        if hashed < info.capacity {
            let behind = disk.allocated_blocks(hashed, info.capacity - hashed, 1).unwrap();
            assert_eq!(behind, [], "{}", image.name);
        }
        drop(disk);
        let file_hash = sha256(|pipe| {
            std::io::copy(&mut File::open(&path).unwrap(), &mut { pipe }).unwrap();
        });
        assert_eq!(file_hash, image.file_hash, "{}: reading changed the file", image.name);
    }
}

/// Makes a disk with qemu-img, writes here and there with qemu-io, and compares all of it.
fn compare_with_qemu(folder: &tempfile::TempDir, format: &str, options: &str, sectors: u64, seed: u64) {
    let mut random = Bytes(seed | 1);
    let path = in_folder(folder, &format!("{seed}.{format}"));
    let size = (sectors * SECTOR as u64).to_string();
    qemu_img(&["create", "-q", "-f", format, "-o", options, text(&path), &size]);
    let info = read_only(&path).unwrap().info();
    let mut commands = Vec::new();
    for _ in 0..random.below(12) {
        let start = random.below(info.capacity);
        let length = (1 + random.below(9000)).min(info.capacity - start);
        let what = if random.below(4) == 0 {
            "write -z".to_owned()
        } else {
            format!("write -P {}", random.below(255) + 1)
        };
        commands.push(format!("{what} {} {}", start * 512, length * 512));
    }
    let mut command = Command::new("qemu-io");
    command.args(["-f", if format == "vhd" { "vpc" } else { format }]).arg(&path);
    command.args(commands.iter().flat_map(|line| ["-c", line]));
    let output = command.output().expect("apt-get install qemu-utils");
    assert!(output.status.success(), "{commands:?}");
    let disk = read_only(&path).unwrap();
    let raw = in_folder(folder, "raw");
    qemu_img(&["convert", "-f", format, "-O", "raw", text(&path), text(&raw)]);
    let theirs = fs::read(&raw).unwrap();
    let ours = all_content(&disk);
    assert_eq!(ours.len(), theirs.len(), "{options} {sectors}");
    assert!(ours == theirs, "{options} {sectors}: {commands:?}");
    check_map(&disk, &ours);
}

#[test]
fn we_read_the_vhds_that_qemu_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 0;
    for options in [
        "subformat=dynamic",
        "subformat=fixed",
        "subformat=dynamic,force_size=on",
        "subformat=fixed,force_size=on",
    ] {
        for sectors in [136, 4095, 4097, 30_000, 65_537] {
            seed += 1;
            compare_with_qemu(&folder, "vpc", options, sectors, seed);
        }
    }
}

#[test]
fn we_read_the_vhdxs_that_qemu_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 100;
    for options in [
        "subformat=dynamic,block_size=1M",
        "subformat=dynamic,block_size=8M",
        "subformat=fixed,block_size=2M",
        "block_state_zero=off",
    ] {
        for sectors in [2048, 2056, 16_384, 40_960, 65_544] {
            seed += 1;
            compare_with_qemu(&folder, "vhdx", options, sectors, seed);
        }
    }
}

#[test]
fn blocks_far_away_are_found() {
    let folder = tempfile::tempdir().unwrap();
    // A chunk of these VHDXs has 4 GiB, so that entries of bitmaps stand before most of the blocks.
    for (format, options, gib) in [
        ("vhdx", "block_size=1M", 50),
        ("vhdx", "block_size=1M,block_state_zero=off", 8192),
        ("vhdx", "block_size=16M", 65_536),
        ("vpc", "force_size=on", 2040),
    ] {
        let path = in_folder(&folder, &format!("{gib}.{format}"));
        qemu_img(&["create", "-q", "-f", format, "-o", options, text(&path), &format!("{gib}G")]);
        let places: Vec<u64> = [0, 1, 2, 3].map(|part| part * (gib << 30) / 4 + part * 0x12_3400).to_vec();
        let mut command = Command::new("qemu-io");
        command.args(["-f", format]).arg(&path);
        for (index, place) in places.iter().enumerate() {
            command.args(["-c", &format!("write -P {} {place} 1024", index + 1)]);
        }
        assert!(command.output().expect("apt-get install qemu-utils").status.success());
        let disk = read_only(&path).unwrap();
        assert_eq!(disk.sectors(), gib << 21, "{options}");
        let blocks = disk.allocated_blocks(0, disk.sectors(), 128).unwrap();
        assert_eq!(blocks.len(), places.len(), "{options}: {blocks:?}");
        for (index, place) in places.iter().enumerate() {
            let mut around = [0xEE; 4 * SECTOR];
            let first = (place / 512).saturating_sub(1);
            disk.read(first, &mut around).unwrap();
            let start = (place - first * 512) as usize;
            assert!(
                around[start..start + 1024].iter().all(|byte| *byte == index as u8 + 1),
                "{options} {place}"
            );
            let sum: u32 = around.iter().map(|byte| u32::from(*byte)).sum();
            assert_eq!(sum, 1024 * (index as u32 + 1), "{options} {place}: zeros around it");
        }
    }
}

#[test]
fn a_log_that_qemu_wrote_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "log.vhdx");
    qemu_img(&["create", "-q", "-f", "vhdx", "-o", "block_size=1M", text(&path), "64M"]);
    let mut command = Command::new("qemu-io");
    command.args(["-f", "vhdx", "-c", "write -P 2 5M 3M", "-c", "write -P 3 60M 4M"]).arg(&path);
    assert!(command.output().expect("apt-get install qemu-utils").status.success());
    let mut expected = vec![0; 64 << 20];
    expected[5 << 20..8 << 20].fill(2);
    expected[60 << 20..].fill(3);
    assert!(all_content(&read_only(&path).unwrap()) == expected);
    // qemu empties the log when it has replayed it. Go back to before that: the last change is in the log only, and
    // the header that counts says which entries are valid.
    let mut file = fs::read(&path).unwrap();
    let table = (0x10_0000..file.len()).step_by(1 << 20).find(|at| file[at + 60 * 8] & 7 == 6).unwrap();
    file[table + 63 * 8..table + 64 * 8].fill(0);
    fs::write(&path, &file).unwrap();
    assert!(all_content(&read_only(&path).unwrap()) != expected, "the test is to change what is read");
    let entries = (0x10_0000..0x20_0000).step_by(4096).filter(|at| file[*at..].starts_with(b"loge"));
    let last =
        entries.max_by_key(|at| u64::from_le_bytes(file[at + 16..at + 24].try_into().unwrap())).unwrap();
    let log_id = file[last + 32..last + 48].to_vec();
    let mut header = file[0x1_0000..0x1_1000].to_vec();
    header[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    header[48..64].copy_from_slice(&log_id);
    let checksum = crc32c::of_block(&header);
    header[4..8].copy_from_slice(&checksum.to_le_bytes());
    file[0x1_0000..0x1_1000].copy_from_slice(&header);
    fs::write(&path, &file).unwrap();
    assert!(all_content(&read_only(&path).unwrap()) == expected);
    assert!(fs::read(&path).unwrap() == file, "the file stays as it is");
}

#[test]
fn writing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (format, name) in [("vpc", "a.vhd"), ("vhdx", "a.vhdx")] {
        let path = in_folder(&folder, name);
        qemu_img(&["create", "-q", "-f", format, text(&path), "4M"]);
        let before = fs::read(&path).unwrap();
        let error = Open::with(&path, vixDiskLib::session::OpenFlags::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::NotSupported, "{error}");
        assert!(error.to_string().contains("only read"), "{error}");
        let open = Open::read_only(&path);
        assert_eq!(open.disk.write(0, &[1; SECTOR]).unwrap_err().kind(), Kind::ReadOnly);
        assert_eq!(open.disk.set_metadata(b"a", b"b").unwrap_err().kind(), Kind::ReadOnly);
        assert!(open.disk.metadata_keys().unwrap().contains(&b"uuid".to_vec()));
        open.close();
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_parent_that_is_missing_or_another_one_is_refused() {
    for (child, parent, other) in [
        ("fat-differential.vhd", "fat-parent.vhd", "ntfs-parent.vhd"),
        ("ntfs-differential.vhdx", "ntfs-parent.vhdx", "fat-parent.vhdx"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = unpacked(child, &folder);
        // Read as a dynamic disk it would show zeros where the parent has data.
        assert_eq!(read_only(&path).unwrap_err().kind(), Kind::OpenParent);
        fs::rename(unpacked(other, &folder), in_folder(&folder, parent)).unwrap();
        assert_eq!(read_only(&path).unwrap_err().kind(), Kind::CidMismatch);
        unpacked(parent, &folder);
        assert_eq!(read_only(&path).unwrap().links().len(), 2);
    }
}
