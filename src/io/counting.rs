//! A file that only counts: how long it would be. Its first bytes are kept, so that what is written can be built upon;
//! data further on is dropped.

use std::io::IoSliceMut;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::MemoryFile;
use super::{ByteOffset, Lock, Region, Storage};
use crate::error::{Error, Kind, Result};

/// Bytes at the start of the file that are kept: room for the directory of a stream of 62 TiB.
const KEPT_BYTES: u64 = 16 << 20;

/// A file that is written once, from front to end, to see how long it gets.
#[derive(Debug, Default)]
pub struct CountingFile {
    kept: MemoryFile,
    length: AtomicU64,
}

impl Storage for CountingFile {
    fn read_vectored_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<()> {
        let wanted: u64 = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        if offset.0.saturating_add(wanted) > KEPT_BYTES {
            return Err(Error::new(Kind::Internal, "what was only counted was to be read"));
        }
        self.kept.read_vectored_at(buffers, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: ByteOffset) -> Result<()> {
        let end = offset.0.saturating_add(data.len() as u64);
        let kept = KEPT_BYTES.saturating_sub(offset.0).min(data.len() as u64) as usize;
        if kept > 0 {
            self.kept.write_all_at(&data[..kept], offset)?;
        }
        self.length.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    fn length(&self) -> Result<u64> {
        Ok(self.length.load(Ordering::Acquire))
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.kept.set_len(length.min(KEPT_BYTES))?;
        self.length.store(length, Ordering::Release);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn region_at(&self, _offset: ByteOffset) -> Result<Region> {
        Ok(Region::Data(ByteOffset(self.length()?)))
    }

    fn lock(&self, _lock: Lock) -> Result<()> {
        Ok(())
    }

    fn name(&self) -> String {
        "a file that only counts".to_owned()
    }
}
