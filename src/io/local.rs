//! Files of the local file system.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::direct;
use super::disk_lock;
use super::names::below;
pub use super::names::lasting_path;
use super::product_lock;
use super::system::{self, Step, Whence};
use super::write_behind::WriteBehind;
use super::{Access, ByteOffset, FileIdentity, Files, Folder, Lock, Region, Storage, folder_of};
use crate::error::{Error, Kind, Result, ResultExt};

/// Most buffers that one `preadv` takes (IOV_MAX).
const MAX_BUFFERS: usize = 1024;

/// The local file system, with the policy for names that stand inside disks.
#[derive(Debug, Clone, Default)]
pub struct LocalFiles {
    /// Lets names inside disks lead out of the disk's folder.
    pub allow_outside_folder: bool,
    /// Transfers go past the host's cache, where the file system can do that.
    pub unbuffered: bool,
    /// What names inside disks may do with block devices.
    pub devices: DeviceAccess,
    /// Where the data of raw device mappings is: a device or a file, by the path of the mapping's file in small
    /// letters. The folder counts, so that one disk cannot ask for the device of another.
    pub raw_devices: HashMap<String, PathBuf>,
}

/// What names inside disks may do with block devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceAccess {
    /// Nothing.
    #[default]
    Refused,
    /// Be read.
    ReadOnly,
    /// Be read and written.
    ReadWrite,
}

/// An open local file, or block device.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    /// The same file opened with O_DIRECT, for what can go past the cache.
    direct: Option<File>,
    path: PathBuf,
    kind: FileKind,
    /// A flush has failed. The kernel then drops the pages that it could not write and reports the next flush as
    /// a success, so no later flush of this file may claim that everything is durable.
    flush_failed: AtomicBool,
    behind: WriteBehind,
    /// Asked for once: it stays as it is.
    identity: OnceLock<FileIdentity>,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    /// A file.
    Ordinary,
    /// A block device, and how it is open.
    Device(Access),
}

impl LocalFile {
    fn storage(file: File, path: PathBuf, kind: FileKind) -> Arc<dyn Storage> {
        Arc::new(Self::new(file, path, kind))
    }

    fn new(file: File, path: PathBuf, kind: FileKind) -> Self {
        let (flush_failed, behind) = (AtomicBool::new(false), WriteBehind::default());
        Self { file, direct: None, path, kind, flush_failed, behind, identity: OnceLock::new() }
    }

    fn error(&self, source: io::Error, what: &str) -> Error {
        Error::from_io(source, format!("{what} '{}'", self.path.display()))
    }
}

