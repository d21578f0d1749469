//! Disks of ESX: redo logs, seSparse extents, flat extents of VMFS, raw device mappings, devices. Images are made by
//! `common::esx` from the description of the formats, and qemu-img reads them beside us.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;

mod devices;
mod flat;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::esx::{Cowd, Grain, SeSparse, descriptor};
use common::*;
use vixDiskLib::disk::Disk;
use vixDiskLib::disk::open::{Options, open as open_disk};
use vixDiskLib::error::{Kind, Result};
use vixDiskLib::io::Files;
use vixDiskLib::io::local::LocalFiles;
use vixDiskLib::session::DiskKind;

/// A few tables of a redo log with grains of a sector, and a little of the last grain.
const CAPACITY: u64 = 3 * 4096 + 5;

/// A folder of disks.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A disk of one file that `kind` and `line` describe.
    fn disk(
        &self,
        name: &str,
        kind: &str,
        line: &str,
        cid: u32,
        parent: Option<(u32, &str)>,
        content: &[u8],
    ) -> PathBuf {
        self.put(&extent_name(name, line), content);
        let line = line.replace("FILE", &extent_name(name, line));
        self.put(&format!("{name}.vmdk"), descriptor(kind, cid, parent, &[line]))
    }

    /// A flat base of VMFS.
    fn base(&self, content: &[u8]) -> PathBuf {
        let line = format!("RW {} VMFS \"FILE\"", content.len() / SECTOR);
        self.disk("base", "vmfs", &line, BASE_CID, None, content)
    }

    fn redo_log(&self, name: &str, cid: u32, parent: (u32, &str), image: &Cowd) -> PathBuf {
        put_redo_log(&self.folder, name, cid, parent, image)
    }

    fn se_sparse(&self, name: &str, cid: u32, parent: (u32, &str), image: &SeSparse) -> PathBuf {
        let line = format!("RW {} SESPARSE \"FILE\"", image.capacity);
        self.disk(name, "seSparse", &line, cid, Some(parent), &image.bytes())
    }
}

const BASE_CID: u32 = 0x1111_1111;

/// As ESX names the file of an extent.
fn extent_name(name: &str, line: &str) -> String {
    let end = match line.split(' ').nth(2).unwrap() {
        "VMFSSPARSE" => "delta",
        "SESPARSE" => "sesparse",
        "VMFSRDM" => "rdm",
        _ => "flat",
    };
    format!("{name}-{end}.vmdk")
}

fn random(capacity: u64, seed: u64) -> Vec<u8> {
    Bytes(seed).vec(capacity as usize * SECTOR)
}

/// Replaces the grains of `content` that `wanted` picks by those of `new`.
fn overlay(content: &mut [u8], new: &[u8], grain: u64, wanted: impl Fn(u64) -> bool) {
    let size = grain as usize * SECTOR;
    for (index, (old, new)) in content.chunks_mut(size).zip(new.chunks(size)).enumerate() {
        if wanted(index as u64) {
            old.copy_from_slice(new);
        }
    }
}

/// We and qemu-img must both see this content.
fn check_content(path: &Path, expected: &[u8], links: usize) {
    let open = Open::read_only(path);
    assert_eq!((open.disk.info().unwrap().links, open.sectors() as usize * SECTOR), (links, expected.len()));
    assert!(open.read_all() == expected, "{}", path.display());
    // In pieces too, which begin and end anywhere.
    let mut random = Bytes(expected.len() as u64);
    for _ in 0..50 {
        let start = random.below(open.sectors());
        let sectors = (1 + random.below(700)).min(open.sectors() - start);
        let wanted = &expected[start as usize * SECTOR..][..sectors as usize * SECTOR];
        assert!(open.read(start, sectors) == wanted, "{} at {start}", path.display());
    }
    open.close();
    assert!(qemu_content(path) == expected, "qemu-img sees something else in {}", path.display());
}

fn with_files(files: LocalFiles, path: &Path, read_only: bool) -> Result<Disk> {
    let files: Arc<dyn Files> = Arc::new(files);
    open_disk(&files, path, Options { read_only, single_link: false })
}

fn plainly(path: &Path, read_only: bool) -> Result<Disk> {
    with_files(LocalFiles::default(), path, read_only)
}

fn content_of(disk: &Disk) -> Vec<u8> {
    let mut content = vec![0xAA; disk.sectors() as usize * SECTOR];
    disk.read(0, &mut content).unwrap();
    content
}

