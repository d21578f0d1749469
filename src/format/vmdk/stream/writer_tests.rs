//! Tests of writing streams: the order, and what the file holds at each moment.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::format::extent::{Extent, Source};
use crate::format::vmdk::sparse::header::RawHeader;
use crate::format::vmdk::stream::layout;
use crate::format::vmdk::stream::samples::{
    STYLES, Sample, Style, data, empty, open, read, read_all, small, small_sample,
};
use crate::io::memory::MemoryFile;

const GRAIN: usize = 128 * 512;

#[test]
fn an_empty_stream_is_a_disk_of_zeros() {
    for capacity in [1, 127, 128, 65_536, 65_537, 62 << 31] {
        let file = empty(capacity);
        let extent = open(&file);
        assert_eq!(extent.resolve(0, capacity).unwrap().sectors, capacity);
        assert!(matches!(extent.resolve(capacity - 1, 1).unwrap().source, Source::Unallocated));
        let bytes = file.to_vec();
        let tables = capacity.div_ceil(65_536) as usize;
        assert_eq!(bytes.len(), (128 + 1 + (tables * 4).div_ceil(512) + 3) * 512, "no more than it needs");
        extent.finish().unwrap();
        assert!(file.to_vec() == bytes, "nothing was written");
    }
    let file = MemoryFile::default();
    assert_eq!(layout::create(&file, 0, b"").unwrap_err().kind(), Kind::InvalidArgument);
    assert_eq!(layout::create(&file, u64::MAX, b"").unwrap_err().kind(), Kind::FileTooBig);
    assert_eq!(layout::create(&file, 1, &[b'x'; 10_240]).unwrap_err().kind(), Kind::BadName);
    assert!(file.to_vec().is_empty());
}

#[test]
fn the_file_has_the_sections_that_vmwares_products_write() {
    let file = empty(65_536 * 3 + 5);
    let extent = open(&file);
    let content = data(GRAIN, 1);
    for sector in [0, 128, 65_536 * 2, 65_536 * 3] {
        let end = content.len().min((65_536 * 3 + 5 - sector as usize) * 512);
        extent.write(sector, &content[..end], None).unwrap();
    }
    extent.finish().unwrap();
    let bytes = file.to_vec();
    let front = RawHeader::parse(&bytes).unwrap();
    assert_eq!((front.version.get(), front.flags.get(), front.compression.get()), (3, 0x30001, 1));
    assert_eq!(
        (front.directory.get(), front.redundant_directory.get(), front.overhead.get()),
        (u64::MAX, 0, 128)
    );
    assert_eq!((front.descriptor_offset.get(), front.descriptor_size.get()), (1, 20));
    // The walk of a reader that cannot seek.
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let short = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut sections) = (128 * 512, Vec::new());
    loop {
        let (value, size, kind) = (number(at), short(at + 8), short(at + 12));
        if size > 0 {
            sections.push(format!("grain {value}"));
            at += (12 + size as usize).next_multiple_of(512);
            continue;
        }
        sections.push(format!("{kind} of {value}"));
        at += 512 + value as usize * 512;
        if kind == 0 {
            break;
        }
    }
    assert_eq!(at, bytes.len(), "the end marker is the last sector");
    let expected = [
        "grain 0",
        "grain 128",
        "1 of 4",
        "grain 131072",
        "1 of 4",
        "grain 196608",
        "1 of 4",
        "2 of 1",
        "3 of 1",
        "0 of 0",
    ];
    assert_eq!(sections, expected);
    let footer = RawHeader::parse(&bytes[bytes.len() - 1024..]).unwrap();
    let directory = bytes.len() as u64 / 512 - 4;
    assert_eq!(footer.directory.get(), directory);
    let same = RawHeader { directory: u64::MAX.into(), ..footer };
    assert_eq!(same.as_bytes(), front.as_bytes());
    assert_eq!(short(directory as usize * 512 + 4), 0, "a table without grains is left out");
}

