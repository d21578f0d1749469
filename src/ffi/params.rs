//! Parameter structs of clients, which may be shorter than ours.

use std::ffi::{CStr, CString, c_char};

use zeroize::Zeroizing;

use super::memory::{self, Given};
use super::pointers::copy_text;
use super::types::{
    ConnectParamsHead, CreateParamsHead, RawCredType, VIXDISKLIB_HWVERSION_CURRENT, VixDiskLibAdapterType,
    VixDiskLibConnectParams, VixDiskLibCreateParams, VixDiskLibCredType, VixDiskLibCreds,
    VixDiskLibDatastoreSpec, VixDiskLibDiskType, VixDiskLibSpec, VixDiskLibSpecType,
    VixDiskLibUidPasswdCreds, VixDiskLibVStorageObjectSpec,
};
use crate::error::{Error, Kind, Result};
use crate::session::connection::Secret;
use crate::session::{Adapter, ConnectParams, Credentials, DiskKind, NewDisk, Spec};

/// The number of VIXDISKLIB_SPEC_DATASTORE in programs of VDDK 7.0.
const OLD_SPEC_DATASTORE: u32 = 128;

/// Copies connection parameters; NULL is the local host. Structs that the client made itself are read up to
/// `nfcHostPort`, where the shortest known form ends.
///
/// # Safety
/// `params` must be NULL or point to at least 72 bytes, with strings that are NULL or end in a NUL.
pub(super) unsafe fn read(params: *const VixDiskLibConnectParams) -> ConnectParams {
    if params.is_null() {
        return ConnectParams::default();
    }
    // SAFETY: the caller promised 72 bytes; they may stand at any address.
    let head = unsafe { params.cast::<ConnectParamsHead>().read_unaligned() };
    let spec = if memory::is_out(Given::ConnectParams, params) {
        // SAFETY: the struct is one of ours and has its full length, and its strings are as the caller promised.
        unsafe { read_spec((*params).specType, &(*params).spec) }
    } else {
        Spec::Vmx
    };
    // SAFETY: the caller promised strings or NULL.
    unsafe {
        ConnectParams {
            vmx_spec: copy_text(head.vmx_spec),
            server_name: copy_text(head.server_name),
            thumb_print: copy_text(head.thumb_print),
            cred_type: head.cred_type,
            credentials: read_credentials(head.cred_type, &head.creds),
            port: head.port,
            nfc_host_port: head.nfc_host_port,
            spec,
        }
    }
}

/// # Safety
/// The strings of the member that `kind` names must be NULL or end in a NUL.
unsafe fn read_credentials(kind: RawCredType, creds: &VixDiskLibCreds) -> Credentials {
    // SAFETY: every member is pointers, for which any bytes are valid; the tag says which the client filled.
    unsafe {
        if kind == VixDiskLibCredType::VIXDISKLIB_CRED_UID as u32 {
            let uid = creds.uid;
            Credentials::User { user: copy_text(uid.userName), password: copy_secret(uid.password) }
        } else if kind == VixDiskLibCredType::VIXDISKLIB_CRED_SESSIONID as u32 {
            let session = creds.sessionId;
            Credentials::Session {
                cookie: copy_secret(session.cookie),
                user: copy_text(session.userName),
                key: copy_secret(session.key),
            }
        } else {
            Credentials::None
        }
    }
}

/// # Safety
/// As for [`copy_text`].
unsafe fn copy_secret(text: *const c_char) -> Option<Secret> {
    // SAFETY: not NULL, and the caller promised the rest.
    (!text.is_null()).then(|| Secret::new(unsafe { CStr::from_ptr(text) }.to_bytes()))
}

/// # Safety
/// The strings of the member that `kind` names must be NULL or end in a NUL.
unsafe fn read_spec(kind: u32, spec: &VixDiskLibSpec) -> Spec {
    // SAFETY: every member is pointers, for which any bytes are valid; the tag says which the client filled.
    unsafe {
        if kind == VixDiskLibSpecType::VIXDISKLIB_SPEC_VSTORAGE_OBJECT as u32 {
            let VixDiskLibVStorageObjectSpec { id, datastoreMoRef, ssId } = spec.vStorageObjSpec;
            Spec::VStorageObject {
                id: copy_text(id),
                datastore: copy_text(datastoreMoRef),
                snapshot: copy_text(ssId),
            }
        } else if kind == VixDiskLibSpecType::VIXDISKLIB_SPEC_DATASTORE as u32 || kind == OLD_SPEC_DATASTORE {
            let VixDiskLibDatastoreSpec { datastoreMoRef, diskFolder } = spec.dsSpec;
            Spec::Datastore { datastore: copy_text(datastoreMoRef), folder: copy_text(diskFolder) }
        } else {
            Spec::Vmx
        }
    }
}

/// A struct of zeros for a client to fill; NULL without memory.
pub(super) fn allocate() -> *mut VixDiskLibConnectParams {
    memory::give_with_strings(Given::ConnectParams, empty(), [], |_, []| ()).unwrap_or(std::ptr::null_mut())
}

/// Frees what [`allocate`] or [`copy`] gave out. A copy's strings are in its block, a client's are not.
pub(super) fn free(params: *mut VixDiskLibConnectParams) {
    memory::take_back(Given::ConnectParams, params);
}

