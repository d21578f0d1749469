//! A small host of our own for tests: authd and NFC over real sockets and real TLS, with faults on demand.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::aio::{self, Fragment, kind};
use super::compress::{Codec, Compression};
use super::{Config, Encryption, Open, RemoteDisk};
use crate::error::Result;
use crate::transport::tcp::Timeouts;
use crate::transport::tls::Certificate;
use crate::vsphere::secret::Secret;
use crate::vsphere::ticket::{Ticket, TicketSource};

pub(super) const HANDLE: u64 = 0xffff_ffff_8000_2a1f;
pub(super) const DISK: usize = 8 << 20;

/// What happens to the next read or write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    None,
    Cut,
    CutInData,
    Stall,
    Error(u64, &'static str),
    Status,
    Overlap,
    WrongTotal,
    WrongOffset,
    NoMagic,
}

pub(super) struct Host {
    port: u16,
    shown: Certificate,
    pub(super) content: Mutex<Vec<u8>>,
    pub(super) faults: Mutex<VecDeque<Fault>>,
    /// Reads are answered, newest first, when so many of them wait.
    pub(super) hold: AtomicUsize,
    pub(super) shuffle: AtomicBool,
    pub(super) sha256: AtomicBool,
    pub(super) old: AtomicBool,
    pub(super) other_sha256: AtomicBool,
    pub(super) tickets: AtomicUsize,
    pub(super) writes: AtomicUsize,
    /// What clients sent after authd.
    pub(super) heard: Mutex<Vec<u8>>,
    tls: Arc<ServerConfig>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Host({})", self.port)
    }
}

impl TicketSource for Host {
    fn ticket(&self) -> Result<Ticket> {
        let number = self.tickets.fetch_add(1, Ordering::SeqCst);
        Ok(Ticket {
            host: None,
            port: Some(self.port),
            ssl_thumbprint: Some(self.shown.sha1.to_string()),
            service: "nfc".to_owned(),
            session_id: Secret::new(format!("ticket-{number}").as_bytes()),
        })
    }

