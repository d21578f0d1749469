//! Connections and their parameters.

use std::ffi::c_char;

use super::codes::VixError;
use super::guard::{entry, shield};
use super::params;
use super::pointers::{handle, optional_text, out, pointer, required_text};
use super::types::{Bool, VixDiskLibConnectParams, VixDiskLibConnection};
use crate::session;

/// Connects read-write, with every transport mode of this build; see `VixDiskLib_ConnectEx`.
///
/// # Safety
/// As for `VixDiskLib_ConnectEx`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Connect(
    connectParams: *const VixDiskLibConnectParams,
    connection: *mut VixDiskLibConnection,
) -> VixError {
    // SAFETY: the caller keeps the contract of ConnectEx.
    unsafe { connect("VixDiskLib_Connect", connectParams, 0, std::ptr::null(), std::ptr::null(), connection) }
}

/// Makes a connection. `connectParams` that are NULL, all zero or have an empty `serverName` mean the local
/// host; everything needed is copied, the struct and its strings may go when the call returns. With `readOnly`
/// every disk of the connection is opened read-only. `snapshotRef` and `transportModes` may be NULL or "".
/// `*connection` is set on success and NULL otherwise; end it with `VixDiskLib_Disconnect`.
///
/// A server is not asked anything yet: what is wrong with its name, its certificate or the password shows when a disk
/// is opened.
///
/// Errors: VIX_E_INVALID_ARG, VIX_E_DISK_NOINIT before InitEx, VIX_E_NOT_SUPPORTED for first-class disks and folders
/// of datastores.
///
/// # Safety
/// `connectParams` must be NULL or point to at least the first 72 bytes of the struct with strings that are
/// NULL or end in a NUL; `connection` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_ConnectEx(
    connectParams: *const VixDiskLibConnectParams,
    readOnly: Bool,
    snapshotRef: *const c_char,
    transportModes: *const c_char,
    connection: *mut VixDiskLibConnection,
) -> VixError {
    // SAFETY: the caller keeps the contract.
    unsafe {
        connect("VixDiskLib_ConnectEx", connectParams, readOnly, snapshotRef, transportModes, connection)
    }
}

/// Both forms of connect.
///
/// # Safety
/// As for `VixDiskLib_ConnectEx`.
unsafe fn connect(
    operation: &'static str,
    connect_params: *const VixDiskLibConnectParams,
    read_only: Bool,
    snapshot: *const c_char,
    modes: *const c_char,
    connection: *mut VixDiskLibConnection,
) -> VixError {
    entry(operation, || {
        // SAFETY: the caller passes NULL or a writable pointer.
        let mut connection = unsafe { out(connection, "connection") }?;
        connection.set(std::ptr::null_mut());
        // SAFETY: the caller passes NULL or a struct whose first 72 bytes are filled.
        let parameters = unsafe { params::read(connect_params) };
        // SAFETY: the caller passes NULL or strings that end in a NUL.
        let (snapshot, modes) = unsafe { (optional_text(snapshot), optional_text(modes)) };
        connection.set(pointer(session::connect(
            parameters,
            read_only != 0,
            snapshot.as_deref(),
            modes.as_deref(),
        )?));
        Ok(())
    })
}

/// Ends a connection. Disks still open through it are closed first, with everything written made durable.
///
/// Errors: VIX_E_INVALID_ARG for NULL, VIX_E_INVALID_HANDLE for one that is not a connection (any more), and
/// those of closing a disk.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Disconnect(connection: VixDiskLibConnection) -> VixError {
    entry("VixDiskLib_Disconnect", || session::disconnect(handle(connection)))
}

/// Announces a backup to vCenter, so that the virtual machine is not moved. Nothing to do for the local host.
///
/// Errors: VIX_E_NOT_SUPPORTED for a single ESXi host, VIX_E_INVALID_ARG without an identity, VIX_E_DISK_NOINIT before
/// InitEx, those of connecting and logging in.
///
/// # Safety
/// As for `VixDiskLib_ConnectEx`; `identity` must be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_PrepareForAccess(
    connectParams: *const VixDiskLibConnectParams,
    identity: *const c_char,
) -> VixError {
    entry("VixDiskLib_PrepareForAccess", || {
        // SAFETY: the caller passes NULL or a struct whose first 72 bytes are filled, and a string or NULL.
        let (parameters, identity) =
            unsafe { (params::read(connectParams), required_text(identity, "identity")?) };
        session::prepare_for_access(parameters, identity)
    })
}

/// Takes back what `VixDiskLib_PrepareForAccess` announced. Nothing to do for the local host.
///
/// Errors: as for `VixDiskLib_PrepareForAccess`.
///
/// # Safety
/// As for `VixDiskLib_PrepareForAccess`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_EndAccess(
    connectParams: *const VixDiskLibConnectParams,
    identity: *const c_char,
) -> VixError {
    entry("VixDiskLib_EndAccess", || {
        // SAFETY: the caller passes NULL or a struct whose first 72 bytes are filled, and a string or NULL.
        let (parameters, identity) =
            unsafe { (params::read(connectParams), required_text(identity, "identity")?) };
        session::end_access(parameters, identity)
    })
}

/// Removes what a client that died left behind, and counts it. May be called before InitEx. Neither local disks
/// nor those on servers leave anything, so both counts are 0. Either count may be NULL. Always VIX_OK.
///
/// # Safety
/// As for `VixDiskLib_ConnectEx`; the counts must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Cleanup(
    connectParams: *const VixDiskLibConnectParams,
    numCleanedUp: *mut u32,
    numRemaining: *mut u32,
) -> VixError {
    entry("VixDiskLib_Cleanup", || {
        // SAFETY: the caller passes NULL or a struct whose first 72 bytes are filled.
        let parameters = unsafe { params::read(connectParams) };
        for (count, name) in [(numCleanedUp, "numCleanedUp"), (numRemaining, "numRemaining")] {
            // SAFETY: the caller passes NULL or a writable pointer.
            if let Ok(mut count) = unsafe { out(count, name) } {
                count.set(0);
            }
        }
        session::cleanup(&parameters);
        Ok(())
    })
}

/// Returns a copy of the parameters that a connection was made with, password included; free it with
/// `VixDiskLib_FreeConnectParams`, which frees its strings too.
///
/// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_OUT_OF_MEMORY.
///
/// # Safety
/// `connectParams` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_GetConnectParams(
    connection: VixDiskLibConnection,
    connectParams: *mut *mut VixDiskLibConnectParams,
) -> VixError {
    entry("VixDiskLib_GetConnectParams", || {
        // SAFETY: the caller passes NULL or a writable pointer.
        let mut copy = unsafe { out(connectParams, "connectParams") }?;
        copy.set(std::ptr::null_mut());
        copy.set(params::copy(&session::connect_params(handle(connection))?)?);
        Ok(())
    })
}

/// Returns an empty struct of the newest size, or NULL when there is no memory. May be called before InitEx.
/// Free it with `VixDiskLib_FreeConnectParams`; the strings that the client puts in stay the client's.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_AllocateConnectParams() -> *mut VixDiskLibConnectParams {
    shield("VixDiskLib_AllocateConnectParams", params::allocate).unwrap_or(std::ptr::null_mut())
}

/// Frees a struct of `VixDiskLib_AllocateConnectParams` (never its strings, they are the client's) or of
/// `VixDiskLib_GetConnectParams` (with its strings). NULL and pointers that were not given out are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_FreeConnectParams(connectParams: *mut VixDiskLibConnectParams) {
    shield("VixDiskLib_FreeConnectParams", || params::free(connectParams));
}
