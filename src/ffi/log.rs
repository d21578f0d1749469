//! The client's log functions behind the `log` facade.
//!
//! A message is handed over finished: as the format itself, with every `%` doubled and an empty list of arguments
//! (see `shim.c`), ending in a newline and shorter than the 1000 bytes that some clients have room for. Failures
//! of the client's own calls go to its warn function, everything else to its log function. The panic function is
//! never called: clients end their process in it, and nothing here is worth that.

use std::ffi::{CString, c_char, c_void};
use std::sync::{Arc, Once, PoisonError, RwLock};

use log::{LevelFilter, Log, Metadata, Record};

use super::types::VixDiskLibGenericLogFunc;
use crate::error::harmless;

/// The target of messages about failures of the client's own calls.
pub(super) const API_FAILURE: &str = "vixDiskLib::api";

/// Longest message in bytes, `%` counted once, newline not counted.
const MAX_MESSAGE: usize = 950;

unsafe extern "C" {
    /// Calls `callback` with `format` and what follows as a `va_list` (shim.c).
    fn vixen_call_log(callback: *mut c_void, format: *const c_char, ...);
}

/// One function of a client; NULL drops what it would get.
#[derive(Debug, Clone, Copy)]
struct Callback(*mut VixDiskLibGenericLogFunc);

// SAFETY: the interface says that log functions are called from any thread.
unsafe impl Send for Callback {}
// SAFETY: as above; the pointer itself is never written to.
unsafe impl Sync for Callback {}

/// The log functions of InitEx.
#[derive(Debug)]
pub(super) struct ClientLog {
    log: Callback,
    warn: Callback,
}

/// The functions in force, from the first InitEx to the last Exit.
static CURRENT: RwLock<Option<Arc<ClientLog>>> = RwLock::new(None);

impl ClientLog {
    /// The functions as a client passed them.
    ///
    /// # Safety
    /// Each must be NULL or a function of the stated type that stays callable until [`ClientLog::remove`].
    pub(super) unsafe fn from_raw(
        log: *mut VixDiskLibGenericLogFunc,
        warn: *mut VixDiskLibGenericLogFunc,
        _panic: *mut VixDiskLibGenericLogFunc,
    ) -> Self {
        Self { log: Callback(log), warn: Callback(warn) }
    }

    /// Sends every message to these functions from now on.
    pub(super) fn install(self) {
        static FACADE: Once = Once::new();
        FACADE.call_once(|| {
            // Somebody who uses the crate from Rust may have a logger already; then that one stays.
            drop(log::set_logger(&Forward));
            let silent = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| match current() {
                // What a panic says belongs into the client's log, not on the standard error of its process.
                Some(_) => log::error!("{panic}"),
                None => silent(panic),
            }));
        });
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(self));
    }

    /// Forgets the functions.
    pub(super) fn remove() {
        log::set_max_level(LevelFilter::Off);
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The functions in force; no lock is held when they are called.
fn current() -> Option<Arc<ClientLog>> {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The logger of the facade.
struct Forward;

impl Log for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        let Some(client) = current().filter(|_| self.enabled(record.metadata())) else { return };
        let callback = if record.target() == API_FAILURE { client.warn } else { client.log };
        if callback.0.is_null() {
            return;
        }
        let message = finished(&record.args().to_string());
        // SAFETY: the client promised a function of this type that is callable until Exit; the format has no
        // conversion, so the empty list of arguments fits it.
        unsafe { vixen_call_log(callback.0.cast(), message.as_ptr()) };
    }

    fn flush(&self) {}
}

/// A message as a format: one line, `%` doubled, control characters (names may have any) made harmless.
fn finished(message: &str) -> CString {
    let mut text = String::with_capacity(message.len() + 16);
    let mut length = 0;
    for character in message.chars() {
        length += character.len_utf8();
        if length > MAX_MESSAGE {
            text.push_str("...");
            break;
        }
        match character {
            '%' => text.push_str("%%"),
            other => text.push(harmless(other)),
        }
    }
    text.push('\n');
    CString::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_and_safe_as_a_format() {
        assert_eq!(finished("100% of '%s'").as_bytes(), b"100%% of '%%s'\n");
        assert_eq!(finished("a\nb\0c\x1b[31m").as_bytes(), b"a?b?c?[31m\n");
        assert_eq!(finished("a\u{2028}b\u{202e}c").as_bytes(), b"a?b?c\n");
        let long = finished(&"\u{e9}%".repeat(1000));
        let printed = String::from_utf8(long.into_bytes()).unwrap().replace("%%", "%");
        assert!(printed.len() < 1000 && printed.ends_with("...\n"));
    }

    static HEARD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

    unsafe extern "C" fn hear(format: *const c_char, _arguments: *mut c_void) {
        // SAFETY: the library hands over a string that ends in a NUL.
        let text = unsafe { std::ffi::CStr::from_ptr(format) }.to_string_lossy().into_owned();
        HEARD.lock().unwrap().push(text);
    }

    #[test]
    #[cfg_attr(miri, ignore = "calls C")]
    fn a_panic_becomes_a_line_of_the_log() {
        let function = hear as *mut VixDiskLibGenericLogFunc;
        // SAFETY: a function that is called with these two arguments and stays callable.
        unsafe { ClientLog::from_raw(function, function, std::ptr::null_mut()) }.install();
        log::set_max_level(LevelFilter::Info);
        let code = super::super::guard::entry("Test", || panic!("{} in here", "something odd"));
        ClientLog::remove();
        assert_eq!(code, super::super::codes::VIX_E_FAIL);
        let heard = HEARD.lock().unwrap();
        assert!(
            heard.iter().any(|line| line.contains("something odd in here") && line.ends_with('\n')),
            "{heard:?}"
        );
    }
}
