//! TLS over a TCP connection that is taken over and given back at an exact border of records.
//!
//! ```text
//!  socket ──one large read──> incoming ──decrypted in place──> the caller's buffer        TlsReader
//!  socket <──one write─────── outgoing <──encrypted───────────  the caller's buffer       TlsWriter
//! ```
//!
//! The library's unbuffered interface is used: what has been read from the socket stays here, so nothing of what
//! follows a session is lost when it is left; and one thread can wait for the socket while another one writes.

mod handshake;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::UnbufferedClientConnection;
use rustls::crypto::aws_lc_rs;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use zeroize::Zeroizing;

use self::handshake::{explain, failed, new_session, place_of, run_handshake};
use super::tcp::{self, Timeouts};
use super::trust::Verifier;
pub use super::trust::{Certificate, Thumbprint, Trust};
use crate::error::{Error, Kind, Result};
use crate::vsphere::secret::append as append_secret;
use crate::vsphere::stream::{Dial, Stream};

/// Bytes that are read from the socket at once: many records, so that a system call serves all of them.
const INCOMING: usize = 256 << 10;

/// Room for what is left of before: an incomplete record, or a handshake message of up to 64 KiB.
const LEFT: usize = 72 << 10;

/// Bytes of the caller's that are encrypted before they are sent: four records.
const PIECE: usize = 64 << 10;

/// Room that an encrypted record needs beyond its content, with some to spare.
const RECORD_OVERHEAD: usize = 256;

/// Content of a record.
const RECORD: usize = 16 << 10;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The session, and what it wants to send. Whoever sends holds `socket` first, then `session` to encrypt.
struct Shared {
    socket: Mutex<TcpStream>,
    session: Mutex<Session>,
}

struct Session {
    tls: UnbufferedClientConnection,
    outgoing: Vec<u8>,
    /// What came from the socket, and where that begins and ends. The library remembers places in it, so whoever
    /// calls the library hands it in, also for writing. It is decrypted in place, and may hold cookies and tickets.
    incoming: Zeroizing<Vec<u8>>,
    begin: usize,
    end: usize,
    /// Decrypted bytes that found no room in a reader's buffer, and how many of them have been given out.
    rest: Zeroizing<Vec<u8>>,
    given: usize,
    /// What came could not be understood; the library is not called any more.
    failed: bool,
}

/// The reading half.
pub struct TlsReader {
    shared: Arc<Shared>,
    socket: TcpStream,
    /// What the socket is read into, behind room for what is left of before; then it changes places with `incoming`.
    spare: Zeroizing<Vec<u8>>,
    closed: bool,
}

/// The writing half.
#[derive(Clone)]
pub struct TlsWriter {
    shared: Arc<Shared>,
}

/// Both halves.
pub struct TlsStream {
    reader: TlsReader,
    writer: TlsWriter,
    certificate: Certificate,
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TlsStream({:?})", self.reader.socket.peer_addr())
    }
}

impl fmt::Debug for TlsReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TlsReader({:?})", self.socket.peer_addr())
    }
}

impl fmt::Debug for TlsWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsWriter")
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What a step led to.
enum Step {
    /// Bytes were given out.
    Data(usize),
    /// Go on at once.
    Again,
    /// More must come from the socket; says whether the handshake is over.
    Wait { ready: bool },
    /// The other side has ended the session.
    Closed,
}

impl Shared {
    /// Sends what the session wants to send. A reader that finds somebody else sending leaves it to the next one.
    fn flush(&self, socket: &mut TcpStream) -> io::Result<()> {
        let mut outgoing = std::mem::take(&mut lock(&self.session).outgoing);
        if outgoing.is_empty() {
            return Ok(());
        }
        socket.write_all(&outgoing)?;
        outgoing.clear();
        let mut session = lock(&self.session);
        if session.outgoing.is_empty() {
            session.outgoing = outgoing; // its memory is used again
        }
        Ok(())
    }
}

