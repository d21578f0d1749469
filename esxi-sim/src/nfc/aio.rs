//! The session of asynchronous requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vixDiskLib::disk::Disk;
use vixDiskLib::error::Kind;
use vixDiskLib::io::SECTOR_SIZE;

use super::fragments::{self, Read, Scratch};
use super::opened::open_answer;
use super::sender::{Sender, pace};
use super::writes::Begun;
use super::{MESSAGE, u32_at, u64_at};
use crate::codec::Method;
use crate::fault::Fault;
use crate::host::{Host, Reserved, Ticket};
use crate::tls::{Reader, Writer};
use crate::vm;

/// Size of the header.
pub(super) const HEADER: usize = 16;

const MAGIC: u32 = 0xa100_da7a;

/// Kinds of messages.
pub(super) mod kind {
    pub(in crate::nfc) const ERROR: u32 = 1;
    pub(in crate::nfc) const OPEN_SESSION: u32 = 2;
    pub(in crate::nfc) const CLOSE_SESSION: u32 = 3;
    pub(in crate::nfc) const OPEN_FILE: u32 = 4;
    pub(in crate::nfc) const CLOSE_FILE: u32 = 5;
    pub(in crate::nfc) const IO: u32 = 7;
    pub(in crate::nfc) const SOCKET_OPTIONS: u32 = 9;
    pub(in crate::nfc) const METADATA: u32 = 11;
    pub(in crate::nfc) const ALLOCATED_BLOCKS: u32 = 13;
    pub(in crate::nfc) const RESOURCE_POOL: u32 = 22;
}

/// Codes of errors; what is not known of hosts is the code of VixDiskLib for the same.
pub(super) mod code {
    pub(in crate::nfc) const FAILED: u64 = 1;
    pub(in crate::nfc) const NO_MEMORY: u64 = 5;
    pub(in crate::nfc) const NOT_SUPPORTED: u64 = 6;
    pub(in crate::nfc) const NOT_PERMITTED: u64 = 11;
    pub(in crate::nfc) const IO: u64 = 13;
}

/// Largest payload of a client.
const MAX_PAYLOAD: u32 = 4096;
/// Longest path and key.
const MAX_TEXT: u32 = 4096;
/// Size of a buffer when the client names none.
const DEFAULT_BUFFER: u32 = 65536;
/// Largest buffer, and most bytes of all buffers of a session.
const MAX_BUFFER: u32 = 8 << 20;
const MAX_BUFFERS: u64 = 16 << 20;
/// Most chunks of a query.
const MAX_CHUNKS: u64 = 512 << 10;
/// Most reads that are held back.
const MAX_HELD: usize = 32;
/// How long the strict host waits for more reads.
const HOLD: Duration = Duration::from_millis(2);
/// The first handle; handles look like negative numbers of 32 bits.
const FIRST_HANDLE: u64 = 0xffff_ffff_8000_2a1f;

/// A message with its header.
pub(super) fn frame(kind: u32, operation: u32, payload: &[u8]) -> Vec<u8> {
    let numbers = [MAGIC, kind, payload.len() as u32, operation];
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes.extend_from_slice(payload);
    bytes
}

/// Why a request is refused.
pub(super) struct Refusal {
    code: u64,
    text: String,
}

impl From<vixDiskLib::error::Error> for Refusal {
    fn from(error: vixDiskLib::error::Error) -> Self {
        Self { code: code::IO, text: error.to_string() }
    }
}

pub(super) fn refusal(code: u64, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into() }
}

/// Why an answer ends early.
enum Failure {
    Refused(Refusal),
    Connection(io::Error),
}

impl From<vixDiskLib::error::Error> for Failure {
    fn from(error: vixDiskLib::error::Error) -> Self {
        Self::Refused(refusal(code::IO, format!("NfcAioReadFile failed: {error}")))
    }
}

/// The open disk.
pub(super) struct File {
    handle: u64,
    pub(super) disk: Disk,
    pub(super) key: i32,
}

/// A session.
pub(super) struct Session<'a> {
    pub(super) host: &'a Arc<Host>,
    stream: &'a TcpStream,
    pub(super) ticket: Ticket,
    pub(super) buffer: u32,
    memory: Option<Reserved>,
    file: Option<File>,
    pub(super) begun: HashMap<u32, Begun>,
    held: Vec<Read>,
    pub(super) scratch: RefCell<Scratch>,
}

