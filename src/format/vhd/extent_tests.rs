//! Tests of VHDs that grow, on files in memory.

use proptest::prelude::*;

use super::*;
use crate::format::foreign::Foreign;
use crate::format::vhd::open;
use crate::format::vhd::testing::{HEADER, Image, TABLE, fixed, seal_header};
use crate::io::memory::MemoryFile;

const ID: [u8; 16] = [1; 16];

fn opened(file: Vec<u8>) -> Result<Foreign> {
    open(Arc::new(MemoryFile::new(file)))
}

/// What a reader sees; `U` fills what is unallocated.
fn read(extent: &dyn Extent, sector: u64, sectors: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut position = sector;
    while position < sector + sectors {
        let run = extent.resolve(position, sector + sectors - position)?;
        let mut piece = vec![0; (run.sectors * 512) as usize];
        match run.source {
            Source::Zero => {}
            Source::Unallocated => piece.fill(b'U'),
            Source::Data { storage, offset } => storage.read_exact_at(&mut piece, offset)?,
            Source::Compressed { .. } => panic!("there is no compression"),
        }
        content.extend(piece);
        position += run.sectors;
    }
    Ok(content)
}

fn data(sectors: u64, seed: u64) -> Vec<u8> {
    (0..sectors).flat_map(|sector| [(sector * 7 + seed) as u8 | 1; 512]).collect()
}

proptest! {
    #[test]
    fn every_range_is_what_the_blocks_say(
        sectors in 1u64..200,
        block_power in 0u32..7,
        differencing: bool,
        blocks in proptest::collection::vec(proptest::option::of(any::<u64>()), 200),
        ranges in proptest::collection::vec((0u64..200, 1u64..200), 20),
    ) {
        let block_sectors = 1 << block_power;
        let mut image = Image::new(sectors, block_sectors, ID, differencing.then_some(([2; 16], "p.vhd")));
        let mut model = vec![b'U'; (sectors * 512) as usize];
        // Backwards, so that blocks stand in the file in another order than on the disk.
        for block in (0..image.table.len()).rev() {
            let Some(bits) = blocks[block] else { continue };
            let content = data(block_sectors, bits);
            let here = |sector: u64| bits >> (sector % 64) & 1 == 1;
            image.add_block(block, here, &content);
            for sector in (0..block_sectors).filter(|sector| !differencing || here(*sector)) {
                let place = (block as u64 * block_sectors + sector) as usize * 512;
                if place < model.len() {
                    model[place..place + 512].copy_from_slice(&content[sector as usize * 512..][..512]);
                }
            }
        }
        let disk = opened(image.file()).unwrap();
        prop_assert_eq!(disk.extent.sectors(), sectors);
        for (start, count) in ranges {
            let start = start % sectors;
            let count = count.min(sectors - start);
            let expected = &model[start as usize * 512..(start + count) as usize * 512];
            prop_assert!(read(&*disk.extent, start, count).unwrap() == expected);
        }
    }
}

#[test]
fn absent_blocks_are_one_run() {
    let mut image = Image::new(100_000, 8, ID, None);
    image.add_block(5000, |_| true, &data(8, 1));
    let disk = opened(image.file()).unwrap();
    assert_eq!(disk.extent.resolve(3, 99_997).unwrap().sectors, 39_997);
    assert_eq!(disk.extent.resolve(3, 100).unwrap().sectors, 100);
    assert_eq!(disk.extent.resolve(40_008, 59_992).unwrap().sectors, 59_992);
}

#[test]
fn a_bitmap_of_a_dynamic_disk_is_not_looked_at() {
    let mut image = Image::new(8, 8, ID, None);
    image.add_block(0, |_| false, &data(8, 1));
    let disk = opened(image.file()).unwrap();
    assert_eq!(read(&*disk.extent, 0, 8).unwrap(), data(8, 1));
}

