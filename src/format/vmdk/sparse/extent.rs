//! The resolver of a hosted sparse extent, and writing to it.
//!
//! What keeps a crash harmless:
//! * A new grain goes to space that no table names. Its data is written first; its table entry is changed in
//!   memory only, where reads see it at once.
//! * [`SparseExtent::flush`] makes data durable, then writes the tables, then makes those durable. A process that
//!   dies in between leaves tables that name either nothing or durable data.
//! * Space past the last grain is always a hole, so the rest of a grain that is written in part reads as zeros.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::header::{Header, UNCLEAN_OFFSET};
use super::tables::{Tables, UNALLOCATED, ZERO_GRAIN};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Below, Extent, Run, Source};
use crate::format::zeros::is_zero;
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Changed tables that are kept in memory before they are written: 2 MiB of tables, 32 GiB of new grains.
const MAX_EDITED_TABLES: usize = 1024;

/// The file is extended in steps of this many bytes when a grain is written in part; the rest is cut off again.
const EXTEND_STEP: u64 = 1 << 20;

/// Most bytes that are copied from below at a time.
const COPY_BYTES: u64 = 1 << 20;

/// A hosted sparse extent.
#[derive(Debug)]
pub struct SparseExtent {
    storage: Arc<dyn Storage>,
    header: Header,
    /// Sectors of the extent, as its line in the descriptor says.
    sectors: u64,
    writable: bool,
    tables: Tables,
    writer: Mutex<Writer>,
    /// Byte behind the last grain that may exist; [`Writer::next_grain`] for those without the lock.
    grains_end: AtomicU64,
    /// The header says that writing is under way.
    marked: AtomicBool,
    /// Something was written since the last flush. Set only after a write, so that no flush can miss one.
    dirty: AtomicBool,
}

/// What only the one who allocates touches.
#[derive(Debug)]
struct Writer {
    /// Byte at which the next grain goes.
    next_grain: u64,
    /// Length of the file.
    length: u64,
}

/// A step of a walk through the tables: grains with one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    grains: u64,
    /// The first table entry.
    entry: u32,
}

