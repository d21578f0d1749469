//! Tests of the blocks of a VHDX, on files in memory.

use proptest::prelude::*;

use super::*;
use crate::format::vhdx::open;
use crate::format::vhdx::testing::{Image, LOG, METADATA, Options, TABLE};
use crate::io::memory::MemoryFile;

/// Sectors of a block of 1 MiB.
const BLOCK: u64 = 2048;

fn opened(image: &Image) -> Box<dyn Extent> {
    open(Arc::new(MemoryFile::new(image.file.clone()))).unwrap().extent
}

fn with_parent(disk_bytes: u64) -> Options {
    Options { parent: Some(([2; 16], r".\p.vhdx")), ..Options::new(disk_bytes) }
}

/// What a reader sees, one byte a sector: `U` unallocated, `0` zeros, else the first byte of its data.
fn seen(extent: &dyn Extent, sector: u64, sectors: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut position = sector;
    while position < sector + sectors {
        let limit = sector + sectors - position;
        let run = extent.resolve(position, limit)?;
        assert!((1..=limit).contains(&run.sectors));
        for index in 0..run.sectors {
            let mut byte = [0];
            match run.source {
                Source::Zero => byte = *b"0",
                Source::Unallocated => byte = *b"U",
                Source::Data { storage, offset } => {
                    storage.read_exact_at(&mut byte, ByteOffset(offset.0 + index * 512))?;
                }
                Source::Compressed { .. } => panic!("there is no compression"),
            }
            content.push(byte[0]);
        }
        position += run.sectors;
    }
    Ok(content)
}

