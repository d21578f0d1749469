//! Checking where grains stand: each in a place of its own.

use super::check::Check;
use super::check_places::windows;
use super::check_tables::Survey;
use super::finding::Finding;
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::grains::space::SpaceMap;
use crate::format::vmdk::grains::tables::{UNALLOCATED, ZERO_GRAIN};
use crate::io::SECTOR_SIZE;

/// Grains that share a place may be copied up to this many bytes, or up to the length of the file. More of them are
/// no disk, and must not fill the file system.
const MIN_COPIES: u64 = 64 << 20;

/// A window of the file.
struct Window {
    unit: u64,
    metadata: SpaceMap,
    grains: SpaceMap,
}

impl Check<'_> {
    /// Finds grains that stand where something else is, and repairs them.
    pub(super) fn check_grains(&mut self, survey: &Survey) -> Result<()> {
        let unit = survey.unit;
        let mut copied = 0;
        for range in windows(self.units_of_file(unit)) {
            let mut window = Window {
                unit,
                metadata: self.metadata_map(range.clone(), unit)?,
                grains: SpaceMap::new(range.clone())?,
            };
            for index in 0..self.header.tables {
                let Some(found) = self.find(index)? else { continue };
                if found.content.is_empty() {
                    continue;
                }
                let (entries, _) = self.chosen(index, &found.content);
                let changes = self.place_grains(index, &entries, &mut window, &mut copied)?;
                self.extent.change_entries(&mut self.extent.writer(), index, &changes)?;
            }
            let grains = self.header.overhead.div_ceil(unit)..self.file_sectors / unit;
            let leaked = window.grains.free_beside(&window.metadata, grains);
            self.summary.leaked_sectors += leaked * unit;
        }
        Ok(())
    }

    /// Puts the grains of a table onto the map of a window; returns the entries that have to change.
    fn place_grains(
        &mut self,
        index: u32,
        entries: &[u32],
        window: &mut Window,
        copied: &mut u64,
    ) -> Result<Vec<(usize, u32)>> {
        let mut changes = Vec::new();
        let range = window.grains.range();
        for (at, &entry) in entries.iter().enumerate().filter(|(_, entry)| **entry > ZERO_GRAIN) {
            let units = self.units(entry, window.unit);
            if units.end <= range.start || units.start >= range.end {
                continue;
            }
            let sector = self.sector_of(index, at);
            if window.metadata.is_any_taken(units.clone()) {
                self.found(&Finding::GrainInMetadata { sector, entry });
                changes.push((at, UNALLOCATED));
                continue;
            }
            // Counted in the window in which it starts.
            if units.start >= range.start {
                self.summary.grains += 1;
                self.unaligned += u64::from(u64::from(entry) % self.header.grain_size != 0);
            }
            if window.grains.is_any_taken(units.clone()) {
                self.found(&Finding::GrainShared { sector, entry });
                if self.repair {
                    *copied += self.header.grain_size * SECTOR_SIZE;
                    self.check_copies(*copied)?;
                    changes.push((at, self.extent.append_copy(&mut self.extent.writer(), entry)?));
                }
                continue;
            }
            window.grains.take(units);
            let start = u64::from(entry);
            self.summary.first_grain = Some(self.summary.first_grain.map_or(start, |first| first.min(start)));
        }
        Ok(if self.repair { changes } else { Vec::new() })
    }

    fn check_copies(&self, bytes: u64) -> Result<()> {
        if bytes > MIN_COPIES.max(self.file_sectors * SECTOR_SIZE) {
            let text = "so many grains share their places that their copies would more than double the file";
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(())
    }
}
