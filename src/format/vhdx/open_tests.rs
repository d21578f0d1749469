//! Tests of what stands before the blocks: headers, regions, metadata, locator.

use super::testing::{Change, ITEMS, Image, METADATA, Options, TABLE, log_entry, raw_locator};
use super::*;
use crate::format::extent::Source;
use crate::format::foreign::Id;
use crate::io::memory::MemoryFile;

const HEADERS: [u64; 2] = header::OFFSETS;
const LISTS: [u64; 2] = regions::OFFSETS;

fn opened(image: &Image) -> Result<Foreign> {
    open(Arc::new(MemoryFile::new(image.file.clone())))
}

fn image() -> Image {
    Image::new(&Options::new(3 * MIB))
}

fn child() -> Image {
    Image::new(&Options { parent: Some(([7; 16], r".\p.vhdx")), ..Options::new(3 * MIB) })
}

/// An image in which bytes were changed and the checksums made right again.
fn changed(mut image: Image, places: &[(u64, &[u8])]) -> Result<Foreign> {
    places.iter().for_each(|(offset, bytes)| image.put(*offset, bytes));
    image.seal();
    opened(&image)
}

fn kind_of(result: Result<Foreign>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[test]
fn facts_are_told() {
    let disk = opened(&image()).unwrap();
    assert_eq!((disk.kind, disk.content_id, disk.uuid), ("vhdx-dynamic", [1; 16], [8; 16]));
    assert_eq!((disk.logical_sector_size, disk.physical_sector_size), (512, 4096));
    assert_eq!((disk.extent.sectors(), disk.parent), (3 * 2048, None));
    assert_eq!(changed(image(), &[(ITEMS + 4, &[1])]).unwrap().kind, "vhdx-fixed");
    let child = opened(&child()).unwrap();
    assert_eq!(child.kind, "vhdx-differencing");
    let parent = child.parent.unwrap();
    assert_eq!((parent.content_id, parent.names.as_slice()), ([7; 16], &[b"p.vhdx".to_vec()][..]));
}

#[test]
fn the_valid_header_with_the_higher_number_counts() {
    // The first is older, with the id 3; the second is newer, with the id 4.
    let mut image = image();
    image.put(HEADERS[0] + 32, &[3; 16]);
    image.put(HEADERS[1] + 32, &[4; 16]);
    image.seal();
    let id = |image: &Image| opened(image).map(|disk| disk.content_id);
    assert_eq!(id(&image).unwrap(), [4; 16]);
    let mut torn = image.clone();
    torn.put(HEADERS[1] + 100, &[1]);
    assert_eq!(id(&torn).unwrap(), [3; 16]);
    torn.put(HEADERS[0], b"HEAD");
    assert_eq!(id(&torn).unwrap_err().kind(), Kind::InvalidDisk);
    image.put(HEADERS[0] + 8, &6u64.to_le_bytes());
    image.seal();
    assert_eq!(id(&image).unwrap(), [3; 16]);
    // Of two different ones with one number neither can be told to be the right one.
    image.put(HEADERS[1] + 8, &6u64.to_le_bytes());
    image.seal();
    assert_eq!(id(&image).unwrap_err().kind(), Kind::InvalidDisk);
    image.put(HEADERS[1] + 32, &[3; 16]);
    image.seal();
    assert_eq!(id(&image).unwrap(), [3; 16]);
}

#[test]
fn hostile_headers_are_refused() {
    let both = |at: u64, bytes: &'static [u8]| [(HEADERS[0] + at, bytes), (HEADERS[1] + at, bytes)];
    assert_eq!(kind_of(changed(image(), &both(66, &[2]))), Some(Kind::UnsupportedVersion));
    assert_eq!(kind_of(changed(image(), &both(66, &[0]))), Some(Kind::UnsupportedVersion));
    // What is said of a log that is empty does not matter.
    assert_eq!(kind_of(changed(image(), &both(64, &[1]))), None);
    let log: [(u64, &[u8]); 2] = both(48, &[9]);
    for (at, bytes, kind) in [
        (64, &[1][..], Kind::UnsupportedVersion),
        (68, &[0, 0, 0, 0], Kind::InvalidDisk),
        (68, &[0, 0, 0x08, 0], Kind::InvalidDisk),
        (68, &[0, 0, 0xF0, 0xFF], Kind::InvalidDisk),
        (72, &[0; 8], Kind::InvalidDisk),
        (72, &[0, 0x10], Kind::InvalidDisk),
        (72, &[0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Kind::InvalidDisk),
    ] {
        let places = [both(at, bytes), log].concat();
        assert_eq!(kind_of(changed(image(), &places)), Some(kind), "{at} {bytes:?}");
    }
    let error = changed(image(), &log).unwrap_err();
    assert!(error.to_string().contains("no sequence"), "an id of a log without entries: {error}");
}

#[test]
fn a_damaged_list_of_regions_has_a_copy() {
    let mut image = image();
    image.put(LISTS[0] + 60_000, &[1]);
    assert!(opened(&image).is_ok());
    image.put(LISTS[1] + 8, &[0xFF, 0xFF]);
    assert_eq!(kind_of(opened(&image)), Some(Kind::InvalidDisk));
}

#[test]
fn hostile_regions_are_refused() {
    let mib = |count: u64| (count * MIB).to_le_bytes();
    let unknown: Id = [0xAB; 16];
    let table = |at: u64, bytes: &[u8]| changed(image(), &[(LISTS[0] + 16 + at, bytes)]);
    assert_eq!(kind_of(table(0, &unknown)), Some(Kind::UnsupportedVersion), "one that must be known");
    assert_eq!(kind_of(table(0, &regions::METADATA)), Some(Kind::InvalidDisk), "one there twice");
    for offset in [mib(0), mib(1000), mib(2), [0xFF; 8], (TABLE + 4096).to_le_bytes()] {
        assert_eq!(kind_of(table(16, &offset)), Some(Kind::InvalidDisk), "{offset:?}");
    }
    for length in [[0; 4], [1, 0, 0, 0], [0, 0, 0x20, 0], [0, 0, 0xF0, 0xFF]] {
        assert_eq!(kind_of(table(24, &length)), Some(Kind::InvalidDisk), "{length:?}");
    }
    // One that need not be known is passed over; then the table is missing.
    let places: [(u64, &[u8]); 2] = [(LISTS[0] + 16, &unknown), (LISTS[0] + 44, &[0])];
    let error = changed(image(), &places).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    let many = changed(image(), &[(LISTS[0] + 8, &[0, 8]), (LISTS[1] + 8, &[0, 8])]);
    assert_eq!(kind_of(many), Some(Kind::InvalidDisk));
}

#[test]
fn hostile_items_are_refused() {
    let item = |index: u64, at: u64, bytes: &[u8]| {
        kind_of(changed(image(), &[(METADATA + 32 + 32 * index + at, bytes)]))
    };
    assert_eq!(kind_of(changed(image(), &[(METADATA, b"Metadata")])), Some(Kind::InvalidDisk));
    assert_eq!(kind_of(changed(image(), &[(METADATA + 10, &[0, 8])])), Some(Kind::InvalidDisk));
    assert_eq!(item(1, 0, &[0xAB; 16]), Some(Kind::UnsupportedVersion), "one that must be known");
    assert_eq!(item(1, 24, &[5]), Some(Kind::UnsupportedVersion), "one of a user that must be known");
    assert_eq!(item(1, 24, &[1]), Some(Kind::InvalidDisk), "one of a user is not the size of the disk");
    assert_eq!(item(1, 0, &metadata::DISK_ID), Some(Kind::InvalidDisk), "one there twice");
    assert_eq!(item(1, 24, &[0]), None, "one that need not be known, and is");
    for offset in [0u32, 65_535, MIB as u32 - 7, u32::MAX] {
        assert_eq!(item(1, 16, &offset.to_le_bytes()), Some(Kind::InvalidDisk), "{offset}");
    }
    for length in [0u32, 7, 9, MIB as u32 + 1, u32::MAX] {
        assert_eq!(item(1, 20, &length.to_le_bytes()), Some(Kind::InvalidDisk), "{length}");
    }
}

#[test]
fn hostile_sizes_are_refused() {
    let value = |at: u64, bytes: &[u8]| kind_of(changed(image(), &[(ITEMS + at, bytes)]));
    for block in [0u32, 1, 1 << 19, 3 << 20, 1 << 29, u32::MAX] {
        assert_eq!(value(0, &block.to_le_bytes()), Some(Kind::InvalidDisk), "block {block}");
    }
    for size in [0u64, 513, (64 << 40) + 512, u64::MAX, u64::MAX - 511] {
        assert_eq!(value(8, &size.to_le_bytes()), Some(Kind::InvalidDisk), "size {size}");
    }
    for (place, sector) in [(16, 0u32), (16, 513), (16, 1024), (16, u32::MAX), (20, 0), (20, 8192)] {
        assert_eq!(value(place, &sector.to_le_bytes()), Some(Kind::InvalidDisk), "sector {sector}");
    }
    // The largest disk has the largest blocks here, since its table has room for 131072 entries.
    let largest = [(ITEMS, &(256u32 << 20).to_le_bytes()[..]), (ITEMS + 8, &(30u64 << 40).to_le_bytes())];
    assert_eq!(changed(image(), &largest).unwrap().extent.sectors(), 30 << 31);
}

#[test]
fn hostile_locators_are_refused() {
    let id = "{07070707-0707-0707-0707-070707070707}";
    let parse = |bytes: &[u8]| locator::parse(bytes).map_err(|error| error.kind());
    let pairs = [
        (locator::LINKAGE, id),
        (locator::ABSOLUTE[1], r"\\?\V\v.vhdx"),
        (locator::ABSOLUTE[0], r"C:\a.vhdx"),
    ];
    let good = raw_locator(locator::VHDX, &pairs);
    let parent = parse(&good).unwrap();
    assert_eq!(parent.names.as_slice(), [b"a.vhdx".to_vec(), b"v.vhdx".to_vec()]);
    for length in 0..good.len() {
        let cut = parse(&good[..length]);
        assert!(cut == Err(Kind::InvalidDisk) || cut == Ok(parent.clone()), "{length}");
    }
    assert_eq!(parse(&raw_locator([1; 16], &pairs)), Err(Kind::NotSupported));
    assert_eq!(parse(&raw_locator(locator::VHDX, &[])), Err(Kind::InvalidDisk));
    assert_eq!(parse(&raw_locator(locator::VHDX, &[(locator::LINKAGE, "{1}")])), Err(Kind::InvalidDisk));
    let mut many = good.clone();
    many[18..20].fill(0xFF);
    assert_eq!(parse(&many), Err(Kind::InvalidDisk));
    let mut outside = good;
    outside[20..24].fill(0xFF);
    assert_eq!(parse(&outside), Err(Kind::InvalidDisk));
    // A child without a locator.
    let missing =
        changed(child(), &[(METADATA + 32 + 32 * 5, &[0xAB; 16]), (METADATA + 32 + 32 * 5 + 24, &[0])]);
    assert_eq!(kind_of(missing), Some(Kind::InvalidDisk));
}

#[test]
fn what_is_no_vhdx_is_refused() {
    for file in [vec![], MAGIC.to_vec(), vec![0; 2 << 20], [&MAGIC[..], &[0; 2 << 20]].concat()] {
        assert_eq!(kind_of(open(Arc::new(MemoryFile::new(file)))), Some(Kind::InvalidDisk));
    }
    let image = image();
    // Cut anywhere, it is refused, or at least what is missing is.
    for length in (0..image.file.len()).step_by(333_333) {
        let kind = kind_of(open(Arc::new(MemoryFile::new(image.file[..length].to_vec()))));
        assert_eq!(kind, Some(Kind::InvalidDisk), "{length}");
    }
}

#[test]
fn tables_and_metadata_are_read_through_the_log() {
    let mut image = image();
    let place = image.append(&[0x5A; MIB as usize]);
    let mut table = [0; 4096];
    table[8..16].copy_from_slice(&(place | extent::PRESENT).to_le_bytes());
    let mut metadata: [u8; 4096] = image.file[ITEMS as usize..][..4096].try_into().unwrap();
    metadata[8..16].copy_from_slice(&(2 * MIB).to_le_bytes());
    let changes = [Change::Data(TABLE, Box::new(table)), Change::Data(ITEMS, Box::new(metadata))];
    let before = opened(&image).unwrap();
    assert!(matches!(before.extent.resolve(2048, 1).unwrap().source, Source::Unallocated));
    let length = image.file.len() as u64;
    image.put_log(8192, &[log_entry(5, 8192, &changes, length)]);
    let file = MemoryFile::new(image.file.clone());
    let disk = open(Arc::new(file.clone())).unwrap();
    assert_eq!(disk.extent.sectors(), 2 * 2048, "the log made it smaller");
    let Source::Data { storage, offset } = disk.extent.resolve(2048 + 7, 9).unwrap().source else { panic!() };
    let mut byte = [0];
    storage.read_exact_at(&mut byte, offset).unwrap();
    assert_eq!((byte[0], offset.0), (0x5A, place + 7 * 512));
    // And data, too, which other writers may log.
    image.put_log(
        0,
        &[log_entry(5, 0, &[changes[0].clone(), Change::Data(place, Box::new([0xA5; 4096]))], length)],
    );
    let logged = opened(&image).unwrap();
    let Source::Data { storage, offset } = logged.extent.resolve(2048, 9).unwrap().source else { panic!() };
    let mut bytes = [0; 9 * 512];
    storage.read_exact_at(&mut bytes, offset).unwrap();
    assert!(bytes[..4096] == [0xA5; 4096] && bytes[4096..] == [0x5A; 512]);
}
