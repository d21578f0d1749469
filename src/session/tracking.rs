//! What a server knows about changes of its disks. VixDiskLib has no such call: its clients ask the server themselves.

use std::path::Path;

use super::Block;
use super::connection::connection;
use super::library;
use super::table::Handle;
use crate::error::{Error, Kind, Result};
use crate::vsphere::changes::TrackedDisk;

/// Bytes of a sector.
const SECTOR: u64 = 512;

/// The disk of a connection's virtual machine, as it is at the snapshot of the connection or else now, with what stands
/// for its content at that time.
///
/// # Errors
/// `InvalidHandle`, `NotSupported` for local disks, those of [`TrackedDisk::find`].
pub fn tracked_disk(on: Handle, path: &Path) -> Result<TrackedDisk> {
    let connection = connection(on)?;
    let remote = connection.remote.as_ref().ok_or_else(local)?;
    let session = remote.session(&*library::config()?);
    // A name that is not UTF-8 is none on a server.
    let path = path.to_string_lossy();
    TrackedDisk::find(&session, &remote.vm, remote.snapshot.as_deref(), path.trim())
}

/// The sectors that may have changed since the disk had this change id, sorted and disjoint; everything else has not.
///
/// # Errors
/// `InvalidHandle`, `NotSupported` for local disks, those of [`TrackedDisk::changed_since`].
pub fn changed_since(on: Handle, disk: &TrackedDisk, change_id: &str) -> Result<Vec<Block>> {
    let connection = connection(on)?;
    let remote = connection.remote.as_ref().ok_or_else(local)?;
    let areas = disk.changed_since(&remote.session(&*library::config()?), change_id)?;
    let mut blocks: Vec<Block> = Vec::with_capacity(areas.len());
    for area in areas {
        let (start, end) = (area.start / SECTOR, area.end.div_ceil(SECTOR));
        match blocks.last_mut() {
            // Areas may share a sector.
            Some(last) if last.start.saturating_add(last.sectors) >= start => last.sectors = end - last.start,
            _ => blocks.push(Block { start, sectors: end - start }),
        }
    }
    Ok(blocks)
}

fn local() -> Error {
    Error::new(Kind::NotSupported, "nobody tracks the changes of local disks")
}
