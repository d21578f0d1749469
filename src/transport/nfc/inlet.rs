//! What receives from the connection: it matches answers to requests and puts data where it belongs.

use std::io::{self, Read};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::aio::{self, Fragment, HEADER_BYTES, Header, garbled};
use super::compress::{Compression, longest};
use super::decode::ToDecode;
use super::flow::Flow;
use super::job::Work;
use super::state::Flying;
use crate::error::{Error, Kind, Result};
use crate::transport::tcp;

/// A fragment to decompress.
pub(super) struct Packed {
    pub(super) compression: Compression,
    pub(super) start: usize,
    pub(super) length: usize,
    pub(super) data: Vec<u8>,
}

/// Messages about requests that have failed which are taken between two that something waits for.
const MAX_LATE: u32 = 8192;

/// Longest data behind such a message: a request has 2 MiB at most.
const MAX_LATE_BYTES: u32 = 3 << 20;

/// The receiving end of a connection, or of any other stream of bytes.
pub(super) struct Inlet<R> {
    receiver: R,
    place: String,
    decoders: Option<mpsc::SyncSender<ToDecode>>,
    /// When the last byte came.
    heard: Instant,
    payload: Vec<u8>,
    /// What is read to be thrown away.
    spare: Vec<u8>,
    /// Messages since the last one that something waited for.
    late: u32,
}

/// What a message was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It was about something that is awaited.
    Some,
    /// It was not, as what it is about has failed before.
    None,
}

/// How long to wait for bytes.
#[derive(Clone, Copy)]
enum Patience {
    /// A message may begin: as long as the limits of what is awaited allow.
    Message,
    /// A message goes on: so long for each MiB that is begun, however slowly the bytes come.
    Rest(Duration),
}

impl<R: Read> Inlet<R> {
    pub(super) fn new(receiver: R, place: &str, decoders: Option<mpsc::SyncSender<ToDecode>>) -> Self {
        let (place, heard) = (place.to_owned(), Instant::now());
        Self { receiver, place, decoders, heard, payload: Vec::new(), spare: Vec::new(), late: 0 }
    }

    /// Fills a buffer. The socket's time-out is a tick, at which it is seen whether something takes too long.
    fn fill(&mut self, flow: &Flow, buffer: &mut [u8], patience: Patience) -> Result<()> {
        let began = self.heard;
        let length = buffer.len();
        let mut filled = 0;
        while filled < length {
            match self.receiver.read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => {
                    filled += read;
                    self.heard = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(self.lost(error)),
            }
            if filled < length {
                self.check_time(flow, patience, began, length)?;
            }
        }
        Ok(())
    }

    fn lost(&self, error: io::Error) -> Error {
        tcp::lost(error, "NFC: the connection to", &self.place)
    }

    /// Not everything has come yet: whether it may still be waited for.
    fn check_time(&self, flow: &Flow, patience: Patience, began: Instant, length: usize) -> Result<()> {
        let late = match patience {
            Patience::Rest(limit) => {
                let limit =
                    limit.saturating_mul(u32::try_from(length >> 20).unwrap_or(u32::MAX).saturating_add(1));
                let late = || format!("the rest of an answer did not come within {} ms", limit.as_millis());
                (began.elapsed() > limit).then(late)
            }
            Patience::Message => flow.state().overdue(&flow.config, self.heard),
        };
        match late {
            Some(late) => Err(self.lost(io::ErrorKind::TimedOut.into()).context(late)),
            None if flow.state().broken.is_some() => {
                Err(Error::new(Kind::ConnectionLost, "NFC: the connection is being closed"))
            }
            None => Ok(()),
        }
    }

    /// Bytes that belong to a message.
    fn receive(&mut self, flow: &Flow, bytes: u32, limit: Duration) -> Result<Vec<u8>> {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.fill(flow, &mut buffer, Patience::Rest(limit))?;
        Ok(buffer)
    }

    /// Waits for one message, and does what it says.
    pub(super) fn message(&mut self, flow: &Flow) -> Result<()> {
        let before = self.heard;
        let mut head = [0; HEADER_BYTES];
        self.fill(flow, &mut head, Patience::Message)?;
        let header = Header::read(&head)?;
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(usize::try_from(header.payload.get()).unwrap_or(0), 0);
        let received = self.fill(flow, &mut payload, Patience::Rest(flow.config.timeouts.request));
        let done = received.and_then(|()| self.answer(flow, &header, &payload));
        self.payload = payload; // its memory is used again
        if done? == Use::Some {
            self.late = 0;
        } else {
            self.late += 1;
            // Late answers to what has failed are no sign of life for those that wait.
            self.heard = before;
            self.check_time(flow, Patience::Message, before, 0)?;
        }
        Ok(())
    }

    fn answer(&mut self, flow: &Flow, header: &Header, payload: &[u8]) -> Result<Use> {
        let (kind, operation) = (header.kind.get(), header.operation.get());
        let extra = aio::extra_bytes(kind, payload)?;
        match kind {
            aio::kind::ERROR => {
                let text = self.receive(flow, extra, flow.config.timeouts.request)?;
                let text = String::from_utf8_lossy(&text).into_owned();
                match flow.error(operation, aio::error_code(payload), text) {
                    true => Ok(Use::Some),
                    false => self.unexpected(flow, operation, 0),
                }
            }
            aio::kind::IO => {
                let fragment = Fragment::read(payload)?;
                match fragment.read {
                    true => self.fragment(flow, operation, &fragment),
                    false => self.written(flow, operation, &fragment),
                }
            }
            _ => self.reply(flow, operation, kind, payload, extra),
        }
    }

