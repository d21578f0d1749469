//! Defragmenting: grains into the order of the disk, in place.
//!
//! The grains, in order, get the slots of the file that metadata leaves, in order. A batch of them at a time:
//!
//! ```text
//!   | 3 | 1 | 4 | 2 | 5 |            the first two slots are to hold 1 and 2
//!   | . | . | 4 | 2 | 5 | 3 | 1 |    whoever has them goes to the last free place or behind the end; commit
//!   | 1 | 2 | 4 | . | 5 | 3 | . |    then they get them; commit
//! ```
//!
//! So every grain is copied at most once out of the way for each batch that needs its place, and once to where it
//! belongs; free places are used from the end on, where their turn comes last. What lies behind the end at last is
//! cut off.

use std::collections::HashSet;

use super::SparseExtent;
use super::relocate::MAX_EDITED_TABLES;
use super::relocate::{BATCH_BYTES, Slots, metadata_slots};
use crate::error::Result;
use crate::format::vmdk::grains::extent::Writer;
use crate::format::vmdk::grains::space::SpaceMap;
use crate::format::vmdk::grains::tables::ZERO_GRAIN;
use crate::io::SECTOR_SIZE;

/// Slots whose grains are known at a time, 32 MiB: 128 GiB of the usual grains.
const KNOWN_SLOTS: u64 = 2 << 20;

/// No grain.
const NOBODY: u64 = u64::MAX;

/// Defragments an extent, see [`Extent::defragment`](crate::format::extent::Extent::defragment).
pub(super) fn defragment(extent: &SparseExtent, progress: &mut dyn FnMut(f64)) -> Result<()> {
    let mut writer = extent.writer();
    let summary = extent.begin_moving(&mut writer)?;
    progress(0.0);
    if let Some(first) = summary.first_grain {
        let slots = Slots::around(first, extent.scheme().grain_size);
        let length = writer.length;
        let mut sorter = Sorter::new(extent, &mut writer, slots)?;
        if let Some(end) = sorter.planned_end(summary.grains, length)? {
            sorter.sort(summary.grains, progress)?;
            extent.cut(&mut writer, end.min(length))?;
        }
    }
    progress(1.0);
    Ok(())
}

/// A grain and the slot that it is to have.
#[derive(Debug, Clone, Copy)]
struct Move {
    grain: u64,
    slot: u64,
}

/// Puts grains into order.
struct Sorter<'a> {
    extent: &'a SparseExtent,
    writer: &'a mut Writer,
    slots: Slots,
    /// Slots that metadata touches.
    metadata: SpaceMap,
    /// Slots that are taken, or must not be used before the next commit.
    taken: SpaceMap,
    /// No slot from here on is free.
    free_below: u64,
    known: Known,
}

impl<'a> Sorter<'a> {
    fn new(extent: &'a SparseExtent, writer: &'a mut Writer, slots: Slots) -> Result<Self> {
        let metadata = metadata_slots(extent, writer, slots)?;
        let mut taken = metadata_slots(extent, writer, slots)?;
        extent.each_used_table(|_, entries| {
            let grains = entries.iter().filter(|entry| **entry > ZERO_GRAIN);
            grains.for_each(|entry| taken.take(slots.of_grain(*entry)));
            Ok(())
        })?;
        let free_below = taken.range().end;
        Ok(Self { extent, writer, slots, metadata, taken, free_below, known: Known::default() })
    }

