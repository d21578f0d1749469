//! Writable disks of this process, shared between their handles.
//!
//! Programs open a disk again before they have closed it: nbdkit makes a handle for every connection, and a new
//! client may come while the last one is leaving. Two engines on one file would destroy it, and refusing would
//! break such programs, so all writable handles of one disk in a process share one engine: they see each other's
//! writes at once. Other processes are kept out by the lock that the engine holds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::Disk;
use crate::error::Result;

/// What tells shared disks apart: the file, and whether parents are open too.
type Key = (PathBuf, bool);

/// A disk and the number of its handles.
struct Entry {
    disk: Arc<Disk>,
    handles: usize,
}

static ENTRIES: Mutex<Option<HashMap<Key, Entry>>> = Mutex::new(None);

fn entries() -> MutexGuard<'static, Option<HashMap<Key, Entry>>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One handle's part of a disk.
#[derive(Debug)]
pub(super) struct Share {
    disk: Arc<Disk>,
    /// `None` for a disk of its own.
    key: Option<Key>,
}

impl Share {
    /// A disk that is not shared: it is only read.
    pub(super) fn alone(disk: Disk) -> Self {
        Self { disk: Arc::new(disk), key: None }
    }

    /// A share of the disk that is open already, or of the one that `open` opens.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn join(key: Key, open: impl FnOnce() -> Result<Disk>) -> Result<Self> {
        let mut entries = entries();
        let entries = entries.get_or_insert_default();
        let disk = match entries.get_mut(&key) {
            Some(entry) => {
                entry.handles += 1;
                Arc::clone(&entry.disk)
            }
            None => {
                let disk = Arc::new(open()?);
                entries.insert(key.clone(), Entry { disk: Arc::clone(&disk), handles: 1 });
                disk
            }
        };
        Ok(Self { disk, key: Some(key) })
    }

    /// The disk.
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Gives the share back; everything written is durable afterwards. The last one ends writing.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn leave(self) -> Result<()> {
        let Some(key) = self.key else { return self.disk.finish() };
        let last = {
            let mut entries = entries();
            let entries = entries.get_or_insert_default();
            match entries.get_mut(&key) {
                Some(entry) if entry.handles > 1 => {
                    entry.handles -= 1;
                    false
                }
                _ => {
                    entries.remove(&key);
                    true
                }
            }
        };
        // With its last share the disk goes, and its lock; a new open waits for that.
        if last { self.disk.finish() } else { self.disk.flush() }
    }
}
