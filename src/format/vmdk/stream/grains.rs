//! Decoding grains: whole ones straight into the reader's buffer, parts of one by way of a small cache.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zerocopy::FromBytes;

use super::extent::StreamExtent;
use super::marker::{GRAIN_MARKER_BYTES, GrainMarker};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::cores;
use crate::format::extent::CompressedGrains;
use crate::format::vmdk::grains::tables::ZERO_GRAIN;
use crate::io::zlib::Decoder;
use crate::io::{ByteOffset, SECTOR_SIZE};

/// Most bytes of compressed data that are read at once, unless one grain has more.
const READ_BYTES: u64 = 512 << 10;

/// Most grains that one thread takes at a time.
const MOST_GRAINS: usize = 16;

/// Most bytes of compressed data above two grains; writers that do not compress need a little more than one.
const SLACK: u64 = 512;

/// Bytes of decoded grains that are kept, and the most grains.
const CACHE_BYTES: u64 = 4 << 20;
const CACHE_GRAINS: u64 = 64;

/// The last grains that were read in part: whoever reads in small pieces comes back for the rest.
#[derive(Debug)]
pub struct Cache {
    grains: Mutex<VecDeque<(u64, Arc<Vec<u8>>)>>,
    most: usize,
}

impl Cache {
    /// A cache for grains of `grain_bytes`.
    pub fn new(grain_bytes: u64) -> Self {
        let most = (CACHE_BYTES / grain_bytes.max(1)).clamp(1, CACHE_GRAINS) as usize;
        Self { grains: Mutex::default(), most }
    }

    fn grains(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<Vec<u8>>)>> {
        self.grains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A grain; it is then the last one to go.
    fn get(&self, grain: u64) -> Option<Arc<Vec<u8>>> {
        let mut grains = self.grains();
        let index = grains.iter().position(|(known, _)| *known == grain)?;
        let found = grains.remove(index)?;
        let content = Arc::clone(&found.1);
        grains.push_back(found);
        Some(content)
    }

    /// A buffer for a grain, from the one that goes.
    fn room(&self, bytes: usize) -> Vec<u8> {
        let mut grains = self.grains();
        let gone = if grains.len() >= self.most { grains.pop_front() } else { None };
        drop(grains);
        gone.and_then(|(_, content)| Arc::try_unwrap(content).ok()).unwrap_or_else(|| vec![0; bytes])
    }

    fn keep(&self, grain: u64, content: Vec<u8>) {
        let mut grains = self.grains();
        if grains.len() < self.most && grains.iter().all(|(known, _)| *known != grain) {
            grains.push_back((grain, Arc::new(content)));
        }
    }
}

/// A grain that exists and the part of it that is wanted.
#[derive(Debug)]
struct Piece<'b> {
    grain: u64,
    /// Sector of its marker.
    entry: u32,
    /// Sector of the marker of the next grain of its table, 0 for none: the end of this one, if both are neighbours.
    next: u32,
    /// First byte of the grain that is wanted.
    from: usize,
    output: &'b mut [u8],
}

/// What each thread that decodes has for itself.
#[derive(Debug, Default)]
struct Scratch {
    decoder: Decoder,
    /// Compressed grains, as they stand in the file.
    bytes: Vec<u8>,
    /// One that did not end where the next begins.
    lone: Vec<u8>,
}

impl CompressedGrains for StreamExtent {
    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<()> {
        let mut pieces = self.pieces(sector, buffer)?;
        pieces.retain_mut(|piece| !self.take_cached(piece));
        if pieces.is_empty() {
            return Ok(());
        }
        let length = self.storage.length()?;
        let jobs = self.jobs(&mut pieces);
        cores::share(jobs, |scratch: &mut Scratch, job| self.decode_job(scratch, job, length))
    }
}

