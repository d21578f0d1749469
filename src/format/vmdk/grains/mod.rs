//! Extents of grains that tables of 32-bit sectors lead to: what hosted sparse extents and ESX redo logs share.
//!
//! ```text
//!   sector / (grain x entries)  ──> directory entry ──> table      0: absent, all grains unallocated
//!   sector / grain % entries    ──> table entry     ──> grain      0: unallocated, else its sector
//! ```
//!
//! * [`cache`]: a fixed number of tables in memory; seSparse extents use it too.
//! * [`tables`]: directory and tables, read on demand, with changes kept aside.
//! * [`extent`]: the resolver of runs, and writing.
//! * [`survey`](mod@survey): whether what the tables say can be, on a map of the file's `space`.
//!
//! A format gives its [`Shape`] and keeps the books of its header as a [`Scheme`].

pub mod cache;
pub mod extent;
pub(in crate::format::vmdk) mod space;
pub mod survey;
pub mod tables;

use std::fmt::Debug;

use crate::error::Result;
#[cfg(doc)]
use crate::format::extent::Extent;
use crate::io::Storage;

/// The numbers of an extent, which its header's checks have found possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sectors of the extent.
    pub capacity: u64,
    /// Sectors of a grain.
    pub grain_size: u64,
    /// Entries of a table.
    pub entries_per_table: u32,
    /// Number of tables.
    pub tables: u32,
    /// Sector of the directory.
    pub directory: u64,
    /// Sector of the redundant directory, when there is one.
    pub redundant_directory: Option<u64>,
    /// Sector before which no grain can be.
    pub first_grain: u64,
    /// Sector from which on nothing is taken, as far as the header knows; the length of the file may know more.
    pub free: u64,
    /// Sectors that the file can have.
    pub most_sectors: u64,
    /// New grains, and the space that new tables share, stand at multiples of this many sectors.
    pub alignment: u64,
    /// The smallest number, 0 excepted, that an entry of a directory or a table can be. Above 1 there are no grains
    /// of zeros.
    pub lowest_entry: u32,
    /// The header says that the last writer did not end in order.
    pub unclean: bool,
}

impl Shape {
    /// Bytes of a table.
    pub fn table_bytes(&self) -> usize {
        self.entries_per_table as usize * 4
    }
}

/// How a format keeps book of writing in its header.
pub trait Scheme: Debug + Send + Sync + Sized {
    /// The numbers of the extent.
    fn shape(&self) -> Shape;

    /// Notes that writing is under way; two who do it at once do no harm.
    ///
    /// # Errors
    /// Those of storage.
    fn begin_writing(&self, storage: &dyn Storage) -> Result<()>;

    /// Notes that writing has ended in order.
    ///
    /// # Errors
    /// Those of storage.
    fn end_writing(&self, storage: &dyn Storage) -> Result<()>;

    /// Notes that everything from `sector` on is free. It is told before anything refers to what is newly taken, so
    /// that whoever believes the header never takes the same space again.
    ///
    /// # Errors
    /// Those of storage.
    fn note_free(&self, storage: &dyn Storage, sector: u64) -> Result<()>;

    /// What [`Extent::shrink`] does for this format; nothing where space cannot be given back.
    ///
    /// # Errors
    /// As for [`Extent::shrink`].
    fn shrink(
        extent: &extent::GrainExtent<Self>,
        over_parent: bool,
        progress: &mut dyn FnMut(f64),
    ) -> Result<()> {
        let _ = (extent, over_parent);
        progress(1.0);
        Ok(())
    }

    /// What [`Extent::defragment`] does for this format.
    ///
    /// # Errors
    /// As for [`Extent::defragment`].
    fn defragment(extent: &extent::GrainExtent<Self>, progress: &mut dyn FnMut(f64)) -> Result<()> {
        let _ = extent;
        progress(1.0);
        Ok(())
    }
}
