//! Requests of one disk and what became of them: waiting, in flight, done.
//!
//! Two things are taken in turns: the outlet, by whoever sends, and the inlet, by whoever receives. Both have a thread
//! of their own; a caller that waits for its request does their work by itself when nobody else is at it, since every
//! change of threads takes time.

use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::config::{Config, Open};
use super::inlet::Inlet;
use super::job::{Piece, Work};
use super::outlet::{Outgoing, Outlet};
use super::setup::Receiver;
use super::state::{Flying, Said, State};
use crate::error::{Error, Kind, Result};
use crate::vsphere::soap::printable;

/// How long to wait for other disks to give back bytes of their host, before looking again.
const BUDGET_PAUSE: Duration = Duration::from_millis(5);

/// The first pause after a host ran out of memory; each further one for the same request is twice as long.
const MEMORY_PAUSE: Duration = Duration::from_millis(50);

/// What the threads of a disk share.
pub(super) struct Flow {
    pub(super) path: String,
    pub(super) open: Open,
    pub(super) config: Config,
    pub(super) budget: Budget,
    state: Mutex<State>,
    /// Something has changed that the manager waits for.
    pub(super) changed: Arc<Condvar>,
    /// Answers are awaited, and nobody receives.
    turn: Condvar,
    /// The last piece has ended.
    idle: Condvar,
    /// Held while something is sent; `None` without a connection.
    pub(super) outlet: Mutex<Option<Outlet>>,
    /// Held while something is received; `None` without a connection.
    pub(super) inlet: Mutex<Option<Inlet<Receiver>>>,
}

