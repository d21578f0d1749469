//! How a remote disk is reached.

use std::time::Duration;

use super::compress::Compression;
use super::job::Work;
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

/// How long reads or writes may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long nothing may come while one is awaited, and how long the host may take none of its data.
    pub silence: Duration,
    /// How long one may take, from the time it is sent on.
    pub whole: Option<Duration>,
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
    /// Longest request, 1 MiB at most; longer ones are split.
    pub request_bytes: u32,
    /// Requests in flight for one disk.
    pub depth: usize,
    /// Bytes in flight for all disks of one host in this process.
    pub host_bytes: u64,
    /// How often a broken connection is replaced in a row, and how often one request is sent again.
    pub tries: u32,
    /// The first pause between such tries, in milliseconds; each one doubles it.
    pub pause_ms: u64,
    /// How long each stage may take; `request` is for questions about the disk, and for waiting for memory of the host.
    pub timeouts: Timeouts,
    /// How long reads may take.
    pub read_limits: Limits,
    /// How long writes may take.
    pub write_limits: Limits,
}

impl Config {
    pub(super) fn limits_of(&self, work: &Work) -> Limits {
        match work {
            Work::Read { .. } => self.read_limits,
            Work::Write { .. } => self.write_limits,
            Work::Ask { .. } => Limits { silence: self.timeouts.request, whole: None },
        }
    }

    /// The shortest limit of a request.
    pub(super) fn shortest_limit(&self) -> Duration {
        [self.read_limits, self.write_limits]
            .iter()
            .flat_map(|limits| [Some(limits.silence), limits.whole])
            .flatten()
            .fold(self.timeouts.request, Duration::min)
    }
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
            // As those of the original.
            read_limits: Limits { silence: Duration::from_secs(60), whole: None },
            write_limits: Limits { silence: Duration::from_secs(600), whole: None },
        }
    }
}
