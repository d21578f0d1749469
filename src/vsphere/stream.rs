//! What carries the management protocol: a byte stream that somebody else makes, with TLS in it and the server's
//! certificate checked.

use std::fmt;
use std::io::{Read, Result as IoResult, Write};
use std::time::Duration;

use crate::error::Result;

/// A connection.
pub trait Stream: Read + Write + Send {
    /// How long one read or write may wait; `None` for ever.
    ///
    /// # Errors
    /// Those of the system.
    fn set_timeout(&mut self, limit: Option<Duration>) -> IoResult<()>;
}

/// Makes connections to management servers.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Connects, with TLS, to a server whose certificate is in order; nothing has been sent to it yet but that.
    ///
    /// # Errors
    /// `HostNotFound`, `ConnectionRefused`, `CannotConnect`, `TlsFailed`, `Untrusted`; the text names the stage, the
    /// host and the port.
    fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Stream>>;
}
