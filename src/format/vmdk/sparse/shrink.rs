//! Shrinking: grains of zeros are given up, grains from the end of the file fill the holes, the file is cut.
//!
//! ```text
//!   | tables | A | 0 | B | 0 | 0 | C | D |      0: a grain that holds zeros only
//!   | tables | A | . | B | . | . | C | D |      its table entry goes: 0, or over a parent 1
//!   | tables | A | C | B | D | . | . | . |      copied, durable, then the entries, durable
//!   | tables | A | C | B | D |                  cut
//! ```

use super::SparseExtent;
use super::header::RawHeader;
use super::relocate::{BATCH_BYTES, Slots, metadata_slots};
use crate::error::Result;
use crate::format::vmdk::grains::extent::Writer;
use crate::format::vmdk::grains::space::SpaceMap;
use crate::format::vmdk::grains::tables::{UNALLOCATED, ZERO_GRAIN};
use crate::format::zeros::is_zero;
use crate::io::{ByteOffset, Region, SECTOR_SIZE};

/// Most bytes that are read at a time.
const READ_BYTES: u64 = 1 << 20;

/// The part of the work that looking for zeros is.
const LOOKING: f64 = 0.7;

/// Shrinks an extent, see [`Extent::shrink`](crate::format::extent::Extent::shrink).
pub(super) fn shrink(extent: &SparseExtent, over_parent: bool, progress: &mut dyn FnMut(f64)) -> Result<()> {
    let mut writer = extent.writer();
    let summary = extent.begin_moving(&mut writer)?;
    progress(0.0);
    let grains = summary.grains.max(1) as f64;
    free_zeros(extent, &mut writer, over_parent, &mut |seen| progress(LOOKING * seen as f64 / grains))?;
    let slots = Slots::around(summary.first_grain.unwrap_or(0), extent.scheme().grain_size);
    fill_holes(extent, &mut writer, slots, &mut |part| progress(LOOKING + (1.0 - LOOKING) * part))?;
    progress(1.0);
    Ok(())
}

/// Gives up the grains that hold zeros only, durably; `seen` hears how many grains have been looked at.
fn free_zeros(
    extent: &SparseExtent,
    writer: &mut Writer,
    over_parent: bool,
    seen: &mut dyn FnMut(u64),
) -> Result<()> {
    let freed = if over_parent { ZERO_GRAIN } else { UNALLOCATED };
    let mut zeros = Zeros { extent, region: Region::Data(ByteOffset(0)), from: 0, buffer: Vec::new() };
    let mut announced = !over_parent;
    let mut count = 0;
    extent.each_used_table(|index, entries| {
        let mut changes = Vec::new();
        for (at, &entry) in entries.iter().enumerate().filter(|(_, entry)| **entry > ZERO_GRAIN) {
            count += 1;
            let grain = u64::from(index) * u64::from(extent.scheme().entries_per_table) + at as u64;
            if zeros.holds_zeros(u64::from(entry), extent.scheme().sectors_of(grain))? {
                changes.push((at, freed));
            }
        }
        if !changes.is_empty() && !announced {
            announce(extent)?;
            announced = true;
        }
        seen(count);
        extent.change_entries(writer, index, &changes)
    })?;
    extent.commit(writer)
}

/// Lets the header allow grains of zeros, durably, before a table has one: some readers would take the entry for a
/// sector of the file.
fn announce(extent: &SparseExtent) -> Result<()> {
    let storage = &**extent.storage();
    let mut header = RawHeader::read(storage)?;
    let before = header;
    header.announce_zero_grains();
    if (header.flags, header.version) != (before.flags, before.version) {
        header.replace(&before, storage)?;
    }
    Ok(())
}

/// Tells whether grains hold zeros; holes of the file need no reading.
struct Zeros<'a> {
    extent: &'a SparseExtent,
    /// What the file is from `from` on.
    region: Region,
    from: u64,
    buffer: Vec<u8>,
}

impl Zeros<'_> {
    /// Whether sectors of the file are all zero.
    fn holds_zeros(&mut self, sector: u64, sectors: u64) -> Result<bool> {
        let (start, end) = (sector * SECTOR_SIZE, (sector + sectors) * SECTOR_SIZE);
        let storage = self.extent.storage();
        let known = match self.region {
            Region::Data(until) | Region::Hole(until) => self.from..until.0,
        };
        if !known.contains(&start) {
            self.region = storage.region_at(ByteOffset(start))?;
            self.from = start;
        }
        if matches!(self.region, Region::Hole(until) if end <= until.0) {
            return Ok(true);
        }
        self.buffer.resize((end - start).min(READ_BYTES) as usize, 0);
        for place in (start..end).step_by(READ_BYTES as usize) {
            let piece = &mut self.buffer[..(end - place).min(READ_BYTES) as usize];
            storage.read_exact_at(piece, ByteOffset(place))?;
            if !is_zero(piece) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Moves grains from the end of the file into the holes before, and cuts the file.
fn fill_holes(
    extent: &SparseExtent,
    writer: &mut Writer,
    slots: Slots,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let mut map = metadata_slots(extent, writer, slots)?;
    let first = map.range().start;
    let metadata_end = map.taken_end();
    extent.each_used_table(|_, entries| {
        entries
            .iter()
            .filter(|entry| **entry > ZERO_GRAIN)
            .for_each(|entry| map.take(slots.of_grain(*entry)));
        Ok(())
    })?;
    let end = new_end(&map, metadata_end);
    let moving = (map.range().end - end - map.free(end..u64::MAX)).max(1);
    let (mut moved, mut batch, mut hole) = (0, 0, first);
    // A grain that finds no hole keeps its place; there is none as long as grains do not overlap.
    let mut last = slots.sector(end);
    extent.each_used_table(|index, entries| {
        let mut changes = Vec::new();
        for (at, &entry) in entries.iter().enumerate().filter(|(_, entry)| **entry > ZERO_GRAIN) {
            if slots.of_grain(entry).end <= end {
                continue;
            }
            let Some(target) = map.next_free(hole).filter(|slot| *slot < end) else {
                last = last.max(u64::from(entry) + extent.scheme().grain_size);
                continue;
            };
            extent.copy_grain(writer, u64::from(entry), slots.sector(target))?;
            map.take(target..target + 1);
            hole = target;
            changes.push((at, slots.sector(target) as u32));
            moved += 1;
            batch += extent.grain_bytes();
        }
        extent.change_entries(writer, index, &changes)?;
        if batch >= BATCH_BYTES {
            extent.commit(writer)?;
            batch = 0;
            progress((moved as f64 / moving as f64).min(1.0));
        }
        Ok(())
    })?;
    extent.commit(writer)?;
    extent.cut(writer, (last * SECTOR_SIZE).min(writer.length))
}

/// The first slot behind which everything can be moved to the holes before it; metadata stays where it is.
fn new_end(map: &SpaceMap, metadata_end: u64) -> u64 {
    let range = map.range();
    let (mut low, mut high) = (metadata_end, range.end.max(metadata_end));
    while low < high {
        let middle = low + (high - low) / 2;
        let behind = (middle..range.end).end.saturating_sub(middle) - map.free(middle..range.end);
        if map.free(range.start..middle) >= behind { high = middle } else { low = middle + 1 }
    }
    low
}
