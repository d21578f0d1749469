//! Growing a sparse extent.
//!
//! A larger directory does not fit where the old one stands. A new one is made behind the last grain, with tables of
//! its own in the order that new extents have, and when all of it is durable, one write of the header's sector leads
//! to it. The space of the old tables is not used again.
//!
//! ```text
//!   | header | old tables | grains | redundant directory | its tables | directory | tables |
//! ```

use std::sync::Arc;

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::SparseExtent;
use super::header::{FLAG_REDUNDANT, Header, RawHeader};
use super::layout::write_directory;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::vmdk::grains::tables::{Tables, ZERO_GRAIN};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Bytes of zeros that are written at a time.
const ZERO_BYTES: u64 = 1 << 20;

/// Gives the sparse extent in `storage`, which nobody has open, a capacity of `capacity` sectors; `progress` hears the
/// part that is done, from 0 to 1. What is new is unallocated. The embedded descriptor, if there is one, is not
/// changed: the caller does that afterwards.
///
/// # Errors
/// `InvalidArgument` for less than the extent has, `InvalidDisk` for one that needs repair, `FileTooBig` for more than
/// its tables can hold or address, those of storage. Until it is done the extent has its old capacity.
pub fn grow(storage: &Arc<dyn Storage>, capacity: u64, progress: &mut dyn FnMut(f64)) -> Result<()> {
    let mut work = || {
        let length = storage.length()?;
        let raw = RawHeader::read(&**storage)?;
        let old = raw.check(length)?;
        if capacity < old.capacity {
            let text = format!("{capacity} sectors are less than the {} that it has", old.capacity);
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        if capacity > old.capacity {
            let result = Growth::plan(storage, raw, old, length, capacity)?.run(progress);
            // As long as the header leads to the old tables, what was added to the file is of no use.
            if result.is_err() && RawHeader::read(&**storage).is_ok_and(|now| now.capacity == raw.capacity) {
                storage.set_len(length)?;
            }
            result?;
        }
        progress(1.0);
        Ok(())
    };
    work().context(|| format!("growing '{}'", storage.name()))
}

/// What is to be done.
struct Growth<'a> {
    storage: &'a Arc<dyn Storage>,
    raw: RawHeader,
    old: Header,
    /// Bytes that the file has.
    length: u64,
    capacity: u64,
    /// Number of tables for the new capacity.
    tables: u64,
    /// Sectors of a new directory.
    directory_sectors: u64,
    /// Sector of the new redundant directory.
    start: u64,
    /// Sector behind the new tables.
    end: u64,
}

impl<'a> Growth<'a> {
    fn plan(
        storage: &'a Arc<dyn Storage>,
        raw: RawHeader,
        old: Header,
        length: u64,
        capacity: u64,
    ) -> Result<Self> {
        let tables = capacity.div_ceil(old.table_coverage());
        let directory_sectors = tables.saturating_mul(4).div_ceil(SECTOR_SIZE);
        let start = length.div_ceil(SECTOR_SIZE).max(old.overhead).next_multiple_of(old.grain_size);
        let one = directory_sectors.saturating_add(tables.saturating_mul(old.table_sectors()));
        let end = start.saturating_add(one.saturating_mul(2));
        let too_big = end > u64::from(u32::MAX) && tables > u64::from(old.tables);
        let mut grown = raw;
        grown.capacity = capacity.into();
        // The checks of an extent that is opened hold for the new one too; its directory is not there yet.
        if too_big || grown.check_numbers(length).is_err() {
            let text = format!("{capacity} sectors are more than a sparse extent can address");
            return Err(Error::new(Kind::FileTooBig, text));
        }
        Ok(Self { storage, raw, old, length, capacity, tables, directory_sectors, start, end })
    }

    fn run(mut self, progress: &mut dyn FnMut(f64)) -> Result<()> {
        let extent = SparseExtent::new(Arc::clone(self.storage), self.old, self.old.capacity, false)?;
        extent.require_soundness()?;
        progress(0.0);
        let before = self.raw;
        self.clear_end(extent.tables())?;
        if self.tables > u64::from(self.old.tables) {
            self.write_tables(extent.tables(), progress)?;
        }
        self.storage.sync()?;
        self.raw.capacity = self.capacity.into();
        self.raw.replace(&before, &**self.storage)
    }

    /// The last grain may reach past the old end of the extent; what is there comes into sight, and must be zeros.
    fn clear_end(&self, tables: &Tables) -> Result<()> {
        let last = self.old.grains() - 1;
        let used = self.old.sectors_of(last);
        let per_table = u64::from(self.old.entries_per_table);
        let at = (last % per_table) as usize;
        let entry = tables.with((last / per_table) as u32, |entries| entries.map_or(0, |all| all[at]))?;
        if used == self.old.grain_size || entry <= ZERO_GRAIN {
            return Ok(());
        }
        let start = (u64::from(entry) + used) * SECTOR_SIZE;
        let end = (u64::from(entry) + self.old.grain_size) * SECTOR_SIZE;
        let zeros = vec![0; ZERO_BYTES.min(end - start) as usize];
        for place in (start..end).step_by(zeros.len()) {
            let piece = (end - place).min(ZERO_BYTES) as usize;
            self.storage.write_all_at(&zeros[..piece], ByteOffset(place))?;
        }
        Ok(())
    }

    /// Writes the new directories and tables, and lets the header in memory lead to them.
    fn write_tables(&mut self, tables: &Tables, progress: &mut dyn FnMut(f64)) -> Result<()> {
        let table_sectors = self.old.table_sectors();
        let first_of = |directory: u64| directory + self.directory_sectors;
        let redundant = self.start;
        let directory = first_of(redundant) + self.tables * table_sectors;
        let file_end = self.end.next_multiple_of(self.old.grain_size) * SECTOR_SIZE;
        self.storage.set_len(file_end.max(self.length))?;
        for sector in [redundant, directory] {
            write_directory(
                &**self.storage,
                sector,
                first_of(sector),
                self.tables,
                table_sectors,
                &mut |_| (),
            )?;
        }
        for index in 0..self.old.tables {
            let encode = |entries: &[u32]| entries.iter().map(|entry| U32::new(*entry)).collect::<Vec<_>>();
            if let Some(entries) = tables.with(index, |entries| entries.map(encode))? {
                for sector in [redundant, directory] {
                    let place = first_of(sector) + u64::from(index) * table_sectors;
                    self.storage.write_all_at(entries.as_bytes(), ByteOffset(place * SECTOR_SIZE))?;
                }
            }
            if index % 1024 == 0 {
                progress(f64::from(index) / f64::from(self.old.tables));
            }
        }
        self.raw.redundant_directory = redundant.into();
        self.raw.directory = directory.into();
        self.raw.flags = (self.raw.flags.get() | FLAG_REDUNDANT).into();
        Ok(())
    }
}
