//! Decoding grains: whole ones straight into the reader's buffer, parts of one by way of a small cache.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ahead::Found;
use super::extent::StreamExtent;
use super::records::{Located, Scratch};
use crate::error::{Result, ResultExt};
use crate::format::cores;
use crate::format::extent::CompressedGrains;
use crate::format::vmdk::grains::tables::ZERO_GRAIN;
use crate::io::SECTOR_SIZE;

/// Most bytes of compressed data that are read at once, unless one grain has more.
const READ_BYTES: u64 = 512 << 10;

/// Most grains that one thread takes at a time.
const MOST_GRAINS: usize = 16;

/// Most tables that are looked through at a time for grains that will be read soon.
const TABLES_AHEAD: u64 = 8;

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
    at: Located,
    /// First byte of the grain that is wanted.
    from: usize,
    output: &'b mut [u8],
}

impl CompressedGrains for StreamExtent {
    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<()> {
        let ahead = self.note_read(sector, sector + buffer.len() as u64 / SECTOR_SIZE);
        let mut pieces = self.pieces(sector, buffer)?;
        pieces.retain_mut(|piece| !self.take_cached(piece));
        if pieces.is_empty() {
            return Ok(());
        }
        let length = self.storage.length()?;
        if ahead {
            return self.with_scratch(|scratch| self.decode_in_order(scratch, &mut pieces, length));
        }
        let mut jobs = self.jobs(&mut pieces);
        if jobs.len() < cores::FEWEST_SHARED {
            return self.with_scratch(|scratch| {
                jobs.iter_mut().try_for_each(|job| self.decode_job(scratch, job, length))
            });
        }
        cores::share(jobs, |scratch: &mut Scratch, job| self.decode_job(scratch, job, length))
    }
}

impl StreamExtent {
    /// Tells of a read, so that the grains behind it can be decoded meanwhile; whether they may have been.
    fn note_read(&self, start: u64, end: u64) -> bool {
        // What is being written changes.
        !self.is_writable()
            && self.ahead.note(
                (start, end),
                || self.storage.length().ok(),
                |from, most| self.grains_from(from, most),
            )
    }

    /// The grains with data from one on, at most so many, and the grain behind the last one that was looked at. What
    /// is wrong with a table shows when it is read.
    fn grains_from(&self, from: u64, most: usize) -> (u64, Vec<Located>) {
        let end = self.sectors.div_ceil(self.header.grain_size);
        let (mut grain, mut found) = (from, Vec::new());
        for _ in 0..TABLES_AHEAD {
            if grain >= end || found.len() >= most {
                break;
            }
            let (table, _) = self.place(grain);
            let looked = self.tables.with(table, |entries| {
                while grain < end && found.len() < most && self.place(grain).0 == table {
                    let (entry, next) =
                        entries.map_or((0, 0), |entries| look_up(entries, self.place(grain).1));
                    if entry > ZERO_GRAIN {
                        found.push(Located { grain, entry, next });
                    }
                    grain += 1;
                }
            });
            if looked.is_err() {
                break;
            }
        }
        (grain, found)
    }

    /// Lends what is needed to decode on the calling thread; it is made once, if calls do not come at once.
    fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let lent = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = lent().take().unwrap_or_default();
        let result = work(&mut scratch);
        *lent() = Some(scratch);
        result
    }

    /// Decodes pieces of a reader that reads in order, as far as that has not been done.
    fn decode_in_order(&self, scratch: &mut Scratch, pieces: &mut [Piece<'_>], length: u64) -> Result<()> {
        let mut others = Vec::new();
        for piece in pieces {
            match self.ahead.take(piece.at.grain) {
                Found::Done(content) => self.fill(piece, content),
                Found::Working => others.push(piece),
                Found::Nothing => self.decode_job(scratch, std::slice::from_mut(piece), length)?,
            }
        }
        for piece in others {
            match self.ahead.take_over(piece.at.grain) {
                Some(content) => self.fill(piece, content),
                None => self.decode_job(scratch, std::slice::from_mut(piece), length)?,
            }
        }
        Ok(())
    }

    /// Fills a piece from its decoded grain.
    fn fill(&self, piece: &mut Piece<'_>, content: Vec<u8>) {
        copy(&content, piece);
        if piece.output.len() == self.grain_bytes() {
            self.ahead.give_back(content);
        } else {
            self.cache.keep(piece.at.grain, content);
        }
    }

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
                        _ => pieces.push(Piece { at: Located { grain, entry, next }, from, output }),
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
        let Some(content) = self.cache.get(piece.at.grain) else { return false };
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
            let start = first.at.entry;
            let mut count = 1;
            while let [last, following, ..] = rest.get(count - 1..).unwrap_or_default() {
                let (last, following) = (last.at, following.at);
                let bytes = u64::from(following.entry.saturating_sub(start)) * SECTOR_SIZE
                    + self.records.most_bytes();
                let joined =
                    last.next == following.entry && self.records.ends_at_next(last) && bytes <= READ_BYTES;
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

    /// Reads and decodes grains that stand one behind the other in a file of `length` bytes.
    fn decode_job(&self, scratch: &mut Scratch, job: &mut [Piece<'_>], length: u64) -> Result<()> {
        let (Some(first), Some(last)) = (job.first(), job.last()) else { return Ok(()) };
        let Scratch { decoder, bytes, lone } = scratch;
        let start = self.records.read(bytes, first.at, last.at, length)?;
        for piece in job {
            let place = (u64::from(piece.at.entry) * SECTOR_SIZE - start) as usize;
            let record = (bytes.get(place..).unwrap_or_default(), &mut *lone);
            let whole = piece.output.len() == self.grain_bytes();
            if whole {
                self.records.decode_record(decoder, record, piece.at, length, piece.output)
            } else {
                let mut content = self.cache.room(self.grain_bytes());
                let decoded = self.records.decode_record(decoder, record, piece.at, length, &mut content);
                decoded.map(|()| {
                    copy(&content, piece);
                    self.cache.keep(piece.at.grain, content);
                })
            }
            .context(|| self.records.describe(piece.at))?;
        }
        Ok(())
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
