//! A handle's disk that is files of this host: a share of a chain, with what else such a handle can do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use super::OpenFlags;
use super::changes::Changes;
use super::queue::Pending;
use super::shared::Share;
use crate::disk::{self, Disk};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::transport::file::{LocalFiles, Located, locate};

/// A local disk. The lock around it is taken for reading by every operation and for writing by the one that closes
/// it, which therefore waits for them; nothing of the client runs under it.
#[derive(Debug)]
pub(super) struct LocalDisk {
    path: PathBuf,
    writable: bool,
    disk: RwLock<Option<Opened>>,
    /// What writable handles of this process have changed.
    changes: Changes,
    /// For a disk that is only read: how to look again, and the changes that have been seen.
    reader: Option<Reader>,
    /// The disk is being shrunk or defragmented: it is not in `disk` meanwhile, and nothing else works.
    tidied: AtomicBool,
    pending: Arc<Pending>,
}

/// What a handle has while it is open.
#[derive(Debug)]
struct Opened {
    disk: Arc<Disk>,
    /// What is given back in the end: the share that was opened, and below it what was attached.
    shares: Vec<Share>,
}

impl Opened {
    fn new(share: Share) -> Self {
        Self { disk: Arc::clone(share.disk()), shares: vec![share] }
    }

    /// Gives everything back; the first error counts.
    fn leave(self) -> Result<()> {
        drop(self.disk);
        self.shares.into_iter().map(Share::leave).fold(Ok(()), Result::and)
    }
}

#[derive(Debug)]
struct Reader {
    opener: Opener,
    seen: AtomicU64,
}

/// How a disk is opened, once more when needed.
#[derive(Debug)]
struct Opener {
    located: Located,
    options: disk::open::Options,
}

impl Opener {
    fn open(&self) -> Result<Disk> {
        disk::open::open(&self.located.files, &self.located.path, self.options)
    }
}

impl LocalDisk {
    /// Opens a disk for a handle whose requests `pending` counts.
    ///
    /// # Errors
    /// `InvalidArgument`, those of [`disk::open::open`].
    pub(super) fn open(
        path: &Path,
        flags: OpenFlags,
        files: LocalFiles,
        pending: Arc<Pending>,
    ) -> Result<Self> {
        let read_only = flags.read_only;
        let located = locate(path, files)?;
        let identity = located.identity()?;
        let changes = Changes::of(identity.clone());
        // Counted before the disk is read, so that nothing is missed.
        let seen = AtomicU64::new(changes.count());
        let opener =
            Opener { located, options: disk::open::Options { read_only, single_link: flags.single_link } };
        let share = if read_only {
            Share::alone(opener.open()?)
        } else {
            Share::join((identity, flags.single_link), || opener.open())?
        };
        Ok(Self {
            path: path.to_owned(),
            writable: share.disk().is_writable(),
            disk: RwLock::new(Some(Opened::new(share))),
            changes,
            reader: read_only.then_some(Reader { opener, seen }),
            tidied: AtomicBool::new(false),
            pending,
        })
    }

