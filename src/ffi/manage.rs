//! Making and managing whole disks.

use std::ffi::{c_char, c_void};

use super::codes::VixError;
use super::guard::entry;
use super::params;
use super::pointers::{handle, out, required_path};
use super::progress::ProgressReport;
use super::types::{
    Bool, RawDiskType, VixDiskLibConnection, VixDiskLibCreateParams, VixDiskLibDiskType, VixDiskLibHandle,
    VixDiskLibProgressFunc, VixDiskLibSectorType,
};
use crate::session::manage;

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
        manage::create(handle(connection), path, &create, &mut |percent| _ = progress.report(percent))
    })
}

/// Makes a child of an open disk: a sparse link, VIXDISKLIB_DISK_MONOLITHIC_SPARSE or VIXDISKLIB_DISK_SPLIT_SPARSE,
/// that shows the disk until it is written itself. What was written to the disk becomes durable first; it must not
/// be written any more as long as the child is to be used. `progressFunc` (may be NULL) is called with 0 to 100.
///
/// Errors: VIX_E_FILE_ALREADY_EXISTS, VIX_E_INVALID_ARG for another type, VIX_E_INVALID_HANDLE, VIX_E_DISK_FULL,
/// VIX_E_FILE_ACCESS_ERROR, VIX_E_FILE_ERROR.
///
/// # Safety
/// `childPath` must be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_CreateChild(
    diskHandle: VixDiskLibHandle,
    childPath: *const c_char,
    diskType: RawDiskType,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_CreateChild", || {
        // SAFETY: the caller passes NULL or a string that ends in a NUL.
        let path = unsafe { required_path(childPath, "childPath") }?;
        let mut progress = ProgressReport::new(progressFunc, progressCallbackData);
        let kind = params::disk_kind(diskType)?;
        manage::create_child(handle(diskHandle), path, kind, &mut |percent| _ = progress.report(percent))
    })
}

/// Deletes every file of one link: its descriptor, its extents and its change tracking file. Its parents stay; its
/// children lose theirs.
///
/// Errors: VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ALREADY_LOCKED while somebody has it open, VIX_E_DISK_INVALIDDISK,
/// VIX_E_FILE_NAME_INVALID for an extent outside the disk's folder, VIX_E_FILE_READ_ONLY through a read-only
/// connection, VIX_E_FILE_ACCESS_ERROR.
///
/// # Safety
/// `path` must be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Unlink(
    connection: VixDiskLibConnection,
    path: *const c_char,
) -> VixError {
    entry("VixDiskLib_Unlink", || {
        // SAFETY: the caller passes NULL or a string that ends in a NUL.
        manage::unlink(handle(connection), unsafe { required_path(path, "path") }?)
    })
}

/// Gives a local disk that nobody has open a larger capacity of `capacity` sectors; what is new reads as zeros. With
/// `updateGeometry` the geometry follows. `progressFunc` (may be NULL) is called with 0 to 100.
///
/// Errors: VIX_E_INVALID_ARG for less than the disk has, VIX_E_DISK_INVALIDCHAIN for a disk with a parent,
/// VIX_E_FILE_ALREADY_LOCKED while somebody has it open, VIX_E_NOT_SUPPORTED for a type that cannot grow,
/// VIX_E_FILE_READ_ONLY through a read-only connection, VIX_E_FILE_TOO_BIG, VIX_E_DISK_FULL, VIX_E_FILE_ERROR. The disk
/// has its old capacity then.
///
/// # Safety
/// `path` must be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Grow(
    connection: VixDiskLibConnection,
    path: *const c_char,
    capacity: VixDiskLibSectorType,
    updateGeometry: Bool,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_Grow", || {
        // SAFETY: the caller passes NULL or a string that ends in a NUL.
        let path = unsafe { required_path(path, "path") }?;
        let mut progress = ProgressReport::new(progressFunc, progressCallbackData);
        manage::grow(handle(connection), path, capacity, updateGeometry != 0, &mut |percent| {
            _ = progress.report(percent);
        })
    })
}

/// Gives the space of grains that hold zeros only back to the file system; the files get smaller. Flat disks have
/// nothing to give back. `progressFunc` (may be NULL) is called with 0 to 100.
///
/// Errors: VIX_E_FILE_READ_ONLY, VIX_E_OBJECT_IS_BUSY while another handle of this process writes to the disk,
/// VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR, VIX_E_DISK_FULL.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Shrink(
    diskHandle: VixDiskLibHandle,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_Shrink", || {
        let mut progress = ProgressReport::new(progressFunc, progressCallbackData);
        manage::shrink(handle(diskHandle), &mut |percent| _ = progress.report(percent))
    })
}

/// Puts the grains of a sparse disk into the order of the disk; with flat ones there is nothing to do.
/// `progressFunc` (may be NULL) is called with 0 to 100.
///
/// Errors: as for `VixDiskLib_Shrink`.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Defragment(
    diskHandle: VixDiskLibHandle,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
) -> VixError {
    entry("VixDiskLib_Defragment", || {
        let mut progress = ProgressReport::new(progressFunc, progressCallbackData);
        manage::defragment(handle(diskHandle), &mut |percent| _ = progress.report(percent))
    })
}

