//! How a remote disk is reached.

use super::compress::Compression;
use crate::transport::tcp::Timeouts;

/// Whether the data goes through TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Mode "nbd": the ticket is proven in TLS, the data goes in clear.
    Clear,
    /// Mode "nbdssl".
    Tls,
}

/// How a disk is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Whether it is written to; the ticket must allow that.
    pub writable: bool,
    /// Whether its parents are left out.
    pub single_link: bool,
    /// What fragments are compressed with.
    pub compression: Compression,
}

/// What the configuration file says about remote disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether the data goes through TLS.
    pub encryption: Encryption,
    /// Bytes of a fragment: `vixDiskLib.nfcAio.Session.BufSizeIn64KB` times 65536.
    pub buffer_bytes: u32,
    /// Buffers of the host for this disk: `vixDiskLib.nfcAio.Session.BufCount`.
    pub buffer_count: u32,
    /// Longest request; longer ones are split.
    pub request_bytes: u32,
    /// Requests in flight for one disk.
    pub depth: usize,
    /// Bytes in flight for all disks of one host in this process.
    pub host_bytes: u64,
    /// How often a broken connection is replaced in a row, and how often one request is sent again.
    pub tries: u32,
    /// The first pause between such tries, in milliseconds; each one doubles it.
    pub pause_ms: u64,
    /// How long each stage may take.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            encryption: Encryption::Tls,
            buffer_bytes: 64 << 10,
            buffer_count: 4,
            request_bytes: 1 << 20,
            depth: 16,
            host_bytes: 48 << 20,
            tries: 5,
            pause_ms: 200,
            timeouts: Timeouts::default(),
        }
    }
}
