//! Tables and bitmaps of a file, read page by page on demand into a cache of fixed size.
//!
//! A 64 TiB disk may have half a gigabyte of tables; what is kept of them in memory does not grow with that.

use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{Error, Kind, Result};
use crate::io::{ByteOffset, Storage};

/// Bytes of a page.
const PAGE_BYTES: u64 = 16 << 10;

/// Most pages that are kept: 8 MiB.
const MAX_SLOTS: u64 = 512;

/// Bytes of a bitmap that are looked at in one go.
const BITMAP_PIECE: usize = 512;

/// A cached page.
#[derive(Debug, Default)]
struct Slot {
    /// Which one, if any.
    index: Option<u64>,
    /// Its bytes; fewer than a whole page at the end of the file.
    bytes: Box<[u8]>,
}

/// A file through a cache. It must not change meanwhile.
#[derive(Debug)]
pub struct Pages {
    storage: Arc<dyn Storage>,
    length: u64,
    slots: Box<[RwLock<Slot>]>,
}

/// Which bit of a byte comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitOrder {
    /// The most significant one, as in VHD.
    HighFirst,
    /// The least significant one, as in VHDX.
    LowFirst,
}

/// Neighbouring bits that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitRun {
    /// What they are.
    pub set: bool,
    /// How many; never 0.
    pub bits: u64,
}

impl Pages {
    /// A file through an empty cache.
    ///
    /// # Errors
    /// Those of storage.
    pub fn new(storage: Arc<dyn Storage>) -> Result<Self> {
        let length = storage.length()?;
        let slots = length.div_ceil(PAGE_BYTES).clamp(1, MAX_SLOTS);
        Ok(Self { storage, length, slots: (0..slots).map(|_| RwLock::default()).collect() })
    }

    /// The file.
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// The length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads exactly `into.len()` bytes from `offset` on.
    ///
    /// # Errors
    /// `InvalidDisk` past the end of the file, those of storage.
    pub fn read(&self, offset: ByteOffset, into: &mut [u8]) -> Result<()> {
        let (mut position, mut rest) = (offset.0, into);
        while !rest.is_empty() {
            let within = (position % PAGE_BYTES) as usize;
            let (piece, after) = rest.split_at_mut(rest.len().min(PAGE_BYTES as usize - within));
            let copied = self.with_page(position / PAGE_BYTES, |bytes| {
                let from = bytes.get(within..within + piece.len());
                from.map(|from| piece.copy_from_slice(from))
            })?;
            copied.ok_or_else(|| self.past_the_end(position))?;
            position += piece.len() as u64;
            rest = after;
        }
        Ok(())
    }

    /// How the bits of a bitmap go on from bit `first` on, at most `limit` (at least 1) of them; the bitmap begins
    /// at `bitmap`.
    ///
    /// # Errors
    /// As for [`Pages::read`].
    pub fn bit_run(&self, bitmap: ByteOffset, first: u64, limit: u64, order: BitOrder) -> Result<BitRun> {
        let end = first.saturating_add(limit);
        let mut found: Option<bool> = None;
        let mut bit = first;
        let mut piece = [0; BITMAP_PIECE];
        while bit < end {
            let bytes = (end.div_ceil(8) - bit / 8).min(BITMAP_PIECE as u64) as usize;
            let place = bitmap.0.saturating_add(bit / 8);
            self.read(ByteOffset(place), &mut piece[..bytes])?;
            for byte in &piece[..bytes] {
                let byte = if order == BitOrder::HighFirst { byte.reverse_bits() } else { *byte };
                let (skipped, left) = ((bit % 8) as u32, end - bit);
                let byte = byte >> skipped;
                let set = *found.get_or_insert(byte & 1 == 1);
                let alike = if set { byte.trailing_ones() } else { byte.trailing_zeros() };
                let in_byte = 8 - skipped;
                bit += u64::from(alike.min(in_byte)).min(left);
                if alike < in_byte || bit >= end {
                    return Ok(BitRun { set, bits: bit - first });
                }
            }
        }
        Ok(BitRun { set: found.unwrap_or(false), bits: limit })
    }

