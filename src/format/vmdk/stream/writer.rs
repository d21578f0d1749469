//! Writing a stream: grains are appended in the order of the disk.
//!
//! Sectors come in ascending order, each at most once, so whatever has been compressed is final. A grain that is not
//! complete waits in memory for the rest; grains of zeros are left out. A request is all or nothing: what it does
//! counts once everything it stores is in the file.
//!
//! What a crash leaves behind:
//! * A stream that had no grain becomes `kdmv` before its first grain is written, which no reader takes for a disk,
//!   and gets its true name back when everything is durable.
//! * A stream that had grains keeps its directory and tables. Its header names that directory as long as new grains
//!   are written behind it, and looks for the footer again when the new one is durable. So it is the old disk or the
//!   new one.

use std::borrow::Cow;
use std::sync::{MutexGuard, PoisonError};

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::extent::StreamExtent;
use super::layout::{finished_header, write_trailer};
use super::marker::{GRAIN_MARKER_BYTES, GrainMarker, Marker, TABLE};
use crate::error::{Error, Kind, Result};
use crate::format::cores;
use crate::format::vmdk::grains::tables::UNALLOCATED;
use crate::format::zeros::is_zero;
use crate::io::zlib::Encoder;
use crate::io::{ByteOffset, SECTOR_SIZE};

/// Most bytes of grains that are compressed before the result is written.
const BATCH_BYTES: usize = 4 << 20;

/// A grain of which only the first part has been written.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its number.
    pub grain: u64,
    /// That part.
    data: Vec<u8>,
}

impl Pending {
    /// A grain in which `data` is written at byte `from`.
    fn new(grain: u64, from: usize, data: &[u8]) -> Self {
        let mut pending = Self { grain, data: Vec::with_capacity(from + data.len()) };
        pending.extend(from, data);
        pending
    }

    /// Adds data at byte `from`, which is not before the end so far.
    fn extend(&mut self, from: usize, data: &[u8]) {
        self.data.resize(from, 0);
        self.data.extend_from_slice(data);
    }

    /// Fills a buffer with the content from byte `from` on; what has not been written is zeros.
    pub fn copy(&self, from: usize, output: &mut [u8]) {
        let content = self.data.get(from..).unwrap_or_default();
        let (written, rest) = output.split_at_mut(content.len().min(output.len()));
        written.copy_from_slice(&content[..written.len()]);
        rest.fill(0);
    }
}

/// How far writing has come.
#[derive(Debug, Default)]
pub struct Writer {
    pub(super) stage: Stage,
    /// Byte at which the next grain or table goes; that of a sector.
    pub(super) end: u64,
    /// Sectors before the first grain.
    pub(super) overhead: u64,
    /// The first sector that may be written.
    pub(super) frontier: u64,
    /// The table of the last grain, which is not in the file yet.
    table: Option<Table>,
    /// Something was written since the last flush.
    dirty: bool,
}

/// Where a stream is in its life.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody has looked for its last grain.
    #[default]
    Unknown,
    /// It can be written; whether it has grains already.
    Found { grains: bool },
    /// Its header says that it is being written.
    Begun,
    /// It was ended.
    Ended,
}

/// A grain table.
#[derive(Debug, Clone)]
struct Table {
    index: u32,
    entries: Vec<u32>,
}

/// A grain that is complete, or as much of it as the extent has.
type Complete<'a> = (u64, Cow<'a, [u8]>);

/// What a request adds to the file.
struct Addition {
    end: u64,
    table: Option<Table>,
    /// Tables that are full, and their sectors.
    placed: Vec<(Table, u32)>,
}

