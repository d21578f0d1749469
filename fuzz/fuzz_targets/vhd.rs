//! Any bytes as a VHD, alone or over a parent: opened, mapped and read as a client would, in memory.
//!
//! The first byte chooses: bit 0, the next four bytes tell how much of the rest is the disk, and what follows is its
//! parent `p.vhd`; bit 1, checksums are made right, since no fuzzer finds them.
//!
//! Run: `fuzz/smoke.sh 20 vhd`, or longer with `cargo fuzz run vhd`.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::disk::Disk;
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::io::Files;
use vixDiskLib::io::memory::MemoryFiles;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let (disk, parent) = if choice & 1 == 0 {
        (rest, None)
    } else {
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return };
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        (&rest[..length], Some(&rest[length..]))
    };
    let memory = MemoryFiles::default();
    for (name, bytes) in [("d.vhd", Some(disk)), ("./p.vhd", parent)] {
        let Some(bytes) = bytes else { continue };
        let mut bytes = bytes.to_vec();
        if choice & 2 != 0 {
            seal(&mut bytes);
        }
        memory.insert(name, bytes);
    }
    let files: Arc<dyn Files> = Arc::new(memory);
    let alone = Options { read_only: true, single_link: true };
    let Ok(disk) = open(&files, Path::new("d.vhd"), alone) else { return };
    read(&disk);
    if disk.links()[0].has_parent() {
        let chain = Options { single_link: false, ..alone };
        if let Ok(disk) = open(&files, Path::new("d.vhd"), chain) {
            read(&disk);
        }
    }
});

/// Looks at a disk from all sides; what is read twice is the same.
fn read(disk: &Disk) {
    let sectors = disk.sectors();
    let _ = disk.info();
    let _ = disk.allocated_blocks(0, sectors.min(1 << 20), 128);
    let mut buffer = vec![0x11; 700 * 512];
    for start in [0, sectors / 3, sectors.saturating_sub(700)] {
        let count = (sectors - start).min(700) as usize;
        let whole = disk.read(start, &mut buffer[..count * 512]).is_ok();
        let mut sector = [0x22; 512];
        let alone = disk.read(start, &mut sector).is_ok();
        assert!(!whole || alone && sector == buffer[..512], "sector {start} reads differently alone");
    }
}

/// Makes the checksum of every footer and header right.
fn seal(bytes: &mut [u8]) {
    let places = [(0, 512, 64), (512, 1024, 36), (bytes.len().saturating_sub(512), 512, 64)];
    for (start, length, field) in places {
        let Some(piece) = bytes.get_mut(start..start + length) else { continue };
        piece[field..field + 4].fill(0);
        let sum: u32 = piece.iter().map(|byte| u32::from(*byte)).sum();
        piece[field..field + 4].copy_from_slice(&(!sum).to_be_bytes());
    }
}
