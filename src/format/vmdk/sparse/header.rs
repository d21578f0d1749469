//! The header of a hosted sparse extent.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::embedded::RawPlace;
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::grains::{Scheme, Shape};
use crate::format::vmdk::sparse::{SparseExtent, defragment, shrink};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// The first four bytes, "KDMV".
pub const MAGIC: [u8; 4] = *b"KDMV";

/// The first four bytes of a stream whose writing has not ended.
pub const MAGIC_UNFINISHED: [u8; 4] = *b"kdmv";

/// Bytes that a transfer in text mode would change.
pub const TEXT_PROBE: [u8; 4] = *b"\n \r\n";

/// Flag: the text probe is there.
pub const FLAG_TEXT_PROBE: u32 = 1 << 0;
/// Flag: there is a second directory with tables of its own.
pub const FLAG_REDUNDANT: u32 = 1 << 1;
/// Flag: table entry 1 means zeros.
pub const FLAG_ZERO_GRAINS: u32 = 1 << 2;
/// Flag: grains are compressed.
pub const FLAG_COMPRESSED: u32 = 1 << 16;
/// Flag: grains and tables are announced by markers.
pub const FLAG_MARKERS: u32 = 1 << 17;

/// A directory offset that says: look into the footer.
pub const DIRECTORY_AT_END: u64 = u64::MAX;

/// The compression of streams: zlib.
pub const COMPRESSION_DEFLATE: u16 = 1;

/// Largest grain in sectors that is accepted, 1 GiB; real ones are 128 sectors, some tools use 8.
const MAX_GRAIN: u64 = 1 << 21;

/// Most entries in a table that are accepted; real ones have 512.
const MAX_TABLE_ENTRIES: u32 = 1 << 14;

/// Most tables of one extent that are accepted: those of 62 TiB in the smallest grains that are in use.
pub(super) const MAX_TABLES: u64 = 1 << 25;

/// Byte of the header that is 1 while an extent is being written.
pub const UNCLEAN_OFFSET: u64 = 72;

/// The header as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawHeader {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// 1; 2 with zero grains; 3 for streams.
    pub version: U32,
    /// `FLAG_...`.
    pub flags: U32,
    /// Sectors of the extent.
    pub capacity: U64,
    /// Sectors of a grain.
    pub grain_size: U64,
    /// Sector of the embedded descriptor, 0 for none.
    pub descriptor_offset: U64,
    /// Sectors of the embedded descriptor.
    pub descriptor_size: U64,
    /// Entries of a grain table.
    pub entries_per_table: U32,
    /// Sector of the redundant directory.
    pub redundant_directory: U64,
    /// Sector of the directory.
    pub directory: U64,
    /// Sectors before the first grain.
    pub overhead: U64,
    /// 1 while the extent is being written.
    pub unclean: u8,
    /// [`TEXT_PROBE`].
    pub text_probe: [u8; 4],
    /// 0 none, 1 deflate.
    pub compression: U16,
    /// Zeros.
    pub padding: [u8; 433],
}

const _: () = assert!(std::mem::size_of::<RawHeader>() == SECTOR_SIZE as usize);
const _: () = assert!(std::mem::offset_of!(RawHeader, unclean) == UNCLEAN_OFFSET as usize);

