//! Open disks: Open, Close, GetInfo, FreeInfo, GetTransportMode.

use std::ffi::{c_char, c_int};

use super::codes::VixError;
use super::guard::{entry, shield};
use super::memory::{self, Given};
use super::pointers::{handle, out, pointer, required_path, static_text};
use super::types::{
    VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ, VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ,
    VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB, VIXDISKLIB_FLAG_OPEN_READ_ONLY, VIXDISKLIB_FLAG_OPEN_SINGLE_LINK,
    VIXDISKLIB_FLAG_OPEN_UNBUFFERED, VixDiskLibAdapterType, VixDiskLibConnection, VixDiskLibGeometry,
    VixDiskLibHandle, VixDiskLibInfo,
};
use crate::error::{Error, Kind, Result};
use crate::session::open_disk::Compression;
use crate::session::{self, Adapter, Geometry, OpenFlags};

/// Opens a disk: the path of its descriptor, or of the only file of a monolithic disk. Unless
/// VIXDISKLIB_FLAG_OPEN_SINGLE_LINK is given its parents are opened too, read-only. A writable open keeps other
/// processes from opening the disk for writing; writable handles of one process share the disk and see each
/// other's writes. `*diskHandle` is set on success and NULL otherwise; end it with `VixDiskLib_Close`.
///
/// Errors: VIX_E_FILE_NOT_FOUND, VIX_E_FILE_ACCESS_ERROR, VIX_E_FILE_ALREADY_LOCKED, VIX_E_DISK_INVALIDDISK,
/// VIX_E_DISK_OPENPARENT, VIX_E_DISK_CID_MISMATCH and others, with the cause in the error text.
///
/// # Safety
/// `path` must be NULL or end in a NUL; `diskHandle` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Open(
    connection: VixDiskLibConnection,
    path: *const c_char,
    flags: u32,
    diskHandle: *mut VixDiskLibHandle,
) -> VixError {
    entry("VixDiskLib_Open", || {
        // SAFETY: the caller passes NULL or a writable pointer.
        let mut disk = unsafe { out(diskHandle, "diskHandle") }?;
        disk.set(std::ptr::null_mut());
        // SAFETY: the caller passes NULL or a string that ends in a NUL.
        let path = unsafe { required_path(path, "path") }?;
        let compression = compression(flags)?;
        let flags = OpenFlags {
            compression,
            unbuffered: flags & VIXDISKLIB_FLAG_OPEN_UNBUFFERED != 0,
            single_link: flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK != 0,
            read_only: flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY != 0,
        };
        disk.set(pointer(session::open(handle(connection), path, flags)?));
        Ok(())
    })
}

/// Closes a disk. Asynchronous requests that are under way end first; everything written is made durable. The
/// handle is dead afterwards, also when an error is returned.
///
/// Errors: VIX_E_INVALID_ARG for NULL, VIX_E_INVALID_HANDLE, VIX_E_OBJECT_IS_BUSY from within a callback of the
/// same disk, and those of writing.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_Close(diskHandle: VixDiskLibHandle) -> VixError {
    entry("VixDiskLib_Close", || session::close(handle(diskHandle)))
}

/// Tells of an open disk. `*info` is set on success and NULL otherwise; free it with `VixDiskLib_FreeInfo`.
///
/// Errors: VIX_E_INVALID_ARG, VIX_E_INVALID_HANDLE, VIX_E_OUT_OF_MEMORY.
///
/// # Safety
/// `info` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_GetInfo(
    diskHandle: VixDiskLibHandle,
    info: *mut *mut VixDiskLibInfo,
) -> VixError {
    entry("VixDiskLib_GetInfo", || {
        // SAFETY: the caller passes NULL or a writable pointer.
        let mut given = unsafe { out(info, "info") }?;
        given.set(std::ptr::null_mut());
        let info = session::disk(handle(diskHandle))?.info()?;
        let head = VixDiskLibInfo {
            biosGeo: c_geometry(info.bios_geometry),
            physGeo: c_geometry(info.geometry),
            capacity: info.capacity,
            adapterType: c_adapter(info.adapter) as u32,
            numLinks: c_int::try_from(info.links).unwrap_or(c_int::MAX),
            parentFileNameHint: std::ptr::null_mut(),
            uuid: std::ptr::null_mut(),
            logicalSectorSize: info.logical_sector_size,
            physicalSectorSize: info.physical_sector_size,
        };
        let strings = [info.parent_hint.as_deref(), info.uuid.as_deref().map(str::as_bytes)];
        let block = memory::give_with_strings(Given::Info, head, strings, |info, [parent, uuid]| {
            info.parentFileNameHint = parent;
            info.uuid = uuid;
        })?;
        given.set(block);
        Ok(())
    })
}

/// Frees what `VixDiskLib_GetInfo` returned. NULL and pointers that were not given out are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_FreeInfo(info: *mut VixDiskLibInfo) {
    shield("VixDiskLib_FreeInfo", || memory::take_back(Given::Info, info));
}

/// Returns the transport mode of an open disk, for example "file"; NULL when the handle is not valid. The
/// caller must not free it.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_GetTransportMode(diskHandle: VixDiskLibHandle) -> *const c_char {
    shield("VixDiskLib_GetTransportMode", || {
        session::disk(handle(diskHandle)).map(|disk| disk.transport_mode())
    })
    .and_then(Result::ok)
    .map_or(std::ptr::null(), static_text)
}

/// How the data of a disk on a server is packed; means nothing for local disks.
///
/// # Errors
/// `InvalidArgument` for more than one way.
fn compression(flags: u32) -> Result<Compression> {
    let ways = [
        (VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB, Compression::Zlib),
        (VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ, Compression::FastLz),
        (VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ, Compression::SkipZ),
    ];
    let mut named = ways.into_iter().filter(|(flag, _)| flags & flag != 0).map(|(_, way)| way);
    match (named.next(), named.next()) {
        (first, None) => Ok(first.unwrap_or_default()),
        _ => Err(Error::new(Kind::InvalidArgument, "two or more compression algorithms cannot be set")),
    }
}

/// A geometry as C has it.
fn c_geometry(geometry: Geometry) -> VixDiskLibGeometry {
    VixDiskLibGeometry { cylinders: geometry.cylinders, heads: geometry.heads, sectors: geometry.sectors }
}

/// An adapter as C has it.
fn c_adapter(adapter: Adapter) -> VixDiskLibAdapterType {
    match adapter {
        Adapter::Ide => VixDiskLibAdapterType::VIXDISKLIB_ADAPTER_IDE,
        Adapter::BusLogic => VixDiskLibAdapterType::VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
        Adapter::LsiLogic => VixDiskLibAdapterType::VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
        Adapter::Unknown => VixDiskLibAdapterType::VIXDISKLIB_ADAPTER_UNKNOWN,
    }
}
