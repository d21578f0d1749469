//! Any bytes as a sparse extent: header, tables, runs and writes without a panic, a hang or a wrong byte.
//!
//! Run: `fuzz/smoke.sh 20 sparse`, or longer with `cargo fuzz run sparse`.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::format::extent::{Extent, Source};
use vixDiskLib::format::vmdk::sparse::extent::SparseExtent;
use vixDiskLib::format::vmdk::sparse::header::RawHeader;
use vixDiskLib::io::memory::MemoryFile;

/// Runs that are looked at; hostile tables may have one for every grain.
const MOST_RUNS: usize = 2000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(raw) = RawHeader::parse(bytes) else { return };
    let Ok(header) = raw.check(bytes.len() as u64) else { return };
    let file = Arc::new(MemoryFile::new(bytes.to_vec()));
    let Ok(extent) = SparseExtent::new(file, header, header.capacity, true) else { return };
    let mut sector = 0;
    for _ in 0..MOST_RUNS {
        if sector >= header.capacity {
            break;
        }
        let Ok(run) = extent.resolve(sector, header.capacity - sector) else {
            sector += header.grain_size;
            continue;
        };
        assert!(run.sectors > 0 && run.sectors <= header.capacity - sector);
        if let Source::Data { storage, offset } = run.source {
            // Past the end of the file this is an error, never other bytes.
            let _ = storage.read_exact_at(&mut [0; 512], offset);
        }
        sector += run.sectors;
    }
    let last = header.capacity - 1;
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
});
