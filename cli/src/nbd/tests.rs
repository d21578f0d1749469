//! Clients that break the protocol, and what they get.

use std::io::Cursor;
use std::sync::Mutex;

use super::*;

/// A disk in memory.
struct Memory {
    bytes: Mutex<Vec<u8>>,
    writable: bool,
}

impl Memory {
    fn new(writable: bool) -> Self {
        let mut bytes = vec![0; 1 << 20];
        bytes[512..1024].fill(7);
        Self { bytes: Mutex::new(bytes), writable }
    }
}

impl Export for Memory {
    fn name(&self) -> &str {
        "disk"
    }

    fn bytes(&self) -> u64 {
        1 << 20
    }

    fn writable(&self) -> bool {
        self.writable
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ExportError> {
        buffer.copy_from_slice(&self.bytes.lock().unwrap()[offset as usize..][..buffer.len()]);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), ExportError> {
        self.bytes.lock().unwrap()[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), ExportError> {
        Ok(())
    }

    fn runs(&self, _offset: u64, bytes: u64) -> Result<Vec<Run>, ExportError> {
        Ok(vec![Run { bytes, allocated: true }])
    }
}

/// What a client sends, and what it gets.
struct Pipe {
    sent: Cursor<Vec<u8>>,
    got: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sent.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.got.extend(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let head = [&protocol::OPTION_MAGIC.to_be_bytes()[..], &number.to_be_bytes()].concat();
    [&head[..], &(data.len() as u32).to_be_bytes(), data].concat()
}

fn request(flags: u16, command: u16, offset: u64, length: u32) -> Vec<u8> {
    let head =
        [&protocol::REQUEST_MAGIC.to_be_bytes()[..], &flags.to_be_bytes(), &command.to_be_bytes()].concat();
    [&head[..], &9u64.to_be_bytes(), &offset.to_be_bytes(), &length.to_be_bytes()].concat()
}

/// Serves a client that sends these bytes; what it gets behind the greeting.
fn serve_bytes(export: &Memory, sent: &[&[u8]]) -> (io::Result<()>, Vec<u8>) {
    let mut pipe =
        Pipe { sent: Cursor::new([&3u32.to_be_bytes()[..], &sent.concat()].concat()), got: Vec::new() };
    let served = serve_client(&mut pipe, export);
    (served, pipe.got.split_off(18))
}

/// Goes on to transmission by the old option, and sends these requests.
fn transmit(writable: bool, requests: &[&[u8]]) -> (io::Result<()>, Vec<u8>) {
    let go = option(protocol::option::EXPORT_NAME, b"disk");
    let (served, got) = serve_bytes(&Memory::new(writable), &[&go, &requests.concat()]);
    (served, got[10..].to_vec())
}

fn errno(reply: &[u8]) -> u32 {
    assert_eq!(reply[..4], protocol::SIMPLE_REPLY_MAGIC.to_be_bytes());
    u32::from_be_bytes(reply[4..8].try_into().unwrap())
}

#[test]
fn ranges_that_leave_the_disk_are_refused_and_the_connection_goes_on() {
    let size = 1 << 20;
    for (offset, length) in
        [(size, 512), (size - 512, 1024), (u64::MAX, 512), (u64::MAX - 511, 512), (0, 0), (1, 512), (0, 513)]
    {
        let good = request(0, 0, 512, 512);
        let (served, got) = transmit(false, &[&request(0, 0, offset, length), &good]);
        served.unwrap();
        assert_eq!(errno(&got), 22, "{offset} {length}");
        assert_eq!(errno(&got[16..]), 0);
        assert_eq!(got[32..], [7; 512]);
    }
}

#[test]
fn a_read_only_disk_takes_no_write_but_its_data() {
    let write = [request(0, 1, 0, 512), vec![1; 512]].concat();
    let (served, got) = transmit(false, &[&write, &request(0, 6, 0, 512), &request(0, 0, 0, 512)]);
    served.unwrap();
    assert_eq!([errno(&got), errno(&got[16..]), errno(&got[32..])], [1, 1, 0]);
    assert_eq!(got[48..], [0; 512]);
}

#[test]
fn what_is_written_is_read_and_zeroes_go_over_it() {
    let write = [request(1, 1, 4096, 512), vec![1; 512]].concat();
    let requests = [&write, &request(0, 0, 4096, 512), &request(0, 6, 4096, 512), &request(0, 0, 4096, 512)];
    let (served, got) = transmit(true, &requests.map(|bytes| &bytes[..]));
    served.unwrap();
    assert_eq!(got[32..544], [1; 512]);
    assert_eq!(got[576..], [0; 512]);
}

#[test]
fn a_client_that_breaks_the_protocol_loses_its_connection() {
    let unknown_export = option(protocol::option::EXPORT_NAME, b"other");
    let huge_write = [option(1, b""), request(0, 1, 0, u32::MAX)].concat();
    let no_request = [option(1, b""), vec![0xAA; 28]].concat();
    let cut = [option(1, b""), request(0, 1, 0, 512), vec![0; 100]].concat();
    let many = option(99, b"").repeat(1000);
    for sent in [&unknown_export, &huge_write, &no_request, &cut, &many, &vec![0; 64]] {
        let (served, got) = serve_bytes(&Memory::new(true), &[sent]);
        assert!(served.is_err(), "{} bytes", sent.len());
        assert!(got.len() < 64 << 10);
    }
}

#[test]
fn options_with_lengths_that_lie_are_refused() {
    let reply_of = |data: &[u8]| {
        let sent = [option(8, b""), data.to_vec(), option(2, b"")].concat();
        let (served, got) = serve_bytes(&Memory::new(false), &[&sent]);
        served.unwrap();
        u32::from_be_bytes(got[20 + 12..20 + 16].try_into().unwrap())
    };
    let name = |length: u32, rest: &[u8]| [&length.to_be_bytes()[..], b"disk", rest].concat();
    assert_eq!(reply_of(&option(7, &name(5000, &[0, 0]))), protocol::reply::INVALID);
    assert_eq!(reply_of(&option(7, &name(4, &[0, 9]))), protocol::reply::INVALID);
    assert_eq!(reply_of(&option(10, &name(4, &[255; 4]))), protocol::reply::INVALID);
    assert_eq!(reply_of(&option(10, &name(u32::MAX, &[]))), protocol::reply::INVALID);
    assert_eq!(reply_of(&option(6, &[0, 0, 0, 1, b'x', 0, 0])), protocol::reply::UNKNOWN);
    assert_eq!(reply_of(&option(3, b"x")), protocol::reply::INVALID);
    assert_eq!(reply_of(&option(5, b"")), protocol::reply::UNSUPPORTED);
    assert_eq!(reply_of(&option(7, &vec![0; 70_000])), protocol::reply::TOO_BIG);
}
