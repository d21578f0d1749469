//! Tables in memory: a fixed number of places, so that no disk can take more.

use std::sync::{OnceLock, PoisonError, RwLock};

use crate::error::Result;

/// Bytes of decoded tables that one cache may hold.
const CACHE_BYTES: usize = 8 << 20;

/// The entries of a table; `None` when all of them are 0.
pub type Table<T> = Option<Box<[T]>>;

/// Places of tables; a table has one place, which it shares with others.
#[derive(Debug)]
pub struct Cache<T> {
    /// Made when the first table is wanted: a disk may have a thousand extents, of which few are read.
    slots: OnceLock<Box<[RwLock<Slot<T>>]>>,
    count: usize,
}

/// A cached table.
#[derive(Debug)]
struct Slot<T> {
    /// Which one, if any.
    index: Option<u32>,
    entries: Table<T>,
}

impl<T> Cache<T> {
    /// A cache for as many of `tables` tables of `table_bytes` bytes as may be held.
    pub fn new(tables: u32, table_bytes: usize) -> Self {
        let count = (CACHE_BYTES / table_bytes.max(1)).clamp(16, 4096).min(tables.max(1) as usize);
        Self { slots: OnceLock::new(), count }
    }

    fn slot(&self, index: u32) -> &RwLock<Slot<T>> {
        let empty = |_| RwLock::new(Slot { index: None, entries: None });
        let slots = self.slots.get_or_init(|| (0..self.count).map(empty).collect());
        &slots[index as usize % self.count]
    }

    /// Shows a table to `look`; one that is not there is made by `load`.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn with<R>(
        &self,
        index: u32,
        load: impl FnOnce() -> Result<Table<T>>,
        look: impl FnOnce(Option<&[T]>) -> R,
    ) -> Result<R> {
        {
            let cached = self.slot(index).read().unwrap_or_else(PoisonError::into_inner);
            if cached.index == Some(index) {
                return Ok(look(cached.entries.as_deref()));
            }
        }
        self.change(index, load, |table| look(table.as_deref()))
    }

    /// As [`Cache::with`], but nobody else sees the table meanwhile, and it may be changed.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn change<R>(
        &self,
        index: u32,
        load: impl FnOnce() -> Result<Table<T>>,
        change: impl FnOnce(&mut Table<T>) -> R,
    ) -> Result<R> {
        let mut cached = self.slot(index).write().unwrap_or_else(PoisonError::into_inner);
        if cached.index != Some(index) {
            cached.index = None;
            cached.entries = load()?;
            cached.index = Some(index);
        }
        Ok(change(&mut cached.entries))
    }
}