/// Renames every file of a local link, also across folders; the descriptor follows, children still name the old
/// one. When the process dies on the way at least one whole disk is left.
///
/// Errors: VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ALREADY_EXISTS when one of the new names is taken,
/// VIX_E_FILE_ALREADY_LOCKED while somebody has it open, VIX_E_FILE_NAME_INVALID, VIX_E_FILE_ACCESS_ERROR; the disk
/// has its old name then.
///
/// # Safety
/// Both names must be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Rename(
    srcFileName: *const c_char,
    dstFileName: *const c_char,
) -> VixError {
    entry("VixDiskLib_Rename", || {
        // SAFETY: the caller passes NULL or strings that end in a NUL.
        let (from, to) = unsafe {
            (required_path(srcFileName, "srcFileName")?, required_path(dstFileName, "dstFileName")?)
        };
        manage::rename(from, to)
    })
}

/// Copies a disk with all its links into a new one of the type, adapter and hardware version of `vixCreateParams`;
/// its capacity is that of the source. Zeros take no space where the type allows it. With `overWrite` a disk that
/// is there is replaced once the copy is whole. `progressFunc` (may be NULL) is called with 0 to 100; with
/// `vixen.progressCancels` in the configuration FALSE as its answer ends the copy with VIX_E_CANCELLED.
///
/// Errors: VIX_E_FILE_ALREADY_EXISTS, VIX_E_INVALID_ARG when the target is a link of the source,
/// VIX_E_FILE_ALREADY_LOCKED, VIX_E_DISK_FULL, those of `VixDiskLib_Create` and `VixDiskLib_Open`. What was made is
/// removed then.
///
/// # Safety
/// Both paths must be NULL or end in a NUL; `vixCreateParams` must be NULL or point to at least the first 24 bytes
/// of the struct.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Clone(
    dstConnection: VixDiskLibConnection,
    dstPath: *const c_char,
    srcConnection: VixDiskLibConnection,
    srcPath: *const c_char,
    vixCreateParams: *const VixDiskLibCreateParams,
    progressFunc: VixDiskLibProgressFunc,
    progressCallbackData: *mut c_void,
    overWrite: Bool,
) -> VixError {
    entry("VixDiskLib_Clone", || {
        // SAFETY: the caller passes NULL or strings that end in a NUL.
        let (target, source) =
            unsafe { (required_path(dstPath, "dstPath")?, required_path(srcPath, "srcPath")?) };
        // SAFETY: the caller passes NULL or a struct whose first 24 bytes are filled.
        let new = unsafe { params::read_create(vixCreateParams) }?;
        let mut progress = ProgressReport::new(progressFunc, progressCallbackData);
        manage::clone(
            (handle(dstConnection), target),
            (handle(srcConnection), source),
            &new,
            overWrite != 0,
            &mut |percent| progress.report(percent),
        )
    })
}

/// Tells the bytes that a clone of an open disk takes as `cloneDiskType` (VIXDISKLIB_DISK_UNKNOWN: the type that it
/// has): those of its files, each rounded up to 4 KiB. Zeros take no space, so the whole disk is read.
///
/// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_NOT_SUPPORTED for a type that cannot be made, those of
/// reading.
///
/// # Safety
/// `spaceNeeded` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_SpaceNeededForClone(
    diskHandle: VixDiskLibHandle,
    cloneDiskType: RawDiskType,
    spaceNeeded: *mut u64,
) -> VixError {
    entry("VixDiskLib_SpaceNeededForClone", || {
        // SAFETY: the caller passes NULL or a writable pointer.
        let mut space = unsafe { out(spaceNeeded, "spaceNeeded") }?;
        let same = cloneDiskType == VixDiskLibDiskType::VIXDISKLIB_DISK_UNKNOWN as u32;
        let kind = if same { None } else { Some(params::disk_kind(cloneDiskType)?) };
        space.set(manage::space_for_clone(handle(diskHandle), kind)?);
        Ok(())
    })
}

/// Checks one link of a local disk, and repairs it if `repair` says so; a repair never makes it worse. Each finding is
/// a line of the log. VIX_OK tells that the check ran, not that the disk is good.
///
/// Errors: VIX_E_FILE_ALREADY_LOCKED while somebody writes (for a repair: has it open), VIX_E_DISK_CANTREPAIR when a repair
/// leaves damage, VIX_E_DISK_INVALIDDISK for what cannot even be read as a disk, VIX_E_FILE_READ_ONLY,
/// VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ERROR.
///
/// # Safety
/// `filename` must be NULL or end in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_CheckRepair(
    connection: VixDiskLibConnection,
    filename: *const c_char,
    repair: Bool,
) -> VixError {
    entry("VixDiskLib_CheckRepair", || {
        // SAFETY: the caller passes NULL or a string that ends in a NUL.
        let path = unsafe { required_path(filename, "filename") }?;
        manage::check(handle(connection), path, repair != 0).map(|_| ())
    })
}

/// Tells whether `VixDiskLib_Attach` would work; changes nothing.
///
/// Errors: as for `VixDiskLib_Attach`.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_IsAttachPossible(parent: VixDiskLibHandle, child: VixDiskLibHandle) -> VixError {
    entry("VixDiskLib_IsAttachPossible", || manage::check_attach(handle(parent), handle(child)))
}

/// Puts `child`, a link opened with VIXDISKLIB_FLAG_OPEN_SINGLE_LINK, on top of `parent`: from then on `child` is the
/// whole chain, and `parent` can only be closed. After an error both are as they were.
///
/// Errors: VIX_E_DISK_ATTACH_ROOTLINK when the child has no parent, VIX_E_DISK_CID_MISMATCH,
/// VIX_E_DISK_CAPACITY_MISMATCH, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Attach(parent: VixDiskLibHandle, child: VixDiskLibHandle) -> VixError {
    entry("VixDiskLib_Attach", || manage::attach(handle(parent), handle(child)))
}
