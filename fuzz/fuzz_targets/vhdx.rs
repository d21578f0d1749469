//! Any bytes as a VHDX, alone or over a parent: opened with its log, mapped and read as a client would, in memory.
//!
//! A VHDX has megabytes of which few bytes matter, so the input is a list of pieces: six bytes with the file (the top
//! bit; 1 is the parent `p.vhdx`), the place in units of 8 bytes and the length, then the bytes. Each file has 8 MiB.
//! The first byte of the input chooses: bit 0, checksums are made right, since no fuzzer finds them.
//!
//! Run: `fuzz/smoke.sh 20 vhdx`, or longer with `cargo fuzz run vhdx`.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::disk::Disk;
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::format::crc32c;
use vixDiskLib::io::Files;
use vixDiskLib::io::memory::MemoryFiles;

const LENGTH: usize = 8 << 20;
const LOG: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let mut contents = [vec![0; LENGTH], vec![0; LENGTH]];
    while let Some((head, after)) = rest.split_first_chunk::<6>() {
        let place = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let length = usize::from(u16::from_le_bytes([head[4], head[5]])).min(after.len());
        let content = &mut contents[(place >> 31) as usize];
        let start = (place & 0x7fff_ffff) as usize * 8 % LENGTH;
        let fits = length.min(LENGTH - start);
        content[start..start + fits].copy_from_slice(&after[..fits]);
        rest = &after[length..];
    }
    if choice & 1 != 0 {
        contents.iter_mut().for_each(|content| seal(content));
    }
    let [disk, parent] = contents;
    let memory = MemoryFiles::default();
    memory.insert("d.vhdx", disk);
    memory.insert("./p.vhdx", parent);
    let files: Arc<dyn Files> = Arc::new(memory);
    let alone = Options { read_only: true, single_link: true };
    let Ok(disk) = open(&files, Path::new("d.vhdx"), alone) else { return };
    read(&disk);
    if disk.links()[0].has_parent() {
        let chain = Options { single_link: false, ..alone };
        if let Ok(disk) = open(&files, Path::new("d.vhdx"), chain) {
            read(&disk);
        }
    }
});

/// Looks at a disk from all sides; what is read twice is the same.
fn read(disk: &Disk) {
    let sectors = disk.sectors();
    let _ = disk.info();
    let _ = disk.allocated_blocks(0, sectors.min(1 << 20), 128);
    let mut buffer = vec![0x11; 300 * 512];
    for start in [0, sectors / 3, 2048u64.min(sectors - 1), sectors.saturating_sub(300)] {
        let count = (sectors - start).min(300) as usize;
        let whole = disk.read(start, &mut buffer[..count * 512]).is_ok();
        let mut sector = [0x22; 512];
        let alone = disk.read(start, &mut sector).is_ok();
        assert!(!whole || alone && sector == buffer[..512], "sector {start} reads differently alone");
    }
}

/// Makes the checksums of headers and lists of regions right, and of the entries that stand in the log of a MiB at
/// its usual place.
fn seal(content: &mut [u8]) {
    for (start, length) in [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 65_536), (256 << 10, 65_536)] {
        if content[start..start + 4] != [0; 4] {
            put_checksum(&mut content[start..start + length]);
        }
    }
    let mut start = LOG;
    while start < 2 * LOG {
        let length = u32::from_le_bytes([8, 9, 10, 11].map(|at| content[start + at])) as usize;
        let entry = content[start..].starts_with(b"loge") && length % 4096 == 0 && length > 0;
        let step = if entry && length <= 2 * LOG - start { length } else { 4096 };
        if step == length {
            put_checksum(&mut content[start..start + length]);
        }
        start += step;
    }
}

fn put_checksum(block: &mut [u8]) {
    let checksum = crc32c::of_block(block);
    block[4..8].copy_from_slice(&checksum.to_le_bytes());
}
