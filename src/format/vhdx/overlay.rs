//! A file with changes that are laid over it in memory.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::sync::Arc;

use super::invalid;
use crate::error::{Error, Kind, Result};
use crate::io::{ByteOffset, Lock, Region, Storage};

/// Bytes of the pieces in which a log holds data; all changes stand at multiples of it.
pub const PIECE: u64 = 4096;

/// Most pieces of an overlay: what a log of the largest size holds, and many more ranges of zeros than any writer
/// makes.
const MAX_PIECES: usize = 1 << 16;

/// What a changed range reads as.
#[derive(Debug)]
enum Content {
    /// [`PIECE`] bytes.
    Data(Box<[u8]>),
    /// Zeros, any number of pieces.
    Zeros,
}

/// A changed range of the file, by its first byte in the map.
#[derive(Debug)]
struct Change {
    /// The byte behind the last one.
    end: u64,
    content: Content,
}

/// A file with changes over it. It takes no writes.
#[derive(Debug)]
pub struct Overlay {
    below: Arc<dyn Storage>,
    below_length: u64,
    length: u64,
    /// Ranges that do not overlap.
    changes: BTreeMap<u64, Change>,
}

impl Overlay {
    /// A file without changes.
    ///
    /// # Errors
    /// Those of storage.
    pub fn new(below: Arc<dyn Storage>) -> Result<Self> {
        let length = below.length()?;
        Ok(Self { below, below_length: length, length, changes: BTreeMap::new() })
    }

    /// The file reaches to `length` at least; what that adds are zeros.
    pub fn extend(&mut self, length: u64) {
        self.length = self.length.max(length);
    }

    /// Changes the [`PIECE`] bytes at `offset`.
    ///
    /// # Errors
    /// `InvalidDisk` for an offset that is no multiple of [`PIECE`], and for too many changes.
    pub fn set(&mut self, offset: u64, data: Box<[u8]>) -> Result<()> {
        self.put(offset, PIECE, Content::Data(data))
    }

    /// Changes the `bytes` bytes at `offset` to zeros.
    ///
    /// # Errors
    /// `InvalidDisk` for numbers that are no multiples of [`PIECE`], and for too many changes.
    pub fn set_zeros(&mut self, offset: u64, bytes: u64) -> Result<()> {
        if bytes == 0 { Ok(()) } else { self.put(offset, bytes, Content::Zeros) }
    }

    fn put(&mut self, start: u64, bytes: u64, content: Content) -> Result<()> {
        let end = start.checked_add(bytes).filter(|end| *end <= i64::MAX as u64);
        let (Some(end), true) = (end, start % PIECE == 0 && bytes % PIECE == 0) else {
            return Err(invalid(format!("a change of {bytes} bytes at byte {start} is not in whole pieces")));
        };
        if self.changes.len() >= MAX_PIECES {
            return Err(invalid(format!("more than {MAX_PIECES} changes")));
        }
        self.clear(start, end);
        self.changes.insert(start, Change { end, content });
        self.extend(end);
        Ok(())
    }

    /// Forgets the changes in a range. Only zeros can reach out of it, since data has the size of a piece.
    fn clear(&mut self, start: u64, end: u64) {
        let before = self.changes.range_mut(..start).next_back().filter(|(_, change)| change.end > start);
        if let Some((_, change)) = before {
            let old_end = std::mem::replace(&mut change.end, start);
            if old_end > end {
                self.changes.insert(end, Change { end: old_end, content: Content::Zeros });
            }
        }
        while let Some((&inside, _)) = self.changes.range(start..end).next() {
            let old_end = self.changes.remove(&inside).map_or(end, |change| change.end);
            if old_end > end {
                self.changes.insert(end, Change { end: old_end, content: Content::Zeros });
            }
        }
    }

    /// The change at a position or else the next one before `end`: where it begins, and the change.
    fn next_change(&self, position: u64, end: u64) -> Option<(u64, &Change)> {
        let at = self.changes.range(..=position).next_back().filter(|(_, change)| change.end > position);
        at.or_else(|| self.changes.range(position..end).next()).map(|(start, change)| (*start, change))
    }

    /// Whether a range is as it stands in the file below.
    fn is_unchanged(&self, start: u64, bytes: u64) -> bool {
        let end = start.saturating_add(bytes);
        end <= self.below_length && self.next_change(start, end).is_none()
    }

    /// Fills a buffer from the changes and from below.
    fn fill(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let end = start.saturating_add(buffer.len() as u64);
        if end > self.length {
            return Err(Error::new(Kind::Io, format!("'{}' ends too early", self.below.name())));
        }
        let (mut position, mut rest) = (start, buffer);
        while position < end {
            let change = self.next_change(position, end);
            let stop = match change {
                Some((start, change)) if start <= position => change.end,
                Some((start, _)) => start,
                None => end,
            };
            let (piece, after) = rest.split_at_mut((stop.min(end) - position) as usize);
            match change {
                Some((start, Change { content, .. })) if start <= position => {
                    content.copy(position - start, piece)?;
                }
                _ => self.fill_from_below(position, piece)?,
            }
            position += piece.len() as u64;
            rest = after;
        }
        Ok(())
    }

    fn fill_from_below(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        let there = self.below_length.saturating_sub(position).min(buffer.len() as u64);
        let (below, added) = buffer.split_at_mut(there as usize);
        added.fill(0);
        if below.is_empty() { Ok(()) } else { self.below.read_exact_at(below, ByteOffset(position)) }
    }
}

impl Content {
    /// Copies from byte `within` of the range on.
    fn copy(&self, within: u64, into: &mut [u8]) -> Result<()> {
        match self {
            Self::Zeros => into.fill(0),
            Self::Data(data) => {
                let start = within as usize;
                let from = data.get(start..start + into.len());
                into.copy_from_slice(
                    from.ok_or_else(|| Error::new(Kind::Internal, "a short piece of a log"))?,
                );
            }
        }
        Ok(())
    }
}

impl Storage for Overlay {
    fn read_vectored_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<()> {
        let bytes = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        if self.is_unchanged(offset.0, bytes) {
            return self.below.read_vectored_at(buffers, offset);
        }
        let mut position = offset.0;
        for buffer in buffers {
            self.fill(position, buffer)?;
            position += buffer.len() as u64;
        }
        Ok(())
    }

    fn read_cached_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<bool> {
        let bytes = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        if self.is_unchanged(offset.0, bytes) {
            self.below.read_cached_at(buffers, offset)
        } else {
            Ok(false)
        }
    }

    fn write_all_at(&self, _data: &[u8], _offset: ByteOffset) -> Result<()> {
        Err(self.read_only())
    }

    fn length(&self) -> Result<u64> {
        Ok(self.length)
    }

    fn set_len(&self, _length: u64) -> Result<()> {
        Err(self.read_only())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn region_at(&self, offset: ByteOffset) -> Result<Region> {
        // Holes of the file may be covered; nobody is wrong who takes all of it for data.
        Ok(Region::Data(ByteOffset(self.length.max(offset.0))))
    }

    fn lock(&self, lock: Lock) -> Result<()> {
        self.below.lock(lock)
    }

    fn name(&self) -> String {
        self.below.name()
    }
}

impl Overlay {
    fn read_only(&self) -> Error {
        let text = format!("'{}' has a log that was replayed in memory, so it is only read", self.name());
        Error::new(Kind::ReadOnly, text)
    }
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
