//! Reading ahead of a sequential reader whose data is not in the host's cache. The kernel's own read-ahead keeps little
//! on the way; a device that takes many requests at once is several times as fast when told of more.

use std::sync::atomic::{AtomicU64, Ordering};

use super::chain::{Disk, Look};
use crate::format::extent::Source;
use crate::io::SECTOR_SIZE;

/// Fewest sectors of a request that counts as one of a sequential reader.
const LEAST_SECTORS: u64 = (64 << 10) / SECTOR_SIZE;

/// Sectors that the host is told of before they are read.
const WINDOW_SECTORS: u64 = (16 << 20) / SECTOR_SIZE;

/// Most runs that one request looks at.
const MOST_RUNS: usize = 256;

/// Where a sequential reader is. Readers beside each other disturb it, which costs speed only.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The sector behind the last large read.
    expected: AtomicU64,
    /// The host has been told of the sectors before this one; 0 when the reader finds its data in the cache.
    told: AtomicU64,
}

impl Ahead {
    /// Notes a read; whether it goes on where the last one ended.
    pub(super) fn continues(&self, start: u64, sectors: u64) -> bool {
        if sectors < LEAST_SECTORS {
            return false;
        }
        let before = self.expected.swap(start.saturating_add(sectors), Ordering::Relaxed);
        if before != start {
            self.told.store(0, Ordering::Relaxed);
        }
        before == start
    }
}

impl Disk {
    /// Tells the host what will be read behind sector `end`, when that was found missing (`cold`) or when it was told
    /// of what has just been read.
    pub(super) fn tell_ahead(&self, end: u64, cold: bool) {
        let told = self.ahead.told.load(Ordering::Relaxed);
        // Half a window at a time, so that not every read does this.
        if (told <= end && !cold) || told > end.saturating_add(WINDOW_SECTORS / 2) {
            return;
        }
        let last = end.saturating_add(WINDOW_SECTORS).min(self.sectors());
        let mut sector = told.clamp(end, last.max(end));
        for _ in 0..MOST_RUNS {
            if sector >= last {
                break;
            }
            // What is wrong with it shows when it is read in earnest.
            let Ok(run) = self.resolve(0, sector, last - sector, Look::Quick) else { break };
            if let Source::Data { storage, offset } = run.source {
                storage.will_read(offset, run.sectors.saturating_mul(SECTOR_SIZE));
            }
            sector += run.sectors;
        }
        self.ahead.told.store(sector, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_reads_in_order_continue_each_other() {
        let ahead = Ahead::default();
        assert!(ahead.continues(0, 128), "the first one, from the start of the disk");
        assert!(ahead.continues(128, 128));
        assert!(!ahead.continues(256, 8), "small");
        assert!(ahead.continues(256, 128), "a small read in between changes nothing");
        ahead.told.store(9, Ordering::Relaxed);
        assert!(!ahead.continues(1000, 128));
        assert_eq!(ahead.told.load(Ordering::Relaxed), 0);
        assert!(ahead.continues(1128, 128));
        assert!(!ahead.continues(u64::MAX, 128));
    }
}
