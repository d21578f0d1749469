//! Requests of one disk and what became of them: waiting, in flight, done.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;

use super::budget::{Budget, Lease};
use super::config::{Config, Open};
use crate::error::{Error, Kind, Result};
use crate::io::loan::{Loan, Shared};

/// What is told at the end of a request; nothing of ours is locked then.
pub(super) type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// One request of the client, of any number of pieces.
pub(super) struct Job {
    state: Mutex<(usize, Option<Error>, Option<Done>)>,
    /// The thread that completion functions run on; without one they run where the last piece ends.
    on: Option<mpsc::Sender<Finished>>,
}

/// A request that has ended, and whom to tell.
pub(super) type Finished = (Done, Result<()>);

impl Job {
    pub(super) fn new(pieces: usize, done: Done, on: Option<mpsc::Sender<Finished>>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new((pieces, None, Some(done))), on })
    }

    /// A request without pieces ends.
    pub(super) fn end_empty(&self) {
        self.end(Ok(()));
    }

    /// One piece has ended, and given back its part of the client's buffer.
    fn end(&self, result: Result<()>) {
        let finished = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = state.0.saturating_sub(1);
            if let (Err(error), None) = (result, &state.1) {
                state.1 = Some(error);
            }
            if state.0 > 0 {
                return;
            }
            state.2.take().map(|done| (done, state.1.take().map_or(Ok(()), Err)))
        };
        let Some(finished) = finished else { return };
        let left = match &self.on {
            Some(on) => on.send(finished).err().map(|unsent| unsent.0),
            None => Some(finished),
        };
        if let Some((done, result)) = left {
            done(result);
        }
    }
}

/// What an answer to a question is: its payload and what follows.
pub(super) type Reply = Arc<Mutex<(Vec<u8>, Vec<u8>)>>;

/// What a piece asks for.
pub(super) enum Work {
    Read {
        offset: u64,
        into: Loan,
    },
    Write {
        offset: u64,
        data: Shared,
    },
    /// A question: its type, the payload for a handle, and what follows that.
    Ask {
        kind: u32,
        payload: Box<dyn Fn(u64) -> Vec<u8> + Send>,
        extra: Vec<u8>,
        reply: Reply,
    },
}

/// One request to the host.
pub(super) struct Piece {
    pub(super) work: Work,
    job: Arc<Job>,
    /// How often it has been sent without an answer.
    pub(super) tries: u32,
}

impl Piece {
    pub(super) fn new(work: Work, job: &Arc<Job>) -> Self {
        Self { work, job: Arc::clone(job), tries: 0 }
    }

    /// Bytes that the host keeps for it.
    pub(super) fn bytes(&self) -> u64 {
        match &self.work {
            Work::Read { into, .. } => into.len() as u64,
            Work::Write { data, .. } => data.bytes().len() as u64,
            Work::Ask { .. } => 0,
        }
    }

    /// Ends it: the buffer first, since the client may do with it what it likes once it is told.
    pub(super) fn end(self, result: Result<()>) {
        let Self { work, job, .. } = self;
        drop(work);
        job.end(result);
    }
}

/// A piece that has been sent.
pub(super) struct Flying {
    pub(super) piece: Piece,
    pub(super) covered: Covered,
    /// Compressed fragments: compression, start, length, data.
    pub(super) packed: Vec<Packed>,
    pub(super) _lease: Option<Lease>,
}

/// A fragment to decompress.
pub(super) struct Packed {
    pub(super) compression: super::compress::Compression,
    pub(super) start: usize,
    pub(super) length: usize,
    pub(super) data: Vec<u8>,
}

/// Which bytes of a piece have come.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// Ends by starts; neighbours are joined.
    ranges: BTreeMap<u32, u32>,
    bytes: u32,
    /// How many came.
    parts: u32,
}

/// Fragments that a request may come in: one for each so many bytes, and some more. Each one takes memory.
const BYTES_OF_PART: u32 = 512;
const MORE_PARTS: u32 = 64;

impl Covered {
    /// Adds a range; false when something of it is there already, it is empty or leaves `total`, or there are too many.
    pub(super) fn add(&mut self, start: u32, length: u32, total: u32) -> bool {
        let Some(mut end) = start.checked_add(length).filter(|end| length > 0 && *end <= total) else {
            return false;
        };
        self.parts += 1;
        if self.parts > total / BYTES_OF_PART + MORE_PARTS {
            return false;
        }
        let mut begin = start;
        let before = self.ranges.range(..=start).next_back().map(|(begin, end)| (*begin, *end));
        let after = self.ranges.range(start..).next().map(|(begin, end)| (*begin, *end));
        if before.is_some_and(|(_, old)| old > start) || after.is_some_and(|(next, _)| next < end) {
            return false;
        }
        if let Some((old, _)) = before.filter(|(_, old)| *old == start) {
            begin = old;
        }
        if let Some((next, last)) = after.filter(|(next, _)| *next == end) {
            self.ranges.remove(&next);
            end = last;
        }
        self.ranges.insert(begin, end);
        self.bytes += length;
        true
    }

    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }
}

/// What the threads of a disk share.
pub(super) struct Flow {
    pub(super) path: String,
    pub(super) open: Open,
    pub(super) config: Config,
    pub(super) budget: Budget,
    state: Mutex<State>,
    /// Something has changed that the manager waits for.
    pub(super) changed: Condvar,
    /// The last piece has ended.
    idle: Condvar,
}

pub(super) struct State {
    pub(super) waiting: VecDeque<Piece>,
    pub(super) flying: HashMap<u32, Flying>,
    /// Requests that the host reported an error for; their answers may still come.
    pub(super) failed: VecDeque<u32>,
    /// Pieces that have not ended, wherever they are.
    pub(super) pieces: usize,
    /// Pieces that may be in flight; less than asked for when the host ran out of memory.
    pub(super) window: usize,
    /// Nothing is sent before.
    pub(super) pause: Option<Instant>,
    /// Why the connection can no longer be used.
    pub(super) broken: Option<Error>,
    /// When something was last heard, or sent into silence.
    pub(super) heard: Instant,
    pub(super) closing: bool,
    /// Why nothing will be done any more.
    pub(super) dead: Option<(Kind, String)>,
}

impl Flow {
    pub(super) fn new(path: &str, open: Open, config: &Config, host: &str) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            flying: HashMap::new(),
            failed: VecDeque::new(),
            pieces: 0,
            window: config.depth.max(1),
            pause: None,
            broken: None,
            heard: Instant::now(),
            closing: false,
            dead: None,
        };
        Self {
            path: path.to_owned(),
            open,
            config: config.clone(),
            budget: Budget::new(host, config.host_bytes),
            state: Mutex::new(state),
            changed: Condvar::new(),
            idle: Condvar::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts pieces at the end of the queue; they end at once when the disk is closed or lost.
    pub(super) fn submit(&self, pieces: Vec<Piece>) {
        let (kind, text) = {
            let mut state = self.state();
            match &state.dead {
                None if !state.closing => {
                    state.pieces += pieces.len();
                    state.waiting.extend(pieces);
                    self.changed.notify_all();
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

    /// A piece has ended.
    pub(super) fn end(&self, piece: Piece, result: Result<()>) {
        piece.end(result);
        let mut state = self.state();
        state.pieces -= 1;
        if state.pieces == 0 {
            self.idle.notify_all();
        }
        self.changed.notify_all();
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
        self.state().broken.get_or_insert(error);
        self.changed.notify_all();
    }
}
