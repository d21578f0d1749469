//! Which parts of a file are taken: one bit for each unit of so many sectors, in a window of the file.

use std::ops::Range;

use crate::error::{Error, Kind, Result};

/// Most units that one map covers, 64 MiB of bits: the 2 TiB that an extent can have, in grains of 4 KiB.
pub(in crate::format::vmdk) const MAX_UNITS: u64 = 1 << 29;

const BITS: u64 = u64::BITS as u64;

/// A map of units; bit 0 of the first word is unit `first`.
#[derive(Debug)]
pub(in crate::format::vmdk) struct SpaceMap {
    first: u64,
    units: u64,
    words: Vec<u64>,
}

impl SpaceMap {
    /// A map of free units.
    ///
    /// # Errors
    /// `NotSupported` for more than [`MAX_UNITS`].
    pub(in crate::format::vmdk) fn new(units: Range<u64>) -> Result<Self> {
        let count = units.end.saturating_sub(units.start);
        if count > MAX_UNITS {
            let text = format!("a map of {count} grains would take too much memory");
            return Err(Error::new(Kind::NotSupported, text));
        }
        Ok(Self { first: units.start, units: count, words: vec![0; count.div_ceil(BITS) as usize] })
    }

    /// The units of the map.
    pub(in crate::format::vmdk) fn range(&self) -> Range<u64> {
        self.first..self.first + self.units
    }

    /// The unit behind the last one that is taken; the first unit when none is.
    pub(in crate::format::vmdk) fn taken_end(&self) -> u64 {
        let last = self.words.iter().rposition(|word| *word != 0);
        last.map_or(self.first, |word| {
            self.first + (word as u64 + 1) * BITS - u64::from(self.words[word].leading_zeros())
        })
    }

    fn end(&self) -> u64 {
        self.first + self.units
    }

    /// Makes the map longer by free units, as far as [`MAX_UNITS`] allows.
    ///
    /// # Errors
    /// As for [`SpaceMap::new`].
    pub(in crate::format::vmdk) fn extend_to(&mut self, end: u64) -> Result<()> {
        let longer = Self::new(self.first..end.max(self.end()))?;
        self.units = longer.units;
        self.words.resize(longer.words.len(), 0);
        Ok(())
    }

    /// The word of a unit and its bit in it.
    fn place(&self, unit: u64) -> Option<(usize, u64)> {
        let index = unit.checked_sub(self.first).filter(|index| *index < self.units)?;
        Some(((index / BITS) as usize, 1 << (index % BITS)))
    }

    /// Whether a unit is taken; those outside of the map are.
    #[cfg(test)]
    pub(in crate::format::vmdk) fn is_taken(&self, unit: u64) -> bool {
        self.place(unit).is_none_or(|(word, bit)| self.words[word] & bit != 0)
    }

    /// Whether any unit is taken, as far as the map goes.
    pub(in crate::format::vmdk) fn is_any_taken(&self, units: Range<u64>) -> bool {
        self.masks(units).any(|(word, mask)| self.words[word] & mask != 0)
    }

    /// Takes units, as far as the map goes.
    pub(in crate::format::vmdk) fn take(&mut self, units: Range<u64>) {
        for (word, mask) in self.masks(units) {
            self.words[word] |= mask;
        }
    }

    /// Gives a unit back.
    pub(in crate::format::vmdk) fn release(&mut self, unit: u64) {
        if let Some((word, bit)) = self.place(unit) {
            self.words[word] &= !bit;
        }
    }

    /// Number of units in a range that neither this map nor another one of the same window has taken.
    pub(in crate::format::vmdk) fn free_beside(&self, other: &Self, units: Range<u64>) -> u64 {
        let free =
            |(word, mask): (usize, u64)| mask & !(self.words[word] | other.words.get(word).unwrap_or(&0));
        self.masks(units).map(|place| u64::from(free(place).count_ones())).sum()
    }

