//! Disks of other formats, told in the terms of VMDK: which format a file has, and a descriptor for it.
//!
//! The engine knows a link by its descriptor. One that is made up here says what the file says: chains are then
//! followed and checked, metadata and sizes are told, as for any other link. It has no place to be written to.

use std::path::Path;
use std::sync::Arc;

use super::geometry::{Adapter, Geometry};
use crate::error::Result;
use crate::format::crc32c::Crc32c;
use crate::format::foreign::{Foreign, Id};
use crate::format::vmdk::descriptor::{Descriptor, FRESH_CID, NO_CID};
use crate::format::vmdk::sparse::header::MAGIC;
use crate::format::{vhd, vhdx};
use crate::io::{ByteOffset, Storage};

/// Families of formats. A child and its parent are of the same family, whatever the parent's file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A VMDK's descriptor, or an extent that holds one.
    Vmdk,
    /// Another format.
    Foreign(Format),
}

/// Formats other than VMDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// VHD.
    Vhd,
    /// VHDX.
    Vhdx,
}

impl Family {
    /// The family of a file that the client named. A guest writes the first sectors of a fixed VHD and the last ones
    /// of a growing VMDK, so neither the start nor the end of a file can be trusted alone: where they disagree, the
    /// file's name decides.
    ///
    /// # Errors
    /// Those of storage.
    pub fn of(storage: &dyn Storage, path: &Path) -> Result<Self> {
        let named_vhd = path.extension().is_some_and(|extension| {
            ["vhd", "avhd"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        let vhd_at_end = vhd::footer::is_at_end(storage)?;
        if named_vhd && vhd_at_end {
            return Ok(Self::Foreign(Format::Vhd));
        }
        let mut start = [0; 8];
        let known = storage.length()?.min(start.len() as u64) as usize;
        storage.read_exact_at(&mut start[..known], ByteOffset(0))?;
        Ok(match start {
            vhdx::MAGIC => Self::Foreign(Format::Vhdx),
            vhd::footer::COOKIE => Self::Foreign(Format::Vhd),
            _ if start.starts_with(&MAGIC) || !vhd_at_end => Self::Vmdk,
            _ => Self::Foreign(Format::Vhd),
        })
    }
}

impl Format {
    /// Opens a file of this format.
    ///
    /// # Errors
    /// Those of the format.
    pub fn open(self, storage: Arc<dyn Storage>) -> Result<Foreign> {
        match self {
            Self::Vhd => vhd::open(storage),
            Self::Vhdx => vhdx::open(storage),
        }
    }
}

/// A descriptor that says what a disk of another format says of itself.
///
/// # Errors
/// `InvalidDisk` when it cannot be told in a descriptor.
pub fn describe(disk: &Foreign) -> Result<Descriptor> {
    let sectors = disk.extent.sectors();
    let adapter = if disk.kind.starts_with("vhdx") { Adapter::LsiLogic } else { Adapter::Ide };
    let [cylinders, heads, track] = disk.geometry.unwrap_or_else(|| {
        let geometry = Geometry::of_new_disk(adapter, sectors);
        [geometry.cylinders, geometry.heads, geometry.sectors]
    });
    let parent_cid = disk.parent.as_ref().map_or(NO_CID, |parent| content_id(&parent.content_id));
    let hint = disk.parent.as_ref().and_then(|parent| parent.names.as_slice().first());
    let hint = hint.map_or_else(Vec::new, |name| [b"parentFileNameHint=\"", &name[..], b"\"\n"].concat());
    // The extent line names no file: nobody may come to open this one as an extent of a VMDK.
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={:08x}\nparentCID={parent_cid:08x}\n\
         createType=\"{}\"\nRDONLY {sectors} ZERO\n\
         ddb.adapterType = \"{}\"\nddb.geometry.cylinders = \"{cylinders}\"\nddb.geometry.heads = \"{heads}\"\n\
         ddb.geometry.sectors = \"{track}\"\nddb.uuid = \"{}\"\nddb.logicalSectorSize = \"{}\"\n\
         ddb.physicalSectorSize = \"{}\"\n",
        content_id(&disk.content_id),
        disk.kind,
        adapter.name(),
        uuid(&disk.uuid),
        disk.logical_sector_size,
        disk.physical_sector_size,
    );
    Descriptor::parse(&[text.as_bytes(), &hint].concat())
}

/// The content id of a descriptor for a longer one.
fn content_id(id: &Id) -> u32 {
    usable(Crc32c::new().update(id).value())
}

/// Never a content id with a meaning of its own.
fn usable(hash: u32) -> u32 {
    if hash >= FRESH_CID { hash ^ 1 << 31 } else { hash }
}

/// An identity in the form of descriptors.
fn uuid(id: &Id) -> String {
    let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let (first, second) = id.split_at(id.len() / 2);
    format!("{}-{}", text(first), text(second))
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
