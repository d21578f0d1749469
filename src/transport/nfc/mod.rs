//! The modes "nbd" and "nbdssl": a disk of a host, through its disk service (NFC).
//!
//! ```text
//!  RemoteDisk ──pieces──> Flow ──manager thread──> requests ──┐
//!      ^                   (queue, in flight)                 │ one TCP connection, in clear or TLS
//!      └──── done <──── decoders (compressed) <── reader ─────┘
//!
//!  authd    the dialogue that a ticket opens, and the take-over of its connection
//!  classic  messages of 264 bytes that set a session up       aio       messages of the session
//!  setup    both of them in their order, up to an open file   compress  fastlz, skipz, zlib
//!  flow     requests and what became of them; it heals        budget    bytes in flight per host
//! ```
//!
//! What is known of the protocol was measured on hosts of versions 7.0.3 and 8.0. Nothing that a host says is
//! trusted: lengths are bounded before memory is taken, fragments may not overlap, and every wait has an end.

pub mod aio;
pub mod authd;
mod budget;
pub mod classic;
pub mod compress;
mod config;
mod disk;
pub mod fastlz;
mod flow;
mod manager;
pub mod offline;
mod reader;
pub mod setup;
pub mod skipz;

pub use config::{Config, Encryption, Open};
pub use disk::{Allocated, RemoteDisk, RemoteInfo};

#[cfg(test)]
mod host_for_tests;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
