//! One link of a chain: its descriptor, wherever that stands, and its extents.

use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::chain::Look;
use super::foreign::{Family, Format};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Extent, Run};
use crate::format::foreign::{Id, Parent};
use crate::format::vmdk::descriptor::{Descriptor, FRESH_CID, MAX_BYTES};
use crate::format::vmdk::sparse::embedded::EmbeddedDescriptor;
use crate::io::{ByteOffset, Files, SECTOR_SIZE, Storage};

/// The header key by which a child names its parent.
pub(super) const PARENT_HINT: &str = "parentFileNameHint";

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
    /// Inside an extent.
    Embedded(EmbeddedDescriptor),
    /// It is the whole file.
    Text,
    /// Nowhere: the file is of another format, and the descriptor was made up for it.
    Foreign {
        /// Which format.
        format: Format,
        /// Its whole content id; the descriptor has a hash of it.
        content_id: Id,
        /// Its parent.
        parent: Option<Parent>,
    },
}

/// The descriptor as it stands in its file.
#[derive(Debug)]
pub(super) struct Saved {
    /// The file.
    pub(super) storage: Arc<dyn Storage>,
    /// The bytes of the whole text, or of the area that it is embedded in.
    pub(super) bytes: Vec<u8>,
    /// The bytes stand in their place: no change was interrupted, or has failed and could not be taken back.
    pub(super) settled: bool,
}

