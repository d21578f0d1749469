//! Disk formats: bytes to meaning and back, no policy.
//!
//! ```text
//!   Extent::resolve(sector, limit) ──> Run { sectors, source }      the one question every format answers
//!     ├─ vmdk::sparse   grain directory and grain tables
//!     ├─ vmdk::stream   the same over compressed grains, which io::zlib decodes on all cores
//!     ├─ vmdk::flat     a position in a file
//!     ├─ vhd::extent    a table of blocks
//!     └─ vhdx::extent   a table of blocks, behind a log that may have to be replayed
//!   vmdk::descriptor    the text that names extents, parent and disk database
//!   foreign             the same facts of a format that has no such text
//! ```
//!
//! The engine above walks runs and never learns what a grain table is; a new format adds a resolver.

pub mod cores;
pub mod crc32c;
pub mod extent;
pub mod foreign;
pub mod pages;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
pub mod zeros;
