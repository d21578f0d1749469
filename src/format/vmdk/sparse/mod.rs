//! Hosted sparse extents (`KDMV`): grains found through a directory of tables.
//!
//! ```text
//!   sector / (grain x entries)  ──> directory entry ──> table      0: absent, all grains unallocated
//!   sector / grain % entries    ──> table entry     ──> grain      0: unallocated, 1: zeros, else its sector
//! ```
//!
//! * [`header`]: the 512 bytes at the start, and what they must satisfy.
//! * [`layout`]: where a new extent puts its tables.
//! * [`tables`]: directory and tables, read on demand into a bounded cache, with changes kept aside.
//! * [`extent`]: the resolver of runs, and writing.
//! * [`check`](mod@check): finding damage and repairing it; [`finding`]: what was found.
//! * [`grow`](mod@grow): a larger capacity.
//! * `shrink` and `defragment`: giving space back, and the order of the disk; `relocate` is what moves grains for
//!   them, on maps of the file's `space` around its `metadata`.

pub mod check;
mod check_grains;
mod check_tables;
mod defragment;
pub mod extent;
pub mod finding;
pub mod grow;
pub mod header;
pub mod layout;
mod metadata;
mod relocate;
mod shrink;
mod space;
pub mod tables;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod maintain_tests;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod testing;
