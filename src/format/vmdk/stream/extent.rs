//! A stream as an extent: which sectors stand in grains.

use std::sync::{Arc, Mutex, RwLock};

use super::ahead::Ahead;
use super::footer::checked_header;
use super::grains::Cache;
use super::records::{Records, Scratch};
use super::writer::{Pending, Writer};
use crate::error::{Error, Kind, Result};
use crate::format::extent::{Below, Extent, Run, Source};
use crate::format::vmdk::grains::Scheme as _;
use crate::format::vmdk::grains::tables::{Tables, UNALLOCATED, ZERO_GRAIN};
use crate::format::vmdk::sparse::header::{Header, RawHeader};
use crate::io::{SECTOR_SIZE, Storage};

/// A streamOptimized extent.
#[derive(Debug)]
pub struct StreamExtent {
    pub(super) storage: Arc<dyn Storage>,
    /// The header at the start of the file.
    pub(super) front: RawHeader,
    /// The header that counts: that one, or the footer.
    pub(super) raw: RawHeader,
    /// What it says.
    pub(super) header: Header,
    /// Sectors of the extent, as its line in the descriptor says.
    pub(super) sectors: u64,
    writable: bool,
    pub(super) tables: Tables,
    pub(super) records: Records,
    pub(super) cache: Cache,
    pub(super) ahead: Ahead,
    pub(super) scratch: Mutex<Option<Scratch>>,
    /// The grain that is written in part so far; changed by who holds `writer`. Readers look here before they look at
    /// the tables, and a writer puts a grain into the tables before it takes it from here.
    pub(super) pending: RwLock<Option<Pending>>,
    pub(super) writer: Mutex<Writer>,
}

/// What a table entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Unallocated,
    Zero,
    Grain,
}

impl Content {
    fn of(entry: u32) -> Self {
        match entry {
            UNALLOCATED => Self::Unallocated,
            ZERO_GRAIN => Self::Zero,
            _ => Self::Grain,
        }
    }
}

impl StreamExtent {
    /// The extent whose file begins with `front`; `sectors` of it are used.
    ///
    /// # Errors
    /// Those of [`checked_header`], `InvalidDisk` when it has fewer sectors.
    pub fn open(storage: Arc<dyn Storage>, front: &RawHeader, sectors: u64, writable: bool) -> Result<Self> {
        let (raw, header) = checked_header(&*storage, front)?;
        if sectors > header.capacity {
            let text = format!(
                "the descriptor gives '{}' {sectors} sectors, its header only {}",
                storage.name(),
                header.capacity
            );
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        let records = Records { storage: Arc::clone(&storage), grain_size: header.grain_size, sectors };
        Ok(Self {
            tables: Tables::new(Arc::clone(&storage), header.shape(), storage.length()?),
            ahead: Ahead::new(records.clone()),
            records,
            cache: Cache::new(header.grain_size * SECTOR_SIZE),
            scratch: Mutex::default(),
            pending: RwLock::default(),
            writer: Mutex::default(),
            storage,
            front: *front,
            raw,
            header,
            sectors,
            writable,
        })
    }

    /// Bytes of a grain.
    pub(super) fn grain_bytes(&self) -> usize {
        self.records.grain_bytes()
    }

    /// Whether it was opened for writing.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// The table of a grain and its place there.
    pub(super) fn place(&self, grain: u64) -> (u32, usize) {
        let per_table = u64::from(self.header.entries_per_table);
        ((grain / per_table) as u32, (grain % per_table) as usize)
    }

    /// What the tables say of a grain, and how many grains from there on, but not from `end` on, are alike.
    fn stretch(&self, grain: u64, end: u64) -> Result<(Content, u64)> {
        let mut first = None;
        let mut next = grain;
        while next < end {
            let (table, index) = self.place(next);
            let available = (end - next).min(u64::from(self.header.entries_per_table) - index as u64);
            let (content, alike) = self.tables.with(table, |entries| match entries {
                None => (Content::Unallocated, available),
                Some(entries) => {
                    let mut contents =
                        entries.iter().skip(index).take(available as usize).map(|entry| Content::of(*entry));
                    let content = contents.next().unwrap_or(Content::Unallocated);
                    (content, 1 + contents.take_while(|other| *other == content).count() as u64)
                }
            })?;
            if *first.get_or_insert(content) != content {
                break;
            }
            next += alike;
            if alike < available {
                break;
            }
        }
        Ok((first.unwrap_or(Content::Unallocated), next - grain))
    }
}

impl Extent for StreamExtent {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let grain_size = self.header.grain_size;
        let grain = sector / grain_size;
        let end = (sector + limit).div_ceil(grain_size);
        let (content, grains) = match self.pending_grain() {
            Some(pending) if pending == grain => (Content::Grain, 1),
            Some(pending) if pending > grain => self.stretch(grain, end.min(pending))?,
            _ => self.stretch(grain, end)?,
        };
        let source = match content {
            Content::Unallocated => Source::Unallocated,
            Content::Zero => Source::Zero,
            Content::Grain => Source::Compressed { grains: self, sector },
        };
        Ok(Run { sectors: limit.min((grain + grains) * grain_size - sector), source })
    }

    fn check_writable(&self) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(Error::new(Kind::ReadOnly, format!("'{}' is not open for writing", self.storage.name())))
    }

    fn write(&self, sector: u64, data: &[u8], below: Option<&Below<'_>>) -> Result<()> {
        self.check_writable()?;
        if below.is_some() {
            let text = format!("'{}' is a stream with a parent, which takes no writes", self.storage.name());
            return Err(Error::new(Kind::NotSupported, text));
        }
        if data.is_empty() {
            return Ok(());
        }
        self.append(sector, data)
    }

    fn check_order(&self, sector: u64) -> Result<()> {
        self.check_next(sector)
    }

    fn writes_in_order(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<()> {
        self.sync_grains()
    }

    fn hold(&self, act: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.hold_end(act)
    }

    fn finish(&self) -> Result<()> {
        self.end_stream()
    }
}

#[cfg(test)]
#[path = "extent_tests.rs"]
mod tests;
