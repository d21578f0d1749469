//! Tests of changes over a file.

use proptest::prelude::*;

use super::*;
use crate::io::memory::MemoryFile;

/// Pieces of the file below.
const PIECES: u64 = 8;

fn content() -> Vec<u8> {
    (0..PIECES * PIECE).map(|byte| (byte / 7) as u8 | 1).collect()
}

fn overlay() -> Overlay {
    Overlay::new(Arc::new(MemoryFile::new(content()))).unwrap()
}

proptest! {
    #[test]
    fn every_range_is_what_the_changes_leave(
        changes in proptest::collection::vec((0..PIECES + 4, 0..6u64, any::<u8>()), 0..40),
        ranges in proptest::collection::vec((0..PIECES * PIECE + 20_000, 1..20_000usize), 30),
    ) {
        let mut overlay = overlay();
        let mut model = content();
        for (piece, pieces, byte) in changes {
            let (start, bytes) = (piece * PIECE, pieces.max(1) * PIECE);
            let end = (start + bytes) as usize;
            model.resize(model.len().max(end), 0);
            if pieces == 0 {
                overlay.set(start, vec![byte; PIECE as usize].into_boxed_slice()).unwrap();
                model[start as usize..end].fill(byte);
            } else {
                overlay.set_zeros(start, bytes).unwrap();
                model[start as usize..end].fill(0);
            }
        }
        prop_assert_eq!(overlay.length().unwrap(), model.len() as u64);
        for (start, length) in ranges {
            let mut buffer = vec![0xAA; length];
            let read = overlay.read_exact_at(&mut buffer, ByteOffset(start));
            match model.get(start as usize..start as usize + length) {
                Some(expected) => prop_assert!(read.is_ok() && buffer == expected),
                None => prop_assert_eq!(read.unwrap_err().kind(), Kind::Io),
            }
            let mut cached = vec![0xAA; length];
            let buffers = &mut [IoSliceMut::new(&mut cached)];
            if overlay.read_cached_at(buffers, ByteOffset(start)).unwrap_or(false) {
                prop_assert!(cached == buffer);
            }
        }
    }
}

#[test]
fn several_buffers_are_filled_one_after_the_other() {
    let mut overlay = overlay();
    overlay.set(PIECE, vec![2; PIECE as usize].into_boxed_slice()).unwrap();
    let (mut first, mut second) = (vec![0; 100], vec![0; 5000]);
    let buffers = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    overlay.read_vectored_at(buffers, ByteOffset(PIECE - 50)).unwrap();
    let below = content();
    assert_eq!(first, [&below[PIECE as usize - 50..PIECE as usize], &[2; 50]].concat());
    assert_eq!(second[..4046], [2; 4046]);
    assert_eq!(second[4046..], below[2 * PIECE as usize..][..954]);
}

#[test]
fn what_was_added_reads_as_zeros_and_there_is_nothing_behind_it() {
    let mut overlay = overlay();
    let end = PIECES * PIECE;
    overlay.extend(end + 1000);
    overlay.extend(3);
    let mut buffer = [7; 1010];
    overlay.read_exact_at(&mut buffer, ByteOffset(end - 10)).unwrap();
    assert!(buffer[10..].iter().all(|byte| *byte == 0) && buffer[..10] == content()[end as usize - 10..]);
    for offset in [end - 9, end + 1000, u64::MAX] {
        let error = overlay.read_exact_at(&mut buffer, ByteOffset(offset)).unwrap_err();
        assert_eq!(error.kind(), Kind::Io, "{offset}");
    }
}

#[test]
fn impossible_changes_are_refused() {
    let mut overlay = overlay();
    for (offset, bytes) in [(1, PIECE), (0, 1), (u64::MAX - PIECE + 1, PIECE), (0, u64::MAX - PIECE + 1)] {
        assert_eq!(overlay.set_zeros(offset, bytes).unwrap_err().kind(), Kind::InvalidDisk);
    }
    overlay.set_zeros(PIECE, 0).unwrap();
    let many = (0..=MAX_PIECES as u64).try_for_each(|index| overlay.set_zeros(index * 2 * PIECE, PIECE));
    assert_eq!(many.unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn it_takes_no_writes() {
    let overlay = overlay();
    assert_eq!(overlay.write_all_at(&[1], ByteOffset(0)).unwrap_err().kind(), Kind::ReadOnly);
    assert_eq!(overlay.set_len(0).unwrap_err().kind(), Kind::ReadOnly);
    overlay.sync().unwrap();
    assert_eq!(overlay.region_at(ByteOffset(0)).unwrap(), Region::Data(ByteOffset(PIECES * PIECE)));
}
