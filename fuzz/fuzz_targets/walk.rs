//! What every format of extents must stand: its runs are walked, and sectors are written and read back.

use vixDiskLib::format::extent::{Extent, Source};

/// Runs that are looked at; hostile tables may have one for every grain.
const MOST_RUNS: usize = 2000;

/// Sectors of the longest run that is asked for; a hostile header may claim terabytes of nothing.
const LONGEST: u64 = 1 << 20;

/// Walks the runs of an extent; where one cannot be told, it goes on `step` sectors further.
pub fn walk(extent: &dyn Extent, step: u64) {
    let capacity = extent.sectors();
    let mut sector = 0;
    for _ in 0..MOST_RUNS {
        if sector >= capacity {
            break;
        }
        let limit = LONGEST.min(capacity - sector);
        let Ok(run) = extent.resolve(sector, limit) else {
            sector += step;
            continue;
        };
        assert!(run.sectors > 0 && run.sectors <= limit);
        if let Source::Data { storage, offset } = run.source {
            // Past the end of the file this is an error, never other bytes.
            let _ = storage.read_exact_at(&mut [0; 512], offset);
        }
        sector += run.sectors;
    }
}

/// Writes the first sector, the last and one between, and reads each back.
#[allow(dead_code, reason = "not every format takes writes")]
pub fn write(extent: &dyn Extent) {
    let last = extent.sectors() - 1;
    for sector in [0, last / 2, last] {
        let data = [sector as u8 | 1; 512];
        if extent.write(sector, &data, None).is_ok() {
            let run = extent.resolve(sector, 1).expect("just written");
            let Source::Data { storage, offset } = run.source else { panic!("just written, but {run:?}") };
            let mut back = [0; 512];
            storage.read_exact_at(&mut back, offset).expect("just written");
            assert_eq!(back, data);
        }
    }
    let _ = extent.finish();
}
