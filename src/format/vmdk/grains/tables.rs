//! Grain directory and grain tables.
//!
//! Tables are read on demand into a cache of fixed size; most disks fit as a whole. Changes are kept in `edits`
//! until [`Tables::write_edits`] puts them into the file: whoever holds data back must decide when. A table in
//! `edits` is the truth; the cache and the file may lag behind. A table that is added is found through the
//! directories in memory at once, and through those of the file after `Tables::write_directories`.
//!
//! The primary copy of a table is what counts. The redundant one is read when the primary's directory entry leads
//! out of the file.
//!
//! Lock order: one cache slot, then `edits` or `added`, then `hole`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::Shape;
use super::cache::{Cache, Table};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::io::{ByteOffset, Region, SECTOR_SIZE, Storage};

/// Directory entries that are read at a time: few pieces, so that an extent that claims to be huge takes little memory.
const PAGE_ENTRIES: usize = 16 << 10;

/// Table entry of a grain that this link does not have.
pub const UNALLOCATED: u32 = 0;

/// Table entry of a grain of zeros.
pub const ZERO_GRAIN: u32 = 1;

/// One of the two copies of directory and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What every reader uses.
    Primary,
    /// What is there for damage.
    Redundant,
}

impl Side {
    /// The other copy.
    pub(in crate::format::vmdk) fn other(self) -> Self {
        match self {
            Self::Primary => Self::Redundant,
            Self::Redundant => Self::Primary,
        }
    }
}

/// Where a directory says that a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format::vmdk) enum Place {
    /// Nowhere: all its grains are unallocated.
    Absent,
    /// At a sector from which on the file has no room for it.
    Outside(u32),
    /// At a sector.
    At(u32),
}

/// Sectors for the copies of a table that are to get a new place.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::format::vmdk) struct NewPlaces {
    /// Of the primary copy.
    pub(in crate::format::vmdk) primary: Option<u32>,
    /// Of the redundant copy.
    pub(in crate::format::vmdk) redundant: Option<u32>,
}

impl NewPlaces {
    /// That of one copy.
    pub(in crate::format::vmdk) fn of(&mut self, side: Side) -> &mut Option<u32> {
        match side {
            Side::Primary => &mut self.primary,
            Side::Redundant => &mut self.redundant,
        }
    }

    /// Neither copy gets a new place.
    pub(in crate::format::vmdk) fn is_empty(self) -> bool {
        self.primary.is_none() && self.redundant.is_none()
    }
}

/// Tables that have been given a place since the extent was opened.
#[derive(Debug, Default)]
struct Added {
    /// Those that the directories of the file do not lead to yet.
    unnamed: Vec<u32>,
    /// Those and their places, which lie past the end that the file had. Another table whose entry of the directory
    /// led out of the file before does not stand there, even when it is the same sector.
    places: HashSet<(u32, u32)>,
}

