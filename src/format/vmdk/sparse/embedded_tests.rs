//! Tests of descriptors that are embedded in their extent.

use std::sync::Arc;

use super::*;
use crate::format::vmdk::sparse::layout::Layout;
use crate::io::fault::{Fault, FaultFiles};
use crate::io::memory::MemoryFile;
use crate::io::{Access, Files};

/// Sectors that the descriptor has.
const AREA: u64 = 4;

/// The file of an empty extent with this text.
fn image(text: &[u8]) -> Vec<u8> {
    let layout = Layout::new(1000, AREA).unwrap();
    let file = MemoryFile::default();
    layout.write(&file, &mut |_| ()).unwrap();
    file.write_all_at(text, ByteOffset(512)).unwrap();
    file.to_vec()
}

/// The place and the text; what is behind that does not count.
fn read(storage: &dyn Storage) -> (EmbeddedDescriptor, Vec<u8>) {
    let header = RawHeader::read(storage).unwrap();
    let (place, mut bytes) = EmbeddedDescriptor::read(storage, &header).unwrap().unwrap();
    bytes.truncate(text_bytes(&bytes));
    (place, bytes)
}

/// A text of so many bytes.
fn text(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes).map(|byte| b'a' + ((byte / 7) as u8).wrapping_mul(seed) % 26).collect()
}

fn filled(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    bytes.resize((AREA * 512) as usize, 0);
    bytes
}

#[test]
fn a_text_is_replaced_at_its_place_and_leaves_nothing_behind() {
    for (old, new) in [(100, 900), (900, 100), (100, 1900), (1900, 1901), (1900, 10), (700, 700)] {
        let (old, new) = (text(old, 1), text(new, 3));
        let file = MemoryFile::new(image(&old));
        let (place, found) = read(&file);
        assert_eq!((&found, place.start(), place.is_away), (&old, ByteOffset(512), false));
        assert!(place.replace(&file, &filled(&new)).unwrap());
        assert_eq!(read(&file).1, new);
        assert!(file.to_vec() == image(&new), "{} bytes, {}", old.len(), new.len());
    }
}

#[test]
fn a_text_without_room_is_refused() {
    let file = MemoryFile::new(image(b"old"));
    let (place, _) = read(&file);
    assert_eq!(place.filled(vec![b'x'; 2048]).unwrap_err().kind(), Kind::DiskFull);
    assert_eq!(place.filled(vec![b'x'; 2047]).unwrap().len(), 2048);
}

/// Whatever happens, a reader finds the old text or the new one, and a second change works; the device fails once or
/// for good, or power is lost.
#[test]
fn one_of_the_texts_is_whole_whenever_it_ends() {
    for (first, second) in [(600, 900), (900, 600), (1500, 1600), (600, 2000)] {
        let (old, new, third) = (text(first, 1), text(second, 3), text(1100, 5));
        let path = std::path::Path::new("e");
        for fault in
            [Fault::IO, Fault::NO_SPACE.after(700), Fault::IO.lasting(), Fault::IO.after(700).lasting()]
        {
            let mut failures = 0;
            for at in 0..16 {
                let files = FaultFiles::default();
                files.insert(path, image(&text(first, 1)));
                files.settle();
                files.fail_at(at, fault);
                let file = files.open(path, Access::ReadWrite).unwrap();
                let (place, _) = read(&*file);
                let done = place.replace(&*file, &filled(&new));
                failures += usize::from(done.is_err());
                files.stop_failing();
                let expected = if done.is_ok() { &new } else { &old };
                assert!(done.is_err() && at > 3 || read(&*file).1 == *expected, "{at}, {fault:?}, {done:?}");
                let ended = files.operations();
                files.power_losses(24, |loss| {
                    let file = loss.files.open(path, Access::ReadWrite).unwrap();
                    let (place, found) = read(&*file);
                    let may_be_old = done.is_err() || loss.operations < ended;
                    assert!(found == new || may_be_old && found == old, "{at}, {fault:?}");
                    assert!(place.replace(&*file, &filled(&third)).unwrap());
                    let (place, found) = read(&*file);
                    assert!(found == third && !place.is_away, "{at}, {fault:?}");
                });
            }
            assert!(failures > 1, "{fault:?}");
        }
    }
}

/// A header that leads to a copy, as a crash leaves it.
fn interrupted(copy_sector: u64, note: &RawPlace) -> MemoryFile {
    let mut bytes = image(&text(600, 1));
    let mut copy = text(700, 3);
    copy.resize(1024 - NOTE_BYTES, 0);
    copy.extend_from_slice(Note { magic: NOTE_MAGIC, home: *note }.as_bytes());
    let start = (copy_sector * 512) as usize;
    let end = bytes.len().max(start + copy.len());
    bytes.resize(end, 0);
    bytes[start..start + copy.len()].copy_from_slice(&copy);
    let place = RawPlace { sector: copy_sector.into(), sectors: 2.into() };
    bytes[28..44].copy_from_slice(place.as_bytes());
    MemoryFile::new(bytes)
}

#[test]
fn an_interrupted_change_is_ended_by_the_next_one() {
    let end = image(b"").len() as u64 / 512;
    let home = RawPlace { sector: 1.into(), sectors: AREA.into() };
    for sector in [3, end] {
        let file = interrupted(sector, &home);
        let (place, found) = read(&file);
        assert_eq!((place.is_away, &found), (true, &text(700, 3)));
        // Larger than what a copy inside the area has left.
        assert!(place.replace(&file, &filled(&text(2000, 5))).unwrap());
        assert!(file.to_vec() == image(&text(2000, 5)), "{sector}");
    }
}

#[test]
fn a_note_that_makes_no_sense_is_none() {
    let end = image(b"").len() as u64 / 512;
    let notes =
        [(0, 4), (1, 0), (1, 1), (1, u64::MAX), (u64::MAX, 4), (end - 1, 2), (end + 2, 1), (21 << 40, 4)];
    for (sector, sectors) in notes {
        let file = interrupted(end, &RawPlace { sector: sector.into(), sectors: sectors.into() });
        let (place, found) = read(&file);
        assert_eq!((place.is_away, place.start()), (false, ByteOffset(end * 512)), "{sector}, {sectors}");
        assert_eq!(found, text(700, 3));
    }
}

#[test]
fn a_place_outside_of_the_file_is_refused() {
    for (sector, sectors) in [(1, u64::MAX), (u64::MAX, 1), (1 << 40, 1), (1, 1 << 30)] {
        let file = MemoryFile::new(image(b"text"));
        let place = RawPlace { sector: sector.into(), sectors: sectors.into() };
        file.write_all_at(place.as_bytes(), PLACE_OFFSET).unwrap();
        let header = RawHeader::read(&file).unwrap();
        let error = EmbeddedDescriptor::read(&file, &header).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidDisk, "{sector}, {sectors}");
    }
}

/// A reader that has the header of a moment ago finds the text all the same.
#[test]
fn a_reader_follows_a_text_that_moves() {
    let file: Arc<dyn Storage> = Arc::new(MemoryFile::new(image(&text(600, 1))));
    let mut header = RawHeader::read(&*file).unwrap();
    (header.descriptor_offset, header.descriptor_size) = (3.into(), 2.into());
    let (_, bytes) = EmbeddedDescriptor::read(&*file, &header).unwrap().unwrap();
    assert_eq!(bytes, filled(&text(600, 1)));
}