#[test]
fn sequential_writes_of_any_size_give_the_same_file() {
    let capacity = 128 * 40 + 33;
    let mut content = data(capacity as usize * 512, 3);
    content[5 * GRAIN..9 * GRAIN].fill(0);
    content[20 * GRAIN + 512..21 * GRAIN].fill(0);
    let mut files = HashSet::new();
    for sectors in [1, 7, 64, 127, 128, 129, 1000, capacity] {
        let file = empty(capacity);
        let extent = open(&file);
        for (index, piece) in content.chunks(sectors as usize * 512).enumerate() {
            extent.write(index as u64 * sectors, piece, None).unwrap();
        }
        extent.finish().unwrap();
        assert!(read_all(&open(&file)) == content, "{sectors} sectors at a time");
        files.insert(file.to_vec());
    }
    assert_eq!(files.len(), 1, "however it was written");
}

#[test]
fn what_was_written_is_seen_before_the_end() {
    let capacity = 65_536 * 2;
    let mut model = vec![0; capacity as usize * 512];
    let file = empty(capacity);
    let extent = open(&file);
    // Over the end of a table, so that it is read back from the file; with gaps.
    for (sector, sectors) in [(3, 5), (60, 300), (65_400, 129), (65_600, 3), (65_604, 1), (130_000, 500)] {
        let piece = data(sectors * 512, sector as u64);
        extent.write(sector as u64, &piece, None).unwrap();
        model[sector * 512..][..piece.len()].copy_from_slice(&piece);
        assert!(read_all(&extent) == model, "after {sector}");
        assert!(read(&extent, sector as u64 + 1, 2) == model[(sector + 1) * 512..(sector + 3) * 512]);
    }
    extent.flush().unwrap();
    assert!(read_all(&extent) == model);
    extent.finish().unwrap();
    assert!(read_all(&extent) == model, "after the end");
    assert!(read_all(&open(&file)) == model);
}

#[test]
fn zeros_take_no_space() {
    let file = empty(65_536);
    let extent = open(&file);
    extent.write(0, &vec![0; 100 * GRAIN], None).unwrap();
    let mut piece = vec![0; 3 * GRAIN];
    piece[GRAIN + 700] = 1;
    extent.write(100 * 128, &piece, None).unwrap();
    extent.finish().unwrap();
    let extent = open(&file);
    assert_eq!(extent.resolve(0, 65_536).unwrap().sectors, 101 * 128);
    assert_eq!(extent.resolve(101 * 128, 1000).unwrap().sectors, 128);
    assert!(read(&extent, 100 * 128, 384) == piece);
    assert!(file.to_vec().len() < 150 * 512);
}

fn refused(result: Result<()>, next: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::NotSupported);
    assert!(error.to_string().contains(next), "{error}");
}

#[test]
fn no_sector_is_written_twice_or_after_a_later_one() {
    let file = empty(65_536);
    let extent = open(&file);
    let piece = data(2 * GRAIN, 9);
    extent.write(256, &piece, None).unwrap();
    let before = file.to_vec();
    refused(extent.write(256, &piece, None), "sector 512 or behind");
    refused(extent.write(0, &piece, None), "sector 0 has been passed");
    refused(extent.write(511, &piece[..512], None), "sector 512 or behind");
    // Neither in a grain that is not complete, nor over zeros.
    extent.write(512, &[0; 512], None).unwrap();
    refused(extent.write(512, &piece[..512], None), "sector 513 or behind");
    extent.write(600, &piece[..512], None).unwrap();
    refused(extent.write(599, &piece[..512], None), "sector 601 or behind");
    assert!(file.to_vec() == before, "what was refused left no trace");
    let below = |_: u64, _: &mut [u8]| Ok(());
    let error = extent.write(1000, &piece, Some(&below)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotSupported);
    extent.finish().unwrap();
    let error = extent.write(2000, &piece, None).unwrap_err();
    assert!(error.to_string().contains("has been ended"), "{error}");
    let extent = open(&file);
    assert!(read(&extent, 256, 256) == piece);
    assert!(read(&extent, 600, 1) == piece[..512]);
}

#[test]
fn a_read_only_extent_takes_no_write() {
    let file = empty(1000);
    let front = RawHeader::parse(&file.to_vec()).unwrap();
    let extent = StreamExtent::open(Arc::new(file), &front, 1000, false).unwrap();
    assert_eq!(extent.write(0, &[1; 512], None).unwrap_err().kind(), Kind::ReadOnly);
}

#[test]
fn a_refused_first_write_leaves_a_finished_stream_alone() {
    let file = Sample::new(Style::Footer, 1000).fill([3]).file();
    let before = file.to_vec();
    let extent = open(&file);
    refused(extent.write(511, &[1; 512], None), "sector 512 or behind");
    extent.finish().unwrap();
    assert!(file.to_vec() == before);
}

