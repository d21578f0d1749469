//! Small sparse extents for tests, and a plain array of bytes to compare them with.

use std::sync::Arc;

use zerocopy::IntoBytes;

use super::SparseExtent;
use super::check::check;
use super::finding::{Finding, Summary};
use super::header::{FLAG_REDUNDANT, FLAG_TEXT_PROBE, MAGIC, RawHeader, TEXT_PROBE};
use crate::error::Result;
use crate::format::extent::{Below, Extent, Source};
use crate::format::vmdk::grains::tables::{Place, Side};
use crate::io::memory::MemoryFile;
use crate::io::{ByteOffset, Storage};

/// What an extent is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) capacity: u64,
    pub(super) grain: u64,
    pub(super) entries: u32,
    pub(super) redundant: bool,
    /// The tables are in the file from the start.
    pub(super) tables: bool,
    /// Sectors by which the first grain is behind a multiple of its size.
    pub(super) shift: u64,
}

/// Grains of 4 KiB, four to a table.
pub(super) const SMALL: Shape =
    Shape { capacity: 8 * 4 * 5 + 3, grain: 8, entries: 4, redundant: true, tables: true, shift: 0 };

impl Shape {
    pub(super) fn table_count(&self) -> u64 {
        self.capacity.div_ceil(self.grain * u64::from(self.entries))
    }

    fn table_sectors(&self) -> u64 {
        (u64::from(self.entries) * 4).div_ceil(512)
    }

    fn directory_sectors(&self) -> u64 {
        (self.table_count() * 4).div_ceil(512)
    }

    /// Sectors of a directory and its tables.
    fn set_sectors(&self) -> u64 {
        self.directory_sectors() + if self.tables { self.table_count() * self.table_sectors() } else { 0 }
    }

    /// The sector of the primary directory.
    pub(super) fn directory(&self) -> u64 {
        if self.redundant { 2 + self.set_sectors() } else { 2 }
    }

    /// The sector of a table.
    pub(super) fn table(&self, side: Side, index: u64) -> u64 {
        let directory = if side == Side::Primary { self.directory() } else { 2 };
        directory + self.directory_sectors() + index * self.table_sectors()
    }

    pub(super) fn overhead(&self) -> u64 {
        (self.directory() + self.set_sectors()).next_multiple_of(self.grain) + self.shift
    }

    pub(super) fn header(&self) -> RawHeader {
        RawHeader {
            magic: MAGIC,
            version: 1.into(),
            flags: (FLAG_TEXT_PROBE | if self.redundant { FLAG_REDUNDANT } else { 0 }).into(),
            capacity: self.capacity.into(),
            grain_size: self.grain.into(),
            descriptor_offset: 1.into(),
            descriptor_size: 1.into(),
            entries_per_table: self.entries.into(),
            redundant_directory: if self.redundant { 2 } else { 0 }.into(),
            directory: self.directory().into(),
            overhead: self.overhead().into(),
            unclean: 0,
            text_probe: TEXT_PROBE,
            compression: 0.into(),
            padding: [0; 433],
        }
    }

    /// The bytes of an empty extent.
    pub(super) fn image(&self) -> Vec<u8> {
        let mut image = vec![0; (self.overhead() * 512) as usize];
        image[..512].copy_from_slice(self.header().as_bytes());
        if self.tables {
            for index in 0..self.table_count() {
                self.set_directory(&mut image, Side::Primary, index, self.table(Side::Primary, index));
                if self.redundant {
                    self.set_directory(
                        &mut image,
                        Side::Redundant,
                        index,
                        self.table(Side::Redundant, index),
                    );
                }
            }
        }
        image
    }

    /// Changes a directory entry of an image that still has its first directories.
    pub(super) fn set_directory(&self, image: &mut [u8], side: Side, index: u64, sector: u64) {
        let directory = if side == Side::Primary { self.directory() } else { 2 };
        let place = (directory * 512 + index * 4) as usize;
        image[place..place + 4].copy_from_slice(&(sector as u32).to_le_bytes());
    }

    /// Where the entry of a grain stands.
    pub(super) fn entry_place(&self, side: Side, grain: u64) -> usize {
        let (index, at) = (grain / u64::from(self.entries), grain % u64::from(self.entries));
        (self.table(side, index) * 512 + at * 4) as usize
    }

    pub(super) fn entry(&self, image: &[u8], side: Side, grain: u64) -> u32 {
        let place = self.entry_place(side, grain);
        u32::from_le_bytes(image[place..place + 4].try_into().unwrap())
    }

    /// Changes the entry of a grain in one copy.
    pub(super) fn set_entry(&self, image: &mut [u8], side: Side, grain: u64, entry: u64) {
        let place = self.entry_place(side, grain);
        image[place..place + 4].copy_from_slice(&(entry as u32).to_le_bytes());
    }

