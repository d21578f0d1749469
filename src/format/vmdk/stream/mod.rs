//! streamOptimized extents: compressed grains, each announced by a marker, for sending and archiving disks.
//!
//! ```text
//!   sector 0          header              its directory offset says "at the end", or names a directory at the front
//!   1                 descriptor
//!   overhead          grain marker + data, ..  grains of table 0 in the order of the disk
//!                     marker GT, table 0
//!                     ..                       the same for every table that has a grain
//!                     marker GD, directory     names the sectors of the tables
//!                     marker FOOTER, footer    a second header, which names the directory
//!   last sector       marker EOS
//! ```
//!
//! Reading needs only the directory: [`extent`] resolves, [`grains`] decodes (`records` one grain, `ahead` those that will
//! be read next), [`footer`] finds the directory. Writing
//! appends grains in the order of the disk ([`writer`]), and [`layout`] ends the file. [`marker`] has the markers.

mod ahead;
mod begin;
pub mod extent;
pub mod footer;
pub mod grains;
pub mod layout;
pub mod marker;
mod records;
#[cfg(test)]
mod samples;
pub mod writer;
