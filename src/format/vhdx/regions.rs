//! The list of regions: where the table of blocks and the metadata are.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::guid::{self, guid};
use super::{MIB, invalid};
use crate::error::{Error, Kind, Result};
use crate::format::crc32c;
use crate::format::foreign::Id;
use crate::io::{ByteOffset, Storage};

/// The first bytes of the list.
pub const SIGNATURE: [u8; 4] = *b"regi";

/// Bytes of the list, all of which its checksum covers.
pub const BYTES: usize = 64 << 10;

/// Bytes of the file at which the two copies stand.
pub const OFFSETS: [u64; 2] = [192 << 10, 256 << 10];

/// The region of the table of blocks.
pub const BLOCK_TABLE: Id = guid(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);

/// The region of the metadata.
pub const METADATA: Id = guid(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);

/// Most entries of the list.
const MAX_ENTRIES: u32 = 2047;

/// Longest region in bytes that is accepted; the largest disk has a table of 516 MiB.
const MAX_LENGTH: u64 = 1 << 30;

/// Bit of an entry: whoever does not know the region must not open the file.
const REQUIRED: u32 = 1;

/// What stands before the entries.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawList {
    /// [`SIGNATURE`].
    pub signature: [u8; 4],
    /// CRC-32C of [`BYTES`] bytes, in which this is 0.
    pub checksum: U32,
    /// Number of entries.
    pub entries: U32,
    /// Zeros.
    pub reserved: U32,
}

/// An entry of the list as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawEntry {
    /// What the region holds.
    pub id: Id,
    /// Byte of the file.
    pub offset: U64,
    /// Bytes.
    pub length: U32,
    /// Bit 0: `REQUIRED`.
    pub flags: U32,
}

/// A part of the file that has been checked to be in it, clear of the headers and in whole MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Region {
    /// The byte behind the last one.
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// The regions that every file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regions {
    /// Table of blocks.
    pub block_table: Region,
    /// Metadata.
    pub metadata: Region,
}

impl Regions {
    /// Reads the first copy of the list that is whole.
    ///
    /// # Errors
    /// `InvalidDisk` when none is, or when a region is missing or at an impossible place, `UnsupportedVersion` for
    /// a region that must be known and is not, those of storage.
    pub fn find(storage: &dyn Storage) -> Result<Self> {
        let mut bytes = vec![0; BYTES];
        for offset in OFFSETS {
            storage.read_exact_at(&mut bytes, ByteOffset(offset))?;
            if let Some(entries) = entries(&bytes) {
                return Self::check(&entries, storage.length()?);
            }
        }
        Err(invalid("neither of its two lists of regions is valid"))
    }

    fn check(entries: &[RawEntry], length: u64) -> Result<Self> {
        let (mut block_table, mut metadata) = (None, None);
        for entry in entries {
            let known = match entry.id {
                BLOCK_TABLE => &mut block_table,
                METADATA => &mut metadata,
                _ if entry.flags.get() & REQUIRED == 0 => continue,
                id => {
                    let text = format!("it needs the unknown region {}", guid::shown(&id));
                    return Err(Error::new(Kind::UnsupportedVersion, text));
                }
            };
            if known.replace(placed(entry, length)?).is_some() {
                return Err(invalid(format!("the region {} is there twice", guid::shown(&entry.id))));
            }
        }
        let (Some(block_table), Some(metadata)) = (block_table, metadata) else {
            return Err(invalid("the region of the table of blocks or of the metadata is missing"));
        };
        if block_table.offset < metadata.end() && metadata.offset < block_table.end() {
            return Err(invalid("the regions of the table of blocks and of the metadata overlap"));
        }
        Ok(Self { block_table, metadata })
    }
}

/// The entries of a list; `None` when it is not whole.
fn entries(bytes: &[u8]) -> Option<Vec<RawEntry>> {
    let (list, rest) = RawList::read_from_prefix(bytes).ok()?;
    let whole = list.signature == SIGNATURE && list.checksum.get() == crc32c::of_block(bytes);
    if !whole || list.entries.get() > MAX_ENTRIES {
        return None;
    }
    let entries = rest.chunks_exact(size_of::<RawEntry>()).take(list.entries.get() as usize);
    entries.map(|entry| RawEntry::read_from_bytes(entry).ok()).collect()
}

fn placed(entry: &RawEntry, file: u64) -> Result<Region> {
    let (offset, length) = (entry.offset.get(), u64::from(entry.length.get()));
    let end = offset.checked_add(length).filter(|end| *end <= file);
    let aligned =
        offset % MIB == 0 && length % MIB == 0 && offset >= MIB && (MIB..=MAX_LENGTH).contains(&length);
    if end.is_none() || !aligned {
        let text = format!(
            "the region {} of {length} bytes at byte {offset} is not in the file, or not in whole MiB",
            guid::shown(&entry.id)
        );
        return Err(invalid(text));
    }
    Ok(Region { offset, length })
}
