//! The end of an asynchronous request.

use std::ffi::c_void;

use super::guard::outcome;
use super::types::VixDiskLibCompletionCB;
use crate::error::Result;

/// A client's completion function and what it wants to be called with.
pub(super) struct Completion {
    operation: &'static str,
    callback: VixDiskLibCompletionCB,
    data: *mut c_void,
}

// SAFETY: the interface says that the function may be called on any thread; its data is handed back unseen.
unsafe impl Send for Completion {}

impl Completion {
    /// The completion of a request; without a function nobody is told.
    pub(super) fn new(operation: &'static str, callback: VixDiskLibCompletionCB, data: *mut c_void) -> Self {
        Self { operation, callback, data }
    }

    /// Tells the client.
    pub(super) fn run(self, result: Result<()>) {
        let code = outcome(self.operation, result);
        if let Some(callback) = self.callback {
            // SAFETY: the client passed a function of this type, to be called once with this data.
            unsafe { callback(self.data, code) };
        }
    }
}
