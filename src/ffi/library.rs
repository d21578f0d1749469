//! Life of the library: Init, InitEx, Exit, ListTransportModes.

use std::ffi::c_char;

use super::codes::VixError;
use super::guard::{entry, shield};
use super::log::ClientLog;
use super::pointers::{optional_path, static_text};
use super::types::VixDiskLibGenericLogFunc;
use crate::session;

/// Starts the library; the older form of `VixDiskLib_InitEx`, without a configuration file.
///
/// # Safety
/// As for `VixDiskLib_InitEx`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Init(
    majorVersion: u32,
    minorVersion: u32,
    log: *mut VixDiskLibGenericLogFunc,
    warn: *mut VixDiskLibGenericLogFunc,
    panic: *mut VixDiskLibGenericLogFunc,
    libDir: *const c_char,
) -> VixError {
    // SAFETY: the caller keeps the contract of InitEx.
    unsafe { VixDiskLib_InitEx(majorVersion, minorVersion, log, warn, panic, libDir, std::ptr::null()) }
}

/// Starts the library. Every version from 1.0 to 9.x is served. Each of the three callbacks may be NULL, then
/// what it would get is dropped; `libDir` may be NULL or wrong, nothing is loaded from it. `configFile` may be
/// NULL; when it is given it must be readable. Calls are counted: each wants its own `VixDiskLib_Exit`; the
/// callbacks and the configuration of the first one stay in force.
///
/// Errors: VIX_E_INVALID_ARG for a version that is not served, VIX_E_FILE_NOT_FOUND and other file errors for
/// the configuration file.
///
/// # Safety
/// The callbacks must be functions of the stated type and stay callable until the last Exit; the strings must
/// be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_InitEx(
    majorVersion: u32,
    minorVersion: u32,
    log: *mut VixDiskLibGenericLogFunc,
    warn: *mut VixDiskLibGenericLogFunc,
    panic: *mut VixDiskLibGenericLogFunc,
    libDir: *const c_char,
    configFile: *const c_char,
) -> VixError {
    entry("VixDiskLib_InitEx", || {
        // SAFETY: the caller passes NULL, or functions of this type that stay callable until Exit.
        let client_log = unsafe { ClientLog::from_raw(log, warn, panic) };
        // SAFETY: the caller passes NULL or strings that end in a NUL.
        let (lib_dir, config_file) = unsafe { (optional_path(libDir), optional_path(configFile)) };
        session::library::init(majorVersion, minorVersion, lib_dir, config_file, || client_log.install())
    })
}

/// Ends what one `VixDiskLib_Init` or `VixDiskLib_InitEx` began. The last one closes the disks and connections
/// that were left open, ends every thread of the library and forgets the callbacks; the library can be started
/// again afterwards.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Exit() {
    shield("VixDiskLib_Exit", || {
        session::library::exit(ClientLog::remove);
    });
}

/// Returns the transport modes that this build has, separated by colons, best first: the list that
/// `VixDiskLib_ConnectEx` uses when it gets NULL. Never NULL; the caller must not free it.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_ListTransportModes() -> *const c_char {
    static_text(&session::library::transport_modes())
}
