//! What every entry point runs in: no panic leaves, an error becomes a code, its detail is kept for
//! GetErrorText, and the client's log hears of it.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::codes::{self, VixError};
use super::log::API_FAILURE;
use crate::error::{Error, Kind, Result};

thread_local! {
    /// The last failure of an API call on this thread: its code and what failed behind it.
    static LAST_FAILURE: RefCell<Option<(VixError, String)>> = const { RefCell::new(None) };
}

/// Runs the body of a function that returns an error code.
pub(super) fn entry(operation: &'static str, body: impl FnOnce() -> Result<()>) -> VixError {
    // Also what is done with the result must not unwind into the client.
    catch_unwind(AssertUnwindSafe(|| outcome(operation, guarded(body)))).unwrap_or(codes::VIX_E_FAIL)
}

/// Runs the body of a function that accepts a request.
pub(super) fn entry_async(operation: &'static str, body: impl FnOnce() -> Result<()>) -> VixError {
    match entry(operation, body) {
        codes::VIX_OK => codes::VIX_ASYNC,
        error => error,
    }
}

/// Runs the body of a function that has no error code; `None` after a panic.
pub(super) fn shield<R>(operation: &'static str, body: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(panic) => {
            drop(catch_unwind(AssertUnwindSafe(|| outcome(operation, Err(from_panic(&*panic))))));
            None
        }
    }
}

fn guarded(body: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(from_panic(&*panic)))
}

fn from_panic(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Error::new(Kind::Internal, format!("internal error, please report it: {text}"))
}

/// The code of a result; a failure is kept for this thread and logged.
pub(super) fn outcome(operation: &'static str, result: Result<()>) -> VixError {
    let Err(error) = result else { return codes::VIX_OK };
    let code = code_of(error.kind());
    let detail = format!("{operation}: {error}");
    let name = codes::lookup(code).map_or("", |known| known.name);
    match error.kind() {
        // Answers rather than failures: clients ask for sizes and for keys that may be absent.
        Kind::BufferTooSmall | Kind::KeyNotFound => log::debug!("{detail} ({name}, {code})"),
        Kind::Internal => log::error!(target: API_FAILURE, "{detail} ({name}, {code})"),
        _ => log::warn!(target: API_FAILURE, "{detail} ({name}, {code})"),
    }
    // A destructor of the client may call when this thread has lost its memory already.
    let _ = LAST_FAILURE.try_with(|last| last.replace(Some((code, detail))));
    code
}

/// What failed behind the last failing call of this thread, if that call returned `error`.
pub(super) fn last_failure(error: VixError) -> Option<String> {
    let told = |last: &RefCell<Option<(VixError, String)>>| {
        last.borrow().as_ref().filter(|(code, _)| *code == error).map(|(_, text)| text.clone())
    };
    LAST_FAILURE.try_with(told).ok().flatten()
}

