//! Bytes in flight per host, over all disks of the process: hosts have one small memory for all their clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes in flight, by host.
static HOSTS: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);

fn hosts() -> MutexGuard<'static, Option<HashMap<String, u64>>> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The budget of a host.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    host: Arc<str>,
    most: u64,
}

/// Bytes that are in flight until this goes.
#[derive(Debug)]
pub(super) struct Lease {
    host: Arc<str>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(host: &str, most: u64) -> Self {
        Self { host: host.to_ascii_lowercase().into(), most }
    }

    /// Takes so many bytes, when the host has them left, or nothing at all is in flight.
    pub(super) fn take(&self, bytes: u64) -> Option<Lease> {
        let mut hosts = hosts();
        let used = hosts.get_or_insert_default().entry(self.host.to_string()).or_default();
        if *used > 0 && used.saturating_add(bytes) > self.most {
            return None;
        }
        *used += bytes;
        Some(Lease { host: Arc::clone(&self.host), bytes })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut hosts = hosts();
        let Some(all) = hosts.as_mut() else { return };
        let left = all.get(&*self.host).map_or(0, |used| used.saturating_sub(self.bytes));
        if left == 0 {
            all.remove(&*self.host);
        } else {
            all.insert(self.host.to_string(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_so_much_for_all_disks() {
        let (one, other) = (Budget::new("Budget.test", 100), Budget::new("budget.test", 100));
        let first = one.take(70).expect("room");
        assert!(other.take(31).is_none());
        let second = other.take(30).expect("the rest");
        assert!(Budget::new("another.test", 100).take(1000).is_some(), "one request must always be possible");
        drop(first);
        assert!(one.take(71).is_none());
        assert!(one.take(70).is_some());
        drop(second);
        assert!(hosts().as_ref().is_some_and(|all| !all.contains_key("budget.test")));
    }
}
