//! The two headers.
//!
//! A writer changes the one that does not count and gives it the higher sequence number, so that one of them is
//! whole at any time.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{MIB, invalid};
use crate::error::{Error, Kind, Result};
use crate::format::crc32c;
use crate::format::foreign::{ID_BYTES, Id};
use crate::io::{ByteOffset, Storage};

/// The first bytes of a header.
pub const SIGNATURE: [u8; 4] = *b"head";

/// Bytes that the checksum of a header covers.
pub const BYTES: usize = 4096;

/// Bytes of the file at which the headers stand.
pub const OFFSETS: [u64; 2] = [64 << 10, 128 << 10];

/// A header as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawHeader {
    /// [`SIGNATURE`].
    pub signature: [u8; 4],
    /// CRC-32C of [`BYTES`] bytes, in which this is 0.
    pub checksum: U32,
    /// The higher one counts.
    pub sequence: U64,
    /// Changes with every change of the file.
    pub file_id: Id,
    /// Changes with every change of the content.
    pub data_id: Id,
    /// Which entries of the log are valid; zeros for an empty log.
    pub log_id: Id,
    /// 0.
    pub log_version: U16,
    /// 1.
    pub version: U16,
    /// Bytes of the log.
    pub log_length: U32,
    /// Byte of the file.
    pub log_offset: U64,
}

/// A log that has to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlace {
    /// Which of its entries are valid.
    pub id: Id,
    /// Byte of the file, a multiple of 1 MiB.
    pub offset: u64,
    /// Bytes, a multiple of 1 MiB, all of them in the file.
    pub length: u64,
}

/// The header that counts, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What children of this disk know it by.
    pub data_id: Id,
    /// The log, when it has to be replayed.
    pub log: Option<LogPlace>,
    /// Where the log is, in use or not: bytes of the file, first and behind the last.
    pub log_range: (u64, u64),
}

impl Header {
    /// Finds the header that counts.
    ///
    /// # Errors
    /// `InvalidDisk` when none is valid or both claim to count, `UnsupportedVersion`, those of storage.
    pub fn find(storage: &dyn Storage) -> Result<Self> {
        let [first, second] = OFFSETS.map(|offset| read(storage, offset));
        let raw = match (first?, second?) {
            (None, None) => return Err(invalid("neither of its two headers is valid")),
            (Some((one, _)), None) | (None, Some((one, _))) => one,
            (Some((one, _)), Some((two, _))) if one.sequence.get() > two.sequence.get() => one,
            (Some((one, _)), Some((two, _))) if one.sequence.get() < two.sequence.get() => two,
            // One known program writes the same header twice.
            (Some((one, bytes)), Some((_, same))) if bytes == same => one,
            (Some((one, _)), Some(_)) => {
                let text = format!("two different headers have the sequence number {}", one.sequence.get());
                return Err(invalid(text));
            }
        };
        Self::check(&raw, storage.length()?)
    }

    fn check(raw: &RawHeader, length: u64) -> Result<Self> {
        if raw.version.get() != 1 {
            let text = format!("version {} of the format is not 1", raw.version.get());
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        let (offset, log_length) = (raw.log_offset.get(), u64::from(raw.log_length.get()));
        let end = offset.saturating_add(log_length);
        let log =
            (raw.log_id != [0; ID_BYTES]).then_some(LogPlace { id: raw.log_id, offset, length: log_length });
        if log.is_some() && raw.log_version.get() != 0 {
            let text = format!("version {} of the log is not 0", raw.log_version.get());
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        let placed = offset >= MIB && log_length >= MIB && offset % MIB == 0 && log_length % MIB == 0;
        if log.is_some() && (!placed || end > length) {
            let text = format!(
                "the log of {log_length} bytes at byte {offset} is not in the file, or not in whole MiB"
            );
            return Err(invalid(text));
        }
        Ok(Self { data_id: raw.data_id, log, log_range: (offset, end) })
    }
}

/// A header and the bytes that its checksum covers; `None` when it is not valid.
fn read(storage: &dyn Storage, offset: u64) -> Result<Option<(RawHeader, Vec<u8>)>> {
    let mut bytes = vec![0; BYTES];
    storage.read_exact_at(&mut bytes, ByteOffset(offset))?;
    let Ok((raw, _)) = RawHeader::read_from_prefix(&bytes) else { return Ok(None) };
    let valid = raw.signature == SIGNATURE && raw.checksum.get() == crc32c::of_block(&bytes);
    Ok(valid.then_some((raw, bytes)))
}