impl Session {
    /// One step of the session over what has come in; data goes to `buffer`.
    fn step(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        let Self { tls, outgoing, incoming, begin, end, rest, failed, .. } = self;
        if *failed {
            return Err(has_failed());
        }
        let input = incoming.get_mut(*begin..*end).unwrap_or_default();
        let UnbufferedStatus { mut discard, state } = tls.process_tls_records(input);
        let step = match state.map_err(broken) {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let (mut filled, mut refused) = (0, None);
                while let Some(record) = traffic.next_record() {
                    let record = match record {
                        Ok(record) => record,
                        Err(error) => {
                            refused = Some(broken(error));
                            break;
                        }
                    };
                    discard += record.discard;
                    let room = buffer.get_mut(filled..).unwrap_or_default();
                    let fits = room.len().min(record.payload.len());
                    let (now, later) = record.payload.split_at(fits);
                    room[..fits].copy_from_slice(now);
                    append_secret(rest, later);
                    filled += fits;
                }
                refused.map_or(Ok(Step::Data(filled)), Err)
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let encoded = append(outgoing, |room| match data.encode(room) {
                    Ok(length) => Encoded::Done(length),
                    Err(EncodeError::InsufficientSize(needs)) => Encoded::Needs(needs.required_size),
                    Err(error) => Encoded::Failed(broken(error)),
                });
                encoded.map(|()| Step::Again)
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Step::Again)
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Step::Wait { ready: false }),
            Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Wait { ready: true }),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::Closed),
            Ok(_) => Err(io::Error::other("TLS: an unknown state")),
            Err(error) => Err(error),
        };
        *begin = begin.saturating_add(discard).min(*end);
        *failed = step.is_err();
        step
    }

    /// What had no room before, which a writer may have added to, or else the next step.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        match self.take_rest(buffer) {
            0 => self.step(buffer),
            given => Ok(Step::Data(given)),
        }
    }

    /// Gives out what had no room before.
    fn take_rest(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.rest.get(self.given..).unwrap_or_default();
        let fits = rest.len().min(buffer.len());
        if let (Some(place), Some(bytes)) = (buffer.get_mut(..fits), rest.get(..fits)) {
            place.copy_from_slice(bytes);
        }
        self.given += fits;
        if self.given == self.rest.len() {
            self.rest.clear();
            self.given = 0;
        }
        fits
    }

    /// Encrypts one record's content.
    fn encrypt(&mut self, data: &[u8]) -> io::Result<()> {
        // What has come and was not asked for yet is decrypted first: the library does not skip it.
        while let Step::Data(_) | Step::Again = self.step(&mut [])? {}
        let Self { tls, outgoing, incoming, begin, end, .. } = self;
        let UnbufferedStatus { state, .. } =
            tls.process_tls_records(incoming.get_mut(*begin..*end).unwrap_or_default());
        match state.map_err(broken)? {
            ConnectionState::WriteTraffic(mut traffic) => {
                append(outgoing, |room| match traffic.encrypt(data, room) {
                    Ok(length) => Encoded::Done(length),
                    Err(EncryptError::InsufficientSize(needs)) => Encoded::Needs(needs.required_size),
                    Err(error) => Encoded::Failed(broken(error)),
                })
            }
            _ => Err(io::Error::new(io::ErrorKind::BrokenPipe, "TLS: the session has ended")),
        }
    }
}

fn has_failed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "TLS: the session has failed")
}

/// Appends what `encode` writes into the room that it is given, which grows until it is enough.
fn append(outgoing: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Encoded) -> io::Result<()> {
    let start = outgoing.len();
    let mut room = RECORD + RECORD_OVERHEAD;
    loop {
        outgoing.resize(start + room, 0);
        match encode(outgoing.get_mut(start..).unwrap_or_default()) {
            Encoded::Done(length) => {
                outgoing.truncate(start + length);
                return Ok(());
            }
            Encoded::Needs(more) if more > room => room = more,
            Encoded::Needs(_) => return Err(io::Error::other("TLS: a record that has no length")),
            Encoded::Failed(error) => {
                outgoing.truncate(start);
                return Err(error);
            }
        }
    }
}

/// How far a record came.
enum Encoded {
    Done(usize),
    Needs(usize),
    Failed(io::Error),
}

impl TlsReader {
    /// Sends what the session wants to say by itself, unless somebody is sending, who then takes it along.
    fn flush(&self) -> io::Result<()> {
        if lock(&self.shared.session).outgoing.is_empty() {
            return Ok(());
        }
        match self.shared.socket.try_lock() {
            Ok(mut socket) => self.shared.flush(&mut socket),
            Err(_) => Ok(()),
        }
    }

    /// Reads from the socket once.
    fn fill(&mut self) -> io::Result<()> {
        let read = loop {
            match self.socket.read(self.spare.get_mut(LEFT..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
        }
        let mut session = lock(&self.shared.session);
        let Session { incoming, begin, end, .. } = &mut *session;
        let left = incoming.get(*begin..*end).unwrap_or_default();
        let Some(first) = LEFT.checked_sub(left.len()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "TLS: a message that has no end"));
        };
        if let Some(place) = self.spare.get_mut(first..LEFT) {
            place.copy_from_slice(left);
        }
        std::mem::swap(incoming, &mut self.spare);
        (*begin, *end) = (first, LEFT + read);
        Ok(())
    }
}