impl SparseExtent {
    /// The extent behind a checked header; `sectors` of it are used.
    ///
    /// # Errors
    /// `InvalidDisk` when that is more than the header has, those of storage.
    pub fn new(storage: Arc<dyn Storage>, header: Header, sectors: u64, writable: bool) -> Result<Self> {
        if sectors > header.capacity {
            let text = format!(
                "the descriptor gives '{}' {sectors} sectors, its header only {}",
                storage.name(),
                header.capacity
            );
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        let length = storage.length()?;
        let grain_bytes = header.grain_size * SECTOR_SIZE;
        let next_grain = length
            .max(header.overhead * SECTOR_SIZE)
            .checked_next_multiple_of(grain_bytes)
            .ok_or_else(|| Error::new(Kind::InvalidDisk, format!("'{}' is too long", storage.name())))?;
        Ok(Self {
            tables: Tables::new(Arc::clone(&storage), header),
            writer: Mutex::new(Writer { next_grain, length }),
            grains_end: AtomicU64::new(next_grain),
            marked: AtomicBool::new(header.unclean),
            dirty: AtomicBool::new(false),
            storage,
            header,
            sectors,
            writable,
        })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grain_bytes(&self) -> u64 {
        self.header.grain_size * SECTOR_SIZE
    }

    /// The stretch of grains that starts at `grain`, at most `limit` long and within one table.
    fn stretch(&self, grain: u64, limit: u64) -> Result<Stretch> {
        let per_table = u64::from(self.header.entries_per_table);
        let (table, first) = ((grain / per_table) as u32, (grain % per_table) as usize);
        let last = (first as u64).saturating_add(limit).min(per_table) as usize;
        self.tables.with(table, |entries| match entries {
            None => Stretch { grains: (last - first) as u64, entry: UNALLOCATED },
            Some(entries) => {
                let entry = entries[first];
                let mut expected = u64::from(entry);
                let continues = |next: &&u32| {
                    // Grains of data go on when they follow each other in the file, the others when they are alike.
                    if entry > ZERO_GRAIN {
                        expected += self.header.grain_size;
                    }
                    u64::from(**next) == expected
                };
                let more = entries[first + 1..last].iter().take_while(continues).count();
                Stretch { grains: 1 + more as u64, entry }
            }
        })
    }

    /// Whether `next` goes on where `so_far` ends.
    fn joins(&self, so_far: Stretch, next: Stretch) -> bool {
        match so_far.entry {
            UNALLOCATED | ZERO_GRAIN => next.entry == so_far.entry,
            entry => u64::from(next.entry) == u64::from(entry) + so_far.grains * self.header.grain_size,
        }
    }

    /// The file's place of a sector within the stretch that starts at `grain`.
    fn place(&self, stretch: Stretch, grain: u64, sector: u64) -> ByteOffset {
        ByteOffset((u64::from(stretch.entry) + (sector - grain * self.header.grain_size)) * SECTOR_SIZE)
    }

    /// Overwrites grains that exist.
    fn overwrite(&self, place: ByteOffset, data: &[u8]) -> Result<()> {
        let end = place.0.saturating_add(data.len() as u64);
        if place.0 < self.header.overhead * SECTOR_SIZE || end > self.grains_end.load(Ordering::Acquire) {
            let text = format!(
                "a table of '{}' names sector {}, where no grain can be; the disk needs repair",
                self.storage.name(),
                place.0 / SECTOR_SIZE
            );
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        self.mark_unclean()?;
        self.storage.write_all_at(data, place)?;
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Notes in the header that writing is under way; two who do it at once do no harm.
    fn mark_unclean(&self) -> Result<()> {
        if !self.marked.load(Ordering::Acquire) {
            self.storage.write_all_at(&[1], ByteOffset(UNCLEAN_OFFSET))?;
            self.marked.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Writes at `sector` into a grain that does not exist, and on into those behind it that do not exist either;
    /// returns the bytes it took. 0 means that somebody else made the grain meanwhile.
    fn allocate(&self, sector: u64, data: &[u8], below: Option<&Below<'_>>) -> Result<usize> {
        let mut writer = self.writer();
        let grain = sector / self.header.grain_size;
        let last_sector = sector + data.len() as u64 / SECTOR_SIZE - 1;
        let stretch = self.stretch(grain, last_sector / self.header.grain_size - grain + 1)?;
        if stretch.entry > ZERO_GRAIN {
            return Ok(0);
        }
        // A grain of zeros hides what is below it.
        let below = below.filter(|_| stretch.entry == UNALLOCATED);
        let stretch_end = ((grain + stretch.grains) * self.header.grain_size - sector) * SECTOR_SIZE;
        let taken = data.len().min(usize::try_from(stretch_end).unwrap_or(usize::MAX));
        let pieces = self.pieces(sector, &data[..taken], below.is_none());
        for (start, piece) in pieces {
            self.allocate_piece(&mut writer, start, piece, below)?;
            self.dirty.store(true, Ordering::Release);
        }
        if self.tables.edited() >= MAX_EDITED_TABLES {
            self.commit(&mut writer)?;
        }
        Ok(taken)
    }

    /// Cuts data into pieces that need grains. Without anything below, zeros into a grain that does not exist
    /// change nothing, so such grains are left out and a sparse disk stays sparse.
    fn pieces<'a>(&self, sector: u64, data: &'a [u8], skip_zeros: bool) -> Vec<(u64, &'a [u8])> {
        if !skip_zeros {
            return vec![(sector, data)];
        }
        let mut pieces: Vec<(u64, &[u8])> = Vec::new();
        let mut start = 0;
        let mut position = sector;
        let mut open: Option<usize> = None;
        while start < data.len() {
            let in_grain = (self.header.grain_size - position % self.header.grain_size) * SECTOR_SIZE;
            let end = data.len().min(start.saturating_add(usize::try_from(in_grain).unwrap_or(usize::MAX)));
            let zeros = is_zero(&data[start..end]);
            match (zeros, open) {
                (false, None) => open = Some(start),
                (true, Some(from)) => {
                    pieces.push((sector + from as u64 / SECTOR_SIZE, &data[from..start]));
                    open = None;
                }
                _ => {}
            }
            position += (end - start) as u64 / SECTOR_SIZE;
            start = end;
        }
        if let Some(from) = open {
            pieces.push((sector + from as u64 / SECTOR_SIZE, &data[from..]));
        }
        pieces
    }

    /// Gives new grains to a piece of data, in one stretch of the file.
    fn allocate_piece(
        &self,
        writer: &mut Writer,
        sector: u64,
        data: &[u8],
        below: Option<&Below<'_>>,
    ) -> Result<()> {
        let grain_size = self.header.grain_size;
        let end_sector = sector + data.len() as u64 / SECTOR_SIZE;
        let (first, end) = (sector / grain_size, end_sector.div_ceil(grain_size));
        let start = writer.next_grain;
        let end_byte = start + (end - first) * self.grain_bytes();
        if (end_byte - 1) / SECTOR_SIZE > u64::from(u32::MAX) {
            let text =
                format!("'{}' has reached 2 TiB, the most that its tables can address", self.storage.name());
            return Err(Error::new(Kind::FileTooBig, text));
        }
        let per_table = u64::from(self.header.entries_per_table);
        for table in first / per_table..=(end - 1) / per_table {
            self.tables.check_present(table as u32)?;
        }
        self.mark_unclean()?;
        if let Err(error) = self.fill_grains(writer, first, sector, data, below, end_byte) {
            // What was written in part must not show up in the grain that goes there next.
            match self.storage.set_len(start.max(self.header.overhead * SECTOR_SIZE)) {
                Ok(()) => writer.length = start,
                Err(_) => writer.next_grain = end_byte,
            }
            return Err(error);
        }
        writer.next_grain = end_byte;
        self.grains_end.store(end_byte, Ordering::Release);
        self.publish(first, end, (start / SECTOR_SIZE) as u32)
    }

    /// Writes the data of new grains, `first` being the first of them, and what surrounds it in them.
    fn fill_grains(
        &self,
        writer: &mut Writer,
        first: u64,
        sector: u64,
        data: &[u8],
        below: Option<&Below<'_>>,
        end_byte: u64,
    ) -> Result<()> {
        let start = writer.next_grain;
        let first_sector = first * self.header.grain_size;
        let head = sector - first_sector;
        let data_place = start + head * SECTOR_SIZE;
        let data_end = data_place + data.len() as u64;
        if let Some(below) = below {
            // The last grain may reach past the end of the extent, where nothing is below.
            let tail_sectors = (end_byte - data_end) / SECTOR_SIZE;
            let tail_start = sector + data.len() as u64 / SECTOR_SIZE;
            let tail_sectors = tail_sectors.min(self.sectors - tail_start);
            self.copy_up(below, first_sector, head, start)?;
            self.copy_up(below, tail_start, tail_sectors, data_end)?;
        }
        self.storage.write_all_at(data, ByteOffset(data_place))?;
        writer.length = writer.length.max(data_end);
        if writer.length < end_byte {
            let length = end_byte.next_multiple_of(EXTEND_STEP);
            self.storage.set_len(length)?;
            writer.length = length;
        }
        Ok(())
    }

    /// Copies sectors from below to a place of the file.
    fn copy_up(&self, below: &Below<'_>, sector: u64, sectors: u64, place: u64) -> Result<()> {
        // A grain may have a gigabyte, which no memory should be asked for.
        let mut buffer = vec![0; (sectors * SECTOR_SIZE).min(COPY_BYTES) as usize];
        let end = sector + sectors;
        let (mut sector, mut place) = (sector, place);
        while sector < end {
            let bytes = ((end - sector) * SECTOR_SIZE).min(COPY_BYTES);
            let piece = &mut buffer[..bytes as usize];
            below(sector, piece)?;
            self.storage.write_all_at(piece, ByteOffset(place))?;
            sector += bytes / SECTOR_SIZE;
            place += bytes;
        }
        Ok(())
    }

    /// Puts new grains into the tables, in memory.
    fn publish(&self, first: u64, end: u64, first_entry: u32) -> Result<()> {
        let per_table = u64::from(self.header.entries_per_table);
        let mut grain = first;
        while grain < end {
            let table_end = (grain / per_table + 1) * per_table;
            let stop = end.min(table_end);
            self.tables.edit((grain / per_table) as u32, |entries| {
                for next in grain..stop {
                    let entry = u64::from(first_entry) + (next - first) * self.header.grain_size;
                    entries[(next % per_table) as usize] = entry as u32;
                }
            })?;
            grain = stop;
        }
        Ok(())
    }

    /// Data first, then the tables that name it.
    fn commit(&self, writer: &mut Writer) -> Result<()> {
        if writer.length > writer.next_grain {
            self.storage.set_len(writer.next_grain)?;
            writer.length = writer.next_grain;
        }
        if self.tables.edited() > 0 {
            self.storage.sync()?;
            self.tables.write_edits()?;
        }
        self.storage.sync()
    }
}

impl Extent for SparseExtent {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let grain_size = self.header.grain_size;
        let grain = sector / grain_size;
        let end_grain = (sector + limit).div_ceil(grain_size);
        let mut stretch = self.stretch(grain, end_grain - grain)?;
        let per_table = u64::from(self.header.entries_per_table);
        while grain + stretch.grains < end_grain && (grain + stretch.grains) % per_table == 0 {
            let next_grain = grain + stretch.grains;
            let next = self.stretch(next_grain, end_grain - next_grain)?;
            if !self.joins(stretch, next) {
                break;
            }
            stretch.grains += next.grains;
        }
        let sectors = limit.min((grain + stretch.grains) * grain_size - sector);
        let source = match stretch.entry {
            UNALLOCATED => Source::Unallocated,
            ZERO_GRAIN => Source::Zero,
            _ => Source::Data { storage: &*self.storage, offset: self.place(stretch, grain, sector) },
        };
        Ok(Run { sectors, source })
    }

    fn write(&self, sector: u64, data: &[u8], below: Option<&Below<'_>>) -> Result<()> {
        if !self.writable {
            let text = format!("'{}' is not open for writing", self.storage.name());
            return Err(Error::new(Kind::ReadOnly, text));
        }
        let (mut sector, mut data) = (sector, data);
        while !data.is_empty() {
            let run = self.resolve(sector, data.len() as u64 / SECTOR_SIZE)?;
            let taken = match run.source {
                Source::Data { offset, .. } => {
                    let bytes = (run.sectors * SECTOR_SIZE) as usize;
                    self.overwrite(offset, &data[..bytes])?;
                    bytes
                }
                _ => self
                    .allocate(sector, data, below)
                    .context(|| format!("taking new space in '{}'", self.storage.name()))?,
            };
            sector += taken as u64 / SECTOR_SIZE;
            data = &data[taken..];
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let result = self.commit(&mut self.writer());
        // What a failed flush left behind is for the next one.
        result.inspect_err(|_| self.dirty.store(true, Ordering::Release))
    }

    fn finish(&self) -> Result<()> {
        self.flush()?;
        // A mark that was there before us stays: somebody else's writing did not end in order.
        if self.marked.load(Ordering::Acquire) && !self.header.unclean {
            self.storage.write_all_at(&[0], ByteOffset(UNCLEAN_OFFSET))?;
            self.storage.sync()?;
            self.marked.store(false, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "extent_tests.rs"]
mod tests;
