//! The headers of a space-efficient redo log.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Kind, Result};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// The first eight bytes of the file.
pub const MAGIC: u64 = 0xcafe_babe;

/// The first eight bytes of the volatile header.
pub const VOLATILE_MAGIC: u64 = 0xcafe_cafe;

/// Version 2.1, the only one that is known.
pub const VERSION: u64 = 0x0000_0002_0000_0001;

/// Sectors of a grain.
pub const GRAIN_SIZE: u64 = 8;

/// Sectors of a table.
pub const TABLE_SECTORS: u64 = 64;

/// Entries of a table.
pub const ENTRIES_PER_TABLE: u64 = TABLE_SECTORS * SECTOR_SIZE / 8;

/// Sectors that one table covers.
pub const TABLE_COVERAGE: u64 = ENTRIES_PER_TABLE * GRAIN_SIZE;

/// Most sectors of an extent, 64 TiB.
const MAX_CAPACITY: u64 = 64 << 31;

/// An area of the file, in sectors.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawArea {
    /// First sector.
    pub start: U64,
    /// Sectors.
    pub sectors: U64,
}

/// The header at the start of the file, which never changes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawHeader {
    /// [`MAGIC`].
    pub magic: U64,
    /// [`VERSION`].
    pub version: U64,
    /// Sectors of the extent.
    pub capacity: U64,
    /// [`GRAIN_SIZE`].
    pub grain_size: U64,
    /// [`TABLE_SECTORS`].
    pub table_sectors: U64,
    /// 0.
    pub flags: U64,
    /// Zeros.
    pub reserved: [U64; 4],
    /// The volatile header.
    pub volatile: RawArea,
    /// The header of the journal.
    pub journal_header: RawArea,
    /// The journal.
    pub journal: RawArea,
    /// The grain directory.
    pub directory: RawArea,
    /// The grain tables.
    pub tables: RawArea,
    /// Bits that tell free grains; not needed to read.
    pub free_bitmap: RawArea,
    /// The way back from grains to tables; not needed to read.
    pub back_map: RawArea,
    /// The grains.
    pub grains: RawArea,
    /// Zeros.
    pub padding: [u8; 304],
}

/// The header that changes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawVolatile {
    /// [`VOLATILE_MAGIC`].
    pub magic: U64,
    /// The next table that is free.
    pub free_table: U64,
    /// Counts transactions.
    pub next_transaction: U64,
    /// Not 0 when the journal has to be replayed.
    pub replay_journal: U64,
    /// Zeros.
    pub padding: [u8; 480],
}

const _: () = assert!(std::mem::size_of::<RawHeader>() == SECTOR_SIZE as usize);
const _: () = assert!(std::mem::offset_of!(RawHeader, volatile) == 80);
const _: () = assert!(std::mem::offset_of!(RawHeader, grains) == 192);
const _: () = assert!(std::mem::size_of::<RawVolatile>() == SECTOR_SIZE as usize);

/// The headers, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Sectors of the extent.
    pub capacity: u64,
    /// Tables that the capacity takes.
    pub tables: u32,
    /// Sector of the directory.
    pub directory: u64,
    /// Sector of table 0.
    pub first_table: u64,
    /// Tables that the file has room for.
    pub table_room: u64,
    /// Sector of grain 0.
    pub first_grain: u64,
}

impl Header {
    /// Reads the headers of a file, and checks them.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`, `NotSupported` for a journal that has to be replayed, those of storage.
    pub fn read(storage: &dyn Storage) -> Result<Self> {
        let length = storage.length()?;
        let raw: RawHeader = sector_at(storage, 0, length).map_err(|_| no_header())?;
        let header = raw.check(length)?;
        raw.read_volatile(storage, length)?.check()?;
        Ok(header)
    }
}

