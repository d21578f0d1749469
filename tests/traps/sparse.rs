//! Hosted sparse extents: their headers, and the descriptors in them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::common::*;
use crate::generate::{Image, Sparse, USUAL_FLAGS, descriptor, field, random};
use crate::{WRITABLE, beside, content, disk, error_of, open, refused};
use vixDiskLib::error::Kind;
use vixDiskLib::session::{self, DiskKind, manage};

pub const GRAIN: usize = 128 * SECTOR;

/// A disk of one sparse file, `disk.vmdk`, with its descriptor inside.
pub fn monolithic(capacity: u64) -> Sparse {
    Sparse::new(capacity).descriptor(descriptor(&format!("RW {capacity} SPARSE \"disk.vmdk\"")), 20)
}

/// The disk of `sparse`, beside a descriptor in a file of its own, which is what is opened.
pub fn beside_descriptor(path: &Path, sparse: &Sparse, sectors: u64) {
    sparse.write(&path.with_file_name("extent.vmdk"));
    fs::write(path, descriptor(&format!("RW {sectors} SPARSE \"extent.vmdk\""))).unwrap();
}

/// Content of which every other grain has data, and the extent that has it.
pub fn every_other_grain(mut sparse: Sparse, seed: u64) -> (Vec<u8>, Sparse) {
    let grains = sparse.capacity.div_ceil(sparse.grain_size);
    let mut whole = vec![0; (grains * sparse.grain_size) as usize * SECTOR];
    for grain in (0..grains).step_by(2) {
        let data = random(seed + grain, sparse.grain_size);
        whole[grain as usize * data.len()..][..data.len()].copy_from_slice(&data);
        sparse = sparse.data(grain, &data);
    }
    whole.truncate(sparse.capacity as usize * SECTOR);
    (whole, sparse)
}

pub fn read_u32(path: &Path, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    fs::File::open(path).unwrap().read_exact_at(&mut bytes, offset).unwrap();
    u32::from_le_bytes(bytes)
}

/// Trap 2: the header names a redundant directory but its flag is not set.
#[test]
fn a_redundant_directory_without_its_flag_is_ignored() {
    let (_folder, path) = disk();
    let (expected, mut sparse) = every_other_grain(monolithic(1000), 1);
    sparse.flags = 1;
    for garbage in [1, 0xdead_beef_dead_beef, u64::MAX] {
        let mut image = sparse.image();
        image.put_u64(field::REDUNDANT_DIRECTORY, garbage).write(&path);
        assert!(content(&path) == expected);
        assert!(qemu_content(&path) == expected);
    }
    let open = Open::writable(&path);
    let data = random(99, 200);
    open.disk.write(100, &data).unwrap();
    open.close();
    let mut changed = expected;
    changed[100 * SECTOR..300 * SECTOR].copy_from_slice(&data);
    assert!(content(&path) == changed && qemu_content(&path) == changed);
}

/// Trap 3: there are two directories.
#[test]
fn the_primary_directory_counts() {
    let (_folder, path) = disk();
    let (expected, sparse) = every_other_grain(monolithic(1000), 1);
    let usual = sparse.image();
    // What the redundant tables say is all wrong.
    let wrong = sparse.table(sparse.redundant_directory(), 0) * 512;
    usual.clone().put(wrong, &[0; 2048]).put_u32(wrong + 4, 200).write(&path);
    assert!(content(&path) == expected && qemu_content(&path) == expected);
    // The redundant directory helps when the primary one leads out of the file.
    usual.clone().put_u32(sparse.directory() * 512, u32::MAX - 3).write(&path);
    assert!(content(&path) == expected);
}

/// Trap 11: versions of the extent. Those of the descriptor are in `descriptor`.
#[test]
fn extent_versions_1_to_3_are_read_and_no_others() {
    let (_folder, path) = disk();
    let (expected, mut sparse) = every_other_grain(monolithic(1000), 1);
    for version in [1, 2, 3] {
        sparse.version = version;
        sparse.write(&path);
        assert!(content(&path) == expected, "{version}");
        assert!(qemu_content(&path) == expected, "{version}");
    }
    for version in [0, 4, 1 << 16, u32::MAX] {
        sparse.version = version;
        sparse.write(&path);
        assert!(refused(&path, Kind::UnsupportedVersion).contains(&version.to_string()));
    }
}

/// Images whose header was changed at one place must be refused.
fn refused_with(sparse: &Sparse, kind: Kind, changes: &[(u64, u64, u64)]) {
    let (_folder, path) = disk();
    for (offset, bytes, value) in changes {
        let mut image = sparse.image();
        image.put(*offset, &value.to_le_bytes()[..*bytes as usize]).write(&path);
        let text = refused(&path, kind);
        assert!(text.contains("disk.vmdk"), "{text}");
    }
}

