//! HTTP/1.1 as a SOAP client needs it: one POST after the other over a connection that stays open, answers of a
//! bounded size within a bounded time.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::secret::{Secret, append};
use super::stream::Stream;
use crate::error::{Error, Kind, Result};

/// Longest head of an answer, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Most header lines of an answer.
const MAX_HEADERS: usize = 100;

/// Longest body of an answer, in bytes. The devices of the largest virtual machine take a few hundred KiB.
const MAX_BODY: usize = 8 << 20;

/// Most answers of the kind "100 Continue" before the one that counts.
const MAX_INTERIM: usize = 8;

/// Bytes asked of the stream at once.
const READ_BYTES: usize = 16 << 10;

/// What is sent.
#[derive(Debug)]
pub(super) struct Post<'a> {
    /// The server's name, and its port where it is not the usual one.
    pub(super) authority: &'a str,
    /// The path.
    pub(super) path: &'a str,
    /// The SOAPAction, without quotes.
    pub(super) action: &'a str,
    /// The cookie, as it is sent.
    pub(super) cookie: Option<&'a Secret>,
    /// The body.
    pub(super) body: &'a [u8],
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// The number of the status line.
    pub(super) status: u16,
    /// The first part of the Set-Cookie line, name and value.
    pub(super) cookie: Option<Secret>,
    /// The body.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A connection, on which one exchange follows the other.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// What has been received and not been used.
    received: Zeroizing<Vec<u8>>,
    /// The server keeps the connection open after the last answer.
    usable: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").field("usable", &self.usable).finish_non_exhaustive()
    }
}

/// Why an exchange failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection had been closed before the answer began, as servers do with idle ones: another one may work.
    Stale(Error),
    /// Anything else.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, received: Zeroizing::default(), usable: true }
    }

    /// Whether another exchange can follow.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Sends a request and reads the answer, all within `limit`.
    pub(super) fn exchange(
        &mut self,
        post: &Post<'_>,
        limit: Duration,
    ) -> std::result::Result<Answer, Failure> {
        // Only an exchange that ended well leaves the connection in a known state.
        self.usable = false;
        let end = Instant::now() + limit;
        self.send(post, end)?;
        let (head, length) = self.head(end)?;
        let body = match length {
            Length::Exactly(bytes) => self.exactly(bytes, end)?,
            Length::Chunked => self.chunks(end)?,
            Length::ToTheEnd => self.until_end(end)?,
        };
        self.usable = head.keeps_open && length != Length::ToTheEnd;
        Ok(Answer { status: head.status, cookie: head.cookie, body })
    }

    fn send(&mut self, post: &Post<'_>, end: Instant) -> std::result::Result<(), Failure> {
        let mut request = Zeroizing::new(Vec::with_capacity(post.body.len() + 1024));
        request.extend_from_slice(
            format!(
                "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Vixen\r\nAccept: text/xml\r\n\
                 Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"{}\"\r\nContent-Length: {}\r\n",
                post.path,
                post.authority,
                post.action,
                post.body.len()
            )
            .as_bytes(),
        );
        if let Some(cookie) = post.cookie {
            request.extend_from_slice(b"Cookie: ");
            request.extend_from_slice(cookie.bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(post.body);
        self.limit(end)?;
        let sent = self.stream.write_all(&request).and_then(|()| self.stream.flush());
        sent.map_err(|error| match broken(error, "sending the request") {
            error if error.kind() == Kind::ConnectionLost => Failure::Stale(error),
            error => Failure::Other(error),
        })
    }

    /// Reads the head of the answer that counts.
    fn head(&mut self, end: Instant) -> std::result::Result<(Head, Length), Failure> {
        for _ in 0..MAX_INTERIM {
            let head = loop {
                if let Some((head, used)) = Head::parse(&self.received)? {
                    self.use_up(used);
                    break head;
                }
                if self.received.len() >= MAX_HEAD {
                    return Err(senseless(format!("its head has more than {MAX_HEAD} bytes")).into());
                }
                let fresh = self.received.is_empty();
                match self.receive(end) {
                    Ok(0) if fresh => return Err(Failure::Stale(ended())),
                    Ok(0) => return Err(ended().into()),
                    Ok(_) => {}
                    Err(error) if fresh && error.kind() == Kind::ConnectionLost && Instant::now() < end => {
                        return Err(Failure::Stale(error));
                    }
                    Err(error) => return Err(error.into()),
                }
            };
            if head.status / 100 != 1 {
                let length = head.length()?;
                return Ok((head, length));
            }
        }
        Err(senseless("it does not begin".to_owned()).into())
    }

    fn exactly(&mut self, bytes: usize, end: Instant) -> Result<Zeroizing<Vec<u8>>> {
        while self.received.len() < bytes {
            self.receive_more(end)?;
        }
        let body = Zeroizing::new(self.received[..bytes].to_vec());
        self.use_up(bytes);
        Ok(body)
    }

    fn until_end(&mut self, end: Instant) -> Result<Zeroizing<Vec<u8>>> {
        while self.receive(end)? > 0 {
            if self.received.len() > MAX_BODY {
                return Err(too_long());
            }
        }
        Ok(std::mem::take(&mut self.received))
    }

    fn chunks(&mut self, end: Instant) -> Result<Zeroizing<Vec<u8>>> {
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let line = self.line(end)?;
            let Ok(httparse::Status::Complete((_, size))) = httparse::parse_chunk_size(&line) else {
                return Err(senseless("a chunk of its body has no size".to_owned()));
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size == 0 {
                break;
            }
            if size.saturating_add(body.len()) > MAX_BODY {
                return Err(too_long());
            }
            append(&mut body, &self.exactly(size, end)?);
            if *self.exactly(2, end)? != *b"\r\n" {
                return Err(senseless("a chunk of its body does not end where it should".to_owned()));
            }
        }
        // Header lines may follow the body; an empty one ends them.
        for _ in 0..MAX_HEADERS {
            if *self.line(end)? == *b"\r\n" {
                return Ok(body);
            }
        }
        Err(senseless("too many lines follow its body".to_owned()))
    }

    /// A line with its end.
    fn line(&mut self, end: Instant) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.received.iter().take(MAX_HEAD).position(|byte| *byte == b'\n') {
                let line = self.received[..=at].to_vec();
                self.use_up(at + 1);
                return Ok(line);
            }
            if self.received.len() >= MAX_HEAD {
                return Err(senseless("a line of it has no end".to_owned()));
            }
            self.receive_more(end)?;
        }
    }

    fn use_up(&mut self, bytes: usize) {
        self.received.drain(..bytes);
    }

    fn receive_more(&mut self, end: Instant) -> Result<()> {
        if self.receive(end)? == 0 { Err(ended()) } else { Ok(()) }
    }

    /// Reads what there is, at least a byte; 0 at the end.
    fn receive(&mut self, end: Instant) -> Result<usize> {
        let mut buffer = Zeroizing::new([0; READ_BYTES]);
        loop {
            self.limit(end)?;
            match self.stream.read(&mut *buffer) {
                Ok(bytes) => {
                    append(&mut self.received, buffer.get(..bytes).unwrap_or_default());
                    return Ok(bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Many leave out the farewell of TLS; the lengths say whether something is missing.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(broken(error, "waiting for the answer")),
            }
        }
    }

    /// Lets the next wait last until `end` at most.
    fn limit(&mut self, end: Instant) -> Result<()> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(Kind::ConnectionLost, "the server took too long to answer"));
        }
        self.stream.set_timeout(Some(left)).map_err(|error| broken(error, "setting a time-out"))
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Exactly(usize),
    Chunked,
    ToTheEnd,
}

