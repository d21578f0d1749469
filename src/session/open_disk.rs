//! Open disks: what a disk handle stands for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::connection::connection;
use super::local_disk::LocalDisk;
use super::queue::{self, Attempt, Pending};
use super::remote_disk::RemoteDisk;
use super::table::{Handle, Table};
use super::{Block, Info, LinkInfo, library};
use crate::disk::Disk;
use crate::error::{Error, Kind, Result, ResultExt};
pub use crate::transport::nfc::compress::Compression;
use crate::transport::nfc::{Loan, SECTOR_SIZE, Shared};
use crate::transport::{self, file::LocalFiles};

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
    /// How the data of a disk on a server is packed on its way.
    pub compression: Compression,
}

/// An open disk.
#[derive(Debug)]
pub struct OpenDisk {
    connection: Handle,
    path: PathBuf,
    sectors: u64,
    writable: bool,
    /// Writes must not overtake each other.
    in_order: bool,
    target: Target,
    pending: Arc<Pending>,
}

/// What a handle stands for.
#[derive(Debug)]
enum Target {
    /// Files of this host.
    Local(LocalDisk),
    /// A disk of a host that is reached over the network.
    Remote(RemoteDisk),
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
/// `InvalidArgument`, `InvalidHandle`, those of [`crate::disk::open::open`] and of servers.
pub fn open(on: Handle, path: &Path, flags: OpenFlags) -> Result<Handle> {
    let config = library::config()?;
    let connection = connection(on)?;
    let flags = OpenFlags { read_only: connection.read_only || flags.read_only, ..flags };
    let opened = match &connection.remote {
        Some(remote) => OpenDisk::remote(on, path, RemoteDisk::open(remote, path, flags, &config)?),
        None => {
            let files = LocalFiles { unbuffered: flags.unbuffered, ..config.local_files() };
            OpenDisk::local(on, path, flags, files)?
        }
    };
    let (name, sectors, kind) = (opened.full_name(), opened.sectors, opened.kind());
    let handle = DISKS.insert(Arc::new(opened))?;
    // An Exit that came meanwhile has not seen this disk.
    if !library::is_current(&config) {
        let _ = close(handle);
        return Err(library::ended());
    }
    // Tools look for this line as it stands.
    log::info!(
        "DISKLIB-LINK  : Opened '{name}' (0x{:x}): {kind}, {sectors} sectors / {} MB.",
        handle.raw(),
        sectors / 2048
    );
    log::debug!("flags {flags:?}");
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
    if let Target::Local(local) = &disk.target {
        local.refuse_while_tidied()?;
    }
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

    fn local(on: Handle, path: &Path, flags: OpenFlags, files: LocalFiles) -> Result<Self> {
        let pending = Arc::<Pending>::default();
        let local = LocalDisk::open(path, flags, files, Arc::clone(&pending))?;
        let (sectors, writable, in_order) =
            local.with(|disk| Ok((disk.sectors(), disk.is_writable(), disk.writes_in_order())))?;
        let target = Target::Local(local);
        Ok(Self { connection: on, path: path.to_owned(), sectors, writable, in_order, target, pending })
    }

    fn remote(on: Handle, path: &Path, remote: RemoteDisk) -> Self {
        Self {
            connection: on,
            path: path.to_owned(),
            sectors: remote.sectors(),
            writable: remote.is_writable(),
            in_order: false,
            target: Target::Remote(remote),
            pending: Arc::default(),
        }
    }

    /// The path, and the server that it is on.
    fn full_name(&self) -> String {
        match &self.target {
            Target::Local(_) => self.path.display().to_string(),
            Target::Remote(remote) => remote.full_name(&self.path),
        }
    }

    /// What kind of disk it is, for messages.
    fn kind(&self) -> String {
        match &self.target {
            Target::Local(local) => local.with(|disk| Ok(disk.create_type())).unwrap_or_default(),
            Target::Remote(_) => "vmfs".to_owned(),
        }
    }

    /// The local disk that the handle stands for; `what` cannot be done with another.
    ///
    /// # Errors
    /// `NotSupported`.
    pub(super) fn as_local(&self, what: &str) -> Result<&LocalDisk> {
        match &self.target {
            Target::Local(local) => Ok(local),
            Target::Remote(_) => {
                let text = format!("{what} '{}': it is on a server", self.path.display());
                Err(Error::new(Kind::NotSupported, text))
            }
        }
    }

    /// Ends everything; the disk goes, and with it its lock.
    fn shut(&self) -> Result<()> {
        self.pending.close();
        let result = match &self.target {
            Target::Local(local) => local.shut(),
            Target::Remote(remote) => remote.close(),
        };
        log::info!("DISKLIB-LINK  : Closed '{}'", self.path.display());
        result
    }

    /// Capacity in sectors, as it was when the disk was opened.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// The range must lie inside the disk.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn check_range(&self, start: u64, sectors: u64) -> Result<()> {
        match (start.checked_add(sectors), &self.target) {
            (Some(end), _) if end <= self.sectors => Ok(()),
            (_, Target::Local(local)) => local.with(|disk| disk.check_range(start, sectors)),
            (_, Target::Remote(_)) => {
                let text = format!(
                    "{sectors} sectors from sector {start} on leave '{}', which has {}",
                    self.path.display(),
                    self.sectors
                );
                Err(Error::new(Kind::OutOfRange, text))
            }
        }
    }