/// Trap 12: tables of an impossible size would be a division by zero or an endless allocation.
#[test]
fn impossible_table_sizes_are_refused() {
    let sizes = [0, 16385, 1 << 24, 1 << 31, u64::from(u32::MAX)];
    let changes: Vec<_> = sizes.iter().map(|size| (field::ENTRIES_PER_TABLE, 4, *size)).collect();
    refused_with(&monolithic(1000), Kind::InvalidDisk, &changes);
}

/// Trap 13: grains of an impossible size.
#[test]
fn impossible_grain_sizes_are_refused() {
    let sizes = [0, 3, 100, 127, (1 << 21) + 1, 1 << 22, 1 << 32, 1 << 63, u64::MAX];
    let changes: Vec<_> = sizes.iter().map(|size| (field::GRAIN_SIZE, 8, *size)).collect();
    refused_with(&monolithic(1000), Kind::InvalidDisk, &changes);
}

/// Trap 14: capacities whose directory cannot be in the file, or that overflow.
#[test]
fn impossible_capacities_are_refused() {
    let sizes = [1 << 40, 1 << 54, 1 << 55, (1 << 63) - 1, 1 << 63, u64::MAX - 127, u64::MAX];
    let changes: Vec<_> = sizes.iter().map(|size| (field::CAPACITY, 8, *size)).collect();
    refused_with(&monolithic(1000), Kind::InvalidDisk, &changes);
    // Nor does the descriptor's word help.
    let (_folder, path) = disk();
    for sectors in [1001, 1 << 40, (1 << 54) - 1] {
        beside_descriptor(&path, &Sparse::new(1000), sectors);
        let text = refused(&path, Kind::InvalidDisk);
        assert!(text.contains("1000"), "{text}");
    }
}

