//! Grain directory and grain tables.
//!
//! Tables are read on demand into a cache of fixed size; most disks fit as a whole. Changes are kept in `edits`
//! until [`Tables::write_edits`] puts them into the file: whoever holds data back must decide when. A table in
//! `edits` is the truth; the cache and the file may lag behind. A table that is added is found through the directory
//! in memory at once, and through that of the file when [`Tables::write_directory`] says so.
//!
//! Lock order: one cache slot, then `edits` or `added`, then `hole`.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, IntoBytes};

use super::Shape;
use super::cache::{Cache, Table};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::io::{ByteOffset, Region, SECTOR_SIZE, Storage};

/// Directory entries that are read at a time.
const PAGE_ENTRIES: usize = 1024;

/// Table entry of a grain that this link does not have.
pub const UNALLOCATED: u32 = 0;

/// Table entry of a grain of zeros.
pub const ZERO_GRAIN: u32 = 1;

/// The directory and the tables of an extent.
#[derive(Debug)]
pub struct Tables {
    storage: Arc<dyn Storage>,
    shape: Shape,
    directory: Directory,
    redundant: Option<Directory>,
    cache: Cache<u32>,
    edits: Mutex<HashMap<u32, Box<[u32]>>>,
    /// Tables that the directory of the file does not name yet.
    added: Mutex<Vec<u32>>,
    /// A hole of the file that was found: tables in it need no reading.
    hole: Mutex<Range<u64>>,
    /// A length that the file is known to have; it never shrinks below its tables while it is open.
    length: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tables {
    /// The tables of a checked header.
    pub fn new(storage: Arc<dyn Storage>, shape: Shape) -> Self {
        Self {
            directory: Directory::new(shape.directory, shape.tables),
            redundant: shape.redundant_directory.map(|sector| Directory::new(sector, shape.tables)),
            cache: Cache::new(shape.tables, shape.table_bytes()),
            edits: Mutex::default(),
            added: Mutex::default(),
            hole: Mutex::new(0..0),
            length: AtomicU64::new(0),
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

    /// Those of some tables that the file does not have; to be asked before space is taken for what goes into them.
    ///
    /// # Errors
    /// `NotSupported` when there are any and the format does not add tables, as for [`Tables::with`].
    pub fn absent(&self, tables: RangeInclusive<u32>) -> Result<Vec<u32>> {
        let mut absent = Vec::new();
        for index in tables {
            if self.directory.entry(&*self.storage, index)? != 0 {
                continue;
            }
            if !self.shape.adds_tables {
                let text =
                    format!("the file has no grain table {index}, and this release does not add tables");
                return Err(Error::new(Kind::NotSupported, text));
            }
            absent.push(index);
        }
        Ok(absent)
    }

    /// Adds a table of unallocated grains, in memory. `sector` is where it will stand; nothing else may be there.
    ///
    /// # Errors
    /// As for [`Tables::with`].
    pub fn add(&self, index: u32, sector: u32) -> Result<()> {
        // All of it under the lock of the table's place: who looks for the table finds all of it, or nothing.
        let add = |table: &mut Table<u32>| {
            self.directory.set(&*self.storage, index, sector)?;
            let empty = self.empty_table();
            locked(&self.edits).insert(index, empty.clone());
            locked(&self.added).push(index);
            *table = Some(empty);
            Ok(())
        };
        self.cache.change(index, || Ok(None), add)?
    }

    /// Changes the entries of a table that is there, in memory.
    ///
    /// # Errors
    /// As for [`Tables::with`].
    pub fn edit(&self, index: u32, change: impl FnOnce(&mut [u32])) -> Result<()> {
        let change = |table: &mut Table<u32>| {
            let entries = table.get_or_insert_with(|| self.empty_table());
            change(entries);
            locked(&self.edits).entry(index).or_insert_with(|| entries.clone()).copy_from_slice(entries);
        };
        self.cache.change(index, || self.find(index), change)
    }

    /// Bytes of the tables that were changed and are not in the file yet.
    pub fn edited_bytes(&self) -> usize {
        locked(&self.edits).len() * self.shape.table_bytes()
    }

    /// Whether the file lacks a table, or what leads to one.
    pub fn is_behind(&self) -> bool {
        !locked(&self.edits).is_empty() || self.directory_is_behind()
    }

    /// Whether the file's directory lacks tables.
    pub fn directory_is_behind(&self) -> bool {
        !locked(&self.added).is_empty()
    }

    /// Puts the changed tables into the file, redundant copies first; nobody may edit meanwhile. On an error the
    /// changes stay, and the next call writes them again.
    ///
    /// # Errors
    /// Those of storage.
    pub fn write_edits(&self) -> Result<()> {
        let mut indices: Vec<u32> = locked(&self.edits).keys().copied().collect();
        indices.sort_unstable();
        for directory in [self.redundant.as_ref(), Some(&self.directory)].into_iter().flatten() {
            for &index in &indices {
                let Some(entries) = locked(&self.edits).get(&index).cloned() else { continue };
                let encoded: Vec<U32> = entries.iter().map(|entry| U32::new(*entry)).collect();
                let sector = directory.entry(&*self.storage, index)?;
                // A redundant copy may be missing; the primary table was found before the edit was accepted.
                if sector != 0 {
                    let place = self.table_place(sector, index)?;
                    self.storage.write_all_at(encoded.as_bytes(), place)?;
                }
            }
        }
        *locked(&self.hole) = 0..0;
        let mut edits = locked(&self.edits);
        indices.iter().for_each(|index| drop(edits.remove(index)));
        Ok(())
    }

    /// Lets the file's directory lead to the tables that were added, which must stand in the file, durably. On an
    /// error they stay, and the next call writes them again.
    ///
    /// # Errors
    /// Those of storage.
    pub fn write_directory(&self) -> Result<()> {
        let added = locked(&self.added).clone();
        for &index in &added {
            self.directory.write(&*self.storage, index)?;
        }
        // Nobody adds meanwhile: that takes the lock under which this is called.
        locked(&self.added).clear();
        Ok(())
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
        let sector = self.directory.entry(&*self.storage, index)?;
        if sector == 0 {
            return Ok(None);
        }
        let place = self.table_place(sector, index)?;
        let end = place.0 + self.shape.table_bytes() as u64;
        if self.in_hole(place.0..end)? {
            return Ok(None);
        }
        let mut entries = vec![U32::ZERO; self.shape.entries_per_table as usize];
        self.storage.read_exact_at(entries.as_mut_bytes(), place)?;
        let used = entries.iter().any(|entry| *entry != U32::ZERO);
        Ok(used.then(|| entries.iter().map(|entry| entry.get()).collect()))
    }

    /// Whether a range of the file is all hole, so that an empty 62 TiB disk is mapped without reading gigabytes
    /// of empty tables.
    fn in_hole(&self, range: Range<u64>) -> Result<bool> {
        let mut hole = locked(&self.hole);
        if !hole.contains(&range.start) {
            match self.storage.region_at(ByteOffset(range.start))? {
                Region::Hole(end) => *hole = range.start..end.0,
                Region::Data(_) => return Ok(false),
            }
        }
        Ok(range.end <= hole.end)
    }

    /// Where a table stands; it must be in the file as a whole.
    fn table_place(&self, sector: u32, index: u32) -> Result<ByteOffset> {
        if sector < self.shape.lowest_entry {
            let text = format!("grain table {index} at sector {sector} lies in the header");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        let start = u64::from(sector) * SECTOR_SIZE;
        let end = start + self.shape.table_bytes() as u64;
        if end > self.length.load(Ordering::Relaxed) {
            self.length.store(self.storage.length()?, Ordering::Relaxed);
        }
        if end > self.length.load(Ordering::Relaxed) {
            let text = format!("grain table {index} at sector {sector} lies past the end of the file");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(ByteOffset(start))
    }
}

/// A grain directory, read page by page on demand; while a disk is open it changes here first.
#[derive(Debug)]
struct Directory {
    start: ByteOffset,
    tables: u32,
    pages: Box<[OnceLock<Box<[AtomicU32]>>]>,
}

impl Directory {
    /// The directory at a sector that the header's checks have found possible.
    fn new(sector: u64, tables: u32) -> Self {
        let pages = (tables as usize).div_ceil(PAGE_ENTRIES);
        Self {
            start: ByteOffset(sector.saturating_mul(SECTOR_SIZE)),
            tables,
            pages: (0..pages).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The sector of a table; 0 when it is absent.
    fn entry(&self, storage: &dyn Storage, index: u32) -> Result<u32> {
        let entry = self.cell(storage, index)?;
        Ok(entry.map_or(0, |entry| entry.load(Ordering::Acquire)))
    }

    /// Changes the sector of a table, here only.
    fn set(&self, storage: &dyn Storage, index: u32, sector: u32) -> Result<()> {
        if let Some(entry) = self.cell(storage, index)? {
            entry.store(sector, Ordering::Release);
        }
        Ok(())
    }

    /// Puts the entry of a table into the file.
    fn write(&self, storage: &dyn Storage, index: u32) -> Result<()> {
        let entry = self.entry(storage, index)?;
        storage.write_all_at(&entry.to_le_bytes(), ByteOffset(self.start.0 + u64::from(index) * 4))
    }

    fn cell(&self, storage: &dyn Storage, index: u32) -> Result<Option<&AtomicU32>> {
        let (page, within) = (index as usize / PAGE_ENTRIES, index as usize % PAGE_ENTRIES);
        if let Some(entries) = self.pages[page].get() {
            return Ok(entries.get(within));
        }
        let first = page * PAGE_ENTRIES;
        let count = PAGE_ENTRIES.min(self.tables as usize - first);
        let mut bytes = vec![0; count * 4];
        storage
            .read_exact_at(&mut bytes, ByteOffset(self.start.0 + first as u64 * 4))
            .context(|| "reading the grain directory")?;
        let decode = || match <[U32]>::ref_from_bytes(&bytes) {
            Ok(entries) => entries.iter().map(|entry| AtomicU32::new(entry.get())).collect(),
            Err(_) => Box::default(), // cannot be: the length is a multiple of 4 and U32 has no alignment
        };
        Ok(self.pages[page].get_or_init(decode).get(within))
    }
}
