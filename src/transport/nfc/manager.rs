//! The thread that sends requests, and that replaces the connection when it breaks.

use std::io;
use std::sync::{Arc, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::aio::{self, Fragment};
use super::classic;
use super::compress::{Codec, Compression};
use super::flow::{Covered, Flow, Flying, Job, Piece, Reply, State, Work};
use super::reader::{self, ToDecode};
use super::setup::{Link, Sender, establish};
use crate::error::{Error, Kind, Result};
use crate::io::loan::Shared;
use crate::transport::tcp;
use crate::vsphere::ticket::TicketSource;

/// How long to wait for other disks to give back bytes of their host.
const BUDGET_PAUSE: Duration = Duration::from_millis(5);

/// How long the host may take to say good-bye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The manager of one disk.
pub(super) struct Manager {
    pub(super) flow: Arc<Flow>,
    pub(super) source: Arc<dyn TicketSource>,
    pub(super) decoders: Option<mpsc::SyncSender<ToDecode>>,
    codec: Codec,
    packed: Vec<u8>,
}

/// A connection in use.
struct Running {
    sender: Sender,
    socket: std::net::TcpStream,
    handle: u64,
    capacity_bytes: u64,
    next: u32,
    place: String,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    fn end(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join(); // it does not panic
        }
    }
}

/// What goes to the host for a piece.
enum Outgoing {
    /// A message, and what follows it.
    Message(Vec<u8>, Vec<u8>),
    /// The fragments of a write.
    Write(u64, Shared),
}

impl Outgoing {
    fn of(piece: &Piece, operation: u32, handle: u64, compression: Compression) -> Self {
        match &piece.work {
            Work::Read { offset, into } => {
                let length = u32::try_from(into.len()).unwrap_or(u32::MAX);
                let payload = aio::read_request(handle, compression, *offset, length);
                Self::Message(aio::message(aio::kind::IO, operation, &payload), Vec::new())
            }
            Work::Write { offset, data } => Self::Write(*offset, data.clone()),
            Work::Ask { kind, payload, extra, .. } => {
                Self::Message(aio::message(*kind, operation, &payload(handle)), extra.clone())
            }
        }
    }
}

/// What is to be done next.
enum Next {
    Send(u32, Outgoing),
    Heal,
    End,
}

impl Manager {
    pub(super) fn new(
        flow: &Arc<Flow>,
        source: Arc<dyn TicketSource>,
        decoders: Option<mpsc::SyncSender<ToDecode>>,
    ) -> Self {
        Self { flow: Arc::clone(flow), source, decoders, codec: Codec::default(), packed: Vec::new() }
    }

    /// Runs until the disk is closed.
    pub(super) fn run(mut self, link: Link) {
        let mut running = match self.start(link) {
            Ok(running) => running,
            Err(error) => return self.give_up(&error),
        };
        loop {
            match self.next(&mut running) {
                Next::Send(operation, outgoing) => self.send(&mut running, operation, &outgoing),
                Next::Heal => {
                    running.end();
                    match self.heal(running.capacity_bytes) {
                        Ok(Some(new)) => running = new,
                        Ok(None) => break,
                        Err(error) => return self.give_up(&error),
                    }
                }
                Next::End => {
                    self.say_good_bye(&mut running);
                    running.end();
                    break;
                }
            }
        }
    }

    fn start(&self, link: Link) -> Result<Running> {
        let Link { sender, receiver, socket, disk, next, place } = link;
        let reader = reader::start(&self.flow, receiver, &place, self.decoders.clone())?;
        let (handle, capacity_bytes) = (disk.handle, disk.capacity_bytes);
        Ok(Running { sender, socket, handle, capacity_bytes, next, place, reader: Some(reader) })
    }

