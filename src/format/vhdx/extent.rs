//! The resolver of a VHDX.

use std::ops::Range;
use std::sync::Arc;

use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;

use super::header::Header;
use super::metadata::Metadata;
use super::regions::{Region, Regions};
use super::{MIB, invalid};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Below, Extent, Run, Source};
use crate::format::pages::{BitOrder, Pages};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Logical sectors that a sector bitmap covers: one a bit, in 1 MiB.
const SECTORS_IN_CHUNK: u64 = 1 << 23;

/// Bits of a table entry that are the state; those from [`MIB`] on are the place.
const STATE: u64 = 7;

/// State of a block that is not there: it is the parent's.
pub const ABSENT: u64 = 0;
/// State of a block that holds anything, which is read as zeros.
pub const UNDEFINED: u64 = 1;
/// State of a block of zeros.
pub const ZERO: u64 = 2;
/// State of a block that was given back; it hides the parent and is read as zeros.
pub const UNMAPPED: u64 = 3;
/// The same in the files of a preview.
pub const UNMAPPED_OLD: u64 = 5;
/// State of a block, or of a sector bitmap, that is there.
pub const PRESENT: u64 = 6;
/// State of a block of which the sector bitmap tells what is there.
pub const PARTIAL: u64 = 7;

/// Sizes and places, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Sectors of 512 bytes of the disk.
    sectors: u64,
    /// Sectors of 512 bytes of a block, a power of two.
    block_sectors: u64,
    /// Sectors of 512 bytes of a logical sector, 1 or 8.
    logical_sectors: u64,
    /// Blocks of a chunk, whose sectors share a bitmap.
    chunk_blocks: u64,
    /// Byte of the table of blocks.
    table: u64,
    has_parent: bool,
    /// Where no block can be: headers, log, table and metadata, in bytes.
    structures: [Range<u64>; 4],
}

impl Layout {
    /// The layout of a file.
    ///
    /// # Errors
    /// `InvalidDisk` when the table has too few entries for the disk.
    pub fn new(metadata: &Metadata, regions: &Regions, header: &Header) -> Result<Self> {
        let chunk_bytes = SECTORS_IN_CHUNK * u64::from(metadata.logical_sector_size);
        let layout = Self {
            sectors: metadata.disk_bytes / SECTOR_SIZE,
            block_sectors: metadata.block_bytes / SECTOR_SIZE,
            logical_sectors: u64::from(metadata.logical_sector_size) / SECTOR_SIZE,
            chunk_blocks: chunk_bytes / metadata.block_bytes,
            table: regions.block_table.offset,
            has_parent: metadata.parent.is_some(),
            structures: [
                0..MIB,
                header.log_range.0..header.log_range.1,
                range(&regions.block_table),
                range(&regions.metadata),
            ],
        };
        let entries = layout.entries();
        if entries > regions.block_table.length / size_of::<U64>() as u64 {
            let text =
                format!("a table of {} bytes is too short for {entries} entries", regions.block_table.length);
            return Err(invalid(text));
        }
        Ok(layout)
    }

    /// Entries of the table that the disk needs.
    fn entries(&self) -> u64 {
        let last = (self.sectors - 1) / self.block_sectors;
        match self.has_parent {
            true => self.bitmap_entry(last) + 1,
            false => self.block_entry(last) + 1,
        }
    }

    /// The entry of a block: behind every chunk stands the entry of its bitmap.
    fn block_entry(&self, block: u64) -> u64 {
        block + block / self.chunk_blocks
    }

    /// The entry of the bitmap of a block's chunk.
    fn bitmap_entry(&self, block: u64) -> u64 {
        (block / self.chunk_blocks + 1) * (self.chunk_blocks + 1) - 1
    }
}

fn range(region: &Region) -> Range<u64> {
    region.offset..region.end()
}

/// What a table entry says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Absent,
    Zero,
    /// All of it stands at this byte.
    Present(u64),
    /// A part of it does.
    Partial(u64),
}

/// The blocks of a VHDX.
#[derive(Debug)]
pub struct BlockExtent {
    pages: Pages,
    layout: Layout,
}

impl BlockExtent {
    /// The blocks of a file.
    ///
    /// # Errors
    /// Those of storage.
    pub fn new(storage: Arc<dyn Storage>, layout: Layout) -> Result<Self> {
        Ok(Self { pages: Pages::new(storage)?, layout })
    }

