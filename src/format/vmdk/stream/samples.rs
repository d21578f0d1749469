//! Streams for tests, put together here byte by byte in the ways of several writers, and looking at them.

use std::collections::BTreeMap;
use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};

use super::extent::StreamExtent;
use super::layout;
use crate::error::Result;
use crate::format::extent::{Extent, Source};
use crate::format::vmdk::sparse::header::RawHeader;
use crate::io::memory::MemoryFile;
use crate::io::{ByteOffset, Storage};

/// Where the directory is, and what ends the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As VMware: tables behind their grains, a footer.
    Footer,
    /// As QEMU: all tables at the front, twice; nothing behind the last grain.
    Front,
    /// As open-vmdk: all tables at the front, once; an end marker.
    FrontAndEnd,
}

/// What a stream is made of.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) style: Style,
    pub(super) capacity: u64,
    pub(super) grain_size: u64,
    pub(super) per_table: u64,
    pub(super) level: u32,
    /// The last grain holds only what is inside the capacity.
    pub(super) short_last: bool,
    /// Sectors of zeros before each table and directory.
    pub(super) gap: usize,
    /// Decoded grains by their number.
    pub(super) grains: BTreeMap<u64, Vec<u8>>,
}

impl Sample {
    pub(super) fn new(style: Style, capacity: u64) -> Self {
        let (grain_size, per_table) = (128, 512);
        let short_last = style == Style::Front;
        let grains = BTreeMap::new();
        Self { style, capacity, grain_size, per_table, level: 1, short_last, gap: 0, grains }
    }

    pub(super) fn grain_bytes(&self) -> usize {
        self.grain_size as usize * 512
    }

    /// Gives some grains a content of their own.
    pub(super) fn fill(mut self, grains: impl IntoIterator<Item = u64>) -> Self {
        for grain in grains {
            let content =
                (0..self.grain_bytes()).map(|at| (grain as usize * 31 + at / 700 + at % 11) as u8 | 1);
            let content = content.collect();
            self.grains.insert(grain, content);
        }
        self
    }

    /// The content of the disk.
    pub(super) fn content(&self) -> Vec<u8> {
        let mut content = vec![0; (self.capacity * 512) as usize];
        for (grain, data) in &self.grains {
            let start = *grain as usize * self.grain_bytes();
            let end = content.len().min(start + data.len());
            content[start..end].copy_from_slice(&data[..end - start]);
        }
        content
    }

    fn tables(&self) -> u64 {
        self.capacity.div_ceil(self.grain_size * self.per_table)
    }

    /// The header as bytes; `directory` is a sector.
    pub(super) fn header(&self, directory: u64, overhead: u64) -> Vec<u8> {
        let mut header = b"KDMV".to_vec();
        let flags: u32 = if self.style == Style::Front { 0x30003 } else { 0x30001 };
        header.extend(3u32.to_le_bytes());
        header.extend(flags.to_le_bytes());
        for number in [self.capacity, self.grain_size, 1, 20] {
            header.extend(number.to_le_bytes());
        }
        header.extend((self.per_table as u32).to_le_bytes());
        let redundant = if self.style == Style::Front { 21 } else { 0 };
        for number in [redundant, directory, overhead] {
            header.extend(number.to_le_bytes());
        }
        header.extend(b"\0\n \r\n\x01\0");
        header.resize(512, 0);
        header
    }

    /// The record of a grain, from its marker to the end of its last sector.
    pub(super) fn record(&self, grain: u64, data: &[u8]) -> Vec<u8> {
        let used = (self.capacity - grain * self.grain_size).min(self.grain_size) as usize * 512;
        let data = if self.short_last { &data[..used] } else { data };
        let mut compressed = vec![0; data.len() * 2 + 1000];
        let mut encoder = Compress::new(Compression::new(self.level), true);
        encoder.compress(data, &mut compressed, FlushCompress::Finish).unwrap();
        compressed.truncate(encoder.total_out() as usize);
        record(grain * self.grain_size, &compressed)
    }

    /// The whole file.
    pub(super) fn file(&self) -> MemoryFile {
        MemoryFile::new(self.build())
    }

    pub(super) fn build(&self) -> Vec<u8> {
        match self.style {
            Style::Footer => self.build_with_footer(),
            Style::Front | Style::FrontAndEnd => self.build_with_front(),
        }
    }

    fn build_with_footer(&self) -> Vec<u8> {
        let mut file = self.header(u64::MAX, 128);
        file.resize(128 * 512, 0);
        let mut directory = vec![0u8; self.tables() as usize * 4];
        for table in 0..self.tables() {
            let first = table * self.per_table;
            let mut entries = vec![0u8; self.per_table as usize * 4];
            for (grain, data) in self.grains.range(first..first + self.per_table) {
                let at = (grain - first) as usize * 4;
                entries[at..at + 4].copy_from_slice(&sector_of(&file).to_le_bytes());
                file.extend(self.record(*grain, data));
            }
            if entries.iter().any(|byte| *byte != 0) {
                self.metadata(&mut file, 1, &entries);
                let sector = sector_of(&file) - (entries.len() as u32).div_ceil(512);
                directory[table as usize * 4..][..4].copy_from_slice(&sector.to_le_bytes());
            }
        }
        self.metadata(&mut file, 2, &directory);
        let sector = sector_of(&file) - (directory.len() as u32).div_ceil(512);
        self.metadata(&mut file, 3, &self.header(u64::from(sector), 128));
        file.resize(file.len() + 512, 0);
        file
    }

