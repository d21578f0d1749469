//! VMDK: a text descriptor and extents in one or several files.
//!
//! Facts: the public "Virtual Disk Format 5.0" note, and what real files and other readers show.

pub mod cowd;
pub mod descriptor;
mod extent_line;
pub mod flat;
pub mod grains;
pub mod sesparse;
pub mod sparse;
pub mod stream;

/// What makes ESX extents for the tests, here and in `tests/`.
#[cfg(test)]
#[path = "../../../tests/common/esx.rs"]
pub(crate) mod esx;

use crate::error::{Error, Kind, Result};
use crate::io::Storage;

/// A line of a descriptor must not claim more sectors of a file than its header has.
fn check_sectors(sectors: u64, capacity: u64, storage: &dyn Storage) -> Result<()> {
    if sectors > capacity {
        let text = format!(
            "the descriptor gives '{}' {sectors} sectors, its header only {capacity}",
            storage.name()
        );
        return Err(Error::new(Kind::InvalidDisk, text));
    }
    Ok(())
}
