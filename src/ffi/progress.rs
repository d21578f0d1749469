//! Progress of long calls.

use std::ffi::{c_int, c_void};

use super::types::VixDiskLibProgressFunc;

/// A client's progress function and what it wants to be called with; used on the calling thread only.
pub(super) struct ProgressReport {
    function: VixDiskLibProgressFunc,
    data: *mut c_void,
}

impl ProgressReport {
    /// Without a function nobody is told.
    pub(super) fn new(function: VixDiskLibProgressFunc, data: *mut c_void) -> Self {
        Self { function, data }
    }

    /// Tells the client. Its answer, whether to go on, has no meaning in this interface unless the configuration
    /// gives it one.
    pub(super) fn report(&mut self, percent: u8) -> bool {
        let Some(function) = self.function else { return true };
        // SAFETY: the client passed a function of this type, to be called during its own call.
        unsafe { function(self.data, c_int::from(percent)) != 0 }
    }
}
