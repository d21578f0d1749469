//! Disks of ESX: redo logs, seSparse extents, flat extents of VMFS, raw device mappings, devices. Images are made by
//! `common::esx` from the description of the formats, and qemu-img reads them beside us.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::esx::{Cowd, Grain, SeSparse, descriptor};
use common::*;
use vixDiskLib::disk::Disk;
use vixDiskLib::disk::open::{Options, open as open_disk};
use vixDiskLib::error::{Kind, Result};
use vixDiskLib::io::Files;
use vixDiskLib::io::local::{DeviceAccess, LocalFiles};
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

#[test]
fn vmfs_disks_are_made_written_and_read_by_qemu() {
    for (kind, thin) in [(DiskKind::VmfsFlat, false), (DiskKind::VmfsThin, true)] {
        let folder = Folder::new();
        let path = folder.path("my disk.vmdk");
        create(&path, kind, CAPACITY);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("createType=\"vmfs\"\n"), "{text}");
        assert!(text.contains(&format!("\nRW {CAPACITY} VMFS \"my disk-flat.vmdk\"\n")), "{text}");
        assert_eq!(text.contains("\nddb.thinProvisioned = \"1\"\n"), thin, "{text}");
        let flat = folder.path("my disk-flat.vmdk");
        let metadata = std::fs::metadata(&flat).unwrap();
        assert_eq!(metadata.len(), CAPACITY * 512);
        let open = Open::writable(&path);
        assert_eq!(open.disk.metadata(b"thinProvisioned").is_ok(), thin);
        assert!(open.disk.allocated_blocks(0, CAPACITY, 128).unwrap().is_empty(), "it takes no space yet");
        let mut expected = vec![0; CAPACITY as usize * SECTOR];
        let data = random(300, 6);
        open.disk.write(700, &data).unwrap();
        open.close();
        expected[700 * SECTOR..][..data.len()].copy_from_slice(&data);
        check_content(&path, &expected, 1);
        let child = folder.path("child.vmdk");
        qemu_img(&["create", "-q", "-f", "vmdk", "-b", "my disk.vmdk", "-F", "vmdk", common::text(&child)]);
        check_content(&child, &expected, 2);
    }
}

#[test]
fn the_line_of_a_flat_extent_wins_over_a_longer_file() {
    let folder = Folder::new();
    let content = random(100, 1);
    let longer = [content.as_slice(), &[7; 3 * SECTOR + 11]].concat();
    for kind in ["vmfs", "vmfsThin", "vmfsPreallocated", "vmfsEagerZeroedThick", "vmfsThick", "custom"] {
        for end in ["", " 0"] {
            let line = format!("RW 100 VMFS \"FILE\"{end}");
            let path = folder.disk("disk", kind, &line, 0x22, None, &longer);
            assert!(content_of(&plainly(&path, true).unwrap()) == content, "{kind}{end}");
            let path = folder.disk("disk", kind, &line, 0x22, None, &content[1..]);
            assert_eq!(plainly(&path, true).unwrap_err().kind(), Kind::InvalidDisk, "{kind}{end}");
        }
    }
}

#[test]
fn parts_of_files_are_put_together_as_the_lines_say() {
    let folder = Folder::new();
    let (table, device) = (random(70, 1), random(400, 2));
    folder.put("disk-pt.vmdk", &table);
    folder.put("device.raw", &device);
    let lines = [
        "RW 63 FLAT \"disk-pt.vmdk\" 0",
        "RW 100 FLAT \"device.raw\" 63",
        "RW 7 FLAT \"disk-pt.vmdk\" 63",
        "NOACCESS 37 FLAT \"device.raw\" 163",
        "RW 20 ZERO",
        "RDONLY 150 FLAT \"device.raw\" 250 partitionUUID 01234567 \"9\"",
    ];
    let text = descriptor("partitionedDevice", 0x22, None, &lines.map(str::to_owned));
    let path = folder.put("disk.vmdk", text);
    let sectors =
        |bytes: &[u8], start: usize, count: usize| bytes[start * SECTOR..][..count * SECTOR].to_vec();
    let mut expected = [
        sectors(&table, 0, 63),
        sectors(&device, 63, 100),
        sectors(&table, 63, 7),
        vec![0; 57 * SECTOR],
        sectors(&device, 250, 150),
    ]
    .concat();
    let disk = plainly(&path, false).unwrap();
    assert!(content_of(&disk) == expected);
    // Across three files.
    let data = random(110, 3);
    disk.write(60, &data).unwrap();
    expected[60 * SECTOR..170 * SECTOR].copy_from_slice(&data);
    assert!(content_of(&disk) == expected);
    disk.finish().unwrap();
    drop(disk);
    assert!(content_of(&plainly(&path, true).unwrap()) == expected);
    let written = std::fs::read(folder.path("device.raw")).unwrap();
    assert!(
        written[..63 * SECTOR] == device[..63 * SECTOR] && written[163 * SECTOR..] == device[163 * SECTOR..]
    );
    let map = plainly(&path, true).unwrap().allocated_blocks(0, 377, 1).unwrap();
    let map: Vec<(u64, u64)> = map.iter().map(|block| (block.start, block.sectors)).collect();
    assert_eq!(map, [(0, 170), (227, 150)]);
}