    /// Gives everything back; what was written is durable afterwards, and the lock of the file is gone.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn shut(&self) -> Result<()> {
        let opened = self.opened().take();
        self.noted(opened.map_or(Ok(()), Opened::leave))
    }

    /// Does something with the disk, as long as it is open.
    pub(super) fn with<R>(&self, act: impl FnOnce(&Disk) -> Result<R>) -> Result<R> {
        self.look_again()?;
        let guard = self.disk.read().unwrap_or_else(PoisonError::into_inner);
        match &*guard {
            Some(opened) => act(&opened.disk),
            None => Err(self.closed()),
        }
    }

    /// Opens a disk that is only read once more when a writable handle of this process has changed it.
    fn look_again(&self) -> Result<()> {
        let Some(reader) = &self.reader else { return Ok(()) };
        if reader.seen.load(Ordering::Acquire) == self.changes.count() {
            return Ok(());
        }
        let mut opened = self.opened();
        let count = self.changes.count();
        // A chain that the client has put together stays as it is.
        let whole = opened.as_ref().is_some_and(|opened| opened.shares.len() == 1);
        if whole && reader.seen.load(Ordering::Acquire) != count {
            let disk = reader.opener.open().context(|| "looking at what was changed")?;
            *opened = Some(Opened::new(Share::alone(disk)));
        }
        reader.seen.store(count, Ordering::Release);
        Ok(())
    }

    /// Notes that readers have something to see; also after a failure, which may have changed a part.
    pub(super) fn noted(&self, result: Result<()>) -> Result<()> {
        if self.writable {
            self.changes.note();
        }
        result
    }

    fn opened(&self) -> RwLockWriteGuard<'_, Option<Opened>> {
        self.disk.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses while the disk is being shrunk or defragmented.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn refuse_while_tidied(&self) -> Result<()> {
        if self.tidied.load(Ordering::Acquire) {
            let text = format!("'{}' is being shrunk or defragmented", self.path.display());
            return Err(Error::new(Kind::Busy, text));
        }
        Ok(())
    }

    /// Why there is no disk.
    fn closed(&self) -> Error {
        if let Err(error) = self.refuse_while_tidied() {
            return error;
        }
        Error::new(Kind::InvalidHandle, format!("'{}' has been closed", self.path.display()))
    }

    /// Does something with the disk that no other operation may see half done.
    ///
    /// # Errors
    /// `InvalidHandle`, `Busy` while another handle of this process writes to the disk, those of `act`.
    pub(super) fn alone_with<R>(&self, act: impl FnOnce(&Disk) -> Result<R>) -> Result<R> {
        self.pending.refuse_in_callback()?;
        // Taken out, so that no lock is held while progress functions of the client run.
        let mut guard = self.opened();
        let opened = guard.take().ok_or_else(|| self.closed())?;
        self.tidied.store(true, Ordering::Release);
        drop(guard);
        let disk = &opened.disk;
        let result = match opened.shares.first() {
            Some(share) => share.alone_with(|_| act(disk)),
            None => act(disk),
        };
        let mut guard = self.opened();
        self.tidied.store(false, Ordering::Release);
        if self.pending.is_closed() {
            // Exit or Disconnect came meanwhile and found nothing to end.
            drop(guard);
            return opened.leave().and(result);
        }
        *guard = Some(opened);
        result
    }

    /// The disk as it is now, without a lock: what it is used for may take long and call the client.
    ///
    /// # Errors
    /// `InvalidHandle`.
    pub(super) fn now(&self) -> Result<Arc<Disk>> {
        self.look_again()?;
        let guard = self.disk.read().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map(|opened| Arc::clone(&opened.disk)).ok_or_else(|| self.closed())
    }

    /// Puts this disk, a single link, on top of `parent`, whose handle can only be closed from then on.
    ///
    /// # Errors
    /// `InvalidHandle`, `Busy` from a completion function of either, those of [`Disk::check_attach`]; both disks are
    /// as they were then.
    pub(super) fn attach(&self, parent: &Self) -> Result<()> {
        self.pending.refuse_in_callback()?;
        parent.pending.refuse_in_callback()?;
        // Two that attach in opposite directions would wait for each other, so there is one order for all.
        let first = std::ptr::from_ref(self) < std::ptr::from_ref(parent);
        let (mut child, mut lower);
        if first {
            child = self.opened();
            lower = parent.opened();
        } else {
            lower = parent.opened();
            child = self.opened();
        }
        let opened = child.as_mut().ok_or_else(|| self.closed())?;
        let below = lower.as_ref().ok_or_else(|| parent.closed())?;
        let disk = Arc::new(opened.disk.attached_to(&below.disk)?);
        if parent.writable {
            below.disk.flush()?;
        }
        opened.disk = disk;
        opened.shares.extend(lower.take().map(|below| below.shares).unwrap_or_default());
        Ok(())
    }

    /// Whether [`OpenDisk::attach`] can work.
    ///
    /// # Errors
    /// As for [`OpenDisk::attach`].
    pub(super) fn check_attach(&self, parent: &Self) -> Result<()> {
        // One lock after the other, or two that ask in opposite directions would wait for each other.
        let (child, parent) = (self.now()?, parent.now()?);
        child.check_attach(&parent)
    }
}