    fn server(&self) -> &str {
        "127.0.0.1"
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// Keeps what is read.
struct Heard<'a>(Box<dyn Both>, &'a Host);

impl Heard<'_> {
    fn take<const N: usize>(&mut self) -> std::io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        self.1.heard.lock().expect("heard").extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn take_vec(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        self.1.heard.lock().expect("heard").extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn say(&mut self, parts: &[&[u8]]) -> std::io::Result<()> {
        self.0.write_all(&parts.concat())?;
        self.0.flush()
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

impl Host {
    pub(super) fn start() -> Arc<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let shown = Certificate::of_der(made.cert.der());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = Arc::new(Self {
            port: listener.local_addr().expect("an address").port(),
            shown,
            content: Mutex::new((0..DISK).map(|at| (at / 512) as u8 ^ at as u8).collect()),
            faults: Mutex::default(),
            hold: AtomicUsize::new(1),
            shuffle: AtomicBool::new(true),
            sha256: AtomicBool::new(true),
            old: AtomicBool::new(false),
            other_sha256: AtomicBool::new(false),
            tickets: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            heard: Mutex::default(),
            tls: Arc::new(tls),
        });
        let serving = Arc::downgrade(&host);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let Some(host) = serving.upgrade() else { return };
                thread::spawn(move || host.serve(socket.expect("a client")));
            }
        });
        host
    }

    fn accept_tls(&self, mut socket: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        let mut session = ServerConnection::new(Arc::clone(&self.tls)).expect("a session");
        while session.is_handshaking() {
            if session.complete_io(&mut socket).is_err() {
                break;
            }
        }
        StreamOwned::new(session, socket)
    }

    fn serve(&self, mut socket: TcpStream) -> Option<()> {
        socket.set_nodelay(true).ok()?;
        let sha256 = self.sha256.load(Ordering::SeqCst);
        let more = if sha256 { ", SHA256 supported" } else { "" };
        let banner = format!(
            "220 VMware Authentication Daemon Version 1.10: SSL Required, NFCSSL supported/t{more}\r\n"
        );
        socket.write_all(banner.as_bytes()).ok()?;
        let mut tls = self.accept_tls(socket);
        let mut line = || {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n") {
                let mut byte = [0];
                tls.read_exact(&mut byte).ok()?;
                bytes.push(byte[0]);
            }
            let text = String::from_utf8(bytes).ok()?;
            let reply = match text.trim_end() {
                banner_line if banner_line.starts_with("BANNER") => banner.clone(),
                "THUMBPRINT_SHA2 PlainText" if self.other_sha256.load(Ordering::SeqCst) => {
                    format!("200 {}\r\n", "AB:".repeat(31) + "AB")
                }
                "THUMBPRINT_SHA2 PlainText" => format!("200 {}\r\n", self.shown.sha256),
                "PROXY nfc" => "200 Connect ha-nfc\r\n".to_owned(),
                "PROXY nfcssl" => "200 Connect ha-nfcssl\r\n".to_owned(),
                _ => String::new(),
            };
            tls.write_all(reply.as_bytes()).and_then(|()| tls.flush()).ok()?;
            Some(text)
        };
        let service = loop {
            let text = line()?;
            if text.starts_with("PROXY") {
                break text;
            }
        };
        let socket = tls.sock;
        let control = socket.try_clone().ok()?;
        let stream: Box<dyn Both> =
            if service.contains("ssl") { Box::new(self.accept_tls(socket)) } else { Box::new(socket) };
        let mut heard = Heard(stream, self);
        let ended = self.classic(&mut heard, sha256).and_then(|()| self.session(&mut heard));
        let _ = (ended, control.shutdown(std::net::Shutdown::Both));
        Some(())
    }

    fn classic(&self, heard: &mut Heard<'_>, tagged: bool) -> std::io::Result<()> {
        use super::classic::message;
        if tagged {
            assert_eq!(u32_at(&heard.take::<264>()?, 0), 43);
        }
        assert_eq!(u32_at(&heard.take::<264>()?, 0), 33);
        assert_eq!(u32_at(&heard.take::<264>()?, 0), 51);
        let known = u32::from(!self.old.load(Ordering::SeqCst));
        heard.say(&[&message(36, &[0, 0, 0, known])])?;
        heard.say(&[&message(51, &[11])])?;
        let names = heard.take::<264>()?;
        heard.take_vec((u32_at(&names, 4) + u32_at(&names, 8)) as usize)?;
        heard.take::<264>()?;
        heard.take::<264>()?;
        heard.say(&[&message(52, &[])])
    }

    fn session(&self, heard: &mut Heard<'_>) -> std::io::Result<()> {
        let mut buffer_bytes = 65536;
        let mut held: Vec<(u32, Fragment)> = Vec::new();
        let mut received = 0;
        loop {
            let head = heard.take::<16>()?;
            let (message, operation) = (u32_at(&head, 4), u32_at(&head, 12));
            let payload = heard.take_vec(u32_at(&head, 8) as usize)?;
            let answer = |payload: &[u8]| aio::message(message, operation, payload);
            match message {
                kind::OPEN_SESSION => {
                    buffer_bytes = u32_at(&payload, 4) as usize;
                    heard.say(&[&answer(&[0; 16])])?;
                }
                kind::OPEN_FILE => {
                    heard.take_vec(u32_at(&payload, 0) as usize)?;
                    let mut reply = vec![0; 60];
                    reply[8..16].copy_from_slice(&HANDLE.to_le_bytes());
                    reply[16..24].copy_from_slice(&payload[16..24]);
                    reply[28..36].copy_from_slice(&(DISK as u64).to_le_bytes());
                    reply[40] = 8;
                    heard.say(&[&answer(&reply)])?;
                }
                kind::IO => {
                    let fragment = Fragment::read(&payload).expect("a fragment");
                    assert_eq!(fragment.handle, HANDLE);
                    if fragment.read {
                        held.push((operation, Fragment { total: u32_at(&payload, 24), ..fragment }));
                        if held.len() >= self.hold.load(Ordering::SeqCst) {
                            for (operation, fragment) in held.drain(..).rev() {
                                self.read(heard, operation, &fragment, buffer_bytes)?;
                            }
                        }
                    } else {
                        self.write(heard, operation, &fragment, &mut received)?;
                    }
                }
                kind::ALLOCATED => {
                    let bytes = aio::bitmap_bytes(u64_at(&payload, 32)) as usize;
                    heard.say(&[&answer(&payload), &vec![0x0f; bytes]])?;
                }
                kind::DDB_GET => {
                    let key = heard.take_vec(u32_at(&payload, 8) as usize)?;
                    let value: &[u8] = if key == b"adapterType" { b"lsilogic" } else { b"" };
                    heard.say(&[
                        &answer(&[&[0; 12][..], &(value.len() as u32).to_le_bytes()].concat()),
                        value,
                    ])?;
                }
                _ => heard.say(&[&answer(&payload)])?,
            }
            if message == kind::CLOSE_SESSION {
                heard.take::<264>()?;
                return Ok(());
            }
        }
    }

    /// Errors end the connection.
    fn fault(&self, heard: &mut Heard<'_>, operation: u32) -> std::io::Result<Fault> {
        let fault = self.faults.lock().expect("faults").pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::Cut => Err(std::io::ErrorKind::ConnectionReset.into()),
            Fault::Stall => {
                thread::sleep(Duration::from_secs(3));
                Err(std::io::ErrorKind::ConnectionReset.into())
            }
            Fault::Error(code, text) => {
                let record = [&code.to_le_bytes()[..], &[0; 4], &(text.len() as u32).to_le_bytes()].concat();
                heard.say(&[&aio::message(kind::ERROR, operation, &record), text.as_bytes()])?;
                Ok(fault)
            }
            Fault::NoMagic => heard.say(&[&[1; 200]]).map(|()| fault),
            _ => Ok(fault),
        }
    }

    fn read(
        &self,
        heard: &mut Heard<'_>,
        operation: u32,
        request: &Fragment,
        size: usize,
    ) -> std::io::Result<()> {
        let fault = self.fault(heard, operation)?;
        if matches!(fault, Fault::Error(..)) {
            return Ok(());
        }
        let start = request.offset as usize;
        let data = self.content.lock().expect("content")[start..start + request.total as usize].to_vec();
        let mut places: Vec<usize> = (0..data.len()).step_by(size).collect();
        if self.shuffle.load(Ordering::SeqCst) {
            places.reverse();
            let half = places.len() / 2;
            places.rotate_left(half);
        }
        let mut codec = Codec::default();
        for (index, at) in places.into_iter().enumerate() {
            let raw = &data[at..data.len().min(at + size)];
            let mut packed = Vec::new();
            let asked = Compression::of_number(request.compression).expect("a compression");
            let used = codec.encode(asked, raw, &mut packed).expect("encoded");
            let wire = if used == Compression::None { raw } else { &packed };
            let mut fragment = Fragment {
                handle: 0,
                read: true,
                compression: if asked == Compression::SkipZ { 3 } else { used.number() },
                start: at as u32,
                length: raw.len() as u32,
                wire: wire.len() as u32,
                ..*request
            };
            match fault {
                Fault::Status => fragment.handle = 5,
                Fault::Overlap if index > 0 => fragment.start = 0,
                Fault::WrongTotal => fragment.total += 512,
                Fault::WrongOffset => fragment.offset += 512,
                _ => {}
            }
            let message = aio::message(kind::IO, operation, &fragment.payload());
            if fault == Fault::CutInData {
                heard.say(&[&message, &wire[..wire.len() / 2]])?;
                return Err(std::io::ErrorKind::ConnectionReset.into());
            }
            heard.say(&[&message, wire])?;
            if fault == Fault::Overlap {
                heard.say(&[&message, wire])?;
            }
        }
        Ok(())
    }

    fn write(
        &self,
        heard: &mut Heard<'_>,
        operation: u32,
        fragment: &Fragment,
        received: &mut u32,
    ) -> std::io::Result<()> {
        let wire = heard.take_vec(fragment.wire as usize)?;
        let mut data = vec![0; fragment.length as usize];
        let used = Compression::of_number(fragment.compression).expect("a compression");
        Codec::default().decode(used, &wire, &mut data).expect("decoded");
        assert_eq!(fragment.start, *received, "fragments of a write come in their order");
        *received += fragment.length;
        let start = fragment.offset as usize + fragment.start as usize;
        self.content.lock().expect("content")[start..start + data.len()].copy_from_slice(&data);
        if *received == fragment.total {
            *received = 0;
            self.writes.fetch_add(1, Ordering::SeqCst);
            if matches!(self.fault(heard, operation)?, Fault::Error(..)) {
                return Ok(());
            }
            let answer = Fragment {
                handle: 0,
                start: 0,
                length: fragment.total,
                wire: 0,
                compression: 0,
                ..*fragment
            };
            heard.say(&[&aio::message(kind::IO, operation, &answer.payload())])?;
        }
        Ok(())
    }

    pub(super) fn will(&self, faults: &[Fault]) {
        self.faults.lock().expect("faults").extend(faults.iter().cloned());
    }

    pub(super) fn open(
        self: &Arc<Self>,
        encryption: Encryption,
        compression: Compression,
    ) -> Result<RemoteDisk> {
        self.open_with(&Config { encryption, ..config() }, compression)
    }

    pub(super) fn open_with(
        self: &Arc<Self>,
        config: &Config,
        compression: Compression,
    ) -> Result<RemoteDisk> {
        let open = Open { writable: true, single_link: false, compression };
        RemoteDisk::open(Arc::clone(self) as Arc<dyn TicketSource>, "[ds0] t/t.vmdk", open, config)
    }
}

pub(super) fn config() -> Config {
    let seconds = Duration::from_secs;
    let timeouts = Timeouts { connect: seconds(20), handshake: seconds(20), request: seconds(20) };
    Config { pause_ms: 1, timeouts, encryption: Encryption::Clear, ..Config::default() }
}

pub(super) const MODES: [Encryption; 2] = [Encryption::Clear, Encryption::Tls];
pub(super) const COMPRESSIONS: [Compression; 4] =
    [Compression::None, Compression::Zlib, Compression::FastLz, Compression::SkipZ];