impl RawHeader {
    /// Checks everything that the engine relies on; `length` is that of the file in bytes.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`.
    pub fn check(&self, length: u64) -> Result<Header> {
        if self.magic.get() != MAGIC {
            return Err(no_header());
        }
        self.check_version()?;
        let capacity = self.capacity.get();
        if capacity == 0 || capacity > MAX_CAPACITY {
            return Err(invalid(format!("a capacity of {capacity} sectors is not possible")));
        }
        let tables = capacity.div_ceil(TABLE_COVERAGE);
        let bytes = tables * 8;
        let directory = &self.directory;
        if bytes > directory.sectors.get().saturating_mul(SECTOR_SIZE) {
            let text = format!(
                "the grain directory has {} sectors, too few for {capacity} sectors",
                directory.sectors.get()
            );
            return Err(invalid(text));
        }
        let end = ByteOffset::of_sector(directory.start.get()).and_then(|start| start.0.checked_add(bytes));
        if directory.start.get() == 0 || end.is_none_or(|end| end > length) {
            let text = format!(
                "the grain directory at sector {} does not fit into the file's {length} bytes",
                directory.start.get()
            );
            return Err(invalid(text));
        }
        for (what, area) in [("tables", &self.tables), ("grains", &self.grains)] {
            if area.start.get() == 0 || ByteOffset::of_sector(area.start.get()).is_none() {
                return Err(invalid(format!("grain {what} at sector {} are not possible", area.start.get())));
            }
        }
        Ok(Header {
            capacity,
            tables: u32::try_from(tables).map_err(|_| invalid("too many grain tables"))?,
            directory: directory.start.get(),
            first_table: self.tables.start.get(),
            table_room: self.tables.sectors.get() / TABLE_SECTORS,
            first_grain: self.grains.start.get(),
        })
    }

    /// What is not as in every known file changes the format in an unknown way.
    fn check_version(&self) -> Result<()> {
        let known = [
            ("version", self.version.get(), VERSION),
            ("grain size", self.grain_size.get(), GRAIN_SIZE),
            ("table size", self.table_sectors.get(), TABLE_SECTORS),
            ("flags", self.flags.get(), 0),
            ("size of the volatile header", self.volatile.sectors.get(), 1),
        ];
        if let Some((what, found, wanted)) = known.into_iter().find(|(_, found, wanted)| found != wanted) {
            let text =
                format!("an seSparse extent whose {what} is {found:#x}, not {wanted:#x}, is not known");
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        if self.reserved.iter().any(|value| *value != U64::ZERO) {
            let text = "reserved fields of the seSparse header are in use, for something that is not known";
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        Ok(())
    }

    fn read_volatile(&self, storage: &dyn Storage, length: u64) -> Result<RawVolatile> {
        let sector = self.volatile.start.get();
        if sector == 0 {
            return Err(invalid("the volatile header is said to be at sector 0, where the other one is"));
        }
        sector_at(storage, sector, length)
    }
}

impl RawVolatile {
    /// Checks that the tables are whole.
    ///
    /// # Errors
    /// `InvalidDisk`, `NotSupported` for a journal that has to be replayed.
    pub fn check(&self) -> Result<()> {
        if self.magic.get() != VOLATILE_MAGIC {
            return Err(invalid("its volatile header is damaged"));
        }
        if self.replay_journal.get() != 0 {
            let text = "it was not closed in order, and its journal has to be replayed, which only ESXi can do: \
                        open the disk there once";
            return Err(Error::new(Kind::NotSupported, text));
        }
        Ok(())
    }
}

/// A structure of one sector.
fn sector_at<T: FromBytes>(storage: &dyn Storage, sector: u64, length: u64) -> Result<T> {
    let outside = || invalid(format!("its header at sector {sector} lies past the end of the file"));
    let offset = ByteOffset::of_sector(sector).ok_or_else(outside)?;
    if offset.0.checked_add(SECTOR_SIZE).is_none_or(|end| end > length) {
        return Err(outside());
    }
    let mut bytes = [0; SECTOR_SIZE as usize];
    storage.read_exact_at(&mut bytes, offset)?;
    T::read_from_bytes(&bytes).map_err(|_| outside())
}

fn no_header() -> Error {
    invalid("it does not start with the header of an seSparse extent")
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}
