//! The disk service byte for byte: what clients of others were seen to send, and what they were seen to accept. Handles
//! are the host's to choose and stand as `H` here, 264 bytes of a classic message by their first ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod lab;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lab::Lab;
use vixDiskLib::transport::nfc::authd;
use vixDiskLib::transport::tls::{TlsStream, Trust};
use vixDiskLib::vsphere::ticket::TicketSource;

const LIMIT: Duration = Duration::from_secs(60);

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn classic(text: &str) -> Vec<u8> {
    let mut message = hex(text);
    message.resize(264, 0);
    message
}

/// A connection that a client of our own would not make: bytes go and come as they are.
struct Raw {
    socket: TcpStream,
    handle: String,
}

impl Raw {
    /// Proves a ticket, with a tag.
    fn connect(lab: &Lab, writable: bool, tag: &str) -> Self {
        let ticket = lab.tickets(0, writable).ticket().unwrap();
        let until = Instant::now() + LIMIT;
        let (host, port) = ticket.endpoint("127.0.0.1");
        let mut socket = TcpStream::connect((host, port)).unwrap();
        socket.set_nodelay(true).unwrap();
        assert!(authd::greeting(&authd::line(&mut socket, until, "").unwrap()).unwrap().sha256);
        let mut tls = TlsStream::handshake(socket, host, &Trust::Anything, LIMIT).unwrap();
        tls.write_all(&[b"SESSION ", ticket.session_id.bytes(), b"\r\n"].concat()).unwrap();
        let mut ask = |command: String| {
            tls.write_all(command.as_bytes()).unwrap();
            authd::line(&mut tls, until, "").unwrap()
        };
        assert!(ask("BANNER \r\n".to_owned()).starts_with("220 VMware Authentication Daemon Version 1.10: "));
        let told = ask(format!("THUMBPRINT_SHA2 {tag}\r\n"));
        assert_eq!(told, format!("200 {}", lab.simulator.thumbprint_sha256()));
        assert_eq!(ask(format!("PROXY {}\r\n", ticket.service)), "200 Connect ha-nfc");
        let socket = tls.into_tcp().unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket, handle: String::new() }
    }

    fn say(&mut self, parts: &[&[u8]]) {
        self.socket.write_all(&parts.concat()).unwrap();
    }

    /// Numbers in hex, with `H` for the handle.
    fn with_handle(&self, text: &str) -> Vec<u8> {
        hex(&text.replace('H', &self.handle))
    }

    /// Sends a message and what follows it.
    fn send(&mut self, text: &str, extra: &[u8]) {
        let message = self.with_handle(text);
        self.say(&[&message, extra]);
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// What comes next is this.
    fn expect(&mut self, text: &str, extra: &[u8]) {
        let wanted = [&self.with_handle(text), extra].concat();
        let came = self.take(wanted.len());
        assert!(
            came == wanted,
            "{:02x?}\ninstead of\n{:02x?}",
            &came[..came.len().min(80)],
            &wanted[..80.min(wanted.len())]
        );
    }

    fn expect_classic(&mut self, text: &str) {
        assert_eq!(self.take(264), classic(text));
    }

    /// The classic messages of the original, and its session with buffers of 64 KiB.
    fn begin(&mut self) {
        self.say(&[&classic("2b000000 506c61696e54657874")]);
        self.say(&[&classic("21000000")]);
        self.expect_classic("24000000 00000000 00000000 00000000 01000000");
        self.say(&[&classic("33000000 0b000000")]);
        self.expect_classic("33000000 0b000000");
        self.say(&[&classic("36000000 04000000 07000000")]);
        self.say(&[b"vddk"]);
        self.say(&[b"nbdmode"]);
        self.say(&[&classic("37000000 03000000")]);
        self.say(&[&classic("34000000")]);
        self.expect_classic("34000000");
        self.send("7ada00a1 02000000 10000000 00000000  00000000 00000100 01000000 00000000", &[]);
        self.expect("7ada00a1 02000000 10000000 00000000  00000000 00000000 00000000 00000000", &[]);
        self.send("7ada00a1 09000000 0c000000 01000000  00000000 00000000 00000000", &[]);
        self.expect("7ada00a1 09000000 0c000000 01000000  00000400 00000400 01000000", &[]);
        self.send("7ada00a1 16000000 04000000 02000000  01000000", &[]);
        self.expect("7ada00a1 16000000 04000000 02000000  00000000", &[]);
    }

    /// Asks for the disk with flags; what comes is left to the caller.
    fn ask_to_open(&mut self, flags: &str) {
        let zeros = "00000000".repeat(9);
        let open =
            format!("7ada00a1 04000000 3c000000 03000000  0e000000 {ZEROS_12} 02000000 {flags} {zeros}");
        self.send(&open, b"[ds0] t/t.vmdk");
    }

    /// Opens the disk; `told` is what the host says of its size, sectors and geometry.
    fn open(&mut self, flags: &str, told: &str) {
        self.ask_to_open(flags);
        self.expect("7ada00a1 04000000 3c000000 03000000  0000000000000000", &[]);
        self.handle = self.take(8).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(self.handle.ends_with("0080ffffffff"), "a handle of 32 bits, sign-extended: {}", self.handle);
        self.expect(&format!("02000000 {flags} 00000000 {told} 0000000000000000"), &[]);
    }

    /// The session ends as the original ends it.
    fn end(&mut self, first: u8) {
        self.send(&format!("7ada00a1 05000000 08000000 {first:02x}000000  H"), &[]);
        self.expect(&format!("7ada00a1 05000000 08000000 {first:02x}000000  0000000000000000"), &[]);
        self.send(&format!("7ada00a1 03000000 04000000 {:02x}000000  00000000", first + 1), &[]);
        self.expect(&format!("7ada00a1 03000000 04000000 {:02x}000000  00000000", first + 1), &[]);
        self.say(&[&classic("04000000")]);
        assert_eq!(self.socket.read(&mut [0]).unwrap(), 0, "the host hangs up");
    }
}

