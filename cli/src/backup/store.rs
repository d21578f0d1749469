//! Storing what a disk holds now in the link of a point.

use vixDiskLib::session::Block;

use super::BLOCK_SECTORS;
use super::manifest::{Holds, Manifest, block_hash};
use crate::disk::Disk;
use crate::failure::Result;
use crate::image::{Content, GRAIN_SECTORS, SECTOR, is_zero};
use crate::progress::Progress;

/// Sectors whose allocation is asked for at a time, 1 GiB.
const WINDOW_SECTORS: u64 = 1 << 21;

/// Everything that storing blocks needs.
pub(super) struct Store<'a> {
    pub(super) content: &'a dyn Content,
    /// The manifest and the disk of the point before.
    pub(super) previous: Option<(&'a Manifest, Disk)>,
    pub(super) target: &'a Disk,
    /// The target may hold anything of an earlier attempt.
    pub(super) resumed: bool,
    /// All that has changed since the point before, if that is known: sorted and disjoint.
    pub(super) changed: Option<Vec<Block>>,
    pub(super) manifest: Manifest,
    pub(super) allocation: Allocation,
    /// Blocks that the point before has no longer as they were.
    pub(super) damaged: u64,
}

/// Buffers of a block: as it is now, as it was at the point before, as the target has it.
struct Buffers {
    now: Vec<u8>,
    before: Vec<u8>,
    held: Vec<u8>,
}

impl Store<'_> {
    /// Stores what is new in every block; the hashes go to the manifest.
    pub(super) fn all_blocks(&mut self, quiet: bool) -> Result<()> {
        let capacity = self.manifest.capacity_sectors;
        let mut progress = Progress::of_bytes("backing up", capacity.saturating_mul(SECTOR), quiet);
        let buffer = || vec![0; (BLOCK_SECTORS * SECTOR) as usize];
        let mut buffers = Buffers { now: buffer(), before: buffer(), held: buffer() };
        let mut start = 0;
        while start < capacity {
            let sectors = BLOCK_SECTORS.min(capacity - start);
            let hash = self.block(start, sectors, &mut buffers)?;
            self.manifest.blocks.push(hash);
            progress.advance(sectors * SECTOR);
            start += sectors;
        }
        Ok(())
    }

    /// Stores what is new in a block, and tells its hash.
    fn block(&mut self, start: u64, sectors: u64, buffers: &mut Buffers) -> Result<Option<String>> {
        let index = (start / BLOCK_SECTORS) as usize;
        let known = self.previous.as_ref().and_then(|(manifest, _)| manifest.blocks.get(index)).cloned();
        let areas = self.changed.as_ref().map(|changed| grains_within(changed, start, sectors));
        if let (Some(hash), Some([])) = (&known, areas.as_deref()) {
            return Ok(hash.clone());
        }
        let length = (sectors * SECTOR) as usize;
        let Buffers { now, before, held } = buffers;
        let now = now.get_mut(..length).unwrap_or_default();
        let before = before.get_mut(..length).unwrap_or_default();
        let held = held.get_mut(..length).unwrap_or_default();
        let patched = match (&known, &areas) {
            (Some(hash), Some(areas)) => self.patch(start, areas, hash, now, before)?,
            _ => false,
        };
        if !patched {
            self.read(&[Block { start, sectors }], start, now)?;
        }
        let hash = block_hash(now);
        if known.as_ref() == Some(&hash) && !self.resumed {
            return Ok(hash);
        }
        match &self.previous {
            Some(_) if patched => {}
            Some((_, disk)) => disk.read(start, before)?,
            None => before.fill(0),
        }
        if self.resumed {
            self.target.read(start, held)?;
        } else {
            held.copy_from_slice(before);
        }
        self.grains(start, now, before, held)?;
        Ok(hash)
    }

    /// Makes a block of what it was at the point before and of the areas that have changed since. False when the point
    /// before does not have it as it was: then all of it has to be read.
    fn patch(
        &mut self,
        start: u64,
        areas: &[Block],
        hash: &Option<String>,
        now: &mut [u8],
        before: &mut [u8],
    ) -> Result<bool> {
        let Some((_, disk)) = &self.previous else { return Ok(false) };
        let whole = disk.read(start, before).is_ok();
        if !whole || block_hash(before) != *hash {
            self.damaged += 1;
            return Ok(false);
        }
        now.copy_from_slice(before);
        self.read(areas, start, now)?;
        Ok(true)
    }

    /// Reads areas of the disk into the buffer of the block that begins at `start`. What is not allocated is zeros, and
    /// is not fetched.
    fn read(&mut self, areas: &[Block], start: u64, buffer: &mut [u8]) -> Result<()> {
        for area in areas {
            piece_of(buffer, start, area).fill(0);
            for allocated in self.allocation.within(self.content, area)? {
                self.content.read(allocated.start, piece_of(buffer, start, &allocated))?;
            }
        }
        Ok(())
    }

    fn grains(&mut self, start: u64, now: &[u8], before: &[u8], held: &[u8]) -> Result<()> {
        let grain = (GRAIN_SECTORS * SECTOR) as usize;
        let pieces = now.chunks(grain).zip(before.chunks(grain)).zip(held.chunks(grain));
        for (number, ((now, before), held)) in pieces.enumerate() {
            let sector = start + number as u64 * GRAIN_SECTORS;
            if now != before {
                let kind = if is_zero(now) { Holds::Zero } else { Holds::Data };
                self.manifest.push(sector, now.len() as u64 / SECTOR, kind);
            }
            if now != held {
                self.target.write(sector, now)?;
            }
        }
        Ok(())
    }
}

