//! Texts of errors.

use std::ffi::c_char;

use super::codes::{self, VixError};
use super::guard::{self, shield};
use super::memory::{self, Given};

/// Returns the text of an error: that of its code and, when the last call that failed on this thread returned
/// this very error, what failed behind it. Works for every value, before InitEx and after Exit. `locale` is
/// ignored. Free the text with `VixDiskLib_FreeErrorText`; NULL only when there is no memory at all.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_GetErrorText(err: VixError, locale: *const c_char) -> *mut c_char {
    let _ = locale; // only English texts exist
    shield("VixDiskLib_GetErrorText", || {
        // Something in the upper bits is a failure, whatever the lower ones say.
        let mut text = match codes::lookup(err).filter(|code| err == 0 || code.code != codes::VIX_OK) {
            Some(code) => code.text.to_owned(),
            None => format!("Unknown error code {err} (0x{err:x})"),
        };
        if let Some(detail) = guard::last_failure(err) {
            text.push_str(": ");
            text.push_str(&detail);
        }
        memory::give_text(Given::ErrorText, text.as_bytes()).unwrap_or(std::ptr::null_mut())
    })
    .unwrap_or(std::ptr::null_mut())
}

/// Frees what `VixDiskLib_GetErrorText` returned. NULL and pointers that were not given out are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_FreeErrorText(errMsg: *mut c_char) {
    shield("VixDiskLib_FreeErrorText", || memory::take_back(Given::ErrorText, errMsg));
}
