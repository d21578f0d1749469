//! The thread that reads from the connection: it matches answers to requests and puts data where it belongs.

use std::io::{self, Read};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::aio::{self, Fragment, HEADER_BYTES, Header, garbled};
use super::compress::{Codec, Compression, longest};
use super::flow::{Flow, Flying, Packed, Piece, Work};
use super::setup::Receiver;
use crate::error::{Error, Kind, Result};
use crate::transport::tcp;
use crate::vsphere::soap::printable;

/// Errors whose answers may still come are remembered up to so many.
const MAX_FAILED: usize = 256;

/// Pauses after a host ran out of memory.
const MEMORY_PAUSE: Duration = Duration::from_millis(50);

/// A piece whose data has come, compressed.
pub(super) type ToDecode = (Piece, Vec<Packed>);

/// Starts the thread; it ends when the connection does.
pub(super) fn start(
    flow: &Arc<Flow>,
    receiver: Receiver,
    place: &str,
    decoders: Option<mpsc::SyncSender<ToDecode>>,
) -> Result<JoinHandle<()>> {
    let mut reader = Reader::new(flow, receiver, place, decoders);
    thread::Builder::new()
        .name("vixen-nfc-read".to_owned())
        .spawn(move || {
            let error = reader.run();
            reader.flow.break_off(error);
        })
        .map_err(|error| Error::from_io(error, "starting a thread"))
}

/// What reads from a host, or from any other stream of bytes.
pub(super) struct Reader<R> {
    flow: Arc<Flow>,
    receiver: R,
    place: String,
    decoders: Option<mpsc::SyncSender<ToDecode>>,
    /// What is read to be thrown away.
    spare: Vec<u8>,
}

/// Fills a buffer. The socket's time-out is a tick: it matters only when an answer is awaited for too long.
fn fill(receiver: &mut impl Read, flow: &Flow, place: &str, buffer: &mut [u8]) -> Result<()> {
    let lost = |error| tcp::lost(error, "NFC: the connection to", place);
    let mut filled = 0;
    while filled < buffer.len() {
        match receiver.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Err(lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                filled += read;
                if filled < buffer.len() {
                    flow.state().heard = Instant::now();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                let mut state = flow.state();
                if state.broken.is_some() {
                    return Err(Error::new(Kind::ConnectionLost, "NFC: the connection is being closed"));
                }
                if filled == 0 && state.flying.is_empty() {
                    state.heard = Instant::now();
                } else if state.heard.elapsed() > flow.config.timeouts.request {
                    return Err(lost(error));
                }
            }
            Err(error) => return Err(lost(error)),
        }
    }
    Ok(())
}

impl<R: Read> Reader<R> {
    pub(super) fn new(
        flow: &Arc<Flow>,
        receiver: R,
        place: &str,
        decoders: Option<mpsc::SyncSender<ToDecode>>,
    ) -> Self {
        Self { flow: Arc::clone(flow), receiver, place: place.to_owned(), decoders, spare: Vec::new() }
    }

    /// Reads messages until the connection cannot be used any more, and returns why.
    pub(super) fn run(&mut self) -> Error {
        loop {
            if let Err(error) = self.message() {
                return error;
            }
        }
    }

