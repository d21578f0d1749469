//! Connections: names to addresses, addresses to streams, each with a limit of its own.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::vsphere::stream::Stream;

/// How long each stage of a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Finding a name's addresses, and connecting to one of them: each may take so long.
    pub connect: Duration,
    /// The TLS handshake, and every answer while a session is set up.
    pub handshake: Duration,
    /// One request to which no byte of an answer comes.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), handshake: seconds(30), request: seconds(180) }
    }
}

/// Connects to a host by name or address (IPv6 with or without brackets), without Nagle's delays.
///
/// # Errors
/// `HostNotFound`, `ConnectionRefused`, `CannotConnect`; the text names the stage, the host and the port.
pub fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream> {
    let addresses = resolve(host, port, limit)?;
    let until = Instant::now() + limit;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream
                    .set_nodelay(true)
                    .map_err(|error| Error::from_io(error, format!("TCP: setting up {host}:{port}")))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    let kind = match last.kind() {
        io::ErrorKind::ConnectionRefused => Kind::ConnectionRefused,
        _ => Kind::CannotConnect,
    };
    Err(Error::from_io(last, format!("TCP: connecting to {host}:{port}")).with_kind(kind))
}

/// The addresses of a host. The system's resolver knows no limit, so it is asked on a thread that can be left behind.
fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let name = bare.to_owned();
    let not_found = |text: String| Error::new(Kind::HostNotFound, format!("DNS: {text}"));
    std::thread::Builder::new()
        .name("vixen-dns".to_owned())
        .spawn(move || {
            let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let _ = sender.send(found); // nobody waits any more when the limit has passed
        })
        .map_err(|error| Error::from_io(error, "DNS: starting a thread"))?;
    match receiver.recv_timeout(limit) {
        Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(_)) => Err(not_found(format!("'{host}' has no address"))),
        Ok(Err(error)) => Err(not_found(format!("looking up '{host}': {error}"))),
        Err(_) => Err(not_found(format!("no answer about '{host}' within {} ms", limit.as_millis()))),
    }
}

impl Stream for TcpStream {
    fn set_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(limit)?;
        self.set_write_timeout(limit)
    }
}

/// What an error on an open connection means.
pub(super) fn lost(error: io::Error, doing: &str, peer: &str) -> Error {
    let text = match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("{doing} {peer}: nothing came in time")
        }
        _ => format!("{doing} {peer}"),
    };
    Error::from_io(error, text).with_kind(Kind::ConnectionLost)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn errors_name_the_stage_and_the_place() {
        let limit = Duration::from_secs(5);
        let error = connect("no-such-host.invalid", 902, limit).expect_err("a name that cannot be");
        assert_eq!(error.kind(), Kind::HostNotFound);
        assert!(error.to_string().starts_with("DNS: "), "{error}");
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let error = connect("127.0.0.1", free.port(), limit).expect_err("nobody listens");
        assert_eq!(error.kind(), Kind::ConnectionRefused);
        assert!(
            error.to_string().starts_with(&format!("TCP: connecting to 127.0.0.1:{}", free.port())),
            "{error}"
        );
    }

    #[test]
    fn addresses_are_not_looked_up() {
        for host in ["::1", "[::1]", "127.0.0.1"] {
            assert_eq!(resolve(host, 1, Duration::ZERO).expect("an address").len(), 1);
        }
    }
}
