//! Reading and writing, at once and asynchronously.

use std::ffi::c_void;

use super::buffers::{ReadBuffer, WriteBuffer};
use super::codes::VixError;
use super::completion::Completion;
use super::guard::{entry, entry_async};
use super::pointers::handle;
use super::types::{VixDiskLibCompletionCB, VixDiskLibHandle, VixDiskLibSectorType};
use crate::session;

/// Reads `numSectors` sectors from `startSector` on into `readBuffer`, which needs no alignment. No sectors is
/// a success that touches nothing.
///
/// Errors: VIX_E_DISK_OUTOFRANGE past the end, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR.
///
/// # Safety
/// `readBuffer` must be writable for `numSectors * 512` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Read(
    diskHandle: VixDiskLibHandle,
    startSector: VixDiskLibSectorType,
    numSectors: VixDiskLibSectorType,
    readBuffer: *mut u8,
) -> VixError {
    entry("VixDiskLib_Read", || {
        let disk = session::disk(handle(diskHandle))?;
        disk.check_range(startSector, numSectors)?;
        let mut buffer = ReadBuffer::new(readBuffer, numSectors)?;
        // SAFETY: the caller passes that many writable bytes and nobody else touches them during the call.
        disk.read(startSector, unsafe { buffer.as_slice() })
    })
}

/// Writes `numSectors` sectors from `startSector` on. The data is durable after `VixDiskLib_Flush` or
/// `VixDiskLib_Close`. No sectors is a success that touches nothing.
///
/// Errors: VIX_E_DISK_OUTOFRANGE past the end, VIX_E_FILE_READ_ONLY through a read-only handle,
/// VIX_E_DISK_FULL, VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR.
///
/// # Safety
/// `writeBuffer` must be readable for `numSectors * 512` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Write(
    diskHandle: VixDiskLibHandle,
    startSector: VixDiskLibSectorType,
    numSectors: VixDiskLibSectorType,
    writeBuffer: *const u8,
) -> VixError {
    entry("VixDiskLib_Write", || {
        let disk = session::disk(handle(diskHandle))?;
        disk.check_range(startSector, numSectors)?;
        let buffer = WriteBuffer::new(writeBuffer, numSectors)?;
        // SAFETY: the caller passes that many readable bytes and nobody changes them during the call.
        disk.write(startSector, unsafe { buffer.as_slice() })
    })
}

/// Starts a read. VIX_ASYNC means accepted: `callback` runs exactly once, on any thread, perhaps before this
/// call returns. Any other value means refused: `callback` never runs. Errors as for `VixDiskLib_Read`.
///
/// # Safety
/// `readBuffer` must be writable for `numSectors * 512` bytes until the callback runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_ReadAsync(
    diskHandle: VixDiskLibHandle,
    startSector: VixDiskLibSectorType,
    numSectors: VixDiskLibSectorType,
    readBuffer: *mut u8,
    callback: VixDiskLibCompletionCB,
    cbData: *mut c_void,
) -> VixError {
    entry_async("VixDiskLib_ReadAsync", || {
        let disk = session::disk(handle(diskHandle))?;
        disk.check_range(startSector, numSectors)?;
        let buffer = ReadBuffer::new(readBuffer, numSectors)?;
        let completion = Completion::new("VixDiskLib_ReadAsync", callback, cbData);
        // SAFETY: the caller keeps the buffer alive and to itself until the callback has run.
        let buffer = unsafe { buffer.lend() };
        disk.read_async(startSector, buffer, move |result| completion.run(result))
    })
}

/// Starts a write. VIX_ASYNC means accepted: `callback` runs exactly once, on any thread, perhaps before this
/// call returns. Any other value means refused: `callback` never runs. Errors as for `VixDiskLib_Write`.
///
/// # Safety
/// `writeBuffer` must be readable and unchanged for `numSectors * 512` bytes until the callback runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_WriteAsync(
    diskHandle: VixDiskLibHandle,
    startSector: VixDiskLibSectorType,
    numSectors: VixDiskLibSectorType,
    writeBuffer: *const u8,
    callback: VixDiskLibCompletionCB,
    cbData: *mut c_void,
) -> VixError {
    entry_async("VixDiskLib_WriteAsync", || {
        let disk = session::disk(handle(diskHandle))?;
        disk.check_range(startSector, numSectors)?;
        disk.check_writable()?;
        let buffer = WriteBuffer::new(writeBuffer, numSectors)?;
        let completion = Completion::new("VixDiskLib_WriteAsync", callback, cbData);
        // SAFETY: the caller keeps the buffer alive and unchanged until the callback has run.
        let data = unsafe { buffer.lend() };
        disk.write_async(startSector, data, move |result| completion.run(result))
    })
}

/// Makes everything written so far durable. Asynchronous writes count once their callback has run.
///
/// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_FILE_ERROR, VIX_E_DISK_FULL.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Flush(diskHandle: VixDiskLibHandle) -> VixError {
    entry("VixDiskLib_Flush", || session::disk(handle(diskHandle))?.flush())
}

/// Waits until every asynchronous request of the disk has ended and its callback has returned.
///
/// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_OBJECT_IS_BUSY from within a callback of the same
/// disk. How the requests ended is told to their callbacks only.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Wait(diskHandle: VixDiskLibHandle) -> VixError {
    entry("VixDiskLib_Wait", || session::disk(handle(diskHandle))?.wait())
}
