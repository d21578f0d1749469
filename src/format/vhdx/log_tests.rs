//! Tests of the log: rings, torn ends, entries of others, lies.

use super::*;
use crate::format::vhdx::MIB;
use crate::format::vhdx::testing::{Change, Image, LOG, LOG_ID, Options, log_entry, log_place, seal_entry};
use crate::io::memory::MemoryFile;
use std::sync::Arc;

/// Where the changes of these tests go; nothing else is there.
const PLACE: u64 = 5 * MIB;
/// Length of the file.
const LENGTH: u64 = 6 * MIB;

fn image() -> Image {
    let mut image = Image::new(&Options::new(MIB));
    image.put(LENGTH - 1, &[0]);
    image
}

fn data(piece: u64, byte: u8) -> Change {
    Change::Data(PLACE + piece * PIECE, Box::new([byte; 4096]))
}

/// An entry that changes one piece to its number.
fn entry(sequence: u64, tail: u64, piece: u64) -> Vec<u8> {
    log_entry(sequence, tail, &[data(piece, sequence as u8)], LENGTH)
}

/// The first bytes of the pieces after the replay.
fn replay(image: &Image) -> Result<Vec<u8>> {
    let storage: Arc<dyn Storage> = Arc::new(MemoryFile::new(image.file.clone()));
    let mut overlay = Overlay::new(Arc::clone(&storage))?;
    Log::read(&*storage, &log_place())?.replay(&mut overlay)?;
    let first = |piece: u64| {
        let mut byte = [0];
        overlay.read_exact_at(&mut byte, ByteOffset(PLACE + piece * PIECE)).map(|()| byte[0])
    };
    (0..4).map(first).collect()
}

fn refused(image: &Image) -> String {
    let error = replay(image).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidDisk, "{error}");
    error.to_string()
}

#[test]
fn entries_are_replayed_from_the_tail_of_the_last_one() {
    let entries = [entry(7, 0, 0), entry(8, 0, 1), entry(9, 8192, 2)];
    let mut image = image();
    image.put_log(0, &entries);
    // What stands before the tail has reached its place, or has been changed again since.
    assert_eq!(replay(&image).unwrap(), [0, 8, 9, 0]);
    image.put_log(0, &[entry(7, 0, 0), entry(8, 0, 1), entry(9, 0, 0)]);
    assert_eq!(replay(&image).unwrap(), [9, 8, 0, 0], "the later change wins");
}

#[test]
fn the_log_is_a_ring() {
    // One entry around the end, and one whose data is there.
    for start in [MIB - 4096, MIB - 8192, MIB - 12_288] {
        let mut image = image();
        image.put_log(start, &[entry(3, start, 0), entry(4, start, 1), entry(5, start, 2)]);
        assert_eq!(replay(&image).unwrap(), [3, 4, 5, 0], "{start}");
    }
}

#[test]
fn a_torn_entry_ends_its_sequence() {
    let entries = [entry(3, 0, 0), entry(4, 0, 1), entry(5, 0, 2)];
    for (place, expected) in [(2 * 8192 + 5000, [3, 4, 0, 0]), (8192 + 5000, [3, 0, 0, 0])] {
        let mut image = image();
        image.put_log(0, &entries);
        image.put(LOG + place, &[0xEE]);
        assert_eq!(replay(&image).unwrap(), expected);
    }
    // Without its tail the rest is worth nothing.
    let mut image = image();
    image.put_log(0, &entries);
    image.put(LOG + 5000, &[0xEE]);
    assert!(refused(&image).contains("no sequence"));
}

#[test]
fn the_sequence_with_the_highest_number_counts() {
    let mut image = image();
    image.put_log(0, &[entry(3, 0, 0), entry(4, 0, 0)]);
    image.put_log(MIB / 2, &[entry(100, MIB / 2, 1)]);
    image.put_log(MIB / 4, &[entry(50, MIB / 4, 2), entry(52, MIB / 4, 2)]);
    assert_eq!(replay(&image).unwrap(), [0, 100, 0, 0]);
}

#[test]
fn entries_of_another_log_do_not_count() {
    let mut other = entry(9, 8192, 1);
    other[32] ^= 1;
    seal_entry(&mut other);
    let mut image = image();
    image.put_log(0, &[entry(8, 0, 0), other]);
    assert_eq!(replay(&image).unwrap(), [8, 0, 0, 0]);
}

#[test]
fn zeros_and_many_descriptors_are_replayed() {
    let mut image = image();
    image.put(PLACE, &[0xCC; 4 * 4096]);
    image.put_log(0, &[log_entry(1, 0, &[Change::Zeros(PLACE + PIECE, 2 * PIECE)], LENGTH)]);
    assert_eq!(replay(&image).unwrap(), [0xCC, 0, 0, 0xCC]);
    // More descriptors than fit into the first piece: the data stands behind the second one.
    let mut changes = vec![Change::Zeros(PLACE, PIECE); 130];
    changes.extend([data(2, 7), data(3, 8)]);
    image.put_log(0, &[log_entry(1, 0, &changes, LENGTH)]);
    assert_eq!(replay(&image).unwrap(), [0, 0xCC, 7, 8]);
}

