//! Storage: where the bytes of a disk's files live.
//!
//! ```text
//!   Files ──open/create──> Storage ──read/write at a ByteOffset──> bytes
//!     ├─ local::LocalFiles   folder-contained names, OFD locks, preadv; past the cache if asked (direct)
//!     ├─ memory::MemoryFiles the same in memory, for tests and fuzzing
//!     ├─ counting::CountingFile  drops what is written and counts it
//!     └─ fault::FaultFiles   the same, with failures and losses of power, for tests
//! ```
//!
//! `guarded` keeps what no dump of memory may show.
//!
//! The rooms above see these traits only; file descriptors and `unsafe` stay here.

#![allow(unsafe_code, reason = "system calls that std does not wrap")]

pub mod counting;
mod direct;
mod disk_lock;
pub mod fault;
pub mod guarded;
pub mod loan;
pub mod local;
pub mod memory;
mod names;
mod product_lock;
pub mod system;
mod write_behind;
pub mod zlib;

use std::fmt::Debug;
use std::fs::{File, Metadata};
use std::io::IoSliceMut;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::Result;

/// Bytes in a sector, everywhere in VMDK and in the API.
pub const SECTOR_SIZE: u64 = 512;

/// A position in a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteOffset(pub u64);

impl ByteOffset {
    /// The start of a sector; `None` when it is beyond what 64 bits can address.
    pub fn of_sector(sector: u64) -> Option<Self> {
        sector.checked_mul(SECTOR_SIZE).map(Self)
    }
}

/// What follows a position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// Bytes that have been written (or that the file system cannot tell apart), up to the given position.
    Data(ByteOffset),
    /// A hole up to the given position; it reads as zeros.
    Hole(ByteOffset),
}

/// What tells files apart that are open, whatever their names: as long as one is open, no other one has its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub file: u64,
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), file: metadata.ino() }
    }
}

/// A file's bytes. Every method may be called from every thread.
pub trait Storage: Send + Sync + Debug {
    /// Reads exactly what the buffers hold, one after the other, from `offset` on.
    ///
    /// # Errors
    /// An error of kind `Io` when the file ends before the buffers do; those of the system.
    fn read_vectored_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<()>;

    /// As [`Storage::read_vectored_at`], without waiting for a device: false when that would be needed, or when it
    /// cannot be told. The buffers may be filled in part then.
    ///
    /// # Errors
    /// As for [`Storage::read_vectored_at`].
    fn read_cached_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<bool> {
        let _ = (buffers, offset);
        Ok(false)
    }

    /// Whether the file takes writes at all.
    ///
    /// # Errors
    /// `ReadOnly`.
    fn check_writable(&self) -> Result<()> {
        Ok(())
    }

    /// Writes all of `data` at `offset`, extending the file when needed.
    ///
    /// # Errors
    /// Those of the system.
    fn write_all_at(&self, data: &[u8], offset: ByteOffset) -> Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn length(&self) -> Result<u64>;

    /// Cuts or extends the file; what is added is a hole.
    ///
    /// # Errors
    /// Those of the system.
    fn set_len(&self, length: u64) -> Result<()>;

    /// Makes everything written, and the length, durable.
    ///
    /// # Errors
    /// Those of the system; after one of them every later call fails too, since nobody can tell any more what is
    /// durable.
    fn sync(&self) -> Result<()>;

    /// What is at `offset` (which must lie before the end), and how far it goes.
    ///
    /// # Errors
    /// Those of the system.
    fn region_at(&self, offset: ByteOffset) -> Result<Region>;

    /// Claims the file until this storage goes. Storage that cannot be shared with others has nothing to claim.
    ///
    /// # Errors
    /// `Locked` when somebody else holds a lock that excludes this one; those of the system.
    fn lock(&self, lock: Lock) -> Result<()>;

    /// The path, for messages.
    fn name(&self) -> String;

    /// What tells the file from others; `None` where nothing does.
    ///
    /// # Errors
    /// Those of the system.
    fn identity(&self) -> Result<Option<FileIdentity>> {
        Ok(None)
    }

