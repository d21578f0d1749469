//! The manifest of a point.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BLOCK_SECTORS;
use crate::commands::hash::hex;
use crate::disk::Disk;
use crate::failure::{Code, Failure, Result};
use crate::image::{GRAIN_SECTORS, is_zero};

/// The version of this form.
const VERSION: u32 = 1;

/// What sectors hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Holds {
    /// Something.
    Data,
    /// Zeros, where the point before had something.
    Zero,
}

/// Sectors that a point has of its own; what is in no area is as in the parent, or zeros in a full backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Area {
    /// First sector, a multiple of a grain.
    pub(crate) start: u64,
    /// Sectors; whole grains, or up to the end of the disk.
    pub(crate) sectors: u64,
    /// What they hold.
    pub(crate) kind: Holds,
}

impl Area {
    fn end(&self) -> Option<u64> {
        self.start.checked_add(self.sectors)
    }
}

/// What was backed up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Its path.
    pub(crate) source: String,
    /// Its adapter.
    pub(crate) adapter: String,
    /// Its disk database.
    pub(crate) metadata: Vec<(String, String)>,
}

impl Origin {
    /// Of a virtual disk.
    pub(crate) fn of_disk(path: &Path, disk: &Disk) -> Result<Self> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut metadata = Vec::new();
        for key in disk.metadata_keys()? {
            metadata.push((text(&key), text(&disk.metadata(&key)?)));
        }
        let adapter = disk.info()?.adapter.name().to_owned();
        Ok(Self { source: path.display().to_string(), adapter, metadata })
    }

    /// Of a file without a disk database.
    pub(crate) fn of_file(path: &Path) -> Self {
        Self { source: path.display().to_string(), adapter: "lsilogic".into(), metadata: Vec::new() }
    }
}

/// The manifest of a point.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    /// The point.
    pub(crate) number: u32,
    /// The point that this one is an increment of.
    pub(crate) parent: Option<u32>,
    /// SHA-256 of the parent's manifest, so that points of different backups do not mix.
    pub(crate) parent_manifest: Option<String>,
    /// Seconds since 1970, UTC.
    pub(crate) created: u64,
    /// Path of the disk.
    pub(crate) source: String,
    /// Its adapter.
    pub(crate) adapter: String,
    /// Its disk database.
    pub(crate) metadata: Vec<(String, String)>,
    /// What the source of changes wants to know next time.
    pub(crate) change_id: Option<String>,
    /// Its capacity.
    pub(crate) capacity_sectors: u64,
    /// Sectors of a block.
    pub(crate) block_sectors: u64,
    /// What this point has of its own, in the order of the disk.
    pub(crate) areas: Vec<Area>,
    /// SHA-256 of every block of the whole disk; none for zeros.
    pub(crate) blocks: Vec<Option<String>>,
}

impl Manifest {
    /// A manifest without areas and blocks yet.
    pub(crate) fn new(number: u32, parent: Option<u32>, capacity: u64, origin: Origin) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            version: VERSION,
            number,
            parent,
            parent_manifest: None,
            created: since.map_or(0, |since| since.as_secs()),
            source: origin.source,
            adapter: origin.adapter,
            metadata: origin.metadata,
            change_id: None,
            capacity_sectors: capacity,
            block_sectors: BLOCK_SECTORS,
            areas: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Adds sectors behind the last area, or to it.
    pub(crate) fn push(&mut self, start: u64, sectors: u64, kind: Holds) {
        match self.areas.last_mut() {
            Some(last) if last.kind == kind && last.start + last.sectors == start => last.sectors += sectors,
            _ => self.areas.push(Area { start, sectors, kind }),
        }
    }

    /// Sectors of data, or of zeros.
    pub(crate) fn sectors_of(&self, data: bool) -> u64 {
        let of_kind = |area: &&Area| (area.kind == Holds::Data) == data;
        self.areas.iter().filter(of_kind).map(|area| area.sectors).sum()
    }

    /// The manifest must make sense: nothing of it is trusted before.
    pub(crate) fn check(&self, number: u32) -> Result<()> {
        let wrong = |what: &str| {
            Err(Failure::new(Code::Damaged, format!("the manifest of point {number} is damaged: {what}")))
        };
        if self.version != VERSION {
            let text = format!("the manifest of point {number} has version {}, not {VERSION}", self.version);
            return Err(Failure::new(Code::NotSupported, text));
        }
        if self.number != number || self.parent.is_some_and(|parent| parent >= number) {
            return wrong("it is that of another point");
        }
        let capacity = self.capacity_sectors;
        if self.block_sectors != BLOCK_SECTORS || capacity.div_ceil(BLOCK_SECTORS) != self.blocks.len() as u64
        {
            return wrong("its hashes do not fit the capacity");
        }
        let mut end = 0;
        for area in &self.areas {
            let (Some(after), true) = (area.end(), area.start >= end && area.start % GRAIN_SECTORS == 0)
            else {
                return wrong("its areas are out of order");
            };
            if area.sectors == 0 || after > capacity || (after % GRAIN_SECTORS != 0 && after != capacity) {
                return wrong("an area leaves the disk");
            }
            end = after;
        }
        Ok(())
    }
}

/// The hash of a block; none for zeros.
pub(crate) fn block_hash(bytes: &[u8]) -> Option<String> {
    (!is_zero(bytes)).then(|| hex(&Sha256::digest(bytes)))
}
