//! Any bytes as a stream: the whole image is looked at and read, in large pieces and in small ones, which must agree;
//! then it is continued, and read again.
//!
//! Run: `fuzz/smoke.sh 20 stream`, or longer with `cargo fuzz run stream`.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::error::Result;
use vixDiskLib::format::extent::{Extent, Source};
use vixDiskLib::format::vmdk::sparse::header::RawHeader;
use vixDiskLib::format::vmdk::stream::extent::StreamExtent;
use vixDiskLib::io::memory::MemoryFile;

/// Sectors of the image that are read at its start and at its end.
const MOST_SECTORS: u64 = 8192;

fn open(file: &MemoryFile) -> Option<StreamExtent> {
    let raw = RawHeader::parse(&file.to_vec()).ok()?;
    StreamExtent::open(Arc::new(file.clone()), &raw, raw.capacity.get(), true).ok()
}

/// What a reader sees.
fn read(extent: &StreamExtent, sector: u64, sectors: u64) -> Result<Vec<u8>> {
    let mut content = vec![0xAA; (sectors * 512) as usize];
    let mut done = 0;
    while done < sectors {
        let run = extent.resolve(sector + done, sectors - done)?;
        assert!(run.sectors > 0 && run.sectors <= sectors - done);
        let piece = &mut content[(done * 512) as usize..][..(run.sectors * 512) as usize];
        match run.source {
            Source::Compressed { grains, sector } => grains.read(sector, piece)?,
            Source::Data { .. } => panic!("a stream has no plain data"),
            _ => piece.fill(0),
        }
        done += run.sectors;
    }
    Ok(content)
}

fuzz_target!(|bytes: &[u8]| {
    let file = MemoryFile::new(bytes.to_vec());
    let Some(extent) = open(&file) else { return };
    let capacity = extent.sectors();
    if capacity == 0 {
        return;
    }
    let count = capacity.min(MOST_SECTORS);
    let before = read(&extent, 0, count);
    let _ = read(&extent, capacity - count, count);
    for sector in [0, count / 3, count - 1] {
        let part = read(&extent, sector, (count - sector).min(3));
        if let (Ok(whole), Ok(part)) = (&before, &part) {
            assert!(whole[(sector * 512) as usize..].starts_with(part));
        }
        assert!(before.is_err() || part.is_ok());
    }
    // Continued at every place that it may be continued at; the others are refused.
    let mut written = Vec::new();
    for sector in [0, capacity / 3, capacity / 2, capacity - 1] {
        let data = vec![sector as u8 | 1; ((capacity - sector).min(150) * 512) as usize];
        if extent.write(sector, &data, None).is_ok() {
            written.push((sector, data));
        }
    }
    let check = |extent: &StreamExtent| {
        for (sector, data) in &written {
            assert!(read(extent, *sector, data.len() as u64 / 512).expect("just written") == *data);
        }
        if let (Ok(before), Some((first, _))) = (&before, written.first().or(Some(&(count, Vec::new())))) {
            let kept = count.min(*first);
            assert!(read(extent, 0, kept).expect("as before") == before[..(kept * 512) as usize]);
        }
    };
    check(&extent);
    if extent.finish().is_ok() {
        drop(extent);
        check(&open(&file).expect("just ended"));
    }
});