/// The code of a kind; the one place where kinds become codes.
pub fn code_of(kind: Kind) -> VixError {
    match kind {
        Kind::InvalidArgument => codes::VIX_E_INVALID_ARG,
        Kind::InvalidHandle => codes::VIX_E_INVALID_HANDLE,
        Kind::NotInitialized => codes::VIX_E_DISK_NOINIT,
        Kind::Busy => codes::VIX_E_OBJECT_IS_BUSY,
        Kind::Cancelled => codes::VIX_E_CANCELLED,
        Kind::NotSupported => codes::VIX_E_NOT_SUPPORTED,
        Kind::FileNotFound => codes::VIX_E_FILE_NOT_FOUND,
        Kind::FileExists => codes::VIX_E_FILE_ALREADY_EXISTS,
        Kind::AccessDenied => codes::VIX_E_FILE_ACCESS_ERROR,
        Kind::Locked => codes::VIX_E_FILE_ALREADY_LOCKED,
        Kind::ReadOnly => codes::VIX_E_FILE_READ_ONLY,
        Kind::DiskFull => codes::VIX_E_DISK_FULL,
        Kind::FileTooBig => codes::VIX_E_FILE_TOO_BIG,
        Kind::TooManyFiles => codes::VIX_E_DISK_TOOMANYOPENFILES,
        Kind::BadName => codes::VIX_E_FILE_NAME_INVALID,
        Kind::Io => codes::VIX_E_FILE_ERROR,
        Kind::OutOfMemory => codes::VIX_E_OUT_OF_MEMORY,
        Kind::BufferTooSmall => codes::VIX_E_BUFFER_TOOSMALL,
        Kind::OutOfRange => codes::VIX_E_DISK_OUTOFRANGE,
        Kind::InvalidDisk => codes::VIX_E_DISK_INVALIDDISK,
        Kind::UnsupportedVersion => codes::VIX_E_DISK_UNSUPPORTEDDISKVERSION,
        Kind::NeedsKey => codes::VIX_E_DISK_NEEDKEY,
        Kind::OpenParent => codes::VIX_E_DISK_OPENPARENT,
        Kind::CidMismatch => codes::VIX_E_DISK_CID_MISMATCH,
        Kind::CapacityMismatch => codes::VIX_E_DISK_CAPACITY_MISMATCH,
        Kind::TooManyLinks => codes::VIX_E_DISK_TOOMANYREDO,
        Kind::PartialChain => codes::VIX_E_DISK_PARTIALCHAIN,
        Kind::InvalidChain => codes::VIX_E_DISK_INVALIDCHAIN,
        Kind::AttachRoot => codes::VIX_E_DISK_ATTACH_ROOTLINK,
        Kind::CannotRepair => codes::VIX_E_DISK_CANTREPAIR,
        Kind::KeyNotFound => codes::VIX_E_DISK_KEY_NOTFOUND,
        Kind::HostNotFound => codes::VIX_E_HOST_SERVER_NOT_FOUND,
        Kind::ConnectionRefused => codes::VIX_E_HOST_NETWORK_CONN_REFUSED,
        Kind::CannotConnect => codes::VIX_E_CANNOT_CONNECT_TO_HOST,
        Kind::ConnectionLost => codes::VIX_E_HOST_TCP_CONN_LOST,
        Kind::TlsFailed => codes::VIX_E_NET_HTTP_SSL_CONNECT_ERROR,
        Kind::Untrusted => codes::VIX_E_NET_HTTP_SSL_SECURITY,
        Kind::Handshake => codes::VIX_E_HOST_NETBLKDEV_HANDSHAKE,
        Kind::NoPermission => codes::VIX_E_HOST_USER_PERMISSIONS,
        Kind::NotLoggedIn => codes::VIX_E_HOST_NOT_CONNECTED,
        Kind::VmNotFound => codes::VIX_E_VM_NOT_FOUND,
        Kind::SnapshotNotFound => codes::VIX_E_SNAPSHOT_NOTFOUND,
        Kind::HostUnavailable => codes::VIX_E_HOST_SERVER_NOT_AVAILABLE,
        Kind::ServerFault | Kind::Internal => codes::VIX_E_FAIL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure_with_its_text() {
        let code = entry("Test", || panic!("number {}", 7));
        assert_eq!(code, codes::VIX_E_FAIL);
        assert!(last_failure(codes::VIX_E_FAIL).unwrap().contains("number 7"));
        assert_eq!(shield("Test", || -> u32 { panic!("plain") }), None);
        assert!(last_failure(codes::VIX_E_FAIL).unwrap().contains("plain"));
    }

    #[test]
    fn the_last_failure_belongs_to_its_code_and_thread() {
        let fail = || Err(Error::new(Kind::FileNotFound, "opening '/a'"));
        assert_eq!(entry("Test", fail), codes::VIX_E_FILE_NOT_FOUND);
        assert_eq!(entry("Test", || Ok(())), codes::VIX_OK);
        assert_eq!(last_failure(codes::VIX_E_FILE_NOT_FOUND).unwrap(), "Test: opening '/a'");
        assert_eq!(last_failure(codes::VIX_E_FAIL), None);
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(last_failure(codes::VIX_E_FILE_NOT_FOUND), None));
        });
    }

    #[test]
    fn accepted_requests_are_told_apart_from_success() {
        assert_eq!(entry_async("Test", || Ok(())), codes::VIX_ASYNC);
        assert_eq!(entry_async("Test", || Err(Error::new(Kind::ReadOnly, ""))), codes::VIX_E_FILE_READ_ONLY);
    }
}
