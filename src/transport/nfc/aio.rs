//! Messages of an asynchronous session: a header of 16 bytes, a payload whose length it names, and bytes behind it
//! that it does not count. All numbers are little-endian.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::compress::Compression;
use crate::error::{Error, Kind, Result};
use crate::vsphere::soap::printable;

/// What every message begins with: `7a da 00 a1`.
pub const MAGIC: u32 = 0xa100_da7a;

/// Types of messages.
pub mod kind {
    /// A request failed.
    pub const ERROR: u32 = 1;
    /// Begins a session.
    pub const OPEN_SESSION: u32 = 2;
    /// Ends a session.
    pub const CLOSE_SESSION: u32 = 3;
    /// Opens a disk.
    pub const OPEN_FILE: u32 = 4;
    /// Closes a disk.
    pub const CLOSE_FILE: u32 = 5;
    /// Reads or writes.
    pub const IO: u32 = 7;
    /// Tells of the sizes of the socket's buffers.
    pub const SET_SOCK_OPTS: u32 = 9;
    /// Asks for an entry of the disk database.
    pub const DDB_GET: u32 = 11;
    /// Asks which chunks are allocated.
    pub const ALLOCATED: u32 = 13;
    /// Chooses a pool of the host's memory.
    pub const SET_RES_POOL: u32 = 22;
}

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of the payload of reads and writes.
pub const IO_BYTES: usize = 44;
/// Longest payload of a reply that is taken.
pub const MAX_PAYLOAD: u32 = 4096;
/// Longest text of an error that is taken.
pub const MAX_TEXT: u32 = 64 << 10;

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    magic: U32,
    /// One of [`kind`].
    pub kind: U32,
    /// Bytes of the payload.
    pub payload: U32,
    /// What a reply repeats of its request.
    pub operation: U32,
}
const _: () = assert!(size_of::<Header>() == HEADER_BYTES);

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// `Handshake` for a wrong magic, or a payload longer than any.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self> {
        let header: Self = zerocopy::transmute!(*bytes);
        if header.magic.get() != MAGIC {
            return Err(garbled(format!("a message begins with {:02x?} instead of the magic", &bytes[..4])));
        }
        if header.payload.get() > MAX_PAYLOAD {
            return Err(garbled(format!("a payload of {} bytes", header.payload)));
        }
        Ok(header)
    }
}

/// An error about what a host sent.
pub fn garbled(text: impl AsRef<str>) -> Error {
    Error::new(Kind::Handshake, format!("NFC: the host sent {}", text.as_ref()))
}

/// A message with its payload; what follows it is appended by the caller.
pub fn message(kind: u32, operation: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let header = Header {
        magic: MAGIC.into(),
        kind: kind.into(),
        payload: length.into(),
        operation: operation.into(),
    };
    [header.as_bytes(), payload].concat()
}

/// The payload that begins a session: bytes of a fragment, and buffers.
pub fn open_session(buffer_bytes: u32, buffer_count: u32) -> [u8; 16] {
    zerocopy::transmute!([U32::ZERO, buffer_bytes.into(), buffer_count.into(), U32::ZERO])
}

/// Flags of [`open_file`].
const OPEN_PARENTS: u32 = 0x02;
const READ_ONLY: u32 = 0x04;
const OPEN_ALWAYS: u32 = 0x18; // the lock, and one that clients of the original always set

/// A virtual disk, among the types of files.
const TYPE_DISK: u32 = 2;

/// Payload and path that open a disk.
pub fn open_file(path: &str, writable: bool, single_link: bool) -> Vec<u8> {
    let parents = if single_link { 0 } else { OPEN_PARENTS };
    let flags = OPEN_ALWAYS | parents | if writable { 0 } else { READ_ONLY };
    let mut payload = [U32::ZERO; 15];
    payload[0] = u32::try_from(path.len()).unwrap_or(u32::MAX).into();
    payload[4] = TYPE_DISK.into();
    payload[5] = flags.into();
    payload.as_bytes().to_vec()
}

