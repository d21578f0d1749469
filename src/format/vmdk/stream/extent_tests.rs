//! Tests of reading streams of several writers, sound and damaged.

use super::*;
use crate::format::vmdk::stream::samples::{
    STYLES, Sample, Style, open, read, read_all, record, try_open, try_read,
};
use crate::io::memory::MemoryFile;
use crate::io::{ByteOffset, Storage};

fn open_bytes(bytes: Vec<u8>) -> Result<StreamExtent> {
    try_open(Arc::new(MemoryFile::new(bytes)))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// The byte of the last footer.
fn footer_at(bytes: &[u8]) -> usize {
    (0..bytes.len() / 512)
        .rev()
        .map(|sector| sector * 512)
        .find(|at| bytes[*at..].starts_with(b"KDMV"))
        .unwrap()
}

/// The sector of a table by the directory that the last header names.
fn table_sector(bytes: &[u8], table: usize) -> usize {
    let header = RawHeader::parse(&bytes[footer_at(bytes)..]).unwrap();
    let at = header.directory.get() as usize * 512 + table * 4;
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn entry_at(bytes: &[u8], grain: usize) -> usize {
    table_sector(bytes, grain / 512) * 512 + grain % 512 * 4
}

fn entry(bytes: &[u8], grain: usize) -> usize {
    let at = entry_at(bytes, grain);
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

#[test]
fn streams_of_all_writers_are_read() {
    for style in STYLES {
        for short_last in [false, true] {
            let mut sample = Sample::new(style, 128 * 1500 + 7).fill([0, 1, 2, 5, 511, 512, 1024, 1500]);
            sample.short_last = short_last;
            for (level, gap) in [(1, 0), (6, 0), (9, 3), (0, 1)] {
                (sample.level, sample.gap) = (level, gap);
                assert!(read_all(&open(&sample.file())) == sample.content(), "{sample:?}");
            }
        }
    }
}

#[test]
fn runs_join_grains_and_tell_what_is_not_there() {
    let sample = Sample::new(Style::Footer, 128 * 1500).fill((100..700).chain([900]));
    let extent = open(&sample.file());
    let run = |sector, limit| {
        let run = extent.resolve(sector, limit).unwrap();
        (run.sectors, matches!(run.source, Source::Compressed { .. }))
    };
    assert_eq!(run(0, 128 * 1500), (12_800, false));
    assert_eq!(run(12_800 + 5, 128 * 1400 - 5), (600 * 128 - 5, true), "across the end of a table");
    assert_eq!(run(12_800, 7), (7, true));
    assert_eq!(run(700 * 128, 128 * 800), (200 * 128, false));
    assert_eq!(run(901 * 128, 128 * 599), (128 * 599, false));
}

#[test]
fn parts_of_grains_are_read_in_any_order() {
    let sample = Sample::new(Style::Footer, 128 * 100 + 50).fill((0..100).filter(|grain| grain % 7 != 3));
    let content = sample.content();
    let extent = open(&sample.file());
    let mut state = 1u64;
    for _ in 0..300 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let sector = (state >> 33) % sample.capacity;
        let sectors = (1 + (state >> 20) % 400).min(sample.capacity - sector);
        let expected = &content[sector as usize * 512..(sector + sectors) as usize * 512];
        assert!(read(&extent, sector, sectors) == expected, "{sectors} at {sector}");
    }
}

#[test]
fn other_grain_and_table_sizes_work() {
    for (grain_size, per_table) in [(1, 512), (8, 512), (16, 128), (128, 256), (2048, 4), (128, 1)] {
        for style in STYLES {
            let mut sample = Sample::new(style, grain_size * per_table * 2 + grain_size / 2 + 1);
            (sample.grain_size, sample.per_table) = (grain_size, per_table);
            let last = sample.capacity / grain_size;
            let sample = sample.fill([0, 1, per_table, last]);
            assert!(
                read_all(&open(&sample.file())) == sample.content(),
                "{grain_size} {per_table} {style:?}"
            );
        }
    }
    let mut sample = Sample::new(Style::Footer, 10_000);
    sample.grain_size = 4096;
    assert_eq!(try_open(Arc::new(sample.file())).unwrap_err().kind(), Kind::NotSupported);
}

#[test]
fn stored_blocks_that_are_longer_than_a_grain_are_read() {
    let mut sample = Sample::new(Style::Footer, 128 * 5).fill(0..5);
    // Stored in blocks of 100 bytes, as a writer that does not compress may do: 5 % more than the grain.
    let mut bytes = sample.build();
    let content = sample.grains[&1].clone();
    let mut compressed = vec![0x78, 0x01];
    for (index, block) in content.chunks(100).enumerate() {
        let length = block.len() as u16;
        compressed.push(u8::from((index + 1) * 100 >= content.len()));
        compressed.extend(length.to_le_bytes());
        compressed.extend((!length).to_le_bytes());
        compressed.extend(block);
    }
    compressed.extend(adler32(&content).to_be_bytes());
    assert!(compressed.len() > sample.grain_bytes() + 3000);
    // It goes to the end of the file, where the footer stays the last one.
    let tail = bytes.split_off(footer_at(&bytes) - 512);
    let sector = bytes.len() / 512;
    bytes.extend(record(128, &compressed));
    bytes.extend(tail);
    let at = entry_at(&bytes, 1);
    put(&mut bytes, at, &(sector as u32).to_le_bytes());
    assert!(read_all(&open_bytes(bytes).unwrap()) == sample.content());
    // Whole grains that do not shrink at all.
    sample.level = 0;
    assert!(read_all(&open(&sample.file())) == sample.content());
}

fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

#[test]
fn zero_grains_are_zeros_and_hide_the_parent() {
    let sample = Sample::new(Style::Footer, 128 * 10).fill([1, 2]);
    let mut bytes = sample.build();
    let at = entry_at(&bytes, 2);
    put(&mut bytes, at, &1u32.to_le_bytes());
    let extent = open_bytes(bytes).unwrap();
    assert!(matches!(extent.resolve(256, 1).unwrap().source, Source::Zero));
    assert!(matches!(extent.resolve(0, 1).unwrap().source, Source::Unallocated));
    assert!(read(&extent, 256, 128) == [0; 128 * 512]);
}

#[test]
fn the_footer_is_found_before_appended_bytes() {
    let sample = Sample::new(Style::Footer, 128 * 600).fill([0, 599]);
    for appended in [vec![0; 512], vec![0; 5], vec![0; 60 << 10], vec![0xFF; 3 << 10], b"# a note\n".to_vec()]
    {
        let mut bytes = sample.build();
        bytes.extend(appended);
        assert!(read_all(&open_bytes(bytes).unwrap()) == sample.content());
    }
    let mut bytes = sample.build();
    bytes.resize(bytes.len() + (64 << 10), 0);
    assert!(open_bytes(bytes).unwrap_err().to_string().contains("no footer"));
}

#[test]
fn the_last_footer_counts() {
    let (old, new) = (Sample::new(Style::Footer, 1000).fill([0]), Sample::new(Style::Footer, 1000).fill([3]));
    let mut bytes = old.build();
    let shift = (bytes.len() / 512) as u32 - 128;
    // What a writer that goes on writes: all behind the old end.
    let mut more = new.build()[128 * 512..].to_vec();
    let offset = footer_at(&new.build()) - 128 * 512;
    let directory =
        new.build()[footer_at(&new.build()) + 56..][..8].try_into().map(u64::from_le_bytes).unwrap();
    put(&mut more, offset + 56, &(directory + u64::from(shift)).to_le_bytes());
    let at = (directory as usize - 128) * 512;
    put(&mut more, at, &(table_sector(&new.build(), 0) as u32 + shift).to_le_bytes());
    let at = entry_at(&new.build(), 3) - 128 * 512;
    put(&mut more, at, &(128 + shift).to_le_bytes());
    bytes.extend(more);
    assert!(read_all(&open_bytes(bytes).unwrap()) == new.content());
}

#[test]
fn a_truncated_stream_never_reads_as_zeros() {
    let sample = Sample::new(Style::Footer, 128 * 1200).fill([0, 1, 600, 1100]);
    let (whole, content) = (sample.build(), sample.content());
    let mut refused = 0;
    let edges = (0..whole.len()).filter(|length| length % 512 < 2 || length % 97 == 0);
    for length in edges {
        match open_bytes(whole[..length].to_vec()) {
            Err(error) => {
                assert_eq!(error.kind(), Kind::InvalidDisk, "{length}: {error}");
                refused += 1;
            }
            // Only the last marker is gone, which says nothing.
            Ok(extent) => {
                assert!(length >= whole.len() - 512, "{length} of {}", whole.len());
                assert!(read_all(&extent) == content);
            }
        }
    }
    assert!(refused > 1000);
    let error = open_bytes(whole[..whole.len() - 1024].to_vec()).unwrap_err();
    assert!(error.to_string().contains("cut off on its way or never finished"), "{error}");
}

#[test]
fn a_truncated_stream_without_a_footer_fails_where_it_was_cut() {
    for style in [Style::Front, Style::FrontAndEnd] {
        let sample = Sample::new(style, 128 * 40).fill(0..40);
        let whole = sample.build();
        let start = entry(&whole, 0) * 512;
        // Where the data of a grain ends, as its marker says.
        let end = |grain: usize| {
            let at = entry(&whole, grain) * 512;
            at + 12 + u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap()) as usize
        };
        for length in (start..end(39)).step_by(333) {
            let extent = open_bytes(whole[..length].to_vec()).unwrap();
            let mut failed = 0;
            for grain in 0..40 {
                match try_read(&extent, grain as u64 * 128, 128) {
                    Ok(content) => assert!(content == sample.grains[&(grain as u64)]),
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::InvalidDisk, "{error}");
                        assert!(end(grain) > length, "grain {grain} is there");
                        failed += 1;
                    }
                }
            }
            assert!(failed > 0, "{length} of {}", whole.len());
            assert!(try_read(&extent, 0, 128 * 40).is_err());
        }
    }
}

