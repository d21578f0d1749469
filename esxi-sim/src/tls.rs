//! TLS that stops at the border of a record: the first session on a connection of the authentication daemon is
//! abandoned without a farewell, and what follows on the same socket belongs to somebody else.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{IoState, ServerConfig, ServerConnection};

/// Longest record with its header.
const MAX_RECORD: usize = 5 + 16384 + 2048;

/// Bytes that are taken from the socket at once.
const BUFFER: usize = 1 << 18;
const SMALL_BUFFER: usize = 256;

/// A certificate that was made just now.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) sha1: String,
    pub(crate) sha256: String,
    /// For the management interface.
    pub(crate) https: Arc<ServerConfig>,
    /// For the authentication daemon: TLS 1.2, as measured on hosts.
    pub(crate) authd: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed([name.to_owned(), "localhost".to_owned()])
            .map_err(io::Error::other)?;
        let certificate = made.cert.der().to_vec();
        let key = made.signing_key.serialize_der();
        let config = |versions: &[&'static rustls::SupportedProtocolVersion]| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(versions)
                .and_then(|builder| {
                    let chain = vec![CertificateDer::from(certificate.clone())];
                    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
                    builder.with_no_client_auth().with_single_cert(chain, key)
                })
                .map(Arc::new)
                .map_err(io::Error::other)
        };
        let thumbprint = |algorithm| colons(digest::digest(algorithm, &certificate).as_ref());
        Ok(Self {
            sha1: thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: thumbprint(&digest::SHA256),
            https: config(rustls::ALL_VERSIONS)?,
            authd: config(&[&rustls::version::TLS12])?,
        })
    }
}

/// Upper-case hexadecimal with colons.
fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// One record from the socket, not a byte more.
fn read_record(from: &mut impl Read, record: &mut Vec<u8>) -> io::Result<()> {
    record.resize(5, 0);
    from.read_exact(record)?;
    let length = match record.as_slice() {
        [_, _, _, high, low] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    if 5 + length > MAX_RECORD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a TLS record that is too long"));
    }
    record.resize(5 + length, 0);
    from.read_exact(record.get_mut(5..).unwrap_or_default())
}

fn failed(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A TLS session, or none, on a socket; reading and writing may happen on two threads.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: io::BufReader<TcpStream>,
    session: Option<Arc<Mutex<ServerConnection>>>,
    record: Vec<u8>,
    plain: Vec<u8>,
    place: usize,
}

/// The sending half.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: TcpStream,
    session: Option<Arc<Mutex<ServerConnection>>>,
}

/// A session from its ClientHello on, or the bare socket.
pub(crate) fn open(stream: &TcpStream, config: Option<&Arc<ServerConfig>>) -> io::Result<(Reader, Writer)> {
    let session =
        config.map(|config| handshake(stream, config)).transpose()?.map(|s| Arc::new(Mutex::new(s)));
    // Behind a buffer for speed, except where the socket is to be handed on afterwards: see `Reader::exact`.
    // Without TLS what is large goes past a small one.
    let capacity = if session.is_some() { BUFFER } else { SMALL_BUFFER };
    let reader = Reader {
        stream: io::BufReader::with_capacity(capacity, stream.try_clone()?),
        session: session.clone(),
        record: Vec::new(),
        plain: Vec::new(),
        place: 0,
    };
    Ok((reader, Writer { stream: stream.try_clone()?, session }))
}

/// Gives a record to a session, which takes it in pieces.
fn feed(session: &mut ServerConnection, record: &[u8]) -> io::Result<Result<IoState, rustls::Error>> {
    let mut rest = record;
    loop {
        session.read_tls(&mut rest)?;
        let state = session.process_new_packets();
        if rest.is_empty() || state.is_err() {
            return Ok(state);
        }
    }
}

fn handshake(stream: &TcpStream, config: &Arc<ServerConfig>) -> io::Result<ServerConnection> {
    let mut session = ServerConnection::new(Arc::clone(config)).map_err(failed)?;
    session.set_buffer_limit(None);
    let (mut socket, mut record) = (stream, Vec::new());
    while session.is_handshaking() {
        read_record(&mut socket, &mut record)?;
        let processed = feed(&mut session, &record)?;
        while session.wants_write() {
            session.write_tls(&mut socket)?;
        }
        processed.map_err(failed)?;
    }
    Ok(session)
}

impl Reader {
    /// Reads without a buffer below, so that not one byte after the current record is taken.
    pub(crate) fn exact(mut self) -> io::Result<Self> {
        self.stream = io::BufReader::with_capacity(0, self.stream.get_ref().try_clone()?);
        Ok(self)
    }

    /// Drops what is left of the current record, as hosts do after a classic message.
    pub(crate) fn drop_record(&mut self) {
        self.place = self.plain.len();
    }

    /// Whether more has come within `patience`, without waiting for a whole message.
    pub(crate) fn has_more(&self, patience: std::time::Duration) -> bool {
        if self.place < self.plain.len() || !self.stream.buffer().is_empty() {
            return true;
        }
        let socket = self.stream.get_ref();
        let before = socket.read_timeout().ok().flatten();
        let more =
            socket.set_read_timeout(Some(patience)).is_ok() && matches!(socket.peek(&mut [0]), Ok(1..));
        more & socket.set_read_timeout(before).is_ok()
    }

    fn fill(&mut self) -> io::Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        self.plain.clear();
        self.place = 0;
        while self.plain.is_empty() {
            read_record(&mut self.stream, &mut self.record)?;
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            let state = feed(&mut session, &self.record)?.map_err(failed)?;
            self.plain.resize(state.plaintext_bytes_to_read(), 0);
            session.reader().read_exact(&mut self.plain)?;
            if self.plain.is_empty() && state.peer_has_closed() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.session.is_none() {
            return self.stream.read(buffer);
        }
        if self.place >= self.plain.len() {
            self.fill()?;
        }
        let count = self.plain.get(self.place..).unwrap_or_default().read(buffer)?;
        self.place += count;
        Ok(count)
    }
}

impl Write for Writer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let Some(session) = &self.session else { return self.stream.write(data) };
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        session.writer().write_all(data)?;
        // All records with one system call, and without a copy; whoever reads waits for that.
        while session.wants_write() {
            session.write_tls(&mut self.stream)?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