impl StreamExtent {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The grain that is written in part.
    pub(super) fn pending_grain(&self) -> Option<u64> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|pending| pending.grain)
    }

    fn set_pending(&self, pending: Option<Pending>) {
        *self.pending.write().unwrap_or_else(PoisonError::into_inner) = pending;
    }

    /// Whether the next write may begin at a sector.
    pub(super) fn check_next(&self, sector: u64) -> Result<()> {
        self.check_place(&mut self.writer(), sector)
    }

    fn check_place(&self, writer: &mut Writer, sector: u64) -> Result<()> {
        self.look_for_end(writer)?;
        if writer.stage == Stage::Ended {
            let text = format!("the stream '{}' has been ended", self.storage.name());
            return Err(Error::new(Kind::NotSupported, text));
        }
        if sector < writer.frontier {
            let text = format!(
                "'{}' is a stream, which is written from front to end: sector {sector} has been passed, the next \
                 write can be at sector {} or behind it",
                self.storage.name(),
                writer.frontier
            );
            return Err(Error::new(Kind::NotSupported, text));
        }
        Ok(())
    }

    /// Writes sectors behind all that were written before.
    pub(super) fn append(&self, sector: u64, data: &[u8]) -> Result<()> {
        let mut writer = self.writer();
        self.check_place(&mut writer, sector)?;
        self.begin(&mut writer)?;
        if !self.extend_pending(sector, data) {
            let (complete, pending) = self.divide(sector, data);
            self.store(&mut writer, &complete)?;
            self.set_pending(pending);
        }
        writer.frontier = sector + data.len() as u64 / SECTOR_SIZE;
        Ok(())
    }

    /// Adds data to the grain that is written in part; false when that would complete it or is not possible.
    fn extend_pending(&self, sector: u64, data: &[u8]) -> bool {
        let (grain, from) = self.grain_and_byte(sector);
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *pending {
            Some(pending) if pending.grain == grain && from + data.len() < self.records.used_bytes(grain) => {
                pending.extend(from, data);
                true
            }
            _ => false,
        }
    }

    fn grain_and_byte(&self, sector: u64) -> (u64, usize) {
        let grain_size = self.header.grain_size;
        (sector / grain_size, ((sector % grain_size) * SECTOR_SIZE) as usize)
    }

    /// Divides the grain that is written in part and new data behind it into complete grains and the next one that
    /// is written in part.
    fn divide<'a>(&self, sector: u64, data: &'a [u8]) -> (Vec<Complete<'a>>, Option<Pending>) {
        let mut complete: Vec<Complete<'a>> = Vec::new();
        let mut pending = self.pending.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut sector, mut rest) = (sector, data);
        while !rest.is_empty() {
            let (grain, from) = self.grain_and_byte(sector);
            let used = self.records.used_bytes(grain);
            let (piece, after) = rest.split_at(rest.len().min(used.saturating_sub(from)));
            let same = pending.take_if(|pending| pending.grain == grain);
            // The grain before this one gets no more data.
            complete.extend(pending.take().map(|pending| (pending.grain, Cow::Owned(pending.data))));
            if piece.len() == used {
                complete.push((grain, Cow::Borrowed(piece)));
            } else {
                let mut next = same.unwrap_or_else(|| Pending::new(grain, from, &[]));
                next.extend(from, piece);
                match next.data.len() == used {
                    true => complete.push((grain, Cow::Owned(next.data))),
                    false => pending = Some(next),
                }
            }
            sector += piece.len() as u64 / SECTOR_SIZE;
            rest = after;
        }
        (complete, pending)
    }

    /// Compresses complete grains and writes them behind the others.
    fn store(&self, writer: &mut Writer, complete: &[Complete<'_>]) -> Result<()> {
        if complete.is_empty() {
            return Ok(());
        }
        let mut addition = Addition { end: writer.end, table: writer.table.clone(), placed: Vec::new() };
        for batch in complete.chunks((BATCH_BYTES / self.grain_bytes()).max(1)) {
            let records = self.compress(batch)?;
            let mut bytes = Vec::with_capacity(records.iter().map(Vec::len).sum());
            for ((grain, _), record) in batch.iter().zip(records) {
                if !record.is_empty() {
                    self.enter(&mut addition, &mut bytes, *grain)?;
                    bytes.extend_from_slice(&record);
                }
            }
            if !bytes.is_empty() {
                writer.dirty = true;
                self.storage.write_all_at(&bytes, ByteOffset(addition.end))?;
                addition.end += bytes.len() as u64;
            }
        }
        self.accept(writer, addition)?;
        Ok(())
    }

    /// Compresses grains, on several processors when they are many, each into what stands in the file; a grain of
    /// zeros becomes nothing.
    fn compress(&self, batch: &[Complete<'_>]) -> Result<Vec<Vec<u8>>> {
        let mut records = vec![Vec::new(); batch.len()];
        let jobs = batch.iter().zip(&mut records).filter(|((_, data), _)| !is_zero(data)).collect();
        cores::share(jobs, |encoder: &mut Encoder, ((grain, data), record)| {
            let mut padded = Vec::new();
            let content = if data.len() < self.grain_bytes() {
                padded.resize(self.grain_bytes(), 0);
                padded[..data.len()].copy_from_slice(data);
                &padded
            } else {
                &**data
            };
            record.resize(GRAIN_MARKER_BYTES, 0);
            encoder.encode(content, record)?;
            let marker = GrainMarker {
                sector: (grain * self.header.grain_size).into(),
                bytes: ((record.len() - GRAIN_MARKER_BYTES) as u32).into(),
            };
            record[..GRAIN_MARKER_BYTES].copy_from_slice(marker.as_bytes());
            pad(record);
            Ok(())
        })?;
        Ok(records)
    }

    /// Notes that a grain will stand behind `bytes`, which go to the end of `addition`. The first grain of another
    /// table puts the one before into `bytes`.
    fn enter(&self, addition: &mut Addition, bytes: &mut Vec<u8>, grain: u64) -> Result<()> {
        let (index, within) = self.place(grain);
        if addition.table.as_ref().is_some_and(|table| table.index != index) {
            self.place_table(addition, bytes)?;
        }
        let sector = self.next_sector(addition, bytes)?;
        let table = match &mut addition.table {
            Some(table) => table,
            none => none.insert(self.load(index)?),
        };
        // `place` and `load` agree about how long a table is.
        if let Some(entry) = table.entries.get_mut(within) {
            *entry = sector;
        }
        Ok(())
    }

    /// The entries of a table as they are now.
    fn load(&self, index: u32) -> Result<Table> {
        let entries = self.tables.with(index, |entries| match entries {
            Some(entries) => entries.to_vec(),
            None => vec![UNALLOCATED; self.header.entries_per_table as usize],
        })?;
        Ok(Table { index, entries })
    }

    /// Puts the table that is being filled, and its marker, behind `bytes`.
    fn place_table(&self, addition: &mut Addition, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(table) = addition.table.take() else { return Ok(()) };
        bytes.extend_from_slice(Marker::new(TABLE, self.header.table_sectors()).as_bytes());
        let sector = self.next_sector(addition, bytes)?;
        let entries: Vec<U32> = table.entries.iter().map(|entry| U32::new(*entry)).collect();
        bytes.extend_from_slice(entries.as_bytes());
        pad(bytes);
        addition.placed.push((table, sector));
        Ok(())
    }

    /// The sector behind `bytes`, if a table can name it.
    fn next_sector(&self, addition: &Addition, bytes: &[u8]) -> Result<u32> {
        u32::try_from((addition.end + bytes.len() as u64) / SECTOR_SIZE).map_err(|_| {
            let text =
                format!("'{}' has reached 2 TiB, the most that its tables can address", self.storage.name());
            Error::new(Kind::FileTooBig, text)
        })
    }

    /// Makes an addition, which is in the file as a whole, visible.
    fn accept(&self, writer: &mut Writer, addition: Addition) -> Result<()> {
        for (table, sector) in addition.placed {
            self.tables.put(table.index, &table.entries)?;
            self.tables.put_at(table.index, sector)?;
        }
        if let Some(table) = &addition.table {
            self.tables.put(table.index, &table.entries)?;
        }
        writer.table = addition.table;
        writer.end = addition.end;
        Ok(())
    }

    /// Makes complete grains durable.
    pub(super) fn sync_grains(&self) -> Result<()> {
        let mut writer = self.writer();
        if writer.dirty {
            self.storage.sync()?;
            writer.dirty = false;
        }
        Ok(())
    }

    /// Lets nobody write while `act` runs, and leaves alone what it adds to the file.
    pub(super) fn hold_end(&self, act: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let mut writer = self.writer();
        let before = self.storage.length()?;
        let done = act();
        let after = self.storage.length()?;
        if after > before {
            writer.end = writer.end.max(after.next_multiple_of(SECTOR_SIZE));
        }
        done
    }

    /// Writes what makes the file a stream, durably: the last grain, its table, the directory and the footer.
    pub(super) fn end_stream(&self) -> Result<()> {
        let mut writer = self.writer();
        if writer.stage != Stage::Begun {
            return Ok(());
        }
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner).clone();
        let last: Vec<Complete<'_>> =
            pending.into_iter().map(|pending| (pending.grain, Cow::Owned(pending.data))).collect();
        self.store(&mut writer, &last)?;
        self.set_pending(None);
        let mut addition = Addition { end: writer.end, table: writer.table.clone(), placed: Vec::new() };
        let mut bytes = Vec::new();
        self.place_table(&mut addition, &mut bytes)?;
        self.storage.write_all_at(&bytes, ByteOffset(addition.end))?;
        addition.end += bytes.len() as u64;
        self.accept(&mut writer, addition)?;
        let finished = finished_header(&self.named_directory()?, writer.overhead);
        let sectors = |index| self.tables.sector(index);
        let length = write_trailer(&*self.storage, &finished, &self.header, writer.end, Some(&sectors))?;
        self.storage.set_len(length)?;
        self.storage.sync()?;
        self.storage.write_all_at(finished.as_bytes(), ByteOffset(0))?;
        self.storage.sync()?;
        writer.stage = Stage::Ended;
        writer.dirty = false;
        Ok(())
    }
}

/// Adds zeros up to the end of the sector.
fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(SECTOR_SIZE as usize), 0);
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