#[test]
fn entries_past_the_end_of_the_file_are_errors() {
    for style in STYLES {
        let sample = Sample::new(style, 128 * 10).fill(0..10);
        for sector in [sample.build().len() / 512, 1 << 30, u32::MAX as usize] {
            let mut bytes = sample.build();
            let at = entry_at(&bytes, 4);
            put(&mut bytes, at, &(sector as u32).to_le_bytes());
            let extent = open_bytes(bytes).unwrap();
            let error = try_read(&extent, 4 * 128, 1).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidDisk);
            assert!(error.to_string().contains("past the end of the file"), "{error}");
            assert!(try_read(&extent, 0, 1280).is_err());
            assert!(read(&extent, 0, 4 * 128) == sample.content()[..4 * 65_536]);
        }
        let mut bytes = sample.build();
        let header = RawHeader::parse(&bytes[footer_at(&bytes)..]).unwrap();
        // Where there is a second directory, it serves as long as it can.
        for directory in [header.redundant_directory.get(), header.directory.get()] {
            if directory != 0 {
                put(&mut bytes, directory as usize * 512, &0xFFFF_0000u32.to_le_bytes());
            }
        }
        assert_eq!(try_read(&open_bytes(bytes).unwrap(), 0, 1).unwrap_err().kind(), Kind::InvalidDisk);
    }
}

