//! Any bytes as a sparse extent: header, tables, runs and writes without a panic, a hang or a wrong byte.
//!
//! Run: `fuzz/smoke.sh 20 sparse`, or longer with `cargo fuzz run sparse`.
#![no_main]

mod walk;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::format::vmdk::sparse::SparseExtent;
use vixDiskLib::format::vmdk::sparse::header::RawHeader;
use vixDiskLib::io::memory::MemoryFile;

fuzz_target!(|bytes: &[u8]| {
    let Ok(raw) = RawHeader::parse(bytes) else { return };
    let Ok(header) = raw.check(bytes.len() as u64) else { return };
    let file = Arc::new(MemoryFile::new(bytes.to_vec()));
    let Ok(extent) = SparseExtent::new(file, header, header.capacity, true) else { return };
    walk::walk(&extent, header.grain_size);
    walk::write(&extent);
});
