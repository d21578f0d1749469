//! The buffers of reads and writes, which may cross to another thread.

use super::types::VIXDISKLIB_SECTOR_SIZE;
use crate::error::{Error, Kind, Result};

/// The length of a buffer in bytes; NULL is fine only when nothing is to be moved.
fn checked_length(is_null: bool, sectors: u64) -> Result<usize> {
    let length =
        usize::try_from(sectors).ok().and_then(|count| count.checked_mul(VIXDISKLIB_SECTOR_SIZE as usize));
    match length.filter(|length| isize::try_from(*length).is_ok()) {
        Some(length) if length == 0 || !is_null => Ok(length),
        Some(_) => Err(Error::new(Kind::InvalidArgument, "the buffer is NULL")),
        None => Err(Error::new(Kind::InvalidArgument, format!("no buffer has {sectors} sectors"))),
    }
}

/// A client's buffer that is read into.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    start: *mut u8,
    length: usize,
}

// SAFETY: the interface gives the buffer to the library until the call, or its completion function, has returned.
unsafe impl Send for ReadBuffer {}

impl ReadBuffer {
    /// A buffer of so many sectors.
    ///
    /// # Errors
    /// `InvalidArgument` for NULL (with any sectors) and lengths that no memory has.
    pub(super) fn new(start: *mut u8, sectors: u64) -> Result<Self> {
        Ok(Self { length: checked_length(start.is_null(), sectors)?, start })
    }

    /// Its bytes.
    ///
    /// # Safety
    /// The buffer must be writable for its length, and nobody else may touch it as long as the result lives.
    pub(super) unsafe fn as_slice(&mut self) -> &mut [u8] {
        if self.length == 0 {
            return &mut [];
        }
        // SAFETY: not NULL, the length is checked, and the caller promised the rest.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// The buffer for another thread.
    ///
    /// # Safety
    /// The buffer must be writable for its length, and nobody else may touch it as long as the result lives.
    pub(super) unsafe fn lend(self) -> LentRead {
        LentRead(self)
    }
}

/// A client's buffer that is the library's until a completion function runs.
#[derive(Debug)]
pub(super) struct LentRead(ReadBuffer);

impl AsMut<[u8]> for LentRead {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: who made this promised it for as long as it lives.
        unsafe { self.0.as_slice() }
    }
}

/// A client's buffer that is written from.
#[derive(Debug)]
pub(super) struct WriteBuffer {
    start: *const u8,
    length: usize,
}

// SAFETY: the interface lends the buffer to the library until the call, or its completion function, has returned.
unsafe impl Send for WriteBuffer {}

impl WriteBuffer {
    /// A buffer of so many sectors.
    ///
    /// # Errors
    /// `InvalidArgument` for NULL (with any sectors) and lengths that no memory has.
    pub(super) fn new(start: *const u8, sectors: u64) -> Result<Self> {
        Ok(Self { length: checked_length(start.is_null(), sectors)?, start })
    }

    /// Its bytes.
    ///
    /// # Safety
    /// The buffer must be readable for its length, and nobody may change it as long as the result lives.
    pub(super) unsafe fn as_slice(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: not NULL, the length is checked, and the caller promised the rest.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
    /// The buffer for another thread.
    ///
    /// # Safety
    /// The buffer must be readable for its length, and nobody may change it as long as the result lives.
    pub(super) unsafe fn lend(self) -> LentWrite {
        LentWrite(self)
    }
}

/// A client's buffer that stays as it is until a completion function runs.
#[derive(Debug)]
pub(super) struct LentWrite(WriteBuffer);

impl AsRef<[u8]> for LentWrite {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: who made this promised it for as long as it lives.
        unsafe { self.0.as_slice() }
    }
}
