//! Tickets: leave for one connection to the disk service (NFC) of a host.

use std::fmt;

use super::secret::Secret;
use crate::error::Result;

/// What vCenter or a host gives for one connection to a host's disk service. It can be used once.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The host to connect to; `None` means the server that gave the ticket, which then is the host itself.
    pub host: Option<String>,
    /// The port of its authentication daemon, as the ticket or the client says.
    pub port: Option<u16>,
    /// The SHA-1 of the certificate that the daemon shows, in hex with colons.
    pub ssl_thumbprint: Option<String>,
    /// What the daemon is asked for: `vpxa-nfc` or `nfc`, to which `ssl` is added for nbdssl.
    pub service: String,
    /// What proves that one may.
    pub session_id: Secret,
}

/// The port of the authentication daemon where nobody says another.
pub const AUTHD_PORT: u16 = 902;

impl Ticket {
    /// The host and port to connect to; `server` is that of [`TicketSource::server`].
    pub fn endpoint<'a>(&'a self, server: &'a str) -> (&'a str, u16) {
        (self.host.as_deref().unwrap_or(server), self.port.unwrap_or(AUTHD_PORT))
    }
}

/// Where tickets for one disk come from; vCenter and single hosts alike. A connection that broke needs a new one.
pub trait TicketSource: Send + Sync + fmt::Debug {
    /// A new ticket. Logs in (again) when needed, so this may take as long as the time-outs of the management
    /// connection allow.
    ///
    /// # Errors
    /// `HostNotFound`, `ConnectionRefused`, `CannotConnect`, `ConnectionLost`, `Untrusted`, `NoPermission`,
    /// `VmNotFound` and others; the text names the stage, the host and the port.
    fn ticket(&self) -> Result<Ticket>;

    /// The management server's name or address.
    fn server(&self) -> &str;
}
