//! The limit of a network disk: a file's bytes through one connection, by TCP alone or by TLS of the same library, and
//! no disk protocol. `make bench` compares with it.
//!
//! ```text
//! probe serve FILE                                prints a port; serves the file until its input ends
//! probe read|write PORT WAY BYTES DEPTH SECS SIZE WAY: tcp, tls12, tls13; requests of BYTES, DEPTH of them under way,
//!                                                 each with a buffer of its own, over SIZE bytes of the file
//! ```
//!
//! The server reads and writes the file, one call of the system for each request, and does nothing else; the client
//! prints the seconds and the bytes that were moved.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement"
)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
};

/// Bytes of a request's head, and of the answer to a write: as many as those of the disk service.
const HEAD: usize = 60;

/// Bytes that are taken from the socket at once, so that the library's small reads are no system calls.
const BUFFER: usize = 256 << 10;

/// A socket as it is.
fn bare(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream
}

/// A socket whose reads go through a buffer, for TLS.
struct Socket(BufReader<TcpStream>);

impl Socket {
    fn new(stream: TcpStream) -> Self {
        Self(BufReader::with_capacity(BUFFER, bare(stream)))
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_mut().write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// Takes every certificate: the other side is this program.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn version(way: u8) -> Option<&'static SupportedProtocolVersion> {
    [None, Some(&TLS12), Some(&TLS13)][usize::from(way)]
}

fn serve(file: &str) {
    let file = Arc::new(File::options().read(true).write(true).open(file).unwrap());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (file, config) = (Arc::clone(&file), Arc::clone(&config));
            std::thread::spawn(move || answer(stream.unwrap(), &file, config));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
}

fn answer(mut stream: TcpStream, file: &File, config: Arc<ServerConfig>) -> Option<()> {
    let mut way = [0];
    stream.read_exact(&mut way).ok()?;
    let mut stream: Box<dyn Both> = match version(way[0]) {
        None => Box::new(bare(stream)),
        Some(_) => {
            let mut session = ServerConnection::new(config).unwrap();
            session.set_buffer_limit(None);
            Box::new(StreamOwned::new(session, Socket::new(stream)))
        }
    };
    let (mut head, mut data) = ([0; HEAD], Vec::new());
    loop {
        stream.read_exact(&mut head).ok()?;
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap()) as usize;
        let (writes, offset, length) = (head[0] == 1, number(8), number(16));
        data.resize(length, 0);
        if writes {
            stream.read_exact(&mut data).ok()?;
            file.write_all_at(&data, offset as u64).ok()?;
            stream.write_all(&head).ok()?;
        } else {
            file.read_exact_at(&mut data, offset as u64).ok()?;
            stream.write_all(&data).ok()?;
        }
        stream.flush().ok()?;
    }
}

fn connect(port: &str, way: u8) -> Box<dyn Both> {
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    stream.write_all(&[way]).unwrap();
    let Some(version) = version(way) else { return Box::new(bare(stream)) };
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    session.set_buffer_limit(None);
    Box::new(StreamOwned::new(session, Socket::new(stream)))
}

fn measure(writes: bool, mut stream: Box<dyn Both>, bytes: usize, depth: usize, seconds: f64, size: usize) {
    let mut buffers: VecDeque<_> = (0..depth).map(|_| vec![0xa5; bytes]).collect();
    let (mut flying, mut offset, mut done) = (VecDeque::new(), 0, 0_u64);
    let began = Instant::now();
    let limit = Duration::from_secs_f64(seconds);
    while !flying.is_empty() || began.elapsed() < limit {
        while flying.len() < depth && began.elapsed() < limit {
            let mut head = [0; HEAD];
            head[0] = u8::from(writes);
            head[8..16].copy_from_slice(&(offset as u64).to_le_bytes());
            head[16..24].copy_from_slice(&(bytes as u64).to_le_bytes());
            stream.write_all(&head).unwrap();
            let buffer = buffers.pop_front().unwrap();
            if writes {
                stream.write_all(&buffer).unwrap();
            }
            stream.flush().unwrap();
            flying.push_back(buffer);
            offset = if offset + 2 * bytes > size { 0 } else { offset + bytes };
        }
        let mut buffer = flying.pop_front().unwrap();
        match writes {
            true => stream.read_exact(&mut [0; HEAD]).unwrap(),
            false => stream.read_exact(&mut buffer).unwrap(),
        }
        buffers.push_back(buffer);
        done += bytes as u64;
    }
    println!("{}\t{done}", began.elapsed().as_secs_f64());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", file] => serve(file),
        [what @ ("read" | "write"), port, way, bytes, depth, seconds, size] => {
            let way = ["tcp", "tls12", "tls13"].iter().position(|known| *known == way).unwrap() as u8;
            let numbers = (bytes.parse().unwrap(), depth.parse().unwrap(), seconds.parse().unwrap());
            let stream = connect(port, way);
            measure(what == "write", stream, numbers.0, numbers.1, numbers.2, size.parse().unwrap());
        }
        _ => panic!("usage: probe serve FILE | read|write PORT WAY BYTES DEPTH SECONDS SIZE"),
    }
}