    /// An answer to nothing is fine only when an error was reported before.
    fn unexpected(&mut self, flow: &Flow, operation: u32, extra: u32) -> Result<Use> {
        if !flow.state().has_failed(operation) {
            return Err(garbled(format!("an answer to operation {operation}, which is not awaited")));
        }
        // They keep the connection alive, though nobody gets what they wait for.
        if self.late >= MAX_LATE || extra > MAX_LATE_BYTES {
            return Err(garbled("nothing but answers to what has failed"));
        }
        let mut left = usize::try_from(extra).unwrap_or(usize::MAX);
        let mut spare = std::mem::take(&mut self.spare);
        while left > 0 {
            spare.resize(left.min(64 << 10), 0);
            self.fill(flow, &mut spare, Patience::Rest(flow.config.timeouts.request))?;
            left -= spare.len();
        }
        self.spare = spare;
        Ok(Use::None)
    }

    /// The answer to a write, behind which is no data.
    fn written(&mut self, flow: &Flow, operation: u32, fragment: &Fragment) -> Result<Use> {
        if fragment.handle != 0 {
            let text = format!("status {} for a write", fragment.handle);
            return match flow.error(operation, fragment.handle, text) {
                true => Ok(Use::Some),
                false => self.unexpected(flow, operation, 0),
            };
        }
        match flow.write_answered(operation, fragment.offset, fragment.total) {
            true => Ok(Use::Some),
            false if flow.state().has_failed(operation) => self.unexpected(flow, operation, 0),
            false => Err(garbled(format!("an answer to another write: {fragment:?}"))),
        }
    }

    /// A fragment of a read.
    fn fragment(&mut self, flow: &Flow, operation: u32, fragment: &Fragment) -> Result<Use> {
        let Some(mut flying) = flow.take(operation) else {
            return self.unexpected(flow, operation, fragment.wire);
        };
        if fragment.handle != 0 {
            let text = format!("NFC: {} reports status {} for a read", self.place, fragment.handle);
            flow.end(flying.piece, Err(Error::new(Kind::ServerFault, text.clone())));
            return Err(Error::new(Kind::ConnectionLost, text)); // whether data follows is not known
        }
        let checked = check(&mut flying, fragment, flow.open.compression);
        let received = checked.and_then(|()| self.data(flow, &mut flying, fragment));
        if received.is_err() || flying.covered.bytes() < fragment.total {
            flow.put_back(operation, flying);
            return received.map(|()| Use::Some);
        }
        let Flying { piece, packed, .. } = flying;
        match &self.decoders {
            Some(decoders) if !packed.is_empty() => {
                // The channel is bounded: a host is not read from faster than its data can be decompressed.
                if let Err(mpsc::SendError((piece, _))) = decoders.send((piece, packed)) {
                    flow.end(piece, Err(Error::new(Kind::Internal, "the decompressing threads have ended")));
                }
            }
            _ => flow.answered(piece),
        }
        Ok(Use::Some)
    }

    /// The data of a fragment, which has been checked: straight to its place, or kept to be decompressed.
    fn data(&mut self, flow: &Flow, flying: &mut Flying, fragment: &Fragment) -> Result<()> {
        let Work::Read { into, .. } = &mut flying.piece.work else { return Ok(()) };
        let compression = Compression::of_number(fragment.compression)?;
        let start = usize::try_from(fragment.start).unwrap_or(usize::MAX);
        let length = usize::try_from(fragment.length).unwrap_or(usize::MAX);
        if compression == Compression::None {
            let place = into.bytes().get_mut(start..start.saturating_add(length));
            let place = place.ok_or_else(|| garbled("a fragment that leaves its request"))?;
            return self.fill(flow, place, Patience::Rest(flow.config.read_limits.silence));
        }
        let data = self.receive(flow, fragment.wire, flow.config.read_limits.silence)?;
        flying.packed.push(Packed { compression, start, length, data });
        Ok(())
    }

    /// The answer to a question.
    fn reply(&mut self, flow: &Flow, operation: u32, kind: u32, payload: &[u8], extra: u32) -> Result<Use> {
        let Some(flying) = flow.take(operation) else {
            return self.unexpected(flow, operation, extra);
        };
        let received = match &flying.piece.work {
            Work::Ask { kind: asked, .. } if *asked == kind => {
                self.receive(flow, extra, flow.config.timeouts.request)
            }
            _ => Err(garbled(format!("an answer of type {kind} to another question"))),
        };
        match received {
            Ok(extra) => {
                if let Work::Ask { reply, .. } = &flying.piece.work {
                    *super::flow::lock(reply) = (payload.to_vec(), extra);
                }
                flow.answered(flying.piece);
                Ok(Use::Some)
            }
            Err(error) => {
                flow.put_back(operation, flying);
                Err(error)
            }
        }
    }
}

/// Checks that a fragment belongs to its request, that it is compressed as was `asked` for or not at all, and that none
/// of it came before.
fn check(flying: &mut Flying, fragment: &Fragment, asked: Compression) -> Result<()> {
    let wrong = |what: &str| Err(garbled(format!("{what}: {fragment:?}")));
    let Work::Read { offset, into } = &flying.piece.work else {
        return wrong("data in answer to something that is no read");
    };
    let total = u32::try_from(into.len()).unwrap_or(u32::MAX);
    if fragment.offset != *offset || fragment.total != total {
        return wrong("a fragment of another request");
    }
    let raw = fragment.compression == Compression::None.number();
    if !raw && fragment.compression != asked.number() {
        return wrong("a fragment with a compression that was not asked for");
    }
    if raw && fragment.wire != fragment.length || fragment.wire > longest(fragment.length) {
        return wrong("a fragment with a wrong length");
    }
    if !flying.covered.add(fragment.start, fragment.length, total) {
        return wrong("a fragment that is empty, overlaps, or leaves its request");
    }
    Ok(())
}