    /// Waits for something to do. Pieces that are sent are in flight from here on.
    fn next(&self, running: &mut Running) -> Next {
        let mut state = self.flow.state();
        loop {
            let idle = state.pieces == 0;
            if state.closing && idle {
                return if state.broken.is_some() { Next::Heal } else { Next::End };
            }
            // An idle disk is reached again when it is needed.
            if state.broken.is_some() && (!state.flying.is_empty() || !state.waiting.is_empty()) {
                return Next::Heal;
            }
            let mut limit = None;
            if state.broken.is_none() && !state.waiting.is_empty() && state.flying.len() < state.window {
                let pause = state.pause.map(|until| until.saturating_duration_since(Instant::now()));
                match pause.filter(|pause| !pause.is_zero()) {
                    Some(pause) => limit = Some(pause),
                    None => match self.launch(&mut state, running) {
                        Some(next) => return next,
                        None => limit = Some(BUDGET_PAUSE),
                    },
                }
            }
            state = match limit {
                Some(limit) => {
                    self.flow.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.flow.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Takes the next piece, when its host has room for it.
    fn launch(&self, state: &mut State, running: &mut Running) -> Option<Next> {
        let lease = self.flow.budget.take(state.waiting.front()?.bytes())?;
        let piece = state.waiting.pop_front()?;
        let operation = running.next;
        running.next = running.next.wrapping_add(1);
        let outgoing = Outgoing::of(&piece, operation, running.handle, self.flow.open.compression);
        if state.flying.is_empty() {
            state.heard = Instant::now();
        }
        let flying = Flying { piece, covered: Covered::default(), packed: Vec::new(), _lease: Some(lease) };
        state.flying.insert(operation, flying);
        Some(Next::Send(operation, outgoing))
    }

    /// Sends a piece; when that fails the connection has broken.
    fn send(&mut self, running: &mut Running, operation: u32, outgoing: &Outgoing) {
        let sent = match outgoing {
            Outgoing::Message(head, extra) => running.sender.send(head, extra),
            Outgoing::Write(offset, data) => self.send_write(running, operation, *offset, data.bytes()),
        };
        if let Err(error) = sent {
            self.flow.break_off(tcp::lost(error, "NFC: sending to", &running.place));
        }
    }

    /// Sends a write in fragments, each compressed by itself.
    fn send_write(
        &mut self,
        running: &mut Running,
        operation: u32,
        offset: u64,
        data: &[u8],
    ) -> io::Result<()> {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let most = usize::try_from(self.flow.config.buffer_bytes).unwrap_or(usize::MAX).max(1);
        let mut start = 0;
        for piece in data.chunks(most) {
            self.packed.clear();
            let asked = self.flow.open.compression;
            let used = self.codec.encode(asked, piece, &mut self.packed).map_err(io::Error::other)?;
            let wire = if used == Compression::None { piece } else { &self.packed };
            let fragment = Fragment {
                handle: running.handle,
                read: false,
                compression: used.number(),
                offset,
                total: number(data.len()),
                start: number(start),
                length: number(piece.len()),
                wire: number(wire.len()),
            };
            let head = aio::message(aio::kind::IO, operation, &fragment.payload());
            running.sender.send(&head, wire)?;
            start += piece.len();
        }
        Ok(())
    }

    /// Makes a new connection with a new ticket, and puts what was in flight back to the front of the queue: reads, and
    /// writes that were not acknowledged. `None` when nobody needs it any more.
    fn heal(&self, capacity_bytes: u64) -> Result<Option<Running>> {
        let (flow, config) = (&self.flow, &self.flow.config);
        let why = self.take_back();
        if flow.state().pieces == 0 && flow.state().closing {
            return Ok(None);
        }
        let mut last = why;
        for attempt in 0..config.tries {
            log::warn!("'{}': {last}; connecting again ({} of {})", flow.path, attempt + 1, config.tries);
            std::thread::sleep(Duration::from_millis(config.pause_ms << attempt.min(6)));
            match establish(&*self.source, &flow.path, flow.open, config) {
                Ok(link) if link.disk.capacity_bytes != capacity_bytes => {
                    let text = format!(
                        "'{}' has {} bytes after connecting again, and had {capacity_bytes}",
                        flow.path, link.disk.capacity_bytes
                    );
                    return Err(Error::new(Kind::InvalidDisk, text));
                }
                Ok(link) => {
                    log::warn!("'{}': connected again to {}", flow.path, link.place);
                    return self.start(link).map(Some);
                }
                Err(error) if !may_pass(error.kind()) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last.context(format!("'{}': given up after {} tries to connect again", flow.path, config.tries)))
    }

    /// Takes what was in flight back, in the order in which it was sent. What has been tried too often ends.
    fn take_back(&self) -> Error {
        let mut state = self.flow.state();
        let why = state
            .broken
            .take()
            .unwrap_or_else(|| Error::new(Kind::ConnectionLost, "the connection was lost"));
        state.failed.clear();
        let mut flying: Vec<_> = state.flying.drain().collect();
        flying.sort_by_key(|(operation, _)| std::cmp::Reverse(*operation));
        let mut hopeless = Vec::new();
        for (_, Flying { mut piece, .. }) in flying {
            piece.tries += 1;
            if piece.tries > self.flow.config.tries {
                hopeless.push(piece);
            } else {
                state.waiting.push_front(piece);
            }
        }
        drop(state);
        for piece in hopeless {
            let tries = piece.tries;
            self.flow.end(piece, Err(Error::new(why.kind(), format!("{why}; tried {tries} times"))));
        }
        why
    }

    /// Ends everything.
    fn give_up(&self, error: &Error) {
        log::error!("'{}': {error}", self.flow.path);
        let left: Vec<Piece> = {
            let mut state = self.flow.state();
            state.dead = Some((error.kind(), error.to_string()));
            let flying: Vec<_> = state.flying.drain().map(|(_, flying)| flying.piece).collect();
            flying.into_iter().chain(state.waiting.drain(..)).collect()
        };
        for piece in left {
            self.flow.end(piece, Err(Error::new(error.kind(), error.to_string())));
        }
    }

    /// Closes the disk and the session in order, as far as the host answers.
    fn say_good_bye(&mut self, running: &mut Running) {
        let handle = running.handle.to_le_bytes();
        let answered = self.ask_last(running, aio::kind::CLOSE_FILE, &handle)
            && self.ask_last(running, aio::kind::CLOSE_SESSION, &[0; 4]);
        if answered {
            // Nobody waits for an answer to this, and the host may have gone.
            let _ = running.sender.send(&classic::message(classic::kind::SESSION_COMPLETE, &[]), &[]);
        }
    }

    /// Asks something when nothing else is in flight; whether it was answered.
    fn ask_last(&mut self, running: &mut Running, kind: u32, payload: &[u8]) -> bool {
        let (sender, receiver) = mpsc::channel();
        let done = move |result: Result<()>| sender.send(result.is_ok()).unwrap_or_default();
        let job = Job::new(1, Box::new(done), None);
        let copy = payload.to_vec();
        let payload = Box::new(move |_| copy.clone());
        let work = Work::Ask { kind, payload, extra: Vec::new(), reply: Reply::default() };
        let operation = running.next;
        running.next = running.next.wrapping_add(1);
        let piece = Piece::new(work, &job);
        let outgoing = Outgoing::of(&piece, operation, running.handle, Compression::None);
        let flying = Flying { piece, covered: Covered::default(), packed: Vec::new(), _lease: None };
        {
            let mut state = self.flow.state();
            state.pieces += 1;
            state.heard = Instant::now();
            state.flying.insert(operation, flying);
        }
        self.send(running, operation, &outgoing);
        let until = Instant::now() + CLOSE_LIMIT;
        let answered = loop {
            match receiver.recv_timeout(Duration::from_millis(20)) {
                Ok(answered) => break answered,
                Err(mpsc::RecvTimeoutError::Timeout)
                    if Instant::now() < until && self.flow.state().broken.is_none() => {}
                Err(_) => break false,
            }
        };
        let left = self.flow.state().flying.remove(&operation);
        if let Some(Flying { piece, .. }) = left {
            self.flow.end(piece, Err(Error::new(Kind::ConnectionLost, "no answer to closing the disk")));
        }
        answered
    }
}

/// Whether trying again may help.
fn may_pass(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Untrusted
            | Kind::NoPermission
            | Kind::NotSupported
            | Kind::ReadOnly
            | Kind::FileNotFound
            | Kind::AccessDenied
            | Kind::VmNotFound
            | Kind::SnapshotNotFound
            | Kind::InvalidArgument
    )
}
