//! The structs, enumerations and callbacks of the C interface, laid out exactly as VDDK clients expect.
//!
//! cbindgen turns this file into `include/vixDiskLib.h`. Layouts are those of LP64 Linux as public clients
//! declare them (nbdkit, the ctypes and cgo bindings); the asserts at the end and `ctests/layout.c` pin them
//! from both sides. No Rust `enum` or `bool` is ever taken by value from C: enumerations arrive as
//! [`RawDiskType`] and friends and are converted with a check.

use std::ffi::{c_char, c_int, c_long, c_void};

use super::codes::VixError;

/// Boolean of the C interface: one byte, zero is false and anything else is true.
pub type Bool = c_char;

/// A sector number or a number of sectors; a sector is always 512 bytes.
pub type VixDiskLibSectorType = u64;

/// Bytes in a sector of this interface, also on disks that report 4096-byte sectors.
pub const VIXDISKLIB_SECTOR_SIZE: u32 = 512;

/// Smallest chunk of `VixDiskLib_QueryAllocatedBlocks`, in sectors.
pub const VIXDISKLIB_MIN_CHUNK_SIZE: u32 = 128;
/// Largest chunk of `VixDiskLib_QueryAllocatedBlocks`, in sectors.
pub const VIXDISKLIB_MAX_CHUNK_SIZE: u32 = 131_072;
/// Most chunks that one call of `VixDiskLib_QueryAllocatedBlocks` may cover.
pub const VIXDISKLIB_MAX_CHUNK_NUMBER: u32 = 524_288;

/// Open flag: bypass the host's cache.
pub const VIXDISKLIB_FLAG_OPEN_UNBUFFERED: u32 = 1 << 0;
/// Open flag: open one link of a chain, not its parents.
pub const VIXDISKLIB_FLAG_OPEN_SINGLE_LINK: u32 = 1 << 1;
/// Open flag: no writes through this handle.
pub const VIXDISKLIB_FLAG_OPEN_READ_ONLY: u32 = 1 << 2;
/// Open flag: zlib compression on the NBDSSL transport; ignored elsewhere.
pub const VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB: u32 = 1 << 4;
/// Open flag: FastLZ compression on the NBDSSL transport; ignored elsewhere.
pub const VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ: u32 = 1 << 5;
/// Open flag: SkipZ compression on the NBDSSL transport; ignored elsewhere.
pub const VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ: u32 = 1 << 6;
/// The bits that choose a compression.
pub const VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK: u32 = 0x3f0;

/// Virtual hardware of Workstation 4.
pub const VIXDISKLIB_HWVERSION_WORKSTATION_4: u32 = 3;
/// Virtual hardware of Workstation 5.
pub const VIXDISKLIB_HWVERSION_WORKSTATION_5: u32 = 4;
/// Virtual hardware of ESX 3.0.
pub const VIXDISKLIB_HWVERSION_ESX30: u32 = 4;
/// Virtual hardware of Workstation 6.
pub const VIXDISKLIB_HWVERSION_WORKSTATION_6: u32 = 6;
/// Virtual hardware of ESX 4.x.
pub const VIXDISKLIB_HWVERSION_ESX4X: u32 = 7;
/// Virtual hardware of ESXi 5.0.
pub const VIXDISKLIB_HWVERSION_ESX50: u32 = 8;
/// Virtual hardware of ESXi 5.1.
pub const VIXDISKLIB_HWVERSION_ESX51: u32 = 9;
/// Virtual hardware of ESXi 5.5.
pub const VIXDISKLIB_HWVERSION_ESX55: u32 = 10;
/// Virtual hardware of ESXi 6.0.
pub const VIXDISKLIB_HWVERSION_ESX60: u32 = 11;
/// Virtual hardware of ESXi 6.5.
pub const VIXDISKLIB_HWVERSION_ESX65: u32 = 13;
/// The virtual hardware that a client without wishes of its own names.
pub const VIXDISKLIB_HWVERSION_CURRENT: u32 = 13;