    /// The byte behind which nothing will be; `None` when the file would have to be longer than the
    /// `length` that it has, as can be where grains are aligned in different ways.
    fn planned_end(&self, grains: u64, length: u64) -> Result<Option<u64>> {
        let range = self.metadata.range();
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.metadata.free(range.start..middle) >= grains { high = middle } else { low = middle + 1 }
        }
        if self.metadata.free(range.start..low) < grains {
            return Ok(None);
        }
        let mut last_sectors = 0;
        self.each_grain(|_, grain| {
            last_sectors = self.extent.scheme().sectors_of(grain);
            Ok(())
        })?;
        let end = self.slots.sector(low.max(self.metadata.taken_end())) * SECTOR_SIZE;
        let needed = self.slots.sector(low.saturating_sub(1)) + last_sectors;
        Ok((needed * SECTOR_SIZE <= length).then_some(end))
    }

    /// Shows the grains in the order of the disk.
    fn each_grain(&self, mut visit: impl FnMut(&Self, u64) -> Result<()>) -> Result<()> {
        let per_table = u64::from(self.extent.scheme().entries_per_table);
        self.extent.each_used_table(|index, entries| {
            let used = entries.iter().enumerate().filter(|(_, entry)| **entry > ZERO_GRAIN);
            used.map(|(at, _)| u64::from(index) * per_table + at as u64)
                .try_for_each(|grain| visit(self, grain))
        })
    }

    fn sort(&mut self, grains: u64, progress: &mut dyn FnMut(f64)) -> Result<()> {
        let most = (BATCH_BYTES / self.extent.grain_bytes()).clamp(1, MAX_EDITED_TABLES as u64) as usize;
        let per_table = u64::from(self.extent.scheme().entries_per_table);
        let extent = self.extent;
        let mut batch = Vec::with_capacity(most);
        let (mut done, mut next) = (0, self.metadata.range().start);
        extent.each_used_table(|index, entries| {
            // Which entries have grains never changes here, only where those stand.
            for (at, _) in entries.iter().enumerate().filter(|(_, entry)| **entry > ZERO_GRAIN) {
                let Some(slot) = self.metadata.next_free(next) else { return Ok(()) };
                next = slot + 1;
                // Metadata may lie between two slots, so much of it that the slots of a batch are far apart.
                let is_far = batch.first().is_some_and(|first: &Move| slot - first.slot >= KNOWN_SLOTS);
                if batch.len() == most || is_far {
                    done += batch.len();
                    self.place(&batch)?;
                    batch.clear();
                    progress(done as f64 / grains as f64);
                }
                batch.push(Move { grain: u64::from(index) * per_table + at as u64, slot });
            }
            Ok(())
        })?;
        self.place(&batch)
    }

    /// Gives grains their slots.
    fn place(&mut self, batch: &[Move]) -> Result<()> {
        let mut moves = Vec::with_capacity(batch.len());
        for one in batch {
            if self.slots.at(u64::from(self.entry(one.grain)?)) != Some(one.slot) {
                moves.push(*one);
            }
        }
        let (Some(first), Some(last)) = (moves.first(), moves.last()) else { return Ok(()) };
        self.know(first.slot, last.slot)?;
        let wanted: HashSet<u64> = moves.iter().map(|one| one.slot).collect();
        moves.iter().for_each(|one| self.taken.take(one.slot..one.slot + 1));
        let mut left = Vec::new();
        for one in &moves {
            for grain in self.known.grains(one.slot) {
                let old = self.entry(grain)?;
                let slot = self.take_free()?;
                self.move_grain(grain, slot)?;
                left.push(old);
            }
        }
        self.commit(&mut left, &wanted)?;
        for one in &moves {
            left.push(self.entry(one.grain)?);
            self.move_grain(one.grain, one.slot)?;
        }
        self.commit(&mut left, &wanted)
    }

    /// Where a grain is.
    fn entry(&self, grain: u64) -> Result<u32> {
        let per_table = u64::from(self.extent.scheme().entries_per_table);
        let at = (grain % per_table) as usize;
        self.extent.tables().with((grain / per_table) as u32, |entries| entries.map_or(0, |all| all[at]))
    }

    /// Copies a grain to a slot and changes its entry, in memory.
    fn move_grain(&mut self, grain: u64, slot: u64) -> Result<()> {
        let per_table = u64::from(self.extent.scheme().entries_per_table);
        let (old, sector) = (self.entry(grain)?, self.slots.sector(slot));
        self.extent.copy_grain(self.writer, u64::from(old), sector)?;
        let at = (grain % per_table) as usize;
        self.extent.tables().edit((grain / per_table) as u32, |entries| entries[at] = sector as u32)?;
        self.known.leave(self.slots.of_grain(old), grain);
        self.known.enter(slot..slot + 1, grain);
        Ok(())
    }

    /// A free slot, as far back as there is one, or a new one behind the end.
    fn take_free(&mut self) -> Result<u64> {
        let slot = match self.taken.last_free(self.free_below) {
            Some(slot) => slot,
            None => {
                let slot = self.taken.range().end.max(self.slots.from(self.writer.next_grain / SECTOR_SIZE));
                let end = self.slots.sector(slot + 1) * SECTOR_SIZE;
                self.extent.check_addressable(end)?;
                self.taken.extend_to(slot + 1)?;
                self.writer.next_grain = end.next_multiple_of(self.extent.grain_bytes());
                self.extent.note_end(self.writer.next_grain);
                slot
            }
        };
        self.taken.take(slot..slot + 1);
        self.free_below = slot;
        Ok(slot)
    }

    /// Makes what was done durable; only then the places that grains have left are free, but for the `wanted` ones.
    fn commit(&mut self, left: &mut Vec<u32>, wanted: &HashSet<u64>) -> Result<()> {
        self.extent.commit(self.writer)?;
        for entry in left.drain(..) {
            let in_one = self.slots.at(u64::from(entry)).is_some();
            for slot in self.slots.of_grain(entry).filter(|slot| !wanted.contains(slot)) {
                // A grain that is not aligned has a part of this slot, and others may have the rest.
                if in_one || self.known.is_empty(slot) {
                    self.taken.release(slot);
                    self.free_below = self.free_below.max(slot + 1);
                }
            }
        }
        Ok(())
    }

    /// Learns which grains are in slots, at least those from `first` to `last`.
    fn know(&mut self, first: u64, last: u64) -> Result<()> {
        if self.known.has(first) && self.known.has(last) {
            return Ok(());
        }
        let end = self.taken.range().end.min(first + KNOWN_SLOTS).max(last + 1);
        let mut known = Known { first, slots: vec![[NOBODY; 2]; (end - first) as usize] };
        let per_table = u64::from(self.extent.scheme().entries_per_table);
        self.extent.each_used_table(|index, entries| {
            for (at, &entry) in entries.iter().enumerate().filter(|(_, entry)| **entry > ZERO_GRAIN) {
                known.enter(self.slots.of_grain(entry), u64::from(index) * per_table + at as u64);
            }
            Ok(())
        })?;
        self.known = known;
        Ok(())
    }
}

