//! Moving grains and tables within an extent.
//!
//! The rule that makes every move harmless: the new place is one that no table of the file names; the data goes there
//! and becomes durable ([`SparseExtent::commit`]) before a table that names it is written; and the old place is used
//! for something else only after the tables that no longer name it are durable too.

use std::ops::Range;

use super::SparseExtent;
use super::check::check;
use super::finding::Summary;
use super::metadata;
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::grains::extent::{MAX_EDITED_BYTES, Writer};
use crate::format::vmdk::grains::space::SpaceMap;
use crate::format::vmdk::grains::tables::{NewPlaces, Side};
use crate::io::{ByteOffset, SECTOR_SIZE};

/// Most bytes that are copied at a time.
const COPY_BYTES: u64 = 1 << 20;

/// Bytes of grains that are moved before the tables are brought to the file.
pub(super) const BATCH_BYTES: u64 = 32 << 20;

/// Most tables that are changed in one batch: 2 MiB of tables of the usual size.
pub(super) const MAX_EDITED_TABLES: usize = 1024;

impl SparseExtent {
    /// Makes the extent ready for moving grains: everything is in the file, nothing is damaged, all space behind the
    /// last grain is free.
    ///
    /// # Errors
    /// `InvalidDisk` for an extent that needs repair, those of storage.
    pub(super) fn begin_moving(&self, writer: &mut Writer) -> Result<Summary> {
        self.commit(writer)?;
        let summary = self.require_soundness()?;
        writer.spare = 0..0;
        self.mark_unclean()?;
        Ok(summary)
    }

    /// The extent must not be damaged: what moves or copies grains would make damage worse.
    pub(super) fn require_soundness(&self) -> Result<Summary> {
        let mut first = None;
        let summary = check(self.storage(), false, &mut |finding| {
            if finding.is_damage() && first.is_none() {
                first = Some(finding.to_string());
            }
        })?;
        match first {
            None => Ok(summary),
            Some(damage) => Err(Error::new(Kind::InvalidDisk, format!("it needs repair: {damage}"))),
        }
    }

    /// Brings changed tables to the file when there are many.
    pub(super) fn commit_when_full(&self, writer: &mut Writer) -> Result<()> {
        if self.tables().edited_bytes() >= MAX_EDITED_BYTES { self.commit(writer) } else { Ok(()) }
    }

    /// Lets the file reach to a sector, with zeros.
    pub(super) fn lengthen(&self, writer: &mut Writer, end: u64) -> Result<()> {
        let end = end * SECTOR_SIZE;
        self.storage().set_len(end)?;
        writer.length = end;
        writer.next_grain = writer.next_grain.max(end.next_multiple_of(self.grain_bytes()));
        Ok(())
    }

    /// Gives a table new entries, and the copies that need one a new place.
    pub(super) fn rewrite_table(
        &self,
        writer: &mut Writer,
        index: u32,
        moved: &[Side],
        entries: &[u32],
    ) -> Result<()> {
        self.mark_unclean()?;
        if moved.is_empty() {
            self.tables().edit(index, |old| old.copy_from_slice(entries))?;
        } else {
            let mut places = NewPlaces::default();
            for side in moved {
                *places.of(*side) = Some(self.take_table(writer)?);
            }
            self.tables().add(index, places, Some(entries.into()))?;
        }
        self.commit_when_full(writer)
    }

    /// Changes some entries of a table.
    pub(super) fn change_entries(
        &self,
        writer: &mut Writer,
        index: u32,
        changes: &[(usize, u32)],
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.mark_unclean()?;
        self.tables().edit(index, |entries| changes.iter().for_each(|(at, entry)| entries[*at] = *entry))?;
        self.commit_when_full(writer)
    }

    /// Copies a grain to new space; returns its place there.
    pub(super) fn append_copy(&self, writer: &mut Writer, entry: u32) -> Result<u32> {
        let start = writer.next_grain;
        let end = start + self.grain_bytes();
        self.check_addressable(end)?;
        // What a failure leaves there must not be taken for a hole.
        writer.next_grain = end;
        self.copy_grain(writer, u64::from(entry), start / SECTOR_SIZE)?;
        Ok((start / SECTOR_SIZE) as u32)
    }

