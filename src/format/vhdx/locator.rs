//! The parent locator: pairs of a key and a value, both in UTF-16.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::guid::{self, guid};
use super::invalid;
use crate::error::{Error, Kind, Result};
use crate::format::foreign::{Id, Parent, ParentNames, utf16};

/// The kind of locator that names another VHDX.
pub const VHDX: Id = guid(0xb04a_efb7, 0xd19e, 0x4a81, 0xb789_25b8_e944_5913);

/// Key: the parent's [`Header::data_id`](super::header::Header::data_id) when the child was made.
pub const LINKAGE: &str = "parent_linkage";

/// Keys of absolute paths, the best first.
pub const ABSOLUTE: [&str; 2] = ["absolute_win32_path", "volume_path"];

/// Key: the path from the child's folder.
pub const RELATIVE: &str = "relative_path";

/// What stands before the pairs.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawLocator {
    /// What the parent is; [`VHDX`].
    pub kind: Id,
    /// Zeros.
    pub reserved: U16,
    /// Number of pairs.
    pub pairs: U16,
}

/// Where a key and its value are, in bytes from the start of the locator.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawPair {
    /// First byte of the key.
    pub key: U32,
    /// First byte of the value.
    pub value: U32,
    /// Bytes of the key.
    pub key_length: U16,
    /// Bytes of the value.
    pub value_length: U16,
}

/// Reads a locator.
///
/// # Errors
/// `InvalidDisk` for pairs outside of it and without the parent's id, `NotSupported` for a parent that is no VHDX.
pub fn parse(bytes: &[u8]) -> Result<Parent> {
    let Ok((locator, rest)) = RawLocator::read_from_prefix(bytes) else {
        return Err(invalid(format!("{} bytes are too few", bytes.len())));
    };
    if locator.kind != VHDX {
        let text = format!("the parent is of the unknown kind {}", guid::shown(&locator.kind));
        return Err(Error::new(Kind::NotSupported, text));
    }
    let pairs: Vec<RawPair> = rest
        .chunks_exact(size_of::<RawPair>())
        .take(locator.pairs.get().into())
        .filter_map(|pair| RawPair::read_from_bytes(pair).ok())
        .collect();
    if pairs.len() < locator.pairs.get().into() {
        return Err(invalid(format!("{} pairs do not fit into it", locator.pairs.get())));
    }
    let value = |key: &str| -> Result<Option<String>> {
        for pair in &pairs {
            if is_text(piece(bytes, pair.key, pair.key_length)?, key) {
                return Ok(utf16(piece(bytes, pair.value, pair.value_length)?, u16::from_le_bytes));
            }
        }
        Ok(None)
    };
    let linkage = value(LINKAGE)?.ok_or_else(|| invalid(format!("there is no {LINKAGE}")))?;
    let content_id = guid::parse(&linkage).ok_or_else(|| invalid(format!("{LINKAGE} is no GUID")))?;
    let mut names = ParentNames::default();
    if let Some(path) = value(RELATIVE)? {
        names.push_relative(&path);
    }
    for key in ABSOLUTE {
        if let Some(path) = value(key)? {
            names.push_absolute(&path);
        }
    }
    Ok(Parent { content_id, names })
}

/// Whether bytes are a text in UTF-16.
fn is_text(bytes: &[u8], text: &str) -> bool {
    bytes.len() % 2 == 0
        && text.encode_utf16().eq(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])))
}

fn piece(bytes: &[u8], start: U32, length: U16) -> Result<&[u8]> {
    let start = start.get() as usize;
    start.checked_add(length.get().into()).and_then(|end| bytes.get(start..end)).ok_or_else(|| {
        invalid(format!("{} bytes at byte {start} leave the {} of the locator", length.get(), bytes.len()))
    })
}