    /// Number of units in a range that are free.
    pub(in crate::format::vmdk) fn free(&self, units: Range<u64>) -> u64 {
        self.masks(units).map(|(word, mask)| u64::from((mask & !self.words[word]).count_ones())).sum()
    }

    /// The first free unit from `from` on.
    pub(in crate::format::vmdk) fn next_free(&self, from: u64) -> Option<u64> {
        let mut unit = from.max(self.first);
        while let Some((word, bit)) = self.place(unit) {
            let free = !self.words[word] & !(bit - 1);
            if free != 0 {
                let found = self.first + word as u64 * BITS + u64::from(free.trailing_zeros());
                return (found < self.end()).then_some(found);
            }
            unit = self.first + (word as u64 + 1) * BITS;
        }
        None
    }

    /// The last free unit before `before`.
    pub(in crate::format::vmdk) fn last_free(&self, before: u64) -> Option<u64> {
        let mut unit = before.min(self.end()).checked_sub(1)?;
        while let Some((word, bit)) = self.place(unit) {
            let free = !self.words[word] & (bit | (bit - 1));
            if free != 0 {
                return Some(self.first + word as u64 * BITS + (BITS - 1 - u64::from(free.leading_zeros())));
            }
            unit = (self.first + word as u64 * BITS).checked_sub(1)?;
        }
        None
    }

    /// The words of a range of units, each with the bits that belong to it.
    fn masks(&self, units: Range<u64>) -> impl Iterator<Item = (usize, u64)> + use<> {
        let start = (units.start.max(self.first) - self.first).min(self.units);
        let end = units.end.min(self.end()).saturating_sub(self.first).max(start);
        (start / BITS..end.div_ceil(BITS)).map(move |word| {
            let low = start.saturating_sub(word * BITS);
            let high = (end - word * BITS).min(BITS);
            (word as usize, (u64::MAX << low) & (u64::MAX >> (BITS - high)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_taken_found_and_given_back() {
        for first in [0, 5, 1000] {
            let mut map = SpaceMap::new(first..first + 200).unwrap();
            assert_eq!(map.taken_end(), first);
            assert_eq!((map.next_free(0), map.last_free(u64::MAX)), (Some(first), Some(first + 199)));
            map.take(first + 3..first + 150);
            map.take(0..first + 2);
            assert_eq!(map.taken_end(), first + 150);
            assert_eq!((map.free(0..u64::MAX), map.free(first..first + 4)), (51, 1));
            let mut other = SpaceMap::new(first..first + 200).unwrap();
            other.take(first + 190..u64::MAX);
            assert_eq!(map.free_beside(&other, 0..u64::MAX), 41);
            map.take(first + 500..first + 600);
            assert_eq!(map.next_free(first), Some(first + 2));
            assert_eq!(map.next_free(first + 3), Some(first + 150));
            assert_eq!(map.last_free(first + 150), Some(first + 2));
            assert_eq!(map.last_free(first + 2), None);
            assert!(map.is_any_taken(first + 2..first + 4) && !map.is_any_taken(first + 2..first + 3));
            map.release(first + 70);
            assert_eq!(
                (map.next_free(first + 3), map.last_free(first + 100)),
                (Some(first + 70), Some(first + 70))
            );
            map.take(first + 150..first + 500);
            assert_eq!(map.next_free(first + 71), None);
            map.extend_to(first + 300).unwrap();
            assert_eq!((map.next_free(first + 71), map.end()), (Some(first + 200), first + 300));
            assert!(map.is_taken(first + 300), "what the map does not know is not free");
        }
    }

    #[test]
    fn a_map_stays_small() {
        assert!(SpaceMap::new(0..MAX_UNITS + 1).is_err());
        let mut map = SpaceMap::new(7..8).unwrap();
        assert!(map.extend_to(MAX_UNITS + 100).is_err());
    }
}
