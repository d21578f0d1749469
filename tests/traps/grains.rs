//! Grains and their tables: where data is, where it is not, and where new data goes.

use std::fs;
use std::path::Path;

use crate::common::*;
use crate::generate::{Sparse, USUAL_FLAGS, ZERO_GRAINS, field, linked, random};
use crate::sparse::{GRAIN, beside_descriptor, every_other_grain, monolithic, read_u32};
use crate::{content, disk, open, refused};
use vixDiskLib::error::Kind;
use vixDiskLib::session::manage;

/// Trap 6: a write that covers a part of a grain that only the parent has.
#[test]
fn a_new_grain_of_a_child_takes_the_rest_from_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let (base, child) = (in_folder(&folder, "base.vmdk"), in_folder(&folder, "child.vmdk"));
    for grain_size in [8, 128, 2048] {
        let capacity = 5000;
        let text = linked(7, None, "RW 5000 SPARSE \"base.vmdk\"");
        // Grains of another size than the child's.
        let (mut expected, sparse) = every_other_grain(Sparse::new(capacity).descriptor(text, 20), 3);
        sparse.write(&base);
        let text = linked(7, Some((7, "base.vmdk")), "RW 5000 SPARSE \"child.vmdk\"");
        let mut sparse = Sparse::new(capacity).descriptor(text, 20);
        sparse.grain_size = grain_size;
        sparse.write(&child);
        let open = Open::writable(&child);
        for (start, sectors) in [(5, 3), (129, 1), (2047, 2), (4990, 10), (700, 400)] {
            let data = random(start, sectors);
            open.disk.write(start, &data).unwrap();
            expected[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
        }
        open.close();
        assert!(content(&child) == expected, "{grain_size}");
        assert!(qemu_content(&child) == expected, "{grain_size}");
        qemu_check(&child);
    }
}

/// Trap 7: zeros are written over a grain that exists.
#[test]
fn zeros_go_into_the_grain_that_is_there() {
    let (_folder, path) = disk();
    let (mut expected, sparse) = every_other_grain(monolithic(1000), 1);
    sparse.write(&path);
    let before = (fs::metadata(&path).unwrap().len(), read_u32(&path, sparse.entry_offset(2)));
    let open = Open::writable(&path);
    open.disk.write(256, &vec![0; GRAIN]).unwrap();
    open.disk.write(700, &[0; 2 * SECTOR]).unwrap();
    open.close();
    expected[256 * SECTOR..384 * SECTOR].fill(0);
    expected[700 * SECTOR..702 * SECTOR].fill(0);
    assert!(content(&path) == expected && qemu_content(&path) == expected);
    let after = (fs::metadata(&path).unwrap().len(), read_u32(&path, sparse.entry_offset(2)));
    assert_eq!(before, after, "no grain is lost in the file");
    qemu_check(&path);
}

/// Trap 8: a table that names a grain before its data is there. Kills are in `tests/crash/writes.rs`.
#[test]
fn tables_name_a_grain_when_its_data_is_there() {
    let (_folder, path) = disk();
    let sparse = monolithic(1000);
    sparse.write(&path);
    let data = random(5, 128);
    let open = Open::writable(&path);
    open.disk.write(128, &data).unwrap();
    assert_eq!(read_u32(&path, sparse.entry_offset(1)), 0, "it is not durable yet");
    open.disk.flush().unwrap();
    let sector = read_u32(&path, sparse.entry_offset(1));
    let copy = sparse.entry_offset(1) - (sparse.directory() - sparse.redundant_directory()) * 512;
    assert_eq!(sector, read_u32(&path, copy));
    let file = fs::read(&path).unwrap();
    assert!(file[sector as usize * SECTOR..][..GRAIN] == data);
    open.close();
}

/// Trap 15: sector numbers beyond 32 bits.
#[test]
fn grains_beyond_2_tib_are_found() {
    let (_folder, path) = disk();
    let capacity = 3 << 31;
    let far = (1u64 << 32) + 12_345 * 128;
    let (first, second) = (random(1, 128), random(2, 128));
    let sparse = Sparse::new(capacity).data(far / 128, &first).data(capacity / 128 - 1, &second);
    beside_descriptor(&path, &sparse, capacity);
    let open = open(&path);
    assert_eq!(open.sectors(), capacity);
    assert!(open.read(far, 128) == first && open.read(capacity - 128, 128) == second);
    let near = open.read(far % (1 << 32), 128);
    assert!(near.iter().all(|byte| *byte == 0), "nothing shows up 2 TiB earlier");
    open.close();
    // A map of all of it, and a write.
    let open = Open::writable(&path);
    open.disk.write(far + 1000, &first).unwrap();
    let blocks = open.disk.allocated_blocks(0, capacity, 128).unwrap();
    let places: Vec<u64> = blocks.iter().map(|block| block.start).collect();
    let next = (far + 1000) / 128 * 128;
    assert_eq!(places, [far, next, capacity - 128]);
    open.close();
}