#[test]
fn names_that_are_no_files_are_told_as_such() {
    let folder = Folder::new();
    let name = "vsan://4e1e2a52-1c3d-9b1e-a0d2-005056a1b2c3";
    let path = folder.put("disk.vmdk", descriptor("vmfs", 0x22, None, &[format!("RW 100 VMFS \"{name}\"")]));
    let error = plainly(&path, true).unwrap_err();
    assert!(error.kind() == Kind::FileNotFound && error.to_string().contains("vSAN"), "{error}");
}

/// A raw device mapping in `folder`, without anything that it leads to.
fn mapping(folder: &Folder, kind: &str, line: &str) -> PathBuf {
    folder.put("lun.vmdk", descriptor(kind, 0x22, None, &[line.to_owned()]))
}

#[test]
fn a_mapping_without_its_device_tells_of_itself_and_what_to_do() {
    for (kind, line) in [
        ("vmfsRawDeviceMap", "RW 100 VMFSRDM \"lun-rdm.vmdk\""),
        ("vmfsPassthroughRawDeviceMap", "RW 100 VMFSRDM \"lun-rdm.vmdk\""),
        ("vmfsRaw", "RW 100 VMFSRAW \"/vmfs/devices/disks/naa.6000\""),
    ] {
        let folder = Folder::new();
        // The file of a mapping is there in a copied folder, but has no data.
        folder.put("lun-rdm.vmdk", [0; 512]);
        let path = mapping(&folder, kind, line);
        for read_only in [true, false] {
            let disk = plainly(&path, read_only).unwrap();
            assert_eq!((disk.sectors(), disk.info().capacity, disk.create_type().as_str()), (100, 100, kind));
            assert!(disk.metadata(b"longContentID").is_ok());
            let error = disk.read(99, &mut [0; 512]).unwrap_err();
            assert!(error.kind() == Kind::NotSupported, "{error}");
            let last = if kind == "vmfsRaw" { "naa.6000" } else { "lun-rdm.vmdk" };
            let advice = format!("vixen.rawDevice.{} = ", folder.path(last).display());
            assert!(error.to_string().contains(&advice), "{error}");
            assert_eq!(disk.allocated_blocks(0, 100, 1).unwrap_err().kind(), Kind::NotSupported);
            let refused = disk.write(0, &[0; 512]).unwrap_err().kind();
            assert_eq!(refused, if read_only { Kind::ReadOnly } else { Kind::NotSupported });
            disk.finish().unwrap();
        }
    }
    let folder = Folder::new();
    let path = mapping(&folder, "vmfsRawDeviceMap", "RW 100 VMFSRDM \"lun.vmdk\"");
    assert_eq!(plainly(&path, true).unwrap_err().kind(), Kind::InvalidDisk, "it names itself");
}

#[test]
fn a_mapping_is_read_where_the_configuration_says_or_from_a_copy() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let content = random(100, 1);
    let device = elsewhere.put("device", [content.as_slice(), &[1; 5000]].concat());
    let path = mapping(&folder, "vmfsRawDeviceMap", "RW 100 VMFSRDM \"LUN-rdm.vmdk\"");
    let files = |name: PathBuf, device: &Path| LocalFiles {
        raw_devices: HashMap::from([(name.to_str().unwrap().to_ascii_lowercase(), device.to_owned())]),
        ..LocalFiles::default()
    };
    let disk = with_files(files(folder.path("LUN-rdm.vmdk"), &device), &path, false).unwrap();
    assert!(content_of(&disk) == content);
    assert_eq!(disk.write(0, &[0; 512]).unwrap_err().kind(), Kind::ReadOnly);
    // The mapping of the same name in another folder is another one.
    let disk = with_files(files(elsewhere.path("LUN-rdm.vmdk"), &device), &path, true).unwrap();
    assert_eq!(disk.read(0, &mut [0; 512]).unwrap_err().kind(), Kind::NotSupported);
    // What the configuration names must serve.
    let short = elsewhere.put("short", &content[1..]);
    let error = with_files(files(folder.path("LUN-rdm.vmdk"), &short), &path, true).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidDisk);
    let error =
        with_files(files(folder.path("LUN-rdm.vmdk"), &elsewhere.path("no")), &path, true).unwrap_err();
    assert!(error.kind() == Kind::FileNotFound && error.to_string().contains("rawDevice"), "{error}");
    // A copy of the device under the name of the mapping.
    folder.put("LUN-rdm.vmdk", &content);
    let disk = plainly(&path, false).unwrap();
    assert!(content_of(&disk) == content);
    assert_eq!(disk.write(0, &[0; 512]).unwrap_err().kind(), Kind::ReadOnly);
}

