//! The system calls that std does not wrap, each behind a safe function.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

/// `preadv`: reads from `offset` into the buffers, in order; returns the number of bytes read.
///
/// # Errors
/// Those of the system; at most `IOV_MAX` (1024) buffers may be given.
pub fn read_vectored_at(file: &File, buffers: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let count =
        libc::c_int::try_from(buffers.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: IoSliceMut is documented to have the layout of iovec, the buffers are exclusively borrowed for the
    // call, and the descriptor is open as long as `file` is.
    let read = unsafe { libc::preadv(file.as_raw_fd(), buffers.as_mut_ptr().cast(), count, offset) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// `preadv2` with RWF_NOWAIT: as [`read_vectored_at`], but only what the host's cache holds. `None` when a device
/// would have to be waited for, or when the kernel or the file system cannot tell.
///
/// # Errors
/// Those of the system; at most `IOV_MAX` (1024) buffers may be given.
pub fn read_cached_at(file: &File, buffers: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<Option<usize>> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    let offset = libc::off_t::try_from(offset).map_err(invalid)?;
    let count = libc::c_int::try_from(buffers.len()).map_err(invalid)?;
    // SAFETY: as for `preadv` above.
    let read = unsafe {
        libc::preadv2(file.as_raw_fd(), buffers.as_mut_ptr().cast(), count, offset, libc::RWF_NOWAIT)
    };
    match usize::try_from(read) {
        Ok(read) => Ok(Some(read)),
        Err(_) => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EOPNOTSUPP | libc::ENOSYS)) => {
                Ok(None)
            }
            error => Err(error),
        },
    }
}

/// `sync_file_range`: lets the device begin with what stands in the host's cache, and does not wait for it. A hint:
/// what goes wrong shows in the next flush.
pub fn start_writing(file: &File, range: Range<u64>) {
    let length = range.end.saturating_sub(range.start);
    let (Ok(start), Ok(length)) = (libc::off64_t::try_from(range.start), libc::off64_t::try_from(length))
    else {
        return;
    };
    // SAFETY: no memory is involved; the descriptor is open as long as `file` is.
    let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), start, length, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Opens the file behind a descriptor once more, with O_DIRECT.
///
/// # Errors
/// EINVAL where the file system cannot do that, those of open.
pub fn reopen_direct(file: &File, writable: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .read(true)
        .write(writable)
        .custom_flags(libc::O_DIRECT)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// `lseek` with SEEK_DATA or SEEK_HOLE; `None` when there is no such place before the end. The file's own
/// position changes, which nobody uses.
///
/// # Errors
/// Those of the system, ENXIO excepted.
pub fn seek(file: &File, offset: u64, whence: Whence) -> io::Result<Option<u64>> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let whence = match whence {
        Whence::Data => libc::SEEK_DATA,
        Whence::Hole => libc::SEEK_HOLE,
    };
    // SAFETY: no memory is involved; the descriptor is open as long as `file` is.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
    }
}

/// What [`seek`] looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// The next byte that has been written.
    Data,
    /// The next hole; the end of the file counts as one.
    Hole,
}

/// Takes a lock of the open file description on `length` bytes from `start`, without waiting. Such locks belong
/// to this one open of the file, not to the process: a second open in the same process conflicts too.
///
/// # Errors
/// EAGAIN or EACCES when somebody else holds it; those of the system.
pub fn lock_open_file(file: &File, exclusive: bool, start: u64, length: u64) -> io::Result<()> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    // SAFETY: flock is plain integers; all zeros is a valid value of it.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    let kind = if exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
    lock.l_type = libc::c_short::try_from(kind).map_err(invalid)?;
    lock.l_whence = libc::c_short::try_from(libc::SEEK_SET).map_err(invalid)?;
    lock.l_start = libc::off_t::try_from(start).map_err(invalid)?;
    lock.l_len = libc::off_t::try_from(length).map_err(invalid)?;
    // SAFETY: the pointer is to a live flock for the length of the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `openat2` with RESOLVE_BENEATH: opens `name` in `folder`; the kernel refuses every way out of the folder, by
