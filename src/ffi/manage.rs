//! Making and managing whole disks.

#![allow(unused_variables, reason = "the parameters of calls to come name themselves in the header")]

use std::ffi::{c_char, c_void};

use super::codes::VixError;
use super::guard::entry;
use super::params;
use super::pointers::{handle, required_path};
use super::progress::ProgressReport;
use super::types::{
    Bool, RawDiskType, VixDiskLibConnection, VixDiskLibCreateParams, VixDiskLibHandle,
    VixDiskLibProgressFunc, VixDiskLibSectorType,
};
use crate::error::{Error, Kind, Result};
use crate::session;

/// Makes an empty local disk. Nothing is overwritten, and what a failure leaves half-made is removed.
/// `progressFunc` (may be NULL) is called with 0 to 100.
///
/// Errors: VIX_E_FILE_ALREADY_EXISTS, VIX_E_INVALID_ARG, VIX_E_NOT_SUPPORTED for a disk type that cannot be
/// made, VIX_E_DISK_FULL, VIX_E_FILE_ACCESS_ERROR, VIX_E_FILE_ERROR.
///
/// # Safety
/// `path` must be NULL or end in a NUL; `createParams` must be NULL or point to at least the first 24 bytes of
/// the struct.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Create(
    connection: VixDiskLibConnection,
    path: *const c_char,
    createParams: *const VixDiskLibCreateParams,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_Create", || {
        // SAFETY: the caller passes NULL or a string that ends in a NUL.
        let path = unsafe { required_path(path, "path") }?;
        // SAFETY: the caller passes NULL or a struct whose first 24 bytes are filled.
        let create = unsafe { params::read_create(createParams) }?;
        let mut progress = ProgressReport::new(progressFunc, progressCallbackData);
        session::create(handle(connection), path, &create, &mut |percent| progress.report(percent))
    })
}

/// Not yet offered: would make a child of an open disk.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_CreateChild(
    diskHandle: VixDiskLibHandle,
    childPath: *const c_char,
    diskType: RawDiskType,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_CreateChild", || not_yet("making a child disk"))
}

/// Not yet offered: would delete every file of a link.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Unlink(connection: VixDiskLibConnection, path: *const c_char) -> VixError {
    entry("VixDiskLib_Unlink", || not_yet("deleting a disk"))
}

/// Not yet offered: would give a disk a larger capacity.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Grow(
    connection: VixDiskLibConnection,
    path: *const c_char,
    capacity: VixDiskLibSectorType,
    updateGeometry: Bool,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_Grow", || not_yet("growing a disk"))
}

/// Not yet offered: would give the space of zeroed blocks back.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Shrink(
    diskHandle: VixDiskLibHandle,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_Shrink", || not_yet("shrinking a disk"))
}

/// Not yet offered: would put the blocks of a disk in order.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Defragment(
    diskHandle: VixDiskLibHandle,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_Defragment", || not_yet("defragmenting a disk"))
}

/// Not yet offered: would rename every file of a disk.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Rename(srcFileName: *const c_char, dstFileName: *const c_char) -> VixError {
    entry("VixDiskLib_Rename", || not_yet("renaming a disk"))
}

/// Not yet offered: would copy a disk and convert it on the way.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Clone(
    dstConnection: VixDiskLibConnection,
    dstPath: *const c_char,
    srcConnection: VixDiskLibConnection,
    srcPath: *const c_char,
    vixCreateParams: *const VixDiskLibCreateParams,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
    overWrite: Bool,
) -> VixError {
    entry("VixDiskLib_Clone", || not_yet("cloning a disk"))
}

/// Not yet offered: would tell the bytes that a clone takes.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_SpaceNeededForClone(
    diskHandle: VixDiskLibHandle,
    cloneDiskType: RawDiskType,
    spaceNeeded: *mut u64,
) -> VixError {
    entry("VixDiskLib_SpaceNeededForClone", || not_yet("telling the space that a clone needs"))
}

/// Not yet offered: would check a disk and mend it.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_CheckRepair(
    connection: VixDiskLibConnection,
    filename: *const c_char,
    repair: Bool,
) -> VixError {
    entry("VixDiskLib_CheckRepair", || not_yet("checking a disk"))
}

/// Not yet offered: would tell whether `VixDiskLib_Attach` can work.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_IsAttachPossible(parent: VixDiskLibHandle, child: VixDiskLibHandle) -> VixError {
    entry("VixDiskLib_IsAttachPossible", || not_yet("attaching a child to its parent"))
}

/// Not yet offered: would put the child chain on top of the parent chain.
///
/// Errors: VIX_E_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Attach(parent: VixDiskLibHandle, child: VixDiskLibHandle) -> VixError {
    entry("VixDiskLib_Attach", || not_yet("attaching a child to its parent"))
}

/// The answer of a call that a later release brings.
fn not_yet(what: &str) -> Result<()> {
    Err(Error::new(Kind::NotSupported, format!("{what} is not supported by this release")))
}
