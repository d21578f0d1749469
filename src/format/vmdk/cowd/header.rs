//! The header of an ESX redo log.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Kind, Result};
use crate::format::vmdk::grains::{Scheme, Shape};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// The first four bytes, "COWD".
pub const MAGIC: [u8; 4] = *b"COWD";

/// Bytes of the header.
pub const HEADER_BYTES: u64 = 4 * SECTOR_SIZE;

/// Entries of a table, always.
pub const ENTRIES_PER_TABLE: u32 = 4096;

/// Largest grain in sectors, 1 MiB; the usual one is a sector.
const MAX_GRAIN: u32 = 2048;

/// The flags that files have; others would say something that is not known.
const KNOWN_FLAGS: u32 = 3;

/// Byte of the first free sector's number.
const FREE_OFFSET: u64 = 28;
/// Byte of the generation.
const GENERATION_OFFSET: u64 = 1060;
/// Byte of the generation that was last ended in order.
const SAVED_GENERATION_OFFSET: u64 = 1636;
/// Byte of the mark that is 1 while an extent is being written.
const UNCLEAN_OFFSET: u64 = 1648;

/// The header as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawHeader {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// 1.
    pub version: U32,
    /// 3.
    pub flags: U32,
    /// Sectors of the extent.
    pub capacity: U32,
    /// Sectors of a grain.
    pub grain_size: U32,
    /// Sector of the directory.
    pub directory: U32,
    /// Entries of the directory.
    pub tables: U32,
    /// The first sector that is free.
    pub free: U32,
    /// A geometry, or the name and the generation of the parent; descriptors have them today.
    pub parent: [u8; 1028],
    /// Counts writers.
    pub generation: U32,
    /// A name; not used.
    pub name: [u8; 60],
    /// A text; not used.
    pub description: [u8; 512],
    /// The generation that was last ended in order.
    pub saved_generation: U32,
    /// Zeros.
    pub reserved: [u8; 8],
    /// Not 0 while the extent is being written.
    pub unclean: U32,
    /// Zeros.
    pub padding: [u8; 396],
}

const _: () = assert!(std::mem::size_of::<RawHeader>() == HEADER_BYTES as usize);
const _: () = assert!(std::mem::offset_of!(RawHeader, free) == FREE_OFFSET as usize);
const _: () = assert!(std::mem::offset_of!(RawHeader, generation) == GENERATION_OFFSET as usize);
const _: () = assert!(std::mem::offset_of!(RawHeader, saved_generation) == SAVED_GENERATION_OFFSET as usize);
const _: () = assert!(std::mem::offset_of!(RawHeader, unclean) == UNCLEAN_OFFSET as usize);

/// A header that has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Sectors of the extent.
    pub capacity: u32,
    /// Sectors of a grain.
    pub grain_size: u32,
    /// Sector of the directory.
    pub directory: u32,
    /// Tables that the capacity takes; the directory may have more entries.
    pub tables: u32,
    /// The sector behind the directory.
    pub directory_end: u32,
    /// The first free sector, as the last writer noted it.
    pub free: u32,
    /// Counts writers.
    pub generation: u32,
    /// The last writer did not end in order.
    pub unclean: bool,
}

impl RawHeader {
    /// Reads the fields.
    ///
    /// # Errors
    /// `InvalidDisk` when the bytes are too few or do not start with the magic.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        match Self::read_from_prefix(bytes) {
            Ok((header, _)) if header.magic == MAGIC => Ok(header),
            _ => Err(invalid("it does not start with the header of an ESX redo log")),
        }
    }

    /// Checks everything that the engine relies on; `length` is that of the file in bytes.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`.
    pub fn check(&self, length: u64) -> Result<Header> {
        let (version, flags) = (self.version.get(), self.flags.get());
        if version != 1 || flags & !KNOWN_FLAGS != 0 {
            let text = format!("version {version} of an ESX redo log with flags {flags:#x} is not known");
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        let (capacity, grain_size) = (self.capacity.get(), self.grain_size.get());
        if capacity == 0 {
            return Err(invalid("a capacity of 0 sectors is not possible"));
        }
        if !(1..=MAX_GRAIN).contains(&grain_size) {
            return Err(invalid(format!("a grain of {grain_size} sectors is not one of 1 to {MAX_GRAIN}")));
        }
        // At most 2048 x 4096 sectors, so nothing overflows.
        let tables = capacity.div_ceil(grain_size * ENTRIES_PER_TABLE);
        let entries = self.tables.get();
        if entries < tables {
            let text = format!("{entries} entries in the grain directory are too few for {capacity} sectors");
            return Err(invalid(text));
        }
        Ok(Header {
            capacity,
            grain_size,
            directory: self.directory.get(),
            tables,
            directory_end: self.directory_end(length)?,
            free: self.free.get(),
            generation: self.generation.get(),
            unclean: self.unclean.get() != 0 || self.generation != self.saved_generation,
        })
    }

    /// The directory must stand in the file as a whole, behind the header.
    fn directory_end(&self, length: u64) -> Result<u32> {
        let directory = u64::from(self.directory.get());
        let bytes = u64::from(self.tables.get()) * 4;
        let inside = directory * SECTOR_SIZE >= HEADER_BYTES && directory * SECTOR_SIZE + bytes <= length;
        match u32::try_from(directory + bytes.div_ceil(SECTOR_SIZE)) {
            Ok(end) if inside => Ok(end),
            _ => Err(invalid(format!(
                "a grain directory of {bytes} bytes at sector {directory} does not fit into the file's {length} bytes"
            ))),
        }
    }
}

