//! The dynamic disk header: where the table of blocks is, and who the parent is.

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::footer::{self, Footer, checksum};
use super::invalid;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::foreign::{Id, Parent, ParentNames, utf16};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// The first bytes of the header.
pub const COOKIE: [u8; 8] = *b"cxsparse";

/// Bytes of the header.
pub const BYTES: usize = 1024;

/// Largest block in bytes that is accepted; real ones have 512 KiB or 2 MiB.
const MAX_BLOCK: u32 = 256 << 20;

/// Longest name of a parent in bytes that is read; no path of Windows is longer.
const MAX_NAME: u32 = 64 << 10;

/// Code of a locator that holds a path relative to the child.
pub const RELATIVE: [u8; 4] = *b"W2ru";
/// Code of a locator that holds an absolute path.
pub const ABSOLUTE: [u8; 4] = *b"W2ku";

/// Where a name of the parent stands, as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawLocator {
    /// What the name is.
    pub code: [u8; 4],
    /// Room that is kept for it. Some writers count bytes, others sectors, so it is not used.
    pub space: U32,
    /// Bytes of the name.
    pub length: U32,
    /// Zeros.
    pub reserved: U32,
    /// Byte of the file.
    pub offset: U64,
}

/// The header as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawHeader {
    /// [`COOKIE`].
    pub cookie: [u8; 8],
    /// All ones.
    pub next: U64,
    /// Byte of the table.
    pub table: U64,
    /// Version of the header, two numbers of 16 bits.
    pub version: U32,
    /// Entries of the table.
    pub entries: U32,
    /// Bytes of a block, its bitmap not counted.
    pub block_bytes: U32,
    /// Complement of the sum of all bytes but these four.
    pub checksum: U32,
    /// Who the parent is.
    pub parent_id: Id,
    /// When the parent was changed last; not to be trusted, since file systems round it.
    pub parent_timestamp: U32,
    /// Zeros.
    pub reserved: U32,
    /// Name of the parent in UTF-16, big-endian.
    pub parent_name: [u8; 512],
    /// Further names of the parent.
    pub locators: [RawLocator; 8],
    /// Zeros.
    pub padding: [u8; 256],
}

const _: () = assert!(size_of::<RawHeader>() == BYTES);

/// A header that has been checked.
#[derive(Debug, Clone)]
pub struct Header {
    raw: RawHeader,
    /// Byte of the file at which it stands.
    pub offset: u64,
    /// Byte of the table; the entries that the disk needs are in the file.
    pub table: u64,
    /// Blocks of the disk.
    pub blocks: u64,
    /// Sectors of a block, a power of two.
    pub block_sectors: u64,
}

impl Header {
    /// Reads and checks the header that a footer names.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`, those of storage.
    pub fn read(storage: &dyn Storage, footer: &Footer) -> Result<Self> {
        let offset = footer.header_offset;
        let end = offset.checked_add(BYTES as u64).filter(|end| *end <= footer.data_end);
        if end.is_none() || offset < footer::BYTES as u64 {
            return Err(invalid(format!("byte {offset} of the file has no room for it")));
        }
        let mut raw = RawHeader::new_zeroed();
        storage.read_exact_at(raw.as_mut_bytes(), ByteOffset(offset))?;
        let header = Self::check(raw, footer)?;
        header.check_places(footer)?;
        Ok(header)
    }

    fn check(raw: RawHeader, footer: &Footer) -> Result<Self> {
        if raw.cookie != COOKIE {
            return Err(invalid(format!("byte {} does not start with its cookie", footer.header_offset)));
        }
        // A writer that does not mind the checksum of the footer does not mind this one either.
        if footer.checked && raw.checksum.get() != checksum(raw.as_bytes(), raw.checksum.as_bytes()) {
            return Err(invalid("its checksum is wrong"));
        }
        if raw.version.get() >> 16 != 1 {
            let text = format!("version {:#x} is not 1.x", raw.version.get());
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        let block_bytes = raw.block_bytes.get();
        if !block_bytes.is_power_of_two() || u64::from(block_bytes) < SECTOR_SIZE || block_bytes > MAX_BLOCK {
            let text = format!("a block of {block_bytes} bytes is not a power of two up to {MAX_BLOCK}");
            return Err(invalid(text));
        }
        let block_sectors = u64::from(block_bytes) / SECTOR_SIZE;
        let blocks = footer.sectors.div_ceil(block_sectors);
        if blocks > u64::from(raw.entries.get()) {
            let text = format!("{} entries are too few for {blocks} blocks", raw.entries.get());
            return Err(invalid(text));
        }
        Ok(Self { raw, offset: footer.header_offset, table: raw.table.get(), blocks, block_sectors })
    }

    /// The table must stand in the file, clear of the header and the copy of the footer.
    fn check_places(&self, footer: &Footer) -> Result<()> {
        let end = self.table.checked_add(self.blocks * 4).filter(|end| *end <= footer.data_end);
        let header_end = self.offset + BYTES as u64;
        match end {
            Some(end)
                if self.table >= footer::BYTES as u64 && (end <= self.offset || self.table >= header_end) =>
            {
                Ok(())
            }
            _ => Err(invalid(format!(
                "the table of {} blocks at byte {} leaves the file's data or lies over the header",
                self.blocks, self.table
            ))),
        }
    }

    /// Who the parent is and where it may be. Of the names the relative one is the best: the files of a chain are
    /// moved together.
    ///
    /// # Errors
    /// `InvalidDisk` for a name that is not in the file, those of storage.
    pub fn read_parent(&self, storage: &dyn Storage) -> Result<Parent> {
        let mut names = ParentNames::default();
        for code in [RELATIVE, ABSOLUTE] {
            for locator in self.raw.locators.iter().filter(|locator| locator.code == code) {
                let Some(path) = read_name(storage, locator).context(|| "parent locator")? else { continue };
                if code == RELATIVE { names.push_relative(&path) } else { names.push_absolute(&path) }
            }
        }
        if let Some(name) = utf16(&self.raw.parent_name, u16::from_be_bytes) {
            names.push_absolute(&name);
        }
        Ok(Parent { content_id: self.raw.parent_id, names })
    }
}

/// The path of a locator; `None` when it is no text.
fn read_name(storage: &dyn Storage, locator: &RawLocator) -> Result<Option<String>> {
    let (offset, length) = (locator.offset.get(), locator.length.get());
    let end = offset.checked_add(length.into());
    if length > MAX_NAME || end.is_none_or(|end| end > storage.length().unwrap_or(0)) {
        return Err(invalid(format!("a name of {length} bytes at byte {offset} is not in the file")));
    }
    let mut bytes = vec![0; length as usize];
    storage.read_exact_at(&mut bytes, ByteOffset(offset))?;
    Ok(utf16(&bytes, u16::from_le_bytes))
}