    /// Writes must be allowed.
    ///
    /// # Errors
    /// `ReadOnly`.
    pub fn check_writable(&self) -> Result<()> {
        match &self.target {
            _ if self.writable => Ok(()),
            Target::Local(local) => local.with(Disk::check_writable),
            Target::Remote(_) => {
                Err(Error::new(Kind::ReadOnly, format!("'{}' is open read-only", self.path.display())))
            }
        }
    }

    /// Reads whole sectors.
    ///
    /// # Errors
    /// Those of [`Disk::read`], and of servers.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        match &self.target {
            Target::Local(local) => local.with(|disk| disk.read(start, buffer)),
            Target::Remote(remote) => remote.with(|disk| disk.read(start, buffer)),
        }
    }

    /// Reads whole sectors without waiting for a device; false when that cannot be done.
    ///
    /// # Errors
    /// Those of [`Disk::read_cached`].
    pub fn read_cached(&self, start: u64, buffer: &mut [u8]) -> Result<bool> {
        match &self.target {
            Target::Local(local) => local.with(|disk| disk.read_cached(start, buffer)),
            Target::Remote(_) => Ok(false),
        }
    }

    /// Writes whole sectors without waiting for long; false when that cannot be done.
    ///
    /// # Errors
    /// Those of [`OpenDisk::write`].
    pub fn write_cached(&self, start: u64, data: &[u8]) -> Result<bool> {
        match &self.target {
            // It goes to the host's cache.
            Target::Local(_) => self.write(start, data).map(|()| true),
            Target::Remote(_) => Ok(false),
        }
    }

    /// Writes whole sectors.
    ///
    /// # Errors
    /// Those of [`Disk::write`], and of servers.
    pub fn write(&self, start: u64, data: &[u8]) -> Result<()> {
        self.check_writable()?;
        match &self.target {
            Target::Local(local) => local.with(|disk| disk.write(start, data)),
            Target::Remote(remote) => remote.with(|disk| disk.write(start, data)),
        }
    }

    /// Makes everything written durable. A host has done that when it acknowledges a write.
    ///
    /// # Errors
    /// Those of [`Disk::flush`].
    pub fn flush(&self) -> Result<()> {
        match &self.target {
            Target::Local(local) => local.noted(local.with(Disk::flush)),
            Target::Remote(remote) => remote.with(|disk| disk.flush()),
        }
    }

    /// What the disk tells of itself.
    ///
    /// # Errors
    /// `InvalidHandle` when it is being closed, those of servers.
    pub fn info(&self) -> Result<Info> {
        match &self.target {
            Target::Local(local) => local.with(|disk| Ok(disk.info())),
            Target::Remote(remote) => remote.info(),
        }
    }

    /// What the links of its chain tell of themselves, leaf first.
    ///
    /// # Errors
    /// `InvalidHandle` when it is being closed, those of [`Disk::link_infos`].
    pub fn links(&self) -> Result<Vec<LinkInfo>> {
        self.as_local("listing the links of")?.now()?.link_infos()
    }

    /// The value of a key of the disk database.
    ///
    /// # Errors
    /// Those of [`Disk::metadata`], and of servers.
    pub fn metadata(&self, key: &[u8]) -> Result<Vec<u8>> {
        match &self.target {
            Target::Local(local) => local.with(|disk| disk.metadata(key)),
            Target::Remote(remote) => remote.metadata(key)?.ok_or_else(|| {
                let text = format!("'{}' has no key '{}'", self.path.display(), key.escape_ascii());
                Error::new(Kind::KeyNotFound, text)
            }),
        }
    }

    /// Changes the disk database.
    ///
    /// # Errors
    /// Those of [`Disk::set_metadata`]; `NotSupported` for a disk on a server.
    pub fn set_metadata(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let local = self.as_local("writing metadata of")?;
        local
            .noted(local.with(|disk| disk.set_metadata(key, value)))
            .context(|| format!("key '{}' of '{}'", key.escape_ascii(), self.path.display()))
    }

    /// The keys of the disk database; of a disk on a server those that are known here and that it has.
    ///
    /// # Errors
    /// `InvalidHandle` when it is being closed, those of servers.
    pub fn metadata_keys(&self) -> Result<Vec<Vec<u8>>> {
        match &self.target {
            Target::Local(local) => local.with(|disk| Ok(disk.metadata_keys())),
            Target::Remote(remote) => remote.metadata_keys(),
        }
    }

    /// What is allocated.
    ///
    /// # Errors
    /// Those of [`Disk::allocated_blocks`], and of servers.
    pub fn allocated_blocks(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Block>> {
        match &self.target {
            Target::Local(local) => local.with(|disk| disk.allocated_blocks(start, sectors, chunk)),
            Target::Remote(remote) => remote.allocated_blocks(start, sectors, chunk),
        }
    }

    /// The transport mode that reaches the disk.
    pub fn transport_mode(&self) -> &'static str {
        match &self.target {
            Target::Local(_) => transport::FILE,
            Target::Remote(remote) => remote.mode(),
        }
    }

    /// Accepts a request of a local disk for `sectors` sectors: `work` does it, `done` is told of its end, exactly once and with no
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

    /// Starts a read of whole sectors into all of `buffer`; `done` is told of its end, exactly once and with no lock
    /// held, when the buffer has gone. A server's disk has many of them under way, and one thread that calls.
    ///
    /// # Errors
    /// `InvalidHandle` when the disk is being closed, `OutOfRange`; `done` does not run then.
    pub fn read_async(
        self: &Arc<Self>,
        start: u64,
        mut buffer: impl AsMut<[u8]> + Send + 'static,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let Target::Remote(remote) = &self.target else {
            let sectors = sectors_of(buffer.as_mut());
            let work = move |disk: &Self, attempt| match attempt {
                Attempt::Quick => disk.read_cached(start, buffer.as_mut()),
                Attempt::Full => disk.read(start, buffer.as_mut()).map(|()| true),
            };
            return self.submit(sectors, work, done);
        };
        let accepted = self.pending.accept()?;
        remote.read_async(start, Loan::of(buffer), move |result| accepted.complete(result, done))
    }

    /// Starts a write of whole sectors; as [`OpenDisk::read_async`].
    ///
    /// # Errors
    /// As for [`OpenDisk::read_async`]; `ReadOnly`.
    pub fn write_async(
        self: &Arc<Self>,
        start: u64,
        data: impl AsRef<[u8]> + Send + 'static,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        self.check_writable()?;
        let Target::Remote(remote) = &self.target else {
            let sectors = sectors_of(data.as_ref());
            let work = move |disk: &Self, attempt| match attempt {
                Attempt::Quick => disk.write_cached(start, data.as_ref()),
                Attempt::Full => disk.write(start, data.as_ref()).map(|()| true),
            };
            return self.submit(sectors, work, done);
        };
        let accepted = self.pending.accept()?;
        remote.write_async(start, Shared::of(data), move |result| accepted.complete(result, done))
    }

    /// Waits until every request that was accepted has ended and its `done` has returned.
    ///
    /// # Errors
    /// `Busy` from a `done` of the same disk.
    pub fn wait(&self) -> Result<()> {
        self.pending.refuse_in_callback()?;
        self.pending.wait();
        Ok(())
    }
}

fn sectors_of(buffer: &[u8]) -> u64 {
    buffer.len() as u64 / SECTOR_SIZE
}
