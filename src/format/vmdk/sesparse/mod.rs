//! Space-efficient redo logs of ESXi (`seSparse`): grains of 4 KiB, read only.
//!
//! ```text
//!   sector 0       1          directory   tables               grains
//!   │ constants  │ volatile │ u64 each  │ 4096 x u64 each  │ .. │ 4 KiB each
//!
//!   sector / 32768   ──> directory entry: the number of a table
//!   sector / 8 % 4096 ──> table entry: unallocated, zeros, or the number of a grain
//! ```
//!
//! Facts, and the numbers below: what open readers agree on (QEMU and dissect, run beside this one); no public text
//! describes it.
//!
//! All places are areas that the header names, and entries count tables and grains within their area. A journal says
//! what else must be done to the tables; its format is not public, so a file whose journal is not empty is refused.
//!
//! * [`header`]: the two headers, and what they must satisfy.
//! * [`entry`]: what the entries of directory and tables mean.
//! * [`extent`]: the resolver of runs.

pub mod entry;
pub mod extent;
pub mod header;

#[cfg(test)]
#[path = "sesparse_tests.rs"]
mod tests;
