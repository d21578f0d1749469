//! Every type of disk that can be read, cloned into every type that can be made: the content, and the space that was
//! asked for before. Files in memory; `tests/manage.rs` shows clones to qemu-img.

use super::*;
use crate::disk::check::{Health, check};
use crate::disk::geometry::Adapter;
use crate::format::vhd::testing as vhd;
use crate::format::vhdx::extent::{PARTIAL, PRESENT};
use crate::format::vhdx::testing as vhdx;
use crate::format::vmdk::esx::{Cowd, Grain, SeSparse, descriptor};
use crate::io::Files;
use crate::io::memory::MemoryFiles;

/// Sectors of every disk: what a VHDX can have too.
const CAPACITY: u64 = 4096;

/// Sectors of a MiB.
const MIB: usize = 2048;

const KINDS: [DiskKind; 7] = [
    DiskKind::MonolithicSparse,
    DiskKind::MonolithicFlat,
    DiskKind::SplitSparse,
    DiskKind::SplitFlat,
    DiskKind::VmfsFlat,
    DiskKind::VmfsThin,
    DiskKind::StreamOptimized,
];

/// Content with sectors of zeros, whole grains of them, and data that compresses more or less.
fn content(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let sector = |number: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number);
        match number / 100 % 4 {
            0 => vec![0; 512],
            1 => vec![(state >> 60) as u8; 512],
            _ => (0..64).flat_map(|word| (state ^ state << word).to_le_bytes()).collect::<Vec<u8>>(),
        }
    };
    (0..CAPACITY).flat_map(sector).collect()
}

/// Some sectors of a content.
fn part(content: &[u8], start: usize, sectors: usize) -> &[u8] {
    &content[start * 512..][..sectors * 512]
}

/// `below` with the pieces of so many sectors from `above` that `wanted` picks.
fn over(below: &[u8], above: &[u8], sectors: usize, wanted: impl Fn(usize) -> bool) -> Vec<u8> {
    let pieces = below.chunks(sectors * 512).zip(above.chunks(sectors * 512)).enumerate();
    pieces.flat_map(|(index, (below, above))| if wanted(index) { above } else { below }.to_vec()).collect()
}

/// A way to make a disk in folder `/a`: returns its path and its content.
type Maker = Box<dyn Fn(&MemoryFiles) -> (&'static str, Vec<u8>)>;

fn disk_of(kind: DiskKind) -> Maker {
    Box::new(move |files| {
        let new = NewDisk { kind, adapter: Adapter::BusLogic, hardware: 7, capacity: CAPACITY };
        create::create(files, Path::new("/a/d.vmdk"), &new, &mut |_| ()).unwrap();
        let disk = writable(files, "/a/d.vmdk");
        disk.write(0, &content(1)).unwrap();
        disk.finish().unwrap();
        ("/a/d.vmdk", content(1))
    })
}

fn writable(files: &MemoryFiles, path: &str) -> Disk {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    open(&files, Path::new(path), Options::default()).unwrap()
}

/// A disk of ESX with these extents over `/a/base.vmdk` or over nothing, and files of these names.
fn described(
    files: &MemoryFiles,
    kind: &str,
    lines: &[&str],
    has_parent: bool,
    parts: &[(&str, Vec<u8>)],
) -> &'static str {
    if has_parent {
        let line = format!("RW {CAPACITY} VMFS \"base-flat.vmdk\"");
        files.insert("/a/base.vmdk", descriptor("vmfs", 7, None, &[line]).into_bytes());
        files.insert("/a/base-flat.vmdk", content(1));
    }
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let text = descriptor(kind, 8, has_parent.then_some((7, "base.vmdk")), &lines);
    files.insert("/a/d.vmdk", text.into_bytes());
    parts.iter().for_each(|(name, bytes)| files.insert(format!("/a/{name}"), bytes.clone()));
    "/a/d.vmdk"
}

