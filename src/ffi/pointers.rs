//! What comes in through pointers, checked once.

use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::session::table::Handle;

/// A handle is a 64-bit number in the shape of a pointer.
const _: () = assert!(size_of::<usize>() == 8);

fn null(name: &str) -> Error {
    Error::new(Kind::InvalidArgument, format!("{name} is NULL"))
}

/// The number behind a handle.
pub(super) fn handle<T>(pointer: *mut T) -> Handle {
    Handle::from_raw(pointer.addr() as u64)
}

/// A handle in the shape that clients hold.
pub(super) fn pointer<T>(handle: Handle) -> *mut T {
    std::ptr::without_provenance_mut(handle.raw() as usize)
}

/// A place that the client wants an answer in.
pub(super) struct Out<T>(*mut T);

/// Checks a place for an answer.
///
/// # Safety
/// `place` must be NULL, or writable as long as the result lives.
///
/// # Errors
/// `InvalidArgument` for NULL.
pub(super) unsafe fn out<T>(place: *mut T, name: &str) -> Result<Out<T>> {
    if place.is_null() { Err(null(name)) } else { Ok(Out(place)) }
}

impl<T> Out<T> {
    /// Writes the answer; what stood there is not looked at.
    pub(super) fn set(&mut self, value: T) {
        // SAFETY: `out` has checked for NULL and its caller promised that the place is writable.
        unsafe { self.0.write_unaligned(value) }
    }
}

/// The bytes of a string.
///
/// # Safety
/// `text` must be NULL or end in a NUL, and stay unchanged as long as the result lives.
unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: not NULL, and the caller promised the rest.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// A string that may be absent; NULL and "" both mean absent.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn optional_text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    let text = unsafe { bytes(text) }.filter(|text| !text.is_empty())?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// A path that may be absent; NULL and "" both mean absent.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn optional_path<'a>(path: *const c_char) -> Option<&'a Path> {
    // SAFETY: the caller's promise.
    let path = unsafe { bytes(path) }.filter(|path| !path.is_empty())?;
    Some(Path::new(OsStr::from_bytes(path)))
}

/// A string that must be there; it may be "".
///
/// # Safety
/// As for [`bytes`].
///
/// # Errors
/// `InvalidArgument` for NULL.
pub(super) unsafe fn required_text<'a>(text: *const c_char, name: &str) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { bytes(text) }.ok_or_else(|| null(name))
}

/// A path that must be there.
///
/// # Safety
/// As for [`bytes`].
///
/// # Errors
/// `InvalidArgument` for NULL and "".
pub(super) unsafe fn required_path<'a>(path: *const c_char, name: &str) -> Result<&'a Path> {
    // SAFETY: the caller's promise.
    match unsafe { bytes(path) } {
        None => Err(null(name)),
        Some([]) => Err(Error::new(Kind::InvalidArgument, format!("{name} is empty"))),
        Some(path) => Ok(Path::new(OsStr::from_bytes(path))),
    }
}

/// A copy of a string; `None` for NULL.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn copy_text(text: *const c_char) -> Option<CString> {
    // SAFETY: not NULL, and the caller promised the rest.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

/// Answers a call of the two-step kind: tells the length, and copies when there is room.
///
/// # Safety
/// `buffer` must be NULL or writable for `length` bytes, `required` NULL or writable.
///
/// # Errors
/// `BufferTooSmall` when there is no room; the buffer is untouched then.
pub(super) unsafe fn fill(
    content: &[u8],
    buffer: *mut c_char,
    length: usize,
    required: *mut usize,
) -> Result<()> {
    // SAFETY: the caller's promise.
    if let Ok(mut required) = unsafe { out(required, "requiredLen") } {
        required.set(content.len());
    }
    if buffer.is_null() || length < content.len() {
        let text = format!("{} bytes are needed, {length} were given", content.len());
        return Err(Error::new(Kind::BufferTooSmall, text));
    }
    // SAFETY: the buffer is writable for `length` bytes, which are enough; content is ours, so they do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(content.as_ptr(), buffer.cast::<u8>(), content.len()) };
    Ok(())
}

/// A string for a client that never frees it. There are few different ones, and each is kept for good.
pub(super) fn static_text(text: &str) -> *const c_char {
    static TEXTS: Mutex<Vec<CString>> = Mutex::new(Vec::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.iter().find(|known| known.as_bytes() == text.as_bytes()) {
        return known.as_ptr();
    }
    let text = CString::new(text).unwrap_or_default();
    let pointer = text.as_ptr();
    texts.push(text);
    pointer
}
