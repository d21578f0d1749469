//! The thread that sends what nobody else does, and that replaces the connection when it breaks.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::aio;
use super::classic;
use super::decode::ToDecode;
use super::flow::{Flow, Pumped, lock};
use super::inlet::Inlet;
use super::job::{Job, Piece, Reply, Work};
use super::outlet::Outlet;
use super::setup::{Link, establish};
use super::state::Flying;
use crate::error::{Error, Kind, Result};
use crate::vsphere::ticket::TicketSource;

/// How long the host may take to say good-bye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The manager of one disk.
pub(super) struct Manager {
    pub(super) flow: Arc<Flow>,
    pub(super) source: Arc<dyn TicketSource>,
    pub(super) decoders: Option<mpsc::SyncSender<ToDecode>>,
    handle: u64,
    capacity_bytes: u64,
}

impl Manager {
    pub(super) fn new(
        flow: &Arc<Flow>,
        source: Arc<dyn TicketSource>,
        decoders: Option<mpsc::SyncSender<ToDecode>>,
        link: Link,
    ) -> Self {
        let (flow, capacity_bytes) = (Arc::clone(flow), link.disk.capacity_bytes);
        let mut manager = Self { flow, source, decoders, handle: 0, capacity_bytes };
        manager.install(link);
        manager
    }

    /// Has a connection used.
    fn install(&mut self, link: Link) {
        let Link { sender, receiver, socket, disk, next, place } = link;
        let buffer_bytes = self.flow.config.buffer_bytes;
        self.handle = disk.handle;
        *lock(&self.flow.inlet) = Some(Inlet::new(receiver, &place, self.decoders.clone()));
        *lock(&self.flow.outlet) = Some(Outlet::new(sender, disk.handle, buffer_bytes, next, &place));
        self.flow.state().renew(socket);
    }

    /// Runs until the disk is closed.
    pub(super) fn run(mut self) {
        loop {
            let pumped = self.flow.pump(&mut lock(&self.flow.outlet), &mut false);
            let (lost, closing) = {
                let state = self.flow.state();
                let wanted = !state.flying.is_empty() || !state.waiting.is_empty();
                // An idle disk is reached again when it is needed.
                (state.broken.is_some() && wanted, state.closing && state.pieces == 0)
            };
            if lost {
                match self.heal() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        self.give_up(&error);
                        break;
                    }
                }
            } else if closing {
                self.say_good_bye();
                break;
            } else {
                self.flow.wait_for_change(pumped);
            }
        }
        self.disconnect();
        self.flow.stop_receiving();
        // Nobody can have asked for anything since the end began, but for the good-bye.
        self.end_all(Kind::ConnectionLost, "the disk is closed");
    }

    /// Ends the connection, and waits until nobody uses it.
    fn disconnect(&self) {
        self.flow.break_off(Error::new(Kind::ConnectionLost, "the connection was lost"));
        self.flow.wait_until_received();
        *lock(&self.flow.inlet) = None;
        *lock(&self.flow.outlet) = None;
        self.flow.budget.leave();
    }

    /// Makes a new connection with a new ticket, and puts what was in flight back to the front of the queue: reads, and
    /// writes that were not acknowledged. False when nobody needs it any more.
    fn heal(&mut self) -> Result<bool> {
        self.disconnect();
        let why = self.take_back();
        let (flow, config) = (&self.flow, &self.flow.config);
        if flow.state().pieces == 0 && flow.state().closing {
            return Ok(false);
        }
        let mut last = why;
        for attempt in 0..config.tries {
            log::warn!("'{}': {last}; connecting again ({} of {})", flow.path, attempt + 1, config.tries);
            std::thread::sleep(Duration::from_millis(config.pause_ms << attempt.min(6)));
            match establish(&*self.source, &flow.path, flow.open, config) {
                Ok(link) if link.disk.capacity_bytes != self.capacity_bytes => {
                    let text = format!(
                        "'{}' has {} bytes after connecting again, and had {}",
                        flow.path, link.disk.capacity_bytes, self.capacity_bytes
                    );
                    return Err(Error::new(Kind::InvalidDisk, text));
                }
                Ok(link) => {
                    log::warn!("'{}': connected again to {}", flow.path, link.place);
                    self.install(link);
                    return Ok(true);
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
        let why = match &state.broken {
            Some(error) => Error::new(error.kind(), error.to_string()),
            None => Error::new(Kind::ConnectionLost, "the connection was lost"),
        };
        let mut flying: Vec<_> = state.flying.drain().map(|(_, flying)| flying).collect();
        flying.sort_by_key(|flying| std::cmp::Reverse(flying.number));
        let mut hopeless = Vec::new();
        for Flying { mut piece, .. } in flying {
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

    /// Nothing will be done any more.
    fn give_up(&self, error: &Error) {
        log::error!("'{}': {error}", self.flow.path);
        self.flow.state().dead = Some((error.kind(), error.to_string()));
        self.end_all(error.kind(), &error.to_string());
    }

    fn end_all(&self, kind: Kind, text: &str) {
        let left: Vec<Piece> = {
            let mut state = self.flow.state();
            let flying: Vec<_> = state.flying.drain().map(|(_, flying)| flying.piece).collect();
            flying.into_iter().chain(state.waiting.drain(..)).collect()
        };
        for piece in left {
            self.flow.end(piece, Err(Error::new(kind, text)));
        }
    }

    /// Closes the disk and the session in order, as far as the host answers.
    fn say_good_bye(&self) {
        if self.flow.state().broken.is_some() {
            return;
        }
        let handle = self.handle.to_le_bytes();
        let answered =
            self.ask_last(aio::kind::CLOSE_FILE, &handle) && self.ask_last(aio::kind::CLOSE_SESSION, &[0; 4]);
        if let (true, Some(outlet)) = (answered, lock(&self.flow.outlet).as_mut()) {
            outlet.farewell(&classic::message(classic::kind::SESSION_COMPLETE, &[]));
        }
    }

    /// Asks something when nothing else is in flight; whether it was answered.
    fn ask_last(&self, kind: u32, payload: &[u8]) -> bool {
        let (sender, receiver) = mpsc::channel();
        let done = move |result: Result<()>| sender.send(result.is_ok()).unwrap_or_default();
        let job = Job::new(1, Box::new(done), None);
        let copy = payload.to_vec();
        let payload = Box::new(move |_| copy.clone());
        let work = Work::Ask { kind, payload, extra: Vec::new(), reply: Reply::default() };
        {
            let mut state = self.flow.state();
            state.pieces += 1;
            state.waiting.push_front(Piece::new(work, &job));
        }
        let until = Instant::now() + CLOSE_LIMIT;
        loop {
            let pumped = self.flow.pump(&mut lock(&self.flow.outlet), &mut false);
            let tick = match pumped {
                Pumped::All => Duration::from_millis(20),
                Pumped::Later(pause) => pause.max(Duration::from_millis(1)),
            };
            match receiver.recv_timeout(tick) {
                Ok(answered) => return answered,
                Err(mpsc::RecvTimeoutError::Timeout)
                    if Instant::now() < until && self.flow.state().broken.is_none() => {}
                Err(_) => return false,
            }
        }
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
