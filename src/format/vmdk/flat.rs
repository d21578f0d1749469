//! Flat extents: sectors stand in the file one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};
use crate::format::extent::{Below, Extent, Run, Source};
use crate::io::{ByteOffset, Region, SECTOR_SIZE, Storage};

/// Sectors at a fixed position of a file.
#[derive(Debug)]
pub struct FlatExtent {
    storage: Arc<dyn Storage>,
    start: ByteOffset,
    sectors: u64,
    writable: bool,
    /// Something was written since the last flush.
    dirty: AtomicBool,
}

impl FlatExtent {
    /// The `sectors` sectors of `storage` from sector `first_sector` on.
    ///
    /// # Errors
    /// `InvalidDisk` when the file is too short: what is missing must not be mistaken for zeros.
    pub fn new(storage: Arc<dyn Storage>, first_sector: u64, sectors: u64, writable: bool) -> Result<Self> {
        let start = ByteOffset::of_sector(first_sector);
        let end = first_sector.checked_add(sectors).and_then(ByteOffset::of_sector);
        let length = storage.length()?;
        match (start, end) {
            (Some(start), Some(end)) if end.0 <= length => {
                Ok(Self { storage, start, sectors, writable, dirty: AtomicBool::new(false) })
            }
            _ => Err(Error::new(
                Kind::InvalidDisk,
                format!(
                    "'{}' has {length} bytes, too few for {sectors} sectors from sector {first_sector} on",
                    storage.name()
                ),
            )),
        }
    }

    fn offset(&self, sector: u64) -> ByteOffset {
        ByteOffset(self.start.0 + sector * SECTOR_SIZE)
    }
}

impl Extent for FlatExtent {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let source = Source::Data { storage: &*self.storage, offset: self.offset(sector) };
        Ok(Run { sectors: limit, source })
    }

    fn resolve_holes(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        let offset = self.offset(sector);
        // A sector that is hole in part only counts as data.
        let (hole, end) = match self.storage.region_at(offset)? {
            Region::Hole(end) => (true, end.0 / SECTOR_SIZE),
            Region::Data(end) => (false, end.0.div_ceil(SECTOR_SIZE)),
        };
        let sectors = end.saturating_sub(offset.0 / SECTOR_SIZE).min(limit);
        match (hole, sectors) {
            (true, 1..) => Ok(Run { sectors, source: Source::Zero }),
            _ => self.resolve(sector, sectors.max(1)),
        }
    }

    fn check_writable(&self) -> Result<()> {
        if !self.writable {
            let text = format!(
                "'{}' takes no writes: it is marked read-only in the descriptor, or is a raw device mapping",
                self.storage.name()
            );
            return Err(Error::new(Kind::ReadOnly, text));
        }
        self.storage.check_writable()
    }

    fn write(&self, sector: u64, data: &[u8], _below: Option<&Below<'_>>) -> Result<()> {
        self.check_writable()?;
        self.storage.write_all_at(data, self.offset(sector))?;
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        if self.dirty.swap(false, Ordering::AcqRel) {
            // What a failed flush left behind is for the next one.
            self.storage.sync().inspect_err(|_| self.dirty.store(true, Ordering::Release))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::memory::MemoryFile;

    #[test]
    fn sectors_are_counted_from_the_start_offset() {
        let file = MemoryFile::new(vec![0; 8 * 512]);
        let extent = FlatExtent::new(Arc::new(file.clone()), 3, 5, true).unwrap();
        extent.write(1, &[7; 512], None).unwrap();
        assert!(file.to_vec()[4 * 512..5 * 512].iter().all(|byte| *byte == 7));
        let Source::Data { offset, .. } = extent.resolve(1, 4).unwrap().source else { panic!() };
        assert_eq!(offset, ByteOffset(4 * 512));
    }

    #[test]
    fn a_file_that_is_too_short_is_refused() {
        let file = Arc::new(MemoryFile::new(vec![0; 8 * 512 - 1]));
        for (first, sectors) in [(0, 8), (1, 8), (u64::MAX, 2), (1, u64::MAX)] {
            let error = FlatExtent::new(file.clone(), first, sectors, true).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidDisk);
        }
        FlatExtent::new(file, 0, 7, true).unwrap();
    }

    #[test]
    fn a_read_only_extent_takes_no_write() {
        let extent = FlatExtent::new(Arc::new(MemoryFile::new(vec![0; 512])), 0, 1, false).unwrap();
        assert_eq!(extent.write(0, &[0; 512], None).unwrap_err().kind(), Kind::ReadOnly);
    }
}
