//! The resolver of an extent of grains, and writing to it.
//!
//! What keeps a crash harmless:
//! * A new grain goes to space that no table names. Its data is written first; its table entry is changed in
//!   memory only, where reads see it at once.
//! * [`Extent::flush`] makes data durable, then writes the tables, then makes those durable. A process that
//!   dies in between leaves tables that name either nothing or durable data. The same goes for a table that is
//!   added and the directory that leads to it.
//! * Space past the last grain is always a hole, so the rest of a grain that is written in part reads as zeros.

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tables::{NewPlaces, Tables, UNALLOCATED, ZERO_GRAIN};
use super::{Scheme, Shape};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Below, Extent, Run, Source};
use crate::format::vmdk::check_sectors;
use crate::format::zeros::is_zero;
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Bytes of changed tables that are kept in memory before they are written: what names 32 GiB of new grains of the
/// usual size.
pub(in crate::format::vmdk) const MAX_EDITED_BYTES: usize = 2 << 20;

/// The file is extended in steps of this many bytes when a grain is written in part; the rest is cut off again.
const EXTEND_STEP: u64 = 1 << 20;

/// Most bytes that are copied from below at a time.
const COPY_BYTES: u64 = 1 << 20;

/// An extent of grains.
#[derive(Debug)]
pub struct GrainExtent<S> {
    storage: Arc<dyn Storage>,
    scheme: S,
    shape: Shape,
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
pub(in crate::format::vmdk) struct Writer {
    /// Byte at which the next grain goes.
    pub(in crate::format::vmdk) next_grain: u64,
    /// Length of the file.
    pub(in crate::format::vmdk) length: u64,
    /// Bytes that were taken for new tables and are not used yet.
    pub(in crate::format::vmdk) spare: Range<u64>,
}

/// A step of a walk through the tables: grains with one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    grains: u64,
    /// The first table entry.
    entry: u32,
}

impl<S: Scheme> GrainExtent<S> {
    /// The extent behind a checked header; `sectors` of it are used.
    ///
    /// # Errors
    /// `InvalidDisk` when that is more than the header has, those of storage.
    pub fn new(storage: Arc<dyn Storage>, scheme: S, sectors: u64, writable: bool) -> Result<Self> {
        let length = storage.length()?;
        Self::of_length(storage, length, scheme, sectors, writable)
    }

    /// As [`GrainExtent::new`] for a file of `length` bytes.
    ///
    /// # Errors
    /// `InvalidDisk`.
    pub fn of_length(
        storage: Arc<dyn Storage>,
        length: u64,
        scheme: S,
        sectors: u64,
        writable: bool,
    ) -> Result<Self> {
        let shape = scheme.shape();
        check_sectors(sectors, shape.capacity, &*storage)?;
        let next_grain = length
            .max(shape.free.max(shape.first_grain).saturating_mul(SECTOR_SIZE))
            .checked_next_multiple_of(shape.alignment * SECTOR_SIZE)
            .ok_or_else(|| Error::new(Kind::InvalidDisk, format!("'{}' is too long", storage.name())))?;
        Ok(Self {
            tables: Tables::new(Arc::clone(&storage), shape, length),
            writer: Mutex::new(Writer { next_grain, length, spare: 0..0 }),
            grains_end: AtomicU64::new(next_grain),
            marked: AtomicBool::new(shape.unclean),
            dirty: AtomicBool::new(false),
            storage,
            scheme,
            shape,
            sectors,
            writable,
        })
    }

    pub(in crate::format::vmdk) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub(in crate::format::vmdk) fn scheme(&self) -> &S {
        &self.scheme
    }

