//! Checking what the copies of grain tables say.

use std::collections::HashSet;
use std::ops::Range;

use super::check::Check;
use super::check_places::{Stand, WINDOW};
use super::finding::Finding;
use crate::error::Result;
use crate::format::vmdk::grains::cache::Table;
use crate::format::vmdk::grains::space::SpaceMap;
use crate::format::vmdk::grains::tables::{Side, UNALLOCATED, ZERO_GRAIN};

/// Most copies of tables that are looked at twice since their entries make no sense.
const MAX_SUSPECTS: usize = 1 << 16;

/// What a table holds, as far as its copies tell.
pub(super) enum Content {
    /// Neither copy is of use.
    Lost,
    /// One copy counts.
    One(Table<u32>),
    /// Both count.
    Two(Table<u32>, Table<u32>),
}

impl Content {
    /// Whether all entries are 0. Most tables of a large disk are like that, so nobody should walk over them.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::One(None) | Self::Two(None, None))
    }
}

/// A table as it was found.
pub(super) struct Found {
    /// What it holds.
    pub(super) content: Content,
    /// The copies that need a new place.
    bad: Vec<Side>,
    /// The other copy is of no use and this one stands where the header's parts are.
    hopeless: bool,
}

/// What an entry says, judged by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing, or zeros.
    NoGrain,
    /// A grain that is in the file.
    Grain,
    /// A grain of which the file lacks this many sectors that are used.
    Cut(u64),
    /// A grain past the end of the file.
    Outside,
}

/// What a look at all tables has told.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Some table needs more than its grains put right.
    irregular: bool,
    /// Every grain starts at a multiple of so many sectors, and has a multiple of them.
    pub(super) unit: u64,
    /// The sector behind the last one that the file should have, when it is cut within a grain.
    cut_end: Option<u64>,
    /// Copies of tables with entries that make no sense.
    senseless: HashSet<(Side, u32)>,
}

/// Maps of the whole file, for choosing between copies.
struct Maps {
    metadata: SpaceMap,
    named: SpaceMap,
    /// What more than one grain uses.
    twice: SpaceMap,
}

