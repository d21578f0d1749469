//! Handles: numbers in a table, so that a stale or foreign one is an error and never undefined behaviour.
//!
//! ```text
//!   63        56 55                    24 23              0
//!   [ kind tag  ][ generation of the slot ][ index + 1     ]
//! ```
//!
//! The tag tells kinds of objects apart, the generation tells an object from the one that had its slot before.

use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{Error, Kind, Result};

/// A handle as a number; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(u64);

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 32;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

impl Handle {
    /// A handle from the number that a client handed over; any number is fine.
    pub fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number.
    pub fn raw(self) -> u64 {
        self.0
    }
}

/// One place of a table.
#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    object: Option<Arc<T>>,
}

/// All live objects of one kind.
#[derive(Debug)]
pub struct Table<T> {
    tag: u8,
    name: &'static str,
    slots: RwLock<Vec<Slot<T>>>,
}

impl<T> Table<T> {
    /// An empty table; `tag` must differ from that of every other table, `name` is for messages.
    pub const fn new(tag: u8, name: &'static str) -> Self {
        Self { tag, name, slots: RwLock::new(Vec::new()) }
    }

    /// Adds an object.
    ///
    /// # Errors
    /// `OutOfMemory` when 16 million objects are alive.
    pub fn insert(&self, object: Arc<T>) -> Result<Handle> {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let index = match slots.iter().position(|slot| slot.object.is_none()) {
            Some(index) => index,
            None => {
                slots.push(Slot { generation: 0, object: None });
                slots.len() - 1
            }
        };
        if index as u64 >= INDEX_MASK {
            return Err(Error::new(Kind::OutOfMemory, format!("too many {} handles", self.name)));
        }
        let slot = &mut slots[index];
        slot.generation = slot.generation.wrapping_add(1);
        slot.object = Some(object);
        Ok(self.handle(index, slot.generation))
    }

    fn handle(&self, index: usize, generation: u32) -> Handle {
        let tag = u64::from(self.tag) << (INDEX_BITS + GENERATION_BITS);
        Handle(tag | u64::from(generation) << INDEX_BITS | (index as u64 + 1))
    }

    /// The slot that a handle stands for, if it is of this kind.
    fn index(&self, handle: Handle) -> Option<(usize, u32)> {
        let tag = handle.0 >> (INDEX_BITS + GENERATION_BITS);
        let index = usize::try_from(handle.0 & INDEX_MASK).ok()?.checked_sub(1)?;
        let generation = (handle.0 >> INDEX_BITS) as u32;
        (tag == u64::from(self.tag)).then_some((index, generation))
    }

    fn invalid(&self, handle: Handle) -> Error {
        if handle.0 == 0 {
            return Error::new(Kind::InvalidArgument, format!("the {} handle is NULL", self.name));
        }
        let text = format!("{:#x} is not the handle of an open {}", handle.0, self.name);
        Error::new(Kind::InvalidHandle, text)
    }

    /// The object behind a handle.
    ///
    /// # Errors
    /// `InvalidArgument` for none, `InvalidHandle` for one that is stale or not of this table.
    pub fn get(&self, handle: Handle) -> Result<Arc<T>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        self.index(handle)
            .and_then(|(index, generation)| slots.get(index).filter(|slot| slot.generation == generation))
            .and_then(|slot| slot.object.clone())
            .ok_or_else(|| self.invalid(handle))
    }

    /// Takes an object out; its handle is stale from now on.
    ///
    /// # Errors
    /// As for [`Table::get`].
    pub fn remove(&self, handle: Handle) -> Result<Arc<T>> {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        self.index(handle)
            .and_then(|(index, generation)| slots.get_mut(index).filter(|slot| slot.generation == generation))
            .and_then(|slot| slot.object.take())
            .ok_or_else(|| self.invalid(handle))
    }

    /// The handles of all objects that `wanted` picks.
    pub fn handles(&self, wanted: impl Fn(&T) -> bool) -> Vec<Handle> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let live = slots.iter().enumerate().filter_map(|(index, slot)| {
            let object = slot.object.as_ref()?;
            wanted(object).then(|| self.handle(index, slot.generation))
        });
        live.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: Table<u32> = Table::new(1, "number");
    static OTHERS: Table<u32> = Table::new(2, "other");

    #[test]
    fn handles_are_valid_from_insert_to_remove() {
        let handle = NUMBERS.insert(Arc::new(7)).unwrap();
        assert_eq!(*NUMBERS.get(handle).unwrap(), 7);
        assert_eq!(*NUMBERS.remove(handle).unwrap(), 7);
        assert_eq!(NUMBERS.get(handle).unwrap_err().kind(), Kind::InvalidHandle);
        assert_eq!(NUMBERS.remove(handle).unwrap_err().kind(), Kind::InvalidHandle);
        let next = NUMBERS.insert(Arc::new(8)).unwrap();
        assert_ne!(handle, next, "the slot is used again under another number");
        assert!(NUMBERS.get(handle).is_err());
        NUMBERS.remove(next).unwrap();
    }

    #[test]
    fn foreign_numbers_are_refused() {
        let handle = OTHERS.insert(Arc::new(1)).unwrap();
        assert_eq!(NUMBERS.get(handle).unwrap_err().kind(), Kind::InvalidHandle);
        assert_eq!(NUMBERS.get(Handle::from_raw(0)).unwrap_err().kind(), Kind::InvalidArgument);
        for raw in [1, u64::MAX, 0xdead_beef, handle.raw() + 1, handle.raw() ^ 1 << 40] {
            assert_eq!(OTHERS.get(Handle::from_raw(raw)).unwrap_err().kind(), Kind::InvalidHandle);
        }
        OTHERS.remove(handle).unwrap();
    }

    #[test]
    fn threads_insert_and_remove_at_once() {
        static TABLE: Table<usize> = Table::new(3, "number");
        std::thread::scope(|scope| {
            for start in 0..4 {
                scope.spawn(move || {
                    for round in 0..50 {
                        let handle = TABLE.insert(Arc::new(start * 1000 + round)).unwrap();
                        assert_eq!(*TABLE.get(handle).unwrap(), start * 1000 + round);
                        assert_eq!(*TABLE.remove(handle).unwrap(), start * 1000 + round);
                    }
                });
            }
        });
        assert!(TABLE.handles(|_| true).is_empty());
    }
}
