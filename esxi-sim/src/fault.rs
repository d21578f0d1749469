//! Faults: what goes wrong on purpose.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The connection of the disk service is cut after so many bytes were sent on it.
    Cut {
        /// Bytes.
        bytes: u64,
    },
    /// The disk service sends nothing for a while before its next answer.
    Stall {
        /// Milliseconds.
        millis: u64,
    },
    /// One byte of the next data on the wire is another one. A client cannot know.
    Corrupt,
    /// The authentication daemon shows a certificate that tickets do not name.
    WrongCertificate,
    /// The second TLS session shows another certificate than the first one.
    OtherCertificate,
    /// The ticket names the thumbprint of another certificate.
    WrongThumbprint,
    /// The authentication daemon tells another SHA-256 than that of its certificate.
    WrongSha256,
    /// The next call finds its session gone.
    ExpiredSession,
    /// The next ticket that is shown is too old.
    ExpiredTicket,
    /// The next ticket call, or the next open, is not permitted.
    NoPermission,
    /// The next open fails since somebody else has locked the file.
    Locked,
    /// The next read or write finds no memory on the host ("NFC error 5").
    NoMemory,
    /// The next write of several fragments is acknowledged when only a part of it has come.
    EarlyAnswer,
    /// The next allocated-blocks query takes its time.
    SlowBlocks {
        /// Milliseconds.
        millis: u64,
    },
    /// The host is in maintenance mode: ticket calls fail, and so does the authentication daemon.
    Maintenance,
    /// The authentication daemon accepts and says nothing.
    SilentGreeting,
    /// The greeting does not offer SHA-256.
    GreetingWithoutSha256,
    /// The greeting does not offer NFC over TLS.
    GreetingWithoutNfcSsl,
    /// The greeting is a refusal.
    BadGreeting,
    /// The answer to PROXY names the other service.
    ProxyMismatch,
    /// The session ends with message 4 in place of the expected answer.
    Refuse,
    /// The next answer to a read has a status other than 0.
    Status,
    /// The next fragment lies outside its request.
    OutOfRange,
    /// The next fragment comes twice.
    Overlap,
    /// The next fragment gives another length on the wire than that of its request allows.
    WrongLength,
    /// The next fragment is called zlib and is none.
    CorruptZlib,
    /// The next fragment is skipz with a run outside of it.
    SkipzOverrun,
    /// The next answer is for a request that was never made.
    WrongOperation,
    /// The next AIO header has no magic number.
    BadMagic,
    /// Fragments of reads come shuffled.
    Shuffle,
}

/// A fault with how often it happens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Planned {
    /// What.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many times; 0 is always.
    #[serde(default = "once")]
    pub times: u32,
    /// How many chances pass before the first time.
    #[serde(default)]
    pub skip: u32,
}

fn once() -> u32 {
    1
}

impl From<Fault> for Planned {
    fn from(fault: Fault) -> Self {
        Self { fault, times: 1, skip: 0 }
    }
}

/// The faults that are still to happen.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Planned>>);

impl Faults {
    pub(crate) fn add(&self, planned: Planned) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(planned);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes the first fault that `wanted` knows.
    pub(crate) fn take<T>(&self, wanted: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for index in 0..faults.len() {
            let Some(planned) = faults.get_mut(index) else { break };
            let Some(found) = wanted(&planned.fault) else { continue };
            if planned.skip > 0 {
                planned.skip -= 1;
                continue;
            }
            match planned.times {
                0 => {}
                1 => {
                    faults.remove(index);
                }
                _ => planned.times -= 1,
            }
            return Some(found);
        }
        None
    }

    /// Whether this fault waits for its chance, which this is not.
    pub(crate) fn is_planned(&self, fault: &Fault) -> bool {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().any(|planned| planned.fault == *fault)
    }

    /// Whether any fault waits for its chance.
    pub(crate) fn are_planned(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether exactly this fault happens now.
    pub(crate) fn happens(&self, fault: &Fault) -> bool {
        self.take(|candidate| (candidate == fault).then_some(())).is_some()
    }
}