/// `..`, by an absolute name or by a symbolic link. `O_NONBLOCK` keeps a FIFO from blocking the call.
///
/// # Errors
/// EXDEV for a way out, ENOSYS on kernels before 5.6 (and some emulators), those of open.
pub fn open_beneath(folder: impl AsFd, name: &OsStr, writable: bool) -> io::Result<File> {
    let name = CString::new(name.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let access = if writable { libc::O_RDWR } else { libc::O_RDONLY };
    // SAFETY: open_how is plain integers; all zeros is a valid value of it.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((access | libc::O_CLOEXEC | libc::O_NONBLOCK).unsigned_abs());
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: the name ends in a NUL, `how` is live and its size is given; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            folder.as_fd().as_raw_fd(),
            name.as_ptr(),
            &raw const how,
            std::mem::size_of::<libc::open_how>(),
        )
    };
    match i32::try_from(result) {
        // SAFETY: the kernel returned this descriptor just now, so nobody else owns it.
        Ok(descriptor) if descriptor >= 0 => Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) })),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What [`open_step`] opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A folder on the way, which need not be readable.
    Folder,
    /// The file at the end.
    File {
        /// For writing too.
        writable: bool,
    },
}

/// `openat` of one name in `folder`, which may not be a symbolic link.
///
/// # Errors
/// ELOOP or ENOTDIR for a symbolic link, those of open.
pub fn open_step(folder: impl AsFd, name: &OsStr, step: Step) -> io::Result<File> {
    let name = CString::new(name.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let what = match step {
        Step::Folder => libc::O_PATH | libc::O_DIRECTORY,
        Step::File { writable: false } => libc::O_RDONLY | libc::O_NONBLOCK,
        Step::File { writable: true } => libc::O_RDWR | libc::O_NONBLOCK,
    };
    let flags = what | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends in a NUL and outlives the call; no file is made, so no mode is read.
    match unsafe { libc::openat(folder.as_fd().as_raw_fd(), name.as_ptr(), flags) } {
        // SAFETY: the kernel returned this descriptor just now, so nobody else owns it.
        descriptor if descriptor >= 0 => Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) })),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Maps pages for `length` bytes that a core dump leaves out; `None` for no bytes, and where the system has no pages or
/// cannot leave them out.
pub(super) fn map_undumped(length: usize) -> Option<NonNull<u8>> {
    if length == 0 {
        return None;
    }
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at a place that the kernel chooses touches nothing that is there.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0) };
    if place == libc::MAP_FAILED {
        return None;
    }
    let start = NonNull::new(place.cast::<u8>())?;
    // SAFETY: the range is that of the mapping above.
    if unsafe { libc::madvise(place, length, libc::MADV_DONTDUMP) } != 0 {
        // SAFETY: as above; nothing refers to it yet.
        unsafe { unmap(start, length) };
        return None;
    }
    Some(start)
}

/// Gives pages back.
///
/// # Safety
/// `map_undumped` must have returned `start` for `length`, and nothing may refer to them any more.
pub(super) unsafe fn unmap(start: NonNull<u8>, length: usize) {
    // SAFETY: the caller's promise. It cannot fail for a whole mapping.
    unsafe { libc::munmap(start.as_ptr().cast(), length) };
}

/// `renameat2` with RENAME_NOREPLACE; on file systems that cannot do that, a look for the new name comes first.
///
/// # Errors
/// EEXIST, those of the system.
pub fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    let name = |path: &Path| {
        CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
    };
    let (old, new) = (name(from)?, name(to)?);
    // SAFETY: both names end in a NUL and outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            old.as_ptr(),
            libc::AT_FDCWD,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if result == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::Error::from_raw_os_error(libc::EEXIST));
            }
            std::fs::rename(from, to)
        }
        error => Err(error),
    }
}

/// Whether the calling process may change the names in a folder; nothing is created to find out.
pub fn folder_is_writable(folder: &Path) -> bool {
    let Ok(name) = CString::new(folder.as_os_str().as_bytes()) else { return false };
    // SAFETY: the name ends in a NUL and outlives the call.
    unsafe { libc::access(name.as_ptr(), libc::W_OK) == 0 }
}