impl Check<'_> {
    /// A table and its copies; `None` when neither directory has it.
    pub(super) fn find(&self, index: u32) -> Result<Option<Found>> {
        let primary = self.stand(Side::Primary, index)?;
        let redundant =
            if self.has_redundant() { self.stand(Side::Redundant, index)? } else { Stand::Absent };
        if (primary, redundant) == (Stand::Absent, Stand::Absent) {
            return Ok(None);
        }
        let read = |side, sector| self.extent.tables().read_copy(side, index, sector);
        let content = match (primary, redundant) {
            (Stand::Good(one), Stand::Good(other)) => {
                Content::Two(read(Side::Primary, one)?, read(Side::Redundant, other)?)
            }
            (Stand::Absent, Stand::Good(sector)) => Content::Two(None, read(Side::Redundant, sector)?),
            (Stand::Absent, _) => Content::One(None),
            (Stand::Good(sector), _) => Content::One(read(Side::Primary, sector)?),
            (_, Stand::Good(sector)) => Content::One(read(Side::Redundant, sector)?),
            (Stand::Shared(sector), _) => Content::One(read(Side::Primary, sector)?),
            (_, Stand::Shared(sector)) => Content::One(read(Side::Redundant, sector)?),
            _ => Content::Lost,
        };
        let in_metadata = |stand| matches!(stand, Stand::InMetadata(_));
        let hopeless = matches!(content, Content::Lost) && (in_metadata(primary) || in_metadata(redundant));
        let mut bad = Vec::new();
        if !matches!(primary, Stand::Good(_)) {
            bad.push(Side::Primary);
        }
        if self.has_redundant() && !matches!(redundant, Stand::Good(_)) {
            bad.push(Side::Redundant);
        }
        Ok(Some(Found { content, bad, hopeless }))
    }

    fn has_redundant(&self) -> bool {
        self.header.redundant_directory.is_some()
    }

    /// Judges an entry by itself.
    pub(super) fn judge(&self, grain: u64, entry: u32) -> Says {
        let start = u64::from(entry);
        match start + self.header.sectors_of(grain) {
            _ if entry == UNALLOCATED || entry == ZERO_GRAIN => Says::NoGrain,
            _ if start >= self.file_sectors => Says::Outside,
            end if end > self.file_sectors => Says::Cut(end - self.file_sectors),
            _ => Says::Grain,
        }
    }

    /// The entries of a table that stand for grains, by the rule that the primary copy counts when it makes sense;
    /// and for each that does not make sense in any copy, where it is and what it says.
    pub(super) fn chosen(&self, index: u32, content: &Content) -> (Vec<u32>, Vec<(usize, u32)>) {
        let count = self.header.entries_of(index);
        let entry = |table: &Table<u32>, at: usize| table.as_ref().map_or(UNALLOCATED, |entries| entries[at]);
        let first = self.first_grain(index);
        let mut senseless = Vec::new();
        let mut choose = |at: usize| {
            let (one, other) = match content {
                Content::Lost => (UNALLOCATED, UNALLOCATED),
                Content::One(table) => (entry(table, at), entry(table, at)),
                Content::Two(table, other) => (entry(table, at), entry(other, at)),
            };
            let makes_sense = |entry| self.judge(first + at as u64, entry) != Says::Outside;
            match (makes_sense(one), makes_sense(other)) {
                (true, _) => one,
                (false, true) => other,
                (false, false) => {
                    senseless.push((at, one));
                    UNALLOCATED
                }
            }
        };
        ((0..count).map(&mut choose).collect(), senseless)
    }

    /// The number of a table's first grain.
    pub(super) fn first_grain(&self, index: u32) -> u64 {
        u64::from(index) * u64::from(self.header.entries_per_table)
    }

    /// The sector of the extent at which the grain of an entry begins.
    pub(super) fn sector_of(&self, index: u32, at: usize) -> u64 {
        (self.first_grain(index) + at as u64) * self.header.grain_size
    }

    /// Looks at all tables, and tells of everything that can be told without knowing all grains.
    pub(super) fn survey(&mut self) -> Result<Survey> {
        let mut survey = Survey { unit: self.header.grain_size, ..Survey::default() };
        for index in 0..self.header.tables {
            let Some(found) = self.find(index)? else { continue };
            self.tell_places(index, &found)?;
            survey.irregular |= !found.bad.is_empty() || matches!(found.content, Content::Lost);
            if found.content.is_empty() {
                continue;
            }
            self.survey_entries(index, &found.content, &mut survey);
        }
        self.find_false_tables(&survey.senseless)?;
        Ok(survey)
    }

    /// Tells how the copies of a table stand.
    fn tell_places(&mut self, index: u32, found: &Found) -> Result<()> {
        for &side in &found.bad {
            let finding = match self.stand(side, index)? {
                Stand::Absent => Finding::TableMissing { side, table: index },
                Stand::Outside(sector) => Finding::TableOutside { side, table: index, sector },
                Stand::InMetadata(sector) => Finding::TableInMetadata { side, table: index, sector },
                Stand::Shared(sector) => Finding::TableShared { side, table: index, sector },
                Stand::OnGrain(_) | Stand::Good(_) => continue,
            };
            self.found(&finding);
        }
        if matches!(found.content, Content::Lost) {
            let sector = self.sector_of(index, 0);
            let sectors = (self.header.capacity - sector).min(self.header.table_coverage());
            self.found(&Finding::TableLost { table: index, sector, sectors });
        }
        self.summary.beyond_repair += u64::from(found.hopeless);
        Ok(())
    }

    fn survey_entries(&mut self, index: u32, content: &Content, survey: &mut Survey) {
        let count = self.header.entries_of(index);
        let copies: Vec<&[u32]> = match content {
            Content::Lost => Vec::new(),
            Content::One(table) => table.as_deref().into_iter().collect(),
            Content::Two(one, other) => [one, other].into_iter().filter_map(|copy| copy.as_deref()).collect(),
        };
        let past =
            copies.iter().map(|copy| copy[count..].iter().filter(|entry| **entry != UNALLOCATED).count());
        let past = past.max().unwrap_or(0) as u32;
        if past > 0 {
            self.found(&Finding::PastCapacity { table: index, entries: past });
        }
        let differing = self.differing(count, content);
        if differing > 0 {
            self.found(&Finding::TablesDiffer { table: index, entries: differing });
        }
        let first = self.first_grain(index);
        self.note_senseless(index, content, survey);
        // Whichever copy of an entry is chosen in the end: nothing new may be put where its grain goes on.
        for (at, &entry) in copies.iter().flat_map(|copy| copy[..count].iter().enumerate()) {
            let says = self.judge(first + at as u64, entry);
            if let Says::Cut(missing) = says {
                survey.cut_end = survey.cut_end.max(Some(self.file_sectors + missing));
            }
            if matches!(says, Says::Grain | Says::Cut(_)) {
                survey.unit = survey.unit.min(1 << entry.trailing_zeros());
            }
        }
        let (entries, senseless) = self.chosen(index, content);
        for &(at, entry) in &senseless {
            self.found(&Finding::GrainOutside { sector: self.sector_of(index, at), entry });
        }
        for (at, &entry) in entries.iter().enumerate() {
            self.zero_grains += u64::from(entry == ZERO_GRAIN);
            if let Says::Cut(missing) = self.judge(first + at as u64, entry) {
                self.found(&Finding::GrainCut { sector: self.sector_of(index, at), entry, missing });
            }
        }
        survey.irregular |= past > 0 || differing > 0 || !senseless.is_empty();
    }

    /// Notes copies of a table of which some entry makes no sense.
    fn note_senseless(&self, index: u32, content: &Content, survey: &mut Survey) {
        let Content::Two(Some(one), Some(other)) = content else { return };
        let first = self.first_grain(index);
        for (side, copy) in [(Side::Primary, one), (Side::Redundant, other)] {
            let mut grains = copy[..self.header.entries_of(index)].iter().enumerate();
            if survey.senseless.len() < MAX_SUSPECTS
                && grains.any(|(at, entry)| self.judge(first + at as u64, *entry) == Says::Outside)
            {
                survey.senseless.insert((side, index));
            }
        }
    }

    /// Whether an entry leads to a grain of the file.
    pub(super) fn is_grain(&self, grain: u64, entry: u32) -> bool {
        matches!(self.judge(grain, entry), Says::Grain | Says::Cut(_))
    }

    /// How many of the first `count` entries differ.
    fn differing(&self, count: usize, content: &Content) -> u32 {
        match content {
            Content::Two(Some(one), Some(other)) => {
                one[..count].iter().zip(&other[..count]).filter(|(one, other)| one != other).count() as u32
            }
            Content::Two(Some(only), None) | Content::Two(None, Some(only)) => {
                only[..count].iter().filter(|entry| **entry != UNALLOCATED).count() as u32
            }
            _ => 0,
        }
    }

    /// Repairs everything but the places of grains: afterwards all tables have good places and equal copies.
    pub(super) fn settle_tables(&mut self, survey: &Survey) -> Result<()> {
        if !self.repair {
            return Ok(());
        }
        if let Some(end) = survey.cut_end {
            self.extent.lengthen(&mut self.extent.writer(), end)?;
        }
        if !survey.irregular {
            return Ok(());
        }
        let mut maps = self.maps(survey)?;
        for index in 0..self.header.tables {
            let Some(found) = self.find(index)? else { continue };
            let entries = self.settled(index, &found.content, maps.as_mut(), survey.unit);
            let is_settled = match &found.content {
                Content::Lost => false,
                Content::One(table) => same(table, &entries),
                Content::Two(one, other) => same(one, &entries) && same(other, &entries),
            };
            if is_settled && found.bad.is_empty() {
                continue;
            }
            self.extent.rewrite_table(&mut self.extent.writer(), index, &found.bad, &entries)?;
        }
        self.extent.commit(&mut self.extent.writer())?;
        self.shared_tables.clear();
        self.false_tables.clear();
        Ok(())
    }

    /// All entries of a table as they are to be.
    fn settled(&mut self, index: u32, content: &Content, maps: Option<&mut Maps>, unit: u64) -> Vec<u32> {
        let (mut entries, _) = self.chosen(index, content);
        if let (Content::Two(one, other), Some(maps)) = (content, maps) {
            let entry =
                |table: &Table<u32>, at: usize| table.as_ref().map_or(UNALLOCATED, |entries| entries[at]);
            for (at, chosen) in entries.iter_mut().enumerate() {
                let pair = (entry(one, at), entry(other, at));
                if pair.0 != pair.1 {
                    *chosen = self.prefer(index, at, pair, maps, unit);
                }
            }
        }
        entries.resize(self.header.entries_per_table as usize, UNALLOCATED);
        entries
    }

    /// Chooses between two copies of an entry that differ, knowing what else is in the file.
    fn prefer(&mut self, index: u32, at: usize, (one, other): (u32, u32), maps: &mut Maps, unit: u64) -> u32 {
        let grain = self.first_grain(index) + at as u64;
        let units = |entry: u32| self.units(entry, unit);
        let stands_well = |entry| self.is_grain(grain, entry) && !maps.metadata.is_any_taken(units(entry));
        let other_is_free = stands_well(other) && !maps.named.is_any_taken(units(other));
        let keeps = match one {
            ZERO_GRAIN => true,
            UNALLOCATED => !other_is_free,
            _ => stands_well(one) && !(other_is_free && maps.twice.is_any_taken(units(one))),
        };
        if keeps {
            return one;
        }
        if other_is_free {
            maps.named.take(units(other));
            if let Says::Cut(missing) = self.judge(grain, other) {
                self.found(&Finding::GrainCut { sector: self.sector_of(index, at), entry: other, missing });
            }
            return other;
        }
        if self.judge(grain, other) == Says::NoGrain {
            return other;
        }
        let sector = self.sector_of(index, at);
        self.found(&match self.judge(grain, one) {
            Says::Outside => Finding::GrainOutside { sector, entry: one },
            _ => Finding::GrainInMetadata { sector, entry: one },
        });
        UNALLOCATED
    }

    /// The units of a grain.
    pub(super) fn units(&self, entry: u32, unit: u64) -> Range<u64> {
        let start = u64::from(entry);
        start / unit..(start + self.header.grain_size) / unit
    }

    /// Maps of the whole file; `None` when they would be too large.
    fn maps(&self, survey: &Survey) -> Result<Option<Maps>> {
        let all = 0..self.units_of_file(survey.unit);
        if all.end > WINDOW {
            return Ok(None);
        }
        let mut maps = Maps {
            metadata: self.metadata_map(all.clone(), survey.unit)?,
            named: SpaceMap::new(all.clone())?,
            twice: SpaceMap::new(all)?,
        };
        for index in 0..self.header.tables {
            // A redundant entry does not name its grain as long as it is not chosen.
            let Some(Found { content: Content::One(Some(table)) | Content::Two(Some(table), _), .. }) =
                self.find(index)?
            else {
                continue;
            };
            let first = self.first_grain(index);
            let grains = table[..self.header.entries_of(index)].iter().enumerate();
            for (_, &entry) in grains.filter(|(at, entry)| self.is_grain(first + *at as u64, **entry)) {
                let units = self.units(entry, survey.unit);
                if maps.named.is_any_taken(units.clone()) {
                    maps.twice.take(units.clone());
                }
                maps.named.take(units);
            }
        }
        Ok(Some(maps))
    }
}

/// Whether a table holds these entries.
fn same(table: &Table<u32>, entries: &[u32]) -> bool {
    match table {
        Some(table) => **table == *entries,
        None => entries.iter().all(|entry| *entry == UNALLOCATED),
    }
}
