//! Grain directory and grain tables.
//!
//! Tables are read on demand into a cache of fixed size; most disks fit as a whole. Changes are kept in `edits`
//! until [`Tables::write_edits`] puts them into the file: whoever holds data back must decide when. A table in
//! `edits` is the truth; the cache and the file may lag behind.
//!
//! Lock order: one cache slot, then `edits`, then `hole`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use zerocopy::FromBytes;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::header::Header;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::io::{ByteOffset, Region, SECTOR_SIZE, Storage};

/// Bytes of decoded tables that the cache may hold.
const CACHE_BYTES: usize = 8 << 20;

/// Directory entries that are read at a time: few pieces, so that an extent that claims to be huge takes little memory.
const PAGE_ENTRIES: usize = 16 << 10;

/// Table entry of a grain that this link does not have.
pub const UNALLOCATED: u32 = 0;

/// Table entry of a grain of zeros.
pub const ZERO_GRAIN: u32 = 1;

/// The entries of a table; `None` when all of them are [`UNALLOCATED`].
type Table = Option<Box<[u32]>>;

/// A cached table.
#[derive(Debug, Default)]
struct Slot {
    /// Which one, if any.
    index: Option<u32>,
    entries: Table,
}

/// The directory and the tables of an extent.
#[derive(Debug)]
pub struct Tables {
    storage: Arc<dyn Storage>,
    header: Header,
    directory: Directory,
    redundant: Option<Directory>,
    slots: Box<[RwLock<Slot>]>,
    edits: Mutex<HashMap<u32, Box<[u32]>>>,
    /// A hole of the file that was found: tables in it need no reading.
    hole: Mutex<Range<u64>>,
    /// A length that the file is known to have; it never shrinks below its tables while it is open.
    length: AtomicU64,
}

impl Tables {
    /// The tables of a checked header.
    pub fn new(storage: Arc<dyn Storage>, header: Header) -> Self {
        let slots = (CACHE_BYTES / header.table_bytes()).clamp(16, 4096).min(header.tables as usize);
        Self {
            directory: Directory::new(header.directory, header.tables),
            redundant: header.redundant_directory.map(|sector| Directory::new(sector, header.tables)),
            slots: (0..slots).map(|_| RwLock::default()).collect(),
            edits: Mutex::default(),
            hole: Mutex::new(0..0),
            length: AtomicU64::new(0),
            storage,
            header,
        }
    }

