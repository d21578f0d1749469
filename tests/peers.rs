//! Disks of formats that qemu-img does not know or hardly knows, beside other readers: dissect.hypervisor and libvmdk.
//!
//! Where one of them is known to be wrong it is not asked, and the place says why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::esx::{Cowd, Grain, SeSparse, descriptor};
use common::*;
use vixDiskLib::session::DiskKind;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// dissect reads as many sectors at a time, and fails at an end of a disk within them.
const DISSECT_SECTORS: u64 = 16;

/// Runs a reader and returns what it sees.
fn read(python: &Path, reader: &str, disks: &[&Path]) -> Vec<u8> {
    let script = Path::new(ROOT).join("tests/peers/read.py");
    let output = Command::new(python).arg(script).arg(reader).args(disks).output();
    let output =
        output.unwrap_or_else(|error| panic!("{reader}: {error}; scripts/setup.sh test installs it"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{reader} {disks:?} (scripts/setup.sh test installs what is missing): {errors}"
    );
    output.stdout
}

fn dissect(disk: &Path) -> Vec<u8> {
    read(&Path::new(ROOT).join("target/cache/peers/bin/python"), "dissect", &[disk])
}

/// libvmdk is given the parents of a disk, from the child down.
fn libvmdk(disks: &[&Path]) -> Vec<u8> {
    read(Path::new("/usr/bin/python3"), "libvmdk", disks)
}

fn ours(disk: &Path) -> Vec<u8> {
    let open = Open::read_only(disk);
    let content = open.read_all();
    open.close();
    content
}

/// Content with grains of zeros, grains that compress and grains that do not.
fn content(sectors: u64, seed: u64) -> Vec<u8> {
    let mut random = Bytes(seed);
    let mut content = vec![0; sectors as usize * SECTOR];
    for grain in content.chunks_mut(64 << 10) {
        match random.below(3) {
            0 => {}
            1 => random.fill(grain),
            _ => grain.fill(random.below(256) as u8),
        }
    }
    content
}

/// A flat base of ESX.
fn base(folder: &tempfile::TempDir, content: &[u8]) -> PathBuf {
    let path = in_folder(folder, "base.vmdk");
    let line = format!("RW {} VMFS \"base-flat.vmdk\"", content.len() / SECTOR);
    fs::write(&path, descriptor("vmfs", 0x1111_1111, None, &[line])).unwrap();
    fs::write(in_folder(folder, "base-flat.vmdk"), content).unwrap();
    path
}

const BASE: (u32, &str) = (0x1111_1111, "base.vmdk");

#[test]
fn se_sparse_is_read_as_dissect_reads_it() {
    // The last one has more than 4096 grains, so that their numbers differ from their places.
    for sectors in [16, 4096, 4112, 80_000] {
        let folder = tempfile::tempdir().unwrap();
        let below = content(sectors, 3 + sectors);
        base(&folder, &below);
        let mut image = SeSparse::new(sectors);
        let new = content(sectors, 4 + sectors);
        image.add_grains(&new, |grain| grain % 3 == 1 || grain % 1000 == 7);
        // dissect reads a grain that was given back as the parent's (trap 69), so there are none here.
        if sectors > 4096 {
            image.add(2, Grain::Zero);
        }
        let line = format!("RW {sectors} SESPARSE \"top-sesparse.vmdk\"");
        let top = in_folder(&folder, "top.vmdk");
        fs::write(&top, descriptor("seSparse", 2, Some(BASE), &[line])).unwrap();
        fs::write(in_folder(&folder, "top-sesparse.vmdk"), image.bytes()).unwrap();
        assert!(dissect(&top) == ours(&top), "{sectors} sectors");
        assert!(ours(&top) != below || sectors == 16);
    }
}

#[test]
fn redo_logs_are_read_as_dissect_and_libvmdk_read_them() {
    for (sectors, grain) in [(1, 1), (700, 1), (704, 1), (9008, 1), (5008, 8), (70_000, 16)] {
        let folder = tempfile::tempdir().unwrap();
        let below = content(sectors, 5 + sectors);
        let lower = base(&folder, &below);
        let mut image = Cowd::new(sectors as u32, grain);
        image.add_grains(&content(sectors, 6 + sectors), |grain| grain % 5 != 2);
        let middle = put_redo_log(&folder, "middle", 2, BASE, &image);
        let mut image = Cowd::new(sectors as u32, grain);
        image.add_grains(&content(sectors, 7 + sectors), |grain| grain % 7 == 3);
        let top = put_redo_log(&folder, "top", 3, (2, "middle.vmdk"), &image);
        for disks in [&[&*middle, &*lower][..], &[&*top, &*middle, &*lower]] {
            let ours = ours(disks[0]);
            if sectors % DISSECT_SECTORS == 0 {
                assert!(
                    dissect(disks[0]) == ours,
                    "dissect: {sectors} sectors in grains of {grain}, {disks:?}"
                );
            }
            assert!(libvmdk(disks) == ours, "libvmdk: {sectors} sectors in grains of {grain}, {disks:?}");
        }
    }
}

#[test]
fn streams_are_read_by_dissect_and_libvmdk_as_by_us() {
    for sectors in [128, 1024, 65_536, 65_536 + 1280] {
        let folder = tempfile::tempdir().unwrap();
        let content = content(sectors, 8 + sectors);
        let stream = in_folder(&folder, "ours.vmdk");
        create(&stream, DiskKind::StreamOptimized, sectors);
        let open = Open::writable(&stream);
        open.disk.write(0, &content).unwrap();
        open.close();
        let raw = in_folder(&folder, "raw");
        fs::write(&raw, &content).unwrap();
        let theirs = in_folder(&folder, "qemu.vmdk");
        let options = ["-o", "subformat=streamOptimized"];
        qemu_img(
            &[&["convert", "-f", "raw", "-O", "vmdk"], &options[..], &[text(&raw), text(&theirs)]].concat(),
        );
        for disk in [&stream, &theirs] {
            assert!(ours(disk) == content, "{sectors} sectors, {}", disk.display());
            assert!(dissect(disk) == content, "dissect: {sectors} sectors, {}", disk.display());
            assert!(libvmdk(&[disk]) == content, "libvmdk: {sectors} sectors, {}", disk.display());
        }
    }
}

#[test]
fn sparse_disks_are_read_by_dissect_and_libvmdk_as_by_us() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let content = content(5 * 128, 11);
        let disk = in_folder(&folder, "disk.vmdk");
        create(&disk, kind, 5 * 128);
        let open = Open::writable(&disk);
        open.disk.write(0, &content).unwrap();
        open.close();
        assert!(dissect(&disk) == content, "dissect: {kind:?}");
        assert!(libvmdk(&[&disk]) == content, "libvmdk: {kind:?}");
    }
}
