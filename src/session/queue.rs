//! Asynchronous requests. Those of local disks are done by a few threads, which exist from the first request that needs
//! one until Exit; those of disks on servers by the transport, which has many of them under way on one connection.
//!
//! A small request whose data is in the host's cache is done on the calling thread, completion function included,
//! as the interface allows: it takes a microsecond, and waking a thread takes many.
//!
//! A request is counted in the `Pending` of its disk from its acceptance until its `done` has returned; waiting
//! and closing wait for that count.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Error, Kind, Result};

/// Most threads. They wait for devices, not for processors, so it is the depth of a device's queue that counts.
const MAX_THREADS: usize = 16;

/// The requests of one disk that have not ended.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<Count>,
    none_left: Condvar,
}

#[derive(Debug, Default)]
struct Count {
    requests: usize,
    /// Threads that wait for the end of the requests; without one nobody is woken, which is a system call.
    waiters: usize,
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

    /// Accepts a request.
    ///
    /// # Errors
    /// `InvalidHandle` when the disk is being closed.
    pub(super) fn accept(self: &Arc<Self>) -> Result<Accepted> {
        let mut count = self.count();
        if count.closed {
            return Err(Error::new(Kind::InvalidHandle, "the disk is being closed"));
        }
        count.requests += 1;
        Ok(Accepted(Arc::clone(self)))
    }

    fn end(&self) {
        let mut count = self.count();
        count.requests -= 1;
        if count.requests == 0 && count.waiters > 0 {
            self.none_left.notify_all();
        }
    }