    /// Shows the entries of a table to `look`; `None` stands for a table of unallocated grains.
    ///
    /// # Errors
    /// `InvalidDisk` for a directory entry that leads out of the file, those of storage.
    pub fn with<R>(&self, index: u32, look: impl FnOnce(Option<&[u32]>) -> R) -> Result<R> {
        let slot = &self.slots[index as usize % self.slots.len()];
        {
            let cached = slot.read().unwrap_or_else(PoisonError::into_inner);
            if cached.index == Some(index) {
                return Ok(look(cached.entries.as_deref()));
            }
        }
        let mut cached = slot.write().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut cached, index)?;
        Ok(look(cached.entries.as_deref()))
    }

    /// The file must have room for a table; to be asked before space is taken for what goes into it.
    ///
    /// # Errors
    /// `NotSupported` when it has none, as for [`Tables::with`].
    pub fn check_present(&self, index: u32) -> Result<()> {
        if self.directory.entry(&*self.storage, index)? == 0 {
            let text = format!("the file has no grain table {index}, and this release does not add tables");
            return Err(Error::new(Kind::NotSupported, text));
        }
        Ok(())
    }

    /// Changes the entries of a table, in memory.
    ///
    /// # Errors
    /// As for [`Tables::check_present`].
    pub fn edit(&self, index: u32, change: impl FnOnce(&mut [u32])) -> Result<()> {
        self.check_present(index)?;
        let slot = &self.slots[index as usize % self.slots.len()];
        let mut cached = slot.write().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut cached, index)?;
        let empty = || vec![UNALLOCATED; self.header.entries_per_table as usize].into_boxed_slice();
        let entries = cached.entries.get_or_insert_with(empty);
        change(entries);
        self.edits().entry(index).or_insert_with(|| entries.clone()).copy_from_slice(entries);
        Ok(())
    }

    /// Tables that were changed and are not in the file yet.
    pub fn edited(&self) -> usize {
        self.edits().len()
    }

    /// Puts the changed tables into the file, redundant copies first; nobody may edit meanwhile. On an error the
    /// changes stay, and the next call writes them again.
    ///
    /// # Errors
    /// Those of storage.
    pub fn write_edits(&self) -> Result<()> {
        let mut indices: Vec<u32> = self.edits().keys().copied().collect();
        indices.sort_unstable();
        for directory in [self.redundant.as_ref(), Some(&self.directory)].into_iter().flatten() {
            for &index in &indices {
                let Some(entries) = self.edits().get(&index).cloned() else { continue };
                let encoded: Vec<U32> = entries.iter().map(|entry| U32::new(*entry)).collect();
                let sector = directory.entry(&*self.storage, index)?;
                // A redundant copy may be missing; the primary table was found before the edit was accepted.
                if sector != 0 {
                    self.storage.write_all_at(encoded.as_bytes(), self.table_place(sector, index)?)?;
                }
            }
        }
        *self.hole.lock().unwrap_or_else(PoisonError::into_inner) = 0..0;
        let mut edits = self.edits();
        indices.iter().for_each(|index| drop(edits.remove(index)));
        Ok(())
    }

    fn edits(&self) -> MutexGuard<'_, HashMap<u32, Box<[u32]>>> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a slot hold a table.
    fn fill(&self, slot: &mut Slot, index: u32) -> Result<()> {
        if slot.index == Some(index) {
            return Ok(());
        }
        slot.index = None;
        let edited = self.edits().get(&index).cloned();
        slot.entries = match edited {
            Some(entries) => Some(entries),
            None => {
                self.load(index).context(|| format!("grain table {index} of '{}'", self.storage.name()))?
            }
        };
        slot.index = Some(index);
        Ok(())
    }

    fn load(&self, index: u32) -> Result<Table> {
        let sector = self.directory.entry(&*self.storage, index)?;
        if sector == 0 {
            return Ok(None);
        }
        let place = self.table_place(sector, index)?;
        let end = place.0 + self.header.table_bytes() as u64;
        if self.in_hole(place.0..end)? {
            return Ok(None);
        }
        let mut entries = vec![U32::ZERO; self.header.entries_per_table as usize];
        self.storage.read_exact_at(entries.as_mut_bytes(), place)?;
        let used = entries.iter().any(|entry| *entry != U32::ZERO);
        Ok(used.then(|| entries.iter().map(|entry| entry.get()).collect()))
    }

    /// Whether a range of the file is all hole, so that an empty 62 TiB disk is mapped without reading gigabytes
    /// of empty tables.
    fn in_hole(&self, range: Range<u64>) -> Result<bool> {
        let mut hole = self.hole.lock().unwrap_or_else(PoisonError::into_inner);
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
        let start = u64::from(sector) * SECTOR_SIZE;
        let end = start + self.header.table_bytes() as u64;
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

/// A grain directory, read page by page on demand; it does not change while a disk is open.
#[derive(Debug)]
struct Directory {
    start: ByteOffset,
    tables: u32,
    pages: Box<[OnceLock<Box<[u32]>>]>,
}

impl Directory {
    /// The directory at a sector that [`Header`] has checked.
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
        let (page, within) = (index as usize / PAGE_ENTRIES, index as usize % PAGE_ENTRIES);
        if let Some(entries) = self.pages[page].get() {
            return Ok(entries[within]);
        }
        let first = page * PAGE_ENTRIES;
        let count = PAGE_ENTRIES.min(self.tables as usize - first);
        let mut bytes = vec![0; count * 4];
        storage
            .read_exact_at(&mut bytes, ByteOffset(self.start.0 + first as u64 * 4))
            .context(|| "reading the grain directory")?;
        let decode = || match <[U32]>::ref_from_bytes(&bytes) {
            Ok(entries) => entries.iter().map(|entry| entry.get()).collect(),
            Err(_) => Box::default(), // cannot be: the length is a multiple of 4 and U32 has no alignment
        };
        Ok(self.pages[page].get_or_init(decode).get(within).copied().unwrap_or(0))
    }
}
