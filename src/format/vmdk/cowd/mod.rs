//! ESX redo logs (`COWD`, the extents of vmfsSparse disks): the [`grains`](super::grains) of a snapshot on VMFS.
//!
//! ```text
//!   sector 0        4                       free
//!   │ header, 4     │ directory  │ table, grains, table, ..  │ nothing
//! ```
//!
//! Facts, and the numbers below: what open readers agree on (QEMU, libvmdk and dissect, run beside this one), and
//! listings of real files; no public text describes it.
//!
//! A table always has 4096 entries, and stands where it was when the first grain below it was written: tables and
//! grains are mixed. The header tells the first free sector. There is one copy of everything, and no grain of zeros.

pub mod header;

use std::sync::Arc;

use super::grains::extent::GrainExtent;
use crate::error::Result;
use crate::io::Storage;
use header::Header;

/// The extent of an ESX redo log.
pub type CowdExtent = GrainExtent<Header>;

/// Opens the extent in `storage`; `sectors` of it are used.
///
/// # Errors
/// `InvalidDisk`, `UnsupportedVersion`, those of storage.
pub fn open(storage: Arc<dyn Storage>, sectors: u64, writable: bool) -> Result<CowdExtent> {
    let header = Header::read(&*storage)?;
    CowdExtent::new(storage, header, sectors, writable)
}

#[cfg(test)]
#[path = "cowd_tests.rs"]
mod tests;