    /// The state and the byte of a table entry.
    fn entry(&self, index: u64) -> Result<(u64, u64)> {
        let mut entry = U64::ZERO;
        let place = self.layout.table + index * size_of::<U64>() as u64;
        self.pages.read(ByteOffset(place), entry.as_mut_bytes())?;
        Ok((entry.get() & STATE, entry.get() & !(MIB - 1)))
    }

    /// What is known of a block. As much of it as the disk has is in the file.
    fn block(&self, block: u64) -> Result<Block> {
        let (state, start) = self.entry(self.layout.block_entry(block))?;
        let found = match state {
            ABSENT => return Ok(Block::Absent),
            UNDEFINED | ZERO | UNMAPPED | UNMAPPED_OLD => return Ok(Block::Zero),
            PRESENT => Block::Present(start),
            PARTIAL if self.layout.has_parent => Block::Partial(start),
            _ => return Err(invalid(format!("block {block} has state {state}, which it cannot have"))),
        };
        let first = block * self.layout.block_sectors;
        let used = self.layout.block_sectors.min(self.layout.sectors - first);
        self.check_place(start, used * SECTOR_SIZE).context(|| format!("block {block}"))?;
        Ok(found)
    }

    /// Byte of the bitmap of the chunk that a block is in.
    fn bitmap(&self, block: u64) -> Result<ByteOffset> {
        let (state, start) = self.entry(self.layout.bitmap_entry(block))?;
        if state != PRESENT {
            return Err(invalid(format!("block {block} is there in part, but its sector bitmap is not")));
        }
        self.check_place(start, MIB).context(|| format!("sector bitmap of block {block}"))?;
        Ok(ByteOffset(start))
    }

    fn check_place(&self, start: u64, bytes: u64) -> Result<()> {
        let end = start.saturating_add(bytes);
        let hits = |structure: &Range<u64>| start < structure.end && structure.start < end;
        if end > self.pages.length() || self.layout.structures.iter().any(hits) {
            let name = self.pages.storage().name();
            return Err(invalid(format!(
                "{bytes} bytes at byte {start} leave '{name}' or lie over its tables"
            )));
        }
        Ok(())
    }

    /// Sectors from `within` of a block on, over the blocks behind it that go on as it does. What is wrong with a
    /// block shows when that one is wanted.
    fn whole(&self, block: u64, found: Block, within: u64, limit: u64) -> u64 {
        let mut expected = found;
        let mut sectors = self.layout.block_sectors - within;
        let mut next = block + 1;
        while sectors < limit {
            if let Block::Present(start) = &mut expected {
                *start += self.layout.block_sectors * SECTOR_SIZE;
            }
            if self.block(next).ok() != Some(expected) {
                break;
            }
            sectors += self.layout.block_sectors;
            next += 1;
        }
        sectors.min(limit)
    }

    /// The run at `within` of a block of which a part is there.
    fn partial(&self, block: u64, start: u64, within: u64, limit: u64) -> Result<Run<'_>> {
        let Layout { block_sectors, logical_sectors, chunk_blocks, .. } = self.layout;
        let limit = limit.min(block_sectors - within);
        // In sectors from the start of the chunk, of 512 bytes; a logical sector may have eight of them.
        let sector = block % chunk_blocks * block_sectors + within;
        let first = sector / logical_sectors;
        let bits = (sector + limit).div_ceil(logical_sectors) - first;
        let bitmap = self.bitmap(block)?;
        let run = self.pages.bit_run(bitmap, first, bits, BitOrder::LowFirst)?;
        let sectors = limit.min((first + run.bits) * logical_sectors - sector);
        let source = if run.set { self.data(start, within) } else { Source::Unallocated };
        Ok(Run { sectors, source })
    }

    fn data(&self, start: u64, within: u64) -> Source<'_> {
        let offset = ByteOffset(start + within * SECTOR_SIZE);
        Source::Data { storage: self.pages.storage(), offset }
    }
}

impl Extent for BlockExtent {
    fn sectors(&self) -> u64 {
        self.layout.sectors
    }

    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let (block, within) = (sector / self.layout.block_sectors, sector % self.layout.block_sectors);
        let found = self.block(block)?;
        let source = match found {
            Block::Partial(start) => return self.partial(block, start, within, limit),
            Block::Present(start) => self.data(start, within),
            Block::Zero => Source::Zero,
            Block::Absent => Source::Unallocated,
        };
        Ok(Run { sectors: self.whole(block, found, within, limit), source })
    }

    fn write(&self, sector: u64, _data: &[u8], _below: Option<&Below<'_>>) -> Result<()> {
        let text = format!("sector {sector} of a VHDX, which is only read");
        Err(Error::new(Kind::ReadOnly, text))
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "extent_tests.rs"]
mod tests;
