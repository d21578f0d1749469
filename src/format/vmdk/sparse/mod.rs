//! Hosted sparse extents (`KDMV`): the [`grains`](super::grains) of which an entry 1 stands for zeros, with all tables
//! there from the start, usually twice.
//!
//! * [`header`]: the 512 bytes at the start, and what they must satisfy.
//! * [`layout`]: where a new extent puts its tables.

pub mod header;
pub mod layout;

use super::grains::extent::GrainExtent;
use header::Header;

/// A hosted sparse extent.
pub type SparseExtent = GrainExtent<Header>;

#[cfg(test)]
#[path = "sparse_tests.rs"]
mod tests;
