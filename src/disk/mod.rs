//! The engine: a virtual disk is a chain of links, leaf first, and every question about it is a walk over runs.
//!
//! ```text
//!   Disk ── read, write, flush, metadata, info, allocated blocks
//!     └─ links: [leaf, parent, .., base]      for this range of sectors, which runs cover it?
//!          └─ Link: descriptor + extents placed one after the other
//!               └─ format::extent::Extent     resolves its own part
//! ```
//!
//! * [`open`] finds links and parents, checks content ids and takes locks; [`link`] is one of them, `parts` and `extents`
//!   open what its descriptor names, and [`foreign`] is for those that are no VMDK.
//! * [`chain`] composes the answers of the links, reads and writes; `owners` remembers which of them has what.
//! * [`allocation`], [`info`] and [`metadata`] answer the questions of the API; [`create`] makes new disks, [`child`]
//!   makes links over them and puts chains together, [`files`] deletes and renames, [`grow`](mod@grow)
//!   and [`check`](mod@check) do what they say.

pub mod allocation;
pub mod chain;
pub mod check;
pub mod child;
pub mod clone;
mod content;
pub mod create;
mod extents;
#[cfg(test)]
mod fault_tests;
pub mod files;
pub mod foreign;
pub mod geometry;
pub mod grow;
pub mod info;
pub mod link;
pub mod metadata;
pub mod open;
mod owners;
mod parts;
mod side_by_side;

pub use chain::Disk;
use link::Home;
