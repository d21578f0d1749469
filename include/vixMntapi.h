/* VixMntapi: the volumes of virtual disks, mounted on this machine.
 *
 * Types and prototypes only, so that programs which name them compile. The library that has these functions,
 * libvixMntapi, is not built yet, and libvixDiskLib does not export them: a program that calls one does not link.
 *
 * Generated from the Rust definitions by `make header`; do not edit.
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef VIXEN_VIX_MNTAPI_H
#define VIXEN_VIX_MNTAPI_H

#include <stddef.h>

#include "vixDiskLib.h"

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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Begins the use of the library, once in a process and after VixDiskLib_InitEx. Log functions, libDir and configFile
// may be NULL; the key tmpDirectory of the configuration is used.
VixError VixMntapi_Init(uint32 majorVersion, uint32 minorVersion, VixDiskLibGenericLogFunc *log,
                        VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic, const char *libDir,
                        const char *configFile);

// Ends it.
void VixMntapi_Exit(void);

#ifdef _WIN32
// A set of disks that are open already.
VixError VixMntapi_OpenDiskSet(VixDiskLibHandle diskHandles[], size_t numberOfDisks, uint32 openMode,
                               VixDiskSetHandle *diskSet);
#endif

// Opens disks by their names as a set; on Linux exactly one. openFlags are VIXDISKLIB_FLAG_OPEN_*.
VixError VixMntapi_OpenDisks(VixDiskLibConnection connection, const char *diskNames[], size_t numberOfDisks,
                             uint32 openFlags, VixDiskSetHandle *diskSet);

// What is known of a set; to be given back with VixMntapi_FreeDiskSetInfo.
VixError VixMntapi_GetDiskSetInfo(VixDiskSetHandle diskSet, VixDiskSetInfo **diskSetInfo);
void VixMntapi_FreeDiskSetInfo(VixDiskSetInfo *diskSetInfo);

// Closes a set, before its connection is closed.
VixError VixMntapi_CloseDiskSet(VixDiskSetHandle diskSet);

// The volumes of a set, as an array that is given back with VixMntapi_FreeVolumeHandles.
VixError VixMntapi_GetVolumeHandles(VixDiskSetHandle diskSet, size_t *numberOfVolumes,
                                    VixVolumeHandle **volumeHandles);
void VixMntapi_FreeVolumeHandles(VixVolumeHandle *volumeHandles);

// The default system of a set; to be given back with VixMntapi_FreeOsInfo.
VixError VixMntapi_GetOsInfo(VixDiskSetHandle diskSet, VixOsInfo **osInfo);
void VixMntapi_FreeOsInfo(VixOsInfo *osInfo);

// Mounts a volume, and takes it down again; `force` does so while files of it are open.
VixError VixMntapi_MountVolume(VixVolumeHandle volume, Bool readOnly);
VixError VixMntapi_DismountVolume(VixVolumeHandle volume, Bool force);

// What is known of a volume, some of it while it is mounted only; to be given back with VixMntapi_FreeVolumeInfo.
VixError VixMntapi_GetVolumeInfo(VixVolumeHandle volume, VixVolumeInfo **volumeInfo);
void VixMntapi_FreeVolumeInfo(VixVolumeInfo *volumeInfo);

#ifdef __cplusplus
} // extern "C"
#endif // __cplusplus

#endif /* VIXEN_VIX_MNTAPI_H */