impl Storage for LocalFile {
    fn read_vectored_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<()> {
        let mut left = buffers;
        let mut position = offset.0;
        loop {
            if let Some(direct) = &self.direct {
                while let Some(first) = left.first_mut() {
                    if !direct::read_around(&self.file, direct, first, position) {
                        break;
                    }
                    let read = first.len();
                    position += read as u64;
                    IoSliceMut::advance_slices(&mut left, read);
                }
            }
            // Finished buffers (and empty ones) go first, so that what is left always wants bytes.
            IoSliceMut::advance_slices(&mut left, 0);
            if left.is_empty() {
                return Ok(());
            }
            let batch = left.len().min(MAX_BUFFERS);
            match system::read_vectored_at(&self.file, &mut left[..batch], position) {
                Ok(0) => {
                    let at = format!("reading at byte {position} of '{}'", self.path.display());
                    return Err(Error::new(Kind::Io, "the file ends too early").context(at));
                }
                Ok(read) => {
                    position += read as u64;
                    IoSliceMut::advance_slices(&mut left, read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error, &format!("reading at byte {position} of"))),
            }
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: ByteOffset) -> Result<()> {
        if self.direct.is_some() {
            return self.read_vectored_at(&mut [IoSliceMut::new(buffer)], offset);
        }
        // For one buffer pread is a little cheaper than preadv; what goes wrong with it, that one explains.
        match self.file.read_at(buffer, offset.0) {
            Ok(read) if read == buffer.len() => Ok(()),
            _ => self.read_vectored_at(&mut [IoSliceMut::new(buffer)], offset),
        }
    }

    fn read_cached_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<bool> {
        if self.direct.is_some() {
            return Ok(false);
        }
        let mut left = buffers;
        let mut position = offset.0;
        loop {
            IoSliceMut::advance_slices(&mut left, 0);
            if left.is_empty() {
                return Ok(true);
            }
            let batch = left.len().min(MAX_BUFFERS);
            match system::read_cached_at(&self.file, &mut left[..batch], position) {
                Ok(Some(read)) if read > 0 => {
                    position += read as u64;
                    IoSliceMut::advance_slices(&mut left, read);
                }
                // What is wrong, if anything is, shows when the data is read in earnest.
                _ => return Ok(false),
            }
        }
    }

    fn check_writable(&self) -> Result<()> {
        if self.kind == FileKind::Device(Access::Read) {
            let text = "it is a device, which vixen.allowDeviceWrites would allow to be written";
            return Err(Error::new(Kind::ReadOnly, text).context(describe("writing", &self.path)));
        }
        Ok(())
    }

    fn write_all_at(&self, data: &[u8], offset: ByteOffset) -> Result<()> {
        // What did not go past the cache goes through it, and says what is wrong if it does not go there either.
        let direct = self.direct.as_ref();
        if direct.is_some_and(|direct| direct::write_around(&self.file, direct, data, offset.0)) {
            return Ok(());
        }
        self.file.write_all_at(data, offset.0).map_err(|error| {
            self.error(error, &format!("writing {} bytes at byte {} of", data.len(), offset.0))
        })?;
        if let Some(range) = self.behind.wrote(offset.0, data.len() as u64) {
            system::start_writing(&self.file, range);
        }
        Ok(())
    }

    fn length(&self) -> Result<u64> {
        let length = match self.kind {
            FileKind::Ordinary => self.file.metadata().map(|metadata| metadata.len()),
            // Of a device only its end can be asked for. The file's own position changes, which nobody uses.
            FileKind::Device(_) => (&self.file).seek(SeekFrom::End(0)),
        };
        length.map_err(|error| self.error(error, "asking the length of"))
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.error(error, &format!("setting length {length} of")))
    }

    fn sync(&self) -> Result<()> {
        if self.flush_failed.load(Ordering::Acquire) {
            let text = "an earlier flush failed, and what it should have made durable may be lost";
            return Err(Error::new(Kind::Io, text).context(describe("flushing", &self.path)));
        }
        self.file.sync_data().map_err(|error| {
            self.flush_failed.store(true, Ordering::Release);
            self.error(error, "flushing")
        })
    }

    fn region_at(&self, offset: ByteOffset) -> Result<Region> {
        if self.kind != FileKind::Ordinary {
            return Ok(Region::Data(ByteOffset(self.length()?)));
        }
        let find = |whence| {
            system::seek(&self.file, offset.0, whence)
                .map_err(|error| self.error(error, "looking for holes in"))
        };
        Ok(match find(Whence::Data)? {
            None => Region::Hole(ByteOffset(self.length()?)),
            Some(data) if data > offset.0 => Region::Hole(ByteOffset(data)),
            Some(_) => match find(Whence::Hole)? {
                Some(hole) => Region::Data(ByteOffset(hole)),
                None => Region::Data(ByteOffset(self.length()?)),
            },
        })
    }

    fn lock(&self, lock: Lock) -> Result<()> {
        match disk_lock::take(&self.file, lock) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let text = "the disk is open for writing elsewhere, or is the parent of an open disk";
                Err(Error::new(Kind::Locked, text).context(describe("locking", &self.path)))
            }
            Err(error) => Err(self.error(error, "locking")),
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn identity(&self) -> Result<Option<FileIdentity>> {
        if let Some(known) = self.identity.get() {
            return Ok(Some(*known));
        }
        let metadata =
            self.file.metadata().map_err(|error| self.error(error, "asking for the identity of"))?;
        Ok(Some(*self.identity.get_or_init(|| FileIdentity::of(&metadata))))
    }
}

