//! The footer: the last 512 bytes of every VHD, with a copy at the start of those that grow.
//!
//! What is believed when:
//! * The footer at the end, when its checksum is right. The start of a fixed disk belongs to the guest, which may
//!   have put a footer there.
//! * Else the copy at the start, of a disk that grows: whoever appends a block overwrites the footer first, so a
//!   writer that dies leaves a file without one.
//! * Else a footer with a wrong checksum that both places have alike: damage does not strike twice in the same way,
//!   so somebody wrote it without minding the checksum. Such files exist.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::invalid;
use crate::error::{Error, Kind, Result};
use crate::format::foreign::Id;
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// The first bytes of a footer.
pub const COOKIE: [u8; 8] = *b"conectix";

/// Bytes of a footer.
pub const BYTES: usize = 512;

/// Bytes of the footers that Virtual PC wrote before 2004.
const SHORT_BYTES: usize = 511;

/// Largest disk in sectors, 2040 GiB.
const MAX_SECTORS: u64 = 2040 << 21;

/// Sectors of the largest geometry; it says nothing about a disk that has it.
const MAX_GEOMETRY: u64 = 65_535 * 16 * 255;

/// Programs whose disks have the size that their geometry says; all others go by the size in bytes.
const GEOMETRY_WRITERS: [[u8; 4]; 2] = [*b"vpc ", *b"qemu"];

/// The footer as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawFooter {
    /// [`COOKIE`].
    pub cookie: [u8; 8],
    /// Bit 1 is always set.
    pub features: U32,
    /// Version of the format, two numbers of 16 bits.
    pub version: U32,
    /// Byte of the dynamic disk header; all ones in a fixed disk.
    pub header_offset: U64,
    /// Seconds since 2000.
    pub timestamp: U32,
    /// The program that made it.
    pub creator: [u8; 4],
    /// Its version.
    pub creator_version: U32,
    /// The system that it ran on.
    pub creator_system: [u8; 4],
    /// Bytes of the disk when it was made.
    pub original_size: U64,
    /// Bytes of the disk.
    pub size: U64,
    /// Cylinders.
    pub cylinders: U16,
    /// Heads.
    pub heads: u8,
    /// Sectors of a track.
    pub track: u8,
    /// 2 fixed, 3 dynamic, 4 differencing.
    pub disk_type: U32,
    /// Complement of the sum of all bytes but these four.
    pub checksum: U32,
    /// Who the disk is.
    pub id: Id,
    /// 1 when the machine was saved.
    pub saved_state: u8,
    /// Zeros.
    pub reserved: [u8; 427],
}

const _: () = assert!(size_of::<RawFooter>() == BYTES);

/// Kinds of VHD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskType {
    /// All sectors, one after the other.
    Fixed,
    /// Blocks that are there when they were written.
    Dynamic,
    /// The same over a parent.
    Differencing,
}

impl DiskType {
    fn from_number(number: u32) -> Option<Self> {
        match number {
            2 => Some(Self::Fixed),
            3 => Some(Self::Dynamic),
            4 => Some(Self::Differencing),
            _ => None,
        }
    }

    /// The name of the kind of disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "vhd-fixed",
            Self::Dynamic => "vhd-dynamic",
            Self::Differencing => "vhd-differencing",
        }
    }
}

/// A footer that has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// Kind of disk.
    pub disk_type: DiskType,
    /// Sectors of the disk, at least 1.
    pub sectors: u64,
    /// Byte of the dynamic disk header; not checked, and without meaning in a fixed disk.
    pub header_offset: u64,
    /// Cylinders, heads and sectors of a track.
    pub geometry: [u32; 3],
    /// Who the disk is.
    pub id: Id,
    /// The writer minded the checksums.
    pub checked: bool,
    /// Byte behind the last one that can be data: that of the footer at the end, or the end of a file without one.
    pub data_end: u64,
}