#[test]
fn the_last_block_may_end_with_the_disk() {
    let mut image = Image::new(11, 8, ID, None);
    image.add_block(1, |_| true, &data(3, 1));
    let disk = opened(image.file()).unwrap();
    assert_eq!(read(&*disk.extent, 8, 3).unwrap(), data(3, 1));
    // One sector less, and the footer would be read as data.
    image.data.truncate(image.data.len() - 512);
    let disk = opened(image.file()).unwrap();
    assert_eq!(read(&*disk.extent, 8, 1).unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn blocks_at_impossible_places_are_refused_when_they_are_wanted() {
    let mut image = Image::new(32, 8, ID, None);
    (0..4).for_each(|block| image.add_block(block, |_| true, &data(8, 1)));
    let good = image.table[1];
    // Past the end, over its end, over the copy of the footer, the header and the table.
    for entry in [u32::MAX - 1, 1 << 20, good + 30, 0, 1, 2, 3] {
        image.table[1] = entry;
        let disk = opened(image.file()).unwrap();
        assert_eq!(read(&*disk.extent, 0, 8).unwrap(), data(8, 1), "{entry}");
        let error = read(&*disk.extent, 0, 9).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidDisk, "{entry}");
        assert!(error.to_string().contains("block 1"), "{error}");
    }
    // Two blocks at one place show the same, as far as reading goes.
    image.table[1] = image.table[0];
    let disk = opened(image.file()).unwrap();
    assert_eq!(read(&*disk.extent, 8, 8).unwrap(), data(8, 1));
}

#[test]
fn hostile_headers_are_refused() {
    type Change = fn(&mut Image);
    let cases: [(&str, Kind, Change); 13] = [
        ("cookie", Kind::InvalidDisk, |i| i.header.cookie = *b"cxsparsE"),
        ("version", Kind::UnsupportedVersion, |i| i.header.version = 0x2_0000.into()),
        ("no block", Kind::InvalidDisk, |i| i.header.block_bytes = 0.into()),
        ("odd block", Kind::InvalidDisk, |i| i.header.block_bytes = 4095.into()),
        ("small block", Kind::InvalidDisk, |i| i.header.block_bytes = 256.into()),
        ("huge block", Kind::InvalidDisk, |i| i.header.block_bytes = (1 << 31).into()),
        ("few entries", Kind::InvalidDisk, |i| i.header.entries = 3.into()),
        ("table past the end", Kind::InvalidDisk, |i| i.header.table = 1_000_000.into()),
        ("table overflows", Kind::InvalidDisk, |i| i.header.table = (u64::MAX - 8).into()),
        ("table over the copy", Kind::InvalidDisk, |i| i.header.table = 0.into()),
        ("table over the header", Kind::InvalidDisk, |i| i.header.table = (HEADER + 1020).into()),
        ("table before the header", Kind::InvalidDisk, |i| i.header.table = (HEADER - 4).into()),
        ("table over the footer", Kind::InvalidDisk, |i| {
            i.header.table = (i.start() + i.data.len() as u64 - 4).into();
        }),
    ];
    for (name, kind, change) in cases {
        let mut image = Image::new(32, 8, ID, None);
        image.add_block(0, |_| true, &data(8, 1));
        change(&mut image);
        assert_eq!(opened(image.file()).unwrap_err().kind(), kind, "{name}");
    }
    for offset in [0, 511, TABLE + 100_000, u64::MAX, u64::MAX - 100] {
        let mut image = Image::new(32, 8, ID, None);
        image.footer.header_offset = offset.into();
        image.footer = crate::format::vhd::testing::seal_footer(image.footer);
        assert_eq!(opened(image.file()).unwrap_err().kind(), Kind::InvalidDisk, "{offset}");
    }
}

#[test]
fn a_wrong_checksum_of_the_header_is_tolerated_from_those_who_mind_none() {
    let image = Image::new(32, 8, ID, None);
    let mut file = image.file();
    file[HEADER as usize + 900] ^= 1;
    assert_eq!(opened(file.clone()).unwrap_err().kind(), Kind::InvalidDisk);
    let end = file.len() - 512;
    file[100] ^= 1;
    file[end + 100] ^= 1;
    assert_eq!(opened(file).unwrap().extent.sectors(), 32);
}

#[test]
fn a_fixed_disk_ends_before_its_footer() {
    let file = fixed(&data(8, 1), ID);
    let disk = opened(file.clone()).unwrap();
    assert_eq!((disk.kind, disk.content_id), ("vhd-fixed", ID));
    assert_eq!(read(&*disk.extent, 0, 8).unwrap(), data(8, 1));
    assert_eq!(disk.extent.write(0, &[0; 512], None).unwrap_err().kind(), Kind::ReadOnly);
    assert_eq!(opened(file[512..].to_vec()).unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn names_of_the_parent_are_taken_in_order() {
    use crate::format::vhd::header::ABSOLUTE;
    let mut image = Image::new(8, 8, ID, Some(([2; 16], r".\sub\relative.vhd")));
    image.add_name(3, ABSOLUTE, r"C:\x\absolute.vhd");
    for (place, unit) in "D:\\name.vhd".encode_utf16().enumerate() {
        image.header.parent_name[place * 2..place * 2 + 2].copy_from_slice(&unit.to_be_bytes());
    }
    let parent = opened(image.file()).unwrap().parent.unwrap();
    assert_eq!(parent.content_id, [2; 16]);
    let names: Vec<&[u8]> = parent.names.as_slice().iter().map(Vec::as_slice).collect();
    assert_eq!(names, [&b"sub/relative.vhd"[..], b"absolute.vhd", b"name.vhd"]);
    for (offset, length) in [(u64::MAX, 2u32), (1 << 40, 2), (0, u32::MAX), (0, 65_538)] {
        let mut hostile = image.clone();
        let locator = &mut hostile.header.locators[0];
        (locator.offset, locator.length) = (offset.into(), length.into());
        hostile.header = seal_header(hostile.header);
        assert_eq!(opened(hostile.file()).unwrap_err().kind(), Kind::InvalidDisk, "{offset} {length}");
    }
}

#[test]
fn nothing_is_written() {
    let disk = opened(Image::new(8, 8, ID, None).file()).unwrap();
    assert_eq!(disk.extent.write(0, &[0; 512], None).unwrap_err().kind(), Kind::ReadOnly);
    disk.extent.flush().unwrap();
}
