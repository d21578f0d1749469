//! Tests of seSparse extents on files in memory; `esx` makes them with none of the code under test.

use std::sync::Arc;

use crate::format::vmdk::esx::{Grain, SeSparse};

use super::extent::SeSparseExtent;
use crate::error::{Error, Kind, Result};
use crate::format::extent::{Extent, Source, seen};
use crate::io::memory::MemoryFile;

/// Sectors that one table covers.
const TABLE: u64 = 32_768;

fn open(image: Vec<u8>, sectors: u64) -> Result<SeSparseExtent> {
    SeSparseExtent::open(Arc::new(MemoryFile::new(image)), sectors)
}

fn opened(image: &SeSparse) -> SeSparseExtent {
    open(image.bytes(), image.capacity).unwrap()
}

/// The error of an image with a number changed.
fn refused(image: &SeSparse, at: usize, value: u64) -> Error {
    let mut bytes = image.bytes();
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    open(bytes, image.capacity).unwrap_err()
}

/// An image of two tables with a grain in each.
fn two() -> SeSparse {
    let mut image = SeSparse::new(2 * TABLE);
    image.add(1, Grain::Data(vec![1; 4096])).add(4097, Grain::Data(vec![2; 4096]));
    image
}

#[test]
fn each_kind_of_grain_reads_as_what_it_is() {
    let mut image = SeSparse::new(100);
    image
        .add(1, Grain::Data(vec![1; 4096]))
        .add(2, Grain::Unmapped)
        .add(3, Grain::Zero)
        .add(4, Grain::Raw(1 << 60));
    image.add(12, Grain::Data(vec![12; 4096]));
    let content = seen(&opened(&image), 0, 100);
    assert!(content[..4096] == [b'U'; 4096]);
    assert!(content[4096..2 * 4096] == [1; 4096]);
    assert!(content[2 * 4096..5 * 4096] == [0; 3 * 4096], "unmapped and zero grains hide the parent");
    assert!(content[5 * 4096..12 * 4096] == [b'U'; 7 * 4096]);
    assert!(content[12 * 4096..] == [12; 2048], "the last grain is cut");
}

#[test]
fn neighbours_are_one_run_across_tables() {
    let mut image = SeSparse::new(5 * TABLE);
    for grain in 4000..4200 {
        image.add(grain, Grain::Data(vec![grain as u8; 4096]));
    }
    image.add(8190, Grain::Zero).add(8191, Grain::Unmapped).add(8192, Grain::Zero);
    let extent = opened(&image);
    let run = |sector: u64| extent.resolve(sector, 5 * TABLE - sector).unwrap();
    assert_eq!(run(4000 * 8 + 3).sectors, 200 * 8 - 3);
    assert!(matches!(run(8190 * 8).source, Source::Zero));
    assert_eq!(run(8190 * 8).sectors, 3 * 8, "whatever kind of zeros");
    assert_eq!(run(8193 * 8).sectors, 5 * TABLE - 8193 * 8, "tables that are not there");
    assert!(matches!(run(8193 * 8).source, Source::Unallocated));
    // The data of a grain elsewhere is no neighbour.
    image.next += 1;
    image.add(4200, Grain::Data(vec![0; 4096]));
    assert_eq!(opened(&image).resolve(4000 * 8, 10_000).unwrap().sectors, 200 * 8);
}

#[test]
fn the_lowest_bits_of_a_grain_number_come_first() {
    let mut image = SeSparse::new(TABLE);
    image.next = 4094;
    for grain in 0..4 {
        image.add(grain, Grain::Data(vec![grain as u8 + 1; 4096]));
    }
    let extent = opened(&image);
    assert_eq!(extent.resolve(0, TABLE).unwrap().sectors, 4 * 8, "the number goes on where its bits do not");
    let content = seen(&extent, 0, 32);
    (0..4).for_each(|grain| assert!(content[grain * 4096..][..4096] == [grain as u8 + 1; 4096]));
}

#[test]
fn damage_is_an_error_where_it_is_and_nowhere_else() {
    for entry in [1, 7, 0x0fff_0000_0000_0000, 4 << 60, 15 << 60, u64::MAX] {
        let mut image = two();
        image.add(0, Grain::Raw(entry));
        let extent = opened(&image);
        assert_eq!(extent.resolve(0, 1).unwrap_err().kind(), Kind::InvalidDisk, "{entry:#x}");
        assert!(seen(&extent, 8, 8) == [1; 4096]);
    }
    // Numbers of grains that no file can have, and that this one has not.
    for entry in
        [3 << 60 | 0x0000_ffff_ffff_ffff, 3 << 60 | 0x0000_0fff_ffff_ffff, 3 << 60 | 0x0000_01ff_ffff_ffff]
    {
        let mut image = two();
        image.add(0, Grain::Raw(entry));
        assert_eq!(opened(&image).resolve(0, 1).unwrap_err().kind(), Kind::InvalidDisk, "{entry:#x}");
    }
    let mut image = two();
    image.add(0, Grain::Raw(3 << 60 | 99 << 48));
    let extent = opened(&image);
    let Source::Data { storage, offset } = extent.resolve(0, 8).unwrap().source else { panic!() };
    assert_eq!(storage.read_exact_at(&mut [0; 512], offset).unwrap_err().kind(), Kind::Io, "never zeros");
    // Entries of the directory.
    for entry in [1, 2 << 60, 0x1000_0001_0000_0000, 0x1000_0000_0000_0002, 0x1000_0000_ffff_ffff] {
        let image = two();
        let mut bytes = image.bytes();
        bytes[8 * 512..][..8].copy_from_slice(&u64::to_le_bytes(entry));
        let extent = open(bytes, image.capacity).unwrap();
        assert_eq!(extent.resolve(0, 1).unwrap_err().kind(), Kind::InvalidDisk, "{entry:#x}");
        assert!(seen(&extent, 4097 * 8, 8) == [2; 4096]);
    }
}