/// Kinds of virtual disk.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VixDiskLibDiskType {
    /// One growing file.
    VIXDISKLIB_DISK_MONOLITHIC_SPARSE = 1,
    /// A descriptor and one file of the full size.
    VIXDISKLIB_DISK_MONOLITHIC_FLAT = 2,
    /// A descriptor and growing files of at most 2 GB.
    VIXDISKLIB_DISK_SPLIT_SPARSE = 3,
    /// A descriptor and files of at most 2 GB in full size.
    VIXDISKLIB_DISK_SPLIT_FLAT = 4,
    /// ESX disk with all its space reserved.
    VIXDISKLIB_DISK_VMFS_FLAT = 5,
    /// Compressed, to be written from front to end.
    VIXDISKLIB_DISK_STREAM_OPTIMIZED = 6,
    /// ESX disk whose space is taken as it is written.
    VIXDISKLIB_DISK_VMFS_THIN = 7,
    /// ESX redo log.
    VIXDISKLIB_DISK_VMFS_SPARSE = 8,
    /// Not one of the above.
    VIXDISKLIB_DISK_UNKNOWN = 256,
}

/// Adapters that a virtual disk can be attached to.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VixDiskLibAdapterType {
    /// IDE.
    VIXDISKLIB_ADAPTER_IDE = 1,
    /// SCSI, BusLogic.
    VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC = 2,
    /// SCSI, LSI Logic.
    VIXDISKLIB_ADAPTER_SCSI_LSILOGIC = 3,
    /// Not one of the above.
    VIXDISKLIB_ADAPTER_UNKNOWN = 256,
}

/// Kinds of credentials, the tag of [`VixDiskLibCreds`].
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VixDiskLibCredType {
    /// User name and password, member `uid`.
    VIXDISKLIB_CRED_UID = 1,
    /// Cookie of a session that exists, member `sessionId`.
    VIXDISKLIB_CRED_SESSIONID = 2,
    /// Ticket, member `ticketId`; internal to the vendor's products.
    VIXDISKLIB_CRED_TICKETID = 3,
    /// The Windows user of the process.
    VIXDISKLIB_CRED_SSPI = 4,
    /// Not one of the above.
    VIXDISKLIB_CRED_UNKNOWN = 256,
}

/// What the `spec` member of the connection parameters names, its tag.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VixDiskLibSpecType {
    /// A virtual machine, by `vmxSpec` of the connection parameters.
    VIXDISKLIB_SPEC_VMX = 0,
    /// A first-class disk, member `vStorageObjSpec`.
    VIXDISKLIB_SPEC_VSTORAGE_OBJECT = 1,
    /// A folder of a datastore, member `dsSpec`. 6.7 clients used this number for "unknown".
    VIXDISKLIB_SPEC_DATASTORE = 2,
    /// Not one of the above.
    VIXDISKLIB_SPEC_UNKNOWN = 256,
}

/// A [`VixDiskLibDiskType`] as C hands it over: any number.
pub type RawDiskType = u32;
/// A [`VixDiskLibAdapterType`] as C hands it over: any number.
pub type RawAdapterType = u32;
/// A [`VixDiskLibCredType`] as C hands it over: any number.
pub type RawCredType = u32;
/// A [`VixDiskLibSpecType`] as C hands it over: any number.
pub type RawSpecType = u32;

/// Cylinders, heads and sectors of a disk.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VixDiskLibGeometry {
    /// Number of cylinders.
    pub cylinders: u32,
    /// Heads in a cylinder.
    pub heads: u32,
    /// Sectors in a track.
    pub sectors: u32,
}