/// A block device of the content of a file; goes when it is dropped.
struct Device(PathBuf);

impl Device {
    /// `None` where the system lets nobody have one.
    fn of(file: &Path) -> Option<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output().ok()?;
        let name = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| Self(PathBuf::from(name.trim())))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

#[test]
fn devices_are_opened_only_as_the_configuration_allows() {
    let folder = Folder::new();
    let content = random(400, 1);
    let Some(device) = Device::of(&folder.put("device.raw", &content)) else {
        println!("skipped: this system gives us no loop device");
        return;
    };
    let line = |sectors: u64, first: u64| format!("RW {sectors} FLAT \"{}\" {first}", device.0.display());
    let lines = ["RW 3 ZERO".to_owned(), line(100, 63), line(50, 350)];
    let path = folder.put("disk.vmdk", descriptor("partitionedDevice", 0x22, None, &lines));
    let files = |devices| LocalFiles { devices, ..LocalFiles::default() };
    let mut expected =
        [&[0; 3 * SECTOR], &content[63 * SECTOR..163 * SECTOR], &content[350 * SECTOR..]].concat();

    for (files, kind) in [
        (LocalFiles::default(), Kind::BadName),
        (LocalFiles { allow_outside_folder: true, ..LocalFiles::default() }, Kind::InvalidDisk),
    ] {
        let error = with_files(files, &path, true).unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains("vixen.allowDevices"), "{error}");
    }

    let before = std::fs::read(&path).unwrap();
    for read_only in [true, false] {
        let disk = with_files(files(DeviceAccess::ReadOnly), &path, read_only).unwrap();
        assert!(content_of(&disk) == expected);
        assert_eq!(disk.allocated_blocks(0, 153, 1).unwrap().len(), 1, "a device has no holes");
        let error = disk.write(5, &[1; SECTOR]).unwrap_err();
        assert_eq!(error.kind(), Kind::ReadOnly);
        assert!(read_only || error.to_string().contains("vixen.allowDeviceWrites"), "{error}");
    }
    assert!(std::fs::read(&path).unwrap() == before);

    let disk = with_files(files(DeviceAccess::ReadWrite), &path, false).unwrap();
    let data = random(60, 2);
    disk.write(93, &data).unwrap();
    disk.finish().unwrap();
    expected[93 * SECTOR..].copy_from_slice(&data);
    drop(disk);
    assert!(content_of(&with_files(files(DeviceAccess::ReadOnly), &path, true).unwrap()) == expected);
    let now = std::fs::read(&device.0).unwrap();
    assert!(
        now[..153 * SECTOR] == content[..153 * SECTOR]
            && now[163 * SECTOR..350 * SECTOR] == content[163 * SECTOR..350 * SECTOR]
    );

    // A device ends where it ends.
    folder.put("disk.vmdk", descriptor("fullDevice", 0x22, None, &[line(401, 0)]));
    assert_eq!(with_files(files(DeviceAccess::ReadOnly), &path, true).unwrap_err().kind(), Kind::InvalidDisk);
    folder.put("disk.vmdk", descriptor("fullDevice", 0x22, None, &[line(400, 0)]));
    assert!(content_of(&with_files(files(DeviceAccess::ReadOnly), &path, true).unwrap()) == now);

    // The configuration names the device of a mapping, and needs no other permission.
    let lun = mapping(&folder, "vmfsRawDeviceMap", "RW 400 VMFSRDM \"lun-rdm.vmdk\"");
    let known_as = folder.path("lun-rdm.vmdk").to_str().unwrap().to_ascii_lowercase();
    let mapped =
        LocalFiles { raw_devices: HashMap::from([(known_as, device.0.clone())]), ..LocalFiles::default() };
    assert!(content_of(&with_files(mapped, &lun, false).unwrap()) == now);
}

#[test]
fn to_allow_devices_allows_nothing_else() {
    let (folder, outside) = (Folder::new(), Folder::new());
    let secret = outside.put("secret", random(1, 1));
    for name in [secret.to_str().unwrap(), "/dev/null", "/dev/zero", "/etc/passwd", "/"] {
        let line = format!("RW 1 FLAT \"{name}\" 0");
        let path = folder.put("disk.vmdk", descriptor("fullDevice", 0x22, None, &[line]));
        let files = LocalFiles { devices: DeviceAccess::ReadWrite, ..LocalFiles::default() };
        let error = with_files(files, &path, true).unwrap_err();
        assert!(matches!(error.kind(), Kind::BadName), "{name}: {error}");
    }
}
