//! The transmission phase: requests and replies.

use std::io::{self, Read, Write};

use super::handshake::Agreed;
use super::protocol::{
    CONTEXT, DONT_FRAGMENT, Errno, FUA, HOLE_AND_ZERO, NO_HOLE, REQUEST_ONE, Request, broken, chunk, command,
    simple, structured,
};
use super::{Export, ExportError};
use crate::image::is_zero;

/// Longest read or write, in bytes.
pub(super) const MAX_REQUEST: u32 = 32 << 20;

/// Bytes that are read at a time for a structured reply, and kept between requests.
const PIECE: usize = 1 << 20;

/// Most extents of an answer to BLOCK_STATUS.
const MAX_EXTENTS: usize = 8192;

/// Most bytes that one BLOCK_STATUS is answered for, which bounds what a hostile map takes.
const MAX_STATUS: u64 = 1 << 30;

/// Bytes of a sector.
const SECTOR: u64 = 512;

/// Why a request fails.
struct Refusal {
    errno: Errno,
    text: String,
}

impl From<ExportError> for Refusal {
    fn from(error: ExportError) -> Self {
        Self { errno: if error.full { Errno::NoSpace } else { Errno::Io }, text: error.text }
    }
}

fn refuse<T>(errno: Errno, text: &str) -> Result<T, Refusal> {
    Err(Refusal { errno, text: text.to_owned() })
}

/// Answers requests until the client leaves.
pub(super) fn run<S: Read + Write>(stream: &mut S, export: &dyn Export, agreed: Agreed) -> io::Result<()> {
    let mut client = Client { stream, export, agreed, buffer: Vec::new() };
    while let Some(request) = Request::read(client.stream)? {
        match request.command {
            command::DISCONNECT => break,
            command::READ => client.read(request)?,
            command::BLOCK_STATUS => client.block_status(request)?,
            command::WRITE => {
                let done = client.write(request)?;
                client.answer(request, done)?;
            }
            command::WRITE_ZEROES => {
                let done = client.write_zeroes(request);
                client.answer(request, done)?;
            }
            command::FLUSH => {
                let done = export.flush().map_err(Refusal::from);
                client.answer(request, done)?;
            }
            _ => client.answer(request, refuse(Errno::Invalid, "this command is not offered"))?,
        }
        client.buffer.truncate(PIECE);
        client.buffer.shrink_to(PIECE);
    }
    Ok(())
}

struct Client<'a, S> {
    stream: &'a mut S,
    export: &'a dyn Export,
    agreed: Agreed,
    buffer: Vec<u8>,
}

