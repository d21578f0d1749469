//! The header of a hosted sparse extent.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Kind, Result};
use crate::io::SECTOR_SIZE;

/// The first four bytes, "KDMV".
pub const MAGIC: [u8; 4] = *b"KDMV";

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

/// Largest grain in sectors that is accepted, 1 GiB; real ones are 128 sectors, some tools use 8.
const MAX_GRAIN: u64 = 1 << 21;

/// Most entries in a table that are accepted; real ones have 512.
const MAX_TABLE_ENTRIES: u32 = 1 << 14;

/// Most tables of one extent that are accepted: those of 62 TiB in grains of 8 sectors. Real ones have 2 million at
/// most; each takes memory when it is used.
const MAX_TABLES: u64 = 1 << 25;

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

/// Where the embedded descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorPlace {
    /// First sector.
    pub sector: u64,
    /// Sectors.
    pub sectors: u64,
    /// The file is a sparse extent too: its header gives it a capacity.
    pub has_grains: bool,
}

impl RawHeader {
    /// Reads the fields.
    ///
    /// # Errors
    /// `InvalidDisk` when the bytes are too few or do not start with the magic.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        match Self::read_from_prefix(bytes) {
            Ok((header, _)) if header.magic == MAGIC => Ok(header),
            _ => Err(invalid("it does not start with a sparse header")),
        }
    }

    /// Where the embedded descriptor is, if there is one.
    pub fn descriptor_place(&self) -> Option<DescriptorPlace> {
        let (sector, sectors) = (self.descriptor_offset.get(), self.descriptor_size.get());
        let has_grains = self.capacity.get() != 0;
        (sector != 0 && sectors != 0).then_some(DescriptorPlace { sector, sectors, has_grains })
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

    /// Checks everything that the engine relies on; `length` is that of the file in bytes.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`, `NotSupported` for compressed extents.
    pub fn check(&self, length: u64) -> Result<Header> {
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
        if flags & (FLAG_COMPRESSED | FLAG_MARKERS) != 0 || self.directory.get() == DIRECTORY_AT_END {
            let text = "streamOptimized (compressed) extents are not supported by this release";
            return Err(Error::new(Kind::NotSupported, text));
        }
        let header = self.check_numbers(length)?;
        header.check_places(length)?;
        Ok(header)
    }

    fn check_numbers(&self, length: u64) -> Result<Header> {
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

impl Header {
    /// Bytes of a grain table.
    pub fn table_bytes(&self) -> usize {
        self.entries_per_table as usize * 4
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
        assert_eq!(
            header.descriptor_place(),
            Some(DescriptorPlace { sector: 1, sectors: 20, has_grains: true })
        );
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