    /// Reads exactly `buffer.len()` bytes from `offset` on.
    ///
    /// # Errors
    /// As for [`Storage::read_vectored_at`].
    fn read_exact_at(&self, buffer: &mut [u8], offset: ByteOffset) -> Result<()> {
        self.read_vectored_at(&mut [IoSliceMut::new(buffer)], offset)
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// A claim on a file that other processes (and other opens in this one) see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Others may hold it too, but nobody may write.
    Shared,
    /// Nobody else may hold it.
    Exclusive,
}

/// A folder in which several files are opened, and found once for all of them.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    opened: OnceLock<File>,
}

impl Folder {
    /// The folder of this path, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), opened: OnceLock::new() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open folder.
    ///
    /// # Errors
    /// Those of the system.
    fn opened(&self) -> std::io::Result<&File> {
        match self.opened.get() {
            Some(opened) => Ok(opened),
            None => {
                let opened = File::open(&self.path)?;
                Ok(self.opened.get_or_init(|| opened))
            }
        }
    }
}

/// Where files are found by name.
pub trait Files: Send + Sync + Debug {
    /// Opens the file that the caller named.
    ///
    /// # Errors
    /// `FileNotFound`, `AccessDenied`, `InvalidDisk` for what is no ordinary file, and others.
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn Storage>>;

    /// Opens a file whose `name` stands inside a file of `folder`: such names are hostile until proven harmless.
    ///
    /// # Errors
    /// `BadName` when the name leaves the folder and the policy forbids that; those of [`Files::open`].
    fn open_beside(&self, folder: &Folder, name: &Path, access: Access) -> Result<Arc<dyn Storage>>;

    /// Opens the data of a raw device mapping, read only. The mapping is known by the `folder` of the disk and the last
    /// part of the `name` of its file, whatever their case; `None` when nobody has said where its data is.
    ///
    /// # Errors
    /// Those of [`Files::open`].
    fn open_mapped(&self, folder: &Path, name: &Path) -> Result<Option<Arc<dyn Storage>>> {
        let _ = (folder, name);
        Ok(None)
    }

    /// The folder by which a product of VMware's says that it has a disk or an extent open: `NAME.lck` beside the file
    /// with a file `M*.lck` in it. `None` when there is none. It tells how things are now; nothing keeps a product from
    /// coming later.
    ///
    /// # Errors
    /// Those of the system.
    fn lock_folder(&self, path: &Path) -> Result<Option<PathBuf>> {
        let _ = path;
        Ok(None)
    }

    /// Makes a new, empty file.
    ///
    /// # Errors
    /// `FileExists` when there is one already; those of the system.
    fn create(&self, path: &Path) -> Result<Arc<dyn Storage>>;

    /// Replaces the content of a file at once, durably: afterwards it has the old or the new content, never a
    /// mixture. Returns the file that now has the name; what was opened before may be another one.
    ///
    /// # Errors
    /// Those of the system.
    fn replace(&self, path: &Path, content: &[u8]) -> Result<Arc<dyn Storage>>;

    /// Gives a file a second name; both are equal afterwards. Nothing is overwritten.
    ///
    /// # Errors
    /// `FileExists`; `NotSupported` between file systems, and on one that cannot do it; those of the system.
    fn link(&self, existing: &Path, new: &Path) -> Result<()>;

    /// Gives a file another name in its folder. Nothing is overwritten.
    ///
    /// # Errors
    /// `FileExists`, those of the system.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the system.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Whether a path is itself a symbolic link; false for what is not there.
    ///
    /// # Errors
    /// Those of the system.
    fn is_symbolic_link(&self, path: &Path) -> Result<bool> {
        let _ = path;
        Ok(false)
    }

    /// Makes the names of a folder durable.
    ///
    /// # Errors
    /// Those of the system.
    fn sync_folder(&self, folder: &Path) -> Result<()>;

    /// The one name of a file, however it was reached; tells loops in chains.
    ///
    /// # Errors
    /// Those of the system.
    fn canonical(&self, path: &Path) -> Result<PathBuf>;
}

/// The folder that a file is in; "." for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
