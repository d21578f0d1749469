//! Answers to reads: a request is cut into fragments, each with a frame of its own.

use std::sync::Arc;

use vixDiskLib::disk::Disk;
use vixDiskLib::error::Result;
use vixDiskLib::io::SECTOR_SIZE;

use super::aio::{HEADER, frame as frame_head, kind};
use crate::codec::{self, Method};
use crate::fault::Fault;
use crate::host::Host;
use crate::vm::random;

/// Size of the payload of IO.
pub(super) const PAYLOAD: usize = 44;

/// A read that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) operation: u32,
    pub(super) method: Method,
    /// Bytes.
    pub(super) offset: u64,
    /// Bytes.
    pub(super) length: u32,
}

/// Reads bytes, which need not be whole sectors.
fn read_bytes(disk: &Disk, offset: u64, buffer: &mut [u8]) -> Result<()> {
    let before = offset % SECTOR_SIZE;
    let length = before + buffer.len() as u64;
    if before == 0 && length % SECTOR_SIZE == 0 {
        return disk.read(offset / SECTOR_SIZE, buffer);
    }
    let mut around = vec![0; length.next_multiple_of(SECTOR_SIZE) as usize];
    disk.read(offset / SECTOR_SIZE, &mut around)?;
    if let Some(part) = around.get(before as usize..length as usize) {
        buffer.copy_from_slice(part);
    }
    Ok(())
}

/// The payload of IO.
pub(super) fn payload(read: &Read, direction: u32, method: u32, place: (u32, u32, u32)) -> [u8; PAYLOAD] {
    let mut payload = [0; PAYLOAD];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(part) = payload.get_mut(at..at + bytes.len()) {
            part.copy_from_slice(bytes);
        }
    };
    put(8, &direction.to_le_bytes());
    put(12, &method.to_le_bytes());
    put(16, &read.offset.to_le_bytes());
    put(24, &read.length.to_le_bytes());
    put(28, &place.0.to_le_bytes());
    put(32, &place.1.to_le_bytes());
    put(36, &place.2.to_le_bytes());
    payload
}

/// Where a request is cut, as (place, length), in the order of sending.
fn cuts(host: &Host, length: u32, buffer: u32) -> Vec<(u32, u32)> {
    let sizes = match host.config.strict && buffer > 4096 {
        true => [buffer, buffer / 2 + 1, buffer - 3],
        false => [buffer; 3],
    };
    let (mut cuts, mut place) = (Vec::new(), 0);
    for size in sizes.iter().cycle() {
        if place >= length {
            break;
        }
        let size = (*size).min(length - place);
        cuts.push((place, size));
        place += size;
    }
    if cuts.len() > 1 && (host.config.strict || host.faults.happens(&Fault::Shuffle)) {
        let dice = random::<8>();
        for index in (1..cuts.len()).rev() {
            let die = dice.get(index % 8).copied().unwrap_or(0);
            cuts.swap(index, (usize::from(die) + index) % (index + 1));
        }
    }
    cuts
}

/// Bytes of frames that are sent at once, the whole answer to what most clients ask for: the fewer calls of the system,
/// the less often a client that is quick is woken for a part of it.
const BATCH: usize = (1 << 20) + (4 << 10);

/// Where the data of a frame begins.
const DATA_AT: usize = HEADER + PAYLOAD;

/// Memory for frames, which is used again and again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    /// How many of them are frames to send.
    used: usize,
    packed: Vec<u8>,
}

impl Scratch {
    /// Room for data that comes behind a message.
    pub(super) fn data(&mut self, length: usize) -> &mut [u8] {
        self.used = 0;
        self.room(length)
    }

