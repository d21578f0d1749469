//! Data that is written in order goes to the device while more is being written, so that the flush in the end has
//! little left to wait for.

use std::ops::Range;
use std::sync::Mutex;

/// Bytes after which the device is told.
const STEP: u64 = 8 << 20;

/// Most bytes that may be left out between two writes of one sequence: holes.
const MOST_LEFT_OUT: u64 = 64 << 20;

/// What was written in order and has not been told of.
#[derive(Debug, Default)]
struct Sequence {
    start: u64,
    end: u64,
    bytes: u64,
}

/// Notices writes in order.
#[derive(Debug, Default)]
pub(super) struct WriteBehind(Mutex<Sequence>);

impl WriteBehind {
    /// Notes a write; returns the part of the file that the device should begin with now. Of writers at the same
    /// moment one is noted.
    pub(super) fn wrote(&self, offset: u64, bytes: u64) -> Option<Range<u64>> {
        let mut sequence = self.0.try_lock().ok()?;
        let follows = offset.checked_sub(sequence.end).is_some_and(|left_out| left_out <= MOST_LEFT_OUT);
        if !follows {
            *sequence = Sequence { start: offset, end: offset, bytes: 0 };
        }
        sequence.end = offset.saturating_add(bytes);
        sequence.bytes += bytes;
        if sequence.bytes < STEP {
            return None;
        }
        let told = sequence.start..sequence.end;
        (sequence.start, sequence.bytes) = (sequence.end, 0);
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn writes_in_order_are_told_of_once() {
        let behind = WriteBehind::default();
        let told: Vec<_> = (0..40).filter_map(|index| behind.wrote(index * 2 * MIB, MIB)).collect();
        assert_eq!(
            told,
            [0..15 * MIB, 15 * MIB..31 * MIB, 31 * MIB..47 * MIB, 47 * MIB..63 * MIB, 63 * MIB..79 * MIB]
        );
        assert_eq!(behind.wrote(79 * MIB, 20 * MIB), Some(79 * MIB..99 * MIB), "a large one at once");
    }

    #[test]
    fn other_writes_are_not() {
        let behind = WriteBehind::default();
        for index in (0..1000).rev() {
            assert_eq!(behind.wrote(index * MIB, MIB), None, "backwards");
        }
        for index in 1..1000 {
            assert_eq!(behind.wrote(index * 100 * MIB, 4 * MIB), None, "far from each other");
        }
        assert_eq!(behind.wrote(u64::MAX - 1, MIB), None, "no overflow");
    }
}
