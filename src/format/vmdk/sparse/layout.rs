//! Where a new hosted sparse extent puts its tables, as VMware's own products do:
//!
//! ```text
//!   header 1 | descriptor | redundant directory | its tables | directory | tables | pad to a grain | grains
//! ```
//!
//! All tables exist from the start and follow each other, because some readers count on it; the file stays
//! sparse, so only the directories take space.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::header::{FLAG_REDUNDANT, FLAG_TEXT_PROBE, MAGIC, MAX_TABLES, RawHeader, TEXT_PROBE};
use crate::error::{Error, Kind, Result};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Sectors of a grain in every extent that is made here.
pub const GRAIN_SIZE: u64 = 128;

/// Entries of a table in every extent that is made here.
const ENTRIES_PER_TABLE: u32 = 512;

/// Sectors of a table.
const TABLE_SECTORS: u64 = ENTRIES_PER_TABLE as u64 * 4 / SECTOR_SIZE;

/// Sectors of the embedded descriptor of a monolithic disk.
pub const DESCRIPTOR_SECTORS: u64 = 20;

/// Directory entries that are written at a time.
const ENTRIES_AT_A_TIME: usize = 64 << 10;

/// The places of a new extent.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    capacity: u64,
    descriptor_sectors: u64,
    tables: u64,
    directory_sectors: u64,
}

impl Layout {
    /// Plans an extent of `capacity` sectors with room for an embedded descriptor (0 for none).
    ///
    /// # Errors
    /// `InvalidArgument` for no capacity, `FileTooBig` when the tables alone would take what 32-bit sectors can
    /// address.
    pub fn new(capacity: u64, descriptor_sectors: u64) -> Result<Self> {
        if capacity == 0 {
            return Err(Error::new(Kind::InvalidArgument, "a capacity of 0 sectors"));
        }
        let tables = capacity.div_ceil(GRAIN_SIZE * u64::from(ENTRIES_PER_TABLE));
        let layout = Self {
            capacity,
            descriptor_sectors,
            tables,
            directory_sectors: (tables * 4).div_ceil(SECTOR_SIZE),
        };
        if tables > MAX_TABLES || layout.overhead() > u64::from(u32::MAX) {
            let text = format!("{capacity} sectors are more than a sparse extent can address");
            return Err(Error::new(Kind::FileTooBig, text));
        }
        Ok(layout)
    }

    fn redundant_directory(&self) -> u64 {
        1 + self.descriptor_sectors
    }

    fn directory(&self) -> u64 {
        self.redundant_directory() + self.directory_sectors + self.tables * TABLE_SECTORS
    }

    /// Sectors before the first grain: the length of an empty extent.
    pub fn overhead(&self) -> u64 {
        (self.directory() + self.directory_sectors + self.tables * TABLE_SECTORS).next_multiple_of(GRAIN_SIZE)
    }

    /// The header.
    pub fn header(&self) -> RawHeader {
        let has_descriptor = self.descriptor_sectors > 0;
        RawHeader {
            magic: MAGIC,
            version: 1.into(),
            flags: (FLAG_TEXT_PROBE | FLAG_REDUNDANT).into(),
            capacity: self.capacity.into(),
            grain_size: GRAIN_SIZE.into(),
            descriptor_offset: u64::from(has_descriptor).into(),
            descriptor_size: self.descriptor_sectors.into(),
            entries_per_table: ENTRIES_PER_TABLE.into(),
            redundant_directory: self.redundant_directory().into(),
            directory: self.directory().into(),
            overhead: self.overhead().into(),
            unclean: 0,
            text_probe: TEXT_PROBE,
            compression: 0.into(),
            padding: [0; 433],
        }
    }

    /// Writes header and directories into an empty file and gives it its length; `progress` hears how many of
    /// the tables are placed, from 0 to 1.
    ///
    /// # Errors
    /// Those of storage.
    pub fn write(&self, storage: &dyn Storage, progress: &mut dyn FnMut(f64)) -> Result<()> {
        storage.set_len(self.overhead() * SECTOR_SIZE)?;
        storage.write_all_at(self.header().as_bytes(), ByteOffset(0))?;
        for (round, directory) in [self.redundant_directory(), self.directory()].into_iter().enumerate() {
            let first_table = directory + self.directory_sectors;
            let mut part = |part: f64| progress((round as f64 + part) / 2.0);
            write_directory(storage, directory, first_table, self.tables, TABLE_SECTORS, &mut part)?;
        }
        Ok(())
    }
}

/// Writes a directory at a sector, for tables that follow each other from sector `first_table` on; all of it is below
/// what 32 bits can address. `progress` hears the part that is done.
///
/// # Errors
/// Those of storage.
pub(super) fn write_directory(
    storage: &dyn Storage,
    directory: u64,
    first_table: u64,
    tables: u64,
    table_sectors: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    for start in (0..tables).step_by(ENTRIES_AT_A_TIME) {
        let end = tables.min(start + ENTRIES_AT_A_TIME as u64);
        let entries: Vec<U32> =
            (start..end).map(|table| U32::new((first_table + table * table_sectors) as u32)).collect();
        storage.write_all_at(entries.as_bytes(), ByteOffset(directory * SECTOR_SIZE + start * 4))?;
        progress(end as f64 / tables as f64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_real_files() {
        // capacity, descriptor sectors, redundant directory, directory, overhead
        for (capacity, descriptor, redundant, directory, overhead) in [
            (251_658_240, 20, 21, 15_411, 30_848),
            (83_886_080, 20, 21, 5_151, 10_368),
            (65_536, 20, 21, 26, 128),
            (8_323_072, 0, 1, 510, 1_024),
            (1_048_576, 0, 1, 66, 256),
            (262_144, 0, 1, 18, 128),
            (16_384, 0, 1, 6, 128),
        ] {
            let header = Layout::new(capacity, descriptor).unwrap().header();
            let places = (header.redundant_directory.get(), header.directory.get(), header.overhead.get());
            assert_eq!(places, (redundant, directory, overhead), "{capacity}");
        }
    }

    #[test]
    fn impossible_capacities_are_refused() {
        assert_eq!(Layout::new(0, 0).unwrap_err().kind(), Kind::InvalidArgument);
        assert_eq!(Layout::new(u64::MAX, 20).unwrap_err().kind(), Kind::FileTooBig);
        Layout::new(62 << 31, 20).unwrap();
    }
}
