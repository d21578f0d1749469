//! Memory that is lent to other threads, in parts: they fill a caller's buffer, or read from it, without a copy.
//!
//! ```text
//!  lend(&mut buffer, |loan| ..)     returns when every part of the loan has gone, whatever happens in between
//!    loan ──take_front(n)──> part   parts never overlap; each can be sent to a thread
//! ```

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Told when the last part of a loan has gone.
#[derive(Debug, Default)]
struct Returned {
    done: Mutex<bool>,
    changed: Condvar,
}

/// Sets the mark when it goes.
struct Mark(Arc<Returned>);

impl Drop for Mark {
    fn drop(&mut self) {
        *self.0.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

/// Waits for the mark when it goes.
struct Wait(Arc<Returned>);

impl Drop for Wait {
    fn drop(&mut self) {
        let mut done = self.0.done.lock().unwrap_or_else(PoisonError::into_inner);
        while !*done {
            done = self.0.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What keeps the memory of a loan alive.
type Owner = Arc<dyn Send + Sync>;

/// A part of a buffer that nobody else uses.
pub struct Loan {
    start: *mut u8,
    length: usize,
    owner: Owner,
}

// SAFETY: a loan is the only way to its bytes as long as it lives, like a `&mut [u8]`, and its owner is `Send + Sync`.
unsafe impl Send for Loan {}
// SAFETY: through `&Loan` bytes are only read.
unsafe impl Sync for Loan {}

/// A buffer that several may read and nobody writes.
#[derive(Clone)]
pub struct Shared {
    start: *const u8,
    length: usize,
    owner: Owner,
}

// SAFETY: like a `&[u8]`, whose owner is `Send + Sync`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl fmt::Debug for Loan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Loan({} bytes)", self.length)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Shared({} bytes)", self.length)
    }
}

/// A value on the heap that is reached through its address alone, and freed with this.
struct Kept<T>(*mut T);

// SAFETY: nobody reaches the value through this; it is dropped, on whatever thread that happens.
unsafe impl<T: Send> Send for Kept<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Kept<T> {}

impl<T> Kept<T> {
    fn new(value: T) -> Self {
        Self(Box::into_raw(Box::new(value)))
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw`, and freed here only.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Loan {
    /// The bytes of `buffer`, which goes when the last part has gone.
    pub fn of(buffer: impl AsMut<[u8]> + Send + 'static) -> Self {
        let kept = Kept::new(buffer);
        // SAFETY: just made, and nobody else has the address.
        let bytes = unsafe { &mut *kept.0 }.as_mut();
        Self { start: bytes.as_mut_ptr(), length: bytes.len(), owner: Arc::new(kept) }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Cuts off the first bytes, `length` of them or all that there are.
    #[must_use]
    pub fn take_front(&mut self, length: usize) -> Self {
        let length = length.min(self.length);
        let front = Self { start: self.start, length, owner: Arc::clone(&self.owner) };
        // SAFETY: within the buffer, or one past its end.
        self.start = unsafe { self.start.add(length) };
        self.length -= length;
        front
    }

    /// The bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the owner keeps them alive, and no other loan has them.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

impl Shared {
    /// The bytes of `buffer`, which goes when the last copy of this has gone.
    pub fn of(buffer: impl AsRef<[u8]> + Send + 'static) -> Self {
        let kept = Kept::new(buffer);
        // SAFETY: just made, and nobody else has the address.
        let bytes = unsafe { &*kept.0 }.as_ref();
        Self { start: bytes.as_ptr(), length: bytes.len(), owner: Arc::new(kept) }
    }

    /// `length` bytes from `start` on, or what there is of them.
    #[must_use]
    pub fn part(&self, start: usize, length: usize) -> Self {
        let bytes = self.bytes();
        let rest = bytes.get(start..).unwrap_or_default();
        let part = rest.get(..length).unwrap_or(rest);
        Self { start: part.as_ptr(), length: part.len(), owner: Arc::clone(&self.owner) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the owner keeps them alive, and nobody writes to them.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

/// Lends a buffer to whom `work` gives it. Returns when every part of the loan has gone.
pub fn lend<R>(buffer: &mut [u8], work: impl FnOnce(Loan) -> R) -> R {
    let returned = Arc::new(Returned::default());
    let _wait = Wait(Arc::clone(&returned));
    let owner: Owner = Arc::new(Mark(returned));
    work(Loan { start: buffer.as_mut_ptr(), length: buffer.len(), owner })
}

/// As [`lend`] for a buffer that is only read.
pub fn share<R>(buffer: &[u8], work: impl FnOnce(Shared) -> R) -> R {
    let returned = Arc::new(Returned::default());
    let _wait = Wait(Arc::clone(&returned));
    let owner: Owner = Arc::new(Mark(returned));
    work(Shared { start: buffer.as_ptr(), length: buffer.len(), owner })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_loan_comes_back_filled() {
        let mut buffer = vec![0u8; 1000];
        let threads = lend(&mut buffer, |mut loan| {
            let fill = |(value, mut part): (u8, Loan)| thread::spawn(move || part.bytes().fill(value));
            let threads: Vec<_> = (1..=10u8).map(|value| (value, loan.take_front(100))).map(fill).collect();
            assert!(loan.is_empty());
            threads
        });
        for (part, value) in buffer.chunks(100).zip(1..=10u8) {
            assert!(part.iter().all(|byte| *byte == value));
        }
        threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
    }

    #[test]
    fn owned_buffers_live_as_long_as_their_parts() {
        let mut loan = Loan::of(vec![1u8; 10]);
        let mut front = loan.take_front(4);
        drop(loan);
        assert_eq!(front.bytes(), [1; 4]);
        let shared = Shared::of(vec![1u8, 2, 3, 4]);
        let part = shared.part(1, 2);
        drop(shared);
        assert_eq!(part.bytes(), [2, 3]);
        assert_eq!(part.part(1, 9).bytes(), [3]);
        assert!(part.part(3, 1).bytes().is_empty());
        assert_eq!(
            share(&[5u8, 6], |shared| thread::spawn(move || shared.bytes().to_vec()).join()).expect("ok"),
            [5, 6]
        );
    }
}
