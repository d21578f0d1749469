//! VHD, the disks of Virtual PC and of early Hyper-V. Numbers are big-endian.
//!
//! ```text
//!   fixed          data ................................................ footer
//!   dynamic        footer copy, header, table, { bitmap, data } ... ,    footer
//!   differencing   the same, with the parent's id and names in the header
//!
//!   sector / block ──> table entry ──> block     ffffffff: absent, else the sector of its bitmap
//! ```
//!
//! A block is a bitmap, one bit a sector, and the sectors. In a differencing disk the bitmap tells which of them are
//! here and which are the parent's. In a dynamic disk it is not looked at, as no other reader does.
//!
//! * [`footer`]: the last 512 bytes, and which of its copies to believe.
//! * [`header`]: what only growing disks have: the table's place and the parent.
//! * [`extent`]: the resolver of runs.
//!
//! Facts: the public "Virtual Hard Disk Image Format Specification", and what real files and other readers show.

pub mod extent;
pub mod footer;
pub mod header;

use std::sync::Arc;

use self::extent::BlockExtent;
use self::footer::{DiskType, Footer};
use self::header::Header;
use super::extent::Extent;
use super::foreign::Foreign;
use super::vmdk::flat::FlatExtent;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::io::{SECTOR_SIZE, Storage};

/// Opens a VHD for reading.
///
/// # Errors
/// `InvalidDisk` for what is no VHD or is damaged, `UnsupportedVersion`, those of storage.
pub fn open(storage: Arc<dyn Storage>) -> Result<Foreign> {
    let footer = Footer::find(&*storage)?;
    let mut parent = None;
    let extent: Box<dyn Extent> = match footer.disk_type {
        DiskType::Fixed => fixed(storage, &footer)?,
        DiskType::Dynamic | DiskType::Differencing => {
            let header = Header::read(&*storage, &footer).context(|| "dynamic disk header")?;
            if footer.disk_type == DiskType::Differencing {
                parent = Some(header.read_parent(&*storage)?);
            }
            Box::new(BlockExtent::new(storage, &footer, &header)?)
        }
    };
    Ok(Foreign {
        extent,
        kind: footer.disk_type.name(),
        content_id: footer.id,
        uuid: footer.id,
        parent,
        geometry: Some(footer.geometry),
        logical_sector_size: SECTOR_SIZE as u32,
        physical_sector_size: SECTOR_SIZE as u32,
    })
}

/// The data of a fixed disk, which ends where the footer begins.
fn fixed(storage: Arc<dyn Storage>, footer: &Footer) -> Result<Box<FlatExtent>> {
    if footer.sectors > footer.data_end / SECTOR_SIZE {
        let text = format!(
            "the footer tells of {} sectors, and {} bytes stand before it",
            footer.sectors, footer.data_end
        );
        return Err(invalid(text));
    }
    Ok(Box::new(FlatExtent::new(storage, 0, footer.sectors, false)?))
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}

#[cfg(test)]
pub(crate) mod testing;
