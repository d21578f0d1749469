//! Disk formats: bytes to meaning and back, no policy.
//!
//! ```text
//!   Extent::resolve(sector, limit) ──> Run { sectors, source }      the one question every format answers
//!     ├─ vmdk::sparse   grain directory and grain tables
//!     ├─ vmdk::stream   the same over compressed grains, which codec decodes on all cores
//!     └─ vmdk::flat     a position in a file
//!   vmdk::descriptor    the text that names extents, parent and disk database
//! ```
//!
//! The engine above walks runs and never learns what a grain table is; a new format adds a resolver.

pub mod codec;
pub mod cores;
pub mod extent;
pub mod vmdk;
pub mod zeros;
