//! An NBD server: fixed newstyle, structured replies, `base:allocation`.
//!
//! ```text
//!   server      sockets and a thread for each client
//!     handshake     options until the client goes on to an export
//!     transmission  requests and replies
//!       protocol    numbers, and the bytes of requests, options and replies
//!   Export      the sectors behind it
//! ```
//!
//! Nothing that a client sends is trusted: lengths are bounded before anything is read or allocated, ranges are checked
//! against the export, and a client that breaks the protocol loses its connection. `fuzz/fuzz_targets/nbd_server.rs` is
//! such a client.

mod handshake;
mod protocol;
mod server;
mod transmission;

use std::io::{self, Read, Write};

pub(crate) use server::{Address, serve};

/// Neighbouring bytes that are all allocated, or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many bytes.
    pub bytes: u64,
    /// Whether they take space; what does not reads as zeros.
    pub allocated: bool,
}

/// Why an export could not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportError {
    /// No space is left.
    pub full: bool,
    /// What failed, for people.
    pub text: String,
}

/// What is served. Ranges lie inside and are multiples of 512 bytes.
pub trait Export: Sync {
    /// The name that clients may use besides the empty one.
    fn name(&self) -> &str;

    /// Its size in bytes, a multiple of 512.
    fn bytes(&self) -> u64;

    /// Whether it takes writes.
    fn writable(&self) -> bool;

    /// Reads.
    ///
    /// # Errors
    /// Those of the disk.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ExportError>;

    /// Writes.
    ///
    /// # Errors
    /// Those of the disk.
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), ExportError>;

    /// Makes everything written durable.
    ///
    /// # Errors
    /// Those of the disk.
    fn flush(&self) -> Result<(), ExportError>;

    /// What is allocated from `offset` on: runs that follow each other and cover `bytes` bytes.
    ///
    /// # Errors
    /// Those of the disk.
    fn runs(&self, offset: u64, bytes: u64) -> Result<Vec<Run>, ExportError>;
}

/// Serves one client until it leaves.
///
/// # Errors
/// Those of the stream; `InvalidData` for a client that breaks the protocol.
pub fn serve_client<S: Read + Write>(stream: &mut S, export: &dyn Export) -> io::Result<()> {
    match handshake::negotiate(stream, export)? {
        Some(agreed) => transmission::run(stream, export, agreed),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
