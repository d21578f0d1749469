//! Which bytes of a read have come.

use std::collections::BTreeMap;

/// Ranges that never overlap.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// Ends by starts; neighbours are joined.
    ranges: BTreeMap<u32, u32>,
    bytes: u32,
    /// How many came.
    parts: u32,
}

/// Fragments that a request may come in: one for each so many bytes, and some more. Each one takes memory.
const BYTES_OF_PART: u32 = 512;
const MORE_PARTS: u32 = 64;

impl Covered {
    /// Adds a range; false when something of it is there already, it is empty or leaves `total`, or there are too many.
    pub(super) fn add(&mut self, start: u32, length: u32, total: u32) -> bool {
        let Some(mut end) = start.checked_add(length).filter(|end| length > 0 && *end <= total) else {
            return false;
        };
        self.parts += 1;
        if self.parts > total / BYTES_OF_PART + MORE_PARTS {
            return false;
        }
        let mut begin = start;
        let before = self.ranges.range(..=start).next_back().map(|(begin, end)| (*begin, *end));
        let after = self.ranges.range(start..).next().map(|(begin, end)| (*begin, *end));
        if before.is_some_and(|(_, old)| old > start) || after.is_some_and(|(next, _)| next < end) {
            return false;
        }
        if let Some((old, _)) = before.filter(|(_, old)| *old == start) {
            begin = old;
        }
        if let Some((next, last)) = after.filter(|(next, _)| *next == end) {
            self.ranges.remove(&next);
            end = last;
        }
        self.ranges.insert(begin, end);
        self.bytes += length;
        true
    }

    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }
}