const ZEROS_12: &str = "00000000 00000000 00000000";

/// Size, bytes of a sector and geometry of a disk of 64 MiB.
const OF_64_MIB: &str = "0000000400000000 00020000 08000000 ff000000 3f000000";

#[test]
fn the_session_of_the_original() {
    let lab = Lab::new(1, 131_072, |_| ());
    let mut raw = Raw::connect(&lab, true, "PlainText");
    raw.begin();
    raw.open("1a000000", OF_64_MIB);
    one_sector(&mut raw);
    many_sectors(&mut raw);
    questions(&mut raw);
    raw.end(14);
}

/// Sector 1 is written and read.
fn one_sector(raw: &mut Raw) {
    let one = [0x41; 512];
    let io = "0002000000000000 00020000 00000000 00020000 00020000 00000000";
    raw.send(&format!("7ada00a1 07000000 2c000000 04000000  H 00000000 00000000 {io}"), &one);
    raw.expect(&format!("7ada00a1 07000000 2c000000 04000000  0000000000000000 00000000 00000000 {io}"), &[]);
    let asked = "0002000000000000 0002000000000000 00020000 00020000 00000000";
    raw.send(&format!("7ada00a1 07000000 2c000000 05000000  H 01000000 00000000 {asked}"), &[]);
    raw.expect(
        &format!("7ada00a1 07000000 2c000000 05000000  0000000000000000 01000000 00000000 {io}"),
        &one,
    );
}

/// 129 sectors are two fragments each way, and one acknowledgement.
fn many_sectors(raw: &mut Raw) {
    let data: Vec<u8> = (0..66048_usize).map(|at| (at / 512) as u8 ^ at as u8).collect();
    let parts =
        ["00020100 00000000 00000100 00000100 00000000", "00020100 00000100 00020000 00020000 00000000"];
    let halves = [&data[..65536], &data[65536..]];
    for (part, half) in parts.iter().zip(halves) {
        raw.send(
            &format!("7ada00a1 07000000 2c000000 06000000  H 00000000 00000000 0000000000000000 {part}"),
            half,
        );
    }
    let whole = "00020100 00000000 00020100 00020100 00000000";
    raw.expect(&format!("7ada00a1 07000000 2c000000 06000000  {} {whole}", "00000000".repeat(6)), &[]);
    let asked = "0000000000000000 0002010000000000 00020100 00020100 00000000";
    raw.send(&format!("7ada00a1 07000000 2c000000 07000000  H 01000000 00000000 {asked}"), &[]);
    for (part, half) in parts.iter().zip(halves) {
        let head = "7ada00a1 07000000 2c000000 07000000  0000000000000000 01000000 00000000 0000000000000000";
        raw.expect(&format!("{head} {part}"), half);
    }
}

/// The disk database, and allocated blocks: chunks of 128 sectors from the second one on.
fn questions(raw: &mut Raw) {
    for (operation, key, value) in [
        (8, "geometry.biosCylinders", "8"),
        (9, "adapterType", "lsilogic"),
        (10, "geometry.sectors", "63"),
        (11, "no.such", ""),
    ] {
        let (asks, tells) = (key.len(), value.len());
        raw.send(
            &format!("7ada00a1 0b000000 10000000 {operation:02x}000000  H {asks:02x}000000 00000000"),
            key.as_bytes(),
        );
        raw.expect(
            &format!("7ada00a1 0b000000 10000000 {operation:02x}000000  {ZEROS_12} {tells:02x}000000"),
            value.as_bytes(),
        );
    }
    let asked = "0000000000000000 0000010000000000 0000010000000000 1000000000000000 0000000000000000";
    raw.send(&format!("7ada00a1 0d000000 30000000 0d000000  H {asked}"), &[]);
    let zeros = "0000000000000000".repeat(4);
    raw.expect(
        &format!("7ada00a1 0d000000 30000000 0d000000  {zeros} 1000000000000000 0000000000000000"),
        &[],
    );
    assert_eq!(raw.take(4)[0] & 1, 1, "sector 128 was written");
}

