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
use crate::error::{Error, Kind, Result};

/// What tells shared disks apart: the file, and whether parents are open too.
type Key = (PathBuf, bool);

/// The place of one disk. Its lock is held while the disk is opened or ended, so that whoever opens a disk that is
/// just being closed waits for that, and other disks do not.
type Slot = Arc<Mutex<Option<Entry>>>;

/// A disk and the number of its handles, which is at least 1.
#[derive(Debug)]
struct Entry {
    disk: Arc<Disk>,
    handles: usize,
    /// One handle has the disk to itself for a while.
    exclusive: bool,
}

static SLOTS: Mutex<Option<HashMap<Key, Slot>>> = Mutex::new(None);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One handle's part of a disk.
#[derive(Debug)]
pub(super) struct Share {
    disk: Arc<Disk>,
    /// `None` for a disk of its own.
    place: Option<Place>,
}

/// Where a shared disk is found.
#[derive(Debug)]
struct Place {
    key: Key,
    slot: Slot,
}

impl Share {
    /// A disk that is not shared: it is only read.
    pub(super) fn alone(disk: Disk) -> Self {
        Self { disk: Arc::new(disk), place: None }
    }

    /// A share of the disk that is open already, or of the one that `open` opens.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn join(key: Key, open: impl FnOnce() -> Result<Disk>) -> Result<Self> {
        let slot = Arc::clone(locked(&SLOTS).get_or_insert_default().entry(key.clone()).or_default());
        let place = Place { key, slot };
        let disk = place.enter(open);
        if disk.is_err() {
            place.tidy();
        }
        Ok(Self { disk: disk?, place: Some(place) })
    }

    /// The disk.
    pub(super) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Does something that nobody else may notice: no other handle of this process has the disk meanwhile.
    ///
    /// # Errors
    /// `Busy` while another one has it; those of `act`.
    pub(super) fn alone_with<R>(&self, act: impl FnOnce(&Disk) -> Result<R>) -> Result<R> {
        let Some(place) = &self.place else { return act(&self.disk) };
        place.set_exclusive()?;
        let result = act(&self.disk);
        if let Some(entry) = locked(&place.slot).as_mut() {
            entry.exclusive = false;
        }
        result
    }

    /// Gives the share back; everything written is durable afterwards. The last one ends writing.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn leave(self) -> Result<()> {
        let Some(place) = self.place else { return self.disk.finish() };
        let result = place.leave(self.disk);
        place.tidy();
        result
    }
}

impl Place {
    fn enter(&self, open: impl FnOnce() -> Result<Disk>) -> Result<Arc<Disk>> {
        let mut entry = locked(&self.slot);
        if let Some(entry) = &mut *entry {
            if entry.exclusive {
                let text = "the disk is being shrunk or defragmented through another handle";
                return Err(Error::new(Kind::Busy, text));
            }
            entry.handles += 1;
            return Ok(Arc::clone(&entry.disk));
        }
        let disk = Arc::new(open()?);
        *entry = Some(Entry { disk: Arc::clone(&disk), handles: 1, exclusive: false });
        Ok(disk)
    }

    /// Lets nobody else in; no lock is held for that, since progress functions run meanwhile.
    fn set_exclusive(&self) -> Result<()> {
        let mut slot = locked(&self.slot);
        match slot.as_mut() {
            Some(entry) if entry.handles > 1 => {
                let text = "another handle of this process has the disk open for writing";
                Err(Error::new(Kind::Busy, text))
            }
            Some(entry) => {
                entry.exclusive = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn leave(&self, disk: Arc<Disk>) -> Result<()> {
        let mut slot = locked(&self.slot);
        if let Some(entry) = slot.as_mut().filter(|entry| entry.handles > 1) {
            entry.handles -= 1;
            drop(slot);
            return disk.flush();
        }
        let result = disk.finish();
        // The disk goes, and its lock, before anybody can come in.
        *slot = None;
        drop(disk);
        result
    }

    /// Forgets the slot unless somebody has it, or is about to have it.
    fn tidy(&self) {
        let mut slots = locked(&SLOTS);
        // The map's and ours; whoever else has one took it under the lock of the map, which is held here.
        if Arc::strong_count(&self.slot) == 2 && locked(&self.slot).is_none() {
            slots.get_or_insert_default().remove(&self.key);
        }
    }
}
