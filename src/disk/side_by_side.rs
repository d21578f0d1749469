//! Work on many files at once: each piece waits for the device most of the time, and devices do many things at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// Most threads.
const MOST_THREADS: usize = 16;

/// Fewest pieces for each thread; with fewer, order matters more than time.
const FEWEST_PIECES: usize = 8;

/// Does `work` with every number below `count`, on several threads when there are many. `done` is told, on the calling
/// thread, how many have been done. The failure of the lowest number counts; some pieces may have been left out then.
///
/// # Errors
/// Those of `work`.
pub(super) fn side_by_side(
    count: usize,
    work: &(dyn Fn(usize) -> Result<()> + Sync),
    done: &mut dyn FnMut(usize),
) -> Result<()> {
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let (told, hear) = channel();
    let run = |told: Sender<()>| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            if let Err(error) = work(index) {
                next.store(count, Ordering::Relaxed);
                keep_first(&failure, index, error);
                return;
            }
            // The other end is below.
            let _ = told.send(());
        }
    };
    let threads = (count / FEWEST_PIECES).min(MOST_THREADS);
    if threads < 2 {
        for index in 0..count {
            work(index)?;
            done(index + 1);
        }
        return Ok(());
    }
    std::thread::scope(|scope| {
        let start = |_: &usize| {
            let (told, run) = (told.clone(), &run);
            let named = std::thread::Builder::new().name("vixen-files".to_owned());
            named.spawn_scoped(scope, move || run(told)).is_ok()
        };
        // Where no thread can be had this one does it.
        if (0..threads).take_while(start).count() == 0 {
            run(told.clone());
        }
        drop(told);
        hear.iter().enumerate().for_each(|(index, ())| done(index + 1));
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

fn keep_first(failure: &Mutex<Option<(usize, Error)>>, index: usize, error: Error) {
    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
    if failure.as_ref().is_none_or(|(first, _)| index < *first) {
        *failure = Some((index, error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn every_piece_is_done_once_and_told_of() {
        for count in [0, 1, 5, 16, 1000] {
            let (pieces, mut told) = (Mutex::new(Vec::new()), Vec::new());
            let work = |index| {
                pieces.lock().unwrap().push(index);
                Ok(())
            };
            side_by_side(count, &work, &mut |done| told.push(done)).unwrap();
            let mut pieces = pieces.into_inner().unwrap();
            pieces.sort_unstable();
            assert_eq!(pieces, (0..count).collect::<Vec<_>>());
            assert_eq!(told, (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_failure_ends_it() {
        for count in [10, 10_000] {
            let tried = AtomicUsize::new(0);
            let work = |index| {
                tried.fetch_add(1, Ordering::Relaxed);
                if index < 5 { Ok(()) } else { Err(Error::new(Kind::DiskFull, format!("piece {index}"))) }
            };
            let error = side_by_side(count, &work, &mut |_| ()).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (Kind::DiskFull, "piece 5"));
            assert!(tried.into_inner() <= 5 + MOST_THREADS + 1);
        }
    }
}
