//! Any bytes as a sparse extent: it is checked and repaired; then a check finds no more damage, and everything can be
//! read, shrunk, defragmented and grown without a change of what it shows.
//!
//! Run: `fuzz/smoke.sh 20 check`, or longer with `cargo fuzz run check`.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::format::extent::{Extent, Source};
use vixDiskLib::format::vmdk::sparse::check::check;
use vixDiskLib::format::vmdk::sparse::SparseExtent;
use vixDiskLib::format::vmdk::sparse::grow::grow;
use vixDiskLib::format::vmdk::sparse::header::RawHeader;
use vixDiskLib::io::Storage;
use vixDiskLib::io::memory::MemoryFile;

/// Sectors that are read and compared; hostile headers tell of more than there is time for.
const MOST_SECTORS: u64 = 4096;

/// Tables of an extent that are gone through; each of them is looked at many times.
const MOST_TABLES: u32 = 4096;

fn open(file: &MemoryFile) -> Option<SparseExtent> {
    let bytes = file.to_vec();
    let header = RawHeader::parse(&bytes).ok()?.check(bytes.len() as u64).ok()?;
    SparseExtent::new(Arc::new(file.clone()), header, header.capacity, true).ok()
}

/// The first and the last sectors.
fn read(extent: &SparseExtent, capacity: u64) -> Vec<u8> {
    let mut content = Vec::new();
    for start in [0, capacity.saturating_sub(MOST_SECTORS)] {
        let end = capacity.min(start + MOST_SECTORS);
        let mut sector = start;
        while sector < end {
            let run = extent.resolve(sector, end - sector).expect("it was repaired");
            let mut piece = vec![0; (run.sectors * 512) as usize];
            if let Source::Data { storage, offset } = run.source {
                storage.read_exact_at(&mut piece, offset).expect("it was repaired");
            }
            content.extend(piece);
            sector += run.sectors;
        }
    }
    content
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(raw) = RawHeader::parse(bytes) else { return };
    let tables = |capacity: u64, grain: u64, entries: u64| capacity / grain.max(1) / entries.max(1);
    if tables(raw.capacity.get(), raw.grain_size.get(), raw.entries_per_table.get().into()) > MOST_TABLES.into() {
        return;
    }
    let file = MemoryFile::new(bytes.to_vec());
    let storage: Arc<dyn Storage> = Arc::new(file.clone());
    let Ok(before) = check(&storage, false, &mut |_| ()) else {
        assert!(file.to_vec() == bytes);
        let _ = check(&storage, true, &mut |_| ());
        return;
    };
    assert!(file.to_vec() == bytes, "a check changes nothing");
    // What would need too many copies is given up.
    let Ok(summary) = check(&storage, true, &mut |_| ()) else { return };
    if summary.beyond_repair > 0 {
        assert!(before.beyond_repair > 0);
        return;
    }
    let mut found = Vec::new();
    let after = check(&storage, false, &mut |finding| found.push(finding.clone())).expect("it was repaired");
    assert!(after.damage == 0 && !after.unclean, "{found:?}");
    let extent = open(&file).expect("it was repaired");
    let capacity = extent.sectors();
    // A repair may leave the file as long as a file in memory can be.
    let content = read(&extent, capacity);
    if extent.shrink(false, &mut |_| ()).is_ok() {
        assert!(read(&extent, capacity) == content);
    }
    if extent.defragment(&mut |_| ()).is_ok() {
        assert!(read(&extent, capacity) == content);
    }
    extent.finish().expect("in memory");
    assert_eq!(check(&storage, false, &mut |_| ()).expect("it was repaired").damage, 0);
    if grow(&storage, capacity + 1000, &mut |_| ()).is_ok() {
        let extent = open(&file).expect("it was grown");
        assert!(read(&extent, capacity) == content);
        assert_eq!(check(&storage, false, &mut |_| ()).expect("it was grown").damage, 0);
    }
});