#[test]
fn redo_logs_over_a_flat_base_and_over_each_other() {
    for grain in [1u32, 2, 8, 128] {
        let folder = Folder::new();
        let mut expected = random(CAPACITY, 1);
        folder.base(&expected);
        let (first, second) = (random(CAPACITY, 2), random(CAPACITY, 3));
        let in_first = |grain: u64| grain % 3 == 0 || (4090..4200).contains(&grain);
        let in_second = |grain: u64| grain % 7 == 2;
        let mut image = Cowd::new(CAPACITY as u32, grain);
        image.add_grains(&first, |grain| in_first(u64::from(grain)));
        let child = folder.redo_log("base-000001", 0x22, (BASE_CID, "base.vmdk"), &image);
        overlay(&mut expected, &first, u64::from(grain), in_first);
        check_content(&child, &expected, 2);
        let mut image = Cowd::new(CAPACITY as u32, 1);
        image.add_grains(&second, |grain| in_second(u64::from(grain)));
        let grandchild = folder.redo_log("base-000002", 0x33, (0x22, "base-000001.vmdk"), &image);
        overlay(&mut expected, &second, 1, in_second);
        check_content(&grandchild, &expected, 3);
        // One that is empty shows what is below it.
        let image = Cowd::new(CAPACITY as u32, 1);
        let last = folder.redo_log("base-000003", 0x33, (0x33, "base-000002.vmdk"), &image);
        check_content(&last, &expected, 4);
    }
}

#[test]
fn se_sparse_over_a_flat_base_and_under_a_hosted_child() {
    let folder = Folder::new();
    let capacity = 5 * 32_768 / 2 + 9;
    let mut expected = random(capacity, 1);
    folder.base(&expected);
    let data = random(capacity, 2);
    let in_first = |grain: u64| grain % 5 == 0 || (4000..5200).contains(&grain);
    let mut image = SeSparse::new(capacity);
    // Numbers of grains from 4094 on: the bits that come first are not the highest.
    image.next = 4094;
    image.add_grains(&data, in_first);
    overlay(&mut expected, &data, 8, in_first);
    let zeros = vec![0; data.len()];
    for grain in (1..9000).step_by(11) {
        image.add(grain, if grain % 2 == 0 { Grain::Zero } else { Grain::Unmapped });
        overlay(&mut expected, &zeros, 8, |index| index == grain);
    }
    let child = folder.se_sparse("base-000001", 0x22, (BASE_CID, "base.vmdk"), &image);
    check_content(&child, &expected, 2);
    // A single link knows what is its own, zeros included.
    let flags = vixDiskLib::session::OpenFlags { read_only: true, single_link: true, ..Default::default() };
    let open = Open::with(&child, flags).unwrap();
    let blocks = open.disk.allocated_blocks(0, 4000 * 8, 8).unwrap();
    let own = |block: u64| block % 5 == 0 || block % 11 == 1;
    let listed: u64 = blocks.iter().map(|block| block.sectors).sum();
    assert_eq!(listed, (0..4000).filter(|grain| own(*grain)).count() as u64 * 8);
    open.close();
    let hosted = folder.path("hosted.vmdk");
    qemu_img(&["create", "-q", "-f", "vmdk", "-b", "base-000001.vmdk", "-F", "vmdk", text(&hosted)]);
    let open = Open::writable(&hosted);
    open.disk.write(4001 * 8 + 3, &[5; 9 * SECTOR]).unwrap();
    open.close();
    expected[(4001 * 8 + 3) * SECTOR..][..9 * SECTOR].fill(5);
    check_content(&hosted, &expected, 3);
}

#[test]
fn hosted_and_esx_links_in_one_chain() {
    let folder = Folder::new();
    let mut expected = random(CAPACITY, 1);
    let base = folder.path("base.vmdk");
    create(&base, DiskKind::SplitSparse, CAPACITY);
    let open = Open::writable(&base);
    open.disk.write(0, &expected).unwrap();
    open.close();
    let cid = cid_of(&base);
    let data = random(CAPACITY, 2);
    let mut image = Cowd::new(CAPACITY as u32, 1);
    image.add_grains(&data, |grain| grain % 4 == 1);
    overlay(&mut expected, &data, 1, |grain| grain % 4 == 1);
    let redo = folder.redo_log("redo", 0x22, (cid, "base.vmdk"), &image);
    let mut image = SeSparse::new(CAPACITY);
    image.add_grains(&data, |grain| grain % 9 == 4).add(0, Grain::Unmapped);
    overlay(&mut expected, &data, 8, |grain| grain % 9 == 4);
    let se = folder.se_sparse("se", 0x33, (0x22, "redo.vmdk"), &image);
    expected[..4096].fill(0);
    check_content(&se, &expected, 3);
    let hosted = folder.path("hosted.vmdk");
    qemu_img(&["create", "-q", "-f", "vmdk", "-b", "se.vmdk", "-F", "vmdk", text(&hosted)]);
    let open = Open::writable(&hosted);
    open.disk.write(100, &data[..300 * SECTOR]).unwrap();
    open.close();
    expected[100 * SECTOR..400 * SECTOR].copy_from_slice(&data[..300 * SECTOR]);
    check_content(&hosted, &expected, 4);
    // A parent that was written is not the one that its child was made of.
    let open = Open::writable(&redo);
    open.disk.write(0, &[1; SECTOR]).unwrap();
    open.close();
    assert_eq!(plainly(&se, true).unwrap_err().kind(), Kind::CidMismatch);
}