impl<S: Read + Write> Client<'_, S> {
    /// The range must lie inside, in whole sectors.
    fn check(&self, request: Request, flags: u16) -> Result<(), Refusal> {
        let end = request.offset.checked_add(request.length.into());
        if request.flags & !flags != 0 {
            return refuse(Errno::Invalid, "a flag that this command does not have");
        }
        if request.length == 0 || end.is_none_or(|end| end > self.export.bytes()) {
            return refuse(Errno::Invalid, "the range is empty or leaves the disk");
        }
        if !request.offset.is_multiple_of(SECTOR) || !u64::from(request.length).is_multiple_of(SECTOR) {
            return refuse(Errno::Invalid, "the range is no whole sectors of 512 bytes");
        }
        Ok(())
    }

    fn check_write(&self, request: Request, flags: u16) -> Result<(), Refusal> {
        if !self.export.writable() {
            return refuse(Errno::Permission, "the disk is served read-only");
        }
        self.check(request, flags)
    }

    /// Ends a request without data.
    fn answer(&mut self, request: Request, done: Result<(), Refusal>) -> io::Result<()> {
        match done {
            Err(refusal) => self.fail(request, &refusal),
            Ok(()) if self.agreed.structured => {
                structured(self.stream, (chunk::DONE, chunk::NONE), request.cookie, 0, &[])
            }
            Ok(()) => simple(self.stream, request.cookie, 0),
        }
    }

    fn fail(&mut self, request: Request, refusal: &Refusal) -> io::Result<()> {
        let errno = refusal.errno as u32;
        if !self.agreed.structured {
            return simple(self.stream, request.cookie, errno);
        }
        let text = refusal.text.as_bytes();
        let text = text.get(..text.len().min(1000)).unwrap_or_default();
        let payload = [&errno.to_be_bytes()[..], &(text.len() as u16).to_be_bytes(), text].concat();
        let kind = (chunk::DONE, chunk::ERROR);
        structured(self.stream, kind, request.cookie, payload.len() as u32, &payload)
    }

    fn read(&mut self, request: Request) -> io::Result<()> {
        let allowed = if self.agreed.structured { DONT_FRAGMENT } else { 0 };
        let checked = self.check(request, allowed).and_then(|()| match request.length {
            MAX_REQUEST.. if request.length > MAX_REQUEST => {
                refuse(Errno::Overflow, "more than 32 MiB at once")
            }
            _ => Ok(()),
        });
        if let Err(refusal) = checked {
            return self.fail(request, &refusal);
        }
        if !self.agreed.structured {
            return self.read_simply(request);
        }
        let length = request.length as usize;
        let piece = if request.flags & DONT_FRAGMENT != 0 { length } else { length.min(PIECE) };
        let mut done = 0;
        while done < length {
            let part = piece.min(length - done);
            let last = if done + part == length { chunk::DONE } else { 0 };
            if !self.read_chunk(request, done, part, last)? {
                break;
            }
            done += part;
        }
        Ok(())
    }

    /// Sends a part of what was asked for; false when that failed, which ended the reply.
    fn read_chunk(&mut self, request: Request, done: usize, part: usize, last: u16) -> io::Result<bool> {
        let offset = request.offset + done as u64;
        self.buffer.resize(part.max(self.buffer.len()), 0);
        let buffer = self.buffer.get_mut(..part).unwrap_or_default();
        if let Err(error) = self.export.read(offset, buffer) {
            self.fail(request, &error.into())?;
            return Ok(false);
        }
        let place = offset.to_be_bytes();
        if request.flags & DONT_FRAGMENT == 0 && is_zero(buffer) {
            let hole = [&place[..], &(part as u32).to_be_bytes()].concat();
            structured(self.stream, (last, chunk::HOLE), request.cookie, hole.len() as u32, &hole)?;
        } else {
            let length = (place.len() + part) as u32;
            structured(self.stream, (last, chunk::DATA), request.cookie, length, &place)?;
            self.stream.write_all(buffer)?;
        }
        Ok(true)
    }

    /// The error must be known before the reply begins, so everything is read first.
    fn read_simply(&mut self, request: Request) -> io::Result<()> {
        let length = request.length as usize;
        self.buffer.resize(length.max(self.buffer.len()), 0);
        let buffer = self.buffer.get_mut(..length).unwrap_or_default();
        match self.export.read(request.offset, buffer) {
            Err(error) => self.fail(request, &error.into()),
            Ok(()) => {
                simple(self.stream, request.cookie, 0)?;
                self.stream.write_all(buffer)
            }
        }
    }

    /// Takes the data in any case, so that the next request is found.
    fn write(&mut self, request: Request) -> io::Result<Result<(), Refusal>> {
        if request.length > MAX_REQUEST {
            return Err(broken("a write of more than 32 MiB"));
        }
        let checked = self.check_write(request, FUA);
        let length = request.length as usize;
        if checked.is_err() {
            let taken = io::copy(&mut self.stream.take(length as u64), &mut io::sink())?;
            return if taken == length as u64 {
                Ok(checked)
            } else {
                Err(broken("the data of a write is cut off"))
            };
        }
        self.buffer.resize(length.max(self.buffer.len()), 0);
        let buffer = self.buffer.get_mut(..length).unwrap_or_default();
        self.stream.read_exact(buffer)?;
        let written = self.export.write(request.offset, buffer);
        Ok(written.map_err(Refusal::from).and_then(|()| self.force(request)))
    }

    fn force(&self, request: Request) -> Result<(), Refusal> {
        if request.flags & FUA != 0 { Ok(self.export.flush()?) } else { Ok(()) }
    }

    fn write_zeroes(&mut self, request: Request) -> Result<(), Refusal> {
        self.check_write(request, FUA | NO_HOLE)?;
        let zeros = vec![0; PIECE.min(request.length as usize)];
        let end = request.offset + u64::from(request.length);
        let mut offset = request.offset;
        while offset < end {
            let part = (end - offset).min(zeros.len() as u64);
            self.export.write(offset, zeros.get(..part as usize).unwrap_or_default())?;
            offset += part;
        }
        self.force(request)
    }

    fn block_status(&mut self, request: Request) -> io::Result<()> {
        if !self.agreed.allocation {
            let refusal = Refusal { errno: Errno::Invalid, text: "base:allocation was not agreed on".into() };
            return self.fail(request, &refusal);
        }
        let bytes = u64::from(request.length).min(MAX_STATUS);
        let runs =
            self.check(request, REQUEST_ONE).and_then(|()| Ok(self.export.runs(request.offset, bytes)?));
        let runs = match runs {
            Ok(runs) => runs,
            Err(refusal) => return self.fail(request, &refusal),
        };
        let most = if request.flags & REQUEST_ONE != 0 { 1 } else { MAX_EXTENTS };
        let mut payload = CONTEXT.to_be_bytes().to_vec();
        for run in runs.iter().take(most) {
            let state = if run.allocated { 0 } else { HOLE_AND_ZERO };
            // No run is longer than MAX_STATUS.
            payload.extend((run.bytes as u32).to_be_bytes());
            payload.extend(u32::to_be_bytes(state));
        }
        let kind = (chunk::DONE, chunk::BLOCK_STATUS);
        structured(self.stream, kind, request.cookie, payload.len() as u32, &payload)
    }
}
