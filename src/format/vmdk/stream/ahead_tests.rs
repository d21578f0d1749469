//! Tests of decoding ahead: what is read in order is what it is, whatever the threads have done by then.

use super::*;
use crate::error::Kind;
use crate::format::extent::Extent as _;
use crate::format::vmdk::sparse::header::RawHeader;
use crate::format::vmdk::stream::extent::StreamExtent;
use crate::format::vmdk::stream::samples::{Sample, Style, read, small_sample, try_read};
use crate::io::memory::MemoryFile;

fn open(bytes: Vec<u8>) -> StreamExtent {
    let front = RawHeader::parse(&bytes[..512]).unwrap();
    StreamExtent::open(Arc::new(MemoryFile::new(bytes)), &front, front.capacity.get(), false).unwrap()
}

/// A disk with holes of all lengths, the longest over many tables.
fn sample() -> Sample {
    small_sample(Style::Footer, 8 * 3000 + 3).fill((0..3001).filter(|grain| match grain {
        700..2200 => false,
        _ => grain % 17 > 2 && grain % 90 > 20,
    }))
}

fn check(extent: &StreamExtent, content: &[u8], sector: u64, sectors: u64) {
    let expected = &content[sector as usize * 512..(sector + sectors) as usize * 512];
    assert!(read(extent, sector, sectors) == expected, "{sectors} sectors from {sector} on");
}

#[test]
fn a_reader_in_order_sees_the_content() {
    let (sample, content) = (sample(), sample().content());
    for sectors in [1, 3, 8, 64, 100, 2048, 8192] {
        let extent = open(sample.build());
        for pass in 0..2 {
            let mut sector = pass;
            while sector < sample.capacity {
                let wanted = sectors.min(sample.capacity - sector);
                check(&extent, &content, sector, wanted);
                sector += wanted;
            }
        }
    }
}

#[test]
fn a_reader_may_jump_and_leave_out() {
    let (sample, content) = (sample(), sample().content());
    let extent = open(sample.build());
    let mut sector = 0u64;
    for step in 0..2000u64 {
        // In order for a while, then back, ahead a little, or far.
        sector = match step % 40 {
            20 => (sector + 8000) % 20_000,
            30 => sector.saturating_sub(900),
            10 | 15 => sector + 40,
            _ => sector,
        };
        let sectors = (1 + step % 37).min(sample.capacity.saturating_sub(sector));
        if sectors == 0 {
            sector = 0;
            continue;
        }
        check(&extent, &content, sector, sectors);
        sector += sectors;
    }
}

#[test]
fn several_readers_in_order_do_not_mix_up() {
    let (sample, content) = (sample(), sample().content());
    let extent = open(sample.build());
    std::thread::scope(|scope| {
        for reader in 0..4 {
            let (extent, content, capacity) = (&extent, &content, sample.capacity);
            scope.spawn(move || {
                for start in (reader * 500..capacity - 64).step_by(64) {
                    check(extent, content, start, 64);
                }
            });
        }
    });
}

#[test]
fn damage_is_told_where_it_is_read_and_only_there() {
    let sample = Sample::new(Style::Footer, 128 * 200).fill(0..200);
    let (mut bytes, content) = (sample.build(), sample.content());
    // The marker of a grain that is decoded ahead.
    let marker = (100u64 * 128).to_le_bytes();
    let at = bytes.chunks(512).position(|sector| sector.starts_with(&marker)).unwrap() * 512;
    bytes[at] ^= 1;
    let extent = open(bytes);
    for grain in 0..200 {
        if grain == 100 {
            let error = try_read(&extent, grain * 128, 128).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidDisk);
            assert!(error.to_string().contains("grain 100"), "{error}");
        } else {
            check(&extent, &content, grain * 128, 128);
        }
    }
}

#[test]
fn memory_is_bounded_and_threads_end() {
    let sample = Sample::new(Style::Footer, 128 * 300).fill(0..300);
    let extent = open(sample.build());
    for grain in 0..200 {
        check(&extent, &sample.content(), grain * 128, 128);
        let state = locked(&extent.ahead.shared.state);
        assert!(state.slots.len() <= MOST_GRAINS && state.spare.len() <= MOST_GRAINS);
        assert!(state.threads < cores::workers().max(1));
        assert!(state.slots.iter().is_sorted_by_key(|slot| slot.at.grain));
    }
    let shared = Arc::downgrade(&extent.ahead.shared);
    assert_eq!(extent.sectors(), sample.capacity);
    drop(extent);
    assert_eq!(shared.strong_count(), 0, "no thread is left");
}
