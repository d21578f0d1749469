//! Checking where grain tables stand.

use std::collections::HashSet;
use std::ops::Range;

use super::check::Check;
use super::finding::Finding;
use super::metadata::{self, overlap};
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::grains::space::SpaceMap;
use crate::format::vmdk::grains::tables::{Place, Side};

/// Most units of a window, 16 MiB for each map.
pub(super) const WINDOW: u64 = 1 << 27;

/// Most tables that may share their places; more of them are no directory.
const MAX_SHARED: usize = 1 << 16;

/// How one copy of a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// The directory has none.
    Absent,
    /// Past the end of the file.
    Outside(u32),
    /// Where something is that the header names.
    InMetadata(u32),
    /// Where another table is.
    Shared(u32),
    /// Where a grain is; what is read there is no table.
    OnGrain(u32),
    /// Well.
    Good(u32),
}

impl Check<'_> {
    /// Finds tables that stand where other tables are, but for those that belong there: the other copy, in a place of
    /// its own, says the same. Copies of one table that share their place are no matter here.
    pub(super) fn find_shared_tables(&mut self) -> Result<()> {
        let (tables, header) = (self.extent.tables(), self.header);
        let twin = |side, index, start: u64| {
            let primary = tables.place(Side::Primary, index);
            side == Side::Redundant && primary.is_ok_and(|place| place == Place::At(start as u32))
        };
        let mut shared_tables = Vec::new();
        for window in windows(self.units_of_file(1)) {
            let mut taken = SpaceMap::new(window.clone())?;
            let mut shared = SpaceMap::new(window)?;
            metadata::each_table(tables, &header, |side, index, sectors| {
                if !twin(side, index, sectors.start) {
                    if taken.is_any_taken(sectors.clone()) {
                        shared.take(sectors.clone());
                    }
                    taken.take(sectors);
                }
            })?;
            metadata::each_table(tables, &header, |side, index, sectors| {
                if shared.is_any_taken(sectors) && shared_tables.len() <= MAX_SHARED {
                    shared_tables.push((side, index));
                }
            })?;
        }
        if shared_tables.len() > MAX_SHARED {
            let text = format!("more than {MAX_SHARED} grain tables share their places: it is no directory");
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        self.shared_tables = shared_tables.iter().copied().collect();
        let mut owned = HashSet::new();
        for (side, index) in shared_tables {
            if self.owned_place(side, index)?.is_some_and(|sector| owned.insert(sector)) {
                self.shared_tables.remove(&(side, index));
            }
        }
        Ok(())
    }

    /// The place of a shared table whose other copy has a place of its own and says the same. A repair that left such
    /// a place could, when it is interrupted, leave it to the wrong one.
    fn owned_place(&self, side: Side, index: u32) -> Result<Option<u32>> {
        let other = side.other();
        let (Stand::Shared(here), Stand::Good(there)) = (self.stand(side, index)?, self.stand(other, index)?)
        else {
            return Ok(None);
        };
        let read = |side, sector| self.extent.tables().read_copy(side, index, sector);
        Ok((read(side, here)? == read(other, there)?).then_some(here))
    }

    pub(super) fn stand(&self, side: Side, index: u32) -> Result<Stand> {
        let sector = match self.extent.tables().place(side, index)? {
            Place::Absent => return Ok(Stand::Absent),
            Place::Outside(sector) => return Ok(Stand::Outside(sector)),
            Place::At(sector) => sector,
        };
        let sectors = u64::from(sector)..u64::from(sector) + self.header.table_sectors();
        if self.parts.iter().any(|part| overlap(&part.sectors, &sectors)) {
            return Ok(Stand::InMetadata(sector));
        }
        let twin = || {
            let primary = self.extent.tables().place(Side::Primary, index)?;
            Ok::<bool, Error>(side == Side::Redundant && primary == Place::At(sector))
        };
        if self.shared_tables.contains(&(side, index)) || twin()? {
            return Ok(Stand::Shared(sector));
        }
        if self.false_tables.contains(&(side, index)) {
            return Ok(Stand::OnGrain(sector));
        }
        Ok(Stand::Good(sector))
    }

    /// Finds what is no table, since a directory entry leads into the data of a grain: some of its entries make no
    /// sense, a grain that the tables of the other side name is there, and the other copy stands well. Of `suspects` the
    /// first is known.
    pub(super) fn find_false_tables(&mut self, suspects: &HashSet<(Side, u32)>) -> Result<()> {
        let unit = self.header.grain_size;
        for window in windows(if suspects.is_empty() { 0 } else { self.units_of_file(1) }) {
            for named_by in [Side::Primary, Side::Redundant] {
                let mut named = SpaceMap::new(window.clone())?;
                self.each_grain(named_by, |start| named.take(start..start + unit))?;
                for &(side, index) in suspects.iter().filter(|(side, _)| *side == named_by.other()) {
                    let (Stand::Good(sector), Stand::Good(_)) =
                        (self.stand(side, index)?, self.stand(named_by, index)?)
                    else {
                        continue;
                    };
                    let start = u64::from(sector);
                    if named.is_any_taken(start..start + self.header.table_sectors()) {
                        self.false_tables.insert((side, index));
                        self.found(&Finding::TableOnGrain { side, table: index, sector });
                    }
                }
            }
        }
        Ok(())
    }

    /// Shows the first sector of each grain that the tables of one side name.
    fn each_grain(&self, side: Side, mut visit: impl FnMut(u64)) -> Result<()> {
        for index in 0..self.header.tables {
            let Stand::Good(sector) = self.stand(side, index)? else { continue };
            let Some(table) = self.extent.tables().read_copy(side, index, sector)? else { continue };
            let first = self.first_grain(index);
            let grains = table[..self.header.entries_of(index)].iter().enumerate();
            for (_, &entry) in grains.filter(|(at, entry)| self.is_grain(first + *at as u64, **entry)) {
                visit(entry.into());
            }
        }
        Ok(())
    }

    /// Units for a map of the file; the sector that the end of the file cuts may have the end of a directory or a table.
    pub(super) fn units_of_file(&self, unit: u64) -> u64 {
        (self.file_sectors + 1).div_ceil(unit)
    }

    /// A map of everything that is no grain.
    pub(super) fn metadata_map(&self, window: Range<u64>, unit: u64) -> Result<SpaceMap> {
        let mut map = SpaceMap::new(window)?;
        let units = |sectors: Range<u64>| sectors.start / unit..sectors.end.div_ceil(unit);
        for part in &self.parts {
            map.take(units(part.sectors.clone()));
        }
        metadata::each_table(self.extent.tables(), &self.header, |side, index, sectors| {
            if !self.false_tables.contains(&(side, index)) {
                map.take(units(sectors));
            }
        })?;
        Ok(map)
    }
}

/// Windows of so many units.
pub(super) fn windows(units: u64) -> impl Iterator<Item = Range<u64>> {
    (0..units.div_ceil(WINDOW)).map(move |window| window * WINDOW..units.min((window + 1) * WINDOW))
}
