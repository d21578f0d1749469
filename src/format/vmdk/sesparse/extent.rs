//! The resolver of a space-efficient redo log.

use std::sync::Arc;

use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;

use super::entry::{ABSENT, DirectoryEntry, TableEntry};
use super::header::{ENTRIES_PER_TABLE, GRAIN_SIZE, Header, TABLE_SECTORS};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Below, Extent, Run, Source};
use crate::format::vmdk::check_sectors;
use crate::format::vmdk::grains::cache::{Cache, Table};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Directory entries that are read at a time.
const PAGE_ENTRIES: u32 = 1024;

/// A space-efficient redo log.
#[derive(Debug)]
pub struct SeSparseExtent {
    storage: Arc<dyn Storage>,
    header: Header,
    /// Sectors of the extent, as its line in the descriptor says.
    sectors: u64,
    /// The directory, in pages.
    directory: Cache<u64>,
    tables: Cache<u64>,
}

/// Grains with one source.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    grains: u64,
    /// What the first entry means.
    first: TableEntry,
    /// What an entry behind them would have to mean to go on.
    next: TableEntry,
}

impl SeSparseExtent {
    /// Opens the extent in `storage`; `sectors` of it are used.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`, `NotSupported` for one that was not closed in order, those of storage.
    pub fn open(storage: Arc<dyn Storage>, sectors: u64) -> Result<Self> {
        let header = Header::read(&*storage)?;
        check_sectors(sectors, header.capacity, &*storage)?;
        Ok(Self {
            directory: Cache::new(header.tables.div_ceil(PAGE_ENTRIES), PAGE_ENTRIES as usize * 8),
            tables: Cache::new(header.tables, ENTRIES_PER_TABLE as usize * 8),
            storage,
            header,
            sectors,
        })
    }

    /// The stretch of grains that starts at `grain`, at most `limit` long and within one table.
    fn stretch(&self, grain: u64, limit: u64) -> Result<Stretch> {
        let (table, first) = ((grain / ENTRIES_PER_TABLE) as u32, (grain % ENTRIES_PER_TABLE) as usize);
        let last = (first as u64).saturating_add(limit).min(ENTRIES_PER_TABLE) as usize;
        let load = || self.load(table).context(|| format!("grain table {table}"));
        self.tables.with(table, load, |entries| {
            let Some(entries) = entries else {
                let unallocated = TableEntry::Unallocated;
                return Stretch { grains: (last - first) as u64, first: unallocated, next: unallocated };
            };
            let kind = TableEntry::of(entries[first]);
            let mut next = kind.next();
            let mut grains = 1;
            for entry in &entries[first + 1..last] {
                if TableEntry::of(*entry) != next {
                    break;
                }
                next = next.next();
                grains += 1;
            }
            Stretch { grains, first: kind, next }
        })
    }

    /// Reads a table.
    fn load(&self, index: u32) -> Result<Table<u64>> {
        let table = match DirectoryEntry::of(self.directory_entry(index)?) {
            DirectoryEntry::Absent => return Ok(None),
            DirectoryEntry::Table(table) if u64::from(table) < self.header.table_room => u64::from(table),
            DirectoryEntry::Table(table) => {
                return Err(
                    self.invalid(format!("it is said to be table {table}, past the end of the tables"))
                );
            }
            DirectoryEntry::Unknown => return Err(self.invalid("its directory entry is damaged")),
        };
        let sector =
            table.checked_mul(TABLE_SECTORS).and_then(|sectors| sectors.checked_add(self.header.first_table));
        let place = sector
            .and_then(ByteOffset::of_sector)
            .ok_or_else(|| self.invalid(format!("no file can have a table {table}")))?;
        self.read_entries(place, ENTRIES_PER_TABLE as usize)
    }

    fn directory_entry(&self, index: u32) -> Result<u64> {
        let (page, within) = (index / PAGE_ENTRIES, (index % PAGE_ENTRIES) as usize);
        let load = || {
            let first = page * PAGE_ENTRIES;
            let count = PAGE_ENTRIES.min(self.header.tables - first);
            // The header's check found the directory inside the file.
            let place = ByteOffset(self.header.directory * SECTOR_SIZE + u64::from(first) * 8);
            self.read_entries(place, count as usize)
        };
        self.directory.with(page, load, |entries| {
            entries.and_then(|entries| entries.get(within)).copied().unwrap_or(ABSENT)
        })
    }

    /// Reads entries; `None` when all of them are 0.
    fn read_entries(&self, place: ByteOffset, count: usize) -> Result<Table<u64>> {
        let mut entries = vec![U64::ZERO; count];
        self.storage.read_exact_at(entries.as_mut_bytes(), place)?;
        let used = entries.iter().any(|entry| *entry != U64::ZERO);
        Ok(used.then(|| entries.iter().map(|entry| entry.get()).collect()))
    }

    /// The file's place of a sector in the grain with number `index`, which covers the extent from `grain` on.
    fn place(&self, index: u64, grain: u64, sector: u64) -> Result<ByteOffset> {
        index
            .checked_mul(GRAIN_SIZE)
            .and_then(|sectors| sectors.checked_add(self.header.first_grain))
            .and_then(|start| start.checked_add(sector - grain * GRAIN_SIZE))
            .and_then(ByteOffset::of_sector)
            // Files are no longer than this; so a run can be added to its place without a check.
            .filter(|place| i64::try_from(place.0).is_ok())
            .ok_or_else(|| {
                self.invalid(format!("grain {grain} is said to be number {index}, which no file can have"))
            })
    }

    fn invalid(&self, text: impl AsRef<str>) -> Error {
        Error::new(Kind::InvalidDisk, format!("'{}': {}", self.storage.name(), text.as_ref()))
    }

    fn refuse_writes(&self) -> Error {
        let text = format!(
            "'{}' is an seSparse extent, which is only read: write to a child of the disk instead",
            self.storage.name()
        );
        Error::new(Kind::NotSupported, text)
    }
}

impl Extent for SeSparseExtent {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let grain = sector / GRAIN_SIZE;
        let end_grain = (sector + limit).div_ceil(GRAIN_SIZE);
        let mut stretch = self.stretch(grain, end_grain - grain)?;
        while grain + stretch.grains < end_grain && (grain + stretch.grains) % ENTRIES_PER_TABLE == 0 {
            let next_grain = grain + stretch.grains;
            let next = self.stretch(next_grain, end_grain - next_grain)?;
            if next.first != stretch.next {
                break;
            }
            stretch.grains += next.grains;
            stretch.next = next.next;
        }
        let sectors = limit.min((grain + stretch.grains) * GRAIN_SIZE - sector);
        let source = match stretch.first {
            TableEntry::Unallocated => Source::Unallocated,
            TableEntry::Zero => Source::Zero,
            TableEntry::Grain(index) => {
                Source::Data { storage: &*self.storage, offset: self.place(index, grain, sector)? }
            }
            TableEntry::Unknown => return Err(self.invalid(format!("the entry of grain {grain} is damaged"))),
        };
        Ok(Run { sectors, source })
    }

    fn check_writable(&self) -> Result<()> {
        Err(self.refuse_writes())
    }

    fn write(&self, _sector: u64, _data: &[u8], _below: Option<&Below<'_>>) -> Result<()> {
        Err(self.refuse_writes())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}
