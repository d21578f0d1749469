//! Grains as they stand in the file: a marker, compressed data, zeros up to the end of the sector.

use std::sync::Arc;

use zerocopy::FromBytes;

use super::marker::{GRAIN_MARKER_BYTES, GrainMarker};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::io::zlib::Decoder;
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Most bytes of compressed data above two grains; writers that do not compress need a little more than one.
const SLACK: u64 = 512;

/// A grain that exists, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located {
    /// Its number.
    pub(super) grain: u64,
    /// Sector of its marker.
    pub(super) entry: u32,
    /// Sector of the marker of the next grain of its table, 0 for none: the end of this one, if both are neighbours.
    pub(super) next: u32,
}

/// What each thread that decodes has for itself.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) decoder: Decoder,
    /// Compressed grains, as they stand in the file.
    pub(super) bytes: Vec<u8>,
    /// One that did not end where the next begins.
    pub(super) lone: Vec<u8>,
}

/// The grains of a file. A copy can go to another thread.
#[derive(Debug, Clone)]
pub(super) struct Records {
    /// The file.
    pub(super) storage: Arc<dyn Storage>,
    /// Sectors of a grain.
    pub(super) grain_size: u64,
    /// Sectors of the extent.
    pub(super) sectors: u64,
}

impl Records {
    /// Bytes of a grain.
    pub(super) fn grain_bytes(&self) -> usize {
        (self.grain_size * SECTOR_SIZE) as usize
    }

    /// Bytes of a grain that are inside the extent: all, but for the last one.
    pub(super) fn used_bytes(&self, grain: u64) -> usize {
        let left = self.sectors.saturating_sub(grain.saturating_mul(self.grain_size));
        (left.min(self.grain_size) * SECTOR_SIZE) as usize
    }

    /// Most bytes of a grain in the file, its marker included.
    pub(super) fn most_bytes(&self) -> u64 {
        2 * self.grain_bytes() as u64 + SLACK
    }

    /// Whether the next grain stands where this one can end.
    pub(super) fn ends_at_next(&self, at: Located) -> bool {
        at.next > at.entry && u64::from(at.next - at.entry) * SECTOR_SIZE <= self.most_bytes()
    }

    /// Decodes a grain of a file of `length` bytes into the start of `output`, which has room for a whole one.
    ///
    /// # Errors
    /// `InvalidDisk`, those of storage.
    pub(super) fn decode(
        &self,
        scratch: &mut Scratch,
        at: Located,
        length: u64,
        output: &mut [u8],
    ) -> Result<()> {
        let Scratch { decoder, bytes, lone } = scratch;
        self.read(bytes, at, at, length)?;
        self.decode_record(decoder, (bytes, lone), at, length, output).context(|| self.describe(at))
    }

    /// Reads the grains from `first` to `last`, which stand one behind the other, and returns the byte at which they
    /// start.
    ///
    /// # Errors
    /// `InvalidDisk`, those of storage.
    pub(super) fn read(
        &self,
        bytes: &mut Vec<u8>,
        first: Located,
        last: Located,
        length: u64,
    ) -> Result<u64> {
        let start = u64::from(first.entry) * SECTOR_SIZE;
        let end = if self.ends_at_next(last) {
            (u64::from(last.next) * SECTOR_SIZE).min(length)
        } else {
            self.record_end(last, length).context(|| self.describe(last))?
        };
        if start.saturating_add(GRAIN_MARKER_BYTES as u64) > end {
            return Err(past_the_end(length).context(self.describe(first)));
        }
        bytes.resize((end - start) as usize, 0);
        self.storage.read_exact_at(bytes, ByteOffset(start))?;
        Ok(start)
    }

    /// The byte behind a grain, as its marker says.
    fn record_end(&self, at: Located, length: u64) -> Result<u64> {
        let start = u64::from(at.entry) * SECTOR_SIZE;
        let marker = self.read_marker(start, length)?;
        let data = self.checked_size(&marker, at.grain)?;
        let end = start + (GRAIN_MARKER_BYTES + data) as u64;
        if end > length {
            return Err(past_the_end(length));
        }
        Ok(end)
    }

    /// The marker of a grain at byte `start`.
    ///
    /// # Errors
    /// `InvalidDisk` past the end of the file, those of storage.
    pub(super) fn read_marker(&self, start: u64, length: u64) -> Result<GrainMarker> {
        let mut marker = [0; GRAIN_MARKER_BYTES];
        if start + marker.len() as u64 > length {
            return Err(past_the_end(length));
        }
        self.storage.read_exact_at(&mut marker, ByteOffset(start))?;
        Ok(zerocopy::transmute!(marker))
    }

    /// Bytes of the data behind the marker of a grain.
    ///
    /// # Errors
    /// `InvalidDisk` for a marker that is none of this grain.
    pub(super) fn checked_size(&self, marker: &GrainMarker, grain: u64) -> Result<usize> {
        let (sector, bytes) = (marker.sector.get(), u64::from(marker.bytes.get()));
        if sector != grain.saturating_mul(self.grain_size) || bytes == 0 {
            let text = format!("its marker is one of {bytes} bytes for sector {sector} of the disk");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        if bytes > self.most_bytes() - GRAIN_MARKER_BYTES as u64 {
            let text = format!("{bytes} bytes of compressed data are too many");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(bytes as usize)
    }

    /// Decodes the grain at the start of `record`, which may have been cut too short; it is read into `lone` then.
    ///
    /// # Errors
    /// `InvalidDisk`, those of storage.
    pub(super) fn decode_record(
        &self,
        decoder: &mut Decoder,
        (record, lone): (&[u8], &mut Vec<u8>),
        at: Located,
        length: u64,
        output: &mut [u8],
    ) -> Result<()> {
        let Ok((marker, data)) = GrainMarker::read_from_prefix(record) else {
            return Err(past_the_end(length));
        };
        let bytes = self.checked_size(&marker, at.grain)?;
        let decoded = match data.get(..bytes) {
            Some(data) => decoder.decode(data, output)?,
            // The next grain begins before this one ends, which only a strange writer does.
            None => {
                let start = u64::from(at.entry) * SECTOR_SIZE + GRAIN_MARKER_BYTES as u64;
                if start + bytes as u64 > length {
                    return Err(past_the_end(length));
                }
                lone.resize(bytes, 0);
                self.storage.read_exact_at(lone, ByteOffset(start))?;
                decoder.decode(lone, output)?
            }
        };
        self.check_length(decoded, at.grain)
    }

    /// Only the last grain may be shorter than the others, since some writers cut it at the capacity.
    fn check_length(&self, length: usize, grain: u64) -> Result<()> {
        let used = self.used_bytes(grain);
        if length < used {
            let text = format!("the compressed data holds {length} bytes, and {used} are needed");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(())
    }

    /// The place of a grain, for messages.
    pub(super) fn describe(&self, at: Located) -> String {
        format!("grain {} at sector {} of '{}'", at.grain, at.entry, self.storage.name())
    }
}

fn past_the_end(length: u64) -> Error {
    Error::new(Kind::InvalidDisk, format!("it lies past the end of the file, which has {length} bytes"))
}
