//! Decoding ahead: whoever reads a stream in order finds the next grains decoded, on all processors, also while the
//! reader does something else with what it has.
//!
//! ```text
//!   read: grains 5 6 7 8        reader ──takes──> done, or waiting ones, which it decodes into its own buffer
//!   slots:  [5 done][6 working][7 waiting][8 waiting][9 waiting] ..
//!                      threads ──take──> the first waiting one behind the read, else the first of all
//! ```
//!
//! The threads end when there is nothing to do for a while, and with the extent at the latest.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::records::{Located, Records, Scratch};
use crate::format::cores::{self, Helpers};

/// Bytes of grains that are decoded ahead at most, and the most grains.
const MOST_BYTES: usize = 4 << 20;
const MOST_GRAINS: usize = 64;

/// Fewest grains that are worth it.
const FEWEST_GRAINS: usize = 8;

/// Sectors that a reader may leave out and still read in order.
const LEFT_OUT: u64 = 2048;

/// Reads in order after which it is worth it.
const STREAK: u32 = 2;

/// How long a thread waits for more to do.
const PATIENCE: Duration = Duration::from_millis(20);

/// A grain that will be read soon.
#[derive(Debug)]
struct Slot {
    at: Located,
    /// Bytes of the file.
    length: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Waiting,
    Working,
    Done(Vec<u8>),
    /// The reader shall see for itself.
    Failed,
}

/// What a reader gets of a grain.
#[derive(Debug)]
pub(super) enum Found {
    /// Its content.
    Done(Vec<u8>),
    /// A thread is at it: look again later.
    Working,
    /// Nobody has it and nobody will.
    Nothing,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of the disk.
    slots: VecDeque<Slot>,
    /// Buffers for grains.
    spare: Vec<Vec<u8>>,
    /// The sector behind the last read, and how many were in order up to there.
    expected: u64,
    streak: u32,
    /// The first grain that has not been looked at.
    planned: u64,
    /// The grain behind the present read.
    read_end: u64,
    /// Threads, and those of them that wait.
    threads: usize,
    idle: usize,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    records: Records,
    state: Mutex<State>,
    /// There is something to do.
    work: Condvar,
}

/// The grains that are decoded ahead of one extent's reader.
#[derive(Debug)]
pub(super) struct Ahead {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ahead {
    /// Nothing so far.
    pub(super) fn new(records: Records) -> Self {
        let shared = Shared { records, state: Mutex::default(), work: Condvar::new() };
        Self { shared: Arc::new(shared), threads: Mutex::default() }
    }

    /// Most grains that are decoded ahead for requests of so many grains; 0 when it is not worth it.
    fn most(&self, wanted: usize) -> usize {
        let most = (MOST_BYTES / self.shared.records.grain_bytes().max(1)).min(MOST_GRAINS);
        // Larger requests are better divided than decoded ahead.
        if cores::workers() < 2 || most < FEWEST_GRAINS || wanted > 2 * most {
            return 0;
        }
        (2 * wanted).clamp(FEWEST_GRAINS, most)
    }

    /// Notes a read of some sectors and lets threads go on behind it when reads come in order. `plan` finds the next
    /// grains: from which on, and how many, to the grain behind what it has looked at and what it has found. Returns
    /// whether grains may be found here.
    pub(super) fn note(
        &self,
        (start, end): (u64, u64),
        length: impl FnOnce() -> Option<u64>,
        plan: impl FnOnce(u64, usize) -> (u64, Vec<Located>),
    ) -> bool {
        let grain_size = self.shared.records.grain_size;
        let (first, read_end) = (start / grain_size, end.div_ceil(grain_size));
        let most = self.most((read_end - first) as usize);
        let mut state = locked(&self.shared.state);
        state.follow((start, end), first);
        state.read_end = read_end;
        let worth = most > 0 && state.streak >= STREAK;
        // What the reader has left out is forgotten.
        state.slots.retain(|slot| worth && slot.at.grain >= first);
        if !worth {
            return false;
        }
        state.planned = state.planned.max(read_end);
        let room = most.saturating_sub(state.slots.len());
        if room > 0 {
            let (planned, found) = plan(state.planned, room);
            state.planned = planned;
            if let Some(length) = length().filter(|_| !found.is_empty()) {
                let (more, waiting) = (found.len(), |at| Slot { at, length, progress: Progress::Waiting });
                state.slots.extend(found.into_iter().map(waiting));
                self.engage(&mut state, more);
            }
        }
        !state.slots.is_empty()
    }

