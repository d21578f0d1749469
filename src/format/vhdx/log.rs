//! The log: changes of tables and metadata that may not have reached their places.
//!
//! ```text
//!   the log is a ring of pieces of 4 KiB; an entry takes some of them, one after the other:
//!
//!   loge header, descriptors | more descriptors .. | data | data ..
//!                └─ desc: 4 KiB at a place of the file     └─ 4 KiB, whose first 8 and last 4 bytes are in its
//!                └─ zero: a range of zeros                     descriptor; there stand a mark and sequence numbers
//! ```
//!
//! Entries that follow each other in place and number form a sequence. Its last entry says with which one the replay
//! begins (its tail). The sequence whose last entry has the highest number counts. An entry that was torn by a crash
//! has a wrong checksum, and its sequence ends before it: what it says was promised to nobody.

use std::collections::{HashMap, HashSet};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::LogPlace;
use super::invalid;
use super::overlay::{Overlay, PIECE};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::crc32c::{self, Crc32c};
use crate::format::foreign::Id;
use crate::io::{ByteOffset, Storage};

/// Longest log that is replayed in memory; writers make logs of 1 MiB.
const MAX_BYTES: u64 = 64 << 20;

/// The checksums of entries that overlap may cost more than those of the whole log, but not without end.
const MAX_CHECKED: u64 = 4;

/// The first bytes of an entry.
pub const ENTRY: [u8; 4] = *b"loge";
/// The first bytes of a descriptor of data.
pub const DATA_DESCRIPTOR: [u8; 4] = *b"desc";
/// The first bytes of a descriptor of zeros.
pub const ZERO_DESCRIPTOR: [u8; 4] = *b"zero";
/// The first bytes of a piece of data.
pub const DATA: [u8; 4] = *b"data";

/// Bytes of a descriptor, and those of an entry's header in descriptors.
const DESCRIPTOR_BYTES: u64 = 32;
const HEADER_DESCRIPTORS: u64 = 2;
const DESCRIPTORS_IN_PIECE: u64 = PIECE / DESCRIPTOR_BYTES;

/// The header of an entry as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawEntry {
    /// [`ENTRY`].
    pub signature: [u8; 4],
    /// CRC-32C of the entry, in which this is 0.
    pub checksum: U32,
    /// Bytes of the entry.
    pub length: U32,
    /// Byte of the log of the entry with which the replay begins.
    pub tail: U32,
    /// One more than that of the entry before.
    pub sequence: U64,
    /// Number of descriptors.
    pub descriptors: U32,
    /// Zeros.
    pub reserved: U32,
    /// [`LogPlace::id`].
    pub log_id: Id,
    /// Bytes that the file had at least.
    pub flushed_length: U64,
    /// Bytes that the file has to have.
    pub last_length: U64,
}

/// A descriptor as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawDescriptor {
    /// [`DATA_DESCRIPTOR`] or [`ZERO_DESCRIPTOR`].
    pub signature: [u8; 4],
    /// The last four bytes of the data.
    pub trailing: [u8; 4],
    /// The first eight bytes of the data; the bytes of a range of zeros.
    pub leading: [u8; 8],
    /// Byte of the file that changes.
    pub offset: U64,
    /// That of the entry.
    pub sequence: U64,
}

/// A piece of data as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawData {
    /// [`DATA`].
    pub signature: [u8; 4],
    /// The upper half of the entry's sequence number.
    pub sequence_high: U32,
    /// Bytes 8 to 4091 of the data.
    pub bytes: [u8; 4084],
    /// The lower half of the entry's sequence number.
    pub sequence_low: U32,
}

const _: () = assert!(size_of::<RawEntry>() as u64 == HEADER_DESCRIPTORS * DESCRIPTOR_BYTES);
const _: () = assert!(size_of::<RawDescriptor>() as u64 == DESCRIPTOR_BYTES);
const _: () = assert!(size_of::<RawData>() as u64 == PIECE);

/// A valid entry.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its first piece of the log.
    first: u64,
    /// Its pieces.
    pieces: u64,
    sequence: u64,
    /// The first piece of the entry with which the replay begins.
    tail: u64,
    descriptors: u64,
    flushed_length: u64,
    last_length: u64,
}