    fn build_with_front(&self) -> Vec<u8> {
        let table_bytes = (self.per_table as usize * 4).next_multiple_of(512);
        let directory_bytes = (self.tables() as usize * 4).next_multiple_of(512);
        let copies = if self.style == Style::Front { 2 } else { 1 };
        let set_bytes = directory_bytes + self.tables() as usize * table_bytes;
        let directory = 21 + (copies - 1) * (set_bytes / 512);
        let overhead = (directory + set_bytes / 512).next_multiple_of(128);
        let mut file = self.header(directory as u64, overhead as u64);
        file.resize(overhead * 512, 0);
        let mut entries = vec![0u8; self.tables() as usize * table_bytes];
        for (grain, data) in &self.grains {
            let at = (grain / self.per_table) as usize * table_bytes + (grain % self.per_table) as usize * 4;
            entries[at..at + 4].copy_from_slice(&sector_of(&file).to_le_bytes());
            file.extend(self.record(*grain, data));
        }
        for copy in 0..copies {
            let start = (21 * 512) + copy * set_bytes;
            let first = (start + directory_bytes) / 512;
            for table in 0..self.tables() as usize {
                let sector = (first + table * table_bytes / 512) as u32;
                file[start + table * 4..][..4].copy_from_slice(&sector.to_le_bytes());
            }
            file[start + directory_bytes..][..entries.len()].copy_from_slice(&entries);
        }
        if self.style == Style::FrontAndEnd {
            file.resize(file.len() + 512, 0);
        }
        file
    }

    /// Adds a marker and what it announces.
    fn metadata(&self, file: &mut Vec<u8>, kind: u32, payload: &[u8]) {
        file.resize(file.len() + self.gap * 512, 0);
        file.extend((payload.len().div_ceil(512) as u64).to_le_bytes());
        file.extend(0u32.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.resize(file.len().next_multiple_of(512), 0);
        file.extend(payload);
        file.resize(file.len().next_multiple_of(512), 0);
    }
}

/// A grain marker, compressed data, and zeros up to the end of the sector.
pub(super) fn record(sector: u64, compressed: &[u8]) -> Vec<u8> {
    let mut record = sector.to_le_bytes().to_vec();
    record.extend((compressed.len() as u32).to_le_bytes());
    record.extend(compressed);
    record.resize(record.len().next_multiple_of(512), 0);
    record
}

fn sector_of(file: &[u8]) -> u32 {
    assert_eq!(file.len() % 512, 0);
    (file.len() / 512) as u32
}

pub(super) const STYLES: [Style; 3] = [Style::Footer, Style::Front, Style::FrontAndEnd];

/// An empty stream of ours.
pub(super) fn empty(capacity: u64) -> MemoryFile {
    let file = MemoryFile::default();
    layout::create(&file, capacity, b"# Disk DescriptorFile\n").unwrap();
    file
}

/// As [`empty`], with small grains and tables, so that a small disk has many of them.
pub(super) fn small(capacity: u64) -> MemoryFile {
    small_sample(Style::Footer, capacity).file()
}

pub(super) fn small_sample(style: Style, capacity: u64) -> Sample {
    let mut sample = Sample::new(style, capacity);
    (sample.grain_size, sample.per_table) = (8, 16);
    sample
}

pub(super) fn try_open(storage: Arc<dyn Storage>) -> Result<StreamExtent> {
    let mut start = vec![0; storage.length()?.min(512) as usize];
    storage.read_exact_at(&mut start, ByteOffset(0))?;
    let front = RawHeader::parse(&start)?;
    StreamExtent::open(storage, &front, front.capacity.get(), true)
}

pub(super) fn open(file: &MemoryFile) -> StreamExtent {
    try_open(Arc::new(file.clone())).unwrap()
}

/// Reads through the runs, as the engine does.
pub(super) fn try_read(extent: &StreamExtent, sector: u64, sectors: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let end = sector + sectors;
    let mut position = sector;
    while position < end {
        let run = extent.resolve(position, end - position)?;
        assert!(run.sectors > 0 && run.sectors <= end - position);
        let mut piece = vec![0xAA; (run.sectors * 512) as usize];
        match run.source {
            Source::Zero | Source::Unallocated => piece.fill(0),
            Source::Compressed { grains, sector } => grains.read(sector, &mut piece)?,
            Source::Data { .. } => panic!("a stream has no plain data"),
        }
        content.extend(piece);
        position += run.sectors;
    }
    Ok(content)
}

pub(super) fn read(extent: &StreamExtent, sector: u64, sectors: u64) -> Vec<u8> {
    try_read(extent, sector, sectors).unwrap()
}

pub(super) fn read_all(extent: &StreamExtent) -> Vec<u8> {
    read(extent, 0, extent.sectors())
}

/// Bytes that compress to about half, different for every seed.
pub(super) fn data(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as u8 & 0x0f | 0x10
    };
    (0..bytes).map(|_| next()).collect()
}
