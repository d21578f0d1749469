//! Files of the local file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::direct;
use super::product_lock;
use super::system::{self, Whence};
use super::{Access, ByteOffset, FileIdentity, Files, Lock, Region, Storage, folder_of};
use crate::error::{Error, Kind, Result};

/// Most buffers that one `preadv` takes (IOV_MAX).
const MAX_BUFFERS: usize = 1024;

/// The byte of a disk's first file that locks are taken on: far beyond any file, and away from the bytes around
/// 100 and 200 on which QEMU keeps its own.
const LOCK_BYTE: u64 = 1 << 62;

/// How long an open waits for a lock to go: closing a disk and opening it again from another thread or process
/// may overlap for a moment, as when one network client leaves and the next one comes.
const LOCK_PATIENCE: Duration = Duration::from_millis(1000);

/// The local file system, with the policy for names that stand inside disks.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalFiles {
    /// Lets names inside disks lead out of the disk's folder.
    pub allow_outside_folder: bool,
    /// Transfers go past the host's cache, where the file system can do that.
    pub unbuffered: bool,
}

/// An open local file.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    /// The same file opened with O_DIRECT, for what can go past the cache.
    direct: Option<File>,
    path: PathBuf,
    /// A flush has failed. The kernel then drops the pages that it could not write and reports the next flush as
    /// a success, so no later flush of this file may claim that everything is durable.
    flush_failed: AtomicBool,
}

impl LocalFile {
    fn storage(file: File, path: PathBuf) -> Arc<dyn Storage> {
        Arc::new(Self { file, direct: None, path, flush_failed: AtomicBool::new(false) })
    }

    /// Reads one buffer, past the cache as far as that goes. False when it does not go, or not to the end.
    fn read_directly(&self, buffer: &mut [u8], position: u64) -> bool {
        let Some((file, (start, end))) = self.direct.as_ref().zip(direct::inside(position, buffer.len()))
        else {
            return false;
        };
        let (head, rest) = buffer.split_at_mut(start);
        let (middle, tail) = rest.split_at_mut(end - start);
        let wanted = middle.len();
        self.file.read_exact_at(head, position).is_ok()
            && direct::read_at(file, middle, position + start as u64).is_ok_and(|read| read == wanted)
            && self.file.read_exact_at(tail, position + end as u64).is_ok()
    }