/// Trap 16: the file has no sector left that a table could name.
#[test]
fn a_file_of_2_tib_takes_no_more_grains() {
    let (_folder, path) = disk();
    let sparse = Sparse::new(100_000).data(0, &random(1, 128));
    beside_descriptor(&path, &sparse, 100_000);
    let extent = path.with_file_name("extent.vmdk");
    let file = fs::OpenOptions::new().write(true).open(&extent).unwrap();
    // One more grain fits.
    file.set_len((1 << 41) - GRAIN as u64).unwrap();
    let open = Open::writable(&path);
    let data = random(2, 128);
    open.disk.write(1280, &data).unwrap();
    let error = open.disk.write(2560, &data).unwrap_err();
    assert_eq!(error.kind(), Kind::FileTooBig, "{error}");
    open.disk.write(3, &data[..SECTOR]).unwrap();
    open.close();
    let open = crate::open(&path);
    assert!(open.read(1280, 128) == data && open.read(3, 1) == data[..SECTOR]);
    assert!(open.read(2560, 128).iter().all(|byte| *byte == 0));
    open.close();
    assert_eq!(fs::metadata(&extent).unwrap().len(), 1 << 41);
}

/// Traps 27 and 28: the capacity ends within a grain, and the file may end with it.
#[test]
fn a_disk_may_end_within_a_grain() {
    let (_folder, path) = disk();
    for capacity in [1, 100, 129, 200, 1023] {
        let last = (capacity - 1) / 128;
        let rest = capacity - last * 128;
        for short_end in [false, true] {
            let mut expected = vec![0; capacity as usize * SECTOR];
            let data = random(capacity, rest);
            expected[last as usize * GRAIN..].copy_from_slice(&data);
            let mut sparse = monolithic(capacity).data(last, &data);
            sparse.short_end = short_end;
            sparse.write(&path);
            assert!(content(&path) == expected, "{capacity}");
            assert!(qemu_content(&path) == expected, "{capacity}");
            // What is written next goes behind a whole grain.
            let open = Open::writable(&path);
            open.disk.write(0, &data[..SECTOR]).unwrap();
            open.disk.write(capacity - 1, &data[..SECTOR]).unwrap();
            expected[..SECTOR].copy_from_slice(&data[..SECTOR]);
            expected[(capacity as usize - 1) * SECTOR..].copy_from_slice(&data[..SECTOR]);
            open.close();
            assert!(content(&path) == expected && qemu_content(&path) == expected, "{capacity}");
            qemu_check(&path);
        }
    }
    // A file that ends before the capacity does has lost data.
    let mut image = monolithic(200).data(1, &random(3, 72)).image();
    image.length -= 57 * SECTOR as u64;
    image.write(&path);
    let open = open(&path);
    let mut buffer = vec![0; 72 * SECTOR];
    open.disk.read(128, &mut buffer[..71 * SECTOR]).unwrap();
    assert!(open.disk.read(128, &mut buffer).is_err());
    assert!(open.disk.read(199, &mut buffer[..SECTOR]).is_err());
    open.close();
}