#[test]
fn a_marker_must_be_that_of_the_wanted_grain() {
    let sample = Sample::new(Style::Footer, 128 * 10).fill(0..10);
    let good = sample.build();
    type Change = fn(&mut [u8], usize);
    let cases: [(&str, Change); 6] = [
        ("sector", |bytes, at| put(bytes, at, &(5u64 * 128).to_le_bytes())),
        ("huge sector", |bytes, at| put(bytes, at, &u64::MAX.to_le_bytes())),
        ("no data", |bytes, at| put(bytes, at + 8, &0u32.to_le_bytes())),
        ("too much data", |bytes, at| put(bytes, at + 8, &(2 * 65_536 + 1000u32).to_le_bytes())),
        ("huge data", |bytes, at| put(bytes, at + 8, &u32::MAX.to_le_bytes())),
        ("damaged data", |bytes, at| bytes[at + 200] ^= 1),
    ];
    for (name, change) in cases {
        let mut bytes = good.clone();
        let at = entry(&bytes, 4) * 512;
        change(&mut bytes, at);
        let extent = open_bytes(bytes).unwrap();
        for (sector, sectors) in [(4 * 128, 128), (4 * 128 + 3, 1), (0, 1280)] {
            let error = try_read(&extent, sector, sectors).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidDisk, "{name}");
            assert!(error.to_string().contains("grain 4 at sector"), "{name}: {error}");
        }
        assert!(read(&extent, 5 * 128, 640) == sample.content()[5 * 65_536..]);
    }
    // Two entries of one grain: only the right one may be read.
    let mut bytes = good.clone();
    let (at, first) = (entry_at(&bytes, 4), entry(&bytes, 0) as u32);
    put(&mut bytes, at, &first.to_le_bytes());
    assert!(try_read(&open_bytes(bytes).unwrap(), 4 * 128, 1).is_err());
}

#[test]
fn a_grain_that_is_too_short_or_too_long_is_an_error() {
    let mut sample = Sample::new(Style::Footer, 128 * 3 - 20).fill(0..3);
    let append = |sample: &Sample, grain: u64, content: &[u8]| {
        let mut maker = sample.clone();
        maker.grain_size = content.len() as u64 / 512;
        maker.capacity = 1 << 40;
        let mut replaced = maker.record(0, content);
        put(&mut replaced, 0, &(grain * 128).to_le_bytes());
        let mut bytes = sample.build();
        let tail = bytes.split_off(footer_at(&bytes) - 512);
        let (at, sector) =
            (entry_at(&[bytes.clone(), tail.clone()].concat(), grain as usize), bytes.len() / 512);
        bytes.extend(replaced);
        bytes.extend(tail);
        put(&mut bytes, at, &(sector as u32).to_le_bytes());
        open_bytes(bytes).unwrap()
    };
    sample.short_last = false;
    for (grain, sectors, fine) in
        [(1, 127, false), (1, 129, false), (1, 128, true), (2, 108, true), (2, 107, false)]
    {
        let extent = append(&sample, grain, &vec![9; sectors * 512]);
        let read = try_read(&extent, grain * 128, 108);
        assert_eq!(read.is_ok(), fine, "grain {grain} of {sectors} sectors: {read:?}");
    }
}

