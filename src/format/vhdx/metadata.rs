//! The metadata: sizes, identity and parent.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::guid::{self, guid};
use super::regions::Region;
use super::{MIB, invalid, locator};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::foreign::{Id, Parent};
use crate::io::{ByteOffset, Storage};

/// The first bytes of the table of items.
pub const SIGNATURE: [u8; 8] = *b"metadata";

/// Bytes of the table of items; the items stand behind it.
pub const TABLE_BYTES: usize = 64 << 10;

/// Most items.
const MAX_ITEMS: u16 = 2047;

/// Longest item in bytes.
const MAX_ITEM: u32 = MIB as u32;

/// Smallest and largest block in bytes.
const BLOCKS: std::ops::RangeInclusive<u64> = MIB..=256 * MIB;

/// Largest disk in bytes, 64 TiB.
const MAX_DISK: u64 = 64 << 40;

/// Item: size of a block, and what kind of disk it is.
pub const FILE_PARAMETERS: Id = guid(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b);
/// Item: bytes of the disk.
pub const DISK_SIZE: Id = guid(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8);
/// Item: bytes of a sector that the guest sees.
pub const LOGICAL_SECTOR: Id = guid(0x8141_bf1d, 0xa96f, 0x4709, 0xba47_f233_a8fa_ab5f);
/// Item: bytes of a sector of the device.
pub const PHYSICAL_SECTOR: Id = guid(0xcda3_48c7, 0x445d, 0x4471, 0x9cc9_e988_5251_c556);
/// Item: who the disk is.
pub const DISK_ID: Id = guid(0xbeca_12ab, 0xb2e6, 0x4523, 0x93ef_c309_e000_c746);
/// Item: the names of the parent.
pub const PARENT: Id = guid(0xa8d3_5f2d, 0xb30b, 0x454d, 0xabf7_d3d8_4834_ab0c);

/// Every item that is known.
const KNOWN: [Id; 6] = [FILE_PARAMETERS, DISK_SIZE, LOGICAL_SECTOR, PHYSICAL_SECTOR, DISK_ID, PARENT];

/// Bit of the file parameters: the disk is fixed.
pub const FIXED: u32 = 1;
/// Bit of the file parameters: there is a parent.
pub const HAS_PARENT: u32 = 2;

/// Bit of an item: it belongs to a user, who may have called it anything.
const OF_USER: u32 = 1;
/// Bit of an item: whoever does not know it must not open the file.
const REQUIRED: u32 = 4;

/// What stands before the items of the table.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawTable {
    /// [`SIGNATURE`].
    pub signature: [u8; 8],
    /// Zeros.
    pub reserved: U16,
    /// Number of items.
    pub items: U16,
    /// Zeros.
    pub padding: [u8; 20],
}

/// An item of the table as it stands in the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawItem {
    /// What it is.
    pub id: Id,
    /// Byte, counted from the start of the region.
    pub offset: U32,
    /// Bytes.
    pub length: U32,
    /// Bit 0: of a user; bit 1: of the disk rather than the file; bit 2: `REQUIRED`.
    pub flags: U32,
    /// Zeros.
    pub reserved: U32,
}

/// What the metadata says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Bytes of a block, a power of two.
    pub block_bytes: u64,
    /// Bytes of the disk, a multiple of the logical sector size.
    pub disk_bytes: u64,
    /// The blocks were taken when the disk was made.
    pub fixed: bool,
    /// 512 or 4096 bytes.
    pub logical_sector_size: u32,
    /// 512 or 4096 bytes.
    pub physical_sector_size: u32,
    /// Who the disk is.
    pub disk_id: Id,
    /// Who the parent is.
    pub parent: Option<Parent>,
}

impl Metadata {
    /// Reads the metadata of a region.
    ///
    /// # Errors
    /// `InvalidDisk` for missing items and impossible values, `UnsupportedVersion` for an item that must be known and
    /// is not, `NotSupported` for a parent of another kind, those of storage.
    pub fn read(storage: &dyn Storage, region: &Region) -> Result<Self> {
        let items = Items { storage, region, list: list(storage, region)? };
        let [block_bytes, flags] = items.numbers(&FILE_PARAMETERS)?;
        let mut size = [0; 8];
        items.read(&DISK_SIZE, &mut size)?;
        let [logical_sector_size] = items.numbers(&LOGICAL_SECTOR)?;
        let [physical_sector_size] = items.numbers(&PHYSICAL_SECTOR)?;
        let mut disk_id = Id::default();
        items.read(&DISK_ID, &mut disk_id)?;
        let parent = if flags & HAS_PARENT == 0 {
            None
        } else {
            Some(locator::parse(&items.whole(&PARENT)?).context(|| "parent locator")?)
        };
        let metadata = Self {
            block_bytes: block_bytes.into(),
            disk_bytes: u64::from_le_bytes(size),
            fixed: flags & FIXED != 0,
            logical_sector_size,
            physical_sector_size,
            disk_id,
            parent,
        };
        metadata.check()?;
        Ok(metadata)
    }

