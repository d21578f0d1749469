//! A small host of our own: authd and NFC over real sockets and real TLS, with faults on demand. One file because the
//! host is of no use without the tests, nor they without it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::aio::{self, Fragment, kind};
use super::compress::{Codec, Compression};
use super::tests::hex;
use super::{Config, Encryption, Open, RemoteDisk};
use crate::error::{Kind, Result};
use crate::transport::tcp::Timeouts;
use crate::transport::tls::Certificate;
use crate::vsphere::secret::Secret;
use crate::vsphere::ticket::{Ticket, TicketSource};

const HANDLE: u64 = 0xffff_ffff_8000_2a1f;
const DISK: usize = 8 << 20;

/// What happens to the next read or write.
#[derive(Debug, Clone, PartialEq)]
enum Fault {
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

struct Host {
    port: u16,
    shown: Certificate,
    content: Mutex<Vec<u8>>,
    faults: Mutex<VecDeque<Fault>>,
    /// Reads are answered, newest first, when so many of them wait.
    hold: AtomicUsize,
    shuffle: AtomicBool,
    sha256: AtomicBool,
    old: AtomicBool,
    other_sha256: AtomicBool,
    tickets: AtomicUsize,
    writes: AtomicUsize,
    /// What clients sent after authd.
    heard: Mutex<Vec<u8>>,
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
    fn start() -> Arc<Self> {
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

    fn will(&self, faults: &[Fault]) {
        self.faults.lock().expect("faults").extend(faults.iter().cloned());
    }

    fn open(self: &Arc<Self>, encryption: Encryption, compression: Compression) -> Result<RemoteDisk> {
        self.open_with(&Config { encryption, ..config() }, compression)
    }

    fn open_with(self: &Arc<Self>, config: &Config, compression: Compression) -> Result<RemoteDisk> {
        let open = Open { writable: true, single_link: false, compression };
        RemoteDisk::open(Arc::clone(self) as Arc<dyn TicketSource>, "[ds0] t/t.vmdk", open, config)
    }
}

fn config() -> Config {
    let seconds = Duration::from_secs;
    let timeouts = Timeouts { connect: seconds(20), handshake: seconds(20), request: seconds(20) };
    Config { pause_ms: 1, timeouts, encryption: Encryption::Clear, ..Config::default() }
}

const MODES: [Encryption; 2] = [Encryption::Clear, Encryption::Tls];
const COMPRESSIONS: [Compression; 4] =
    [Compression::None, Compression::Zlib, Compression::FastLz, Compression::SkipZ];

#[test]
fn reads_and_writes_of_every_mode_and_compression() {
    for encryption in MODES {
        for compression in COMPRESSIONS {
            let host = Host::start();
            let disk = host.open(encryption, compression).expect("opened");
            assert_eq!(disk.info().sectors, DISK as u64 / 512);
            let mut all = vec![0; DISK];
            disk.read(0, &mut all).expect("read");
            assert!(all == *host.content.lock().expect("content"), "{encryption:?} {compression:?}");
            let data: Vec<u8> =
                (0..(3 << 20) + 512).map(|at: usize| if at % 4096 < 3000 { 0 } else { at as u8 }).collect();
            disk.write(7, &data).expect("written");
            all[7 * 512..][..data.len()].copy_from_slice(&data);
            assert!(all == *host.content.lock().expect("content"), "{encryption:?} {compression:?}");
            for (start, sectors) in [(0, 1), (0, 2), (1, 1), (8, 8), (0, 128), (0, 129), (256, 64)] {
                let mut part = vec![0; sectors * 512];
                disk.read(start, &mut part).expect("read");
                assert!(part == all[start as usize * 512..][..part.len()]);
            }
            assert_eq!(disk.metadata("adapterType").expect("asked").as_deref(), Some("lsilogic"));
            assert_eq!(disk.metadata("nothing").expect("asked"), None);
            let runs = disk.allocated(0, 1024, 128).expect("asked");
            assert_eq!(runs, [super::Allocated { start: 0, sectors: 512 }]);
            assert_eq!(
                disk.read(DISK as u64 / 512, &mut [0; 512]).expect_err("past the end").kind(),
                Kind::OutOfRange
            );
            disk.read(3, &mut []).expect("nothing");
            disk.close();
            assert_eq!(disk.read(0, &mut [0; 512]).expect_err("closed").kind(), Kind::InvalidHandle);
        }
    }
}

#[test]
fn sessions_are_those_of_the_original_byte_for_byte() {
    let host = Host::start();
    let config = Config { buffer_count: 1, ..config() };
    let disk = host.open_with(&config, Compression::None).expect("opened");
    disk.write(1, &[0x41; 512]).expect("written");
    disk.read(1, &mut [0; 512]).expect("read");
    disk.metadata("geometry.biosCylinders").expect("asked");
    disk.allocated(128, 2048, 128).expect("asked");
    disk.close();
    let classic = |text: &str| [hex(text), vec![0; 264 - hex(text).len()]].concat();
    let expected = [
        classic("2b000000 506c61696e54657874"),
        classic("21000000"),
        classic("33000000 0b000000"),
        classic("36000000 04000000 07000000"),
        b"vddknbdmode".to_vec(),
        classic("37000000 03000000"),
        classic("34000000"),
        hex("7ada00a1 02000000 10000000 00000000  00000000 00000100 01000000 00000000"),
        hex("7ada00a1 09000000 0c000000 01000000  000000000000000000000000"),
        hex("7ada00a1 16000000 04000000 02000000  01000000"),
        hex("7ada00a1 04000000 3c000000 03000000  0e000000 000000000000000000000000 02000000 1a000000"),
        vec![0; 36],
        b"[ds0] t/t.vmdk".to_vec(),
        hex("7ada00a1 07000000 2c000000 04000000  1f2a0080ffffffff 00000000 00000000 0002000000000000"),
        hex("00020000 00000000 00020000 00020000 00000000"),
        vec![0x41; 512],
        hex("7ada00a1 07000000 2c000000 05000000  1f2a0080ffffffff 01000000 00000000 0002000000000000"),
        hex("0002000000000000 00020000 00020000 00000000"),
        hex("7ada00a1 0b000000 10000000 06000000  1f2a0080ffffffff 16000000 00000000"),
        b"geometry.biosCylinders".to_vec(),
        hex("7ada00a1 0d000000 30000000 07000000  1f2a0080ffffffff 0000000000000000 0000010000000000"),
        hex("0000010000000000 1000000000000000 0000000000000000"),
        hex("7ada00a1 05000000 08000000 08000000  1f2a0080ffffffff"),
        hex("7ada00a1 03000000 04000000 09000000  00000000"),
        classic("04000000"),
    ]
    .concat();
    let until = Instant::now() + Duration::from_secs(20);
    while host.heard.lock().expect("heard").len() < expected.len() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(*host.heard.lock().expect("heard"), expected);
}

#[test]
fn sixteen_requests_are_under_way_and_answered_in_any_order() {
    for encryption in MODES {
        let host = Host::start();
        let disk = host.open(encryption, Compression::None).expect("opened");
        host.hold.store(16, Ordering::SeqCst);
        let (sender, receiver) = mpsc::channel();
        for index in 0..32u64 {
            let sender = sender.clone();
            disk.read_async(index * 100, vec![0; 51_200], move |result| {
                sender.send((index, result)).expect("sent")
            })
            .expect("accepted");
        }
        let mut ended: Vec<u64> = Vec::new();
        for _ in 0..32 {
            let (index, result) = receiver.recv_timeout(Duration::from_secs(60)).expect("an end");
            result.expect("read");
            ended.push(index);
        }
        assert_eq!(ended[0], 15, "the newest was answered first");
        ended.sort_unstable();
        assert_eq!(ended, (0..32).collect::<Vec<_>>());
        host.hold.store(1, Ordering::SeqCst);
    }
}

#[test]
fn broken_connections_heal_and_replay() {
    for encryption in MODES {
        for fault in [
            Fault::Cut,
            Fault::CutInData,
            Fault::Overlap,
            Fault::WrongTotal,
            Fault::WrongOffset,
            Fault::NoMagic,
        ] {
            let host = Host::start();
            let disk = host.open(encryption, Compression::None).expect("opened");
            host.will(&[Fault::None, fault.clone(), Fault::None, fault.clone()]);
            let mut all = vec![0; DISK];
            disk.read(0, &mut all).expect("healed");
            assert!(all == *host.content.lock().expect("content"), "{fault:?}");
            assert!(host.tickets.load(Ordering::SeqCst) > 1, "{fault:?}");
        }
        let host = Host::start();
        let disk = host.open(encryption, Compression::Zlib).expect("opened");
        disk.write(0, &[1; 1 << 20]).expect("written");
        host.will(&[Fault::None, Fault::Cut]);
        disk.write(0, &vec![2; 3 << 20]).expect("healed");
        assert!(host.content.lock().expect("content")[..3 << 20].iter().all(|byte| *byte == 2));
        let writes = host.writes.load(Ordering::SeqCst);
        assert!((5..=6).contains(&writes), "{writes} writes: only what was not acknowledged is replayed");
    }
}

#[test]
fn tries_are_bounded() {
    let host = Host::start();
    let disk = host.open_with(&Config { tries: 2, ..config() }, Compression::None).expect("opened");
    host.will(&[Fault::Cut, Fault::Cut, Fault::Cut]);
    assert_eq!(disk.read(0, &mut [0; 512]).expect_err("cut each time").kind(), Kind::ConnectionLost);
    disk.read(0, &mut [0; 512]).expect("the disk lives on");
}

#[test]
fn silence_ends() {
    let host = Host::start();
    let timeouts = Timeouts { request: Duration::from_millis(300), ..config().timeouts };
    let disk = host.open_with(&Config { timeouts, ..config() }, Compression::None).expect("opened");
    host.will(&[Fault::Stall]);
    disk.read(0, &mut [0; 512]).expect("healed");
    assert_eq!(host.tickets.load(Ordering::SeqCst), 2);
}

#[test]
fn hosts_without_memory_are_asked_for_less() {
    let host = Host::start();
    let disk = host.open(Encryption::Clear, Compression::None).expect("opened");
    host.will(&[
        Fault::Error(5, "Failed to allocate the requested 1048576 bytes"),
        Fault::None,
        Fault::Error(1, "NFC error 5"),
    ]);
    let mut all = vec![0; DISK];
    disk.read(0, &mut all).expect("read");
    assert!(all == *host.content.lock().expect("content"));
    assert_eq!(host.tickets.load(Ordering::SeqCst), 1);
}

#[test]
fn errors_of_the_host_reach_their_request_alone() {
    let host = Host::start();
    let disk = host.open(Encryption::Tls, Compression::None).expect("opened");
    host.will(&[Fault::Error(13, "NfcAioReadFile failed")]);
    let error = disk.read(0, &mut [0; 512]).expect_err("reported");
    assert!(error.to_string().contains("NfcAioReadFile failed"), "{error}");
    disk.read(0, &mut [0; 512]).expect("the next one");
    host.will(&[Fault::Status]);
    assert_eq!(disk.read(0, &mut [0; 512]).expect_err("a status").kind(), Kind::ServerFault);
    disk.read(0, &mut [0; 512]).expect("the next one");
}

#[test]
fn hosts_that_are_not_what_they_should_be_are_refused() {
    let host = Host::start();
    host.other_sha256.store(true, Ordering::SeqCst);
    let error = host.open(Encryption::Clear, Compression::None).expect_err("another SHA-256");
    assert_eq!(error.kind(), Kind::Untrusted, "{error}");
    let host = Host::start();
    host.old.store(true, Ordering::SeqCst);
    host.sha256.store(false, Ordering::SeqCst);
    let error = host.open(Encryption::Tls, Compression::None).expect_err("an old host");
    assert_eq!(error.kind(), Kind::NotSupported, "{error}");
    let host = Host::start();
    host.sha256.store(false, Ordering::SeqCst);
    host.open(Encryption::Clear, Compression::None).expect("a host without SHA-256");
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("proc").count()
}

fn ours() -> usize {
    let names = std::fs::read_dir("/proc/self/task").expect("proc").filter_map(|task| {
        let path = task.ok()?.path().join("comm");
        std::fs::read_to_string(path).ok()
    });
    names.filter(|name| name.starts_with("vixen-nfc")).count()
}

/// Other tests run beside this one, so threads are counted in a process of its own.
#[test]
fn nothing_is_left_of_fifty_disks() {
    const NAME: &str = "transport::nfc::server_tests::nothing_is_left_of_fifty_disks";
    if std::env::var_os("VIXEN_NFC_ALONE").is_none() {
        let program = std::env::current_exe().expect("this program");
        let status =
            std::process::Command::new(program).args([NAME, "--exact"]).env("VIXEN_NFC_ALONE", "1").status();
        assert!(status.expect("run").success());
        return;
    }
    let host = Host::start();
    let once = || {
        let disk = host.open(Encryption::Tls, Compression::SkipZ).expect("opened");
        disk.write(0, &[7; 1024]).expect("written");
        let (sender, receiver) = mpsc::channel();
        disk.read_async(0, vec![0; 512], move |result| sender.send(result).expect("sent")).expect("accepted");
        receiver.recv().expect("an end").expect("read");
        drop(disk);
        assert_eq!(ours(), 0, "threads are left");
    };
    once();
    let settle = |most: usize| {
        let until = Instant::now() + Duration::from_secs(20);
        while count("/proc/self/fd") > most && Instant::now() < until {
            thread::sleep(Duration::from_millis(10)); // the host's side closes by itself
        }
        count("/proc/self/fd")
    };
    let before = settle(6);
    (0..50).for_each(|_| once());
    assert!(settle(before) <= before, "descriptors are left");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_disk_is_an_array_of_bytes(
        steps in proptest::collection::vec((any::<bool>(), 0usize..DISK / 512, 1usize..3000, any::<u8>()), 1..20),
        mode in 0usize..2,
        compression in 0usize..4,
        cut in 0usize..10,
    ) {
        let host = Host::start();
        let config = Config { encryption: MODES[mode], buffer_bytes: 128 << 10, request_bytes: 300 << 10, ..config() };
        let disk = host.open_with(&config, COMPRESSIONS[compression]).expect("opened");
        let mut model = host.content.lock().expect("content").clone();
        host.will(&vec![Fault::None; cut]);
        host.will(&[Fault::Cut]);
        for (writes, start, sectors, byte) in steps {
            let sectors = sectors.min(DISK / 512 - start);
            let range = start * 512..(start + sectors) * 512;
            if writes {
                let data: Vec<u8> = (0..range.len()).map(|at| if at % 700 < 300 { 0 } else { byte ^ at as u8 }).collect();
                disk.write(start as u64, &data).expect("written");
                model[range].copy_from_slice(&data);
            } else {
                let mut data = vec![0; range.len()];
                disk.read(start as u64, &mut data).expect("read");
                prop_assert!(data == model[range]);
            }
        }
        disk.close();
        prop_assert!(model == *host.content.lock().expect("content"));
    }
}