/// What `VixDiskLib_Create` makes. Clients built for VDDK 6.7 and older hand over the first 24 bytes only,
/// and nothing tells them apart, so Vixen never reads the two sector sizes: disks have 512-byte sectors.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskLibCreateParams {
    /// Kind of disk.
    pub diskType: RawDiskType,
    /// Adapter, which decides the geometry.
    pub adapterType: RawAdapterType,
    /// Virtual hardware version, `VIXDISKLIB_HWVERSION_...` or newer.
    pub hwVersion: u16,
    /// Capacity in sectors of 512 bytes.
    pub capacity: VixDiskLibSectorType,
    /// Logical sector size in bytes, 0 for 512; VDDK 7.0 and newer.
    pub logicalSectorSize: u32,
    /// Physical sector size in bytes, 0 for 512; VDDK 7.0 and newer.
    pub physicalSectorSize: u32,
}

/// What `VixDiskLib_GetInfo` tells of a disk. Allocated by the library, freed by `VixDiskLib_FreeInfo`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskLibInfo {
    /// Geometry of the BIOS; zeros when the disk does not name one.
    pub biosGeo: VixDiskLibGeometry,
    /// Physical geometry; zeros when the disk does not name one.
    pub physGeo: VixDiskLibGeometry,
    /// Capacity in sectors of 512 bytes.
    pub capacity: VixDiskLibSectorType,
    /// Adapter.
    pub adapterType: RawAdapterType,
    /// Links of the chain that is open; 1 for a base disk.
    pub numLinks: c_int,
    /// Name of the parent as the disk has it, not resolved; NULL when there is none.
    pub parentFileNameHint: *mut c_char,
    /// Identity of the disk; NULL when it has none.
    pub uuid: *mut c_char,
    /// Logical sector size in bytes.
    pub logicalSectorSize: u32,
    /// Physical sector size in bytes.
    pub physicalSectorSize: u32,
}

/// User name and password.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskLibUidPasswdCreds {
    /// User name.
    pub userName: *mut c_char,
    /// Password.
    pub password: *mut c_char,
}

/// A session that exists.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskLibSessionIdCreds {
    /// Value of the session cookie.
    pub cookie: *mut c_char,
    /// User name.
    pub userName: *mut c_char,
    /// Password or key.
    pub key: *mut c_char,
}

/// Opaque: ticket credentials are internal to the vendor's products.
#[derive(Debug)]
pub struct VixDiskLibTicketIdCreds {
    _private: [u8; 0],
}

/// Credentials; `credType` says which member holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub union VixDiskLibCreds {
    /// For `VIXDISKLIB_CRED_UID`.
    pub uid: VixDiskLibUidPasswdCreds,
    /// For `VIXDISKLIB_CRED_SESSIONID`.
    pub sessionId: VixDiskLibSessionIdCreds,
    /// For `VIXDISKLIB_CRED_TICKETID`; never read.
    pub ticketId: *mut VixDiskLibTicketIdCreds,
}

/// A first-class disk.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskLibVStorageObjectSpec {
    /// Id of the disk.
    pub id: *mut c_char,
    /// Managed object reference of its datastore.
    pub datastoreMoRef: *mut c_char,
    /// Id of a snapshot of the disk, or NULL.
    pub ssId: *mut c_char,
}

/// A folder of a datastore.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskLibDatastoreSpec {
    /// Managed object reference of the datastore.
    pub datastoreMoRef: *mut c_char,
    /// Folder in it.
    pub diskFolder: *mut c_char,
}

/// What the connection is for; `specType` says which member holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub union VixDiskLibSpec {
    /// A virtual machine; not used, `vmxSpec` of the connection parameters is.
    pub vmxSpec: *mut c_char,
    /// For `VIXDISKLIB_SPEC_VSTORAGE_OBJECT`.
    pub vStorageObjSpec: VixDiskLibVStorageObjectSpec,
    /// For `VIXDISKLIB_SPEC_DATASTORE`.
    pub dsSpec: VixDiskLibDatastoreSpec,
}

/// Opaque; always NULL in Vixen.
#[derive(Debug)]
pub struct VixDiskLibConnectParamsState {
    _private: [u8; 0],
}

