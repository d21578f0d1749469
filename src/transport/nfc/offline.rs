//! The receiving side without a host: requests that count as sent, and any bytes as the answers to them. For tests and
//! fuzzing.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use super::compress::{Codec, Compression};
use super::config::{Config, Open};
use super::decode::{ToDecode, decode};
use super::flow::Flow;
use super::inlet::Inlet;
use super::job::{Done, Job, Piece, Reply, Work};
use crate::error::{Error, Kind, Result};
use crate::io::loan::{Loan, Shared};

/// A request that has been sent.
#[derive(Debug, Clone, Copy)]
pub enum Sent {
    /// A read of so many bytes from an offset on.
    Read {
        /// Bytes from the start of the disk.
        offset: u64,
        /// Bytes.
        length: u32,
    },
    /// A write of so many bytes from an offset on.
    Write {
        /// Bytes from the start of the disk.
        offset: u64,
        /// Bytes.
        length: u32,
    },
    /// A question of a kind of [`super::aio::kind`].
    Question(u32),
}

/// A buffer that is kept when its loan goes.
struct Kept {
    bytes: Vec<u8>,
    place: Arc<Mutex<Vec<u8>>>,
}

impl AsMut<[u8]> for Kept {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut self.bytes);
    }
}

/// What became of a request.
struct Outcome {
    result: Arc<Mutex<Result<()>>>,
    read: Arc<Mutex<Vec<u8>>>,
    reply: Reply,
}

impl Outcome {
    /// What was read, or the payload of an answer and what followed.
    fn take(&self) -> Result<Vec<u8>> {
        fn taken<T>(mutex: &Mutex<T>, with: T) -> T {
            std::mem::replace(&mut *mutex.lock().unwrap_or_else(PoisonError::into_inner), with)
        }
        taken(&self.result, Ok(()))?;
        let (payload, extra) = taken(&self.reply, (Vec::new(), Vec::new()));
        Ok([taken(&self.read, Vec::new()), payload, extra].concat())
    }
}

/// Reads `input` as a host's messages about the requests of `sent`, whose operations are numbered from 0 on. Returns
/// what each of them led to: what was read, or the answer to a question. The buffers of reads hold `blank` at first.
pub fn answers(input: impl Read, sent: &[Sent], compression: Compression, blank: u8) -> Vec<Result<Vec<u8>>> {
    let open = Open { writable: true, single_link: false, compression };
    let flow = Flow::new("nowhere", open, &Config::default(), "nowhere");
    let outcomes: Vec<Outcome> = (0..).zip(sent).map(|(at, one)| launch(&flow, at, one, blank)).collect();
    let (decoders, packed) = mpsc::sync_channel::<ToDecode>(sent.len());
    let mut inlet = Inlet::new(input, "nowhere", Some(decoders));
    while inlet.message(&flow).is_ok() {}
    drop(inlet); // and with it its end of the channel
    let mut codec = Codec::default();
    for (mut piece, fragments) in packed {
        let result = decode(&mut codec, &mut piece, fragments);
        flow.end(piece, result);
    }
    // Nothing is sent, so what the host had no memory for is not tried again.
    let left: Vec<Piece> = {
        let mut state = flow.state();
        let flying: Vec<Piece> = state.flying.drain().map(|(_, flying)| flying.piece).collect();
        flying.into_iter().chain(state.waiting.drain(..)).collect()
    };
    for piece in left {
        flow.end(piece, Err(Error::new(Kind::ConnectionLost, "no answer")));
    }
    outcomes.iter().map(Outcome::take).collect()
}

/// Puts a request among those that wait for their answers.
fn launch(flow: &Flow, operation: u32, sent: &Sent, blank: u8) -> Outcome {
    let never = || Err(Error::new(Kind::Internal, "it was never told"));
    let outcome =
        Outcome { result: Arc::new(Mutex::new(never())), read: Arc::default(), reply: Reply::default() };
    let bytes = |length: u32| vec![blank; usize::try_from(length).unwrap_or(0)];
    let work = match *sent {
        Sent::Read { offset, length } => {
            let kept = Kept { bytes: bytes(length), place: Arc::clone(&outcome.read) };
            Work::Read { offset, into: Loan::of(kept) }
        }
        Sent::Write { offset, length } => Work::Write { offset, data: Shared::of(bytes(length)) },
        Sent::Question(kind) => {
            let reply = Arc::clone(&outcome.reply);
            Work::Ask { kind, payload: Box::new(|_| Vec::new()), extra: Vec::new(), reply }
        }
    };
    let result = Arc::clone(&outcome.result);
    let done: Done = Box::new(move |ended| {
        *result.lock().unwrap_or_else(PoisonError::into_inner) = ended;
    });
    let piece = Piece::new(work, &Job::new(1, done, None));
    let mut state = flow.state();
    state.pieces += 1;
    state.launch(operation, piece, false, None);
    outcome
}
