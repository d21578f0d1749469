//! Open disks: what a disk handle stands for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::changes::Changes;
use super::connection::connection;
use super::queue::{self, Attempt, Pending};
use super::shared::Share;
use super::table::{Handle, Table};
use super::{Block, Info, library};
use crate::disk::{self, Disk};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::transport::{self, file::Located};

/// Longest request that is tried on the calling thread, 256 KiB: about what can be copied while a thread wakes up.
const MAX_QUICK_SECTORS: u64 = 512;

/// How a disk is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenFlags {
    /// Bypass the host's cache. Accepted; local disks are cached in this release.
    pub unbuffered: bool,
    /// One link only.
    pub single_link: bool,
    /// No writes.
    pub read_only: bool,
}

/// An open disk. The lock around it is taken for reading by every operation and for writing by the one that
/// closes it, which therefore waits for them; nothing of the client runs under it.
#[derive(Debug)]
pub struct OpenDisk {
    connection: Handle,
    path: PathBuf,
    sectors: u64,
    writable: bool,
    disk: RwLock<Option<Share>>,
    /// What writable handles of this process have changed.
    changes: Changes,
    /// For a disk that is only read: how to look again, and the changes that have been seen.
    reader: Option<Reader>,
    pending: Arc<Pending>,
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

static DISKS: Table<OpenDisk> = Table::new(0xd1, "disk");

/// The disk behind a handle.
///
/// # Errors
/// `InvalidArgument` for NULL, `InvalidHandle`.
pub fn disk(handle: Handle) -> Result<Arc<OpenDisk>> {
    DISKS.get(handle)
}

/// Opens a disk through a connection.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`, and those of [`disk::open::open`].
pub fn open(on: Handle, path: &Path, flags: OpenFlags) -> Result<Handle> {
    let config = library::config()?;
    let read_only = flags.read_only || connection(on)?.read_only;
    let located = transport::file::locate(path, config.local_files())?;
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
    let disk = share.disk();
    let (sectors, kind, links) = (disk.sectors(), disk.create_type(), disk.links().len());
    let handle = DISKS.insert(Arc::new(OpenDisk {
        connection: on,
        path: path.to_owned(),
        sectors,
        writable: disk.is_writable(),
        disk: RwLock::new(Some(share)),
        changes,
        reader: read_only.then_some(Reader { opener, seen }),
        pending: Arc::default(),
    }))?;
    // Tools look for this line as it stands.
    log::info!(
        "DISKLIB-LINK  : Opened '{}' (0x{:x}): {kind}, {sectors} sectors / {} MB.",
        path.display(),
        handle.raw(),
        sectors / 2048
    );
    log::debug!("{links} link(s), flags {flags:?}");
    Ok(handle)
}

/// Closes a disk: waits for what is under way, makes everything durable, gives the lock of the file back.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`, `Busy` from a completion function of the same disk, those of writing; the
/// handle is gone in any but the first three cases.
pub fn close(handle: Handle) -> Result<()> {
    let disk = DISKS.get(handle)?;
    disk.pending.refuse_in_callback()?;
    // Of two threads that close at once, one finds the handle gone.
    DISKS.remove(handle)?.shut()
}

/// Closes every disk that `wanted` picks; returns the first error.
pub(super) fn close_all(wanted: impl Fn(&OpenDisk) -> bool) -> Option<Error> {
    let mut first = None;
    for handle in DISKS.handles(wanted) {
        if let Ok(disk) = DISKS.remove(handle) {
            log::info!("closing '{}', which was left open", disk.path.display());
            if let Err(error) = disk.shut() {
                log::error!("{error}");
                first.get_or_insert(error);
            }
        }
    }
    first
}

/// Refuses when this thread runs a completion function of a disk that `wanted` picks.
pub(super) fn refuse_in_callback(wanted: impl Fn(&OpenDisk) -> bool) -> Result<()> {
    for handle in DISKS.handles(wanted) {
        if let Ok(disk) = DISKS.get(handle) {
            disk.pending.refuse_in_callback()?;
        }
    }
    Ok(())
}

impl OpenDisk {
    /// The connection that it was opened through.
    pub(super) fn connection(&self) -> Handle {
        self.connection
    }

    /// Does something with the disk, as long as it is open.
    fn with<R>(&self, act: impl FnOnce(&Disk) -> Result<R>) -> Result<R> {
        self.look_again()?;
        let guard = self.disk.read().unwrap_or_else(PoisonError::into_inner);
        match &*guard {
            Some(share) => act(share.disk()),
            None => {
                Err(Error::new(Kind::InvalidHandle, format!("'{}' has been closed", self.path.display())))
            }
        }
    }

