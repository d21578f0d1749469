//! VHDX, the disks of Hyper-V. Numbers are little-endian, and everything large stands at whole MiB.
//!
//! ```text
//!   0        vhdxfile, the program that made it
//!   64 KiB   two headers: sequence number, ids, where the log is       the valid one with the higher number counts
//!   192 KiB  two copies of the list of regions ──> table of blocks (BAT), metadata
//!   1 MiB .. log, metadata, table, blocks, sector bitmaps
//!
//!   table:   entries of one chunk, then the entry of the chunk's sector bitmap, then the next chunk ...
//! ```
//!
//! A disk that was not closed in order has a log of changes to its tables that may not have reached their places. A
//! reader that changes nothing has to see them all the same: [`log`](mod@log) reads it, [`overlay`] lays the changes
//! over the file, in memory, and all the rest reads through that.
//!
//! * [`header`], [`regions`], [`metadata`], [`locator`]: the parts, in the order in which they are read.
//! * [`extent`]: the resolver of runs.
//!
//! Facts: the public specification MS-VHDX, and what real files and other readers show.

pub mod extent;
pub mod guid;
pub mod header;
pub mod locator;
pub mod log;
pub mod metadata;
pub mod overlay;
pub mod regions;

use std::sync::Arc;

use self::extent::{BlockExtent, Layout};
use self::header::Header;
use self::log::Log;
use self::metadata::Metadata;
use self::overlay::Overlay;
use self::regions::Regions;
use super::foreign::Foreign;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::io::{ByteOffset, Storage};

/// The first bytes of a file.
pub const MAGIC: [u8; 8] = *b"vhdxfile";

/// What the large parts of a file are aligned to; the first of them belongs to the headers.
pub(super) const MIB: u64 = 1 << 20;

/// Opens a VHDX for reading.
///
/// # Errors
/// `InvalidDisk` for what is no VHDX or is damaged, `UnsupportedVersion`, `NotSupported` for a log that is too large
/// to be replayed in memory, those of storage.
pub fn open(storage: Arc<dyn Storage>) -> Result<Foreign> {
    let length = storage.length()?;
    let mut magic = [0; MAGIC.len()];
    if length < MIB {
        return Err(invalid(format!("it is no VHDX: {length} bytes are too few")));
    }
    storage.read_exact_at(&mut magic, ByteOffset(0))?;
    if magic != MAGIC {
        return Err(invalid("it is no VHDX: it does not start as one"));
    }
    let header = Header::find(&*storage)?;
    let storage = replay(storage, &header)?;
    let regions = Regions::find(&*storage)?;
    let metadata = Metadata::read(&*storage, &regions.metadata).context(|| "metadata")?;
    let layout = Layout::new(&metadata, &regions, &header)?;
    let kind = match (metadata.parent.is_some(), metadata.fixed) {
        (true, _) => "vhdx-differencing",
        (false, true) => "vhdx-fixed",
        (false, false) => "vhdx-dynamic",
    };
    Ok(Foreign {
        extent: Box::new(BlockExtent::new(storage, layout)?),
        kind,
        content_id: header.data_id,
        uuid: metadata.disk_id,
        parent: metadata.parent,
        geometry: None,
        logical_sector_size: metadata.logical_sector_size,
        physical_sector_size: metadata.physical_sector_size,
    })
}

/// The file as it will be when its log is replayed.
fn replay(storage: Arc<dyn Storage>, header: &Header) -> Result<Arc<dyn Storage>> {
    let Some(place) = &header.log else { return Ok(storage) };
    let log = Log::read(&*storage, place).context(|| "log")?;
    let mut overlay = Overlay::new(Arc::clone(&storage))?;
    let entries = log.replay(&mut overlay).context(|| "log")?;
    ::log::info!("'{}' was not closed in order: {entries} log entries replayed in memory", storage.name());
    Ok(Arc::new(overlay))
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