/// What counts of the head of an answer.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    keeps_open: bool,
    chunked: bool,
    bytes: Option<u64>,
    cookie: Option<Secret>,
}

impl Head {
    /// Reads a head and tells how long it is; `None` when it is not there yet.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut lines);
        let status = parsed.parse(bytes).map_err(|error| senseless(error.to_string()))?;
        let httparse::Status::Complete(used) = status else { return Ok(None) };
        let mut head = Self {
            status: parsed.code.unwrap_or(0),
            keeps_open: parsed.version == Some(1),
            ..Self::default()
        };
        for line in parsed.headers.iter() {
            head.line(line.name, line.value)?;
        }
        Ok(Some((head, used)))
    }

    fn line(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let says =
            |word: &str| value.to_ascii_lowercase().windows(word.len()).any(|part| part == word.as_bytes());
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
                if number.is_none() || self.bytes.is_some_and(|bytes| Some(bytes) != number) {
                    return Err(senseless("its Content-Length is no number, or two".to_owned()));
                }
                self.bytes = number;
            }
            "transfer-encoding" => self.chunked = says("chunked"),
            "content-encoding" if !says("identity") => {
                return Err(senseless("it is packed, which was not asked for".to_owned()));
            }
            "connection" if says("close") => self.keeps_open = false,
            "connection" if says("keep-alive") => self.keeps_open = true,
            "set-cookie" => {
                let cookie = value.split(|byte| *byte == b';').next().unwrap_or_default();
                if super::session::is_cookie(cookie.trim_ascii()) {
                    self.cookie = Some(Secret::new(cookie.trim_ascii()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn length(&self) -> Result<Length> {
        match self.bytes {
            _ if self.chunked => Ok(Length::Chunked),
            _ if self.status == 204 || self.status == 304 => Ok(Length::Exactly(0)),
            Some(bytes) if bytes > MAX_BODY as u64 => Err(too_long()),
            Some(bytes) => Ok(Length::Exactly(bytes as usize)),
            None => Ok(Length::ToTheEnd),
        }
    }
}

fn senseless(why: String) -> Error {
    Error::new(Kind::ServerFault, format!("the answer is no HTTP: {why}"))
}

fn too_long() -> Error {
    Error::new(Kind::ServerFault, format!("the answer has more than {MAX_BODY} bytes"))
}

fn ended() -> Error {
    Error::new(Kind::ConnectionLost, "the server closed the connection before its answer was complete")
}

/// An error of the stream.
fn broken(error: std::io::Error, what: &str) -> Error {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        return Error::new(Kind::ConnectionLost, format!("{what}: the server took too long"));
    }
    Error::from_io(error, what).with_kind(Kind::ConnectionLost)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