/// A log, read.
#[derive(Debug)]
pub struct Log {
    bytes: Vec<u8>,
    id: Id,
}

impl Log {
    /// Reads the log at a checked place.
    ///
    /// # Errors
    /// `NotSupported` when it is too long, those of storage.
    pub fn read(storage: &dyn Storage, place: &LogPlace) -> Result<Self> {
        if place.length > MAX_BYTES {
            let text = format!(
                "it has {} MiB that would have to be replayed in memory, and {} MiB are the most",
                place.length >> 20,
                MAX_BYTES >> 20
            );
            return Err(Error::new(Kind::NotSupported, text));
        }
        let mut bytes = vec![0; place.length as usize];
        storage.read_exact_at(&mut bytes, ByteOffset(place.offset))?;
        Ok(Self { bytes, id: place.id })
    }

    /// Lays the changes of the sequence that counts over the file, and tells the number of its entries.
    ///
    /// # Errors
    /// `InvalidDisk` when no sequence is valid, when the file was cut after it was written, and for changes that
    /// make no sense, those of storage.
    pub fn replay(&self, overlay: &mut Overlay) -> Result<usize> {
        let entries = self.entries()?;
        let sequence = active(&entries, self.pieces());
        let Some(head) = sequence.last() else {
            return Err(invalid(
                "no sequence of entries is valid, and the header says that there are changes",
            ));
        };
        let length = overlay.length()?;
        if head.flushed_length > length {
            let text = format!(
                "the file had {} bytes when it was written, and has {length}: it was cut",
                head.flushed_length
            );
            return Err(invalid(text));
        }
        for entry in &sequence {
            self.apply(entry, overlay).context(|| format!("entry {}", entry.sequence))?;
        }
        overlay.extend(head.last_length.min(i64::MAX as u64));
        Ok(sequence.len())
    }

    fn pieces(&self) -> u64 {
        self.bytes.len() as u64 / PIECE
    }

    /// A piece of the ring.
    fn piece(&self, index: u64) -> &[u8] {
        let start = (index % self.pieces().max(1) * PIECE) as usize;
        self.bytes.get(start..start + PIECE as usize).unwrap_or_default()
    }

