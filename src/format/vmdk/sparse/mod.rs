//! Hosted sparse extents (`KDMV`): the [`grains`](super::grains) of which an entry 1 stands for zeros, with all tables
//! there from the start, usually twice.
//!
//! * [`header`]: the 512 bytes at the start, and what they must satisfy.
//! * [`embedded`]: the descriptor inside an extent.
//! * [`layout`]: where a new extent puts its tables.
//! * [`check`](mod@check): finding damage and repairing it; [`finding`]: what was found.
//! * [`grow`](mod@grow): a larger capacity.
//! * `shrink` and `defragment`: giving space back, and the order of the disk; `relocate` is what moves grains for
//!   them, around the file's `metadata`.

pub mod check;
mod check_grains;
mod check_places;
mod check_tables;
mod defragment;
pub mod embedded;
pub mod finding;
pub mod grow;
pub mod header;
pub mod layout;
mod metadata;
mod relocate;
mod shrink;

use super::grains::extent::GrainExtent;
use header::Header;

/// A hosted sparse extent.
pub type SparseExtent = GrainExtent<Header>;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod maintain_tests;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
#[path = "sparse_tests.rs"]
mod tests;