/// What became of the attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// What may be sent has been.
    All,
    /// Something may be sent after this time.
    Later(Duration),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flow {
    pub(super) fn new(path: &str, open: Open, config: &Config, host: &str) -> Self {
        let changed = Arc::new(Condvar::new());
        Self {
            path: path.to_owned(),
            open,
            config: config.clone(),
            budget: Budget::new(host, config.host_bytes, Arc::clone(&changed)),
            state: Mutex::new(State::new(config.depth)),
            changed,
            turn: Condvar::new(),
            idle: Condvar::new(),
            outlet: Mutex::new(None),
            inlet: Mutex::new(None),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    // ---- Submitting ----

    /// Puts pieces at the end of the queue; they end at once when the disk is closed or lost.
    fn queue(&self, pieces: Vec<Piece>) {
        let (kind, text) = {
            let mut state = self.state();
            match &state.dead {
                None if !state.closing => {
                    state.pieces += pieces.len();
                    state.waiting.extend(pieces);
                    if state.broken.is_some() {
                        self.changed.notify_all(); // the manager reaches the disk again now that it is needed
                    }
                    return;
                }
                Some(reason) => reason.clone(),
                None => (Kind::InvalidHandle, "the disk is being closed".to_owned()),
            }
        };
        for piece in pieces {
            piece.end(Err(Error::new(kind, text.clone())));
        }
    }

    /// Has pieces sent. What is small is sent by this thread, so it does not wait for another one; `large` is left to
    /// the manager, so that the caller does not wait for the network.
    pub(super) fn submit(&self, pieces: Vec<Piece>, large: bool) {
        self.queue(pieces);
        if large {
            self.changed.notify_all();
        } else {
            self.pump_here(&mut false);
        }
    }

    /// Has pieces sent and waits for them as far as this thread can: it sends, and it receives until `ended`.
    pub(super) fn run(&self, pieces: Vec<Piece>, ended: impl Fn() -> bool) {
        let mut mine = self.claim();
        self.queue(pieces);
        self.pump_here(&mut mine);
        if mine {
            self.receive(|| !ended());
        }
    }

    /// Sends what may be sent, unless somebody else is sending; the manager sees to the rest.
    fn pump_here(&self, mine: &mut bool) {
        let pumped = match self.outlet.try_lock() {
            Ok(mut outlet) => self.pump(&mut outlet, mine),
            Err(_) => Pumped::Later(Duration::ZERO),
        };
        if pumped != Pumped::All {
            self.changed.notify_all();
        }
    }

    // ---- Sending ----

    /// Sends what may be sent. With `mine` this thread has the turn to receive, and gives it up before it sends what
    /// is large: the host may send as well, and would wait for its data to be taken.
    pub(super) fn pump(&self, outlet: &mut Option<Outlet>, mine: &mut bool) -> Pumped {
        let Some(outlet) = outlet else { return Pumped::All };
        loop {
            let (operation, outgoing) = match self.launch(outlet, mine) {
                Ok(next) => next,
                Err(pumped) => return pumped,
            };
            let sent = outlet.send(operation, &outgoing, self.open.compression);
            let large = outgoing.is_large();
            drop(outgoing);
            if let Err(error) = sent {
                self.break_off(error);
            } else if large {
                self.has_been_sent(operation);
            }
        }
    }

    /// Takes the next piece, when its host has room for it. It is in flight from here on.
    fn launch(&self, outlet: &mut Outlet, mine: &mut bool) -> std::result::Result<(u32, Outgoing), Pumped> {
        let mut state = self.state();
        match state.ready() {
            None => return Err(Pumped::All),
            Some(Duration::ZERO) => {}
            Some(pause) => return Err(Pumped::Later(pause)),
        }
        let bytes = state.waiting.front().map_or(0, Piece::bytes);
        let Some(lease) = self.budget.take(bytes) else { return Err(Pumped::Later(BUDGET_PAUSE)) };
        let Some(piece) = state.waiting.pop_front() else { return Err(Pumped::All) };
        let (operation, outgoing) = outlet.prepare(&piece, self.open.compression);
        state.launch(operation, piece, outgoing.is_large(), Some(lease));
        if *mine && outgoing.is_large() {
            *mine = false;
            state.receiving = false;
        }
        if !state.receiving {
            self.turn.notify_one();
        }
        Ok((operation, outgoing))
    }

    /// A write is out, and its data no longer needed: what the host said meanwhile counts now.
    fn has_been_sent(&self, operation: u32) {
        let said = {
            let mut state = self.state();
            let Some(flying) = state.flying.get_mut(&operation) else { return };
            flying.sending = false;
            flying.said.take().and_then(|said| Some((state.flying.remove(&operation)?, said)))
        };
        match said {
            Some((flying, Said::Done)) => self.answered(flying.piece),
            Some((flying, Said::Refused(code, text))) => self.refused(operation, flying, code, &text),
            None => {}
        }
    }

    // ---- Receiving ----

    /// Takes the turn to receive, when nobody has it.
    fn claim(&self) -> bool {
        let mut state = self.state();
        let free = !state.receiving && state.broken.is_none() && !state.ended;
        state.receiving |= free;
        free
    }

    /// Receives as long as something is awaited, and `more` says so; the caller has the turn, and loses it.
    fn receive(&self, more: impl Fn() -> bool) {
        let mut inlet = lock(&self.inlet);
        while more() && !self.state().flying.is_empty() {
            let Some(inlet) = inlet.as_mut() else { break };
            if let Err(error) = inlet.message(self) {
                self.break_off(error);
                break;
            }
        }
        drop(inlet);
        let mut state = self.state();
        state.receiving = false;
        if state.broken.is_some() {
            self.changed.notify_all();
        } else if !state.flying.is_empty() {
            self.turn.notify_one();
        }
    }

    /// Receives when nobody else does, until the disk has ended.
    pub(super) fn serve(&self) {
        loop {
            let mut state = self.state();
            while !state.ended && (state.receiving || state.broken.is_some() || state.flying.is_empty()) {
                state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.ended {
                return;
            }
            state.receiving = true;
            drop(state);
            self.receive(|| true);
        }
    }

    /// Waits until nobody receives on a connection that has broken.
    pub(super) fn wait_until_received(&self) {
        let mut state = self.state();
        while state.receiving {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a request out of flight whose answer has come. Writes are told by [`Flow::write_answered`].
    pub(super) fn take(&self, operation: u32) -> Option<Flying> {
        self.state().flying.remove(&operation)
    }

    /// Gives a request back, of which more is to come; it is sent again when the connection fails.
    pub(super) fn put_back(&self, operation: u32, mut flying: Flying) {
        flying.heard = Instant::now();
        self.state().flying.insert(operation, flying);
    }

    /// The host has answered a write of so many bytes at an offset; false when there is no such one in flight.
    pub(super) fn write_answered(&self, operation: u32, offset: u64, total: u32) -> bool {
        let flying = {
            let mut state = self.state();
            let Some(flying) = state.flying.get_mut(&operation) else { return false };
            match &flying.piece.work {
                Work::Write { offset: at, .. }
                    if *at == offset && flying.piece.bytes() == u64::from(total) => {}
                _ => return false,
            }
            if flying.sending {
                // Its data goes back to the client when all of it has been sent, whatever the host says.
                flying.said = Some(Said::Done);
                return true;
            }
            state.flying.remove(&operation)
        };
        flying.into_iter().for_each(|flying| self.answered(flying.piece));
        true
    }

    /// The host has reported an error; false when that is about nothing that is in flight.
    pub(super) fn error(&self, operation: u32, code: u64, text: String) -> bool {
        let flying = {
            let mut state = self.state();
            match state.flying.get_mut(&operation) {
                None => return false,
                Some(flying) if flying.sending => {
                    flying.said = Some(Said::Refused(code, text));
                    return true;
                }
                Some(_) => state.flying.remove(&operation),
            }
        };
        flying.into_iter().for_each(|flying| self.refused(operation, flying, code, &text));
        true
    }

    /// Ends a request that the host refused, or puts it at the front of the queue when that was for want of memory.
    fn refused(&self, operation: u32, flying: Flying, code: u64, text: &str) {
        let Flying { mut piece, number, .. } = flying;
        let mut state = self.state();
        state.note_failure(operation);
        let pause = super::aio::is_out_of_memory(code, text)
            .then(|| piece.pause(MEMORY_PAUSE, self.config.timeouts.request))
            .flatten();
        let Some(pause) = pause else {
            drop(state);
            let error = super::aio::reported(code, text).context(format!("'{}'", self.path));
            return self.end(piece, Err(error));
        };
        let sent = state.sent;
        if state.window.refused(number, sent) {
            log::warn!(
                "[NFC ERROR] NfcFssrvrProcessErrorMsg: received NFC error 5 from server: {}; {} requests at once from now on",
                printable(text),
                state.window.size()
            );
        }
        state.pause = Some(Instant::now() + pause);
        state.waiting.push_front(piece);
        self.changed.notify_all();
    }

    // ---- Ending ----

    /// A piece has been answered.
    pub(super) fn answered(&self, piece: Piece) {
        piece.end(Ok(()));
        let mut state = self.state();
        state.answered += 1;
        state.window.answered();
        self.one_less(state);
    }

    /// A piece has ended.
    pub(super) fn end(&self, piece: Piece, result: Result<()>) {
        piece.end(result);
        self.one_less(self.state());
    }

    fn one_less(&self, mut state: MutexGuard<'_, State>) {
        state.pieces -= 1;
        if state.pieces == 0 {
            self.idle.notify_all();
        }
        if !state.waiting.is_empty() || state.closing {
            self.changed.notify_all();
        }
    }

    /// Waits until all pieces have ended, as each does after a bounded time.
    pub(super) fn wait_idle(&self) {
        let mut state = self.state();
        while state.pieces > 0 {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The connection has failed; the first reason counts.
    pub(super) fn break_off(&self, error: Error) {
        let mut state = self.state();
        state.broken.get_or_insert(error);
        if let Some(socket) = &state.socket {
            let _ = socket.shutdown(Shutdown::Both); // whoever sends or receives shall stop
        }
        self.changed.notify_all();
    }

    /// Lets the receiving thread end.
    pub(super) fn stop_receiving(&self) {
        self.state().ended = true;
        self.turn.notify_all();
    }

    /// What the manager does when it has sent what may be sent: waits until something has changed.
    pub(super) fn wait_for_change(&self, pumped: Pumped) {
        let state = self.state();
        let lost = state.broken.is_some() && (!state.flying.is_empty() || !state.waiting.is_empty());
        if lost || state.closing && state.pieces == 0 {
            return;
        }
        let limit = match (pumped, state.ready()) {
            // Somebody may have put it there while this thread was sending.
            (Pumped::All, Some(pause)) => Some(pause),
            (Pumped::All, None) => None,
            (Pumped::Later(pause), _) => Some(pause),
        };
        match limit {
            None => drop(self.changed.wait(state)),
            Some(Duration::ZERO) => {}
            Some(limit) => drop(self.changed.wait_timeout(state, limit)),
        }
    }
}