#[test]
fn the_session_of_another_client_with_a_strict_host() {
    let lab = Lab::new(1, 33_554_432, |config| config.strict = true);
    let mut raw = Raw::connect(&lab, false, "ABCDEFGHIJKLMNOP");
    raw.say(&[&classic("2b000000 4142434445464748494a4b4c4d4e4f50")]);
    raw.say(&[&classic("21000000")]);
    raw.say(&[&classic("33000000 0c000000 01000000")]);
    raw.expect_classic("24000000 00000000 00000000 00000000 01000000");
    raw.expect_classic("33000000 0b000000");
    let names = [classic("36000000 07000000 07000000"), b"vecturanbdmode".to_vec()].concat();
    assert_eq!(names.len(), 278);
    raw.say(&[&names]);
    raw.say(&[&classic("37000000 03000000")]);
    raw.say(&[&classic("34000000")]);
    raw.expect_classic("34000000");
    raw.send(&format!("7ada00a1 02000000 10000000 00000000  {ZEROS_12} 00000000"), &[]);
    raw.expect(&format!("7ada00a1 02000000 10000000 00000000  {ZEROS_12} 00000000"), &[]);
    raw.send(&format!("7ada00a1 09000000 0c000000 01000000  {ZEROS_12}"), &[]);
    raw.expect("7ada00a1 09000000 0c000000 01000000  00000400 00000400 01000000", &[]);
    raw.send("7ada00a1 16000000 04000000 02000000  01000000", &[]);
    raw.expect("7ada00a1 16000000 04000000 02000000  00000000", &[]);
    // 16 GiB: more than what 32 bits count, and more than what the geometry does.
    raw.open("1e000000", "0000000004000000 00020000 28080000 ff000000 3f000000");
    // A MiB from beyond 4 GiB, in fragments of any order and size.
    raw.send(
        "7ada00a1 07000000 2c000000 12000000  H 01000000 00000000 0002100001000000 0000100000000000 00001000 00001000 00000000",
        &[],
    );
    let (mut left, mut places) = (0x10_0000_u32, Vec::new());
    while left > 0 {
        raw.expect(
            "7ada00a1 07000000 2c000000 12000000  0000000000000000 01000000 00000000 0002100001000000 00001000",
            &[],
        );
        let place = raw.take(16);
        let number = |at: usize| u32::from_le_bytes(place[at..at + 4].try_into().unwrap());
        let (start, length) = (number(0), number(4));
        assert_eq!((number(8), number(12)), (length, 0));
        assert!(raw.take(length as usize).iter().all(|byte| *byte == 0));
        places.push((start, length));
        left -= length;
    }
    assert!(!places.is_sorted(), "shuffled");
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "no gap and no overlap");
    raw.send("7ada00a1 05000000 10000000 13000000  H 0000000000000000", &[]);
    raw.expect("7ada00a1 05000000 10000000 13000000  0000000000000000 0000000000000000", &[]);
    raw.send(&format!("7ada00a1 03000000 10000000 14000000  {ZEROS_12} 00000000"), &[]);
    raw.expect(&format!("7ada00a1 03000000 10000000 14000000  {ZEROS_12} 00000000"), &[]);
}