/// A disk that a host has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// What names it in requests.
    pub handle: u64,
    /// Its capacity in bytes.
    pub capacity_bytes: u64,
    /// Bytes of a sector.
    pub sector_bytes: u32,
    /// Cylinders, heads, sectors of the physical geometry.
    pub geometry: [u32; 3],
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct OpenReply {
    status: U64,
    handle: U64,
    file_type: U32,
    _flags: U32,
    _unknown: U32,
    capacity: U64,
    sector_bytes: U32,
    geometry: [U32; 3],
}
const _: () = assert!(size_of::<OpenReply>() == 52);

/// Reads the answer to [`open_file`].
///
/// # Errors
/// `Handshake` for one that is too short, failed without an error record, or of something that is no disk.
pub fn opened(payload: &[u8]) -> Result<Opened> {
    let Ok((reply, _)) = OpenReply::read_from_prefix(payload) else {
        return Err(garbled(format!("an answer of {} bytes to opening a disk", payload.len())));
    };
    if reply.status.get() != 0 || reply.file_type.get() != TYPE_DISK {
        return Err(garbled(format!("status {} and type {} for a disk", reply.status, reply.file_type)));
    }
    let sector_bytes = if reply.sector_bytes.get() == 0 { 512 } else { reply.sector_bytes.get() };
    if sector_bytes % 512 != 0 || reply.capacity.get() > i64::MAX as u64 {
        return Err(garbled(format!("a disk of {} bytes in sectors of {sector_bytes}", reply.capacity)));
    }
    Ok(Opened {
        handle: reply.handle.get(),
        capacity_bytes: reply.capacity.get(),
        sector_bytes,
        geometry: reply.geometry.map(U32::get),
    })
}

/// One fragment of a write, or of the answer to a read; the answer to a write has no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The disk's handle in requests, the status in answers: 0 is success.
    pub handle: u64,
    /// Whether it belongs to a read.
    pub read: bool,
    /// How its data is compressed, by number.
    pub compression: u32,
    /// Where the whole request begins on the disk, in bytes.
    pub offset: u64,
    /// Bytes of the whole request.
    pub total: u32,
    /// Where the fragment begins within the request.
    pub start: u32,
    /// Its bytes on the disk.
    pub length: u32,
    /// Its bytes behind the message.
    pub wire: u32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Io {
    handle: U64,
    read: U32,
    compression: U32,
    offset: U64,
    total: U32,
    start: U32,
    length: U32,
    wire: U32,
    zero: U32,
}
const _: () = assert!(size_of::<Io>() == IO_BYTES);