/// A struct of zeros.
fn empty() -> VixDiskLibConnectParams {
    // SAFETY: integers and pointers, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// Gives out a copy of parameters, strings and all.
///
/// # Errors
/// `OutOfMemory`.
pub(super) fn copy(params: &ConnectParams) -> Result<*mut VixDiskLibConnectParams> {
    let mut head = empty();
    head.credType = params.cred_type;
    head.port = params.port;
    head.nfcHostPort = params.nfc_host_port;
    let bytes = |text: &Option<CString>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let secret = |text: &Option<Secret>| text.as_ref().map(|text| text.bytes().to_vec());
    let creds = match &params.credentials {
        Credentials::None => [None, None, None],
        Credentials::User { user, password } => [bytes(user), secret(password), None],
        Credentials::Session { cookie, user, key } => [secret(cookie), bytes(user), secret(key)],
    };
    let spec = match &params.spec {
        Spec::Vmx => [None, None, None],
        Spec::VStorageObject { id, datastore, snapshot } => [bytes(id), bytes(datastore), bytes(snapshot)],
        Spec::Datastore { datastore, folder } => [bytes(datastore), bytes(folder), None],
    };
    head.specType = match params.spec {
        Spec::Vmx => VixDiskLibSpecType::VIXDISKLIB_SPEC_VMX,
        Spec::VStorageObject { .. } => VixDiskLibSpecType::VIXDISKLIB_SPEC_VSTORAGE_OBJECT,
        Spec::Datastore { .. } => VixDiskLibSpecType::VIXDISKLIB_SPEC_DATASTORE,
    } as u32;
    // Passwords pass through here on their way into the copy.
    let names = [&params.vmx_spec, &params.server_name, &params.thumb_print].map(bytes);
    let (creds, spec) = (Zeroizing::new(creds), spec);
    let strings = [
        names[0].as_deref(),
        names[1].as_deref(),
        names[2].as_deref(),
        creds[0].as_deref(),
        creds[1].as_deref(),
        creds[2].as_deref(),
        spec[0].as_deref(),
        spec[1].as_deref(),
        spec[2].as_deref(),
    ];
    memory::give_with_strings(
        Given::ConnectParams,
        head,
        strings,
        |head, [vmx, server, print, a, b, c, d, e, f]| {
            head.vmxSpec = vmx;
            head.serverName = server;
            head.thumbPrint = print;
            // The members of each union are pointers one after the other, so the first three places serve all of them.
            head.creds.sessionId.cookie = a;
            head.creds.sessionId.userName = b;
            head.creds.sessionId.key = c;
            head.spec.vStorageObjSpec.id = d;
            head.spec.vStorageObjSpec.datastoreMoRef = e;
            head.spec.vStorageObjSpec.ssId = f;
        },
    )
}

/// The two first members of a session's credentials lie where name and password do.
const _: () = assert!(size_of::<VixDiskLibUidPasswdCreds>() == 16);

/// Reads what is to be made; never past the 24 bytes that every client fills.
///
/// # Safety
/// `params` must be NULL or point to at least 24 bytes.
///
/// # Errors
/// `InvalidArgument` for NULL and unknown kinds of disk, `NotSupported` for kinds that cannot be made.
pub(super) unsafe fn read_create(params: *const VixDiskLibCreateParams) -> Result<NewDisk> {
    if params.is_null() {
        return Err(Error::new(Kind::InvalidArgument, "createParams is NULL"));
    }
    // SAFETY: the caller promised 24 bytes; they may stand at any address.
    let head = unsafe { params.cast::<CreateParamsHead>().read_unaligned() };
    use VixDiskLibAdapterType as A;
    let adapter = match head.adapter_type {
        kind if kind == A::VIXDISKLIB_ADAPTER_IDE as u32 => Adapter::Ide,
        kind if kind == A::VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC as u32 => Adapter::BusLogic,
        kind if kind == A::VIXDISKLIB_ADAPTER_SCSI_LSILOGIC as u32 => Adapter::LsiLogic,
        // Newer headers may have adapters that this one does not know.
        _ => Adapter::Unknown,
    };
    let hardware = if head.hw_version == 0 { VIXDISKLIB_HWVERSION_CURRENT as u16 } else { head.hw_version };
    Ok(NewDisk { kind: disk_kind(head.disk_type)?, adapter, hardware, capacity: head.capacity })
}

/// The kind of disk that a number stands for.
///
/// # Errors
/// `InvalidArgument` for an unknown one, `NotSupported` for kinds that cannot be made.
pub(super) fn disk_kind(raw: u32) -> Result<DiskKind> {
    use VixDiskLibDiskType as D;
    match raw {
        kind if kind == D::VIXDISKLIB_DISK_MONOLITHIC_SPARSE as u32 => Ok(DiskKind::MonolithicSparse),
        kind if kind == D::VIXDISKLIB_DISK_MONOLITHIC_FLAT as u32 => Ok(DiskKind::MonolithicFlat),
        kind if kind == D::VIXDISKLIB_DISK_SPLIT_SPARSE as u32 => Ok(DiskKind::SplitSparse),
        kind if kind == D::VIXDISKLIB_DISK_SPLIT_FLAT as u32 => Ok(DiskKind::SplitFlat),
        kind if kind == D::VIXDISKLIB_DISK_VMFS_FLAT as u32 => Ok(DiskKind::VmfsFlat),
        kind if kind == D::VIXDISKLIB_DISK_VMFS_THIN as u32 => Ok(DiskKind::VmfsThin),
        kind if kind == D::VIXDISKLIB_DISK_STREAM_OPTIMIZED as u32 => Ok(DiskKind::StreamOptimized),
        kind if kind == D::VIXDISKLIB_DISK_VMFS_SPARSE as u32 => {
            Err(Error::new(Kind::NotSupported, format!("disks of type {raw} cannot be made by this release")))
        }
        _ => Err(Error::new(Kind::InvalidArgument, format!("{raw} is no type of disk"))),
    }
}