#[test]
fn hostile_headers_are_refused() {
    let cases: [(&str, usize, u64, Kind); 24] = [
        ("magic", 0, 0xcafe_babf, Kind::InvalidDisk),
        ("version", 8, 0x0000_0002_0000_0002, Kind::UnsupportedVersion),
        ("no capacity", 16, 0, Kind::InvalidDisk),
        ("more than 64 TiB", 16, (64 << 31) + 1, Kind::InvalidDisk),
        ("largest capacity", 16, u64::MAX, Kind::InvalidDisk),
        ("more than the directory", 16, 65 * TABLE, Kind::InvalidDisk),
        ("grain of 0", 24, 0, Kind::UnsupportedVersion),
        ("grain of 16", 24, 16, Kind::UnsupportedVersion),
        ("table of 0", 32, 0, Kind::UnsupportedVersion),
        ("table of 128", 32, 128, Kind::UnsupportedVersion),
        ("flags", 40, 1, Kind::UnsupportedVersion),
        ("reserved", 72, 1, Kind::UnsupportedVersion),
        ("volatile header at 0", 80, 0, Kind::InvalidDisk),
        ("volatile header elsewhere", 80, 2, Kind::InvalidDisk),
        ("volatile header past the end", 80, 1 << 40, Kind::InvalidDisk),
        ("volatile header far off", 80, u64::MAX, Kind::InvalidDisk),
        ("long volatile header", 88, 2, Kind::UnsupportedVersion),
        ("directory at 0", 128, 0, Kind::InvalidDisk),
        ("directory past the end", 128, 1 << 40, Kind::InvalidDisk),
        ("directory far off", 128, u64::MAX, Kind::InvalidDisk),
        ("no directory", 136, 0, Kind::InvalidDisk),
        ("tables at 0", 144, 0, Kind::InvalidDisk),
        ("grains far off", 192, u64::MAX, Kind::InvalidDisk),
        ("magic of the volatile header", 512, 0, Kind::InvalidDisk),
    ];
    for (name, at, value, kind) in cases {
        assert_eq!(refused(&two(), at, value).kind(), kind, "{name}");
    }
    for length in [0, 511, 512, 1023, 8 * 512] {
        let kind = open(two().bytes()[..length].to_vec(), 100).unwrap_err().kind();
        assert_eq!(kind, Kind::InvalidDisk, "{length} bytes");
    }
    assert_eq!(open(two().bytes(), 2 * TABLE + 1).unwrap_err().kind(), Kind::InvalidDisk);
    // Where tables are is not needed before one of them is.
    let mut bytes = two().bytes();
    bytes[144..152].copy_from_slice(&(u64::MAX / 512).to_le_bytes());
    assert_eq!(open(bytes, 100).unwrap().resolve(0, 1).unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn a_journal_that_is_not_empty_is_refused_with_what_to_do() {
    let mut image = two();
    image.replay_journal = 1;
    let error = open(image.bytes(), image.capacity).unwrap_err();
    assert_eq!(error.kind(), Kind::NotSupported);
    assert!(error.to_string().contains("journal"), "{error}");
}

#[test]
fn writes_are_refused_with_what_to_do() {
    let extent = opened(&two());
    for error in [extent.check_writable().unwrap_err(), extent.write(0, &[0; 512], None).unwrap_err()] {
        assert_eq!(error.kind(), Kind::NotSupported);
        assert!(error.to_string().contains("child"), "{error}");
    }
    extent.flush().unwrap();
    extent.finish().unwrap();
}

#[test]
fn an_empty_extent_of_64_tib_is_one_run() {
    // The directory alone has 32 MiB, of which one page at a time is looked at.
    let image = SeSparse::new(64 << 31);
    let extent = open(image.bytes_before_tables(), image.capacity).unwrap();
    let run = extent.resolve(5, image.capacity - 5).unwrap();
    assert_eq!(run.sectors, image.capacity - 5);
    assert!(matches!(run.source, Source::Unallocated));
}