    /// Copies a grain from one sector of the file to another; where the file ends within it, zeros follow.
    pub(super) fn copy_grain(&self, writer: &mut Writer, from: u64, to: u64) -> Result<()> {
        let (from, to, bytes) = (from * SECTOR_SIZE, to * SECTOR_SIZE, self.grain_bytes());
        let there = writer.length.saturating_sub(from).min(bytes);
        let mut buffer = vec![0; bytes.min(COPY_BYTES) as usize];
        for done in (0..bytes).step_by(buffer.len()) {
            let length = (bytes - done).min(COPY_BYTES);
            let piece = &mut buffer[..length as usize];
            let readable = there.saturating_sub(done).min(length) as usize;
            self.storage().read_exact_at(&mut piece[..readable], ByteOffset(from + done))?;
            piece[readable..].fill(0);
            self.storage().write_all_at(piece, ByteOffset(to + done))?;
            writer.length = writer.length.max(to + done + length);
        }
        Ok(())
    }

    /// Cuts the file at a byte behind which nothing is named by any durable table.
    pub(super) fn cut(&self, writer: &mut Writer, end: u64) -> Result<()> {
        if end < writer.length {
            self.storage().set_len(end)?;
            writer.length = end;
            self.storage().sync()?;
        }
        writer.next_grain = end.next_multiple_of(self.grain_bytes());
        self.note_end(writer.next_grain);
        Ok(())
    }

    /// Shows the tables that have grains, each as the entries that stand for grains.
    pub(super) fn each_used_table(&self, mut visit: impl FnMut(u32, &[u32]) -> Result<()>) -> Result<()> {
        let mut copy = Vec::new();
        for index in 0..self.scheme().tables {
            copy.clear();
            let count = self.scheme().entries_of(index);
            self.tables().with(index, |entries| copy.extend(entries.iter().flat_map(|all| &all[..count])))?;
            if !copy.is_empty() {
                visit(index, &copy)?;
            }
        }
        Ok(())
    }
}

/// Places for grains: one behind the other, the size of a grain each. They begin where the first grain does, so that
/// files whose grains are not aligned need no more room than before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots {
    /// Sector of slot 0.
    phase: u64,
    /// Sectors of each.
    size: u64,
}

impl Slots {
    /// The slots of an extent with a grain at sector `grain`.
    pub(super) fn around(grain: u64, size: u64) -> Self {
        Self { phase: grain % size, size }
    }

    /// The first sector of a slot.
    pub(super) fn sector(self, slot: u64) -> u64 {
        self.phase + slot * self.size
    }

    /// The slot that begins at a sector, if one does.
    pub(super) fn at(self, sector: u64) -> Option<u64> {
        sector
            .checked_sub(self.phase)
            .filter(|within| within % self.size == 0)
            .map(|within| within / self.size)
    }

    /// The first slot that begins at a sector or behind it.
    pub(super) fn from(self, sector: u64) -> u64 {
        sector.saturating_sub(self.phase).div_ceil(self.size)
    }

    /// The slots that have a sector of a range.
    pub(super) fn touched(self, sectors: Range<u64>) -> Range<u64> {
        sectors.start.saturating_sub(self.phase) / self.size..self.from(sectors.end)
    }

    /// The slots that have a sector of the grain at `entry`.
    pub(super) fn of_grain(self, entry: u32) -> Range<u64> {
        self.touched(u64::from(entry)..u64::from(entry) + self.size)
    }
}

/// A map of the slots of a file with those taken that metadata touches; none is before the first that grains may
/// have.
pub(super) fn metadata_slots(extent: &SparseExtent, writer: &Writer, slots: Slots) -> Result<SpaceMap> {
    let header = extent.scheme();
    let end = slots.from(writer.length.max(writer.next_grain).div_ceil(SECTOR_SIZE));
    let first = slots.from(header.overhead).min(end);
    let mut map = SpaceMap::new(first..end)?;
    let raw = super::header::RawHeader::read(&**extent.storage())?;
    for part in metadata::parts(&raw, header) {
        map.take(slots.touched(part.sectors));
    }
    metadata::each_table(extent.tables(), header, |_, _, sectors| map.take(slots.touched(sectors)))?;
    Ok(map)
}