#[test]
fn hostile_headers_and_footers_are_refused() {
    type Change = fn(&mut RawHeader);
    let cases: [(&str, Kind, Change); 12] = [
        ("markers missing", Kind::NotSupported, |h| h.flags = 0x10001.into()),
        ("markers only", Kind::InvalidDisk, |h| h.flags = 0x20001.into()),
        ("a footer only", Kind::InvalidDisk, |h| h.flags = 1.into()),
        ("unknown flag", Kind::UnsupportedVersion, |h| h.flags = 0x70001.into()),
        ("version", Kind::UnsupportedVersion, |h| h.version = 4.into()),
        ("compression", Kind::UnsupportedVersion, |h| h.compression = 0.into()),
        ("text mode", Kind::InvalidDisk, |h| h.text_probe = *b"\n \n\n"),
        ("no grain size", Kind::InvalidDisk, |h| h.grain_size = 0.into()),
        ("large grains", Kind::NotSupported, |h| h.grain_size = 4096.into()),
        ("no entries", Kind::InvalidDisk, |h| h.entries_per_table = 0.into()),
        ("capacity", Kind::InvalidDisk, |h| h.capacity = (1 << 50).into()),
        ("no directory", Kind::InvalidDisk, |h| h.directory = 0.into()),
    ];
    use zerocopy::IntoBytes;
    for (name, kind, change) in cases {
        for style in STYLES {
            let mut bytes = Sample::new(style, 1000).fill([0]).build();
            let at = footer_at(&bytes);
            let mut header = RawHeader::parse(&bytes[at..]).unwrap();
            change(&mut header);
            put(&mut bytes, at, header.as_bytes());
            let front = RawHeader::parse(&bytes).unwrap();
            let error =
                StreamExtent::open(Arc::new(MemoryFile::new(bytes)), &front, 1000, false).unwrap_err();
            assert_eq!(error.kind(), kind, "{name} {style:?}: {error}");
        }
    }
    let mut bytes = Sample::new(Style::Footer, 1000).build();
    let at = footer_at(&bytes);
    put(&mut bytes, at + 56, &[0xFF; 8]);
    assert!(open_bytes(bytes).unwrap_err().to_string().contains("names no directory"));
    let mut bytes = Sample::new(Style::Footer, 1000).build();
    put(&mut bytes, 0, b"kdmv");
    assert!(open_bytes(bytes).unwrap_err().to_string().contains("never finished"));
    let file = Sample::new(Style::Footer, 1000).file();
    let front = RawHeader::parse(&file.to_vec()).unwrap();
    let error = StreamExtent::open(Arc::new(file), &front, 1001, false).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidDisk, "more sectors than the header has");
}

#[test]
fn many_threads_read_the_same_content() {
    let sample = Sample::new(Style::Footer, 128 * 64).fill(0..64);
    let (content, extent) = (sample.content(), open(&sample.file()));
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (content, extent) = (&content, &extent);
            scope.spawn(move || {
                for round in 0..20u64 {
                    let sector = (thread * 977 + round * 1231) % 8000;
                    let sectors = (1 + round * 97).min(128 * 64 - sector);
                    let expected = &content[sector as usize * 512..(sector + sectors) as usize * 512];
                    assert!(read(extent, sector, sectors) == expected);
                }
            });
        }
    });
}

#[test]
fn records_that_overlap_are_read_one_by_one() {
    // An entry between a grain and its end: the grain before it must not be cut there.
    let mut sample = Sample::new(Style::Footer, 128 * 10).fill(0..10);
    sample.level = 0;
    let mut bytes = sample.build();
    let (at, first) = (entry_at(&bytes, 4), entry(&bytes, 3) as u32);
    put(&mut bytes, at, &(first + 1).to_le_bytes());
    let extent = open_bytes(bytes).unwrap();
    assert!(read(&extent, 0, 4 * 128) == sample.content()[..4 * 65_536]);
    assert!(try_read(&extent, 4 * 128, 1).is_err());
    let file = MemoryFile::new(vec![0; 4]);
    assert!(file.read_exact_at(&mut [0; 8], ByteOffset(0)).is_err());
}