    /// Waits until no request is left.
    pub(super) fn wait(&self) {
        // A completion function of one disk may wait for another disk, whose requests need a thread too.
        let _stand_in = in_any_callback().then(StandIn::new);
        let mut count = self.count();
        count.waiters += 1;
        while count.requests > 0 {
            count = self.none_left.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
        count.waiters -= 1;
    }

    /// Accepts no more requests, and waits until none is left.
    pub(super) fn close(&self) {
        self.count().closed = true;
        self.wait();
    }

    /// Whether [`Pending::close`] has been called.
    pub(super) fn is_closed(&self) -> bool {
        self.count().closed
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

/// A request that has been accepted. It ends when this goes, also when nobody was told of its end.
#[derive(Debug)]
pub(super) struct Accepted(Arc<Pending>);

impl Accepted {
    /// Tells of the end of the request, which then has ended.
    pub(super) fn complete(self, result: Result<()>, done: impl FnOnce(Result<()>)) {
        let outer = IN_CALLBACK.replace(self.0.address());
        // Whatever happens in there, the request has ended.
        drop(catch_unwind(AssertUnwindSafe(|| done(result))));
        IN_CALLBACK.set(outer);
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.0.end();
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one life of the library, and what they have to do.
struct Pool {
    /// The process that the threads belong to: a child that was forked later has none of them.
    process: u32,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: Vec<JoinHandle<()>>,
    idle: usize,
    /// Threads that wait inside a completion function and take no jobs meanwhile.
    waiting: usize,
    stopping: bool,
}

/// The pool of the current life; the next request makes a new one when [`stop`] has taken it.
static CURRENT: Mutex<Option<Arc<Pool>>> = Mutex::new(None);

fn current() -> Arc<Pool> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    match &*current {
        Some(pool) if pool.is_ours() => Arc::clone(pool),
        _ => {
            let pool = Arc::new(Pool::new());
            // The parent's is never dropped: its threads cannot be joined here, and its lock may be held.
            std::mem::forget(current.replace(Arc::clone(&pool)));
            pool
        }
    }
}

impl Pool {
    fn new() -> Self {
        Self { process: std::process::id(), state: Mutex::default(), work: Condvar::new() }
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a job to a thread. When none exists and none can be made, the calling thread does it. A pool that is
    /// stopping gives the job back.
    fn dispatch(self: &Arc<Self>, job: Job) -> Option<Job> {
        let mut state = self.state();
        if state.stopping {
            return Some(job);
        }
        state.jobs.push_back(job);
        if self.grow(&mut state) {
            let sleeping = state.idle > 0;
            drop(state);
            if sleeping {
                self.work.notify_one();
            }
        } else if let Some(job) = state.jobs.pop_back() {
            drop(state);
            job();
        }
        None
    }

    /// Starts a thread when jobs wait for one and there may be more; false when there is none at all and none can
    /// be made.
    fn grow(self: &Arc<Self>, state: &mut State) -> bool {
        let most = MAX_THREADS + state.waiting;
        if state.stopping || state.idle >= state.jobs.len() || state.threads.len() >= most {
            return true;
        }
        let pool = Arc::clone(self);
        match std::thread::Builder::new().name("vixen-io".to_owned()).spawn(move || pool.serve()) {
            Ok(thread) => state.threads.push(thread),
            Err(_) => return !state.threads.is_empty(),
        }
        true
    }

    /// What a thread does until the pool stops.
    fn serve(&self) {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.state();
            } else if state.stopping {
                return;
            } else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    /// Ends every thread, after the jobs that are left.
    fn stop(&self) {
        let threads = {
            let mut state = self.state();
            state.stopping = true;
            std::mem::take(&mut state.threads)
        };
        self.work.notify_all();
        for thread in threads {
            // A thread that panicked has ended too.
            drop(thread.join());
        }
    }
}

/// Lets the pool have one more thread as long as it lives, in place of one that waits.
struct StandIn(Arc<Pool>);

impl StandIn {
    fn new() -> Self {
        let pool = current();
        let mut state = pool.state();
        state.waiting += 1;
        pool.grow(&mut state);
        drop(state);
        Self(pool)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

/// How much a request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Only if nothing has to be waited for.
    Quick,
    /// To its end.
    Full,
}

/// Accepts a request: `work` runs, then `done` with its result, exactly once. With `quick` it is tried on the
/// calling thread first, unless that runs a completion function, which could go on like this without end. What
/// does not work out there runs on a thread of the library. `work` returns whether it has done the request, which
/// [`Attempt::Full`] always does or fails.
///
/// # Errors
/// `InvalidHandle` when the disk is being closed; neither function runs then.
pub(super) fn submit(
    pending: &Arc<Pending>,
    quick: bool,
    mut work: impl FnMut(Attempt) -> Result<bool> + Send + 'static,
    done: impl FnOnce(Result<()>) + Send + 'static,
) -> Result<()> {
    let accepted = pending.accept()?;
    if quick && !in_any_callback() {
        match attempt(&mut work, Attempt::Quick) {
            Ok(false) => {}
            result => {
                accepted.complete(result.map(|_| ()), done);
                return Ok(());
            }
        }
    }
    let mut job: Job = Box::new(move || {
        let result = attempt(&mut work, Attempt::Full).map(|_| ());
        accepted.complete(result, done);
    });
    // A pool that stops belongs to a life that has ended; the next one has a pool of its own.
    while let Some(returned) = current().dispatch(job) {
        job = returned;
        std::thread::yield_now();
    }
    Ok(())
}

/// Runs `work`; a panic in it is a failure of the request.
fn attempt(work: &mut impl FnMut(Attempt) -> Result<bool>, how: Attempt) -> Result<bool> {
    catch_unwind(AssertUnwindSafe(|| work(how)))
        .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "an asynchronous request panicked")))
}

/// Ends every thread, after the jobs that are left. A new request starts new threads.
pub(super) fn stop() {
    let pool = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    match pool {
        Some(pool) if pool.is_ours() => pool.stop(),
        parents => std::mem::forget(parents),
    }
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
            let work = move |_| if number % 10 == 0 { panic!("on purpose") } else { Ok(true) };
            let done = move |result: Result<()>| {
                assert_eq!(result.is_err(), number % 10 == 0);
                ended.fetch_add(1, Ordering::SeqCst);
            };
            submit(&pending, number % 3 == 0, work, done).unwrap();
        }
        pending.wait();
        assert_eq!(ended.load(Ordering::SeqCst), 100);
        stop();
        submit(&pending, false, |_| Ok(true), |_| ()).unwrap();
        pending.close();
        assert_eq!(submit(&pending, false, |_| Ok(true), |_| ()).unwrap_err().kind(), Kind::InvalidHandle);
        stop();
    }

    #[test]
    fn a_completion_function_cannot_wait_for_itself() {
        let pending = Arc::new(Pending::default());
        let inner = Arc::clone(&pending);
        let done = move |_| assert_eq!(inner.refuse_in_callback().unwrap_err().kind(), Kind::Busy);
        submit(&pending, false, |_| Ok(true), done).unwrap();
        pending.wait();
        pending.refuse_in_callback().unwrap();
    }

    #[test]
    fn completion_functions_may_wait_for_other_disks() {
        // More of them than the pool has threads, so that all of those wait at once.
        let ended = Arc::new(AtomicUsize::new(0));
        let waiters: Vec<_> = (0..2 * MAX_THREADS).map(|_| Arc::new(Pending::default())).collect();
        for waiter in &waiters {
            let ended = Arc::clone(&ended);
            let done = move |_| {
                let other = Arc::new(Pending::default());
                submit(&other, false, |_| Ok(true), |_| ()).unwrap();
                other.wait();
                ended.fetch_add(1, Ordering::SeqCst);
            };
            submit(waiter, false, |_| Ok(true), done).unwrap();
        }
        waiters.iter().for_each(|waiter| waiter.wait());
        assert_eq!(ended.load(Ordering::SeqCst), waiters.len());
    }

    #[test]
    fn quick_requests_run_at_once_but_never_inside_each_other() {
        let pending = Arc::new(Pending::default());
        let caller = std::thread::current().id();
        let ran_on = Arc::new(Mutex::new(Vec::new()));
        let note = |ran_on: &Arc<Mutex<Vec<_>>>| {
            let ran_on = Arc::clone(ran_on);
            move |_| ran_on.lock().unwrap().push(std::thread::current().id())
        };
        submit(&pending, true, |_| Ok(true), note(&ran_on)).unwrap();
        assert_eq!(*ran_on.lock().unwrap(), [caller]);
        // What has to wait goes to another thread, and so does what a completion function hands over.
        submit(&pending, true, |attempt| Ok(attempt == Attempt::Full), note(&ran_on)).unwrap();
        pending.wait();
        assert_ne!(ran_on.lock().unwrap()[1], caller);
        let (inner, nested) = (Arc::clone(&pending), note(&ran_on));
        let done = move |_| submit(&inner, true, |_| Ok(true), nested).unwrap();
        submit(&pending, true, |_| Ok(true), done).unwrap();
        pending.wait();
        assert_ne!(ran_on.lock().unwrap()[2], caller);
    }
}