/// Which grains are in some slots. Grains do not overlap, so a slot has a part of two at most.
#[derive(Debug, Default)]
struct Known {
    first: u64,
    slots: Vec<[u64; 2]>,
}

impl Known {
    fn has(&self, slot: u64) -> bool {
        self.index(slot).is_some()
    }

    fn index(&self, slot: u64) -> Option<usize> {
        slot.checked_sub(self.first)
            .filter(|index| *index < self.slots.len() as u64)
            .map(|index| index as usize)
    }

    /// The grains in a slot.
    fn grains(&self, slot: u64) -> impl Iterator<Item = u64> + use<> {
        let pair = self.index(slot).map_or([NOBODY; 2], |index| self.slots[index]);
        pair.into_iter().filter(|grain| *grain != NOBODY)
    }

    fn is_empty(&self, slot: u64) -> bool {
        self.has(slot) && self.grains(slot).next().is_none()
    }

    fn enter(&mut self, slots: std::ops::Range<u64>, grain: u64) {
        self.exchange(slots, NOBODY, grain);
    }

    fn leave(&mut self, slots: std::ops::Range<u64>, grain: u64) {
        self.exchange(slots, grain, NOBODY);
    }

    /// Puts one grain in the place of another.
    fn exchange(&mut self, slots: std::ops::Range<u64>, old: u64, new: u64) {
        for slot in slots {
            if let Some(index) = self.index(slot) {
                if let Some(place) = self.slots[index].iter_mut().find(|place| **place == old) {
                    *place = new;
                }
            }
        }
    }
}
