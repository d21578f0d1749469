//! Any bytes as a disk: opened, described, mapped, read and written as a client would, in memory.
//!
//! The first byte chooses: even, the rest is one file; odd, two bytes tell how much of the rest is a descriptor,
//! and what follows is its extent `e.vmdk`.
//!
//! Run: `fuzz/smoke.sh 20 image`, or longer with `cargo fuzz run image`.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::io::Files;
use vixDiskLib::io::memory::MemoryFiles;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let memory = MemoryFiles::default();
    if choice % 2 == 0 {
        memory.insert("d.vmdk", rest.to_vec());
    } else {
        let Some((length, rest)) = rest.split_first_chunk::<2>() else { return };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        memory.insert("d.vmdk", rest[..length].to_vec());
        memory.insert("./e.vmdk", rest[length..].to_vec());
    }
    let files: Arc<dyn Files> = Arc::new(memory);
    let Ok(disk) = open(&files, Path::new("d.vmdk"), Options::default()) else { return };
    let sectors = disk.sectors();
    let _ = disk.info();
    for key in disk.metadata_keys() {
        let _ = disk.metadata(&key);
    }
    let _ = disk.allocated_blocks(0, sectors.min(1 << 24), 128);
    let mut buffer = vec![0; 700 * 512];
    for start in [0, sectors / 3, sectors.saturating_sub(700)] {
        let count = (sectors - start).min(700) as usize;
        let _ = disk.read(start, &mut buffer[..count * 512]);
    }
    let data = vec![0x5A; 130 * 512];
    for start in [0, sectors / 2, sectors.saturating_sub(130)] {
        let count = (sectors - start).min(130) as usize;
        if disk.write(start, &data[..count * 512]).is_ok() {
            disk.read(start, &mut buffer[..count * 512]).expect("just written");
            assert_eq!(buffer[..count * 512], data[..count * 512]);
        }
    }
    let _ = disk.set_metadata(b"fuzz", b"1");
    let _ = disk.finish();
});
