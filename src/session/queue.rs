//! Asynchronous requests: a few threads that exist from the first request until Exit.
//!
//! A request is counted in the `Pending` of its disk from its acceptance until its `done` has returned; waiting
//! and closing wait for that count.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Error, Kind, Result};

/// Most threads. Requests on local files end up in the page cache or in the kernel's own queue; more threads than
/// this only wait for the same locks there.
const MAX_THREADS: usize = 8;

/// The requests of one disk that have not ended.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<Count>,
    none_left: Condvar,
}

#[derive(Debug, Default)]
struct Count {
    requests: usize,
    closed: bool,
}

thread_local! {
    /// The disk whose completion function this thread is running, by the address of its count; 0 for none.
    static IN_CALLBACK: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is running a completion function.
pub(super) fn in_any_callback() -> bool {
    IN_CALLBACK.get() != 0
}

impl Pending {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn begin(&self) -> Result<()> {
        let mut count = self.count();
        if count.closed {
            return Err(Error::new(Kind::InvalidHandle, "the disk is being closed"));
        }
        count.requests += 1;
        Ok(())
    }

    fn end(&self) {
        let mut count = self.count();
        count.requests -= 1;
        if count.requests == 0 {
            self.none_left.notify_all();
        }
    }

    /// Waits until no request is left.
    pub(super) fn wait(&self) {
        let mut count = self.count();
        while count.requests > 0 {
            count = self.none_left.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Accepts no more requests, and waits until none is left.
    pub(super) fn close(&self) {
        self.count().closed = true;
        self.wait();
    }

    /// A completion function must not wait for itself.
    pub(super) fn refuse_in_callback(&self) -> Result<()> {
        if IN_CALLBACK.get() == self.address() {
            let text = "a completion function cannot wait for its own disk or close it";
            return Err(Error::new(Kind::Busy, text));
        }
        Ok(())
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads and what they have to do.
struct Pool {
    jobs: VecDeque<Job>,
    threads: Vec<JoinHandle<()>>,
    idle: usize,
    stopping: bool,
}

static POOL: Mutex<Pool> =
    Mutex::new(Pool { jobs: VecDeque::new(), threads: Vec::new(), idle: 0, stopping: false });
static WORK: Condvar = Condvar::new();

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts a request: `work` runs on a thread of the library, then `done` with its result, exactly once.
///
/// # Errors
/// `InvalidHandle` when the disk is being closed; neither function runs then.
pub(super) fn submit(
    pending: &Arc<Pending>,
    work: impl FnOnce() -> Result<()> + Send + 'static,
    done: impl FnOnce(Result<()>) + Send + 'static,
) -> Result<()> {
    pending.begin()?;
    let pending = Arc::clone(pending);
    dispatch(Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "an asynchronous request panicked")));
        // A completion function may itself hand over a request that runs at once, on this thread.
        let outer = IN_CALLBACK.replace(pending.address());
        // Whatever happens in there, the request has ended.
        drop(catch_unwind(AssertUnwindSafe(|| done(result))));
        IN_CALLBACK.set(outer);
        pending.end();
    }));
    Ok(())
}

/// Gives a job to a thread. When none exists and none can be made, the calling thread does it.
fn dispatch(job: Job) {
    let mut pool = pool();
    pool.jobs.push_back(job);
    let most = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, MAX_THREADS);
    if pool.idle < pool.jobs.len() && pool.threads.len() < most {
        match std::thread::Builder::new().name("vixen-io".to_owned()).spawn(serve) {
            Ok(thread) => pool.threads.push(thread),
            Err(_) if pool.threads.is_empty() => {
                if let Some(job) = pool.jobs.pop_back() {
                    drop(pool);
                    job();
                }
                return;
            }
            Err(_) => {}
        }
    }
    drop(pool);
    WORK.notify_one();
}

/// What a thread does until the pool stops.
fn serve() {
    let mut guard = pool();
    loop {
        if let Some(job) = guard.jobs.pop_front() {
            drop(guard);
            job();
            guard = pool();
        } else if guard.stopping {
            return;
        } else {
            guard.idle += 1;
            guard = WORK.wait(guard).unwrap_or_else(PoisonError::into_inner);
            guard.idle -= 1;
        }
    }
}

/// Ends every thread, after the jobs that are left. A new request starts new threads.
pub(super) fn stop() {
    let threads = {
        let mut pool = pool();
        pool.stopping = true;
        std::mem::take(&mut pool.threads)
    };
    WORK.notify_all();
    for thread in threads {
        // A thread that panicked has ended too.
        drop(thread.join());
    }
    pool().stopping = false;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_request_is_told_of_its_end_once_and_wait_waits_for_that() {
        let pending = Arc::new(Pending::default());
        let ended = Arc::new(AtomicUsize::new(0));
        for number in 0..100 {
            let ended = Arc::clone(&ended);
            let work = move || if number % 10 == 0 { panic!("on purpose") } else { Ok(()) };
            let done = move |result: Result<()>| {
                assert_eq!(result.is_err(), number % 10 == 0);
                ended.fetch_add(1, Ordering::SeqCst);
            };
            submit(&pending, work, done).unwrap();
        }
        pending.wait();
        assert_eq!(ended.load(Ordering::SeqCst), 100);
        stop();
        submit(&pending, || Ok(()), |_| ()).unwrap();
        pending.close();
        assert_eq!(submit(&pending, || Ok(()), |_| ()).unwrap_err().kind(), Kind::InvalidHandle);
        stop();
    }

    #[test]
    fn a_completion_function_cannot_wait_for_itself() {
        let pending = Arc::new(Pending::default());
        let inner = Arc::clone(&pending);
        let done = move |_| assert_eq!(inner.refuse_in_callback().unwrap_err().kind(), Kind::Busy);
        submit(&pending, || Ok(()), done).unwrap();
        pending.wait();
        pending.refuse_in_callback().unwrap();
    }
}
