//! Any bytes as an ESX redo log: header, tables, runs and writes without a panic, a hang or a wrong byte.
//!
//! Run: `fuzz/smoke.sh 20 cowd`, or longer with `cargo fuzz run cowd`.
#![no_main]

mod walk;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::format::vmdk::cowd::header::Header;
use vixDiskLib::format::vmdk::cowd::open;
use vixDiskLib::io::memory::MemoryFile;

fuzz_target!(|bytes: &[u8]| {
    let file = Arc::new(MemoryFile::new(bytes.to_vec()));
    let Ok(header) = Header::read(&*file) else { return };
    let Ok(extent) = open(file, u64::from(header.capacity), true) else { return };
    walk::walk(&extent, u64::from(header.grain_size));
    walk::write(&extent);
});