    /// Shows a page to `look`.
    fn with_page<R>(&self, index: u64, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let slot = &self.slots[(index % self.slots.len() as u64) as usize];
        {
            let cached = slot.read().unwrap_or_else(PoisonError::into_inner);
            if cached.index == Some(index) {
                return Ok(look(&cached.bytes));
            }
        }
        let mut cached = slot.write().unwrap_or_else(PoisonError::into_inner);
        if cached.index != Some(index) {
            cached.index = None;
            let start = index.saturating_mul(PAGE_BYTES);
            let bytes = self.length.saturating_sub(start).min(PAGE_BYTES);
            if bytes == 0 {
                return Err(self.past_the_end(start));
            }
            cached.bytes = vec![0; bytes as usize].into_boxed_slice();
            self.storage.read_exact_at(&mut cached.bytes, ByteOffset(start))?;
            cached.index = Some(index);
        }
        Ok(look(&cached.bytes))
    }

    fn past_the_end(&self, position: u64) -> Error {
        let text = format!(
            "byte {position} of '{}' is wanted, and the file has {} bytes",
            self.storage.name(),
            self.length
        );
        Error::new(Kind::InvalidDisk, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::memory::MemoryFile;

    fn pages(content: Vec<u8>) -> Pages {
        Pages::new(Arc::new(MemoryFile::new(content))).unwrap()
    }

    #[test]
    fn reads_go_across_pages_and_stop_at_the_end() {
        let content: Vec<u8> = (0..3 * PAGE_BYTES + 5).map(|byte| (byte % 251) as u8).collect();
        let pages = pages(content.clone());
        for (start, length) in [(0, 1), (PAGE_BYTES as usize - 3, 2 * PAGE_BYTES as usize), (49_150, 7)] {
            let mut bytes = vec![0; length];
            pages.read(ByteOffset(start as u64), &mut bytes).unwrap();
            assert!(bytes == content[start..start + length]);
        }
        for start in [content.len() as u64, content.len() as u64 - 1, u64::MAX - 1, 1 << 40] {
            let error = pages.read(ByteOffset(start), &mut [0; 2]).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidDisk, "{start}");
        }
    }

    #[test]
    fn a_slot_is_used_by_one_page_after_the_other() {
        let length = (MAX_SLOTS + 3) * PAGE_BYTES;
        let content: Vec<u8> = (0..length).map(|byte| (byte / PAGE_BYTES) as u8).collect();
        let pages = pages(content);
        for page in [0, MAX_SLOTS, 0, MAX_SLOTS + 2, 2] {
            let mut byte = [0];
            pages.read(ByteOffset(page * PAGE_BYTES + 9), &mut byte).unwrap();
            assert_eq!(byte[0], page as u8);
        }
    }

    #[test]
    fn bit_runs_are_those_of_looking_at_every_bit() {
        let mut content = vec![0; 3000];
        // Runs of all lengths, at all positions of a byte and across the pieces.
        let (mut position, mut length) = (0, 1);
        while position + length < content.len() * 8 {
            if length % 2 == 1 {
                (position..position + length).for_each(|bit| content[bit / 8] |= 1 << (bit % 8));
            }
            position += length;
            length += 1 + length / 3;
        }
        let reversed: Vec<u8> = content.iter().map(|byte: &u8| byte.reverse_bits()).collect();
        let bit = |index: u64| content[index as usize / 8] >> (index % 8) & 1 == 1;
        let total = content.len() as u64 * 8;
        for (order, stored) in [(BitOrder::LowFirst, &content), (BitOrder::HighFirst, &reversed)] {
            let pages = pages([vec![0xA5; 77], stored.clone()].concat());
            for first in (0..total).step_by(3) {
                for limit in [1, 2, 7, 8, 9, 65, 5000, 20_000] {
                    let limit = limit.min(total - first);
                    let run = pages.bit_run(ByteOffset(77), first, limit, order).unwrap();
                    let more = (first..first + limit).take_while(|index| bit(*index) == bit(first)).count();
                    assert_eq!(run, BitRun { set: bit(first), bits: more as u64 }, "{first} {limit}");
                }
            }
            let error = pages.bit_run(ByteOffset(77), total - 1, 2, order).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidDisk);
        }
    }
}