fn vmdks() -> Vec<(&'static str, Maker)> {
    let of_one_file = |kind: &'static str, line: &'static str, name: &'static str| -> Maker {
        Box::new(move |files| (described(files, kind, &[line], false, &[(name, content(3))]), content(3)))
    };
    vec![
        (
            "hosted child",
            Box::new(|files| {
                let base = disk_of(DiskKind::SplitSparse)(files).1;
                let parent = writable(files, "/a/d.vmdk");
                let path = Path::new("/a/child.vmdk");
                parent.create_child(files, path, DiskKind::MonolithicSparse, &mut |_| ()).unwrap();
                parent.finish().unwrap();
                drop(parent);
                let child = writable(files, "/a/child.vmdk");
                child.write(128, part(&content(2), 128, 300)).unwrap();
                // Zeros that hide what is below.
                child.write(1200, &[0; 256 * 512]).unwrap();
                child.finish().unwrap();
                let above = over(&content(2), &vec![0; content(2).len()], 1, |sector| sector >= 1200);
                let expected =
                    over(&base, &above, 1, |at| (128..428).contains(&at) || (1200..1456).contains(&at));
                ("/a/child.vmdk", expected)
            }),
        ),
        (
            "redo log",
            Box::new(|files| {
                let mut log = Cowd::new(CAPACITY as u32, 8);
                log.add_grains(&content(2), |grain| grain % 3 == 0);
                let line = format!("RW {CAPACITY} VMFSSPARSE \"x\"");
                let path = described(files, "vmfsSparse", &[&line], true, &[("x", log.bytes())]);
                (path, over(&content(1), &content(2), 8, |grain| grain % 3 == 0))
            }),
        ),
        (
            "seSparse",
            Box::new(|files| {
                let mut log = SeSparse::new(CAPACITY);
                log.add_grains(&content(2), |grain| grain % 3 == 0);
                log.add(1, Grain::Zero);
                let line = format!("RW {CAPACITY} SESPARSE \"x\"");
                let path = described(files, "seSparse", &[&line], true, &[("x", log.bytes())]);
                let mut expected = over(&content(1), &content(2), 8, |grain| grain % 3 == 0);
                expected[8 * 512..16 * 512].fill(0);
                (path, expected)
            }),
        ),
        ("mapping", of_one_file("vmfsRawDeviceMap", "RW 4096 VMFSRDM \"lun-rdm\"", "lun-rdm")),
        (
            "passthrough",
            of_one_file("vmfsPassthroughRawDeviceMap", "RW 4096 VMFSRDM \"lun-rdmp\"", "lun-rdmp"),
        ),
        ("raw", of_one_file("vmfsRaw", "RW 4096 VMFSRAW \"lun\"", "lun")),
        ("whole device", of_one_file("fullDevice", "RW 4096 FLAT \"sda\" 0", "sda")),
        (
            "partitions",
            Box::new(|files| {
                let lines = [
                    "RW 63 FLAT \"pt\" 0",
                    "RW 2000 FLAT \"sda\" 63",
                    "RW 1000 ZERO",
                    "RW 1033 FLAT \"sda\" 3063",
                ];
                let parts = [("pt", content(4)), ("sda", content(5))];
                let path = described(files, "partitionedDevice", &lines, false, &parts);
                let zeros = vec![0; 1000 * 512];
                let (table, device) = (content(4), content(5));
                let pieces =
                    [part(&table, 0, 63), part(&device, 63, 2000), &zeros, part(&device, 3063, 1033)];
                (path, pieces.concat())
            }),
        ),
        (
            "two extents",
            Box::new(|files| {
                let lines = ["RW 1001 FLAT \"f1\" 0", "RW 3095 FLAT \"f2\" 0"];
                let parts = [("f1", content(4)), ("f2", content(5))];
                let path = described(files, "twoGbMaxExtentFlat", &lines, false, &parts);
                (path, [part(&content(4), 0, 1001), part(&content(5), 0, 3095)].concat())
            }),
        ),
    ]
}

