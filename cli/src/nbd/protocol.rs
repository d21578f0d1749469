//! Numbers of the protocol, and the bytes of requests, options and replies; everything is big-endian.

use std::io::{self, Read, Write};

pub(super) const NBD_MAGIC: u64 = 0x4e42_444d_4147_4943;
pub(super) const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
pub(super) const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
pub(super) const REQUEST_MAGIC: u32 = 0x2560_9513;
pub(super) const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
pub(super) const STRUCTURED_REPLY_MAGIC: u32 = 0x668e_33ef;

/// Flags of the handshake, of server and client alike.
pub(super) const FIXED_NEWSTYLE: u16 = 1;
pub(super) const NO_ZEROES: u16 = 2;

/// Options.
pub(super) mod option {
    pub(in super::super) const EXPORT_NAME: u32 = 1;
    pub(in super::super) const ABORT: u32 = 2;
    pub(in super::super) const LIST: u32 = 3;
    pub(in super::super) const INFO: u32 = 6;
    pub(in super::super) const GO: u32 = 7;
    pub(in super::super) const STRUCTURED_REPLY: u32 = 8;
    pub(in super::super) const LIST_META_CONTEXT: u32 = 9;
    pub(in super::super) const SET_META_CONTEXT: u32 = 10;
}

/// Replies to options.
pub(super) mod reply {
    pub(in super::super) const ACK: u32 = 1;
    pub(in super::super) const SERVER: u32 = 2;
    pub(in super::super) const INFO: u32 = 3;
    pub(in super::super) const META_CONTEXT: u32 = 4;
    pub(in super::super) const UNSUPPORTED: u32 = 0x8000_0001;
    pub(in super::super) const INVALID: u32 = 0x8000_0003;
    pub(in super::super) const UNKNOWN: u32 = 0x8000_0006;
    pub(in super::super) const TOO_BIG: u32 = 0x8000_0009;
}

/// What is told of an export.
pub(super) const INFO_EXPORT: u16 = 0;
pub(super) const INFO_BLOCK_SIZE: u16 = 3;

/// Flags of an export.
pub(super) mod transmit {
    pub(in super::super) const HAS_FLAGS: u16 = 1;
    pub(in super::super) const READ_ONLY: u16 = 2;
    pub(in super::super) const SEND_FLUSH: u16 = 4;
    pub(in super::super) const SEND_FUA: u16 = 8;
    pub(in super::super) const SEND_WRITE_ZEROES: u16 = 64;
    pub(in super::super) const SEND_DF: u16 = 128;
    pub(in super::super) const CAN_MULTI_CONN: u16 = 256;
}

/// Commands.
pub(super) mod command {
    pub(in super::super) const READ: u16 = 0;
    pub(in super::super) const WRITE: u16 = 1;
    pub(in super::super) const DISCONNECT: u16 = 2;
    pub(in super::super) const FLUSH: u16 = 3;
    pub(in super::super) const WRITE_ZEROES: u16 = 6;
    pub(in super::super) const BLOCK_STATUS: u16 = 7;
}

/// Flags of commands.
pub(super) const FUA: u16 = 1;
pub(super) const NO_HOLE: u16 = 2;
pub(super) const DONT_FRAGMENT: u16 = 4;
pub(super) const REQUEST_ONE: u16 = 8;

/// Kinds of chunk of a structured reply, and the flag of the last one.
pub(super) mod chunk {
    pub(in super::super) const DONE: u16 = 1;
    pub(in super::super) const NONE: u16 = 0;
    pub(in super::super) const DATA: u16 = 1;
    pub(in super::super) const HOLE: u16 = 2;
    pub(in super::super) const BLOCK_STATUS: u16 = 5;
    pub(in super::super) const ERROR: u16 = 0x8001;
}

/// Errors, as Linux counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errno {
    Permission = 1,
    Io = 5,
    Invalid = 22,
    NoSpace = 28,
    Overflow = 75,
}

/// The name of the one metadata context, and its number here.
pub(super) const BASE_ALLOCATION: &[u8] = b"base:allocation";
pub(super) const CONTEXT: u32 = 1;

/// States of `base:allocation`.
pub(super) const HOLE_AND_ZERO: u32 = 3;

/// A request of the transmission phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) flags: u16,
    pub(super) command: u16,
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// A client has broken the protocol.
pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

pub(super) fn read_array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn read_u16(stream: &mut impl Read) -> io::Result<u16> {
    read_array(stream).map(u16::from_be_bytes)
}

pub(super) fn read_u32(stream: &mut impl Read) -> io::Result<u32> {
    read_array(stream).map(u32::from_be_bytes)
}

pub(super) fn read_u64(stream: &mut impl Read) -> io::Result<u64> {
    read_array(stream).map(u64::from_be_bytes)
}

impl Request {
    /// Reads the next one; `None` when the client has gone.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut magic = [0; 4];
        match stream.read(&mut magic)? {
            0 => return Ok(None),
            some => stream.read_exact(magic.get_mut(some..).unwrap_or_default())?,
        }
        if u32::from_be_bytes(magic) != REQUEST_MAGIC {
            return Err(broken("no request where one must be"));
        }
        Ok(Some(Self {
            flags: read_u16(stream)?,
            command: read_u16(stream)?,
            cookie: read_u64(stream)?,
            offset: read_u64(stream)?,
            length: read_u32(stream)?,
        }))
    }
}

/// Writes a reply to an option.
pub(super) fn reply_to(stream: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(20 + data.len());
    bytes.extend(OPTION_REPLY_MAGIC.to_be_bytes());
    bytes.extend(option.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend((data.len() as u32).to_be_bytes());
    bytes.extend(data);
    stream.write_all(&bytes)
}

/// Writes the head of a simple reply.
pub(super) fn simple(stream: &mut impl Write, cookie: u64, errno: u32) -> io::Result<()> {
    let mut bytes = [0; 16];
    let (magic, rest) = bytes.split_at_mut(4);
    let (error, handle) = rest.split_at_mut(4);
    magic.copy_from_slice(&SIMPLE_REPLY_MAGIC.to_be_bytes());
    error.copy_from_slice(&errno.to_be_bytes());
    handle.copy_from_slice(&cookie.to_be_bytes());
    stream.write_all(&bytes)
}

/// Writes the head of a chunk of a structured reply, and the first part of its payload of `length` bytes.
pub(super) fn structured(
    stream: &mut impl Write,
    (flags, kind): (u16, u16),
    cookie: u64,
    length: u32,
    begin: &[u8],
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(20 + begin.len());
    bytes.extend(STRUCTURED_REPLY_MAGIC.to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(begin);
    stream.write_all(&bytes)
}
