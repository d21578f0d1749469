//! Any bytes as an seSparse extent: headers, tables and runs without a panic, a hang or a wrong byte.
//!
//! Run: `fuzz/smoke.sh 20 sesparse`, or longer with `cargo fuzz run sesparse`.
#![no_main]

mod walk;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::format::vmdk::sesparse::extent::SeSparseExtent;
use vixDiskLib::format::vmdk::sesparse::header::{GRAIN_SIZE, Header};
use vixDiskLib::io::memory::MemoryFile;

fuzz_target!(|bytes: &[u8]| {
    let file = Arc::new(MemoryFile::new(bytes.to_vec()));
    let Ok(header) = Header::read(&*file) else { return };
    let Ok(extent) = SeSparseExtent::open(file, header.capacity) else { return };
    walk::walk(&extent, GRAIN_SIZE);
});