#[test]
fn compressed_fragments_both_ways() {
    let lab = Lab::new(1, 131_072, |_| ());
    let mut raw = Raw::connect(&lab, true, "PlainText");
    raw.begin();
    raw.open("1a000000", OF_64_MIB);
    let mut plain = vec![0; 2048];
    plain[137..157].fill(b'A');
    plain[900..950].fill(b'B');
    plain[1990..2000].fill(b'C');
    let tail =
        "41".repeat(20) + "8403000032000000" + &"42".repeat(50) + "c60700000a000000" + &"43".repeat(10);
    let skipz = "00080000 00000000 89000000 14000000".to_owned() + &tail;
    let fastlz = "010000e07e010041e00a00e07e9ae0fd00e0fd00e04b000042e02800e2fd91e2fd91e24b91e0fd00e0a1000043e00000e122b9040000000000";
    let zlib = "789c63601824c0110b1868378d82514007e044321868178f8251300a060f70860352750200e4331497";
    for (number, (method, wire)) in [(3, skipz.as_str()), (2, fastlz), (1, zlib)].into_iter().enumerate() {
        let (write, read, extra) = (4 + 2 * number, 5 + 2 * number, hex(wire));
        // Sectors 16 to 19.
        let head = format!(
            "0{method}000000 0020000000000000 00080000 00000000 00080000 {:02x}000000 00000000",
            extra.len()
        );
        raw.send(&format!("7ada00a1 07000000 2c000000 {write:02x}000000  H 00000000 {head}"), &extra);
        let done = "00000000 0020000000000000 00080000 00000000 00080000 00080000 00000000";
        raw.expect(
            &format!("7ada00a1 07000000 2c000000 {write:02x}000000  0000000000000000 00000000 {done}"),
            &[],
        );
        let asked = "00000000 0020000000000000 0008000000000000 00080000 00080000 00000000";
        raw.send(&format!("7ada00a1 07000000 2c000000 {read:02x}000000  H 01000000 {asked}"), &[]);
        raw.expect(
            &format!("7ada00a1 07000000 2c000000 {read:02x}000000  0000000000000000 01000000 {done}"),
            &plain,
        );
    }
    // As skipz, and a sector of zeros as skipz.
    let asked = "03000000 0020000000000000 0008000000000000 00080000 00080000 00000000";
    raw.send(&format!("7ada00a1 07000000 2c000000 0a000000  H 01000000 {asked}"), &[]);
    let told = "03000000 0020000000000000 00080000 00000000 00080000 70000000 00000000";
    raw.expect(
        &format!("7ada00a1 07000000 2c000000 0a000000  0000000000000000 01000000 {told}"),
        &hex(&skipz),
    );
    let asked = "03000000 0000000000000000 0002000000000000 00020000 00020000 00000000";
    raw.send(&format!("7ada00a1 07000000 2c000000 0b000000  H 01000000 {asked}"), &[]);
    let told = "03000000 0000000000000000 00020000 00000000 00020000 08000000 00000000";
    raw.expect(
        &format!("7ada00a1 07000000 2c000000 0b000000  0000000000000000 01000000 {told}"),
        &hex("00020000 00000000"),
    );
    raw.end(12);
}

#[test]
fn errors_are_records_and_an_empty_answer_follows_but_for_reads() {
    let lab = Lab::new(1, 131_072, |_| ());
    let mut raw = Raw::connect(&lab, false, "PlainText");
    raw.begin();
    // For writing, with a ticket that only reads.
    raw.ask_to_open("1a000000");
    let text = "NfcAioProcessOpenFileMsg: permission check failed for file '[ds0] t/t.vmdk', access = 3";
    let record = |operation: u8, code: u8, text: &str| {
        format!(
            "7ada00a1 01000000 10000000 {operation:02x}000000  {code:02x}00000000000000 00000000 {:02x}000000",
            text.len()
        )
    };
    raw.expect(&record(3, 11, text), text.as_bytes());
    raw.expect(&format!("7ada00a1 04000000 3c000000 03000000  {}", "00000000".repeat(15)), &[]);
    raw.open("1e000000", OF_64_MIB);
    // Past the end: a record, and nothing more.
    let asked = "0000000400000000 0002000000000000 00020000 00020000 00000000";
    raw.send(&format!("7ada00a1 07000000 2c000000 04000000  H 01000000 00000000 {asked}"), &[]);
    let text = "NfcAioReadFile failed: 512 bytes from 67108864 on";
    raw.expect(&record(4, 13, text), text.as_bytes());
    // Blocks that do not begin with a chunk.
    let asked = "0000000000000000 0000010000000000 0002000000000000 1000000000000000 0000000000000000";
    raw.send(&format!("7ada00a1 0d000000 30000000 05000000  H {asked}"), &[]);
    let text = "the range is no part of the disk in whole chunks";
    raw.expect(&record(5, 1, text), text.as_bytes());
    raw.expect(&format!("7ada00a1 0d000000 30000000 05000000  {}", "00000000".repeat(12)), &[]);
    raw.end(6);
    // Buffers that no host has: 16 and 32 MiB.
    for size in ["00000001", "00000002"] {
        let mut raw = Raw::connect(&lab, false, "PlainText");
        raw.begin();
        raw.send(&format!("7ada00a1 02000000 10000000 03000000  00000000 {size} 01000000 00000000"), &[]);
        raw.expect("7ada00a1 01000000 10000000 03000000", &[]);
        let lengths = raw.take(16);
        raw.take(usize::from(lengths[12]));
        raw.expect(&format!("7ada00a1 02000000 10000000 03000000  {ZEROS_12} 00000000"), &[]);
    }
}