/// The part of the buffer of the block at `start` that is for an area within the block.
fn piece_of<'a>(buffer: &'a mut [u8], start: u64, area: &Block) -> &'a mut [u8] {
    let first = (area.start.saturating_sub(start) * SECTOR) as usize;
    buffer.get_mut(first..first + (area.sectors * SECTOR) as usize).unwrap_or_default()
}

/// What sorted blocks have within a range: those from the first one that ends behind `start` on.
fn within(blocks: &[Block], start: u64, sectors: u64) -> impl Iterator<Item = Block> + '_ {
    let end = start.saturating_add(sectors);
    let first = blocks.partition_point(|block| block.start.saturating_add(block.sectors) <= start);
    let rest = blocks.get(first..).unwrap_or_default();
    rest.iter().take_while(move |block| block.start < end).map(move |block| {
        let from = block.start.max(start);
        Block { start: from, sectors: block.start.saturating_add(block.sectors).min(end) - from }
    })
}

/// What sorted blocks have within a block of the backup, in whole grains.
fn grains_within(blocks: &[Block], start: u64, sectors: u64) -> Vec<Block> {
    let mut grains: Vec<Block> = Vec::new();
    for part in within(blocks, start, sectors) {
        let first = part.start / GRAIN_SECTORS * GRAIN_SECTORS;
        let end = (part.start + part.sectors).next_multiple_of(GRAIN_SECTORS).min(start + sectors);
        match grains.last_mut() {
            Some(last) if last.start + last.sectors >= first => last.sectors = end - last.start,
            _ => grains.push(Block { start: first, sectors: end - first }),
        }
    }
    grains
}

/// What is allocated, asked for in windows: a server takes as long for a GiB as for a block.
#[derive(Debug, Default)]
pub(super) struct Allocation {
    start: u64,
    end: u64,
    blocks: Vec<Block>,
}

impl Allocation {
    /// What is allocated of an area that lies within one block of the backup. An answer is kept until another window is
    /// asked for.
    pub(super) fn within(&mut self, content: &dyn Content, area: &Block) -> Result<Vec<Block>> {
        let end = area.start + area.sectors;
        if area.start < self.start || end > self.end {
            // Blocks divide windows.
            self.start = area.start / WINDOW_SECTORS * WINDOW_SECTORS;
            self.end = self.start.saturating_add(WINDOW_SECTORS).min(content.sectors());
            self.blocks = content.allocated(self.start, self.end - self.start, GRAIN_SECTORS)?;
        }
        Ok(within(&self.blocks, area.start, area.sectors).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn block(start: u64, sectors: u64) -> Block {
        Block { start, sectors }
    }

    #[test]
    fn changes_are_cut_into_blocks_of_whole_grains() {
        let changed = [block(0, 1), block(127, 2), block(300, 1), block(8191, 2), block(20_000, 5)];
        assert_eq!(grains_within(&changed, 0, 8192), [block(0, 384), block(8064, 128)]);
        assert_eq!(grains_within(&changed, 8192, 8192), [block(8192, 128)]);
        assert_eq!(grains_within(&changed, 16_384, 3700), [block(19_968, 116)]);
        assert!(grains_within(&changed, 40_960, 8192).is_empty());
        assert!(grains_within(&[], 0, 8192).is_empty());
    }

    /// Content of which nothing is read, and which counts the questions.
    struct Asked(AtomicU64);

    impl Content for Asked {
        fn sectors(&self) -> u64 {
            WINDOW_SECTORS * 2 + 5
        }

        fn read(&self, _start: u64, _buffer: &mut [u8]) -> Result<()> {
            Ok(())
        }

        fn allocated(&self, start: u64, sectors: u64, _chunk: u64) -> Result<Vec<Block>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let last = block(start + sectors - 1, 1);
            Ok(if sectors < 256 { vec![last] } else { vec![block(start + 128, 128), last] })
        }
    }

    #[test]
    fn allocation_is_asked_for_once_a_window() {
        let content = Asked(AtomicU64::new(0));
        let mut allocation = Allocation::default();
        let mut found = Vec::new();
        let mut start = 0;
        while start < content.sectors() {
            let sectors = BLOCK_SECTORS.min(content.sectors() - start);
            found.extend(allocation.within(&content, &block(start, sectors)).unwrap());
            start += sectors;
        }
        assert_eq!(content.0.load(Ordering::Relaxed), 3);
        let last = WINDOW_SECTORS - 1;
        let wanted = [
            block(128, 128),
            block(last, 1),
            block(WINDOW_SECTORS + 128, 128),
            block(WINDOW_SECTORS + last, 1),
            block(2 * WINDOW_SECTORS + 4, 1),
        ];
        assert_eq!(found, wanted);
    }
}