/// How to reach a server, or nothing at all for local disks. Older clients hand over shorter forms: 72 bytes
/// up to VDDK 6.0, 80 in 6.5. What follows `nfcHostPort` is read only in structs that came from
/// `VixDiskLib_AllocateConnectParams` or `VixDiskLib_GetConnectParams`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct VixDiskLibConnectParams {
    /// Virtual machine: `moref=vm-123`, or a path with `?dcPath=..&dsName=..`. NULL or "" for local disks.
    pub vmxSpec: *mut c_char,
    /// Host name or address of vCenter or ESXi. NULL or "" for local disks.
    pub serverName: *mut c_char,
    /// Thumbprint of the server's certificate.
    pub thumbPrint: *mut c_char,
    /// Not used.
    pub privateUse: c_long,
    /// Which member of `creds` holds.
    pub credType: RawCredType,
    /// Credentials.
    pub creds: VixDiskLibCreds,
    /// TCP port of the server, 0 for 443.
    pub port: u32,
    /// TCP port of the disk service, 0 for 902.
    pub nfcHostPort: u32,
    /// Not used.
    pub vimApiVer: *mut c_char,
    /// Not used.
    pub reserved: [c_char; 8],
    /// Not used.
    pub state: *mut VixDiskLibConnectParamsState,
    /// What the connection is for, besides `vmxSpec`.
    pub spec: VixDiskLibSpec,
    /// Which member of `spec` holds.
    pub specType: RawSpecType,
}

/// The part of [`VixDiskLibConnectParams`] that every client fills, VDDK 5 clients included.
/// cbindgen:ignore
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ConnectParamsHead {
    pub(crate) vmx_spec: *const c_char,
    pub(crate) server_name: *const c_char,
    pub(crate) thumb_print: *const c_char,
    pub(crate) private_use: c_long,
    pub(crate) cred_type: RawCredType,
    pub(crate) creds: VixDiskLibCreds,
    pub(crate) port: u32,
    pub(crate) nfc_host_port: u32,
}

/// The part of [`VixDiskLibCreateParams`] that every client fills.
/// cbindgen:ignore
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct CreateParamsHead {
    pub(crate) disk_type: RawDiskType,
    pub(crate) adapter_type: RawAdapterType,
    pub(crate) hw_version: u16,
    pub(crate) capacity: VixDiskLibSectorType,
}

/// A run of allocated sectors.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VixDiskLibBlock {
    /// First sector, counted from the start of the disk.
    pub offset: VixDiskLibSectorType,
    /// Number of sectors.
    pub length: VixDiskLibSectorType,
}

/// Allocated runs, sorted and disjoint; `numBlocks` of them follow, however many the array is declared with.
/// Allocated by the library, freed by `VixDiskLib_FreeBlockList`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskLibBlockList {
    /// Number of runs; may be 0.
    pub numBlocks: u32,
    /// The runs.
    pub blocks: [VixDiskLibBlock; 1],
}

/// Opaque; a handle is a number in a table, never an address.
#[derive(Debug)]
pub struct VixDiskLibHandleStruct {
    _private: [u8; 0],
}

/// Opaque; a connection is a number in a table, never an address.
#[derive(Debug)]
pub struct VixDiskLibConnectParam {
    _private: [u8; 0],
}

/// An open disk.
pub type VixDiskLibHandle = *mut VixDiskLibHandleStruct;

/// A connection.
pub type VixDiskLibConnection = *mut VixDiskLibConnectParam;

/// A client's log function, `void (const char *format, va_list arguments)`. Rust has no stable `va_list`, so
/// the header's typedef is written by hand and this stands for it.
#[derive(Debug)]
pub struct VixDiskLibGenericLogFunc {
    _private: [u8; 0],
}

/// Told of progress on the calling thread, from 0 to 100 per cent; what it returns is ignored.
pub type VixDiskLibProgressFunc =
    Option<unsafe extern "C" fn(progressData: *mut c_void, percentCompleted: c_int) -> Bool>;