pub(super) struct Message {
    kind: u32,
    pub(super) operation: u32,
    pub(super) payload: Vec<u8>,
}

pub(super) fn extra_length(length: u32, limit: u32) -> io::Result<usize> {
    if length > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more data than a message can have"));
    }
    Ok(length as usize)
}

fn read_extra(reader: &mut Reader, length: u32, limit: u32) -> io::Result<Vec<u8>> {
    let mut extra = vec![0; extra_length(length, limit)?];
    reader.read_exact(&mut extra)?;
    Ok(extra)
}

impl<'a> Session<'a> {
    pub(super) fn new(host: &'a Arc<Host>, stream: &'a TcpStream, ticket: Ticket) -> Self {
        Self {
            host,
            stream,
            ticket,
            buffer: DEFAULT_BUFFER,
            memory: None,
            file: None,
            begun: HashMap::new(),
            held: Vec::new(),
            scratch: RefCell::default(),
        }
    }

    /// Serves the session until the client ends it.
    pub(super) fn run(mut self, mut reader: Reader, writer: Writer) -> io::Result<()> {
        let sender = Sender::new(self.host, self.stream, writer)?;
        let result = self.serve(&mut reader, &sender);
        // What was acknowledged is there when a reader comes next.
        if let Some(file) = &self.file {
            let _ = file.disk.finish();
        }
        self.file = None;
        sender.finish();
        result
    }

    fn serve(&mut self, reader: &mut Reader, sender: &Sender) -> io::Result<()> {
        let mut free = Instant::now();
        loop {
            if !self.held.is_empty() && (self.held.len() >= MAX_HELD || !reader.has_more(HOLD)) {
                self.answer_held(sender)?;
            }
            let Some(message) = self.next(reader)? else {
                return self.answer_held(sender);
            };
            if message.kind == kind::IO && u32_at(&message.payload, 8) == 0 {
                free = pace(self.host, free, u64::from(u32_at(&message.payload, 36)));
            }
            self.handle(&message, reader, sender)?;
        }
    }