    /// Opens a disk that is only read once more when a writable handle of this process has changed it.
    fn look_again(&self) -> Result<()> {
        let Some(reader) = &self.reader else { return Ok(()) };
        if reader.seen.load(Ordering::Acquire) == self.changes.count() {
            return Ok(());
        }
        let mut share = self.disk.write().unwrap_or_else(PoisonError::into_inner);
        let count = self.changes.count();
        if share.is_some() && reader.seen.load(Ordering::Acquire) != count {
            *share = Some(Share::alone(reader.opener.open().context(|| "looking at what was changed")?));
            reader.seen.store(count, Ordering::Release);
        }
        Ok(())
    }

    /// Notes that readers have something to see; also after a failure, which may have changed a part.
    fn noted(&self, result: Result<()>) -> Result<()> {
        if self.writable {
            self.changes.note();
        }
        result
    }

    /// Ends everything; the disk goes, and with it its lock.
    fn shut(&self) -> Result<()> {
        self.pending.close();
        let share = self.disk.write().unwrap_or_else(PoisonError::into_inner).take();
        let result = self.noted(share.map_or(Ok(()), Share::leave));
        log::info!("DISKLIB-LINK  : Closed '{}'", self.path.display());
        result
    }

    /// The range must lie inside the disk.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn check_range(&self, start: u64, sectors: u64) -> Result<()> {
        match start.checked_add(sectors) {
            Some(end) if end <= self.sectors => Ok(()),
            _ => self.with(|disk| disk.check_range(start, sectors)),
        }
    }

    /// Writes must be allowed.
    ///
    /// # Errors
    /// `ReadOnly`.
    pub fn check_writable(&self) -> Result<()> {
        if self.writable { Ok(()) } else { self.with(Disk::check_writable) }
    }

    /// Reads whole sectors.
    ///
    /// # Errors
    /// Those of [`Disk::read`].
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        self.with(|disk| disk.read(start, buffer))
    }

    /// Reads whole sectors without waiting for a device; false when that cannot be done.
    ///
    /// # Errors
    /// Those of [`Disk::read_cached`].
    pub fn read_cached(&self, start: u64, buffer: &mut [u8]) -> Result<bool> {
        self.with(|disk| disk.read_cached(start, buffer))
    }

    /// Writes whole sectors.
    ///
    /// # Errors
    /// Those of [`Disk::write`].
    pub fn write(&self, start: u64, data: &[u8]) -> Result<()> {
        self.with(|disk| disk.write(start, data))
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// Those of [`Disk::flush`].
    pub fn flush(&self) -> Result<()> {
        self.noted(self.with(Disk::flush))
    }

    /// What the disk tells of itself.
    ///
    /// # Errors
    /// `InvalidHandle` when it is being closed.
    pub fn info(&self) -> Result<Info> {
        self.with(|disk| Ok(disk.info()))
    }

    /// The value of a key of the disk database.
    ///
    /// # Errors
    /// Those of [`Disk::metadata`].
    pub fn metadata(&self, key: &[u8]) -> Result<Vec<u8>> {
        self.with(|disk| disk.metadata(key))
    }

    /// Changes the disk database.
    ///
    /// # Errors
    /// Those of [`Disk::set_metadata`].
    pub fn set_metadata(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.noted(self.with(|disk| disk.set_metadata(key, value)))
            .context(|| format!("key '{}' of '{}'", key.escape_ascii(), self.path.display()))
    }

    /// The keys of the disk database.
    ///
    /// # Errors
    /// `InvalidHandle` when it is being closed.
    pub fn metadata_keys(&self) -> Result<Vec<Vec<u8>>> {
        self.with(|disk| Ok(disk.metadata_keys()))
    }

    /// What is allocated.
    ///
    /// # Errors
    /// Those of [`Disk::allocated_blocks`].
    pub fn allocated_blocks(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Block>> {
        self.with(|disk| disk.allocated_blocks(start, sectors, chunk))
    }

    /// The transport mode that reaches the disk.
    pub fn transport_mode(&self) -> &'static str {
        transport::MODES[0]
    }

    /// Accepts a request for `sectors` sectors: `work` does it, `done` is told of its end, exactly once and with no
    /// lock held. A small request is tried on the calling thread first, with [`Attempt::Quick`]; waking a thread
    /// takes longer than copying it. `work` then tells whether it was done.
    ///
    /// # Errors
    /// `InvalidHandle` when the disk is being closed; neither function runs then.
    pub fn submit(
        self: &Arc<Self>,
        sectors: u64,
        mut work: impl FnMut(&Self, Attempt) -> Result<bool> + Send + 'static,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let disk = Arc::clone(self);
        let work = move |attempt| work(&disk, attempt);
        queue::submit(&self.pending, sectors <= MAX_QUICK_SECTORS, work, done)
    }

    /// Waits until every request handed to [`OpenDisk::submit`] has ended and its `done` has returned.
    ///
    /// # Errors
    /// `Busy` from a `done` of the same disk.
    pub fn wait(&self) -> Result<()> {
        self.pending.refuse_in_callback()?;
        self.pending.wait();
        Ok(())
    }
}