/// The directory and the tables of an extent.
#[derive(Debug)]
pub struct Tables {
    storage: Arc<dyn Storage>,
    shape: Shape,
    directory: Directory,
    redundant: Option<Directory>,
    cache: Cache<u32>,
    edits: Mutex<HashMap<u32, Box<[u32]>>>,
    added: Mutex<Added>,
    /// Bytes of the file when it was opened. It grows while it is written, but a directory entry that led out of it
    /// must not lead into new grains.
    length: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tables {
    /// The tables of a checked header; the file has `length` bytes.
    pub fn new(storage: Arc<dyn Storage>, shape: Shape, length: u64) -> Self {
        Self {
            directory: Directory::new(shape.directory, shape.tables),
            redundant: shape.redundant_directory.map(|sector| Directory::new(sector, shape.tables)),
            cache: Cache::new(shape.tables, shape.table_bytes()),
            edits: Mutex::default(),
            added: Mutex::default(),
            length,
            storage,
            shape,
        }
    }

    /// Shows the entries of a table to `look`; `None` stands for a table of unallocated grains.
    ///
    /// # Errors
    /// `InvalidDisk` for a directory entry that leads out of the file, those of storage.
    pub fn with<R>(&self, index: u32, look: impl FnOnce(Option<&[u32]>) -> R) -> Result<R> {
        self.cache.with(index, || self.find(index), look)
    }

    /// The copies of a table that the file has no room for; to be asked before space is taken for what goes into
    /// it. A redundant copy may be missing, but is added with a primary one.
    ///
    /// # Errors
    /// As for [`Tables::with`].
    pub(in crate::format::vmdk) fn missing(&self, index: u32) -> Result<Vec<Side>> {
        let (primary, redundant) = (self.place(Side::Primary, index)?, self.place(Side::Redundant, index)?);
        let mut missing = Vec::new();
        match primary {
            Place::At(_) => {}
            Place::Outside(sector) if !matches!(redundant, Place::At(_)) => {
                return Err(outside(index, sector));
            }
            Place::Outside(_) | Place::Absent => missing.push(Side::Primary),
        }
        let absent = redundant == Place::Absent && self.redundant.is_some() && !missing.is_empty();
        if absent || matches!(redundant, Place::Outside(_)) {
            missing.push(Side::Redundant);
        }
        Ok(missing)
    }

    /// Gives copies of a table new places and the table new entries (`None`: those that it has), in memory. Nothing
    /// else may be at the places.
    ///
    /// # Errors
    /// As for [`Tables::with`].
    pub(in crate::format::vmdk) fn add(
        &self,
        index: u32,
        places: NewPlaces,
        entries: Option<Box<[u32]>>,
    ) -> Result<()> {
        let now = || entries.map_or_else(|| self.find(index), |entries| Ok(Some(entries)));
        let add = |table: &mut Table<u32>| {
            let entries = table.get_or_insert_with(|| self.empty_table()).clone();
            for (side, sector) in [(Side::Redundant, places.redundant), (Side::Primary, places.primary)] {
                if let (Some(directory), Some(sector)) = (self.side(side), sector) {
                    directory.set(&*self.storage, index, sector)?;
                }
            }
            let mut added = locked(&self.added);
            let sectors = [places.primary, places.redundant].into_iter().flatten();
            added.places.extend(sectors.map(|sector| (index, sector)));
            added.unnamed.push(index);
            drop(added);
            locked(&self.edits).insert(index, entries);
            Ok(())
        };
        self.cache.change(index, now, add)?
    }

    /// Changes the entries of a table that has its place, in memory.
    ///
    /// # Errors
    /// As for [`Tables::with`].
    pub fn edit(&self, index: u32, change: impl FnOnce(&mut [u32])) -> Result<()> {
        if !matches!(self.place(Side::Primary, index)?, Place::At(_)) {
            let text = format!("grain table {index} of '{}' has no place in the file", self.storage.name());
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        let change = |table: &mut Table<u32>| {
            let entries = table.get_or_insert_with(|| self.empty_table());
            change(entries);
            locked(&self.edits).entry(index).or_insert_with(|| entries.clone()).copy_from_slice(entries);
        };
        self.cache.change(index, || self.find(index), change)
    }

    /// Replaces the entries of a table, in memory, whether the file has room for it or not: a stream has none before
    /// it ends.
    ///
    /// # Errors
    /// None that the caller could see: nothing is read.
    pub(in crate::format::vmdk) fn put(&self, index: u32, entries: &[u32]) -> Result<()> {
        let put = |table: &mut Table<u32>| {
            locked(&self.edits).insert(index, entries.into());
            *table = Some(entries.into());
        };
        self.cache.change(index, || Ok(None), put)
    }

    /// Notes that a table that was [`Tables::put`] now stands at `sector` of the file, which the directory in the file
    /// need not say.
    ///
    /// # Errors
    /// Those of storage.
    pub(in crate::format::vmdk) fn put_at(&self, index: u32, sector: u32) -> Result<()> {
        self.directory.set(&*self.storage, index, sector)?;
        locked(&self.added).places.insert((index, sector));
        *locked(&self.directory.hole) = 0..0;
        locked(&self.edits).remove(&index);
        Ok(())
    }

    /// Notes that the directory in the file, which names empty tables only, is about to be overwritten.
    pub(in crate::format::vmdk) fn clear(&self) {
        self.directory.clear();
    }

    /// The sector of a table, 0 when the file has none.
    ///
    /// # Errors
    /// Those of storage.
    pub(in crate::format::vmdk) fn sector(&self, index: u32) -> Result<u32> {
        self.directory.entry(&*self.storage, index)
    }

    /// Bytes of the tables that were changed and are not in the file yet.
    pub fn edited_bytes(&self) -> usize {
        locked(&self.edits).len() * self.shape.table_bytes()
    }

    /// Puts the changed tables into the file, redundant copies first; nobody may edit meanwhile. On an error the
    /// changes stay, and the next call writes them again.
    ///
    /// # Errors
    /// Those of storage.
    pub fn write_edits(&self) -> Result<()> {
        let mut indices: Vec<u32> = locked(&self.edits).keys().copied().collect();
        indices.sort_unstable();
        for side in [Side::Redundant, Side::Primary] {
            for &index in &indices {
                let Some(entries) = locked(&self.edits).get(&index).cloned() else { continue };
                let encoded: Vec<U32> = entries.iter().map(|entry| U32::new(*entry)).collect();
                match self.place(side, index)? {
                    Place::At(sector) => self.storage.write_all_at(encoded.as_bytes(), start_of(sector))?,
                    // A redundant copy may be missing; the primary one was found before the edit was accepted.
                    Place::Absent => {}
                    Place::Outside(sector) => return Err(outside(index, sector)),
                }
            }
        }
        for directory in [Some(&self.directory), self.redundant.as_ref()].into_iter().flatten() {
            *locked(&directory.hole) = 0..0;
        }
        let mut edits = locked(&self.edits);
        indices.iter().for_each(|index| drop(edits.remove(index)));
        Ok(())
    }

    /// Whether tables were added that the directories of the file do not lead to.
    pub(in crate::format::vmdk) fn directories_are_behind(&self) -> bool {
        !locked(&self.added).unnamed.is_empty()
    }

    /// Lets the directories of the file lead to the tables that were added, which must be durable by now; nobody may
    /// add meanwhile. On an error they stay, and the next call names them again.
    ///
    /// # Errors
    /// Those of storage.
    pub(in crate::format::vmdk) fn write_directories(&self) -> Result<()> {
        let unnamed = locked(&self.added).unnamed.clone();
        for directory in [self.redundant.as_ref(), Some(&self.directory)].into_iter().flatten() {
            for &index in &unnamed {
                directory.write(&*self.storage, index)?;
            }
        }
        locked(&self.added).unnamed.clear();
        Ok(())
    }

    /// Where one copy of a table is.
    ///
    /// # Errors
    /// `InvalidDisk` for a place in the header, those of storage.
    pub(in crate::format::vmdk) fn place(&self, side: Side, index: u32) -> Result<Place> {
        let Some(directory) = self.side(side) else { return Ok(Place::Absent) };
        let sector = directory.entry(&*self.storage, index)?;
        if sector < self.shape.lowest_entry && sector != 0 {
            let text = format!("grain table {index} at sector {sector} lies in the header");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        let end = start_of(sector).0 + self.shape.table_bytes() as u64;
        let inside = end <= self.length || locked(&self.added).places.contains(&(index, sector));
        Ok(match sector {
            0 => Place::Absent,
            _ if inside => Place::At(sector),
            _ => Place::Outside(sector),
        })
    }

    /// One copy of a table as it stands in the file at `sector`, whatever the other copy says.
    ///
    /// # Errors
    /// Those of storage.
    pub(in crate::format::vmdk) fn read_copy(
        &self,
        side: Side,
        index: u32,
        sector: u32,
    ) -> Result<Table<u32>> {
        if let Some(entries) = locked(&self.edits).get(&index) {
            return Ok(Some(entries.clone()));
        }
        let place = start_of(sector);
        let end = place.0 + self.shape.table_bytes() as u64;
        if let Some(directory) = self.side(side) {
            if directory.in_hole(&*self.storage, place.0..end)? {
                return Ok(None);
            }
        }
        let mut entries = vec![U32::ZERO; self.shape.entries_per_table as usize];
        self.storage.read_exact_at(entries.as_mut_bytes(), place)?;
        let used = entries.iter().any(|entry| *entry != U32::ZERO);
        Ok(used.then(|| entries.iter().map(|entry| entry.get()).collect()))
    }

    fn side(&self, side: Side) -> Option<&Directory> {
        match side {
            Side::Primary => Some(&self.directory),
            Side::Redundant => self.redundant.as_ref(),
        }
    }

    fn empty_table(&self) -> Box<[u32]> {
        vec![UNALLOCATED; self.shape.entries_per_table as usize].into_boxed_slice()
    }

    /// A table as it was changed last, or as it stands in the file.
    fn find(&self, index: u32) -> Result<Table<u32>> {
        let edited = locked(&self.edits).get(&index).cloned();
        match edited {
            Some(entries) => Ok(Some(entries)),
            None => self.load(index).context(|| format!("grain table {index} of '{}'", self.storage.name())),
        }
    }

    fn load(&self, index: u32) -> Result<Table<u32>> {
        match self.place(Side::Primary, index)? {
            Place::Absent => Ok(None),
            Place::At(sector) => self.read_copy(Side::Primary, index, sector),
            Place::Outside(sector) => match self.place(Side::Redundant, index)? {
                Place::At(sector) => self.read_copy(Side::Redundant, index, sector),
                _ => Err(outside(index, sector)),
            },
        }
    }
}

/// The byte at which a sector starts.
fn start_of(sector: u32) -> ByteOffset {
    ByteOffset(u64::from(sector) * SECTOR_SIZE)
}

fn outside(index: u32, sector: u32) -> Error {
    let text = format!("grain table {index} at sector {sector} lies past the end of the file");
    Error::new(Kind::InvalidDisk, text)
}

/// A grain directory, read page by page on demand; while a disk is open it changes here first.
#[derive(Debug)]
struct Directory {
    start: ByteOffset,
    tables: u32,
    pages: Box<[OnceLock<Box<[AtomicU32]>>]>,
    /// A hole of the file that was found: tables in it need no reading.
    hole: Mutex<Range<u64>>,
    /// What the file says of tables does not count.
    cleared: AtomicBool,
}

impl Directory {
    /// The directory at a sector that the header's checks have found possible.
    fn new(sector: u64, tables: u32) -> Self {
        let pages = (tables as usize).div_ceil(PAGE_ENTRIES);
        Self {
            start: ByteOffset(sector.saturating_mul(SECTOR_SIZE)),
            tables,
            pages: (0..pages).map(|_| OnceLock::new()).collect(),
            hole: Mutex::new(0..0),
            cleared: AtomicBool::new(false),
        }
    }

    /// Forgets every table.
    fn clear(&self) {
        self.cleared.store(true, Ordering::Release);
        for entry in self.pages.iter().filter_map(OnceLock::get).flatten() {
            entry.store(0, Ordering::Release);
        }
    }

    /// The sector of a table; 0 when it is absent.
    fn entry(&self, storage: &dyn Storage, index: u32) -> Result<u32> {
        Ok(self.cell(storage, index)?.map_or(0, |entry| entry.load(Ordering::Acquire)))
    }

    /// Changes the sector of a table, here only.
    fn set(&self, storage: &dyn Storage, index: u32, sector: u32) -> Result<()> {
        if let Some(entry) = self.cell(storage, index)? {
            entry.store(sector, Ordering::Release);
        }
        Ok(())
    }

    /// Puts the sector of a table into the file.
    fn write(&self, storage: &dyn Storage, index: u32) -> Result<()> {
        let entry = U32::new(self.entry(storage, index)?);
        storage.write_all_at(entry.as_bytes(), ByteOffset(self.start.0 + u64::from(index) * 4))
    }

    fn cell(&self, storage: &dyn Storage, index: u32) -> Result<Option<&AtomicU32>> {
        let (page, within) = (index as usize / PAGE_ENTRIES, index as usize % PAGE_ENTRIES);
        if let Some(entries) = self.pages[page].get() {
            return Ok(entries.get(within));
        }
        let first = page * PAGE_ENTRIES;
        let count = PAGE_ENTRIES.min(self.tables as usize - first);
        let mut entries = vec![U32::ZERO; count];
        if !self.cleared.load(Ordering::Acquire) {
            storage
                .read_exact_at(entries.as_mut_bytes(), ByteOffset(self.start.0 + first as u64 * 4))
                .context(|| "reading the grain directory")?;
        }
        let decode = || entries.iter().map(|entry| AtomicU32::new(entry.get())).collect();
        Ok(self.pages[page].get_or_init(decode).get(within))
    }

    /// Whether a range of the file is all hole, so that an empty 62 TiB disk is mapped without reading gigabytes
    /// of empty tables.
    fn in_hole(&self, storage: &dyn Storage, range: Range<u64>) -> Result<bool> {
        let mut hole = locked(&self.hole);
        if !hole.contains(&range.start) {
            match storage.region_at(ByteOffset(range.start))? {
                Region::Hole(end) => *hole = range.start..end.0,
                Region::Data(_) => return Ok(false),
            }
        }
        Ok(range.end <= hole.end)
    }
}
