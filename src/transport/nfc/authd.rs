//! The authentication daemon on port 902: a greeting in clear, TLS, a ticket, and the connection is the disk service's.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::config::{Config, Encryption};
use crate::error::{Error, Kind, Result};
use crate::transport::tcp;
use crate::transport::tls::{Certificate, Thumbprint, TlsStream, Trust};
use crate::vsphere::stream::Stream;
use crate::vsphere::ticket::Ticket;

/// Longest line.
pub const MAX_LINE: usize = 4096;

/// What ties the session to the dialogue; it is what the original sends.
pub const TAG: &str = "PlainText";

/// What the greeting tells of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// Whether it tells the SHA-256 of its certificate.
    pub sha256: bool,
    /// Whether the disk service can be reached with TLS.
    pub nfcssl: bool,
}

/// Reads a greeting: `220 name: capability, capability/details, ..`. Capabilities count, versions do not.
///
/// # Errors
/// `Handshake` for anything else.
pub fn greeting(line: &str) -> Result<Greeting> {
    if !line.starts_with("220") {
        return Err(refused("greeting", line));
    }
    let capabilities = line.split_once(": ").map_or("", |(_, list)| list);
    let has = |name: &str| {
        let names = capabilities.split(',').map(|one| one.split('/').next().unwrap_or_default().trim());
        names.into_iter().any(|one| one == name)
    };
    Ok(Greeting { sha256: has("SHA256 supported"), nfcssl: has("NFCSSL supported") })
}

/// The text of an answer with the expected code.
///
/// # Errors
/// `Handshake` with the answer, for every other code.
pub fn answer<'a>(line: &'a str, code: &str, command: &str) -> Result<&'a str> {
    match line.strip_prefix(code) {
        Some(text) if text.is_empty() || text.starts_with([' ', '-']) => Ok(text.trim()),
        _ => Err(refused(command, line)),
    }
}

fn refused(what: &str, line: &str) -> Error {
    let shown: String = line.chars().take(200).filter(|letter| !letter.is_control()).collect();
    Error::new(Kind::Handshake, format!("authd: {what}: the host answers '{shown}'"))
}

/// A connection whose other end is the disk service.
#[derive(Debug)]
pub(super) enum Service {
    Clear(TcpStream),
    Tls(Box<TlsStream>),
}

/// What the dialogue led to.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) service: Service,
    /// Whether the host took the tag, which is repeated to the disk service then.
    pub(super) tagged: bool,
}

/// Reads a line byte by byte, so that nothing behind it is taken, until a moment.
///
/// # Errors
/// `ConnectionLost`; `Handshake` for a line longer than [`MAX_LINE`].
pub fn line(stream: &mut impl Stream, until: Instant, place: &str) -> Result<String> {
    let mut bytes = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut byte = [0];
        stream
            .set_timeout(Some(left))
            .and_then(|()| stream.read_exact(&mut byte))
            .map_err(|error| tcp::lost(error, "authd: waiting for", place))?;
        match byte {
            [b'\n'] => break,
            _ if bytes.len() >= MAX_LINE || Instant::now() > until => {
                return Err(Error::new(
                    Kind::Handshake,
                    format!("authd: {place} sends a line without an end"),
                ));
            }
            [other] => bytes.push(other),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// Connects to the daemon and proves the ticket.
///
/// # Errors
/// Those of [`tcp::connect`] and [`TlsStream::handshake`]; `Handshake` for answers that refuse; `Untrusted` when
/// certificates differ.
pub(super) fn connect(ticket: &Ticket, server: &str, config: &Config) -> Result<Connected> {
    let (host, port) = ticket.endpoint(server);
    let place = format!("{host}:{port}");
    let limit = config.timeouts.handshake;
    let mut socket = tcp::connect(host, port, config.timeouts.connect)?;
    let greeting = greeting(&line(&mut socket, Instant::now() + limit, &place)?)?;
    if config.encryption == Encryption::Tls && !greeting.nfcssl {
        let text = format!("authd: {place} does not offer nbdssl");
        return Err(Error::new(Kind::NotSupported, text));
    }
    let trust = match &ticket.ssl_thumbprint {
        Some(text) => Trust::Thumbprint(Thumbprint::parse(text)?),
        None => {
            return Err(Error::new(
                Kind::Untrusted,
                format!("authd: the ticket for {place} has no thumbprint"),
            ));
        }
    };
    let mut stream = TlsStream::handshake(socket, host, &trust, limit)?;
    let first = stream.certificate().clone();
    let until = Instant::now() + limit;
    let tagged = dialogue(&mut stream, ticket, config.encryption, greeting, (until, &place), &first)?;
    let socket = stream.into_tcp()?;
    let service = match config.encryption {
        Encryption::Clear => Service::Clear(socket),
        Encryption::Tls => {
            let again = Trust::Thumbprint(first.sha256);
            Service::Tls(Box::new(TlsStream::handshake(socket, host, &again, limit)?))
        }
    };
    Ok(Connected { service, tagged })
}

/// The commands, from the ticket to the hand-over, until a moment. `first` is the certificate of the session that they
/// go through. Returns whether the host took the tag.
///
/// # Errors
/// `Handshake` for answers that refuse, `Untrusted` when the host tells of another certificate, `ConnectionLost`.
pub fn dialogue<S: Stream>(
    stream: &mut S,
    ticket: &Ticket,
    encryption: Encryption,
    greeting: Greeting,
    (until, place): (Instant, &str),
    first: &Certificate,
) -> Result<bool> {
    let say = |stream: &mut S, text: &[u8]| {
        stream.write_all(text).map_err(|error| tcp::lost(error, "authd: sending to", place))
    };
    let session = Zeroizing::new([b"SESSION ", ticket.session_id.bytes(), b"\r\n"].concat());
    say(stream, &session)?; // never answered
    say(stream, b"BANNER \r\n")?;
    answer(&line(stream, until, place)?, "220", "BANNER")?;
    if greeting.sha256 {
        say(stream, format!("THUMBPRINT_SHA2 {TAG}\r\n").as_bytes())?;
        let reply = line(stream, until, place)?;
        let told = Thumbprint::parse(answer(&reply, "200", "THUMBPRINT_SHA2")?)
            .map_err(|_| refused("THUMBPRINT_SHA2", &reply))?;
        if told != first.sha256 {
            let text = format!(
                "thumbprint: {place} says that its certificate has {told}, but showed one with {}",
                first.sha256
            );
            return Err(Error::new(Kind::Untrusted, text));
        }
    }
    let (ssl, connected) = match encryption {
        Encryption::Clear => ("", "Connect ha-nfc"),
        Encryption::Tls => ("ssl", "Connect ha-nfcssl"),
    };
    say(stream, format!("PROXY {}{ssl}\r\n", ticket.service).as_bytes())?;
    let reply = line(stream, until, place)?;
    if answer(&reply, "200", "ticket: PROXY")? != connected {
        return Err(refused("PROXY", &reply));
    }
    Ok(greeting.sha256)
}
