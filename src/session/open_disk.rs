//! Open disks: what a disk handle stands for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use super::changes::Changes;
use super::connection::connection;
use super::queue::{self, Attempt, Pending};
use super::shared::Share;
use super::table::{Handle, Table};
use super::{Block, Info, LinkInfo, library};
use crate::disk::{self, Disk};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::transport::{self, file::LocalFiles, file::Located};

/// Longest request that is tried on the calling thread, 256 KiB: about what can be copied while a thread wakes up.
const MAX_QUICK_SECTORS: u64 = 512;

/// How a disk is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenFlags {
    /// Go past the host's cache, where the file system can do that.
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
    /// Writes must not overtake each other.
    in_order: bool,
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
    let read_only = connection(on)?.read_only || flags.read_only;
    let files = LocalFiles { unbuffered: flags.unbuffered, ..config.local_files() };
    let located = transport::file::locate(path, files)?;
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
        in_order: disk.writes_in_order(),
        disk: RwLock::new(Some(Opened::new(share))),
        changes,
        reader: read_only.then_some(Reader { opener, seen }),
        tidied: AtomicBool::new(false),
        pending: Arc::default(),
    }))?;
    // An Exit that came meanwhile has not seen this disk.
    if !library::is_current(&config) {
        let _ = close(handle);
        return Err(library::ended());
    }
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
    disk.refuse_while_tidied()?;
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
    fn noted(&self, result: Result<()>) -> Result<()> {
        if self.writable {
            self.changes.note();
        }
        result
    }

    fn opened(&self) -> RwLockWriteGuard<'_, Option<Opened>> {
        self.disk.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse_while_tidied(&self) -> Result<()> {
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

    /// Ends everything; the disk goes, and with it its lock.
    fn shut(&self) -> Result<()> {
        self.pending.close();
        let opened = self.opened().take();
        let result = self.noted(opened.map_or(Ok(()), Opened::leave));
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

    /// What the links of its chain tell of themselves, leaf first.
    ///
    /// # Errors
    /// `InvalidHandle` when it is being closed, those of [`Disk::link_infos`].
    pub fn links(&self) -> Result<Vec<LinkInfo>> {
        self.now()?.link_infos()
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
    /// takes longer than copying it. `work` then tells whether it was done. Where writes must not overtake each other,
    /// large requests are tried there too, which for a write means done.
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
        queue::submit(&self.pending, sectors <= MAX_QUICK_SECTORS || self.in_order, work, done)
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