/// Trap 19: numbers in files are little-endian (big-endian in VHD), whatever the machine's are.
#[test]
fn numbers_of_files_are_never_those_of_the_machine() {
    // Built by hand: nothing but bytes.
    let (_folder, path) = disk();
    let (expected, sparse) = every_other_grain(monolithic(1000), 1);
    sparse.write(&path);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[12..20], [0xe8, 3, 0, 0, 0, 0, 0, 0], "the generator writes little-endian numbers");
    assert!(content(&path) == expected);
    // And no source converts by the machine's order.
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            for word in ["_ne_bytes", "native_endian", "NativeEndian"] {
                assert!(!source.contains(word), "{} has {word}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 5, "the sources were not found");
}

/// Trap 31: a disk of one file was renamed, and its descriptor still names the old one.
#[test]
fn a_renamed_disk_is_its_own_extent() {
    let (_folder, path) = disk();
    let (expected, sparse) = every_other_grain(monolithic(1000), 1);
    let renamed = path.with_file_name("a new name.vmdk");
    sparse.write(&renamed);
    assert!(content(&renamed) == expected);
    // Even when another file has the old name.
    every_other_grain(monolithic(1000), 500).1.write(&path);
    assert!(content(&renamed) == expected);
    let open = Open::writable(&renamed);
    open.disk.write(3, &[3; SECTOR]).unwrap();
    open.close();
    assert!(open_sector(&renamed, 3) == [3; SECTOR]);
    assert!(open_sector(&path, 3) == random(500, 128)[3 * SECTOR..4 * SECTOR]);
}

fn open_sector(path: &Path, sector: u64) -> Vec<u8> {
    let open = open(path);
    let content = open.read(sector, 1);
    open.close();
    content
}

/// Trap 35: the file went through a transfer in text mode, which changes line ends all over it.
#[test]
fn a_file_that_was_transferred_as_text_is_refused() {
    let (_folder, path) = disk();
    for damaged in [b"\n \n\n", b"\r\n \r", b"\n \r\r", b"\0\0\0\0"] {
        let mut image = monolithic(1000).image();
        image.put(field::TEXT_PROBE, damaged).write(&path);
        assert!(refused(&path, Kind::InvalidDisk).contains("text mode"));
    }
    // Without the flag the bytes mean nothing.
    let (expected, mut sparse) = every_other_grain(monolithic(1000), 1);
    sparse.flags = 2;
    let mut image = sparse.image();
    image.put(field::TEXT_PROBE, b"\0\0\0\0").write(&path);
    assert!(content(&path) == expected);
}

/// Trap 36: flags from the future; those in the upper half change the format.
#[test]
fn unknown_flags_that_change_the_format_are_refused() {
    let (_folder, path) = disk();
    let (expected, mut sparse) = every_other_grain(monolithic(1000), 1);
    for bit in 18..32 {
        sparse.flags = USUAL_FLAGS | 1 << bit;
        sparse.write(&path);
        refused(&path, Kind::UnsupportedVersion);
    }
    for bit in 3..16 {
        sparse.flags = USUAL_FLAGS | 1 << bit;
        sparse.write(&path);
        assert!(content(&path) == expected, "{bit}");
    }
}

/// Trap 62: the descriptor grows until its place is full; what follows it is not touched.
#[test]
fn a_descriptor_never_grows_into_what_follows_it() {
    let (_folder, path) = disk();
    let text = descriptor("RW 1000 SPARSE \"disk.vmdk\"");
    // Room of 20 sectors; of hardly any; and a header that gives more room than there is before the tables.
    for (place, claimed) in [(20, 20), (1, 1), (2, 40), (20, 40)] {
        let (mut expected, sparse) = every_other_grain(Sparse::new(1000).descriptor(&text, place), 1);
        let mut image = sparse.image();
        image.put_u64(field::DESCRIPTOR_SECTORS, claimed).write(&path);
        let before = fs::read(&path).unwrap();
        let after_descriptor = (1 + place as usize) * SECTOR;
        let open = Open::writable(&path);
        let mut kept = 0;
        let full = loop {
            let key = format!("key{kept}");
            match open.disk.set_metadata(key.as_bytes(), &[b'v'; 100]) {
                Ok(()) => kept += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), Kind::DiskFull, "{full}");
        assert!(kept * 115 < place * 512, "{kept} keys in {place} sectors");
        assert!(before[after_descriptor..] == fs::read(&path).unwrap()[after_descriptor..]);
        open.disk.write(130, &[7; SECTOR]).unwrap();
        expected[130 * SECTOR..131 * SECTOR].fill(7);
        open.close();
        assert!(content(&path) == expected, "{place} {claimed}");
        let open = crate::open(&path);
        for number in 0..kept {
            let key = format!("key{number}");
            assert_eq!(open.disk.metadata(key.as_bytes()).unwrap(), vec![b'v'; 100]);
        }
        open.close();
    }
}

/// Trap 72: what looks like a sparse extent and cannot be read is never taken for raw sectors.
#[test]
fn a_damaged_extent_is_never_read_as_it_stands() {
    let (_folder, path) = disk();
    let (_, sparse) = every_other_grain(monolithic(200_000), 1);
    let whole = sparse.image();
    assert!(whole.length > 10 << 20, "longer than any descriptor");
    let damaged = |change: &dyn Fn(&mut Image)| {
        let mut image = whole.clone();
        change(&mut image);
        image.write(&path);
        for flags in [crate::READ_ONLY, WRITABLE] {
            let error = error_of(&path, flags);
            assert!(matches!(error.kind(), Kind::InvalidDisk | Kind::UnsupportedVersion), "{error}");
        }
    };
    damaged(&|image| image.length = 100);
    damaged(&|image| image.length = 512);
    damaged(&|image| image.length = 600);
    damaged(&|image| {
        image.put(0, b"KDMW");
    });
    damaged(&|image| {
        image.put(0, b"kdmv");
    });
    damaged(&|image| {
        image.put(512, &[0; 20 * 512]);
    });
    damaged(&|image| {
        image.put(4, &[0xff; 508]);
    });
    // An extent that is missing its descriptor, and a descriptor that names what is no extent.
    Sparse::new(1000).write(&path);
    assert!(refused(&path, Kind::InvalidDisk).contains("descriptor"));
    beside(&path, "extent.vmdk", random(1, 2000));
    fs::write(&path, descriptor("RW 1000 SPARSE \"extent.vmdk\"")).unwrap();
    refused(&path, Kind::InvalidDisk);
}

/// Trap 75: a disk of no sectors, which qemu-img makes and cannot open.
#[test]
fn a_disk_without_sectors_is_refused() {
    let (_folder, path) = disk();
    qemu_img(&["create", "-f", "vmdk", text(&path), "0"]);
    refused(&path, Kind::InvalidDisk);
    for extents in ["", "RW 0 SPARSE \"disk.vmdk\"", "RW 1 SPARSE \"disk.vmdk\""] {
        Sparse::new(0).descriptor(descriptor(extents), 20).write(&path);
        refused(&path, Kind::InvalidDisk);
    }
}

/// A header may give an extent more sectors than its line; the line counts.
#[test]
fn the_line_says_how_much_of_an_extent_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "disk.vmdk");
    let (first, sparse) = every_other_grain(Sparse::new(1000), 1);
    sparse.write(&in_folder(&folder, "one.vmdk"));
    let (second, sparse) = every_other_grain(Sparse::new(1000), 50);
    sparse.write(&in_folder(&folder, "two.vmdk"));
    fs::write(&path, descriptor("RW 300 SPARSE \"one.vmdk\"\nRW 1000 SPARSE \"two.vmdk\"")).unwrap();
    let expected = [&first[..300 * SECTOR], &second].concat();
    assert!(content(&path) == expected);
}

/// A snapshot over a disk that another tool made keeps to the same rules.
#[test]
fn a_child_over_an_image_made_by_hand_shows_it() {
    let (folder, path) = disk();
    let (expected, mut sparse) = every_other_grain(monolithic(9000), 1);
    sparse.grain_size = 128;
    sparse.write(&path);
    let open = crate::open(&path);
    let child = in_folder(&folder, "child.vmdk");
    manage::create_child(open.handle(), &child, DiskKind::MonolithicSparse, &mut |_| ()).unwrap();
    session::close(open.handle()).unwrap();
    assert!(content(&child) == expected && qemu_content(&child) == expected);
}