fn block(byte: u8) -> Vec<u8> {
    vec![byte; MIB as usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_range_is_what_table_and_bitmap_say(
        sectors in 1u64..5 * BLOCK,
        large_sectors: bool,
        states in proptest::collection::vec(0usize..7, 5),
        bits in proptest::collection::vec(any::<u8>(), 40),
        ranges in proptest::collection::vec((0..5 * BLOCK, 1..3 * BLOCK), 12),
    ) {
        let scale = if large_sectors { 8 } else { 1 };
        let sectors = sectors.next_multiple_of(scale);
        let options = Options { logical_sector: 512 * scale as u32, ..with_parent(sectors * 512) };
        let mut image = Image::new(&options);
        // Runs of bits, of lengths from a generated list.
        let here: Vec<bool> = bits.iter().enumerate().cycle()
            .flat_map(|(index, length)| std::iter::repeat_n(index % 2 == 0, usize::from(*length) + 1))
            .take(5 * BLOCK as usize).collect();
        image.add_bitmap(0, (0..5 * BLOCK / scale).filter(|bit| here[*bit as usize]));
        let mut model = Vec::new();
        for (index, state) in states.iter().enumerate() {
            let state = [ABSENT, UNDEFINED, ZERO, UNMAPPED, UNMAPPED_OLD, PRESENT, PARTIAL][*state];
            let byte = b'a' + index as u8;
            let number = index as u64;
            if number * BLOCK < sectors {
                match state {
                    PRESENT | PARTIAL => drop(image.add_block(number, state, &block(byte))),
                    _ => image.set_block(number, state, 0),
                }
            }
            model.extend((number * BLOCK..(number + 1) * BLOCK).map(|sector| match state {
                ABSENT => b'U',
                PARTIAL if !here[(sector / scale) as usize] => b'U',
                PRESENT | PARTIAL => byte,
                _ => b'0',
            }));
        }
        let extent = opened(&image);
        prop_assert_eq!(extent.sectors(), sectors);
        for (start, count) in ranges {
            let start = start % sectors;
            let count = count.min(sectors - start);
            let expected = &model[start as usize..(start + count) as usize];
            prop_assert!(seen(&*extent, start, count).unwrap() == expected);
        }
    }
}

#[test]
fn neighbours_are_one_run() {
    let mut image = Image::new(&Options::new(100 * MIB));
    image.add_block(2, PRESENT, &block(1));
    image.add_block(3, PRESENT, &block(2));
    image.add_block(5, PRESENT, &block(3));
    (6..50).for_each(|block| image.set_block(block, if block % 2 == 0 { ZERO } else { UNMAPPED }, 0));
    let extent = opened(&image);
    for (sector, sectors) in
        [(0, 2), (2, 2), (4, 1), (5, 1), (6, 44), (50, 50)].map(|(a, b)| (a * BLOCK, b * BLOCK))
    {
        assert_eq!(extent.resolve(sector, 100 * BLOCK - sector).unwrap().sectors, sectors, "{sector}");
        assert_eq!(extent.resolve(sector + 7, sectors - 9).unwrap().sectors, sectors - 9, "{sector}");
    }
}

#[test]
fn bitmaps_stand_between_the_chunks() {
    // 256 MiB blocks of 512-byte sectors: a chunk has 16 of them, so that block 16 has entry 17.
    let mut options = Options { block_bytes: 256 << 20, ..Options::new(40 * (256 << 20)) };
    let mut image = Image::new(&options);
    image.set_entry(15, ZERO, 0);
    image.set_entry(16, PRESENT, 0); // a bitmap, which a disk without a parent does not need
    image.set_entry(17, UNDEFINED, 0);
    image.set_entry(34, ZERO, 0);
    let sectors = (256 << 20) / 512;
    let extent = opened(&image);
    assert_eq!(extent.resolve(15 * sectors, 25 * sectors).unwrap().sectors, 2 * sectors);
    assert!(matches!(extent.resolve(31 * sectors, 1).unwrap().source, Source::Unallocated));
    assert!(matches!(extent.resolve(32 * sectors, 1).unwrap().source, Source::Zero));
    // In a child each chunk has its own.
    options.parent = Some(([2; 16], "p"));
    let mut image = Image::new(&options);
    let bit = 3 * u64::from(options.block_bytes) / 512 + 5;
    let place = image.add_bitmap(1, [bit]);
    image.file.resize(image.file.len() + (2 << 20), 0);
    image.set_block(19, PARTIAL, place + MIB);
    // The block is cut off by the end of the file.
    let extent = opened(&image);
    let error = extent.resolve(19 * sectors, 1).unwrap_err();
    assert!(error.kind() == Kind::InvalidDisk && error.to_string().contains("block 19"), "{error}");
    // As long as the disk ends there too it is all right.
    options.disk_bytes = 19 * u64::from(options.block_bytes) + MIB;
    let mut image = Image::new(&options);
    let place = image.add_bitmap(1, [bit]);
    image.append(&block(b'x'));
    image.set_block(19, PARTIAL, place + MIB);
    let extent = opened(&image);
    assert_eq!(seen(&*extent, 19 * sectors + 4, 3).unwrap(), *b"UxU");
}

#[test]
fn a_table_that_is_too_short_is_refused() {
    // One entry for each MiB: 131072 fit into its region of 1 MiB, less those of the bitmaps.
    let fits = 131_072 - 131_072 / 4097;
    for (blocks, parent, good) in [
        (fits, false, true),
        (fits + 1, false, false),
        (131_072, false, false),
        (fits, true, false),
        (31 * 4096, true, true),
    ] {
        let parent = parent.then_some(([2; 16], "p"));
        let image = Image::new(&Options { parent, ..Options::new(blocks * MIB) });
        let result = open(Arc::new(MemoryFile::new(image.file)));
        assert_eq!(
            result.map_err(|error| error.kind()).err(),
            (!good).then_some(Kind::InvalidDisk),
            "{blocks}"
        );
    }
}

#[test]
fn impossible_entries_are_refused_when_they_are_wanted() {
    let mut image = Image::new(&Options::new(3 * MIB));
    image.add_block(0, PRESENT, &block(1));
    let end = image.file.len() as u64;
    let places = [0, LOG, METADATA, TABLE, end, end + MIB, !(MIB - 1)];
    for (state, place) in
        places.map(|place| (PRESENT, place)).into_iter().chain([(PARTIAL, end - MIB), (4, 0)])
    {
        image.set_block(1, state, place);
        let extent = opened(&image);
        assert_eq!(seen(&*extent, 0, BLOCK).unwrap(), block(1)[..BLOCK as usize]);
        let error = seen(&*extent, 0, BLOCK + 1).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidDisk, "{state} {place:#x}");
        assert!(error.to_string().contains("block 1"), "{error}");
    }
}

#[test]
fn a_partial_block_needs_its_bitmap() {
    let mut image = Image::new(&with_parent(2 * MIB));
    image.add_block(1, PARTIAL, &block(1));
    let error = opened(&image).resolve(BLOCK, 1).unwrap_err();
    assert!(error.to_string().contains("sector bitmap"), "{error}");
    for (state, place) in
        [(PARTIAL, 4 * MIB), (ABSENT, 4 * MIB), (PRESENT, 0), (PRESENT, TABLE), (PRESENT, 1 << 40)]
    {
        image.set_entry(4096, state, place);
        assert_eq!(
            opened(&image).resolve(BLOCK, 1).unwrap_err().kind(),
            Kind::InvalidDisk,
            "{state} {place}"
        );
    }
    // A block that is wholly there does not.
    image.set_block(0, PRESENT, 4 * MIB);
    assert_eq!(seen(&*opened(&image), 0, 3).unwrap(), [1; 3]);
}

#[test]
fn nothing_is_written() {
    let extent = opened(&Image::new(&Options::new(MIB)));
    assert_eq!(extent.write(0, &[0; 512], None).unwrap_err().kind(), Kind::ReadOnly);
    extent.flush().unwrap();
}