    pub(in crate::format::vmdk) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(in crate::format::vmdk) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::format::vmdk) fn grain_bytes(&self) -> u64 {
        self.shape.grain_size * SECTOR_SIZE
    }

    /// The stretch of grains that starts at `grain`, at most `limit` long and within one table.
    fn stretch(&self, grain: u64, limit: u64) -> Result<Stretch> {
        let per_table = u64::from(self.shape.entries_per_table);
        let (table, first) = ((grain / per_table) as u32, (grain % per_table) as usize);
        let last = (first as u64).saturating_add(limit).min(per_table) as usize;
        let stretch = self.tables.with(table, |entries| match entries {
            None => Stretch { grains: (last - first) as u64, entry: UNALLOCATED },
            Some(entries) => {
                let entry = entries[first];
                let mut expected = u64::from(entry);
                let continues = |next: &&u32| {
                    // Grains of data go on when they follow each other in the file, the others when they are alike.
                    if entry > ZERO_GRAIN {
                        expected += self.shape.grain_size;
                    }
                    u64::from(**next) == expected
                };
                let more = entries[first + 1..last].iter().take_while(continues).count();
                Stretch { grains: 1 + more as u64, entry }
            }
        })?;
        if stretch.entry < self.shape.lowest_entry && stretch.entry != UNALLOCATED {
            let text = format!(
                "grain {grain} of '{}' is said to be at sector {}, which is no place of a grain",
                self.storage.name(),
                stretch.entry
            );
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(stretch)
    }

    /// Whether `next` goes on where `so_far` ends.
    fn joins(&self, so_far: Stretch, next: Stretch) -> bool {
        match so_far.entry {
            UNALLOCATED | ZERO_GRAIN => next.entry == so_far.entry,
            entry => u64::from(next.entry) == u64::from(entry) + so_far.grains * self.shape.grain_size,
        }
    }

    /// The file's place of a sector within the stretch that starts at `grain`.
    fn place(&self, stretch: Stretch, grain: u64, sector: u64) -> ByteOffset {
        ByteOffset((u64::from(stretch.entry) + (sector - grain * self.shape.grain_size)) * SECTOR_SIZE)
    }

    /// Notes the byte behind the last grain that may exist, and that there is something to flush.
    pub(in crate::format::vmdk) fn note_end(&self, end: u64) {
        self.grains_end.store(end, Ordering::Release);
        self.dirty.store(true, Ordering::Release);
    }

    /// Overwrites grains that exist.
    fn overwrite(&self, place: ByteOffset, data: &[u8]) -> Result<()> {
        let end = place.0.saturating_add(data.len() as u64);
        if place.0 < self.shape.first_grain * SECTOR_SIZE || end > self.grains_end.load(Ordering::Acquire) {
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
    pub(in crate::format::vmdk) fn mark_unclean(&self) -> Result<()> {
        if !self.marked.load(Ordering::Acquire) {
            self.scheme.begin_writing(&*self.storage)?;
            self.marked.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Writes at `sector` into a grain that does not exist, and on into those behind it that do not exist either;
    /// returns the bytes it took. 0 means that somebody else made the grain meanwhile.
    fn allocate(&self, sector: u64, data: &[u8], below: Option<&Below<'_>>) -> Result<usize> {
        let mut writer = self.writer();
        let grain = sector / self.shape.grain_size;
        let last_sector = sector + data.len() as u64 / SECTOR_SIZE - 1;
        let stretch = self.stretch(grain, last_sector / self.shape.grain_size - grain + 1)?;
        if stretch.entry > ZERO_GRAIN {
            return Ok(0);
        }
        // A grain of zeros hides what is below it.
        let below = below.filter(|_| stretch.entry == UNALLOCATED);
        let stretch_end = ((grain + stretch.grains) * self.shape.grain_size - sector) * SECTOR_SIZE;
        let taken = data.len().min(usize::try_from(stretch_end).unwrap_or(usize::MAX));
        let pieces = self.pieces(sector, &data[..taken], below.is_none());
        for (start, piece) in pieces {
            self.allocate_piece(&mut writer, start, piece, below)?;
            self.dirty.store(true, Ordering::Release);
        }
        if self.tables.edited_bytes() >= MAX_EDITED_BYTES {
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
            let in_grain = (self.shape.grain_size - position % self.shape.grain_size) * SECTOR_SIZE;
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
        let grain_size = self.shape.grain_size;
        let end_sector = sector + data.len() as u64 / SECTOR_SIZE;
        let (first, end) = (sector / grain_size, end_sector.div_ceil(grain_size));
        let per_table = u64::from(self.shape.entries_per_table);
        self.mark_unclean()?;
        self.add_tables(writer, (first / per_table) as u32..=((end - 1) / per_table) as u32)?;
        let start = writer.next_grain;
        let end_byte = start + (end - first) * self.grain_bytes();
        self.check_addressable(end_byte)?;
        if let Err(error) = self.fill_grains(writer, first, sector, data, below, end_byte) {
            // What was written in part must not show up in the grain that goes there next.
            match self.storage.set_len(start.max(self.shape.first_grain * SECTOR_SIZE)) {
                Ok(()) => writer.length = start,
                Err(_) => writer.next_grain = end_byte,
            }
            return Err(error);
        }
        writer.next_grain = end_byte;
        self.grains_end.store(end_byte, Ordering::Release);
        self.publish(first, end, (start / SECTOR_SIZE) as u32)
    }

    /// The tables must be able to address everything before `end`.
    pub(in crate::format::vmdk) fn check_addressable(&self, end: u64) -> Result<()> {
        if end / SECTOR_SIZE > self.shape.most_sectors {
            let text =
                format!("'{}' has reached 2 TiB, the most that its tables can address", self.storage.name());
            return Err(Error::new(Kind::FileTooBig, text));
        }
        Ok(())
    }

    /// Gives places to those of some tables that the file has no room for.
    fn add_tables(&self, writer: &mut Writer, tables: RangeInclusive<u32>) -> Result<()> {
        for index in tables {
            let mut places = NewPlaces::default();
            for side in self.tables.missing(index)? {
                *places.of(side) = Some(self.take_table(writer)?);
            }
            if !places.is_empty() {
                self.tables.add(index, places, None)?;
            }
        }
        Ok(())
    }

    /// Takes space for one copy of a table and returns its sector; it holds zeros. Tables share a grain's space, so
    /// that grains stay aligned and small tables do not take much.
    pub(in crate::format::vmdk) fn take_table(&self, writer: &mut Writer) -> Result<u32> {
        let bytes = (self.shape.table_bytes() as u64).next_multiple_of(SECTOR_SIZE);
        if writer.spare.end - writer.spare.start < bytes {
            let start = writer.next_grain;
            let end = start + bytes.next_multiple_of(self.shape.alignment * SECTOR_SIZE);
            self.check_addressable(end)?;
            if writer.length < end {
                self.storage.set_len(end)?;
                writer.length = end;
            }
            writer.next_grain = end;
            writer.spare = start..end;
        }
        let sector = writer.spare.start / SECTOR_SIZE;
        writer.spare.start += bytes;
        Ok(sector as u32)
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
        let first_sector = first * self.shape.grain_size;
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
        let per_table = u64::from(self.shape.entries_per_table);
        let mut grain = first;
        while grain < end {
            let table_end = (grain / per_table + 1) * per_table;
            let stop = end.min(table_end);
            self.tables.edit((grain / per_table) as u32, |entries| {
                for next in grain..stop {
                    let entry = u64::from(first_entry) + (next - first) * self.shape.grain_size;
                    entries[(next % per_table) as usize] = entry as u32;
                }
            })?;
            grain = stop;
        }
        Ok(())
    }

    /// Data first, then the tables that name it, then what leads to tables that are new.
    pub(in crate::format::vmdk) fn commit(&self, writer: &mut Writer) -> Result<()> {
        if writer.length > writer.next_grain {
            self.storage.set_len(writer.next_grain)?;
            writer.length = writer.next_grain;
        }
        if self.tables.edited_bytes() > 0 {
            self.scheme.note_free(&*self.storage, writer.next_grain / SECTOR_SIZE)?;
            self.storage.sync()?;
            self.tables.write_edits()?;
        }
        self.storage.sync()?;
        if self.tables.directories_are_behind() {
            self.tables.write_directories()?;
            self.storage.sync()?;
        }
        Ok(())
    }
}

impl<S: Scheme> Extent for GrainExtent<S> {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let grain_size = self.shape.grain_size;
        let grain = sector / grain_size;
        let end_grain = (sector + limit).div_ceil(grain_size);
        let mut stretch = self.stretch(grain, end_grain - grain)?;
        let per_table = u64::from(self.shape.entries_per_table);
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

    fn check_writable(&self) -> Result<()> {
        if !self.writable {
            let text = format!("'{}' is not open for writing", self.storage.name());
            return Err(Error::new(Kind::ReadOnly, text));
        }
        self.storage.check_writable()
    }

    fn write(&self, sector: u64, data: &[u8], below: Option<&Below<'_>>) -> Result<()> {
        self.check_writable()?;
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

    fn shrink(&self, over_parent: bool, progress: &mut dyn FnMut(f64)) -> Result<()> {
        self.check_writable()?;
        S::shrink(self, over_parent, progress).context(|| format!("shrinking '{}'", self.storage.name()))
    }

    fn defragment(&self, progress: &mut dyn FnMut(f64)) -> Result<()> {
        self.check_writable()?;
        S::defragment(self, progress).context(|| format!("defragmenting '{}'", self.storage.name()))
    }

    fn hold(&self, act: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let mut writer = self.writer();
        let before = self.storage.length()?;
        let done = act();
        let after = self.storage.length()?;
        if after != before {
            writer.length = after;
        }
        if after > before {
            let alignment = self.shape.alignment * SECTOR_SIZE;
            writer.next_grain = writer.next_grain.max(after.next_multiple_of(alignment));
            self.note_end(writer.next_grain);
        }
        done
    }

    fn finish(&self) -> Result<()> {
        self.flush()?;
        // A mark that was there before us stays: somebody else's writing did not end in order.
        if self.marked.load(Ordering::Acquire) && !self.shape.unclean {
            self.scheme.end_writing(&*self.storage)?;
            self.storage.sync()?;
            self.marked.store(false, Ordering::Release);
        }
        Ok(())
    }
}