    /// Wakes threads for so many grains, or starts one.
    fn engage(&self, state: &mut State, grains: usize) {
        if state.idle > 0 {
            (0..grains.min(state.idle)).for_each(|_| self.shared.work.notify_one());
            return;
        }
        if state.threads + 1 >= cores::workers() {
            return;
        }
        let helper = Helpers::claim(1);
        if helper.count() == 0 {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let run = move || shared.run(&helper);
        if let Ok(thread) = std::thread::Builder::new().name("vixen-grains".to_owned()).spawn(run) {
            state.threads += 1;
            let mut threads = locked(&self.threads);
            threads.retain(|thread| !thread.is_finished());
            threads.push(thread);
        }
    }

    /// Takes a grain, which is nobody else's from then on.
    pub(super) fn take(&self, grain: u64) -> Found {
        let mut state = locked(&self.shared.state);
        let Some(index) = state.index(grain) else { return Found::Nothing };
        match state.slots.get(index).map(|slot| &slot.progress) {
            Some(Progress::Working) => Found::Working,
            _ => match state.slots.remove(index).map(|slot| slot.progress) {
                Some(Progress::Done(content)) => Found::Done(content),
                _ => Found::Nothing,
            },
        }
    }

    /// Takes a grain, also from a thread that is at it: waiting for one that the system lets wait would take longer
    /// than doing its work again.
    pub(super) fn take_over(&self, grain: u64) -> Option<Vec<u8>> {
        let mut state = locked(&self.shared.state);
        let index = state.index(grain)?;
        match state.slots.remove(index)?.progress {
            Progress::Done(content) => Some(content),
            _ => None,
        }
    }

    /// Takes back a buffer that is not needed any more.
    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut state = locked(&self.shared.state);
        if state.spare.len() < MOST_GRAINS {
            state.spare.push(buffer);
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        locked(&self.shared.state).closed = true;
        self.shared.work.notify_all();
        for thread in locked(&self.threads).drain(..) {
            // One that panicked has left its grain to the reader.
            drop(thread.join());
        }
    }
}

impl State {
    fn index(&self, grain: u64) -> Option<usize> {
        self.slots.binary_search_by_key(&grain, |slot| slot.at.grain).ok()
    }

    /// Notes where a read is; one somewhere else ends the order.
    fn follow(&mut self, (start, end): (u64, u64), first: u64) {
        let left_out = start.checked_sub(self.expected);
        let near = |left_out| left_out <= LEFT_OUT || (self.streak >= STREAK && first <= self.planned);
        if left_out.is_some_and(near) {
            self.streak = self.streak.saturating_add(1);
        } else {
            (self.streak, self.planned) = (0, 0);
        }
        self.expected = end;
    }

    /// The next grain for a thread, and a buffer for it.
    fn begin(&mut self, grain_bytes: usize) -> Option<(Located, u64, Vec<u8>)> {
        let waiting = |slot: &Slot| matches!(slot.progress, Progress::Waiting);
        let behind = |slot: &Slot| waiting(slot) && slot.at.grain >= self.read_end;
        let index = self.slots.iter().position(behind).or_else(|| self.slots.iter().position(waiting))?;
        let slot = self.slots.get_mut(index)?;
        slot.progress = Progress::Working;
        let buffer = self.spare.pop().unwrap_or_else(|| vec![0; grain_bytes]);
        Some((slot.at, slot.length, buffer))
    }

    fn end(&mut self, grain: u64, content: Option<Vec<u8>>) {
        let index = self.index(grain);
        match (index.and_then(|index| self.slots.get_mut(index)), content) {
            (Some(slot), Some(content)) => slot.progress = Progress::Done(content),
            (Some(slot), None) => slot.progress = Progress::Failed,
            // The reader went elsewhere, or took it over.
            (None, content) => self.spare.extend(content),
        }
    }
}

/// Tells of a grain that it is done, whatever happens.
struct Ending<'s> {
    shared: &'s Shared,
    grain: u64,
    content: Option<Vec<u8>>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        locked(&self.shared.state).end(self.grain, self.content.take());
    }
}

impl Shared {
    /// What a thread does, as long as it holds the right to be one.
    fn run(&self, _right: &Helpers) {
        let mut scratch = Scratch::default();
        while let Some((at, length, mut buffer)) = self.next() {
            let mut ending = Ending { shared: self, grain: at.grain, content: None };
            if self.records.decode(&mut scratch, at, length, &mut buffer).is_ok() {
                ending.content = Some(buffer);
            }
        }
    }

    /// Waits for a grain to decode; `None` ends the thread.
    fn next(&self) -> Option<(Located, u64, Vec<u8>)> {
        let mut state = locked(&self.state);
        let mut patience = true;
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.begin(self.records.grain_bytes()) {
                return Some(next);
            }
            if !patience {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            patience = !waited.1.timed_out();
            state = waited.0;
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
