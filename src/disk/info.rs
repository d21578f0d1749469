//! What a disk tells of itself.

use std::path::PathBuf;

use super::chain::Disk;
use super::geometry::{Adapter, Geometry};
use super::link::PARENT_HINT;
use crate::error::Result;

/// What a disk tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Capacity in sectors of 512 bytes.
    pub capacity: u64,
    /// Physical geometry; zeros when the disk does not name one.
    pub geometry: Geometry,
    /// Geometry of the BIOS; zeros when the disk does not name one.
    pub bios_geometry: Geometry,
    /// Adapter.
    pub adapter: Adapter,
    /// Links that are open.
    pub links: usize,
    /// Name of the parent as the leaf has it.
    pub parent_hint: Option<Vec<u8>>,
    /// Identity.
    pub uuid: Option<String>,
    /// Logical sector size in bytes.
    pub logical_sector_size: u32,
    /// Physical sector size in bytes.
    pub physical_sector_size: u32,
}

/// What one link of a chain tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// The path that it was opened by.
    pub path: PathBuf,
    /// The kind that it says to be of, such as `monolithicSparse`.
    pub create_type: String,
    /// Content id.
    pub cid: u32,
    /// Content id that its parent must have; `None` for a link without one.
    pub parent_cid: Option<u32>,
    /// Capacity in sectors of 512 bytes.
    pub sectors: u64,
    /// Number of extents.
    pub extents: usize,
}

impl Disk {
    /// What the links tell of themselves, leaf first.
    ///
    /// # Errors
    /// `InvalidDisk` for a descriptor without a content id.
    pub fn link_infos(&self) -> Result<Vec<LinkInfo>> {
        let info = |link: &std::sync::Arc<super::link::Link>| {
            let descriptor = link.descriptor();
            Ok(LinkInfo {
                path: link.path.clone(),
                create_type: descriptor.create_type(),
                cid: descriptor.cid()?,
                parent_cid: descriptor.has_parent().then(|| descriptor.parent_cid()).transpose()?,
                sectors: link.sectors(),
                extents: link.extents().len(),
            })
        };
        self.links().iter().map(info).collect()
    }

    /// What the disk tells of itself; keys that a link does not have come from its parents.
    pub fn info(&self) -> Info {
        let text = |key: &str| self.find_metadata(key.as_bytes());
        let number = |key: &str| {
            let value = text(key)?;
            std::str::from_utf8(&value).ok()?.trim().parse().ok()
        };
        let geometry = |cylinders, heads, sectors| Geometry {
            cylinders: number(cylinders).unwrap_or(0),
            heads: number(heads).unwrap_or(0),
            sectors: number(sectors).unwrap_or(0),
        };
        // What the guest sees; this interface counts in 512 bytes whatever it says.
        let sector_size = |key| if number(key) == Some(4096) { 4096 } else { 512 };
        Info {
            capacity: self.sectors(),
            geometry: geometry("geometry.cylinders", "geometry.heads", "geometry.sectors"),
            bios_geometry: geometry("geometry.biosCylinders", "geometry.biosHeads", "geometry.biosSectors"),
            adapter: text("adapterType").map_or(Adapter::Unknown, |name| Adapter::from_name(&name)),
            links: self.links().len(),
            parent_hint: self.leaf().descriptor().header(PARENT_HINT).map(<[u8]>::to_owned),
            uuid: text("uuid").map(|uuid| String::from_utf8_lossy(&uuid).into_owned()),
            logical_sector_size: sector_size("logicalSectorSize"),
            physical_sector_size: sector_size("physicalSectorSize"),
        }
    }

    /// The kind of the leaf, for messages.
    pub fn create_type(&self) -> String {
        self.leaf().descriptor().create_type()
    }
}
