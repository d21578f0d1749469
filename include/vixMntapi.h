/* VixMntapi: types of the interface that mounts the volumes of virtual disks. Its functions belong to
 * libvixMntapi.so, which this release does not have.
 *
 * Generated from the Rust definitions by `make header`; do not edit.
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef VIXEN_VIX_MNTAPI_H
#define VIXEN_VIX_MNTAPI_H

#include <stddef.h>

#include "vm_basic_types.h"

// Version of the mount interface that programs ask for, major part.
#define VIXMNTAPI_MAJOR_VERSION 1

// Version of the mount interface that programs ask for, minor part.
#define VIXMNTAPI_MINOR_VERSION 0

// Family of an operating system.
typedef enum VixOsFamily {
  // None was found.
  VIXMNTAPI_NO_OS = 0,
  // Windows.
  VIXMNTAPI_WINDOWS = 1,
  // Any other; Linux is told as this.
  VIXMNTAPI_OTHER = 255,
} VixOsFamily;

// Kind of a volume.
typedef enum VixVolumeType {
  // Not known.
  VIXMNTAPI_UNKNOWN_VOLTYPE = 0,
  // A partition of a master boot record.
  VIXMNTAPI_BASIC_PARTITION = 1,
  // A partition of a GUID partition table.
  VIXMNTAPI_GPT_PARTITION = 2,
  // A volume of Windows' logical disk manager.
  VIXMNTAPI_DYNAMIC_VOLUME = 3,
  // A volume of Linux' logical volume manager.
  VIXMNTAPI_LVM_VOLUME = 4,
} VixVolumeType;

// Opaque.
typedef struct VixDiskSetHandleStruct VixDiskSetHandleStruct;

// Opaque.
typedef struct VixVolumeHandleStruct VixVolumeHandleStruct;

// The operating system that is on a set of disks. Strings end in NUL and belong to the library.
typedef struct VixOsInfo {
  // Family.
  VixOsFamily family;
  // Version, major part.
  uint32_t majorVersion;
  // Version, minor part.
  uint32_t minorVersion;
  // Whether it is for 64 bits: one byte, zero is false.
  Bool osIs64Bit;
  // Who makes it.
  char *vendor;
  // Edition.
  char *edition;
  // Folder that it is in.
  char *osFolder;
} VixOsInfo;

// A volume; `numGuestMountPoints` strings follow, however many the array is declared with.
typedef struct VixVolumeInfo {
  // Kind.
  VixVolumeType type;
  // Whether it is mounted here: one byte, zero is false.
  Bool isMounted;
  // Where it is mounted here; NULL when it is not.
  char *symbolicLink;
  // Number of places where the guest mounts it.
  size_t numGuestMountPoints;
  // Those places.
  char *inGuestMountPoints[1];
} VixVolumeInfo;

// A set of open disks.
typedef struct VixDiskSetInfo {
  // Flags that the disks were opened with, `VIXDISKLIB_FLAG_OPEN_...`.
  uint32_t openFlags;
  // Folder in which the disk stands as a file of its plain sectors.
  char *mountPath;
} VixDiskSetInfo;

// A set of open disks.
typedef struct VixDiskSetHandleStruct *VixDiskSetHandle;

// A volume of a set.
typedef struct VixVolumeHandleStruct *VixVolumeHandle;

#endif  /* VIXEN_VIX_MNTAPI_H */