impl Fragment {
    /// Its payload.
    pub fn payload(&self) -> [u8; IO_BYTES] {
        let io = Io {
            handle: self.handle.into(),
            read: u32::from(self.read).into(),
            compression: self.compression.into(),
            offset: self.offset.into(),
            total: self.total.into(),
            start: self.start.into(),
            length: self.length.into(),
            wire: self.wire.into(),
            zero: U32::ZERO,
        };
        zerocopy::transmute!(io)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// `Handshake` for one of another length.
    pub fn read(payload: &[u8]) -> Result<Self> {
        let Ok(io) = Io::read_from_bytes(payload) else {
            return Err(garbled(format!("an answer of {} bytes to a read or write", payload.len())));
        };
        Ok(Self {
            handle: io.handle.get(),
            read: io.read.get() == 1,
            compression: io.compression.get(),
            offset: io.offset.get(),
            total: io.total.get(),
            start: io.start.get(),
            length: io.length.get(),
            wire: io.wire.get(),
        })
    }
}

/// The payload of a read of so many bytes.
pub fn read_request(handle: u64, compression: Compression, offset: u64, length: u32) -> [u8; IO_BYTES] {
    let compression = compression.number();
    Fragment { handle, read: true, compression, offset, total: length, start: 0, length, wire: length }
        .payload()
}

/// The payload of a question for an entry of the disk database, whose key follows it.
pub fn ddb_get(handle: u64, key: &str) -> Vec<u8> {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    [&handle.to_le_bytes()[..], &length.to_le_bytes(), &[0; 4]].concat()
}

/// The payload of a question for `count` chunks from `start_bytes` on.
pub fn allocated_request(handle: u64, chunk_bytes: u64, start_bytes: u64, count: u64) -> Vec<u8> {
    [handle, 0, chunk_bytes, start_bytes, count, 0].iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Bytes of the bitmap of so many chunks: one bit each, in words of 4 bytes.
pub fn bitmap_bytes(chunks: u64) -> u64 {
    chunks.div_ceil(8).next_multiple_of(4)
}

/// Most chunks that one question is about.
pub const MAX_CHUNKS: u64 = 512 << 10;

/// Calls `run` with first chunk and chunks of each stretch of ones in a bitmap, least significant bit first.
pub fn runs(bitmap: &[u8], chunks: u64, mut run: impl FnMut(u64, u64)) {
    let mut begun = None;
    for chunk in 0..chunks {
        let byte = usize::try_from(chunk / 8).ok().and_then(|index| bitmap.get(index)).copied().unwrap_or(0);
        match (byte >> (chunk % 8) & 1 == 1, begun) {
            (true, None) => begun = Some(chunk),
            (false, Some(start)) => {
                run(start, chunk - start);
                begun = None;
            }
            _ => {}
        }
    }
    if let Some(start) = begun {
        run(start, chunks - start);
    }
}

/// A number of 4 bytes in a payload; 0 past its end.
fn number_at(payload: &[u8], at: usize) -> u32 {
    payload.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Bytes that follow the payload of an answer.
///
/// # Errors
/// `Handshake` for more than any such answer has, and for types that are no answers.
pub fn extra_bytes(kind: u32, payload: &[u8]) -> Result<u32> {
    let bytes = match kind {
        kind::ERROR | kind::DDB_GET => number_at(payload, 12),
        kind::ALLOCATED => {
            let chunks = u64::from(number_at(payload, 32)) | u64::from(number_at(payload, 36)) << 32;
            u32::try_from(bitmap_bytes(chunks.min(u64::from(u32::MAX)))).unwrap_or(u32::MAX)
        }
        kind::IO => {
            Some(Fragment::read(payload)?).filter(|fragment| fragment.read).map_or(0, |read| read.wire)
        }
        kind::OPEN_SESSION..=kind::CLOSE_FILE | kind::SET_SOCK_OPTS | kind::SET_RES_POOL => 0,
        _ => return Err(garbled(format!("a message of type {kind}"))),
    };
    if kind != kind::IO && bytes > MAX_TEXT {
        return Err(garbled(format!("{bytes} bytes behind a message of type {kind}")));
    }
    Ok(bytes)
}

/// Whether a host says that its memory is used up: others will give some back.
pub fn is_out_of_memory(code: u64, text: &str) -> bool {
    code == 5 || text.contains("Failed to allocate") || text.contains("NFC error 5")
}

/// The error that a host reported.
pub fn reported(code: u64, text: &str) -> Error {
    let has = |part: &str| text.to_ascii_lowercase().contains(part);
    let kind = if is_out_of_memory(code, text) {
        Kind::OutOfMemory
    } else if has("failed to lock") {
        Kind::Locked
    } else if has("permission check failed") {
        Kind::AccessDenied
    } else if has("not find") || has("not found") || has("no such file") {
        Kind::FileNotFound
    } else {
        match code {
            2 => Kind::OutOfMemory,
            4 => Kind::FileNotFound,
            8 => Kind::DiskFull,
            11 => Kind::ReadOnly,
            13 => Kind::AccessDenied,
            15 => Kind::Locked,
            _ => Kind::ServerFault,
        }
    };
    Error::new(
        kind,
        format!("NFC: the host reports error {code}: {}", printable(text.trim_end_matches('\0'))),
    )
}

/// The code of an error record.
pub fn error_code(payload: &[u8]) -> u64 {
    u64::from(number_at(payload, 0)) | u64::from(number_at(payload, 4)) << 32
}
