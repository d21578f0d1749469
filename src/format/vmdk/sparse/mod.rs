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

pub mod extent;
pub mod header;
pub mod layout;
pub mod tables;