    fn receive(&mut self, bytes: u32) -> Result<Vec<u8>> {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(0)];
        fill(&mut self.receiver, &self.flow, &self.place, &mut buffer)?;
        Ok(buffer)
    }

    /// One message.
    fn message(&mut self) -> Result<()> {
        let mut head = [0; HEADER_BYTES];
        fill(&mut self.receiver, &self.flow, &self.place, &mut head)?;
        let header = Header::read(&head)?;
        let payload = self.receive(header.payload.get())?;
        let (kind, operation) = (header.kind.get(), header.operation.get());
        let extra = aio::extra_bytes(kind, &payload)?;
        let taken = {
            let mut state = self.flow.state();
            let taken = state.flying.remove(&operation);
            // Late answers to what has failed are no sign of life for those that wait.
            if taken.is_some() {
                state.heard = Instant::now();
            }
            taken
        };
        match taken {
            None => self.unexpected(operation, extra),
            Some(flying) if kind == aio::kind::ERROR => self.error(operation, flying, &payload, extra),
            Some(flying) if kind == aio::kind::IO => self.io(operation, flying, &Fragment::read(&payload)?),
            Some(flying) => self.answer(operation, flying, kind, payload, extra),
        }
    }

    /// An answer to nothing is fine only when an error was reported before.
    fn unexpected(&mut self, operation: u32, extra: u32) -> Result<()> {
        if !self.flow.state().failed.contains(&operation) {
            return Err(garbled(format!("an answer to operation {operation}, which is not awaited")));
        }
        let mut left = usize::try_from(extra).unwrap_or(usize::MAX);
        while left > 0 {
            self.spare.resize(left.min(64 << 10), 0);
            fill(&mut self.receiver, &self.flow, &self.place, &mut self.spare)?;
            left -= self.spare.len();
        }
        Ok(())
    }

    /// Gives a piece back, to be sent again when the connection fails.
    fn put_back(&self, operation: u32, flying: Flying) {
        self.flow.state().flying.insert(operation, flying);
    }

    /// An error record.
    fn error(&mut self, operation: u32, flying: Flying, payload: &[u8], extra: u32) -> Result<()> {
        let text = match self.receive(extra) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => {
                self.put_back(operation, flying);
                return Err(error);
            }
        };
        let code = aio::error_code(payload);
        let mut piece = flying.piece;
        let mut state = self.flow.state();
        state.failed.push_back(operation);
        if state.failed.len() > MAX_FAILED {
            state.failed.pop_front();
        }
        if aio::is_out_of_memory(code, &text) && piece.tries < self.flow.config.tries {
            state.window = (state.window / 2).max(1);
            state.pause = Some(Instant::now() + MEMORY_PAUSE * (1 << piece.tries.min(6)));
            log::warn!(
                "[NFC ERROR] NfcFssrvrProcessErrorMsg: received NFC error 5 from server: {}; {} requests at once from now on",
                printable(&text),
                state.window
            );
            piece.tries += 1;
            state.waiting.push_front(piece);
            self.flow.changed.notify_all();
            return Ok(());
        }
        drop(state);
        let error = aio::reported(code, &text).context(format!("'{}' on {}", self.flow.path, self.place));
        self.flow.end(piece, Err(error));
        Ok(())
    }

    /// A fragment of a read, or the answer to a write.
    fn io(&mut self, operation: u32, mut flying: Flying, fragment: &Fragment) -> Result<()> {
        if fragment.handle != 0 {
            let text = format!("NFC: {} reports status {} for a read or write", self.place, fragment.handle);
            self.flow.end(flying.piece, Err(Error::new(Kind::ServerFault, text.clone())));
            return Err(Error::new(Kind::ConnectionLost, text)); // whether data follows is not known
        }
        let checked = check(&mut flying, fragment, self.flow.open.compression);
        let received = checked.and_then(|()| self.data(&mut flying, fragment));
        if let Err(error) = received {
            self.put_back(operation, flying);
            return Err(error);
        }
        if fragment.read && flying.covered.bytes() < fragment.total {
            self.put_back(operation, flying);
            return Ok(());
        }
        let Flying { piece, packed, .. } = flying;
        match &self.decoders {
            Some(decoders) if !packed.is_empty() => {
                // The channel is bounded: a host is not read from faster than its data can be decompressed.
                if let Err(mpsc::SendError((piece, _))) = decoders.send((piece, packed)) {
                    self.flow
                        .end(piece, Err(Error::new(Kind::Internal, "the decompressing threads have ended")));
                }
            }
            _ => self.flow.end(piece, Ok(())),
        }
        Ok(())
    }

    /// The data of a fragment, which has been checked: straight to its place, or kept to be decompressed.
    fn data(&mut self, flying: &mut Flying, fragment: &Fragment) -> Result<()> {
        let Work::Read { into, .. } = &mut flying.piece.work else { return Ok(()) };
        let compression = Compression::of_number(fragment.compression)?;
        let start = usize::try_from(fragment.start).unwrap_or(usize::MAX);
        let length = usize::try_from(fragment.length).unwrap_or(usize::MAX);
        if compression == Compression::None {
            let place = into.bytes().get_mut(start..start.saturating_add(length));
            let place = place.ok_or_else(|| garbled("a fragment that leaves its request"))?;
            return fill(&mut self.receiver, &self.flow, &self.place, place);
        }
        let data = self.receive(fragment.wire)?;
        flying.packed.push(Packed { compression, start, length, data });
        Ok(())
    }

    /// The answer to a question.
    fn answer(
        &mut self,
        operation: u32,
        flying: Flying,
        kind: u32,
        payload: Vec<u8>,
        extra: u32,
    ) -> Result<()> {
        let received = match &flying.piece.work {
            Work::Ask { kind: asked, .. } if *asked == kind => self.receive(extra),
            _ => Err(garbled(format!("an answer of type {kind} to another question"))),
        };
        match received {
            Ok(extra) => {
                if let Work::Ask { reply, .. } = &flying.piece.work {
                    *reply.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = (payload, extra);
                }
                self.flow.end(flying.piece, Ok(()));
                Ok(())
            }
            Err(error) => {
                self.put_back(operation, flying);
                Err(error)
            }
        }
    }
}

