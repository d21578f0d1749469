//! Work that is shared between the processors, for as long as one call takes: [`share`] keeps no thread.
//!
//! All calls of the process together start no more threads than there are processors, so that requests that run
//! beside each other do not crowd each other out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};

/// Fewest items for which a thread is started; with fewer, starting it takes longer than it saves.
pub const FEWEST_SHARED: usize = 4;

/// Most threads at once, whatever the machine has: each of them holds buffers.
const MOST_HELPERS: usize = 15;

/// Threads that are at work now.
static HELPERS: AtomicUsize = AtomicUsize::new(0);

/// Threads that are useful beside the calling one. None when fuzzed: the fuzzer takes what a thread that is about to
/// end still has for a leak, and threads make its runs differ.
fn useful() -> usize {
    if cfg!(fuzzing) {
        return 0;
    }
    static USEFUL: OnceLock<usize> = OnceLock::new();
    let ask = || std::thread::available_parallelism().map_or(0, |cores| (cores.get() - 1).min(MOST_HELPERS));
    *USEFUL.get_or_init(ask)
}

/// How many threads [`share`] may use, the calling one included.
pub fn workers() -> usize {
    useful() + 1
}

/// The right to have some threads.
#[derive(Debug)]
pub struct Helpers(usize);

impl Helpers {
    /// As many of the `wanted` threads as may still be started.
    pub fn claim(wanted: usize) -> Self {
        let mut got = 0;
        // Only a count is guarded.
        let claim = |busy: usize| {
            got = wanted.min(useful().saturating_sub(busy));
            Some(busy + got)
        };
        match HELPERS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim) {
            Ok(_) => Self(got),
            Err(_) => Self(0),
        }
    }

    /// How many threads that are.
    pub fn count(&self) -> usize {
        self.0
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        HELPERS.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Does `work` once with every item, on several processors when `items` are many. Each thread has a `State` of its
/// own. The first item that fails, in their order, is the one that is told of; some of those after it may have been
/// left out.
///
/// # Errors
/// Those of `work`.
pub fn share<T: Send, State: Default>(
    items: Vec<T>,
    work: impl Fn(&mut State, T) -> Result<()> + Sync,
) -> Result<()> {
    let helpers = Helpers::claim(if items.len() < FEWEST_SHARED { 0 } else { items.len() - 1 });
    let queue = Mutex::new(items.into_iter().enumerate());
    let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let run = || {
        let mut state = State::default();
        loop {
            // Bound to a name of its own, so that the lock is not held during the work.
            let next = locked(&queue).next();
            let Some((index, item)) = next else { return };
            if let Err(error) = work(&mut state, item) {
                let mut failure = locked(&failure);
                if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                    *failure = Some((index, error));
                }
                drop(failure);
                locked(&queue).by_ref().for_each(drop);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..helpers.0 {
            // Where no thread can be had, the others do its part.
            let named = std::thread::Builder::new().name("vixen-grains".to_owned());
            if named.spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn every_item_is_done_once() {
        for count in [0, 1, 3, 4, 100] {
            let mut done = vec![0; count];
            share(done.iter_mut().enumerate().collect(), |calls: &mut usize, (index, place)| {
                *calls += 1;
                *place += index + 1;
                Ok(())
            })
            .unwrap();
            assert!(done.iter().enumerate().all(|(index, place)| *place == index + 1));
        }
    }

    #[test]
    fn the_first_failure_in_the_order_of_the_items_is_told() {
        for _ in 0..50 {
            let error = share((0..64).collect(), |_: &mut (), item: u32| match item {
                20.. => Err(Error::new(Kind::Io, format!("item {item}"))),
                _ => Ok(()),
            });
            let text = error.unwrap_err().to_string();
            // Items are handed out in order, so one of the first that can fail has been tried.
            assert_eq!(text, "item 20");
        }
    }

    #[test]
    fn a_panic_is_not_lost_and_gives_the_threads_back() {
        let panicked = std::panic::catch_unwind(|| {
            share((0..64).collect(), |_: &mut (), item: u32| {
                assert_ne!(item, 63, "on purpose");
                Ok(())
            })
        });
        assert!(panicked.is_err());
        // Other tests may have it for the moment.
        let mut tries = (0..1000).inspect(|_| std::thread::sleep(std::time::Duration::from_millis(1)));
        assert!(tries.any(|_| Helpers::claim(1).0 == useful().min(1)), "no thread is counted for good");
    }

    #[test]
    fn calls_beside_each_other_do_not_start_more_threads_than_are_useful() {
        let (first, second) = (Helpers::claim(usize::MAX), Helpers::claim(usize::MAX));
        assert!(first.0 + second.0 <= useful());
    }
}