    fn check(&self) -> Result<()> {
        for size in [self.logical_sector_size, self.physical_sector_size] {
            if !matches!(size, 512 | 4096) {
                return Err(invalid(format!("a sector of {size} bytes is neither one of 512 nor of 4096")));
            }
        }
        if !self.block_bytes.is_power_of_two() || !BLOCKS.contains(&self.block_bytes) {
            let text = format!("a block of {} bytes is not a power of two of 1 to 256 MiB", self.block_bytes);
            return Err(invalid(text));
        }
        let whole = self.disk_bytes % u64::from(self.logical_sector_size) == 0;
        if self.disk_bytes == 0 || self.disk_bytes > MAX_DISK || !whole {
            let text =
                format!("a size of {} bytes is not one of whole sectors up to 64 TiB", self.disk_bytes);
            return Err(invalid(text));
        }
        Ok(())
    }
}

/// Reads the table of items.
fn list(storage: &dyn Storage, region: &Region) -> Result<Vec<RawItem>> {
    let mut bytes = vec![0; TABLE_BYTES];
    storage.read_exact_at(&mut bytes, ByteOffset(region.offset))?;
    let (table, rest) = match RawTable::read_from_prefix(&bytes) {
        Ok((table, rest)) if table.signature == SIGNATURE => (table, rest),
        _ => return Err(invalid("the table of items does not start as one")),
    };
    if table.items.get() > MAX_ITEMS {
        return Err(invalid(format!("{} items are more than {MAX_ITEMS}", table.items.get())));
    }
    let mut items = Vec::with_capacity(table.items.get().into());
    for bytes in rest.chunks_exact(size_of::<RawItem>()).take(table.items.get().into()) {
        let item = RawItem::read_from_bytes(bytes).map_err(|_| invalid("an item is too short"))?;
        let (flags, known) = (item.flags.get(), KNOWN.contains(&item.id));
        if flags & REQUIRED != 0 && (flags & OF_USER != 0 || !known) {
            let text = format!("it needs the unknown item {}", guid::shown(&item.id));
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        if flags & OF_USER == 0 && known {
            items.push(item);
        }
    }
    Ok(items)
}

/// The known items of a region.
struct Items<'a> {
    storage: &'a dyn Storage,
    region: &'a Region,
    list: Vec<RawItem>,
}

impl Items<'_> {
    /// Where an item is: its byte of the file and its bytes.
    fn place(&self, id: &Id) -> Result<(ByteOffset, u32)> {
        let mut found = self.list.iter().filter(|item| item.id == *id);
        let (Some(item), None) = (found.next(), found.next()) else {
            return Err(invalid(format!("the item {} is missing, or there twice", guid::shown(id))));
        };
        let (offset, length) = (u64::from(item.offset.get()), item.length.get());
        if offset < TABLE_BYTES as u64 || length > MAX_ITEM || offset + u64::from(length) > self.region.length
        {
            let text = format!("the item {} of {length} bytes leaves its region", guid::shown(id));
            return Err(invalid(text));
        }
        Ok((ByteOffset(self.region.offset + offset), length))
    }

    /// Reads an item of a known length.
    fn read(&self, id: &Id, into: &mut [u8]) -> Result<()> {
        let (offset, length) = self.place(id)?;
        if length as usize != into.len() {
            let text = format!("the item {} has {length} bytes and not {}", guid::shown(id), into.len());
            return Err(invalid(text));
        }
        self.storage.read_exact_at(into, offset)
    }

    /// Reads an item that consists of numbers of 32 bits.
    fn numbers<const N: usize>(&self, id: &Id) -> Result<[u32; N]> {
        let mut numbers = [U32::ZERO; N];
        self.read(id, numbers.as_mut_bytes())?;
        Ok(numbers.map(U32::get))
    }

    /// Reads an item as a whole.
    fn whole(&self, id: &Id) -> Result<Vec<u8>> {
        let (offset, length) = self.place(id)?;
        let mut bytes = vec![0; length as usize];
        self.storage.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}
