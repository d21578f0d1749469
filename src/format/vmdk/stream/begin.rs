//! The start of writing: where the stream ends so far, and the mark that it is being written.

use zerocopy::IntoBytes;

use super::extent::StreamExtent;
use super::layout::finished_header;
use super::marker::GRAIN_MARKER_BYTES;
use super::writer::{Stage, Writer};
use crate::error::{Result, ResultExt};
use crate::format::vmdk::grains::tables::{UNALLOCATED, ZERO_GRAIN};
use crate::format::vmdk::sparse::embedded::RawPlace;
use crate::format::vmdk::sparse::header::{DIRECTORY_AT_END, MAGIC_UNFINISHED, RawHeader};
use crate::io::{ByteOffset, SECTOR_SIZE};

/// What all tables together say.
#[derive(Debug, Default)]
struct Survey {
    /// The last grain of the disk that has an entry.
    last: Option<u64>,
    /// The largest entry, which is the last grain of the file, and its grain.
    furthest: Option<(u32, u64)>,
    /// The sector behind the last table of the file.
    tables_end: u64,
}

impl StreamExtent {
    /// Finds out where the next grain goes, on the disk and in the file.
    pub(super) fn look_for_end(&self, writer: &mut Writer) -> Result<()> {
        if writer.stage != Stage::Unknown {
            return Ok(());
        }
        let survey =
            self.survey().context(|| format!("looking for the last grain of '{}'", self.storage.name()))?;
        let descriptor_end = RawPlace::read(&*self.storage)?.end().max(1);
        let (frontier, overhead, end) = match survey.last {
            // Directory and tables of an empty stream are not needed any more.
            None => {
                let first = self.header.overhead.max(descriptor_end).max(1);
                (0, first, first.saturating_mul(SECTOR_SIZE))
            }
            Some(last) => {
                let directory_end = self.header.directory.saturating_add(self.header.directory_sectors());
                let metadata_end = descriptor_end.max(directory_end).max(survey.tables_end);
                let end = self.grains_end(&survey)?.max(metadata_end.saturating_mul(SECTOR_SIZE));
                ((last + 1) * self.header.grain_size, self.header.overhead, end)
            }
        };
        writer.frontier = frontier;
        writer.overhead = overhead;
        writer.end = end.checked_next_multiple_of(SECTOR_SIZE).unwrap_or(end);
        writer.stage = Stage::Found { grains: survey.last.is_some() };
        Ok(())
    }

    fn survey(&self) -> Result<Survey> {
        let mut survey = Survey::default();
        let per_table = u64::from(self.header.entries_per_table);
        for index in 0..self.header.tables {
            let sector = self.tables.sector(index)?;
            if sector == 0 {
                continue;
            }
            survey.tables_end = survey.tables_end.max(u64::from(sector) + self.header.table_sectors());
            self.tables.with(index, |entries| {
                for (within, entry) in entries.unwrap_or_default().iter().enumerate() {
                    let grain = u64::from(index) * per_table + within as u64;
                    if *entry != UNALLOCATED {
                        survey.last = Some(grain);
                    }
                    if *entry > ZERO_GRAIN && survey.furthest.is_none_or(|(known, _)| known < *entry) {
                        survey.furthest = Some((*entry, grain));
                    }
                }
            })?;
        }
        Ok(survey)
    }

    /// The byte behind the last grain of the file.
    fn grains_end(&self, survey: &Survey) -> Result<u64> {
        let Some((entry, grain)) = survey.furthest else { return Ok(0) };
        let start = u64::from(entry) * SECTOR_SIZE;
        let size = || {
            let marker = self.records.read_marker(start, self.storage.length()?)?;
            self.records.checked_size(&marker, grain)
        };
        let data =
            size().context(|| format!("grain {grain} at sector {entry} of '{}'", self.storage.name()))?;
        Ok(start + (GRAIN_MARKER_BYTES + data) as u64)
    }

    /// Marks the stream as one that is being written, durably, before anything else of it changes.
    pub(super) fn begin(&self, writer: &mut Writer) -> Result<()> {
        let Stage::Found { grains } = writer.stage else { return Ok(()) };
        let header = if grains {
            self.named_directory()?
        } else {
            let header = finished_header(&self.named_directory()?, writer.overhead);
            RawHeader { magic: MAGIC_UNFINISHED, ..header }
        };
        if !grains || self.front.directory.get() == DIRECTORY_AT_END {
            self.storage.write_all_at(header.as_bytes(), ByteOffset(0))?;
            self.storage.sync()?;
        }
        if !grains {
            self.tables.clear();
        }
        writer.stage = Stage::Begun;
        Ok(())
    }

    /// The header that counts, as it may stand at the front: the descriptor is where the front says by now.
    pub(super) fn named_directory(&self) -> Result<RawHeader> {
        let RawPlace { sector, sectors } = RawPlace::read(&*self.storage)?;
        Ok(RawHeader { descriptor_offset: sector, descriptor_size: sectors, ..self.raw })
    }
}

#[cfg(test)]
#[path = "crash_tests.rs"]
mod tests;
