//! Disk formats: bytes to meaning and back, no policy.
//!
//! ```text
//!   Extent::resolve(sector, limit) ──> Run { sectors, source }      the one question every format answers
//!     ├─ vmdk::sparse   grain directory and grain tables
//!     ├─ vmdk::flat     a position in a file
//!     ├─ vhd::extent    a table of blocks
//!     └─ vhdx::extent   a table of blocks, behind a log that may have to be replayed
//!   vmdk::descriptor    the text that names extents, parent and disk database
//!   foreign             the same facts of a format that has no such text
//! ```
//!
//! The engine above walks runs and never learns what a grain table is; a new format adds a resolver.

pub mod crc32c;
pub mod extent;
pub mod foreign;
pub mod pages;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;

/// Whether all bytes are 0; looks at large pieces at a time and stops at the first that is not.
pub fn is_zero(data: &[u8]) -> bool {
    // One comparison of the C library's per page beats a loop of our own, also under Miri.
    static ZEROS: [u8; 4096] = [0; 4096];
    data.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}
