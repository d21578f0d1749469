//! Raw files: the content itself.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use vixDiskLib::session::Block;

use super::{Content, SECTOR, Sink};
use crate::failure::{Failure, Result};

/// A raw file or a block device. When its length is no multiple of a sector, the last sector ends in zeros.
#[derive(Debug)]
pub(crate) struct Raw {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Raw {
    /// Opens it to be read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Failure::io(error, "opening", path);
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let kind = metadata.file_type();
        let bytes = match () {
            () if kind.is_file() => metadata.len(),
            () if kind.is_block_device() => file.seek(SeekFrom::End(0)).map_err(failed)?,
            () => return Err(failed(std::io::Error::other("it is neither a file nor a block device"))),
        };
        Ok(Self { file, path: path.to_owned(), bytes })
    }
}

impl Content for Raw {
    fn sectors(&self) -> u64 {
        self.bytes.div_ceil(SECTOR)
    }

    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let offset = start.saturating_mul(SECTOR);
        let known = self.bytes.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let (known, tail) = buffer.split_at_mut(known);
        tail.fill(0);
        self.file.read_exact_at(known, offset).map_err(|error| Failure::io(error, "reading", &self.path))
    }

    fn allocated(&self, start: u64, sectors: u64, _chunk: u64) -> Result<Vec<Block>> {
        Ok(vec![Block { start, sectors }])
    }
}

/// A raw file that is being made; what is not written is a hole.
#[derive(Debug)]
pub(crate) struct RawSink {
    file: File,
    path: PathBuf,
}

impl RawSink {
    /// Makes the file, which must not exist.
    pub(crate) fn create(path: &Path, sectors: u64) -> Result<Self> {
        let failed = |error| Failure::io(error, "creating", path);
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        file.set_len(sectors.saturating_mul(SECTOR)).map_err(failed)?;
        Ok(Self { file, path: path.to_owned() })
    }
}

impl Sink for RawSink {
    fn write(&mut self, start: u64, data: &[u8]) -> Result<()> {
        let written = self.file.write_all_at(data, start.saturating_mul(SECTOR));
        written.map_err(|error| Failure::io(error, "writing", &self.path))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.sync_all().map_err(|error| Failure::io(error, "writing", &self.path))
    }
}