    /// Writes, past the cache as far as that goes. False when it does not go; then something may be written.
    fn write_directly(&self, data: &[u8], position: u64) -> bool {
        let Some((file, (start, end))) = self.direct.as_ref().zip(direct::inside(position, data.len()))
        else {
            return false;
        };
        self.file.write_all_at(&data[..start], position).is_ok()
            && direct::write_at(file, &data[start..end], position + start as u64).is_ok()
            && self.file.write_all_at(&data[end..], position + end as u64).is_ok()
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
            if self.direct.is_some() {
                while let Some(first) = left.first_mut() {
                    if !self.read_directly(first, position) {
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

    fn write_all_at(&self, data: &[u8], offset: ByteOffset) -> Result<()> {
        // What did not go past the cache goes through it, and says what is wrong if it does not go there either.
        if self.direct.is_some() && self.write_directly(data, offset.0) {
            return Ok(());
        }
        self.file.write_all_at(data, offset.0).map_err(|error| {
            self.error(error, &format!("writing {} bytes at byte {} of", data.len(), offset.0))
        })
    }

    fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|error| self.error(error, "asking the length of"))?.len())
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
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match system::lock_open_file(&self.file, lock == Lock::Exclusive, LOCK_BYTE, 1) {
                Ok(()) => return Ok(()),
                Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                    if Instant::now() >= deadline {
                        let text = "the disk is open for writing elsewhere, or is the parent of an open disk";
                        return Err(Error::new(Kind::Locked, text).context(describe("locking", &self.path)));
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(self.error(error, "locking")),
            }
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn identity(&self) -> Result<Option<FileIdentity>> {
        let metadata =
            self.file.metadata().map_err(|error| self.error(error, "asking for the identity of"))?;
        Ok(Some(FileIdentity { device: metadata.dev(), file: metadata.ino() }))
    }
}

impl LocalFiles {
    /// Checks that `file` is an ordinary file: devices, FIFOs and folders are not disks.
    fn ordinary(self, file: File, path: PathBuf, access: Access) -> Result<Arc<dyn Storage>> {
        let kind =
            file.metadata().map_err(|error| Error::from_io(error, describe("opening", &path)))?.file_type();
        if kind.is_file() {
            // Opened by its descriptor, so that it is the same file whatever has become of its name.
            let again = self.unbuffered.then(|| system::reopen_direct(&file, access == Access::ReadWrite));
            let direct = again.and_then(io::Result::ok);
            Ok(Arc::new(LocalFile { file, direct, path, flush_failed: AtomicBool::new(false) }))
        } else {
            Err(Error::new(Kind::InvalidDisk, "it is not an ordinary file")
                .context(describe("opening", &path)))
        }
    }

    /// Opens `name` so that no part of the way leaves `folder`.
    fn open_contained(folder: &Path, name: &Path, access: Access) -> io::Result<File> {
        let writable = access == Access::ReadWrite;
        match system::open_beneath(File::open(folder)?, name.as_os_str(), writable) {
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                // Kernels before 5.6: compare where the name leads to with the folder, then open that very place.
                let folder = folder.canonicalize()?;
                let target = folder.join(name).canonicalize()?;
                if !target.starts_with(&folder) {
                    return Err(io::Error::from_raw_os_error(libc::EXDEV));
                }
                options(access).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(target)
            }
            result => result,
        }
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

    fn open_beside(&self, folder: &Path, name: &Path, access: Access) -> Result<Arc<dyn Storage>> {
        let path = folder.join(name);
        if self.allow_outside_folder {
            return self.open(&path, access);
        }
        let outside = || {
            Error::new(
                Kind::BadName,
                "the name leads out of the disk's folder, which vixen.allowOutsideFolder would allow",
            )
            .context(describe("opening", &path))
        };
        let inside = below(folder, name).ok_or_else(outside)?;
        match Self::open_contained(folder, &inside, access) {
            Ok(file) => self.ordinary(file, path, access),
            Err(error) if error.raw_os_error() == Some(libc::EXDEV) => Err(outside()),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                Err(Error::new(Kind::InvalidDisk, "it is a folder").context(describe("opening", &path)))
            }
            Err(error) => Err(Error::from_io(error, describe("opening", &path))),
        }
    }

    fn lock_folder(&self, path: &Path) -> Result<Option<PathBuf>> {
        product_lock::find(path)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn Storage>> {
        let file = options(Access::ReadWrite)
            .create_new(true)
            .open(path)
            .map_err(|error| Error::from_io(error, describe("creating", path)))?;
        Ok(LocalFile::storage(file, path.to_owned()))
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
        Ok(LocalFile::storage(file, path.to_owned()))
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

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|error| Error::from_io(error, describe("removing", path)))
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        let sync = || File::open(folder)?.sync_all();
        sync().map_err(|error| Error::from_io(error, describe("flushing folder", folder)))
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        match path.canonicalize() {
            // Below a folder that may not be entered only the name from the current folder is good.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(path.to_owned()),
            result => result.map_err(|error| Error::from_io(error, describe("finding", path))),
        }
    }
}

/// A path that stays good when the process changes its current folder: absolute, unless that would lead through a
/// folder that the process may not enter.
pub fn lasting_path(path: &Path) -> PathBuf {
    match std::path::absolute(path) {
        Ok(absolute) if !folder_of(path).exists() || folder_of(&absolute).exists() => absolute,
        _ => path.to_owned(),
    }
}

/// A name as it is seen from `folder`; `None` when it leads out of it. An absolute name may lead back in.
fn below(folder: &Path, name: &Path) -> Option<PathBuf> {
    if name.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    if !name.is_absolute() {
        return Some(name.to_owned());
    }
    let inside = |folder: &Path| name.strip_prefix(folder).ok().map(Path::to_owned);
    inside(folder).or_else(|| inside(&folder.canonicalize().ok()?))
}

/// A new file beside another one, and its path. What an earlier process of the same number left is passed over.
fn new_beside(target: &Path) -> io::Result<(File, PathBuf)> {
    for attempt in 0..100 {
        let mut name = target.to_owned().into_os_string();
        name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        match options(Access::ReadWrite).create_new(true).open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return Ok((result?, PathBuf::from(name))),
        }
    }
    Err(io::Error::other("temporary files of the same name are in the way"))
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
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn vectored_reads_fill_every_buffer_and_refuse_the_end() {
        let folder = folder();
        let files = LocalFiles::default();
        let file = files.create(&folder.path().join("a")).unwrap();
        file.write_all_at(&(0..100).collect::<Vec<u8>>(), ByteOffset(0)).unwrap();
        let (mut a, mut b, mut c) = ([0u8; 3], [0u8; 0], [0u8; 7]);
        let mut buffers = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b), IoSliceMut::new(&mut c)];
        file.read_vectored_at(&mut buffers, ByteOffset(10)).unwrap();
        assert_eq!((a, c), ([10, 11, 12], [13, 14, 15, 16, 17, 18, 19]));
        let mut cached = [0u8; 8];
        // Just written, so it is in the cache, unless the file system cannot tell; never is it something else.
        if file.read_cached_at(&mut [IoSliceMut::new(&mut cached)], ByteOffset(90)).unwrap() {
            assert_eq!(cached, [90, 91, 92, 93, 94, 95, 96, 97]);
        }
        assert!(!file.read_cached_at(&mut [IoSliceMut::new(&mut cached)], ByteOffset(95)).unwrap());
        let error = file.read_exact_at(&mut [0; 8], ByteOffset(95)).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().contains("ends too early"), "{error}");
    }

    #[test]
    fn names_inside_disks_cannot_leave_the_folder() {
        let outer = folder();
        let inner = outer.path().join("disks");
        fs::create_dir(&inner).unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        fs::write(inner.join("good"), "g").unwrap();
        std::os::unix::fs::symlink("../secret", inner.join("link")).unwrap();
        std::os::unix::fs::symlink("good", inner.join("near")).unwrap();
        let strict = LocalFiles::default();
        let lax = LocalFiles { allow_outside_folder: true, ..LocalFiles::default() };
        let absolute = outer.path().join("secret");
        for name in [Path::new("../secret"), Path::new("link"), Path::new("a/../../secret"), &absolute] {
            let error = strict.open_beside(&inner, name, Access::Read).unwrap_err();
            assert!(matches!(error.kind(), Kind::BadName | Kind::FileNotFound), "{name:?}: {error}");
        }
        for name in ["good", "near"] {
            strict.open_beside(&inner, Path::new(name), Access::Read).unwrap();
            strict.open_beside(&inner, &inner.join(name), Access::Read).unwrap();
        }
        for name in [inner.join("link"), inner.join("../secret"), inner.clone(), "/".into()] {
            assert!(strict.open_beside(&inner, &name, Access::Read).is_err(), "{name:?}");
        }
        for name in [Path::new("../secret"), Path::new("link"), &absolute] {
            lax.open_beside(&inner, name, Access::Read).unwrap();
        }
    }

    #[test]
    fn only_ordinary_files_are_opened() {
        let files = LocalFiles::default();
        for access in [Access::Read, Access::ReadWrite] {
            for path in ["/", "/dev/null"] {
                assert_eq!(
                    files.open(Path::new(path), access).unwrap_err().kind(),
                    Kind::InvalidDisk,
                    "{path}"
                );
            }
        }
        assert_eq!(files.open(Path::new("/nowhere/a"), Access::Read).unwrap_err().kind(), Kind::FileNotFound);
    }

    #[test]
    fn an_exclusive_lock_keeps_others_out_until_it_goes() {
        let folder = folder();
        let files = LocalFiles::default();
        let path = folder.path().join("a");
        let (first, second) = (files.create(&path).unwrap(), files.open(&path, Access::ReadWrite).unwrap());
        first.lock(Lock::Exclusive).unwrap();
        assert_eq!(second.lock(Lock::Exclusive).unwrap_err().kind(), Kind::Locked);
        assert_eq!(second.lock(Lock::Shared).unwrap_err().kind(), Kind::Locked);
        drop(first);
        second.lock(Lock::Shared).unwrap();
        let third = files.open(&path, Access::ReadWrite).unwrap();
        third.lock(Lock::Shared).unwrap();
        assert_eq!(third.lock(Lock::Exclusive).unwrap_err().kind(), Kind::Locked);
    }

    #[test]
    fn unbuffered_transfers_of_any_place_and_memory_are_right() {
        let folder = folder();
        let path = folder.path().join("a");
        fs::write(&path, vec![0; 3 << 20]).unwrap();
        let files = LocalFiles { unbuffered: true, ..LocalFiles::default() };
        let file = files.open(&path, Access::ReadWrite).unwrap();
        let mut model = vec![0u8; 3 << 20];
        let data: Vec<u8> = (0..2u32 << 20).map(|n| (n * 7 + n / 512) as u8).collect();
        let places =
            [(0, 0, 2 << 20), (512, 3, (1 << 20) + 512), (4096, 8, 40_960), (9_000, 1, 17_000), (1, 0, 5)];
        for (position, memory, length) in places {
            let piece = &data[memory..memory + length.min(data.len() - memory)];
            file.write_all_at(piece, ByteOffset(position)).unwrap();
            model[position as usize..][..piece.len()].copy_from_slice(piece);
            let mut whole = vec![1; (3 << 20) + 64];
            file.read_exact_at(&mut whole[memory..][..3 << 20], ByteOffset(0)).unwrap();
            assert!(whole[memory..][..3 << 20] == model, "after {length} bytes at {position}");
            let mut back = vec![1; piece.len() + 1];
            file.read_exact_at(&mut back[1..], ByteOffset(position)).unwrap();
            assert!(&back[1..] == piece);
        }
        assert_eq!(
            file.read_exact_at(&mut [0; 40_960], ByteOffset((3 << 20) - 4096)).unwrap_err().kind(),
            Kind::Io
        );
        assert!(fs::read(&path).unwrap() == model, "both views of the file are the same");
    }

    #[test]
    fn replacing_keeps_permissions_and_leaves_no_other_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let replaced = LocalFiles::default().replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        replaced.write_all_at(b"N", ByteOffset(0)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"New", "the file that is returned is the one with the name");
        // What a process that died left behind is not in the way, and stays: it may be somebody's.
        let left = folder.path().join(format!("a.{}-0.tmp", std::process::id()));
        fs::write(&left, "left").unwrap();
        LocalFiles::default().replace(&path, b"newer").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&left).unwrap()),
            (b"newer".to_vec(), b"left".to_vec())
        );
    }

    #[test]
    fn holes_are_told_from_data() {
        let folder = folder();
        let file = LocalFiles::default().create(&folder.path().join("a")).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(&[1; 4096], ByteOffset(512 << 10)).unwrap();
        assert_eq!(file.region_at(ByteOffset(0)).unwrap(), Region::Hole(ByteOffset(512 << 10)));
        assert_eq!(file.region_at(ByteOffset(512 << 10)).unwrap(), Region::Data(ByteOffset(516 << 10)));
        assert_eq!(file.region_at(ByteOffset(516 << 10)).unwrap(), Region::Hole(ByteOffset(1 << 20)));
    }
}