#[test]
fn qemu_reads_what_we_write_into_redo_logs() {
    for grain in [1u32, 8, 100, 128] {
        let folder = Folder::new();
        let mut expected = random(CAPACITY, 1);
        folder.base(&expected);
        let image = Cowd::new(CAPACITY as u32, grain);
        let child = folder.redo_log("child", BASE_CID, (BASE_CID, "base.vmdk"), &image);
        let mut random = Bytes(u64::from(grain));
        for round in 0..3 {
            let open = Open::writable(&child);
            for _ in 0..40 {
                let start = random.below(CAPACITY);
                let sectors = (1 + random.below(200)).min(CAPACITY - start);
                let data = random.vec(sectors as usize * SECTOR);
                open.disk.write(start, &data).unwrap();
                expected[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
            }
            // Zeros have to be written: there is no other way to hide a parent.
            open.disk.write(1000 * round, &[0; 150 * SECTOR]).unwrap();
            expected[1000 * round as usize * SECTOR..][..150 * SECTOR].fill(0);
            assert!(open.read_all() == expected, "grain {grain}");
            open.close();
            qemu_check(&child);
            check_content(&child, &expected, 2);
        }
        assert_ne!(cid_of(&child), BASE_CID, "a new content has a new id");
    }
}

#[test]
fn a_redo_log_can_take_almost_2_tib_and_no_more() {
    let folder = Folder::new();
    let mut image = Cowd::new(u32::MAX, 1).bytes();
    // Room for a table and two grains: the sector behind them must have a number too.
    image[28..32].copy_from_slice(&(u32::MAX - 34).to_le_bytes());
    let line = format!("RW {} VMFSSPARSE \"FILE\"", u32::MAX);
    let path = folder.disk("big", "vmfsSparse", &line, 0x22, None, &image);
    let disk = plainly(&path, false).unwrap();
    let last = u64::from(u32::MAX) - 1;
    disk.write(last - 1, &[7; 2 * SECTOR]).unwrap();
    let error = disk.write(last - 2, &[7; SECTOR]).unwrap_err();
    assert!(error.kind() == Kind::FileTooBig && error.to_string().contains("2 TiB"), "{error}");
    disk.finish().unwrap();
    let mut back = [0; 3 * SECTOR];
    plainly(&path, true).unwrap().read(last - 2, &mut back).unwrap();
    assert!(back[..SECTOR] == [0; SECTOR] && back[SECTOR..] == [7; 2 * SECTOR]);
    let header = std::fs::File::open(folder.path("big-delta.vmdk")).unwrap();
    let mut free = [0; 4];
    std::os::unix::fs::FileExt::read_exact_at(&header, &mut free, 28).unwrap();
    assert_eq!(free, u32::MAX.to_le_bytes());
}

#[test]
fn what_is_refused_leaves_no_trace() {
    let folder = Folder::new();
    folder.base(&random(CAPACITY, 1));
    let mut image = SeSparse::new(CAPACITY);
    let child = folder.se_sparse("child", 0x22, (BASE_CID, "base.vmdk"), &image);
    let mixed = folder.put(
        "mixed.vmdk",
        descriptor(
            "custom",
            0x44,
            None,
            &[
                "RW 10 FLAT \"mixed.raw\" 0",
                "RDONLY 10 FLAT \"mixed.raw\" 10",
                "RW 5 ZERO",
                "NOACCESS 5 FLAT \"mixed.raw\" 20",
            ]
            .map(str::to_owned),
        ),
    );
    folder.put("mixed.raw", random(30, 4));
    for (path, start, kind) in [
        (&child, 8, Kind::NotSupported),
        (&mixed, 9, Kind::ReadOnly),
        (&mixed, 20, Kind::ReadOnly),
        (&mixed, 25, Kind::ReadOnly),
    ] {
        let before = std::fs::read(path).unwrap();
        let disk = plainly(path, false).unwrap();
        // From a part that takes writes into one that does not: nothing is written at all.
        let error = disk.write(start, &[9; 2 * SECTOR]).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        disk.finish().unwrap();
        assert!(std::fs::read(path).unwrap() == before, "the content id of {} is as it was", path.display());
    }
    assert!(std::fs::read(folder.path("mixed.raw")).unwrap() == random(30, 4));
    // What other sectors of the same disk take is written.
    let disk = plainly(&mixed, false).unwrap();
    disk.write(8, &[9; 2 * SECTOR]).unwrap();
    disk.finish().unwrap();
    // A journal that has to be replayed, also in a parent.
    image.replay_journal = 1;
    let dirty = folder.se_sparse("dirty", 0x22, (BASE_CID, "base.vmdk"), &image);
    let over = folder.redo_log("over", 0x33, (0x22, "dirty.vmdk"), &Cowd::new(CAPACITY as u32, 1));
    for path in [dirty, over] {
        let error = plainly(&path, true).unwrap_err();
        assert!(error.kind() == Kind::NotSupported && error.to_string().contains("journal"), "{error}");
    }
}

#[test]
fn extents_are_not_opened_in_place_of_their_descriptor() {
    let folder = Folder::new();
    for (name, image) in
        [("x-delta.vmdk", Cowd::new(100, 1).bytes()), ("x-sesparse.vmdk", SeSparse::new(100).bytes())]
    {
        let error = plainly(&folder.put(name, image), true).unwrap_err();
        assert!(error.kind() == Kind::InvalidDisk && error.to_string().contains("descriptor"), "{error}");
    }
}
