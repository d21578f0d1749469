//! What this process has changed on a disk since somebody looked: a handle that only reads keeps tables and a
//! descriptor in memory, and must see what a writable handle of the same process has flushed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A number for every disk that is open, raised whenever changes of it were made durable.
static DISKS: Mutex<Option<HashMap<PathBuf, Weak<AtomicU64>>>> = Mutex::new(None);

/// The changes of one disk.
#[derive(Debug, Clone)]
pub(super) struct Changes(Arc<AtomicU64>);

impl Changes {
    /// The changes of the disk whose file has this one name.
    pub(super) fn of(identity: PathBuf) -> Self {
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        let disks = disks.get_or_insert_default();
        if let Some(known) = disks.get(&identity).and_then(Weak::upgrade) {
            return Self(known);
        }
        disks.retain(|_, number| number.strong_count() > 0);
        let number = Arc::default();
        disks.insert(identity, Arc::downgrade(&number));
        Self(number)
    }

    /// Notes that there are changes to be seen.
    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// How many were noted.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
