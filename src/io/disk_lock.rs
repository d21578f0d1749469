//! The locks by which those who have a disk open keep each other out.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use super::{Lock, system};

/// The byte of a disk's first file that locks are taken on: far beyond any file, and away from the bytes around
/// 100 and 200 on which QEMU keeps its own.
const BYTE: u64 = 1 << 62;

/// How long an open waits for a lock to go: closing a disk and opening it again from another thread or process
/// may overlap for a moment, as when one network client leaves and the next one comes.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Takes a lock that lasts as long as `file` is open. False when somebody else has one that excludes it, and keeps it.
///
/// # Errors
/// Those of the system.
pub(super) fn take(file: &File, lock: Lock) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match system::lock_open_file(file, lock == Lock::Exclusive, BYTE, 1) {
            Ok(()) => return Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                if Instant::now() >= deadline {
                    return Ok(false);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}