/// Checks that a fragment belongs to its request, that it is compressed as was `asked` for or not at all, and that none
/// of it came before.
fn check(flying: &mut Flying, fragment: &Fragment, asked: Compression) -> Result<()> {
    let wrong = |what: &str| Err(garbled(format!("{what}: {fragment:?}")));
    match &flying.piece.work {
        Work::Read { offset, into } => {
            let total = u32::try_from(into.len()).unwrap_or(u32::MAX);
            if !fragment.read || fragment.offset != *offset || fragment.total != total {
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
        Work::Write { offset, data } => {
            let total = u32::try_from(data.bytes().len()).unwrap_or(u32::MAX);
            if fragment.read || fragment.offset != *offset || fragment.total != total {
                return wrong("an answer to another write");
            }
            Ok(())
        }
        Work::Ask { .. } => wrong("data in answer to a question"),
    }
}

/// Starts threads that decompress, and the channel that leads to them. They end when the channel does.
pub(super) fn start_decoders(
    flow: &Arc<Flow>,
    count: usize,
) -> Result<(mpsc::SyncSender<ToDecode>, Vec<JoinHandle<()>>)> {
    let (sender, receiver) = mpsc::sync_channel::<ToDecode>(count);
    let receiver = Arc::new(std::sync::Mutex::new(receiver));
    let one = |_| {
        let (flow, receiver) = (Arc::clone(flow), Arc::clone(&receiver));
        let work = move || {
            let mut codec = Codec::default();
            loop {
                let next = receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
                let Ok((mut piece, packed)) = next else { return };
                let result = decode(&mut codec, &mut piece, packed);
                flow.end(piece, result);
            }
        };
        let thread = thread::Builder::new().name("vixen-nfc-unpack".to_owned());
        thread.spawn(work).map_err(|error| Error::from_io(error, "starting a thread"))
    };
    Ok((sender, (0..count).map(one).collect::<Result<_>>()?))
}

/// Decompresses what came for a piece into its place.
pub(super) fn decode(codec: &mut Codec, piece: &mut Piece, packed: Vec<Packed>) -> Result<()> {
    let Work::Read { offset, into } = &mut piece.work else { return Ok(()) };
    for fragment in packed {
        let place = into.bytes().get_mut(fragment.start..fragment.start.saturating_add(fragment.length));
        let place = place.ok_or_else(|| garbled("a fragment that leaves its request"))?;
        codec
            .decode(fragment.compression, &fragment.data, place)
            .map_err(|error| error.with_kind(Kind::Io).context(format!("NFC: data of byte {offset}")))?;
    }
    Ok(())
}