#[test]
fn every_byte_of_the_data_comes_back() {
    let mut bytes = [0; 4096];
    bytes.iter_mut().enumerate().for_each(|(index, byte)| *byte = (index % 251) as u8);
    let mut image = image();
    image.put_log(0, &[log_entry(u64::MAX - 1, 0, &[Change::Data(PLACE, Box::new(bytes))], LENGTH)]);
    let storage: Arc<dyn Storage> = Arc::new(MemoryFile::new(image.file.clone()));
    let mut overlay = Overlay::new(Arc::clone(&storage)).unwrap();
    Log::read(&*storage, &log_place()).unwrap().replay(&mut overlay).unwrap();
    let mut back = [0; 4096];
    overlay.read_exact_at(&mut back, ByteOffset(PLACE)).unwrap();
    assert_eq!(back, bytes);
}

#[test]
fn entries_that_lie_do_not_count() {
    type Lie = fn(&mut Vec<u8>);
    let lies: [(&str, Lie); 12] = [
        ("signature", |e| e[0] = b'L'),
        ("no length", |e| e[8..12].fill(0)),
        ("odd length", |e| e[8] = 1),
        ("long", |e| e[8..12].copy_from_slice(&(2 * MIB as u32).to_le_bytes())),
        ("odd tail", |e| e[12] = 1),
        ("tail outside", |e| e[12..16].copy_from_slice(&(MIB as u32).to_le_bytes())),
        ("sequence 0", |e| e[16..24].fill(0)),
        ("many descriptors", |e| e[24..28].fill(0xFF)),
        ("data without room", |e| e[24] = 2),
        ("descriptor", |e| e[64] = b'D'),
        ("sequence of a descriptor", |e| e[64 + 24] ^= 1),
        ("sequence of data", |e| e[8191] ^= 1),
    ];
    for (name, lie) in lies {
        let mut entry = entry(3, 0, 0);
        lie(&mut entry);
        seal_entry(&mut entry);
        let mut image = image();
        image.put_log(0, &[entry]);
        assert!(refused(&image).contains("no sequence"), "{name}");
    }
}

#[test]
fn changes_at_impossible_places_are_refused() {
    for change in [
        Change::Data(PLACE + 1, Box::new([1; 4096])),
        Change::Data(u64::MAX - 4095, Box::new([1; 4096])),
        Change::Zeros(PLACE + 512, PIECE),
        Change::Zeros(PLACE, 100),
        Change::Zeros(PIECE, u64::MAX - PIECE + 1),
    ] {
        let mut image = image();
        image.put_log(0, &[log_entry(3, 0, &[change], LENGTH)]);
        assert!(refused(&image).contains("entry 3"));
    }
}

#[test]
fn a_file_that_was_cut_is_refused_and_one_that_was_to_grow_grows() {
    let mut cut = image();
    cut.put_log(0, &[log_entry(3, 0, &[data(0, 1)], LENGTH + 1)]);
    assert!(refused(&cut).contains("cut"));
    // An earlier entry may tell of a longer file: it was made shorter since, on purpose.
    let mut shrunk = image();
    let longer = log_entry(3, 0, &[data(0, 1)], LENGTH + MIB);
    shrunk.put_log(0, &[longer, log_entry(4, 0, &[data(1, 2)], LENGTH)]);
    assert_eq!(replay(&shrunk).unwrap(), [1, 2, 0, 0]);
    let mut grown = log_entry(3, 0, &[data(0, 1)], LENGTH);
    grown[56..64].copy_from_slice(&(LENGTH + 3 * MIB).to_le_bytes());
    seal_entry(&mut grown);
    let mut image = image();
    image.put_log(0, &[grown]);
    let storage: Arc<dyn Storage> = Arc::new(MemoryFile::new(image.file.clone()));
    let mut overlay = Overlay::new(Arc::clone(&storage)).unwrap();
    Log::read(&*storage, &log_place()).unwrap().replay(&mut overlay).unwrap();
    assert_eq!(overlay.length().unwrap(), LENGTH + 3 * MIB);
}

#[test]
fn a_log_of_overlapping_entries_or_of_a_huge_size_costs_no_time() {
    // Every piece claims to be an entry of the whole log, so that each checksum would be one of a MiB.
    let mut piece = entry(3, 0, 0)[..4096].to_vec();
    piece[8..12].copy_from_slice(&(MIB as u32).to_le_bytes());
    let mut overlapping = image();
    overlapping.put_log(0, &vec![piece; 256]);
    assert!(refused(&overlapping).contains("overlap"));
    let place = LogPlace { id: LOG_ID, offset: LOG, length: MAX_BYTES + MIB };
    let error = Log::read(&MemoryFile::new(Vec::new()), &place).unwrap_err();
    assert_eq!(error.kind(), Kind::NotSupported);
    assert!(error.to_string().contains("65 MiB"), "{error}");
}
