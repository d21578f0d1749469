//! VMDK: a text descriptor and extents in one or several files.
//!
//! Facts: the public "Virtual Disk Format 5.0" note, and what real files and other readers show.

pub mod descriptor;
mod extent_line;
pub mod flat;
pub mod sparse;