/// Told of the end of an asynchronous request, once, on any thread, perhaps before the request call returns.
pub type VixDiskLibCompletionCB = Option<unsafe extern "C" fn(cbData: *mut c_void, result: VixError)>;

/// The layouts that clients were compiled with, on LP64 Linux.
/// cbindgen:ignore
const _: () = {
    use std::mem::{offset_of as at, size_of};
    assert!(size_of::<VixDiskLibGeometry>() == 12);
    assert!(at!(VixDiskLibGeometry, heads) == 4 && at!(VixDiskLibGeometry, sectors) == 8);

    assert!(size_of::<CreateParamsHead>() == 24 && size_of::<VixDiskLibCreateParams>() == 32);
    assert!(at!(VixDiskLibCreateParams, adapterType) == 4 && at!(VixDiskLibCreateParams, hwVersion) == 8);
    assert!(at!(VixDiskLibCreateParams, capacity) == 16 && at!(CreateParamsHead, capacity) == 16);
    assert!(at!(VixDiskLibCreateParams, logicalSectorSize) == 24);
    assert!(at!(VixDiskLibCreateParams, physicalSectorSize) == 28);

    assert!(size_of::<VixDiskLibInfo>() == 64);
    assert!(at!(VixDiskLibInfo, biosGeo) == 0 && at!(VixDiskLibInfo, physGeo) == 12);
    assert!(at!(VixDiskLibInfo, capacity) == 24 && at!(VixDiskLibInfo, adapterType) == 32);
    assert!(at!(VixDiskLibInfo, numLinks) == 36 && at!(VixDiskLibInfo, parentFileNameHint) == 40);
    assert!(at!(VixDiskLibInfo, uuid) == 48 && at!(VixDiskLibInfo, logicalSectorSize) == 56);
    assert!(at!(VixDiskLibInfo, physicalSectorSize) == 60);

    assert!(size_of::<VixDiskLibCreds>() == 24 && size_of::<VixDiskLibSpec>() == 24);
    assert!(at!(VixDiskLibUidPasswdCreds, password) == 8);
    assert!(at!(VixDiskLibSessionIdCreds, userName) == 8 && at!(VixDiskLibSessionIdCreds, key) == 16);
    assert!(size_of::<VixDiskLibVStorageObjectSpec>() == 24 && size_of::<VixDiskLibDatastoreSpec>() == 16);

    assert!(size_of::<ConnectParamsHead>() == 72 && size_of::<VixDiskLibConnectParams>() == 128);
    assert!(at!(VixDiskLibConnectParams, vmxSpec) == 0 && at!(VixDiskLibConnectParams, serverName) == 8);
    assert!(at!(VixDiskLibConnectParams, thumbPrint) == 16 && at!(VixDiskLibConnectParams, privateUse) == 24);
    assert!(at!(VixDiskLibConnectParams, credType) == 32 && at!(VixDiskLibConnectParams, creds) == 40);
    assert!(at!(VixDiskLibConnectParams, port) == 64 && at!(VixDiskLibConnectParams, nfcHostPort) == 68);
    assert!(at!(VixDiskLibConnectParams, vimApiVer) == 72 && at!(VixDiskLibConnectParams, reserved) == 80);
    assert!(at!(VixDiskLibConnectParams, state) == 88 && at!(VixDiskLibConnectParams, spec) == 96);
    assert!(at!(VixDiskLibConnectParams, specType) == 120);
    assert!(at!(ConnectParamsHead, cred_type) == 32 && at!(ConnectParamsHead, creds) == 40);
    assert!(at!(ConnectParamsHead, port) == 64 && at!(ConnectParamsHead, nfc_host_port) == 68);

    assert!(size_of::<VixDiskLibBlock>() == 16 && at!(VixDiskLibBlock, length) == 8);
    assert!(size_of::<VixDiskLibBlockList>() == 24 && at!(VixDiskLibBlockList, blocks) == 8);
};
