//! From a ticket to an open disk: connection, classic messages, session, file.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::ahead::Ahead;
use super::aio::{self, HEADER_BYTES, Header, Opened};
use super::authd::{self, Service};
use super::classic;
use super::config::{Config, Open};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::transport::tcp;
use crate::transport::tls::{TlsReader, TlsWriter};
use crate::vsphere::ticket::TicketSource;

/// The version of the protocol that is spoken here.
const VERSION: u32 = 11;
/// Features: interruption and change of host.
const FEATURES: u32 = 3;
/// Names of the client and of what it wants, as the original says them.
const NAMES: [&[u8]; 2] = [b"vddk", b"nbdmode"];

/// The side that sends.
pub(super) enum Sender {
    Clear(TcpStream),
    Tls(TlsWriter),
}

impl Sender {
    /// Sends a head and the data behind it, together where that is possible.
    pub(super) fn send(&mut self, head: &[u8], data: &[u8]) -> io::Result<()> {
        match self {
            Self::Tls(writer) => writer.send(&[head, data]),
            Self::Clear(socket) => {
                let sent = loop {
                    match socket.write_vectored(&[IoSlice::new(head), IoSlice::new(data)]) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        other => break other?,
                    }
                };
                socket.write_all(head.get(sent..).unwrap_or_default())?;
                socket.write_all(data.get(sent.saturating_sub(head.len())..).unwrap_or_default())
            }
        }
    }
}

impl Write for Sender {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tls(writer) => writer.write(data),
            Self::Clear(socket) => socket.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The side that receives.
pub(super) enum Receiver {
    Clear(Ahead<TcpStream>),
    Tls(Ahead<TlsReader>),
}

impl Read for Receiver {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(reader) => reader.read(buffer),
            Self::Tls(reader) => reader.read(buffer),
        }
    }
}

/// A connection with an open disk.
pub(super) struct Link {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    /// For time-outs and for shutting down.
    pub(super) socket: TcpStream,
    pub(super) disk: Opened,
    /// The operation that comes next.
    pub(super) next: u32,
    /// The other side, for messages.
    pub(super) place: String,
}

/// Connects, and opens the disk.
///
/// # Errors
/// Those of every stage, which the text names.
pub(super) fn establish(source: &dyn TicketSource, path: &str, open: Open, config: &Config) -> Result<Link> {
    let ticket = source.ticket()?;
    let (host, port) = ticket.endpoint(source.server());
    let place = format!("{host}:{port}");
    log::info!(
        "NBD_ClientOpen: attempting to create connection to {}{}{}://{path}@{place}",
        prefix(open),
        ticket.service,
        if config.encryption == super::Encryption::Tls { "ssl" } else { "" }
    );
    let connected = authd::connect(&ticket, source.server(), config)?;
    let failed =
        |error| Error::from_io(error, format!("TCP: setting up {place}")).with_kind(Kind::ConnectionLost);
    let (mut sender, mut receiver, socket) = directions(connected.service).map_err(failed)?;
    let patience = |left: Duration| {
        socket.set_read_timeout(Some(left))?;
        socket.set_write_timeout(Some(left))
    };
    let mut setup = Setup::new(&mut receiver, &mut sender, &patience, &place);
    let disk = setup.run(connected.tagged, path, open, config)?;
    let next = setup.next;
    let set = socket.set_read_timeout(Some(tick(config.shortest_limit())));
    set.and_then(|()| socket.set_write_timeout(Some(config.write_limits.silence))).map_err(failed)?;
    Ok(Link { sender, receiver, socket, disk, next, place })
}

/// Both directions of a connection, and its socket.
fn directions(service: Service) -> io::Result<(Sender, Receiver, TcpStream)> {
    Ok(match service {
        Service::Clear(socket) => {
            let sender = Sender::Clear(socket.try_clone()?);
            (sender, Receiver::Clear(Ahead::new(socket.try_clone()?)), socket)
        }
        Service::Tls(stream) => {
            let socket = stream.socket().try_clone()?;
            let (reader, writer) = stream.split();
            (Sender::Tls(writer), Receiver::Tls(Ahead::new(reader)), socket)
        }
    })
}

fn prefix(open: Open) -> &'static str {
    match open.compression {
        super::compress::Compression::None => "",
        super::compress::Compression::Zlib => "ZLIB-",
        super::compress::Compression::FastLz => "FASTLZ-",
        super::compress::Compression::SkipZ => "SKIPZ-",
    }
}

/// Everything between the hand-over of a connection and an open disk, over any stream of bytes.
pub struct Setup<'a, R, W> {
    reader: R,
    writer: W,
    /// Lets the next read or write wait so long at most.
    patience: &'a dyn Fn(Duration) -> io::Result<()>,
    place: &'a str,
    /// How long an answer may take.
    limit: Duration,
    /// The operation that comes next.
    next: u32,
}

impl<'a, R: Read, W: Write> Setup<'a, R, W> {
    /// A set-up that is still to begin; `place` is the other side, for messages.
    pub fn new(
        reader: R,
        writer: W,
        patience: &'a dyn Fn(Duration) -> io::Result<()>,
        place: &'a str,
    ) -> Self {
        Self { reader, writer, patience, place, limit: Duration::ZERO, next: 0 }
    }