impl LocalFiles {
    /// Checks that `file` is an ordinary file: devices, FIFOs and folders are not disks.
    fn ordinary(&self, file: File, path: PathBuf, access: Access) -> Result<Arc<dyn Storage>> {
        let metadata = file.metadata().map_err(|error| Error::from_io(error, describe("opening", &path)))?;
        let text = match metadata.file_type() {
            kind if kind.is_file() => {
                // Opened by its descriptor, so that it is the same file whatever has become of its name.
                let again =
                    self.unbuffered.then(|| system::reopen_direct(&file, access == Access::ReadWrite));
                let direct = again.and_then(io::Result::ok);
                let identity = OnceLock::from(FileIdentity::of(&metadata));
                let plain = LocalFile::new(file, path, FileKind::Ordinary);
                return Ok(Arc::new(LocalFile { direct, identity, ..plain }));
            }
            kind if kind.is_block_device() => {
                "it is a device; only extents can be devices, and only with vixen.allowDevices"
            }
            _ => "it is not an ordinary file",
        };
        Err(Error::new(Kind::InvalidDisk, text).context(describe("opening", &path)))
    }

    /// Opens a block device; what else is there, is refused.
    fn device(path: &Path, access: Access) -> Result<Arc<dyn Storage>> {
        let open = || {
            let file = options(access).custom_flags(libc::O_NONBLOCK).open(path)?;
            let kind = file.metadata()?.file_type();
            Ok((file, kind))
        };
        match open() {
            Ok((file, kind)) if kind.is_block_device() => {
                Ok(LocalFile::storage(file, path.to_owned(), FileKind::Device(access)))
            }
            Ok(_) => Err(Error::new(Kind::InvalidDisk, "it is no block device any more")
                .context(describe("opening", path))),
            Err(error) => Err(Error::from_io(error, describe("opening", path))),
        }
    }

    /// The device that a disk names, where the policy lets it. Its kind is asked before it is opened: to open some
    /// devices is to do something with them.
    fn named_device(&self, path: &Path, access: Access) -> Option<Result<Arc<dyn Storage>>> {
        let access = match self.devices {
            DeviceAccess::Refused => return None,
            DeviceAccess::ReadOnly => Access::Read,
            DeviceAccess::ReadWrite => access,
        };
        is_block_device(path).then(|| Self::device(path, access))
    }

    /// Opens `name` so that no part of the way leaves `folder`.
    fn open_contained(folder: &Folder, name: &Path, access: Access) -> io::Result<File> {
        let writable = access == Access::ReadWrite;
        match system::open_beneath(folder.opened()?, name.as_os_str(), writable) {
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                Self::open_walking(folder.path(), name, writable)
            }
            result => result,
        }
    }

    /// The same for kernels before 5.6: asks where the name leads to, and goes there from the folder name by name. The
    /// way has no symbolic links then; one that appears meanwhile is not followed.
    fn open_walking(folder: &Path, name: &Path, writable: bool) -> io::Result<File> {
        let folder = folder.canonicalize()?;
        let target = folder.join(name).canonicalize()?;
        let way = target.strip_prefix(&folder).map_err(|_| io::Error::from_raw_os_error(libc::EXDEV))?;
        let mut at = File::open(folder)?;
        let mut names = way.components().peekable();
        while let Some(name) = names.next() {
            let step = if names.peek().is_some() { Step::Folder } else { Step::File { writable } };
            at = system::open_step(&at, name.as_os_str(), step)?;
        }
        Ok(at)
    }
}

