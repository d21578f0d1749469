//! Which parts of a disk are allocated.

use super::chain::{Disk, Look};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::Source;

/// Neighbouring sectors that are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// First sector.
    pub start: u64,
    /// Sectors.
    pub sectors: u64,
}

impl Disk {
    /// Lists what is allocated in `sectors` sectors from `start` on, rounded out to chunks of `chunk` sectors that
    /// are counted from `start` and clipped at the end of the range: sorted, disjoint and not touching.
    ///
    /// A whole chain: what is not listed reads as zeros. A single link that has a parent: what is not listed is left
    /// to the parent, so its zeros count as allocated.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty range, one that leaves the disk, or no chunk; those of storage.
    pub fn allocated_blocks(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Block>> {
        let end = start.checked_add(sectors).filter(|end| *end <= self.sectors());
        let (Some(end), 1.., 1..) = (end, sectors, chunk) else {
            let text = format!(
                "{sectors} sectors from sector {start} on in chunks of {chunk} are no part of a disk of {}",
                self.sectors()
            );
            return Err(Error::new(Kind::InvalidArgument, text));
        };
        let zeros_count = self.is_single_link() && self.leaf().has_parent();
        let mut blocks: Vec<Block> = Vec::new();
        let mut sector = start;
        while sector < end {
            let run = self
                .resolve(0, sector, end - sector, Look::Holes)
                .context(|| format!("looking for what is allocated at sector {sector}"))?;
            let counts = match run.source {
                Source::Data { .. } | Source::Compressed { .. } => true,
                Source::Zero => zeros_count,
                Source::Unallocated => false,
            };
            if !counts {
                sector += run.sectors;
                continue;
            }
            let first = start + (sector - start) / chunk * chunk;
            let last = (start + (sector + run.sectors - start).div_ceil(chunk) * chunk).min(end);
            match blocks.last_mut() {
                Some(block) if block.start + block.sectors >= first => block.sectors = last - block.start,
                _ => blocks.push(Block { start: first, sectors: last - first }),
            }
            // The rest of the last chunk is listed already.
            sector = last;
        }
        Ok(blocks)
    }
}
