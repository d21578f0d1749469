//! Bytes in flight per host, over all disks of the process: hosts have one small memory for all their clients. Disks
//! that find none left get some in the order in which they asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What is in flight to a host, and which disks wait.
#[derive(Debug, Default)]
struct Host {
    used: u64,
    /// What a disk's manager waits for, by disk; the first one is next.
    queue: VecDeque<Arc<Condvar>>,
}

impl Host {
    fn wake_first(&self) {
        if let Some(first) = self.queue.front() {
            first.notify_all();
        }
    }
}

/// All hosts, by address.
static HOSTS: Mutex<Option<HashMap<Arc<str>, Host>>> = Mutex::new(None);

fn hosts() -> MutexGuard<'static, Option<HashMap<Arc<str>, Host>>> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes what is known of a host, and forgets it when nothing is.
fn with<R>(name: &Arc<str>, change: impl FnOnce(&mut Host) -> R) -> R {
    let mut hosts = hosts();
    let all = hosts.get_or_insert_default();
    let host = all.entry(Arc::clone(name)).or_default();
    let result = change(host);
    if host.used == 0 && host.queue.is_empty() {
        all.remove(name);
    }
    result
}

/// The budget of a host, as one disk sees it.
#[derive(Debug)]
pub(super) struct Budget {
    host: Arc<str>,
    most: u64,
    /// Told when it may be this disk's turn. Whoever waits for it looks now and then by itself, since it is told
    /// without that one's lock.
    waiter: Arc<Condvar>,
}

/// Bytes that are in flight until this goes.
#[derive(Debug)]
pub(super) struct Lease {
    host: Arc<str>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(host: &str, most: u64, waiter: Arc<Condvar>) -> Self {
        Self { host: host.to_ascii_lowercase().into(), most, waiter }
    }

    /// Takes so many bytes, when the host has them left, or nothing at all is in flight, and no other disk came
    /// before. Otherwise this disk waits for its turn.
    pub(super) fn take(&self, bytes: u64) -> Option<Lease> {
        with(&self.host, |host| {
            let place = host.queue.iter().position(|waiter| Arc::ptr_eq(waiter, &self.waiter));
            let first = host.queue.is_empty() || place == Some(0);
            if !first || host.used > 0 && host.used.saturating_add(bytes) > self.most {
                if place.is_none() {
                    host.queue.push_back(Arc::clone(&self.waiter));
                }
                return None;
            }
            if place.is_some() {
                host.queue.pop_front();
                host.wake_first();
            }
            host.used += bytes;
            Some(Lease { host: Arc::clone(&self.host), bytes })
        })
    }

    /// Waits no longer.
    pub(super) fn leave(&self) {
        with(&self.host, |host| {
            host.queue.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
            host.wake_first();
        });
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        with(&self.host, |host| {
            host.used = host.used.saturating_sub(self.bytes);
            host.wake_first();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(host: &str) -> Budget {
        Budget::new(host, 100, Arc::default())
    }

    fn is_known(host: &str) -> bool {
        hosts().as_ref().is_some_and(|all| all.contains_key(host))
    }

    #[test]
    fn a_host_has_so_much_for_all_disks() {
        let (one, other) = (budget("Budget.test"), budget("budget.test"));
        let first = one.take(70).expect("room");
        assert!(other.take(31).is_none());
        let second = other.take(30).expect("the rest");
        assert!(budget("another.test").take(1000).is_some(), "one request must always be possible");
        drop(first);
        assert!(one.take(71).is_none());
        assert!(one.take(70).is_some());
        drop(second);
        assert!(!is_known("budget.test"));
    }

    #[test]
    fn disks_get_their_turn_in_the_order_in_which_they_asked() {
        let disks = [(); 3].map(|()| budget("turns.test"));
        let lease = disks[0].take(90).expect("room");
        assert!(disks[1].take(50).is_none() && disks[2].take(50).is_none());
        assert!(disks[0].take(5).is_none(), "it would fit, but others came before");
        drop(lease);
        assert!(disks[2].take(50).is_none(), "the other one is first");
        let second = disks[1].take(50).expect("its turn");
        let third = disks[2].take(50).expect("its turn");
        assert!(disks[0].take(5).is_none());
        drop((second, third));
        // One that waits no longer holds nobody up.
        let lease = disks[0].take(90).expect("room");
        assert!(disks[1].take(50).is_none() && disks[2].take(50).is_none());
        disks[1].leave();
        drop(lease);
        assert!(disks[2].take(50).is_some());
        drop(disks);
        assert!(!is_known("turns.test"));
    }
}