    fn next(&mut self, reader: &mut Reader) -> io::Result<Option<Message>> {
        let mut header = [0; HEADER];
        match reader.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        match u32_at(&header, 0) {
            MAGIC => {}
            super::kind::COMPLETE => {
                reader.read_exact(&mut [0; MESSAGE - HEADER])?;
                return Ok(None);
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no AIO message")),
        }
        let payload = read_extra(reader, u32_at(&header, 8), MAX_PAYLOAD)?;
        Ok(Some(Message { kind: u32_at(&header, 4), operation: u32_at(&header, 12), payload }))
    }

    fn handle(&mut self, message: &Message, reader: &mut Reader, sender: &Sender) -> io::Result<()> {
        let payload = &message.payload;
        if message.kind == kind::IO {
            return match u32_at(payload, 8) {
                0 => self.write(message, reader, sender),
                _ => self.read(message, sender),
            };
        }
        self.answer_held(sender)?;
        let zeros = Ok((vec![0; payload.len()], Vec::new()));
        let answer = match message.kind {
            kind::OPEN_SESSION => self.open_session(payload).map(|()| (vec![0; 16], Vec::new())),
            kind::SOCKET_OPTIONS => {
                Ok(([0x40000_u32, 0x40000, 1].iter().flat_map(|n| n.to_le_bytes()).collect(), Vec::new()))
            }
            kind::RESOURCE_POOL => zeros,
            kind::OPEN_FILE => {
                let path = read_extra(reader, u32_at(payload, 0), MAX_TEXT)?;
                self.open_file(payload, &path).map(|answer| (answer, Vec::new()))
            }
            kind::METADATA => {
                let key = read_extra(reader, u32_at(payload, 8), MAX_TEXT)?;
                self.metadata(payload, &key)
            }
            kind::ALLOCATED_BLOCKS => self.allocated_blocks(payload),
            kind::CLOSE_FILE => self.close_file(payload).and(zeros),
            kind::CLOSE_SESSION => {
                self.memory = None;
                zeros
            }
            other => Err(refusal(code::NOT_SUPPORTED, format!("message {other} is not known"))),
        };
        let (answer, extra) = match answer {
            Ok(answer) => answer,
            Err(refused) => {
                self.refuse(message.operation, &refused, sender)?;
                (vec![0; payload.len()], Vec::new())
            }
        };
        let mut bytes = frame(message.kind, message.operation, &answer);
        bytes.extend(extra);
        sender.send(&bytes, None)
    }

    pub(super) fn refuse(&self, operation: u32, refusal: &Refusal, sender: &Sender) -> io::Result<()> {
        let mut payload = [0; 16];
        for (part, number) in
            payload.chunks_exact_mut(4).zip([refusal.code as u32, 0, 0, refusal.text.len() as u32])
        {
            part.copy_from_slice(&number.to_le_bytes());
        }
        let mut bytes = frame(kind::ERROR, operation, &payload);
        bytes.extend(refusal.text.as_bytes());
        sender.send(&bytes, None)
    }

    fn open_session(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        let size = Some(u32_at(payload, 4)).filter(|size| *size != 0).unwrap_or(DEFAULT_BUFFER);
        let bytes = u64::from(size) * u64::from(u32_at(payload, 8).max(1));
        if size > MAX_BUFFER || bytes > MAX_BUFFERS {
            return Err(refusal(code::FAILED, format!("Buffers of {bytes} bytes are too large")));
        }
        self.memory = None;
        self.memory = Some(self.host.reserve(bytes).ok_or_else(|| no_memory(bytes))?);
        self.buffer = size;
        Ok(())
    }

    fn open_file(&mut self, payload: &[u8], path: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (file_kind, flags) = (u32_at(payload, 16), u32_at(payload, 20));
        let path = String::from_utf8_lossy(path).into_owned();
        let read_only = flags & 4 != 0;
        let not_permitted = || {
            let text = format!(
                "NfcAioProcessOpenFileMsg: permission check failed for file '{path}', access = {}",
                if read_only { 1 } else { 3 }
            );
            refusal(code::NOT_PERMITTED, text)
        };
        if self.host.faults.happens(&Fault::NoPermission) {
            return Err(not_permitted());
        }
        if file_kind != 2 || self.file.is_some() {
            return Err(refusal(code::NOT_SUPPORTED, "one disk is opened, once"));
        }
        let machine = self.host.vms.get(self.ticket.vm).ok_or_else(not_permitted)?;
        let (local, key, leaf) = machine.find_link(&path).ok_or_else(not_permitted)?;
        if self.ticket.disk.is_some_and(|disk| disk != key) || !read_only && !self.ticket.writable {
            return Err(not_permitted());
        }
        if machine.powered_on && leaf {
            return Err(refusal(code::FAILED, "Thin/TBZ/Sparse disks cannot be opened in multiwriter mode"));
        }
        let locked = || refusal(code::FAILED, "DiskLib error 16392: Failed to lock the file");
        if self.host.faults.happens(&Fault::Locked) {
            return Err(locked());
        }
        let disk = vm::open(&local, read_only).map_err(|error| match error.kind() {
            Kind::Locked => locked(),
            _ => refusal(code::FAILED, error.to_string()),
        })?;
        let handle = FIRST_HANDLE.wrapping_add(self.host.next() & 0xffff);
        let answer = open_answer(&disk, handle, flags);
        self.file = Some(File { handle, disk, key });
        Ok(answer)
    }

    /// The open disk, if the handle at the start of the payload is its handle.
    pub(super) fn file(&self, payload: &[u8]) -> Result<&File, Refusal> {
        let handle = u64_at(payload, 0);
        let file = self.file.as_ref().filter(|file| file.handle == handle);
        file.ok_or_else(|| refusal(code::FAILED, format!("{handle:#x} is no handle")))
    }

    fn close_file(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        self.file(payload)?.disk.finish()?;
        self.file = None;
        Ok(())
    }

    fn metadata(&self, payload: &[u8], key: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let value = self.file(payload)?.disk.metadata(key).unwrap_or_default();
        let mut answer = vec![0; 12];
        answer.extend((value.len() as u32).to_le_bytes());
        Ok((answer, value))
    }

    fn allocated_blocks(&self, payload: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let file = self.file(payload)?;
        if let Some(millis) = self.host.faults.take(|fault| match fault {
            Fault::SlowBlocks { millis } => Some(*millis),
            _ => None,
        }) {
            std::thread::sleep(Duration::from_millis(millis));
        }
        let (chunk, start, count) = (u64_at(payload, 16), u64_at(payload, 24), u64_at(payload, 32));
        let capacity = file.disk.sectors() * SECTOR_SIZE;
        let fits = chunk != 0 && chunk % SECTOR_SIZE == 0 && start % chunk == 0;
        let end = chunk.checked_mul(count).and_then(|length| length.checked_add(start));
        let end = end.filter(|end| fits && count <= MAX_CHUNKS && *end < capacity.saturating_add(chunk));
        let end =
            end.ok_or_else(|| refusal(code::FAILED, "the range is no part of the disk in whole chunks"))?;
        let mut bitmap = vec![0_u8; (count.div_ceil(32) * 4) as usize];
        let (sectors, first) = (chunk / SECTOR_SIZE, start / SECTOR_SIZE);
        let length = (end.min(capacity) - start.min(capacity)) / SECTOR_SIZE;
        if length > 0 {
            for block in file.disk.allocated_blocks(first, length, sectors)? {
                let from = (block.start - first) / sectors;
                for index in from..from + block.sectors.div_ceil(sectors) {
                    if let Some(byte) = bitmap.get_mut((index / 8) as usize) {
                        *byte |= 1 << (index % 8);
                    }
                }
            }
        }
        let mut answer = vec![0; 32];
        answer.extend(count.to_le_bytes());
        answer.extend([0; 8]);
        Ok((answer, bitmap))
    }

    fn read(&mut self, message: &Message, sender: &Sender) -> io::Result<()> {
        match self.check_read(message) {
            Err(refused) => self.refuse(message.operation, &refused, sender),
            Ok(read) if self.host.config.strict => {
                self.held.push(read);
                Ok(())
            }
            Ok(read) => self.answer(&read, sender),
        }
    }

    fn check_read(&self, message: &Message) -> Result<Read, Refusal> {
        let payload = &message.payload;
        let file = self.file(payload)?;
        let (offset, length) = (u64_at(payload, 16), u64_at(payload, 24));
        let method = Method::from_number(u32_at(payload, 12))
            .ok_or_else(|| refusal(code::NOT_SUPPORTED, "the compression is not known"))?;
        let end = offset.checked_add(length).filter(|end| *end <= file.disk.sectors() * SECTOR_SIZE);
        let whole = offset % SECTOR_SIZE == 0 && length % SECTOR_SIZE == 0 && length > 0;
        match (u32::try_from(length), end) {
            (Ok(length), Some(_)) if whole => {
                Ok(Read { operation: message.operation, method, offset, length })
            }
            _ => Err(refusal(code::IO, format!("NfcAioReadFile failed: {length} bytes from {offset} on"))),
        }
    }

    /// Answers what was held back, the newest first.
    pub(super) fn answer_held(&mut self, sender: &Sender) -> io::Result<()> {
        for read in std::mem::take(&mut self.held).iter().rev() {
            self.answer(read, sender)?;
        }
        Ok(())
    }

    fn answer(&self, read: &Read, sender: &Sender) -> io::Result<()> {
        let bytes = u64::from(read.length);
        let memory = self.host.reserve(bytes).filter(|_| !self.host.faults.happens(&Fault::NoMemory));
        let (Some(memory), Some(file)) = (memory, &self.file) else {
            return self.refuse(read.operation, &no_memory(bytes), sender);
        };
        let memory = Arc::new(memory);
        let mut scratch = self.scratch.borrow_mut();
        let sent = fragments::answer(self.host, &file.disk, read, self.buffer, &mut scratch, |bytes| {
            sender.send(bytes, Some(&memory)).map_err(Failure::Connection)
        });
        match sent {
            Ok(()) => Ok(()),
            Err(Failure::Refused(refused)) => self.refuse(read.operation, &refused, sender),
            Err(Failure::Connection(error)) => Err(error),
        }
    }
}

pub(super) fn no_memory(bytes: u64) -> Refusal {
    refusal(code::NO_MEMORY, format!("Failed to allocate the requested {bytes} bytes"))
}
