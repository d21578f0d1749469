//! The disk database: named values that travel with a disk.

use std::ffi::c_char;

use super::codes::VixError;
use super::guard::entry;
use super::pointers::{fill, handle, required_text};
use super::types::VixDiskLibHandle;
use crate::session;

/// Copies the value of a key, with its NUL. `requiredLen` (may be NULL) gets the number of bytes needed; with a
/// `buf` that is NULL or too small that is all that happens, and VIX_E_BUFFER_TOOSMALL is returned.
///
/// Errors: VIX_E_DISK_KEY_NOTFOUND, VIX_E_BUFFER_TOOSMALL, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE.
///
/// # Safety
/// `key` must be NULL or end in a NUL; `buf` must be NULL or writable for `bufLen` bytes; `requiredLen` must be
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_ReadMetadata(
    diskHandle: VixDiskLibHandle,
    key: *const c_char,
    buf: *mut c_char,
    bufLen: usize,
    requiredLen: *mut usize,
) -> VixError {
    entry("VixDiskLib_ReadMetadata", || {
        let disk = session::disk(handle(diskHandle))?;
        // SAFETY: the caller passes NULL or a string that ends in a NUL.
        let mut value = disk.metadata(unsafe { required_text(key, "key") }?)?;
        value.push(0);
        // SAFETY: the caller passes NULL or `bufLen` writable bytes, and NULL or a writable length.
        unsafe { fill(&value, buf, bufLen, requiredLen) }
    })
}

/// Adds a key or replaces its value; "" empties it. The change is durable when the call returns.
///
/// Errors: VIX_E_INVALID_ARG for a name or value that a descriptor cannot hold, VIX_E_FILE_READ_ONLY,
/// VIX_E_DISK_FULL when the descriptor has no room left, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR.
///
/// # Safety
/// `key` and `val` must be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_WriteMetadata(
    diskHandle: VixDiskLibHandle,
    key: *const c_char,
    val: *const c_char,
) -> VixError {
    entry("VixDiskLib_WriteMetadata", || {
        let disk = session::disk(handle(diskHandle))?;
        // SAFETY: the caller passes NULL or strings that end in a NUL.
        let (key, value) = unsafe { (required_text(key, "key")?, required_text(val, "val")?) };
        disk.set_metadata(key, value)
    })
}

/// Copies the names of all keys, each with its NUL and one more NUL at the end. Sizes as in
/// `VixDiskLib_ReadMetadata`.
///
/// Errors: VIX_E_BUFFER_TOOSMALL, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE.
///
/// # Safety
/// `keys` must be NULL or writable for `maxLen` bytes; `requiredLen` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_GetMetadataKeys(
    diskHandle: VixDiskLibHandle,
    keys: *mut c_char,
    maxLen: usize,
    requiredLen: *mut usize,
) -> VixError {
    entry("VixDiskLib_GetMetadataKeys", || {
        let mut names = Vec::new();
        for key in session::disk(handle(diskHandle))?.metadata_keys()? {
            names.extend_from_slice(&key);
            names.push(0);
        }
        names.push(0);
        // SAFETY: the caller passes NULL or `maxLen` writable bytes, and NULL or a writable length.
        unsafe { fill(&names, keys, maxLen, requiredLen) }
    })
}
