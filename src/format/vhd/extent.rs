//! The resolver of a VHD that grows.

use std::ops::Range;
use std::sync::Arc;

use zerocopy::IntoBytes;
use zerocopy::big_endian::U32;

use super::footer::{self, DiskType, Footer};
use super::header::{self, Header};
use super::invalid;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Below, Extent, Run, Source};
use crate::format::pages::{BitOrder, Pages};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Table entry of a block that is not there.
const ABSENT: u32 = u32::MAX;

/// The blocks of a dynamic or differencing disk.
#[derive(Debug)]
pub struct BlockExtent {
    pages: Pages,
    /// Sectors of the disk.
    sectors: u64,
    /// Sectors of a block.
    block_sectors: u64,
    /// Sectors of the bitmap before a block.
    bitmap_sectors: u64,
    /// Byte of the table.
    table: u64,
    /// Byte behind the last one that can be data.
    data_end: u64,
    /// Where no block can be: header, table and the copy of the footer, in bytes.
    structures: [Range<u64>; 3],
    /// Bitmaps count: they tell what is the parent's.
    differencing: bool,
}

impl BlockExtent {
    /// The blocks behind a checked header.
    ///
    /// # Errors
    /// Those of storage.
    pub fn new(storage: Arc<dyn Storage>, footer: &Footer, header: &Header) -> Result<Self> {
        Ok(Self {
            pages: Pages::new(storage)?,
            sectors: footer.sectors,
            block_sectors: header.block_sectors,
            bitmap_sectors: header.block_sectors.div_ceil(8 * SECTOR_SIZE),
            table: header.table,
            data_end: footer.data_end,
            structures: [
                0..footer::BYTES as u64,
                header.offset..header.offset + header::BYTES as u64,
                header.table..header.table + header.blocks * 4,
            ],
            differencing: footer.disk_type == DiskType::Differencing,
        })
    }

    /// Byte of the bitmap of a block; `None` when the block is not there. As much of the block as the disk has is in
    /// the file.
    fn place(&self, block: u64) -> Result<Option<ByteOffset>> {
        let mut entry = U32::ZERO;
        self.pages.read(ByteOffset(self.table + block * 4), entry.as_mut_bytes())?;
        if entry.get() == ABSENT {
            return Ok(None);
        }
        let start = u64::from(entry.get()) * SECTOR_SIZE;
        let used = self.block_sectors.min(self.sectors - block * self.block_sectors);
        let end = start + (self.bitmap_sectors + used) * SECTOR_SIZE;
        let hits = |structure: &Range<u64>| start < structure.end && structure.start < end;
        if end > self.data_end || self.structures.iter().any(hits) {
            let text = format!(
                "block {block} at sector {} leaves the data of '{}' or lies over its tables",
                entry.get(),
                self.pages.storage().name()
            );
            return Err(invalid(text));
        }
        Ok(Some(ByteOffset(start)))
    }

    /// Sectors from `within` of an absent block on, over the absent ones behind it. What is wrong with a block shows
    /// when that one is wanted.
    fn absent(&self, block: u64, within: u64, limit: u64) -> u64 {
        let mut sectors = self.block_sectors - within;
        let mut next = block + 1;
        while sectors < limit && matches!(self.place(next), Ok(None)) {
            sectors += self.block_sectors;
            next += 1;
        }
        sectors.min(limit)
    }
}

impl Extent for BlockExtent {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let (block, within) = (sector / self.block_sectors, sector % self.block_sectors);
        let Some(place) = self.place(block)? else {
            let sectors = self.absent(block, within, limit);
            return Ok(Run { sectors, source: Source::Unallocated });
        };
        let mut sectors = limit.min(self.block_sectors - within);
        if self.differencing {
            let run = self
                .pages
                .bit_run(place, within, sectors, BitOrder::HighFirst)
                .context(|| format!("bitmap of block {block}"))?;
            sectors = run.bits;
            if !run.set {
                return Ok(Run { sectors, source: Source::Unallocated });
            }
        }
        let offset = ByteOffset(place.0 + (self.bitmap_sectors + within) * SECTOR_SIZE);
        Ok(Run { sectors, source: Source::Data { storage: self.pages.storage(), offset } })
    }

    fn write(&self, sector: u64, _data: &[u8], _below: Option<&Below<'_>>) -> Result<()> {
        let text = format!("sector {sector} of a VHD, which is only read");
        Err(Error::new(Kind::ReadOnly, text))
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "extent_tests.rs"]
mod tests;