/// A header that has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Sectors of the extent.
    pub capacity: u64,
    /// Sectors of a grain, a power of two.
    pub grain_size: u64,
    /// Entries of a table.
    pub entries_per_table: u32,
    /// Number of tables.
    pub tables: u32,
    /// Sector of the directory.
    pub directory: u64,
    /// Sector of the redundant directory, when there is one.
    pub redundant_directory: Option<u64>,
    /// Sectors before the first grain.
    pub overhead: u64,
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
            Ok((header, _)) if header.magic == MAGIC_UNFINISHED => {
                Err(invalid("it is a stream that was never finished, or is just being written"))
            }
            _ => Err(invalid("it does not start with a sparse header")),
        }
    }

    /// As [`RawHeader::parse`], also of a stream that was never finished: its descriptor says which files it has, so
    /// that it can be deleted.
    ///
    /// # Errors
    /// As for [`RawHeader::parse`].
    pub fn parse_unfinished(bytes: &[u8]) -> Result<Self> {
        match Self::read_from_prefix(bytes) {
            Ok((header, _)) if header.magic == MAGIC_UNFINISHED => Ok(header),
            _ => Self::parse(bytes),
        }
    }

    /// Reads the fields from the start of a file.
    ///
    /// # Errors
    /// As for [`RawHeader::parse`], those of storage.
    pub(super) fn read(storage: &dyn Storage) -> Result<Self> {
        let mut start = vec![0; storage.length()?.min(SECTOR_SIZE) as usize];
        storage.read_exact_at(&mut start, ByteOffset(0))?;
        Self::parse(&start)
    }

    /// Takes the place of the header `old` in a file at once: they are one sector, which is written as a whole or
    /// not at all. Durable when it returns.
    ///
    /// # Errors
    /// Those of storage; the old header is there again then, as far as it can be.
    pub(super) fn replace(&self, old: &Self, storage: &dyn Storage) -> Result<()> {
        let written = storage.write_all_at(self.as_bytes(), ByteOffset(0));
        if written.is_err() {
            let _ = storage.write_all_at(old.as_bytes(), ByteOffset(0));
        }
        written.and_then(|()| storage.sync())
    }

    /// Lets table entry 1 mean zeros. Version 2 says so; some readers refuse it, so it is not there from the start.
    pub(super) fn announce_zero_grains(&mut self) {
        self.flags = (self.flags.get() | FLAG_ZERO_GRAINS).into();
        self.version = self.version.get().max(2).into();
    }

    /// Where the embedded descriptor is, if there is one.
    pub fn descriptor_place(&self) -> Option<RawPlace> {
        let place = RawPlace { sector: self.descriptor_offset, sectors: self.descriptor_size };
        (place.sector != U64::ZERO && place.sectors != U64::ZERO).then_some(place)
    }

    /// Sectors from `sector` on before the next thing that the header places: what a descriptor there must not grow
    /// into, whatever room the header gives it.
    pub fn room_at(&self, sector: u64) -> u64 {
        let redundant = self.flags.get() & FLAG_REDUNDANT != 0;
        let redundant = redundant.then_some(self.redundant_directory.get());
        let places = [redundant, Some(self.directory.get()), Some(self.overhead.get())];
        let next = places.into_iter().flatten().filter(|place| *place > sector).min();
        next.map_or(u64::MAX, |next| next - sector)
    }

    /// Whether this is a stream (compressed grains that markers announce) or claims a part of being one.
    pub fn is_stream(&self) -> bool {
        self.flags.get() & (FLAG_COMPRESSED | FLAG_MARKERS) != 0 || self.directory.get() == DIRECTORY_AT_END
    }

    /// Checks everything that the engine relies on in a plain extent; `length` is that of the file in bytes.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`, `NotSupported` for streams.
    pub fn check(&self, length: u64) -> Result<Header> {
        self.check_features()?;
        if self.is_stream() {
            return Err(Error::new(Kind::NotSupported, "compressed grains have no place in a plain extent"));
        }
        self.check_layout(length)
    }

    /// What the version and the flags ask for must be known.
    ///
    /// # Errors
    /// `UnsupportedVersion`, `InvalidDisk` for a file that was changed on its way.
    pub fn check_features(&self) -> Result<()> {
        let flags = self.flags.get();
        if !(1..=3).contains(&self.version.get()) {
            let text = format!("sparse extent version {} is not one of 1, 2 and 3", self.version.get());
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        if flags & 0xffff_0000 & !(FLAG_COMPRESSED | FLAG_MARKERS) != 0 {
            let text =
                format!("sparse extent flags {flags:#x} have bits that change the format in an unknown way");
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        if flags & FLAG_TEXT_PROBE != 0 && self.text_probe != TEXT_PROBE {
            return Err(invalid("line ends were converted: the file went through a transfer in text mode"));
        }
        Ok(())
    }

    /// Sizes must make sense, and the directory must be in the file.
    ///
    /// # Errors
    /// `InvalidDisk`.
    pub fn check_layout(&self, length: u64) -> Result<Header> {
        let header = self.check_numbers(length)?;
        header.check_places(length)?;
        Ok(header)
    }

    /// Sizes must make sense; where the directories are is not looked at.
    ///
    /// # Errors
    /// `InvalidDisk`.
    pub fn check_numbers(&self, length: u64) -> Result<Header> {
        let (capacity, grain_size) = (self.capacity.get(), self.grain_size.get());
        let entries_per_table = self.entries_per_table.get();
        if !grain_size.is_power_of_two() || grain_size > MAX_GRAIN {
            return Err(invalid(format!(
                "a grain of {grain_size} sectors is not a power of two up to {MAX_GRAIN}"
            )));
        }
        if entries_per_table == 0 || entries_per_table > MAX_TABLE_ENTRIES {
            return Err(invalid(format!(
                "{entries_per_table} entries in a grain table are not 1 to {MAX_TABLE_ENTRIES}"
            )));
        }
        let tables = capacity.div_ceil(grain_size * u64::from(entries_per_table));
        if capacity == 0 || tables > MAX_TABLES || capacity > i64::MAX as u64 / SECTOR_SIZE {
            return Err(invalid(format!("a capacity of {capacity} sectors is not possible")));
        }
        if self.overhead.get() > length / SECTOR_SIZE {
            let text = format!(
                "{} sectors of overhead are more than the file's {length} bytes",
                self.overhead.get()
            );
            return Err(invalid(text));
        }
        let redundant = self.flags.get() & FLAG_REDUNDANT != 0 && self.redundant_directory.get() != 0;
        Ok(Header {
            capacity,
            grain_size,
            entries_per_table,
            tables: u32::try_from(tables).map_err(|_| invalid("too many grain tables"))?,
            directory: self.directory.get(),
            redundant_directory: redundant.then_some(self.redundant_directory.get()),
            overhead: self.overhead.get(),
            unclean: self.unclean != 0,
        })
    }
}

impl Scheme for Header {
    fn shape(&self) -> Shape {
        Shape {
            capacity: self.capacity,
            grain_size: self.grain_size,
            entries_per_table: self.entries_per_table,
            tables: self.tables,
            directory: self.directory,
            redundant_directory: self.redundant_directory,
            first_grain: self.overhead,
            free: self.overhead,
            most_sectors: 1 << 32,
            alignment: self.grain_size,
            lowest_entry: 1,
            unclean: self.unclean,
        }
    }

    fn begin_writing(&self, storage: &dyn Storage) -> Result<()> {
        storage.write_all_at(&[1], ByteOffset(UNCLEAN_OFFSET))
    }

    fn end_writing(&self, storage: &dyn Storage) -> Result<()> {
        storage.write_all_at(&[0], ByteOffset(UNCLEAN_OFFSET))
    }

    /// New grains always go behind the end of the file, which needs no note.
    fn note_free(&self, _storage: &dyn Storage, _sector: u64) -> Result<()> {
        Ok(())
    }

    fn shrink(extent: &SparseExtent, over_parent: bool, progress: &mut dyn FnMut(f64)) -> Result<()> {
        shrink::shrink(extent, over_parent, progress)
    }

    fn defragment(extent: &SparseExtent, progress: &mut dyn FnMut(f64)) -> Result<()> {
        defragment::defragment(extent, progress)
    }
}

impl Header {
    /// Bytes of a grain table.
    pub fn table_bytes(&self) -> usize {
        self.entries_per_table as usize * 4
    }

    /// Sectors of a grain table.
    pub fn table_sectors(&self) -> u64 {
        (self.table_bytes() as u64).div_ceil(SECTOR_SIZE)
    }

    /// Number of grains.
    pub fn grains(&self) -> u64 {
        self.capacity.div_ceil(self.grain_size)
    }

    /// Entries of a table that stand for grains; those behind them are past the end of the extent.
    pub fn entries_of(&self, table: u32) -> usize {
        let before = u64::from(table) * u64::from(self.entries_per_table);
        self.grains().saturating_sub(before).min(u64::from(self.entries_per_table)) as usize
    }

    /// Sectors of a grain that belong to the extent; the last one may reach past its end.
    pub fn sectors_of(&self, grain: u64) -> u64 {
        self.capacity.saturating_sub(grain * self.grain_size).min(self.grain_size)
    }

    /// Sectors of the directory.
    pub fn directory_sectors(&self) -> u64 {
        (u64::from(self.tables) * 4).div_ceil(SECTOR_SIZE)
    }

    /// Sectors that one table covers.
    pub fn table_coverage(&self) -> u64 {
        self.grain_size * u64::from(self.entries_per_table)
    }

    /// The directories must stand in the file, behind the header.
    fn check_places(&self, length: u64) -> Result<()> {
        for sector in [Some(self.directory), self.redundant_directory].into_iter().flatten() {
            let end = sector
                .checked_mul(SECTOR_SIZE)
                .and_then(|start| start.checked_add(u64::from(self.tables) * 4));
            if sector == 0 || end.is_none_or(|end| end > length) {
                let text = format!(
                    "the grain directory at sector {sector} does not fit into the file's {length} bytes"
                );
                return Err(invalid(text));
            }
        }
        Ok(())
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::vmdk::sparse::layout::Layout;

    fn good() -> RawHeader {
        Layout::new(262_144, 20).unwrap().header()
    }

    const LENGTH: u64 = 1 << 20;

    #[test]
    fn a_header_of_our_own_passes() {
        let bytes = good().as_bytes().to_vec();
        let header = RawHeader::parse(&bytes).unwrap();
        let checked = header.check(LENGTH).unwrap();
        assert_eq!((checked.capacity, checked.grain_size, checked.tables), (262_144, 128, 4));
        assert_eq!(header.descriptor_place(), Some(RawPlace { sector: 1.into(), sectors: 20.into() }));
        assert_eq!((header.room_at(1), header.room_at(header.overhead.get())), (20, u64::MAX));
    }

    #[test]
    fn hostile_fields_are_refused() {
        type Change = fn(&mut RawHeader);
        let cases: [(&str, Kind, Change); 17] = [
            ("version 0", Kind::UnsupportedVersion, |h| h.version = 0.into()),
            ("version 4", Kind::UnsupportedVersion, |h| h.version = 4.into()),
            ("unknown flag", Kind::UnsupportedVersion, |h| h.flags = (1 << 20 | 3).into()),
            ("text mode", Kind::InvalidDisk, |h| h.text_probe = *b"\n \n\n"),
            ("compressed", Kind::NotSupported, |h| h.flags = (FLAG_COMPRESSED | 3).into()),
            ("footer", Kind::NotSupported, |h| h.directory = DIRECTORY_AT_END.into()),
            ("no grain", Kind::InvalidDisk, |h| h.grain_size = 0.into()),
            ("odd grain", Kind::InvalidDisk, |h| h.grain_size = 100.into()),
            ("huge grain", Kind::InvalidDisk, |h| h.grain_size = (1 << 63).into()),
            ("no entries", Kind::InvalidDisk, |h| h.entries_per_table = 0.into()),
            ("many entries", Kind::InvalidDisk, |h| h.entries_per_table = u32::MAX.into()),
            ("no capacity", Kind::InvalidDisk, |h| h.capacity = 0.into()),
            ("huge capacity", Kind::InvalidDisk, |h| h.capacity = u64::MAX.into()),
            ("directory past the end", Kind::InvalidDisk, |h| h.directory = 2048.into()),
            ("directory overflows", Kind::InvalidDisk, |h| h.directory = (u64::MAX / 2).into()),
            ("redundant past the end", Kind::InvalidDisk, |h| h.redundant_directory = 2048.into()),
            ("overhead past the end", Kind::InvalidDisk, |h| h.overhead = 4096.into()),
        ];
        for (name, kind, change) in cases {
            let mut header = good();
            change(&mut header);
            assert_eq!(header.check(LENGTH).unwrap_err().kind(), kind, "{name}");
        }
    }

    #[test]
    fn a_redundant_directory_without_its_flag_is_ignored() {
        let mut header = good();
        header.flags = FLAG_TEXT_PROBE.into();
        header.redundant_directory = u64::MAX.into();
        assert_eq!(header.check(LENGTH).unwrap().redundant_directory, None);
    }
}