    /// Runs it; `tagged` says whether the host took the tag.
    ///
    /// # Errors
    /// `ConnectionLost`, `Handshake` for what makes no sense, `NotSupported` for hosts without asynchronous sessions,
    /// what the host reports.
    pub fn run(&mut self, tagged: bool, path: &str, open: Open, config: &Config) -> Result<Opened> {
        self.limit = config.timeouts.handshake;
        self.classic(tagged).context(|| format!("NFC handshake with {}", self.place))?;
        self.session(config).context(|| format!("NFC session with {}", self.place))?;
        self.open(path, open).context(|| format!("opening '{path}' on {}", self.place))
    }

    fn lost(&self, error: io::Error) -> Error {
        tcp::lost(error, "NFC: the connection to", self.place)
    }

    /// Sends a message at once, and what follows it.
    fn send(&mut self, head: &[u8], extra: &[u8]) -> Result<()> {
        let sent = (self.patience)(self.limit).and_then(|()| self.writer.write_all(&[head, extra].concat()));
        sent.map_err(|error| self.lost(error))
    }

    /// Fills a buffer within the time that an answer may take, however slowly the bytes come.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let until = Instant::now() + self.limit;
        let mut filled = 0;
        while filled < buffer.len() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.lost(io::ErrorKind::TimedOut.into()));
            }
            let room = buffer.get_mut(filled..).unwrap_or_default();
            match (self.patience)(left).and_then(|()| self.reader.read(room)) {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
        Ok(())
    }

    fn receive(&mut self, bytes: u32) -> Result<Vec<u8>> {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.fill(&mut buffer)?;
        Ok(buffer)
    }

    fn expect(&mut self, kind: u32) -> Result<[u8; classic::BYTES]> {
        let mut message = [0; classic::BYTES];
        self.fill(&mut message)?;
        let text = self.receive(classic::trailer(&message)?)?;
        classic::expect(&message, &text, kind)?;
        Ok(message)
    }

    /// The classic messages up to the change-over. Hosts may answer 36 only when 51 has come, so nothing is waited
    /// for in between.
    fn classic(&mut self, tagged: bool) -> Result<()> {
        use classic::{kind, message};
        if tagged {
            self.send(&classic::tag(authd::TAG), &[])?;
        }
        self.send(&message(kind::PARAMETERS, &[]), &[])?;
        self.send(&message(kind::VERSION, &[VERSION]), &[])?;
        let parameters = self.expect(kind::PARAMETERS_REPLY)?;
        classic::check_asynchronous(&parameters, None)?;
        let version = classic::number(&self.expect(kind::VERSION)?, 1);
        classic::check_asynchronous(&parameters, Some(version))?;
        let lengths = NAMES.map(|name| u32::try_from(name.len()).unwrap_or(0));
        self.send(&message(kind::CONNECTION, &lengths), &[])?;
        for name in NAMES {
            self.send(name, &[])?;
        }
        self.send(&message(kind::FEATURES, &[FEATURES]), &[])?;
        self.send(&message(kind::ASYNCHRONOUS, &[]), &[])?;
        self.expect(kind::ASYNCHRONOUS).map(drop)
    }

    fn session(&mut self, config: &Config) -> Result<()> {
        let buffers = aio::open_session(config.buffer_bytes, config.buffer_count);
        self.call(aio::kind::OPEN_SESSION, &buffers, &[])?;
        let sizes = self.call(aio::kind::SET_SOCK_OPTS, &[0; 12], &[])?;
        if let Some(([send, receive], _)) =
            sizes.split_first_chunk::<8>().map(|(two, rest)| (halves(*two), rest))
        {
            log::info!(
                "NfcAioOpenSession: the socket options server snd buffer size {send}, rcv buffer size {receive}."
            );
        }
        self.call(aio::kind::SET_RES_POOL, &1u32.to_le_bytes(), &[]).map(drop)
    }

    fn open(&mut self, path: &str, open: Open) -> Result<Opened> {
        let payload = aio::open_file(path, open.writable, open.single_link);
        aio::opened(&self.call(aio::kind::OPEN_FILE, &payload, path.as_bytes())?)
    }

    /// A request and its answer, one at a time. After an error record the answer follows all the same.
    fn call(&mut self, kind: u32, payload: &[u8], extra: &[u8]) -> Result<Vec<u8>> {
        let operation = self.next;
        self.next += 1;
        self.send(&aio::message(kind, operation, payload), extra)?;
        let mut head = [0; HEADER_BYTES];
        self.fill(&mut head)?;
        let header = Header::read(&head)?;
        let payload = self.receive(header.payload.get())?;
        let extra = self.receive(aio::extra_bytes(header.kind.get(), &payload)?)?;
        if header.operation.get() != operation {
            return Err(aio::garbled(format!("an answer to {} instead of {operation}", header.operation)));
        }
        match header.kind.get() {
            aio::kind::ERROR => {
                Err(aio::reported(aio::error_code(&payload), &String::from_utf8_lossy(&extra)))
            }
            same if same == kind => Ok(payload),
            other => Err(aio::garbled(format!("an answer of type {other} instead of {kind}"))),
        }
    }
}

/// How often the receiving side looks at the time.
fn tick(shortest: Duration) -> Duration {
    (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(5))
}

fn halves(bytes: [u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = bytes;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}