impl StreamExtent {
    /// Looks up the grains of a range. Those without data are done at once.
    fn pieces<'b>(&self, sector: u64, buffer: &'b mut [u8]) -> Result<Vec<Piece<'b>>> {
        let mut pieces = Vec::with_capacity(buffer.len() / self.grain_bytes() + 2);
        let mut grain = sector / self.header.grain_size;
        let mut from = ((sector % self.header.grain_size) * SECTOR_SIZE) as usize;
        let mut rest = buffer;
        // Held until the tables have been looked at, so that a grain cannot slip from here into them unseen.
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        while !rest.is_empty() {
            let (table, _) = self.place(grain);
            self.tables.with(table, |entries| {
                while !rest.is_empty() && self.place(grain).0 == table {
                    let wanted = rest.len().min(self.grain_bytes() - from);
                    let (output, after) = std::mem::take(&mut rest).split_at_mut(wanted);
                    let (entry, next) =
                        entries.map_or((0, 0), |entries| look_up(entries, self.place(grain).1));
                    match &*pending {
                        Some(collected) if collected.grain == grain => collected.copy(from, output),
                        _ if entry <= ZERO_GRAIN => output.fill(0),
                        _ => pieces.push(Piece { grain, entry, next, from, output }),
                    }
                    (rest, grain, from) = (after, grain + 1, 0);
                }
            })?;
        }
        Ok(pieces)
    }

    /// Serves a part of a grain from the cache.
    fn take_cached(&self, piece: &mut Piece<'_>) -> bool {
        if piece.output.len() == self.grain_bytes() {
            return false;
        }
        let Some(content) = self.cache.get(piece.grain) else { return false };
        copy(&content, piece)
    }

    /// Divides pieces into jobs that can be done beside each other: neighbours in the file, to be read at once.
    fn jobs<'p, 'b>(&self, pieces: &'p mut [Piece<'b>]) -> Vec<&'p mut [Piece<'b>]> {
        // Two jobs for each thread even out grains that take longer than others.
        let most = (pieces.len() / (2 * cores::workers())).clamp(1, MOST_GRAINS);
        let most = if pieces.len() < cores::FEWEST_SHARED { MOST_GRAINS } else { most };
        let mut jobs = Vec::with_capacity(pieces.len() / most + 1);
        let mut rest = pieces;
        while let Some(first) = rest.first() {
            let start = first.entry;
            let mut count = 1;
            while let [last, following, ..] = rest.get(count - 1..).unwrap_or_default() {
                let bytes =
                    u64::from(following.entry.saturating_sub(start)) * SECTOR_SIZE + self.most_bytes();
                let joined = last.next == following.entry && self.ends_at_next(last) && bytes <= READ_BYTES;
                if !joined || count >= most {
                    break;
                }
                count += 1;
            }
            let (job, after) = std::mem::take(&mut rest).split_at_mut(count);
            jobs.push(job);
            rest = after;
        }
        jobs
    }

    /// Most bytes of a grain in the file, its marker included.
    fn most_bytes(&self) -> u64 {
        2 * self.grain_bytes() as u64 + SLACK
    }

    /// Whether the next grain stands where this one can end.
    fn ends_at_next(&self, piece: &Piece<'_>) -> bool {
        piece.next > piece.entry && u64::from(piece.next - piece.entry) * SECTOR_SIZE <= self.most_bytes()
    }

    /// Reads and decodes grains that stand one behind the other in a file of `length` bytes.
    fn decode_job(&self, scratch: &mut Scratch, job: &mut [Piece<'_>], length: u64) -> Result<()> {
        let (Some(first), Some(last)) = (job.first(), job.last()) else { return Ok(()) };
        let start = u64::from(first.entry) * SECTOR_SIZE;
        let end = if self.ends_at_next(last) {
            (u64::from(last.next) * SECTOR_SIZE).min(length)
        } else {
            self.record_end(last, length).context(|| self.describe(last))?
        };
        if start.saturating_add(GRAIN_MARKER_BYTES as u64) > end {
            return Err(past_the_end(length).context(self.describe(first)));
        }
        let Scratch { decoder, bytes, lone } = scratch;
        bytes.resize((end - start) as usize, 0);
        self.storage.read_exact_at(bytes, ByteOffset(start))?;
        for piece in job {
            let at = (u64::from(piece.entry) * SECTOR_SIZE - start) as usize;
            let record = bytes.get(at..).unwrap_or_default();
            self.decode_record(decoder, record, lone, length, piece).context(|| self.describe(piece))?;
        }
        Ok(())
    }

    /// The byte behind a grain, as its marker says.
    fn record_end(&self, piece: &Piece<'_>, length: u64) -> Result<u64> {
        let start = u64::from(piece.entry) * SECTOR_SIZE;
        let marker = self.read_marker(start, length)?;
        let data = self.checked_size(&marker, piece.grain)?;
        let end = start + (GRAIN_MARKER_BYTES + data) as u64;
        if end > length {
            return Err(past_the_end(length));
        }
        Ok(end)
    }

    /// The marker of a grain at byte `start`.
    pub(super) fn read_marker(&self, start: u64, length: u64) -> Result<GrainMarker> {
        let mut marker = [0; GRAIN_MARKER_BYTES];
        if start + marker.len() as u64 > length {
            return Err(past_the_end(length));
        }
        self.storage.read_exact_at(&mut marker, ByteOffset(start))?;
        Ok(zerocopy::transmute!(marker))
    }

    /// Bytes of the data behind the marker of a grain.
    pub(super) fn checked_size(&self, marker: &GrainMarker, grain: u64) -> Result<usize> {
        let (sector, bytes) = (marker.sector.get(), u64::from(marker.bytes.get()));
        if sector != grain.saturating_mul(self.header.grain_size) || bytes == 0 {
            let text = format!("its marker is one of {bytes} bytes for sector {sector} of the disk");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        if bytes > self.most_bytes() - GRAIN_MARKER_BYTES as u64 {
            let text = format!("{bytes} bytes of compressed data are too many");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(bytes as usize)
    }

    /// Decodes the grain at the start of `record`, which may have been cut too short.
    fn decode_record(
        &self,
        decoder: &mut Decoder,
        record: &[u8],
        lone: &mut Vec<u8>,
        length: u64,
        piece: &mut Piece<'_>,
    ) -> Result<()> {
        let Ok((marker, data)) = GrainMarker::read_from_prefix(record) else {
            return Err(past_the_end(length));
        };
        let bytes = self.checked_size(&marker, piece.grain)?;
        if let Some(data) = data.get(..bytes) {
            return self.decode(decoder, data, piece);
        }
        // The next grain begins before this one ends, which only a strange writer does.
        let start = u64::from(piece.entry) * SECTOR_SIZE + GRAIN_MARKER_BYTES as u64;
        if start + bytes as u64 > length {
            return Err(past_the_end(length));
        }
        lone.resize(bytes, 0);
        self.storage.read_exact_at(lone, ByteOffset(start))?;
        self.decode(decoder, lone, piece)
    }

    /// Decodes a grain from its compressed data.
    fn decode(&self, decoder: &mut Decoder, data: &[u8], piece: &mut Piece<'_>) -> Result<()> {
        if piece.output.len() == self.grain_bytes() {
            let length = decoder.decode(data, piece.output)?;
            return self.check_length(length, piece.grain);
        }
        let mut content = self.cache.room(self.grain_bytes());
        let length = decoder.decode(data, &mut content)?;
        self.check_length(length, piece.grain)?;
        copy(&content, piece);
        self.cache.keep(piece.grain, content);
        Ok(())
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

    fn describe(&self, piece: &Piece<'_>) -> String {
        format!("grain {} at sector {} of '{}'", piece.grain, piece.entry, self.storage.name())
    }
}

/// An entry of a table and the next one that names a grain, 0 for none.
fn look_up(entries: &[u32], index: usize) -> (u32, u32) {
    let mut rest = entries.iter().skip(index).copied();
    let entry = rest.next().unwrap_or(0);
    (entry, rest.find(|next| *next > ZERO_GRAIN).unwrap_or(0))
}

/// Copies what is wanted of a decoded grain.
fn copy(content: &[u8], piece: &mut Piece<'_>) -> bool {
    let wanted = content.get(piece.from..).and_then(|content| content.get(..piece.output.len()));
    wanted.inspect(|wanted| piece.output.copy_from_slice(wanted)).is_some()
}

fn past_the_end(length: u64) -> Error {
    Error::new(Kind::InvalidDisk, format!("it lies past the end of the file, which has {length} bytes"))
}
