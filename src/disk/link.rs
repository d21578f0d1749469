//! One link of a chain: its descriptor, wherever that stands, and its extents.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::Extent;
use crate::format::vmdk::descriptor::{Descriptor, FRESH_CID};
use crate::format::vmdk::sparse::header::DescriptorPlace;
use crate::io::{ByteOffset, Files, SECTOR_SIZE, Storage};

/// An extent and where it starts on the disk.
#[derive(Debug)]
pub struct Placed {
    /// First sector.
    pub start: u64,
    /// The extent.
    pub extent: Box<dyn Extent>,
}

impl Placed {
    /// The sector after the last one.
    pub fn end(&self) -> u64 {
        self.start + self.extent.sectors()
    }
}

/// Where a descriptor stands.
#[derive(Debug)]
pub enum Home {
    /// Inside the sparse extent `storage`.
    Embedded(DescriptorPlace),
    /// It is the whole file.
    Text,
}

/// A link that is open.
pub struct Link {
    /// The path that it was opened by.
    pub path: PathBuf,
    pub(super) files: Arc<dyn Files>,
    /// The file with the descriptor.
    pub(super) storage: Arc<dyn Storage>,
    pub(super) home: Home,
    pub(super) descriptor: RwLock<Descriptor>,
    /// The descriptor's bytes as they stand in the file.
    pub(super) saved: Mutex<Vec<u8>>,
    pub(super) extents: Vec<Placed>,
    pub(super) sectors: u64,
    pub(super) writable: bool,
    /// The content id has been renewed since the link was opened.
    pub(super) touched: AtomicBool,
    /// Holds the lock of this link as long as it lives.
    pub(super) _lock: Option<Arc<dyn Storage>>,
}

impl Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Link")
            .field("path", &self.path)
            .field("sectors", &self.sectors)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Sectors of the link.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// The descriptor.
    pub fn descriptor(&self) -> RwLockReadGuard<'_, Descriptor> {
        self.descriptor.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The extent that holds a sector of the link.
    pub fn extent_at(&self, sector: u64) -> Result<&Placed> {
        let index = self.extents.partition_point(|placed| placed.end() <= sector);
        self.extents.get(index).ok_or_else(|| {
            Error::new(Kind::OutOfRange, format!("sector {sector} is past the {} of the disk", self.sectors))
        })
    }

    /// The extents, in the order of the disk.
    pub fn extents(&self) -> &[Placed] {
        &self.extents
    }

    /// Gives the link a new content id before its content changes for the first time since it was opened, so that
    /// a child made before cannot be mistaken for one of the new content.
    ///
    /// # Errors
    /// Those of writing the descriptor.
    pub fn touch(&self) -> Result<()> {
        if self.touched.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut saved = self.saved();
        if self.touched.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut changed = self.descriptor().clone();
        changed.set_cid(random_cid()?);
        self.save(&mut saved, changed, false).context(|| self.describe("renewing the content id"))?;
        self.touched.store(true, Ordering::Release);
        Ok(())
    }

    /// Changes the disk database, durably.
    ///
    /// # Errors
    /// `InvalidArgument` for what the text cannot hold, `DiskFull` when an embedded descriptor has no room left,
    /// those of storage.
    pub fn set_metadata(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut saved = self.saved();
        let mut changed = self.descriptor().clone();
        changed.set_database(key, value)?;
        self.save(&mut saved, changed, true).context(|| self.describe("changing the disk database"))
    }

    fn describe(&self, what: &str) -> String {
        format!("{what} of '{}'", self.path.display())
    }

    fn saved(&self) -> MutexGuard<'_, Vec<u8>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a changed descriptor. A text of the same length changes in place; a longer one in a file of its own
    /// replaces the file at once.
    fn save(&self, saved: &mut Vec<u8>, changed: Descriptor, durable: bool) -> Result<()> {
        let mut bytes = changed.to_bytes();
        match &self.home {
            Home::Embedded(place) => {
                let room = (place.sectors * SECTOR_SIZE) as usize;
                if bytes.len() >= room {
                    let text =
                        format!("the descriptor needs {} bytes, the file has room for {room}", bytes.len());
                    return Err(Error::new(Kind::DiskFull, text));
                }
                bytes.resize(room, 0);
                self.change_in_place(saved, &bytes, place.sector * SECTOR_SIZE, durable)?;
            }
            Home::Text if bytes.len() == saved.len() => self.change_in_place(saved, &bytes, 0, durable)?,
            Home::Text => self.files.replace(&self.path, &bytes)?,
        }
        *saved = bytes;
        *self.descriptor.write().unwrap_or_else(PoisonError::into_inner) = changed;
        Ok(())
    }

    /// Writes the bytes that differ.
    fn change_in_place(&self, old: &[u8], new: &[u8], start: u64, durable: bool) -> Result<()> {
        let differs = |index: &usize| old.get(*index) != new.get(*index);
        if let Some(first) = (0..new.len()).find(differs) {
            let last = (0..new.len()).rfind(differs).unwrap_or(first);
            self.current_storage()?.write_all_at(&new[first..=last], ByteOffset(start + first as u64))?;
        }
        if durable { self.current_storage()?.sync() } else { Ok(()) }
    }

    /// The file with the descriptor; a text that has been replaced is another file than the one first opened.
    fn current_storage(&self) -> Result<Arc<dyn Storage>> {
        match self.home {
            Home::Embedded(_) => Ok(Arc::clone(&self.storage)),
            Home::Text => self.files.open(&self.path, crate::io::Access::ReadWrite),
        }
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// Those of storage; every extent is tried.
    pub fn flush(&self) -> Result<()> {
        self.each(|extent| extent.flush())?;
        match self.home {
            // A new content id stands in the same file as the grains and is durable with them.
            Home::Embedded(_) => Ok(()),
            Home::Text if self.writable && self.touched.load(Ordering::Acquire) => {
                self.current_storage()?.sync()
            }
            Home::Text => Ok(()),
        }
    }

    /// Ends writing.
    ///
    /// # Errors
    /// Those of storage; every extent is tried.
    pub fn finish(&self) -> Result<()> {
        let flushed = self.flush();
        self.each(|extent| extent.finish()).and(flushed)
    }

    /// Does something to every extent, and reports the first failure.
    fn each(&self, act: impl Fn(&dyn Extent) -> Result<()>) -> Result<()> {
        self.extents.iter().map(|placed| act(&*placed.extent)).fold(Ok(()), Result::and)
    }
}

/// A content id that means neither "none" nor "fresh".
fn random_cid() -> Result<u32> {
    loop {
        let cid = u32::from_le_bytes(random_bytes()?);
        if cid < FRESH_CID {
            return Ok(cid);
        }
    }
}

/// Random bytes from the system.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(Kind::Io, format!("the system gave no random bytes: {error}")))?;
    Ok(bytes)
}

/// The name of a file inside a disk as a path.
pub(super) fn path_from_bytes(name: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(name))
}