#[test]
fn streams_of_all_writers_are_continued_behind_their_last_grain() {
    for style in STYLES {
        for last in [0, 3, 15, 16] {
            let sample = small_sample(style, 128 * 6).fill((0..=last).step_by(3).chain([last]));
            for appended in [0, 5, 3000] {
                let mut bytes = sample.build();
                bytes.resize(bytes.len() + appended, 0);
                let file = MemoryFile::new(bytes);
                let mut model = sample.content();
                for round in 0..3u64 {
                    let extent = open(&file);
                    let start = (last + 1 + round * 24) * 8 + 1;
                    refused(extent.write(last * 8 + 7, &[1; 512], None), "or behind");
                    let piece = data(150 * 512, round + 5);
                    extent.write(start, &piece, None).unwrap();
                    model[start as usize * 512..][..piece.len()].copy_from_slice(&piece);
                    assert!(read_all(&extent) == model);
                    extent.finish().unwrap();
                    assert!(read_all(&open(&file)) == model, "{style:?} {last} {appended}");
                }
                let front = RawHeader::parse(&file.to_vec()).unwrap();
                assert_eq!((front.flags.get(), front.directory.get()), (0x30001, u64::MAX));
                assert_eq!(file.to_vec().len() % 512, 0);
            }
        }
    }
}

#[test]
fn an_empty_stream_of_another_writer_becomes_one_of_ours() {
    for style in STYLES {
        let file = small_sample(style, 1000).file();
        let extent = open(&file);
        let piece = data(700 * 512, 2);
        extent.write(128, &piece, None).unwrap();
        assert!(read(&extent, 128, 700) == piece);
        assert!(read(&extent, 0, 128) == vec![0; 128 * 512]);
        extent.finish().unwrap();
        assert!(read(&open(&file), 128, 700) == piece);
    }
}

#[test]
fn an_overhead_of_nothing_does_not_cost_the_descriptor() {
    let mut bytes = Sample::new(Style::Footer, 1000).build();
    let footer = bytes.len() - 1024;
    for at in [64, footer + 64] {
        bytes[at..at + 8].fill(0);
    }
    bytes[512..516].copy_from_slice(b"text");
    let file = MemoryFile::new(bytes);
    let extent = open(&file);
    extent.write(0, &[7; GRAIN], None).unwrap();
    extent.finish().unwrap();
    assert!(file.to_vec()[512..516] == *b"text");
    assert!(read(&open(&file), 0, 128) == [7; GRAIN]);
}

/// The next writes: how many sectors are left out before each, how many it has, and its content.
fn writes() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let gap = prop_oneof![3 => Just(0u64), 2 => 1..20u64, 1 => 1..700u64];
    let sectors = prop_oneof![3 => 1..9u64, 3 => 1..100u64, 1 => 1..700u64];
    prop::collection::vec((gap, sectors, 0..5u64), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn ordered_writes_behave_like_an_array_of_bytes(
        capacity in prop_oneof![1..300u64, 1000..5000u64],
        rounds in prop::collection::vec(writes(), 1..4),
    ) {
        let file = small(capacity);
        let mut model = vec![0u8; capacity as usize * 512];
        let mut next = 0;
        for writes in rounds {
            let extent = open(&file);
            for (gap, sectors, seed) in writes {
                let start = next + gap;
                let sectors = sectors.min(capacity.saturating_sub(start));
                if sectors == 0 {
                    continue;
                }
                let piece = if seed == 0 { vec![0; sectors as usize * 512] } else { data(sectors as usize * 512, seed) };
                extent.write(start, &piece, None).unwrap();
                model[start as usize * 512..][..piece.len()].copy_from_slice(&piece);
                next = start + sectors;
                prop_assert!(read(&extent, start, sectors) == piece);
                if start > 0 {
                    prop_assert_eq!(extent.write(start - 1, &piece[..512], None).unwrap_err().kind(), Kind::NotSupported);
                }
            }
            prop_assert!(read_all(&extent) == model);
            extent.finish().unwrap();
            prop_assert!(read_all(&open(&file)) == model);
            // The next round goes on behind the last grain.
            next = next.next_multiple_of(8);
        }
    }
}
