//! The management protocol of vCenter and ESXi: what leads to a ticket for a disk.
//!
//! TLS is handed in as a [`stream::Stream`]; this room knows HTTP and SOAP only.

pub mod secret;
pub mod stream;
pub mod ticket;