impl Header {
    /// Reads the header of a file, and checks it.
    ///
    /// # Errors
    /// As for [`RawHeader::parse`] and [`RawHeader::check`], those of storage.
    pub fn read(storage: &dyn Storage) -> Result<Self> {
        let length = storage.length()?;
        let mut bytes = vec![0; length.min(HEADER_BYTES) as usize];
        storage.read_exact_at(&mut bytes, ByteOffset(0))?;
        RawHeader::parse(&bytes)?.check(length)
    }

    /// The generation of whoever writes now.
    fn next_generation(&self) -> [u8; 4] {
        self.generation.wrapping_add(1).to_le_bytes()
    }
}

impl Scheme for Header {
    fn shape(&self) -> Shape {
        Shape {
            capacity: u64::from(self.capacity),
            grain_size: u64::from(self.grain_size),
            entries_per_table: ENTRIES_PER_TABLE,
            tables: self.tables,
            directory: u64::from(self.directory),
            redundant_directory: None,
            first_grain: u64::from(self.directory_end),
            free: u64::from(self.free),
            // The header has to name the first free sector.
            most_sectors: u64::from(u32::MAX),
            alignment: 1,
            lowest_entry: self.directory_end,
            unclean: self.unclean,
        }
    }

    fn begin_writing(&self, storage: &dyn Storage) -> Result<()> {
        storage.write_all_at(&1u32.to_le_bytes(), ByteOffset(UNCLEAN_OFFSET))?;
        storage.write_all_at(&self.next_generation(), ByteOffset(GENERATION_OFFSET))
    }

    fn end_writing(&self, storage: &dyn Storage) -> Result<()> {
        storage.write_all_at(&self.next_generation(), ByteOffset(SAVED_GENERATION_OFFSET))?;
        storage.write_all_at(&0u32.to_le_bytes(), ByteOffset(UNCLEAN_OFFSET))
    }

    fn note_free(&self, storage: &dyn Storage, sector: u64) -> Result<()> {
        let sector = u32::try_from(sector).unwrap_or(u32::MAX);
        storage.write_all_at(&sector.to_le_bytes(), ByteOffset(FREE_OFFSET))
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;

    /// 100 MiB in grains of a sector: 50 tables.
    fn good() -> RawHeader {
        let mut header = RawHeader::new_zeroed();
        header.magic = MAGIC;
        header.version = 1.into();
        header.flags = 3.into();
        header.capacity = 204_800.into();
        header.grain_size = 1.into();
        header.directory = 4.into();
        header.tables = 50.into();
        header.free = 5.into();
        header
    }

    const LENGTH: u64 = 5 * 512;

    #[test]
    fn a_header_as_esx_writes_it_passes() {
        let header = RawHeader::parse(good().as_bytes()).unwrap().check(LENGTH).unwrap();
        assert_eq!((header.capacity, header.tables, header.directory_end), (204_800, 50, 5));
        assert!(!header.unclean);
    }

    #[test]
    fn hostile_fields_are_refused() {
        type Change = fn(&mut RawHeader);
        let cases: [(&str, Kind, Change); 13] = [
            ("version 0", Kind::UnsupportedVersion, |h| h.version = 0.into()),
            ("version 2", Kind::UnsupportedVersion, |h| h.version = 2.into()),
            ("unknown flag", Kind::UnsupportedVersion, |h| h.flags = 7.into()),
            ("no capacity", Kind::InvalidDisk, |h| h.capacity = 0.into()),
            ("no grain", Kind::InvalidDisk, |h| h.grain_size = 0.into()),
            ("huge grain", Kind::InvalidDisk, |h| h.grain_size = 2049.into()),
            ("largest grain", Kind::InvalidDisk, |h| h.grain_size = u32::MAX.into()),
            ("few entries", Kind::InvalidDisk, |h| h.tables = 49.into()),
            ("many entries", Kind::InvalidDisk, |h| h.tables = 129.into()),
            ("most entries", Kind::InvalidDisk, |h| h.tables = u32::MAX.into()),
            ("directory in the header", Kind::InvalidDisk, |h| h.directory = 3.into()),
            ("directory past the end", Kind::InvalidDisk, |h| h.directory = 5.into()),
            ("directory far off", Kind::InvalidDisk, |h| h.directory = u32::MAX.into()),
        ];
        for (name, kind, change) in cases {
            let mut header = good();
            change(&mut header);
            assert_eq!(header.check(LENGTH).unwrap_err().kind(), kind, "{name}");
        }
    }

    #[test]
    fn the_largest_extent_and_grains_of_any_size_are_possible() {
        for (capacity, grain, tables) in
            [(u32::MAX, 1, 1 << 20), (u32::MAX, 2048, 512), (1, 1, 1), (4096 * 3 + 1, 3, 2)]
        {
            let mut header = good();
            (header.capacity, header.grain_size) = (capacity.into(), grain.into());
            header.tables = (1 << 20).into();
            assert_eq!(header.check(16 << 20).unwrap().tables, tables, "{capacity} {grain}");
        }
    }

    #[test]
    fn what_was_not_ended_in_order_is_seen_by_mark_or_generation() {
        let unclean = |change: fn(&mut RawHeader)| {
            let mut header = good();
            change(&mut header);
            header.check(LENGTH).unwrap().unclean
        };
        assert!(unclean(|header| header.unclean = 1.into()));
        assert!(unclean(|header| header.generation = 8.into()));
        assert!(!unclean(|header| (header.generation, header.saved_generation) = (8.into(), 8.into())));
    }
}