    /// Changes the entry of a grain in both copies.
    pub(super) fn set_entries(&self, image: &mut [u8], grain: u64, entry: u64) {
        self.set_entry(image, Side::Primary, grain, entry);
        if self.redundant {
            self.set_entry(image, Side::Redundant, grain, entry);
        }
    }

    /// An image in which these grains have content that tells them apart, in this order in the file.
    pub(super) fn filled(&self, grains: &[u64]) -> Vec<u8> {
        let file = MemoryFile::new(self.image());
        let extent = open(Arc::new(file.clone()));
        for grain in grains {
            let sectors = self.grain.min(self.capacity - grain * self.grain);
            extent.write(grain * self.grain, &pattern(*grain + 1, sectors), None).unwrap();
        }
        extent.finish().unwrap();
        file.to_vec()
    }
}

/// Sectors that tell their number and their seed; seed 0 is zeros.
pub(super) fn pattern(seed: u64, sectors: u64) -> Vec<u8> {
    let byte =
        |index: u64| if seed == 0 { 0 } else { (seed * 31 + index / 512 * 7 + index % 5 + 1) as u8 | 1 };
    (0..sectors * 512).map(byte).collect()
}

/// Opens an extent for writing.
pub(super) fn open(storage: Arc<dyn Storage>) -> SparseExtent {
    try_open(storage).unwrap()
}

pub(super) fn try_open(storage: Arc<dyn Storage>) -> Result<SparseExtent> {
    let header = RawHeader::read(&*storage)?.check(storage.length()?)?;
    SparseExtent::new(storage, header, header.capacity, true)
}

/// An extent of these bytes, in memory.
pub(super) fn in_memory(image: &[u8]) -> (MemoryFile, Arc<dyn Storage>) {
    let file = MemoryFile::new(image.to_vec());
    (file.clone(), Arc::new(file))
}

/// Fills a buffer with bytes from `start` on; where there are none, with zeros.
fn fill_from(bytes: &[u8], start: usize, buffer: &mut [u8]) {
    let rest = bytes.get(start..).unwrap_or_default();
    let there = rest.len().min(buffer.len());
    buffer[..there].copy_from_slice(&rest[..there]);
    buffer[there..].fill(0);
}

/// Everything that a reader sees; what is unallocated comes from `parent` (which may be shorter), or is zeros.
pub(super) fn try_read(extent: &SparseExtent, parent: &[u8]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    while (content.len() as u64) < extent.sectors() * 512 {
        let sector = content.len() as u64 / 512;
        let run = extent.resolve(sector, extent.sectors() - sector)?;
        let mut piece = vec![0; (run.sectors * 512) as usize];
        match run.source {
            Source::Zero => {}
            Source::Unallocated => {
                fill_from(parent, content.len(), &mut piece);
            }
            Source::Data { storage, offset } => storage.read_exact_at(&mut piece, offset)?,
            Source::Compressed { .. } => panic!("a hosted sparse extent is not compressed"),
        }
        content.extend(piece);
    }
    Ok(content)
}

pub(super) fn read(extent: &SparseExtent, parent: &[u8]) -> Vec<u8> {
    try_read(extent, parent).unwrap()
}

/// Writes with `parent` below, if there is one.
pub(super) fn write(extent: &SparseExtent, sector: u64, data: &[u8], parent: Option<&[u8]>) -> Result<()> {
    let below = |sector: u64, buffer: &mut [u8]| {
        fill_from(parent.unwrap_or_default(), sector as usize * 512, buffer);
        Ok(())
    };
    let below: Option<&Below<'_>> = if parent.is_some() { Some(&below) } else { None };
    extent.write(sector, data, below)
}

/// What a check finds, with its summary.
pub(super) fn findings(storage: &Arc<dyn Storage>, repair: bool) -> (Vec<Finding>, Summary) {
    let mut found = Vec::new();
    let summary = check(storage, repair, &mut |finding| found.push(finding.clone())).unwrap();
    (found, summary)
}

/// A check must find no damage.
pub(super) fn assert_sound(storage: &Arc<dyn Storage>) -> Summary {
    let (found, summary) = findings(storage, false);
    assert_eq!(summary.damage, 0, "{found:?}");
    summary
}

/// The places of all grains in the order of the disk, in sectors of the file.
pub(super) fn places(extent: &SparseExtent) -> Vec<u32> {
    let mut places = Vec::new();
    extent
        .each_used_table(|_, entries| {
            places.extend(entries.iter().filter(|entry| **entry > 1));
            Ok(())
        })
        .unwrap();
    places
}

/// Whether a table has a place in the file.
pub(super) fn has_table(extent: &SparseExtent, side: Side, index: u32) -> bool {
    matches!(extent.tables().place(side, index).unwrap(), Place::At(_))
}

/// Changes bytes of an image.
pub(super) fn patch(file: &MemoryFile, place: u64, bytes: &[u8]) {
    file.write_all_at(bytes, ByteOffset(place)).unwrap();
}