    /// The valid entries, in the order of their places.
    fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut checked = 0;
        let mut index = 0;
        while index < self.pieces() {
            let Some((raw, entry)) = self.entry(index) else {
                index += 1;
                continue;
            };
            checked += entry.pieces;
            if checked > MAX_CHECKED * self.pieces() {
                return Err(invalid("its entries overlap"));
            }
            if self.checksum(&entry) == raw.checksum.get() && self.is_sound(&entry) {
                // What looks like an entry inside of another one is data.
                index += entry.pieces;
                entries.push(entry);
            } else {
                index += 1;
            }
        }
        Ok(entries)
    }

    /// What can be an entry, by its header alone.
    fn entry(&self, first: u64) -> Option<(RawEntry, Entry)> {
        let (raw, _) = RawEntry::read_from_prefix(self.piece(first)).ok()?;
        let (length, tail) = (u64::from(raw.length.get()), u64::from(raw.tail.get()));
        let descriptors = u64::from(raw.descriptors.get());
        let fits = raw.signature == ENTRY
            && raw.log_id == self.id
            && raw.sequence.get() != 0
            && length % PIECE == 0
            && tail % PIECE == 0
            && tail < self.bytes.len() as u64
            && descriptor_pieces(descriptors) * PIECE <= length
            && length <= self.bytes.len() as u64;
        let entry = Entry {
            first,
            pieces: length / PIECE,
            sequence: raw.sequence.get(),
            tail: tail / PIECE,
            descriptors,
            flushed_length: raw.flushed_length.get(),
            last_length: raw.last_length.get(),
        };
        fits.then_some((raw, entry))
    }

    fn checksum(&self, entry: &Entry) -> u32 {
        let first = self.piece(entry.first);
        let start = crc32c::start_of_block(first);
        let rest = (1..entry.pieces).map(|index| self.piece(entry.first + index));
        rest.fold(start, Crc32c::update).value()
    }

    /// Whether every descriptor and every piece of data is of this entry.
    fn is_sound(&self, entry: &Entry) -> bool {
        let mut data = descriptor_pieces(entry.descriptors);
        (0..entry.descriptors).all(|index| {
            let Some(descriptor) = self.descriptor(entry, index) else { return false };
            if descriptor.signature == DATA_DESCRIPTOR {
                data += 1;
                if data > entry.pieces || self.data(entry, data - 1).is_none() {
                    return false;
                }
            }
            descriptor.sequence.get() == entry.sequence
        })
    }

    /// A descriptor; `None` for what is none.
    fn descriptor(&self, entry: &Entry, index: u64) -> Option<RawDescriptor> {
        let place = index + HEADER_DESCRIPTORS;
        let piece = self.piece(entry.first + place / DESCRIPTORS_IN_PIECE);
        let start = (place % DESCRIPTORS_IN_PIECE * DESCRIPTOR_BYTES) as usize;
        let (descriptor, _) = RawDescriptor::read_from_prefix(piece.get(start..)?).ok()?;
        matches!(descriptor.signature, DATA_DESCRIPTOR | ZERO_DESCRIPTOR).then_some(descriptor)
    }

    /// A piece of data; `None` for what is none.
    fn data(&self, entry: &Entry, index: u64) -> Option<&RawData> {
        let data = RawData::ref_from_bytes(self.piece(entry.first + index)).ok()?;
        let sequence = u64::from(data.sequence_high.get()) << 32 | u64::from(data.sequence_low.get());
        (data.signature == DATA && sequence == entry.sequence).then_some(data)
    }

    /// Lays the changes of an entry over the file.
    fn apply(&self, entry: &Entry, overlay: &mut Overlay) -> Result<()> {
        let mut data = descriptor_pieces(entry.descriptors);
        for index in 0..entry.descriptors {
            let Some(descriptor) = self.descriptor(entry, index) else { continue };
            let offset = descriptor.offset.get();
            if descriptor.signature == ZERO_DESCRIPTOR {
                overlay.set_zeros(offset, u64::from_le_bytes(descriptor.leading))?;
                continue;
            }
            let Some(middle) = self.data(entry, data) else { continue };
            data += 1;
            let bytes = [&descriptor.leading[..], &middle.bytes[..], &descriptor.trailing[..]].concat();
            overlay.set(offset, bytes.into_boxed_slice())?;
        }
        Ok(())
    }
}

/// Pieces of an entry that hold its header and its descriptors.
fn descriptor_pieces(descriptors: u64) -> u64 {
    (descriptors + HEADER_DESCRIPTORS).div_ceil(DESCRIPTORS_IN_PIECE)
}

/// The entries to be replayed: those of the sequence that counts, from its tail on; none when no sequence is valid.
/// The log has `pieces` pieces.
fn active(entries: &[Entry], pieces: u64) -> Vec<Entry> {
    let places: HashMap<u64, &Entry> = entries.iter().map(|entry| (entry.first, entry)).collect();
    // In a ring what follows the last piece stands at the start.
    let next = |entry: &Entry| {
        let next = places.get(&((entry.first + entry.pieces) % pieces)).copied();
        next.filter(|next| next.sequence == entry.sequence.wrapping_add(1))
    };
    let followers: HashSet<u64> = entries.iter().filter_map(next).map(|entry| entry.first).collect();
    let mut best: Vec<Entry> = Vec::new();
    for first in entries.iter().filter(|entry| !followers.contains(&entry.first)) {
        // Numbers rise, and none is 0, so this ends.
        let sequence: Vec<Entry> = std::iter::successors(Some(first), |entry| next(entry)).copied().collect();
        let Some(head) = sequence.last() else { continue };
        let Some(tail) = sequence.iter().position(|entry| entry.first == head.tail) else { continue };
        if best.last().is_none_or(|best| best.sequence < head.sequence) {
            best = sequence.into_iter().skip(tail).collect();
        }
    }
    best
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
