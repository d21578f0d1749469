//! Content: the sectors of a disk, whatever kind of file they are in.
//!
//! ```text
//!   Content   sectors, read, allocated      a virtual disk (crate::disk), a raw file, a qcow2 image
//!   Sink      write, finish                 the same, as the target of a copy
//! ```
//!
//! The format of a file is told by its name or by the user, never by its bytes: a guest writes the bytes of a raw file
//! and could make it look like an image that names other files.

mod copy;
mod qcow2;
mod raw;

use std::path::Path;

use vixDiskLib::session::Block;

use crate::arguments::{Format, Source};
use crate::disk::Disk;
use crate::failure::{Code, Failure, Result};
use crate::progress::Progress;

pub(crate) use copy::{copy, is_zero, overwrite};
pub(crate) use qcow2::{Qcow2, Qcow2Sink};
pub(crate) use raw::{Raw, RawSink};

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;

/// Sectors of the pieces in which zeros are told from data: a grain.
pub(crate) const GRAIN_SECTORS: u64 = 128;

/// Sectors whose allocation is asked for at a time, which bounds what a hostile map takes: 8 GiB.
const WINDOW_SECTORS: u64 = 1 << 24;

/// Sectors that can be read.
pub(crate) trait Content: Send + Sync {
    /// How many there are.
    fn sectors(&self) -> u64;

    /// Reads whole sectors from `start` on; the range must lie inside.
    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()>;

    /// What is allocated in `sectors` sectors from `start` on, rounded out to chunks of `chunk` sectors; the rest
    /// reads as zeros.
    fn allocated(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Block>>;
}

/// Sectors that can be written, each once and in order.
pub(crate) trait Sink {
    /// Writes whole grains, or up to the end, from `start` on.
    fn write(&mut self, start: u64, data: &[u8]) -> Result<()>;

    /// Makes everything durable; what was not written reads as zeros.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl Content for Disk {
    fn sectors(&self) -> u64 {
        (**self).sectors()
    }

    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        Ok((**self).read(start, buffer)?)
    }

    fn allocated(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Block>> {
        Ok(self.allocated_blocks(start, sectors, chunk)?)
    }
}

/// A disk as the target of a copy.
pub(crate) struct DiskSink(pub(crate) Disk);

impl Sink for DiskSink {
    fn write(&mut self, start: u64, data: &[u8]) -> Result<()> {
        Ok((*self.0).write(start, data)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.close()
    }
}

/// The format of a file by its name.
pub(crate) fn format_of(path: &Path) -> Format {
    let is = |wanted: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted));
    match () {
        () if is("raw") || is("img") => Format::Raw,
        () if is("qcow2") => Format::Qcow2,
        () => Format::Disk,
    }
}

/// Opens what a user named.
pub(crate) fn open(source: &Source) -> Result<Box<dyn Content>> {
    let format = source.format.unwrap_or_else(|| format_of(&source.path));
    if format != Format::Disk && source.remote.server.is_some() {
        let text = format!("'{}' is on a server, where there are virtual disks only", source.path.display());
        return Err(Failure::new(Code::Usage, text).advise("leave --format and --server out for local files"));
    }
    Ok(match format {
        Format::Disk => Box::new(Disk::of(source)?),
        Format::Raw => Box::new(Raw::open(&source.path)?),
        Format::Qcow2 => Box::new(Qcow2::open(&source.path)?),
    })
}

/// Sectors that are all allocated, or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) sectors: u64,
    pub(crate) allocated: bool,
}

/// Counts the sectors that are allocated, in grains.
pub(crate) fn allocated_sectors(content: &dyn Content, quiet: bool) -> Result<u64> {
    let mut progress = Progress::of_bytes("looking", content.sectors().saturating_mul(SECTOR), quiet);
    let mut allocated = 0;
    for_each_run(content, GRAIN_SECTORS, |run| {
        allocated += if run.allocated { run.sectors } else { 0 };
        progress.advance(run.sectors.saturating_mul(SECTOR));
        Ok(())
    })?;
    Ok(allocated)
}

/// Walks over all runs in order; neighbours differ, but where two windows meet.
pub(crate) fn for_each_run(
    content: &dyn Content,
    chunk: u64,
    mut visit: impl FnMut(Run) -> Result<()>,
) -> Result<()> {
    let end = content.sectors();
    let window = (WINDOW_SECTORS / chunk.max(1)).max(1).saturating_mul(chunk.max(1));
    let mut start = 0;
    while start < end {
        let sectors = window.min(end - start);
        let mut position = start;
        for block in content.allocated(start, sectors, chunk)? {
            if block.start > position {
                visit(Run { start: position, sectors: block.start - position, allocated: false })?;
            }
            visit(Run { start: block.start, sectors: block.sectors, allocated: true })?;
            position = block.start.saturating_add(block.sectors);
        }
        let rest = (start + sectors).saturating_sub(position);
        if rest > 0 {
            visit(Run { start: position, sectors: rest, allocated: false })?;
        }
        start += sectors;
    }
    Ok(())
}
