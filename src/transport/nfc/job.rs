//! What clients ask for: a job is one request of theirs, a piece one request to the host.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::flow::lock;
use crate::error::{Error, Result};
use crate::io::loan::{Loan, Shared};

/// What is told at the end of a request; nothing of ours is locked then.
pub type Done = Box<dyn FnOnce(Result<()>) + Send>;

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

    /// Whether all of its pieces have ended.
    pub(super) fn has_ended(&self) -> bool {
        lock(&self.state).0 == 0
    }

    /// A request without pieces ends.
    pub(super) fn end_empty(&self) {
        self.end(Ok(()));
    }

    /// One piece has ended, and given back its part of the client's buffer.
    fn end(&self, result: Result<()>) {
        let finished = {
            let mut state = lock(&self.state);
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

impl Work {
    /// For messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Ask { .. } => "question",
        }
    }
}

/// One request to the host.
pub(super) struct Piece {
    pub(super) work: Work,
    job: Arc<Job>,
    /// How often it has been sent without an answer.
    pub(super) tries: u32,
    /// Since when, and how often, the host had no memory for it.
    refused: Option<(Instant, u32)>,
}

impl Piece {
    pub(super) fn new(work: Work, job: &Arc<Job>) -> Self {
        Self { work, job: Arc::clone(job), tries: 0, refused: None }
    }

    /// Bytes that the host keeps for it.
    pub(super) fn bytes(&self) -> u64 {
        match &self.work {
            Work::Read { into, .. } => into.len() as u64,
            Work::Write { data, .. } => data.bytes().len() as u64,
            Work::Ask { .. } => 0,
        }
    }

    /// How long to wait until it is tried again after the host had no memory for it; `None` when that has gone on
    /// for `limit`.
    pub(super) fn pause(&mut self, first: Duration, limit: Duration) -> Option<Duration> {
        let (since, times) = self.refused.get_or_insert_with(|| (Instant::now(), 0));
        let pause = first * (1 << (*times).min(6));
        *times += 1;
        (since.elapsed() < limit).then_some(pause)
    }

    /// Ends it: the buffer first, since the client may do with it what it likes once it is told.
    pub(super) fn end(self, result: Result<()>) {
        let Self { work, job, .. } = self;
        drop(work);
        job.end(result);
    }
}