    /// So many bytes behind the frames.
    fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.used + length;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.used..end).unwrap_or_default()
    }

    /// Puts one frame of an answer behind the others.
    fn add(&mut self, disk: &Disk, read: &Read, (place, size): (u32, u32)) -> Result<()> {
        let length = DATA_AT + size as usize;
        let frame = self.room(length);
        let (_, data) = frame.split_at_mut(DATA_AT);
        read_bytes(disk, read.offset + u64::from(place), data)?;
        let (mut method, mut wire) = (Method::None, size as usize);
        if read.method != Method::None {
            let mut packed = std::mem::take(&mut self.packed);
            packed.clear();
            let data = self.room(length).split_at_mut(DATA_AT).1;
            if codec::encode(read.method, data, &mut packed) {
                (method, wire) = (read.method, packed.len());
                if let Some(part) = data.get_mut(..wire) {
                    part.copy_from_slice(&packed);
                }
            }
            self.packed = packed;
        }
        let payload = payload(read, 1, method.number(), (place, size, wire as u32));
        let head = frame_head(kind::IO, read.operation, &payload);
        self.room(DATA_AT).copy_from_slice(&head);
        self.used += DATA_AT + wire;
        Ok(())
    }
}

/// Calls `send` with the frames of the answer, several at once; one by one when something is to go wrong with one.
pub(super) fn answer<E: From<vixDiskLib::error::Error>>(
    host: &Arc<Host>,
    disk: &Disk,
    read: &Read,
    buffer: u32,
    scratch: &mut Scratch,
    mut send: impl FnMut(&[u8]) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let batch = if host.faults.are_planned() { 0 } else { BATCH };
    scratch.used = 0;
    for cut in cuts(host, read.length, buffer) {
        if scratch.used > 0 && scratch.used + DATA_AT + cut.1 as usize > batch {
            flush(host, scratch, &mut send)?;
        }
        scratch.add(disk, read, cut)?;
    }
    flush(host, scratch, &mut send)
}

fn flush<E>(
    host: &Arc<Host>,
    scratch: &mut Scratch,
    send: &mut impl FnMut(&[u8]) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let frames = scratch.bytes.get(..scratch.used).unwrap_or_default();
    scratch.used = 0;
    if !host.faults.are_planned() {
        return send(frames);
    }
    let mut frame = frames.to_vec();
    if let Some(again) = spoil(host, &mut frame) {
        send(&again)?;
    }
    send(&frame)
}

/// Faults of fragments; a frame that is to be sent before this one.
fn spoil(host: &Host, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let fault = host.faults.take(|fault| {
        let fits = matches!(
            fault,
            Fault::Corrupt
                | Fault::Status
                | Fault::OutOfRange
                | Fault::Overlap
                | Fault::WrongLength
                | Fault::CorruptZlib
                | Fault::SkipzOverrun
                | Fault::WrongOperation
                | Fault::BadMagic
        );
        fits.then(|| fault.clone())
    })?;
    let mut put = |at: usize, value: &[u8]| {
        if let Some(part) = bytes.get_mut(at..at + value.len()) {
            part.copy_from_slice(value);
        }
    };
    match fault {
        Fault::Status => put(HEADER, &[3]),
        Fault::OutOfRange => put(HEADER + 28, &[0xff; 4]),
        Fault::WrongLength => put(HEADER + 36, &[0xff, 0xff, 0xff, 0x7f]),
        Fault::WrongOperation => put(12, &[0xff; 4]),
        Fault::BadMagic => put(0, &[0; 4]),
        Fault::Overlap => return Some(bytes.clone()),
        Fault::CorruptZlib => replace(bytes, Method::Zlib, b"\x78\x01no zlib at all"),
        Fault::SkipzOverrun => {
            let length = bytes.get(HEADER + 32..HEADER + 36).map(<[u8]>::to_vec).unwrap_or_default();
            let data = [&length, [0; 4].as_slice(), &length, &[4, 0, 0, 0, 1, 2, 3, 4]].concat();
            replace(bytes, Method::SkipZ, &data);
        }
        _ => {
            if let Some(last) = bytes.last_mut() {
                *last ^= 0x55;
            }
        }
    }
    None
}

/// Puts other data behind a frame.
fn replace(bytes: &mut Vec<u8>, method: Method, data: &[u8]) {
    bytes.truncate(HEADER + PAYLOAD);
    bytes.extend_from_slice(data);
    for (at, number) in [(12, method.number()), (36, data.len() as u32)] {
        if let Some(part) = bytes.get_mut(HEADER + at..HEADER + at + 4) {
            part.copy_from_slice(&number.to_le_bytes());
        }
    }
}