impl Files for LocalFiles {
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn Storage>> {
        // O_NONBLOCK so that a FIFO does not block; it changes nothing for ordinary files.
        match options(access).custom_flags(libc::O_NONBLOCK).open(path) {
            Ok(file) => self.ordinary(file, path.to_owned(), access),
            // A folder asked for writing fails in open itself.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                Err(Error::new(Kind::InvalidDisk, "it is a folder").context(describe("opening", path)))
            }
            Err(error) => Err(Error::from_io(error, describe("opening", path))),
        }
    }

    fn open_beside(&self, folder: &Folder, name: &Path, access: Access) -> Result<Arc<dyn Storage>> {
        let path = folder.path().join(name);
        if name.is_absolute() || self.allow_outside_folder {
            if let Some(device) = self.named_device(&path, access) {
                return device;
            }
        }
        if self.allow_outside_folder {
            return self.open(&path, access);
        }
        let outside = || {
            let text = if name.is_absolute() && is_block_device(name) {
                "it is a device, which vixen.allowDevices would allow"
            } else {
                "the name leads out of the disk's folder, which vixen.allowOutsideFolder would allow"
            };
            Error::new(Kind::BadName, text).context(describe("opening", &path))
        };
        let inside = below(folder.path(), name).ok_or_else(outside)?;
        match Self::open_contained(folder, &inside, access) {
            Ok(file) => self.ordinary(file, path, access),
            Err(error) if error.raw_os_error() == Some(libc::EXDEV) => Err(outside()),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                Err(Error::new(Kind::InvalidDisk, "it is a folder").context(describe("opening", &path)))
            }
            Err(error) => Err(Error::from_io(error, describe("opening", &path))),
        }
    }

    fn open_mapped(&self, folder: &Path, name: &Path) -> Result<Option<Arc<dyn Storage>>> {
        let Some(last) = name.file_name().filter(|_| !self.raw_devices.is_empty()) else { return Ok(None) };
        let find = |folder: &Path| {
            let known_as = folder.join(last).to_string_lossy().to_ascii_lowercase();
            self.raw_devices.get(&known_as)
        };
        let Some(path) = find(folder).or_else(|| find(&folder.canonicalize().ok()?)) else { return Ok(None) };
        let opened = match is_block_device(path) {
            true => Self::device(path, Access::Read),
            false => self.open(path, Access::Read),
        };
        opened.context(|| "vixen.rawDevice").map(Some)
    }

    fn lock_folder(&self, path: &Path) -> Result<Option<PathBuf>> {
        product_lock::find(path)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn Storage>> {
        let file = options(Access::ReadWrite)
            .create_new(true)
            .open(path)
            .map_err(|error| Error::from_io(error, describe("creating", path)))?;
        Ok(LocalFile::storage(file, path.to_owned(), FileKind::Ordinary))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<Arc<dyn Storage>> {
        let failed = |error| Error::from_io(error, describe("replacing", path));
        let old = fs::metadata(path).map_err(failed)?;
        // The target of a symbolic link is replaced, not the link.
        let target = self.canonical(path)?;
        let (mut file, temporary) = new_beside(&target).map_err(failed)?;
        let mut write = || {
            file.set_permissions(old.permissions())?;
            // Only root can give a file away; for everybody else the new file is theirs, as the folder is.
            let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &target)
        };
        if let Err(error) = write() {
            let _ = fs::remove_file(&temporary);
            return Err(failed(error));
        }
        self.sync_folder(folder_of(&target))?;
        Ok(LocalFile::storage(file, path.to_owned(), FileKind::Ordinary))
    }

    fn link(&self, existing: &Path, new: &Path) -> Result<()> {
        // The target of a symbolic link gets the name, not the link.
        let target = self.canonical(existing)?;
        fs::hard_link(target, new).map_err(|error| {
            let cannot = matches!(
                error.raw_os_error(),
                Some(libc::EXDEV | libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EMLINK)
            );
            let error = Error::from_io(error, format!("{} as", describe("linking", existing)));
            let error = if cannot { error.with_kind(Kind::NotSupported) } else { error };
            error.context(describe("making", new))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        system::rename_to_new(from, to).map_err(|error| {
            Error::from_io(error, format!("{} as", describe("renaming", from)))
                .context(describe("making", to))
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|error| Error::from_io(error, describe("removing", path)))
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        let sync = || File::open(folder)?.sync_all();
        sync().map_err(|error| Error::from_io(error, describe("flushing folder", folder)))
    }

    fn is_symbolic_link(&self, path: &Path) -> Result<bool> {
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result
                .map(|metadata| metadata.is_symlink())
                .map_err(|error| Error::from_io(error, describe("finding", path))),
        }
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        match path.canonicalize() {
            // Below a folder that may not be entered only the name from the current folder is good.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(path.to_owned()),
            result => result.map_err(|error| Error::from_io(error, describe("finding", path))),
        }
    }
}

/// A new file beside another one, and its path; nobody else may open it until its content has the mode that it should.
/// What an earlier process of the same number left is passed over.
fn new_beside(target: &Path) -> io::Result<(File, PathBuf)> {
    for attempt in 0..100 {
        let mut name = target.to_owned().into_os_string();
        name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        match options(Access::ReadWrite).create_new(true).mode(0o600).open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return Ok((result?, PathBuf::from(name))),
        }
    }
    Err(io::Error::other("temporary files of the same name are in the way"))
}

/// Whether a path leads to a block device.
fn is_block_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
}

/// The options for an access.
fn options(access: Access) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(access == Access::ReadWrite);
    options
}

/// "verb 'path'", the context of an error.
fn describe(verb: &str, path: &Path) -> String {
    format!("{verb} '{}'", path.display())
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
