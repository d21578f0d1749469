//! The management protocol of vCenter and ESXi: what leads to a ticket for a disk.
//!
//! ```text
//!   tickets ──> inventory ──> properties ──> session ──> soap      requests, answers, faults
//!   access  ──>     │                           └──> http ──> stream::Stream, which is handed in with TLS in it
//!   changes ──>     │
//!   examine ──>     │
//! ```

pub mod access;
pub mod changes;
pub mod examine;
mod http;
pub mod inventory;
mod properties;
pub mod secret;
pub mod session;
pub mod soap;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod ticket;
pub mod tickets;