impl RawFooter {
    /// Reads the fields; a short footer lacks its last byte. `None` for what is no footer.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut whole = [0; BYTES];
        whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Self::read_from_bytes(&whole).ok().filter(|footer| footer.cookie == COOKIE)
    }

    fn is_sound(&self) -> bool {
        self.checksum.get() == checksum(self.as_bytes(), self.checksum.as_bytes())
    }

    /// Whether it can be the copy of a footer: fixed disks have none.
    fn may_be_copy(&self) -> bool {
        matches!(
            DiskType::from_number(self.disk_type.get()),
            Some(DiskType::Dynamic | DiskType::Differencing)
        )
    }

    /// Checks everything that the engine relies on.
    ///
    /// # Errors
    /// `InvalidDisk`, `UnsupportedVersion`.
    pub fn check(&self, checked: bool, data_end: u64) -> Result<Footer> {
        if self.version.get() >> 16 != 1 {
            let text = format!("version {:#x} of the format is not 1.x", self.version.get());
            return Err(Error::new(Kind::UnsupportedVersion, text));
        }
        let number = self.disk_type.get();
        let disk_type = DiskType::from_number(number)
            .ok_or_else(|| invalid(format!("disk type {number} is none of 2, 3 and 4")))?;
        Ok(Footer {
            disk_type,
            sectors: self.sectors()?,
            header_offset: self.header_offset.get(),
            geometry: [self.cylinders.get().into(), self.heads.into(), self.track.into()],
            id: self.id,
            checked,
            data_end,
        })
    }

    /// Sectors of the disk. Some programs rounded the size down to whole cylinders without writing so.
    fn sectors(&self) -> Result<u64> {
        let by_geometry = u64::from(self.cylinders.get()) * u64::from(self.heads) * u64::from(self.track);
        if GEOMETRY_WRITERS.contains(&self.creator) && (1..MAX_GEOMETRY).contains(&by_geometry) {
            return Ok(by_geometry);
        }
        let bytes = self.size.get();
        let sectors = bytes / SECTOR_SIZE;
        if bytes % SECTOR_SIZE != 0 || !(1..=MAX_SECTORS).contains(&sectors) {
            let text = format!("a size of {bytes} bytes is not one of whole sectors up to 2040 GiB");
            return Err(invalid(text));
        }
        Ok(sectors)
    }
}

impl Footer {
    /// Finds the footer of a file.
    ///
    /// # Errors
    /// `InvalidDisk` when there is none that can be believed, `UnsupportedVersion`, those of storage.
    pub fn find(storage: &dyn Storage) -> Result<Self> {
        let length = storage.length()?;
        let end = at_end(storage, length)?;
        let copy = at_start(storage, length)?.filter(RawFooter::may_be_copy);
        let sound_copy = copy.filter(RawFooter::is_sound);
        let damaged = || invalid("the checksum of the footer is wrong, and there is no copy to go by");
        match (end, sound_copy) {
            (Some((end, place)), _) if end.is_sound() => end.check(true, place),
            (Some((end, place)), Some(copy)) if end.may_be_copy() => {
                log::warn!("'{}': the footer is damaged, its copy is used", storage.name());
                copy.check(true, place)
            }
            (Some((end, place)), _) if copy == Some(end) => {
                log::warn!("'{}': the checksum of the footer and of its copy is wrong", storage.name());
                end.check(false, place)
            }
            (Some(_), _) => Err(damaged()),
            (None, Some(copy)) => {
                log::warn!("'{}' does not end with a footer, its copy is used", storage.name());
                copy.check(true, length)
            }
            (None, None) if copy.is_some() => Err(damaged()),
            (None, None) => Err(invalid("it is no VHD: there is no footer")),
        }
    }
}

/// Whether a file ends with a footer, whatever else may be wrong with it.
///
/// # Errors
/// Those of storage.
pub fn is_at_end(storage: &dyn Storage) -> Result<bool> {
    Ok(at_end(storage, storage.length()?)?.is_some())
}

/// The footer at the end, and its byte.
fn at_end(storage: &dyn Storage, length: u64) -> Result<Option<(RawFooter, u64)>> {
    let mut bytes = [0; BYTES];
    let buffer = &mut bytes[BYTES - length.min(BYTES as u64) as usize..];
    storage.read_exact_at(buffer, ByteOffset(length - buffer.len() as u64))?;
    let found = [BYTES, SHORT_BYTES].into_iter().filter(|size| *size as u64 <= length).find_map(|size| {
        let footer = RawFooter::parse(&bytes[BYTES - size..])?;
        Some((footer, length - size as u64))
    });
    Ok(found)
}

fn at_start(storage: &dyn Storage, length: u64) -> Result<Option<RawFooter>> {
    let mut bytes = [0; BYTES];
    if length < BYTES as u64 {
        return Ok(None);
    }
    storage.read_exact_at(&mut bytes, ByteOffset(0))?;
    Ok(RawFooter::parse(&bytes))
}

/// The checksum of a structure that holds its own in `field`: the complement of the sum of all other bytes.
pub(super) fn checksum(bytes: &[u8], field: &[u8]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    !(sum(bytes).wrapping_sub(sum(field)))
}

#[cfg(test)]
#[path = "footer_tests.rs"]
mod tests;