/// Trap 29: sizes of grains and tables other than the usual ones.
#[test]
fn every_size_of_grains_and_tables_is_read_and_written() {
    let (_folder, path) = disk();
    for (shift, entries) in (3..=21).flat_map(|shift| [128, 256, 512, 4096, 16384].map(|n| (shift, n))) {
        let grain_size = 1u64 << shift;
        // Three tables where that is no more than 1 TiB, and the last grain not whole.
        let capacity = (2 * u64::from(entries) * grain_size).min(1 << 31) + grain_size + 5;
        let mut sparse = Sparse::new(capacity);
        (sparse.grain_size, sparse.entries_per_table) = (grain_size, entries);
        let piece = grain_size.min(300);
        let last = capacity / grain_size - 1;
        let places = [1, u64::from(entries).min(last - 1), last];
        for grain in places {
            sparse = sparse.data(grain, &random(grain, piece));
        }
        beside_descriptor(&path, &sparse, capacity);
        let open = Open::writable(&path);
        for grain in places {
            assert!(open.read(grain * grain_size, piece) == random(grain, piece), "{grain_size} {entries}");
        }
        assert!(open.read(0, 8).iter().all(|byte| *byte == 0));
        let data = random(7, 9);
        open.disk.write(capacity - 9, &data).unwrap();
        open.disk.write(places[1] * grain_size - 4, &data).unwrap();
        open.close();
        let open = crate::open(&path);
        assert!(open.read(capacity - 9, 9) == data, "{grain_size} {entries}");
        assert!(open.read(places[1] * grain_size - 4, 9) == data, "{grain_size} {entries}");
        assert!(open.read(places[0] * grain_size, piece) == random(places[0], piece));
        open.close();
    }
    // Where a disk is small enough, qemu-img sees the same.
    for (grain_size, entries) in [(8, 512), (16, 256), (64, 128), (128, 128), (2048, 256)] {
        let mut sparse = monolithic(9000);
        (sparse.grain_size, sparse.entries_per_table) = (grain_size, entries);
        let (expected, sparse) = every_other_grain(sparse, 1);
        sparse.write(&path);
        assert!(content(&path) == expected && qemu_content(&path) == expected, "{grain_size} {entries}");
    }
}

/// Trap 30: table entry 1 is a grain of zeros, which hides the parent, with the flag that announces it or without.
#[test]
fn grains_of_zeros_hide_the_parent() {
    let folder = tempfile::tempdir().unwrap();
    let (base, child) = (in_folder(&folder, "base.vmdk"), in_folder(&folder, "child.vmdk"));
    let mut below = Sparse::new(600).descriptor(linked(7, None, "RW 600 SPARSE \"base.vmdk\""), 20);
    for grain in 0..5 {
        below = below.data(grain, &random(grain, 128));
    }
    below.write(&base);
    let whole = content(&base);
    for (version, flags) in [(2, USUAL_FLAGS | ZERO_GRAINS), (1, USUAL_FLAGS), (2, USUAL_FLAGS)] {
        let text = linked(8, Some((7, "base.vmdk")), "RW 600 SPARSE \"child.vmdk\"");
        let mut sparse = Sparse::new(600).descriptor(text, 20).entry(1, 1).entry(4, 1);
        sparse = sparse.data(2, &random(50, 128));
        (sparse.version, sparse.flags) = (version, flags);
        sparse.write(&child);
        let mut expected = whole.clone();
        expected[GRAIN..2 * GRAIN].fill(0);
        expected[2 * GRAIN..3 * GRAIN].copy_from_slice(&random(50, 128));
        expected[4 * GRAIN..].fill(0);
        assert!(content(&child) == expected, "{version} {flags}");
        if flags & ZERO_GRAINS != 0 {
            assert!(qemu_content(&child) == expected);
        }
        // A write into one of them has zeros around it, not the parent.
        let open = Open::writable(&child);
        let data = random(60, 1);
        open.disk.write(200, &data).unwrap();
        expected[200 * SECTOR..201 * SECTOR].copy_from_slice(&data);
        open.close();
        assert!(content(&child) == expected, "{version} {flags}");
    }
}

/// What a check finds: damage, and sectors that are lost.
fn damage(path: &Path) -> (u64, u64) {
    let health = manage::check(connection(), path, false).unwrap();
    (health.damage, health.lost_sectors)
}

/// Trap 32: two table entries name one grain. Both read it. A writer cannot notice without reading every table of the
/// disk first, so it is a check that tells; what is written reaches the grain and nothing else.
#[test]
fn a_grain_with_two_entries_is_read_by_both() {
    let (_folder, path) = disk();
    let sparse = monolithic(1000).data(0, &random(1, 128)).data(5, &random(2, 128));
    let shared = sparse.overhead() as u32;
    sparse.entry(3, shared).write(&path);
    let mut expected = vec![0; 1000 * SECTOR];
    expected[..GRAIN].copy_from_slice(&random(1, 128));
    expected[3 * GRAIN..4 * GRAIN].copy_from_slice(&random(1, 128));
    expected[5 * GRAIN..6 * GRAIN].copy_from_slice(&random(2, 128));
    assert!(content(&path) == expected && qemu_content(&path) == expected);
    assert_eq!(damage(&path).0, 1);
    let open = Open::writable(&path);
    open.disk.write(3 * 128 + 7, &[9; SECTOR]).unwrap();
    open.disk.write(128, &[8; SECTOR]).unwrap();
    open.close();
    for grain in [0, 3] {
        expected[grain * GRAIN + 7 * SECTOR..][..SECTOR].fill(9);
    }
    expected[128 * SECTOR..129 * SECTOR].fill(8);
    assert!(content(&path) == expected);
}