fn others() -> Vec<(&'static str, Maker)> {
    vec![
        (
            "VHD fixed",
            Box::new(|files| {
                files.insert("/a/d.vhd", vhd::fixed(&content(1), [1; 16]));
                ("/a/d.vhd", content(1))
            }),
        ),
        (
            "VHD dynamic",
            Box::new(|files| {
                let mut image = vhd::Image::new(CAPACITY, 1024, [2; 16], None);
                image.add_block(1, |_| true, part(&content(1), 1024, 1024));
                files.insert("/a/d.vhd", image.file());
                let zeros = vec![0; content(1).len()];
                ("/a/d.vhd", over(&zeros, &content(1), 1024, |block| block == 1))
            }),
        ),
        (
            "VHD differencing",
            Box::new(|files| {
                files.insert("/a/base.vhd", vhd::fixed(&content(1), [1; 16]));
                let mut image = vhd::Image::new(CAPACITY, 1024, [2; 16], Some(([1; 16], "base.vhd")));
                image.add_block(2, |sector| sector % 2 == 0, part(&content(2), 2048, 1024));
                files.insert("/a/d.vhd", image.file());
                let here = |sector: usize| (2048..3072).contains(&sector) && sector % 2 == 0;
                ("/a/d.vhd", over(&content(1), &content(2), 1, here))
            }),
        ),
        (
            "VHDX fixed",
            Box::new(|files| {
                files.insert("/a/d.vhdx", vhdx_of(&content(1)).file);
                ("/a/d.vhdx", content(1))
            }),
        ),
        (
            "VHDX dynamic",
            Box::new(|files| {
                let mut image = vhdx::Image::new(&vhdx::Options::new(CAPACITY * 512));
                image.add_block(1, PRESENT, part(&content(1), MIB, MIB));
                files.insert("/a/d.vhdx", image.file);
                ("/a/d.vhdx", [&vec![0; MIB * 512], part(&content(1), MIB, MIB)].concat())
            }),
        ),
        (
            "VHDX differencing",
            Box::new(|files| {
                files.insert("/a/base.vhdx", vhdx_of(&content(1)).file);
                let options = vhdx::Options::new(CAPACITY * 512);
                let parent = Some(([1; 16], "base.vhdx"));
                let mut image = vhdx::Image::new(&vhdx::Options { data_id: [5; 16], parent, ..options });
                image.add_block(1, PARTIAL, part(&content(2), MIB, MIB));
                image.add_bitmap(0, (2048..4096).step_by(3));
                files.insert("/a/d.vhdx", image.file);
                let here = |sector: usize| sector >= MIB && (sector - MIB) % 3 == 0;
                ("/a/d.vhdx", over(&content(1), &content(2), 1, here))
            }),
        ),
    ]
}

fn vhdx_of(content: &[u8]) -> vhdx::Image {
    let mut image = vhdx::Image::new(&vhdx::Options::new(CAPACITY * 512));
    image.add_block(0, PRESENT, part(content, 0, MIB));
    image.add_block(1, PRESENT, part(content, MIB, MIB));
    image
}

/// The space that the files of a folder take.
fn space(files: &MemoryFiles, folder: &str) -> u64 {
    let sizes = files.paths().into_iter().filter(|path| path.starts_with(folder));
    sizes.map(|path| (files.content(&path).unwrap().len() as u64).next_multiple_of(BLOCK_BYTES)).sum()
}

#[test]
fn every_type_that_is_read_is_cloned_into_every_type_that_is_made() {
    let made = KINDS.into_iter().map(|kind| ("made", disk_of(kind)));
    for (number, (name, make)) in made.chain(vmdks()).chain(others()).enumerate() {
        let memory = MemoryFiles::default();
        let (path, expected) = make(&memory);
        let files: Arc<dyn Files> = Arc::new(memory.clone());
        let read = Options { read_only: true, single_link: false };
        let source = open(&files, Path::new(path), read).unwrap_or_else(|error| panic!("{name}: {error}"));
        for kind in KINDS {
            let what = format!("{name} (number {number}) into {kind:?}");
            let target = Path::new("/b/virtual machine.vmdk");
            let new = NewDisk { kind, adapter: Adapter::Ide, hardware: 13, capacity: 1 };
            let needed = source.space_for_clone(kind).unwrap();
            clone(&source, &files, target, &new, false, &mut |_| true).unwrap();
            assert_eq!(space(&memory, "/b"), needed, "{what}");
            let disk = open(&files, target, read).unwrap();
            let mut content = vec![0xEE; expected.len()];
            disk.read(0, &mut content).unwrap();
            assert!(content == expected, "{what}");
            assert_eq!(
                (disk.sectors(), disk.kind(), disk.links().len()),
                (CAPACITY, Some(kind), 1),
                "{what}"
            );
            let info = disk.info();
            assert_eq!((info.adapter, info.geometry.heads, info.geometry.sectors), (Adapter::Ide, 16, 63));
            drop(disk);
            let health = check(&*files, target, false, &mut |text| panic!("{what}: {text}")).unwrap();
            assert_eq!(health, Health::default());
            unlink(&*files, target).unwrap();
            assert_eq!(space(&memory, "/b"), 0, "{what}");
        }
    }
}