impl Read for TlsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut filled = 0;
        while !self.closed && filled < buffer.len() {
            let step = lock(&self.shared.session).next(buffer.get_mut(filled..).unwrap_or_default())?;
            match step {
                Step::Data(more) => filled += more,
                Step::Again => self.flush()?,
                Step::Closed => self.closed = true,
                Step::Wait { .. } if filled > 0 => break,
                Step::Wait { .. } => self.fill()?,
            }
        }
        Ok(filled)
    }
}

impl TlsWriter {
    /// Sends parts one after the other, in as few records as they fill.
    ///
    /// # Errors
    /// Those of the socket and the session.
    pub fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut socket = lock(&self.shared.socket);
        for part in parts {
            for record in part.chunks(RECORD) {
                let full = {
                    let mut session = lock(&self.shared.session);
                    session.encrypt(record)?;
                    session.outgoing.len() >= PIECE
                };
                if full {
                    self.shared.flush(&mut socket)?;
                }
            }
        }
        self.shared.flush(&mut socket)
    }
}

impl Write for TlsWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.send(&[buffer])?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shared.flush(&mut lock(&self.shared.socket))
    }
}

impl TlsStream {
    /// Makes a session on a connection; nothing but the handshake has been sent afterwards.
    ///
    /// # Errors
    /// `Untrusted` when the server's certificate is not the one that `trust` asks for, `NotSupported` when it offers
    /// only what is older than TLS 1.2 with ECDHE and AES-GCM, `TlsFailed`, `ConnectionLost`.
    pub fn handshake(socket: TcpStream, host: &str, trust: &Trust, limit: Duration) -> Result<Self> {
        let place = place_of(host, &socket);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Verifier::new(trust, &provider)?);
        let tls = new_session(host, &provider, &verifier).map_err(|text| failed(&place, &text))?;
        let sender = socket.try_clone().map_err(|error| Error::from_io(error, format!("TLS: {place}")))?;
        let shared = Arc::new(Shared {
            socket: Mutex::new(sender),
            session: Mutex::new(Session {
                tls,
                outgoing: Vec::new(),
                incoming: Zeroizing::new(vec![0; LEFT + INCOMING]),
                begin: 0,
                end: 0,
                rest: Zeroizing::default(),
                given: 0,
                failed: false,
            }),
        });
        let mut reader = TlsReader {
            shared: Arc::clone(&shared),
            socket,
            spare: Zeroizing::new(vec![0; LEFT + INCOMING]),
            closed: false,
        };
        if let Err(error) = run_handshake(&mut reader, Instant::now() + limit) {
            return Err(explain(error, &place, trust, &verifier));
        }
        let Some(certificate) = verifier.seen().cloned() else {
            return Err(failed(&place, "the server showed no certificate"));
        };
        Ok(Self { reader, writer: TlsWriter { shared }, certificate })
    }

    /// The server's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Gives the connection back without a word to the other side, which does the same at this point.
    ///
    /// # Errors
    /// `Handshake` when something came that has not been read.
    pub fn into_tcp(self) -> Result<TcpStream> {
        let reader = self.reader;
        let session = lock(&reader.shared.session);
        if session.begin != session.end || session.given != session.rest.len() {
            let text = "authd: the server sent more than its answer before it was spoken to";
            return Err(Error::new(Kind::Handshake, text));
        }
        drop(session);
        Ok(reader.socket)
    }

    /// The halves, for two threads.
    pub fn split(self) -> (TlsReader, TlsWriter) {
        (self.reader, self.writer)
    }

    /// The socket below, for time-outs and shutting down.
    pub fn socket(&self) -> &TcpStream {
        &self.reader.socket
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writer.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Stream for TlsStream {
    fn set_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.reader.socket.set_read_timeout(limit)?;
        self.reader.socket.set_write_timeout(limit)
    }
}

/// Connects to management servers: TCP, TLS, the certificate's check.
#[derive(Debug, Clone)]
pub struct TlsDial {
    /// Which servers are talked to.
    pub trust: Trust,
    /// How long each stage may take.
    pub timeouts: Timeouts,
}

impl Dial for TlsDial {
    fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Stream>> {
        let socket = tcp::connect(host, port, self.timeouts.connect)?;
        let mut stream = TlsStream::handshake(socket, host, &self.trust, self.timeouts.handshake)?;
        stream
            .set_timeout(Some(self.timeouts.request))
            .map_err(|error| Error::from_io(error, format!("TCP: setting up {host}:{port}")))?;
        Ok(Box::new(stream))
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
