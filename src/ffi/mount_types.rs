//! Types of the mount interface, `include/vixMntapi.h`: clients compile them in, so their layouts are kept here. Its
//! functions belong to a library of their own (`libvixMntapi.so`), which is not part of this release.

use std::ffi::c_char;

use super::types::Bool;

/// Version of the mount interface that programs ask for, major part.
pub const VIXMNTAPI_MAJOR_VERSION: u32 = 1;
/// Version of the mount interface that programs ask for, minor part.
pub const VIXMNTAPI_MINOR_VERSION: u32 = 0;

/// Family of an operating system.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VixOsFamily {
    /// None was found.
    VIXMNTAPI_NO_OS = 0,
    /// Windows.
    VIXMNTAPI_WINDOWS = 1,
    /// Any other; Linux is told as this.
    VIXMNTAPI_OTHER = 255,
}

/// Kind of a volume.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VixVolumeType {
    /// Not known.
    VIXMNTAPI_UNKNOWN_VOLTYPE = 0,
    /// A partition of a master boot record.
    VIXMNTAPI_BASIC_PARTITION = 1,
    /// A partition of a GUID partition table.
    VIXMNTAPI_GPT_PARTITION = 2,
    /// A volume of Windows' logical disk manager.
    VIXMNTAPI_DYNAMIC_VOLUME = 3,
    /// A volume of Linux' logical volume manager.
    VIXMNTAPI_LVM_VOLUME = 4,
}

/// A [`VixOsFamily`] as C hands it over: any number.
pub type RawOsFamily = u32;
/// A [`VixVolumeType`] as C hands it over: any number.
pub type RawVolumeType = u32;

/// The operating system that is on a set of disks. Strings end in NUL and belong to the library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixOsInfo {
    /// Family.
    pub family: RawOsFamily,
    /// Version, major part.
    pub majorVersion: u32,
    /// Version, minor part.
    pub minorVersion: u32,
    /// Whether it is for 64 bits: one byte, zero is false.
    pub osIs64Bit: Bool,
    /// Who makes it.
    pub vendor: *mut c_char,
    /// Edition.
    pub edition: *mut c_char,
    /// Folder that it is in.
    pub osFolder: *mut c_char,
}

/// A volume; `numGuestMountPoints` strings follow, however many the array is declared with.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixVolumeInfo {
    /// Kind.
    pub r#type: RawVolumeType,
    /// Whether it is mounted here: one byte, zero is false.
    pub isMounted: Bool,
    /// Where it is mounted here; NULL when it is not.
    pub symbolicLink: *mut c_char,
    /// Number of places where the guest mounts it.
    pub numGuestMountPoints: usize,
    /// Those places.
    pub inGuestMountPoints: [*mut c_char; 1],
}

/// A set of open disks.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VixDiskSetInfo {
    /// Flags that the disks were opened with, `VIXDISKLIB_FLAG_OPEN_...`.
    pub openFlags: u32,
    /// Folder in which the disk stands as a file of its plain sectors.
    pub mountPath: *mut c_char,
}

/// Opaque.
#[derive(Debug)]
pub struct VixDiskSetHandleStruct {
    _private: [u8; 0],
}

/// Opaque.
#[derive(Debug)]
pub struct VixVolumeHandleStruct {
    _private: [u8; 0],
}

/// A set of open disks.
pub type VixDiskSetHandle = *mut VixDiskSetHandleStruct;

/// A volume of a set.
pub type VixVolumeHandle = *mut VixVolumeHandleStruct;

/// The layouts that clients were compiled with, on LP64 Linux.
/// cbindgen:ignore
const _: () = {
    use std::mem::{offset_of as at, size_of};
    assert!(size_of::<VixOsInfo>() == 40);
    assert!(at!(VixOsInfo, family) == 0 && at!(VixOsInfo, majorVersion) == 4);
    assert!(at!(VixOsInfo, minorVersion) == 8 && at!(VixOsInfo, osIs64Bit) == 12);
    assert!(at!(VixOsInfo, vendor) == 16 && at!(VixOsInfo, edition) == 24);
    assert!(at!(VixOsInfo, osFolder) == 32);
    assert!(size_of::<VixVolumeInfo>() == 32);
    assert!(at!(VixVolumeInfo, r#type) == 0 && at!(VixVolumeInfo, isMounted) == 4);
    assert!(at!(VixVolumeInfo, symbolicLink) == 8 && at!(VixVolumeInfo, numGuestMountPoints) == 16);
    assert!(at!(VixVolumeInfo, inGuestMountPoints) == 24);
    assert!(size_of::<VixDiskSetInfo>() == 16);
    assert!(at!(VixDiskSetInfo, openFlags) == 0 && at!(VixDiskSetInfo, mountPath) == 8);
    assert!(size_of::<VixOsFamily>() == 4 && size_of::<VixVolumeType>() == 4 && size_of::<Bool>() == 1);
};