/// A link that is open.
pub struct Link {
    /// The path that it was opened by.
    pub path: PathBuf,
    pub(super) files: Arc<dyn Files>,
    pub(super) home: Home,
    pub(super) descriptor: RwLock<Descriptor>,
    pub(super) saved: Mutex<Saved>,
    pub(super) extents: Vec<Placed>,
    pub(super) sectors: u64,
    /// The content id has been renewed since the link was opened.
    pub(super) touched: AtomicBool,
    /// Held by whoever flushes.
    flushing: Mutex<()>,
    /// The descriptor was changed since the last flush.
    pub(super) unsynced: AtomicBool,
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
    /// A link of these extents, which follow each other without a gap; `lock` keeps its lock.
    pub(super) fn new(
        path: &Path,
        files: &Arc<dyn Files>,
        home: Home,
        descriptor: Descriptor,
        saved: Saved,
        extents: Vec<Placed>,
        lock: Option<Arc<dyn Storage>>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            files: Arc::clone(files),
            home,
            descriptor: RwLock::new(descriptor),
            saved: Mutex::new(saved),
            sectors: extents.last().map_or(0, Placed::end),
            extents,
            touched: AtomicBool::new(false),
            flushing: Mutex::new(()),
            unsynced: AtomicBool::new(false),
            _lock: lock,
        }
    }

    /// Sectors of the link.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// The descriptor.
    pub fn descriptor(&self) -> RwLockReadGuard<'_, Descriptor> {
        self.descriptor.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the link was made over a parent. What is no content id at all was refused when it was opened.
    pub fn has_parent(&self) -> bool {
        self.descriptor().has_parent()
    }

    /// The family of its format, which is also that of its parent.
    pub fn family(&self) -> Family {
        match self.home {
            Home::Embedded(_) | Home::Text => Family::Vmdk,
            Home::Foreign { format, .. } => Family::Foreign(format),
        }
    }

    /// The names under which the parent may be found, the best first.
    pub fn parent_names(&self) -> Vec<Vec<u8>> {
        match &self.home {
            Home::Embedded(_) | Home::Text => {
                let descriptor = self.descriptor();
                let hint = descriptor.header(PARENT_HINT).filter(|hint| !hint.is_empty());
                hint.into_iter().map(<[u8]>::to_owned).collect()
            }
            Home::Foreign { parent, .. } => {
                parent.as_ref().map_or_else(Vec::new, |parent| parent.names.as_slice().to_vec())
            }
        }
    }

    /// Checks that this is the link that `child` was made from, and unchanged since.
    ///
    /// # Errors
    /// `CidMismatch`.
    pub fn check_parent_of(&self, child: &Self) -> Result<()> {
        let (cid, wanted) = (self.descriptor().cid()?, child.descriptor().parent_cid()?);
        // Where the format has a longer identity that one counts: hashes of two can be equal.
        let same = match (&self.home, &child.home) {
            (Home::Foreign { content_id, .. }, Home::Foreign { parent: Some(parent), .. }) => {
                *content_id == parent.content_id
            }
            _ => cid == wanted,
        };
        if same {
            return Ok(());
        }
        let text = format!(
            "'{}' has content id {cid:08x} but {wanted:08x} is wanted: it was changed after its child was made",
            self.path.display()
        );
        Err(Error::new(Kind::CidMismatch, text))
    }

    /// The extent that holds a sector of the link.
    pub fn extent_at(&self, sector: u64) -> Result<&Placed> {
        let index = self.extents.partition_point(|placed| placed.end() <= sector);
        self.extents.get(index).ok_or_else(|| {
            Error::new(Kind::OutOfRange, format!("sector {sector} is past the {} of the disk", self.sectors))
        })
    }

    /// The run at `sector`, at most `limit` sectors long.
    ///
    /// # Errors
    /// `OutOfRange`, those of [`Extent::resolve`].
    pub(super) fn resolve(&self, sector: u64, limit: u64, look: Look) -> Result<Run<'_>> {
        let placed = self.extent_at(sector)?;
        let limit = limit.min(placed.end() - sector);
        match look {
            Look::Quick => placed.extent.resolve(sector - placed.start, limit),
            Look::Holes => placed.extent.resolve_holes(sector - placed.start, limit),
        }
    }

    /// The extents, in the order of the disk.
    pub fn extents(&self) -> &[Placed] {
        &self.extents
    }

    /// Every extent that has sectors from `start` to `end` must take writes: what is refused changes nothing, not even
    /// the content id.
    ///
    /// # Errors
    /// `ReadOnly`, `NotSupported`.
    pub fn check_writable(&self, start: u64, end: u64) -> Result<()> {
        let first = self.extents.partition_point(|placed| placed.end() <= start);
        let mut touched = self.extents.iter().skip(first).take_while(|placed| placed.start < end);
        touched.try_for_each(|placed| {
            placed.extent.check_writable()?;
            if placed.extent.writes_in_order() && self.has_parent() {
                let text =
                    format!("'{}' is a stream with a parent, which takes no writes", self.path.display());
                return Err(Error::new(Kind::NotSupported, text));
            }
            placed.extent.check_order(start.saturating_sub(placed.start))
        })
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
        changed.drop_change_tracking();
        self.save(&mut saved, changed, false).context(|| self.describe("renewing the content id"))?;
        self.touched.store(true, Ordering::Release);
        Ok(())
    }

    /// Lets the next write renew the content id again, because somebody has just referred to the present one.
    pub(super) fn settle(&self) {
        let _unchanged = self.saved();
        self.touched.store(false, Ordering::Release);
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

    fn saved(&self) -> MutexGuard<'_, Saved> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a changed descriptor. What is within one sector changes in place, since a loss of power leaves that as it
    /// was or as it is; everything else is replaced as a whole, durably.
    fn save(&self, saved: &mut Saved, changed: Descriptor, durable: bool) -> Result<()> {
        let text = changed.to_bytes();
        let (bytes, start) = match &self.home {
            Home::Embedded(place) => (place.filled(text)?, place.start()),
            Home::Text => (checked_text(text)?, ByteOffset(0)),
            Home::Foreign { .. } => return Err(foreign_is_read()),
        };
        match saved.difference(&bytes) {
            Some(place) => {
                self.unsynced.store(true, Ordering::Release);
                let at = ByteOffset(start.0 + place.start as u64);
                let written = saved.storage.write_all_at(&bytes[place.clone()], at);
                let done = written.and_then(|()| if durable { self.sync_descriptor(saved) } else { Ok(()) });
                done.inspect_err(|_| saved.put_back(place, at))?;
            }
            None => saved.settled = self.replace_text(saved, &bytes)?,
        }
        saved.bytes = bytes;
        *self.descriptor.write().unwrap_or_else(PoisonError::into_inner) = changed;
        Ok(())
    }

    /// Puts a text in the place of the old one, durably; whether it stands there then.
    fn replace_text(&self, saved: &mut Saved, bytes: &[u8]) -> Result<bool> {
        let Home::Embedded(place) = &self.home else {
            saved.storage = self.files.replace(&self.path, bytes)?;
            return Ok(true);
        };
        // What fails may leave the header leading to either text.
        saved.settled = false;
        let mut settled = false;
        let mut replace = || {
            settled = place.replace(&*saved.storage, bytes)?;
            Ok(())
        };
        match self.extents.first() {
            // It is the one that shares the file, if any does.
            Some(placed) => placed.extent.hold(&mut replace)?,
            None => replace()?,
        }
        Ok(settled)
    }

    /// Makes the descriptor durable, if it was changed.
    fn sync_descriptor(&self, saved: &Saved) -> Result<()> {
        if self.unsynced.swap(false, Ordering::AcqRel) {
            saved.storage.sync().inspect_err(|_| self.unsynced.store(true, Ordering::Release))?;
        }
        Ok(())
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// Those of storage; every extent is tried.
    pub fn flush(&self) -> Result<()> {
        // Whoever finds nothing left to do must know that it is done, not that somebody is at it.
        let _alone = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        // The new content id before the new content. An embedded descriptor is flushed on its own too: it shares its
        // file with the first extent only.
        let descriptor =
            if self.unsynced.load(Ordering::Acquire) { self.sync_descriptor(&self.saved()) } else { Ok(()) };
        descriptor.and(self.each(|extent| extent.flush()))
    }

    /// Ends writing.
    ///
    /// # Errors
    /// Those of storage; every extent is tried.
    pub fn finish(&self) -> Result<()> {
        let flushed = self.flush();
        let _alone = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        self.each(|extent| extent.finish()).and(flushed)
    }

    /// Does something to every extent, and reports the first failure.
    fn each(&self, act: impl Fn(&dyn Extent) -> Result<()>) -> Result<()> {
        self.extents.iter().map(|placed| act(&*placed.extent)).fold(Ok(()), Result::and)
    }
}

impl Saved {
    /// Which bytes a new text changes, if it can do so in place: all of them are in one sector.
    fn difference(&self, new: &[u8]) -> Option<Range<usize>> {
        if !self.settled || self.bytes.len() != new.len() {
            return None;
        }
        let differs = |index: &usize| self.bytes.get(*index) != new.get(*index);
        let Some(first) = (0..new.len()).find(differs) else { return Some(0..0) };
        let last = (0..new.len()).rfind(differs).unwrap_or(first);
        let sector = SECTOR_SIZE as usize;
        (first / sector == last / sector).then_some(first..last + 1)
    }

    /// Takes a change in place back that has failed, perhaps after a part of it.
    fn put_back(&mut self, place: Range<usize>, at: ByteOffset) {
        self.settled = self.storage.write_all_at(&self.bytes[place], at).is_ok();
    }
}

/// Checks that a text is no longer than those that are read.
fn checked_text(text: Vec<u8>) -> Result<Vec<u8>> {
    if text.len() as u64 > MAX_BYTES {
        let text =
            format!("the descriptor needs {} bytes, and more than {MAX_BYTES} are never read", text.len());
        return Err(Error::new(Kind::DiskFull, text));
    }
    Ok(text)
}

/// The refusal to write to another format.
pub(super) fn foreign_is_read() -> Error {
    Error::new(Kind::NotSupported, "VHD and VHDX files are only read (VIXDISKLIB_FLAG_OPEN_READ_ONLY)")
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