/// Trap 33: directory or table entries that lead past the end of the file.
#[test]
fn what_lies_past_the_end_is_an_error_and_never_zeros() {
    let (_folder, path) = disk();
    // No second copy that could help.
    let mut sparse = monolithic(70_000).data(0, &random(1, 128)).data(2, &random(2, 128));
    sparse.flags = 1;
    let end = sparse.image().length / 512;
    let fails = |path: &Path, sector: u64| {
        let open = Open::writable(path);
        let mut buffer = [0xAA; SECTOR];
        let error = open.disk.read(sector, &mut buffer).unwrap_err();
        assert!(matches!(error.kind(), Kind::InvalidDisk | Kind::Io), "{error}");
        assert!(error.to_string().contains("disk.vmdk"), "{error}");
        let error = open.disk.write(sector, &buffer).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidDisk, "{error}");
        assert!(open.read(0, 128) == random(1, 128), "the rest is there");
        open.close();
    };
    for number in [end + 128, 1 << 31, u64::from(u32::MAX)] {
        sparse.clone().entry(1, number as u32).write(&path);
        assert_eq!(damage(&path), (1, 128));
        fails(&path, 128);
    }
    for number in [end, 1 << 31, u64::from(u32::MAX)] {
        let mut image = sparse.image();
        image.put_u32(sparse.directory() * 512 + 4, number as u32).write(&path);
        fails(&path, 65_536 + 5);
    }
    for number in [end, 1 << 40, 1 << 55, u64::MAX - 1] {
        let mut image = sparse.image();
        image.put_u64(field::DIRECTORY, number).write(&path);
        refused(&path, Kind::InvalidDisk);
    }
    let mut image = sparse.image();
    image.put_u64(field::OVERHEAD, end + 1).write(&path);
    refused(&path, Kind::InvalidDisk);
    // A table entry into the tables is no grain: nothing is written there.
    for number in [2, 21, sparse.directory() as u32, sparse.overhead() as u32 - 1] {
        sparse.clone().entry(1, number).write(&path);
        let before = fs::read(&path).unwrap();
        let open = Open::writable(&path);
        let error = open.disk.write(128, &[1; SECTOR]).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidDisk, "{error}");
        open.close();
        let after = fs::read(&path).unwrap();
        assert!(before[21 * 512..] == after[21 * 512..], "tables and grains are untouched");
    }
}

/// Trap 34: the two copies of a table differ. The primary one is read; a check tells.
#[test]
fn the_primary_table_is_read_when_the_copies_differ() {
    let (_folder, path) = disk();
    let (expected, sparse) = every_other_grain(monolithic(1000), 1);
    let shift = (sparse.directory() - sparse.redundant_directory()) * 512;
    let mut image = sparse.image();
    image.put_u32(sparse.entry_offset(0) - shift, 0);
    image.put_u32(sparse.entry_offset(1) - shift, sparse.overhead() as u32);
    image.put_u32(sparse.entry_offset(2) - shift, u32::MAX).write(&path);
    assert!(content(&path) == expected && qemu_content(&path) == expected);
    let (findings, lost) = damage(&path);
    assert!(findings > 0 && lost == 0, "{findings} {lost}");
}

/// Data behind the last grain is no grain, and stays where it is.
#[test]
fn what_follows_the_last_grain_is_passed_over() {
    let (_folder, path) = disk();
    let (mut expected, sparse) = every_other_grain(monolithic(1000), 1);
    let mut image = sparse.image();
    let end = image.length;
    image.put(end, b"appended by some tool").write(&path);
    assert!(content(&path) == expected && qemu_content(&path) == expected);
    let open = Open::writable(&path);
    open.disk.write(130, &[7; SECTOR]).unwrap();
    expected[130 * SECTOR..131 * SECTOR].fill(7);
    open.close();
    assert!(content(&path) == expected && qemu_content(&path) == expected);
    assert!(fs::read(&path).unwrap()[end as usize..].starts_with(b"appended by some tool"));
}
