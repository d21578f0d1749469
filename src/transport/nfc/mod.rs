//! The modes "nbd" and "nbdssl": a disk of a host, through its disk service (NFC).
//!
//! ```text
//!  RemoteDisk ──pieces──> Flow ──outlet──> requests ──────────┐
//!      ^           (queue, in flight)                         │ one TCP connection, in clear or TLS
//!      └──── done <──── decoders (compressed) <── inlet ──────┘
//!
//!  authd    the dialogue that a ticket opens, and the take-over of its connection
//!  classic  messages of 264 bytes that set a session up       aio       messages of the session
//!  setup    both of them in their order, up to an open file   compress  fastlz, skipz, zlib
//!  flow     requests and what became of them                  manager   heals, closes, sends what nobody else does
//!  budget   bytes in flight per host                          window    requests in flight per disk
//! ```
//!
//! Outlet and inlet are worked by whoever has a use for them: a caller that waits for its request sends it and receives
//! the answer by itself when nobody else is at it, straight into its buffer and without a change of threads.
//!
//! What is known of the protocol was measured on hosts of versions 7.0.3 and 8.0. Nothing that a host says is
//! trusted: lengths are bounded before memory is taken, fragments may not overlap, and every wait has an end.

mod ahead;
pub mod aio;
pub mod authd;
mod budget;
pub mod classic;
pub mod compress;
mod config;
mod covered;
mod decode;
mod disk;
pub mod fastlz;
mod flow;
mod inlet;
mod job;
mod manager;
pub mod offline;
mod outlet;
pub mod setup;
pub mod skipz;
mod state;
mod window;

pub use config::{Config, Encryption, Limits, Open};
pub use disk::{Allocated, RemoteDisk, RemoteInfo};
pub use job::Done;

pub use crate::io::SECTOR_SIZE;
pub use crate::io::loan::{Loan, Shared};

#[cfg(test)]
mod host_for_tests;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
