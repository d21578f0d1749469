/* VixMntapi: the volumes of virtual disks, mounted on this machine.
 *
 * The types and prototypes only, so that programs which name them compile. The library that has these functions,
 * libvixMntapi, is not built yet, and libvixDiskLib does not export them: a program that calls one does not link.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef VIXEN_VIX_MNTAPI_H
#define VIXEN_VIX_MNTAPI_H

#include <stddef.h>

#include "vixDiskLib.h"

/* The version of the interface, for VixMntapi_Init. */
#define VIXMNTAPI_MAJOR_VERSION 1
#define VIXMNTAPI_MINOR_VERSION 0

#ifdef __cplusplus
extern "C" {
#endif

/* Disks that are open together. */
typedef struct VixDiskSetHandleStruct *VixDiskSetHandle;

/* A volume of such a set. */
typedef struct VixVolumeHandleStruct *VixVolumeHandle;

/* Families of guest systems; everything that is no Windows is OTHER. */
typedef enum VixOsFamily {
    VIXMNTAPI_NO_OS = 0,
    VIXMNTAPI_WINDOWS = 1,
    VIXMNTAPI_OTHER = 255
} VixOsFamily;

/* The default system of a set. The strings are the library's. */
typedef struct VixOsInfo {
    VixOsFamily family;
    uint32 majorVersion;
    uint32 minorVersion;
    Bool osIs64Bit;
    char *vendor;
    char *edition;
    /* Where the system is installed, as a path on this machine. */
    char *osFolder;
} VixOsInfo;

/* Kinds of volumes. */
typedef enum VixVolumeType {
    VIXMNTAPI_UNKNOWN_VOLTYPE = 0,
    VIXMNTAPI_BASIC_PARTITION = 1,
    VIXMNTAPI_GPT_PARTITION = 2,
    VIXMNTAPI_DYNAMIC_VOLUME = 3,
    VIXMNTAPI_LVM_VOLUME = 4
} VixVolumeType;

/* A volume. */
typedef struct VixVolumeInfo {
    VixVolumeType type;
    Bool isMounted;
    /* The path by which it is reached on this machine; NULL while it is not mounted. */
    char *symbolicLink;
    /* Entries of inGuestMountPoints; 0 while it is not mounted. */
    size_t numGuestMountPoints;
    /* Where the guest has it mounted; goes on behind the end of the struct. */
    char *inGuestMountPoints[1];
} VixVolumeInfo;

/* A set of disks. */
typedef struct VixDiskSetInfo {
    /* VIXDISKLIB_FLAG_OPEN_* that the disks were opened with. */
    uint32 openFlags;
    /* The folder in which the disks appear as plain files. */
    char *mountPath;
} VixDiskSetInfo;

/* Begins the use of the library, once in a process and after VixDiskLib_InitEx. Log functions, libDir and configFile
 * may be NULL; the key tmpDirectory of the configuration is used. */
VixError VixMntapi_Init(uint32 majorVersion, uint32 minorVersion, VixDiskLibGenericLogFunc *log,
                        VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic, const char *libDir,
                        const char *configFile);

/* Ends it. */
void VixMntapi_Exit(void);

#ifdef _WIN32
/* A set of disks that are open already. */
VixError VixMntapi_OpenDiskSet(VixDiskLibHandle diskHandles[], size_t numberOfDisks, uint32 openMode,
                               VixDiskSetHandle *diskSet);
#endif

/* Opens disks by their names as a set; on Linux exactly one. openFlags are VIXDISKLIB_FLAG_OPEN_*. */
VixError VixMntapi_OpenDisks(VixDiskLibConnection connection, const char *diskNames[], size_t numberOfDisks,
                             uint32 openFlags, VixDiskSetHandle *diskSet);

/* What is known of a set; to be given back with VixMntapi_FreeDiskSetInfo. */
VixError VixMntapi_GetDiskSetInfo(VixDiskSetHandle diskSet, VixDiskSetInfo **diskSetInfo);
void VixMntapi_FreeDiskSetInfo(VixDiskSetInfo *diskSetInfo);

/* Closes a set, before its connection is closed. */
VixError VixMntapi_CloseDiskSet(VixDiskSetHandle diskSet);

/* The volumes of a set, as an array that is given back with VixMntapi_FreeVolumeHandles. */
VixError VixMntapi_GetVolumeHandles(VixDiskSetHandle diskSet, size_t *numberOfVolumes,
                                    VixVolumeHandle **volumeHandles);
void VixMntapi_FreeVolumeHandles(VixVolumeHandle *volumeHandles);

/* The default system of a set; to be given back with VixMntapi_FreeOsInfo. */
VixError VixMntapi_GetOsInfo(VixDiskSetHandle diskSet, VixOsInfo **osInfo);
void VixMntapi_FreeOsInfo(VixOsInfo *osInfo);

/* Mounts a volume, and takes it down again; `force` does so while files of it are open. */
VixError VixMntapi_MountVolume(VixVolumeHandle volume, Bool readOnly);
VixError VixMntapi_DismountVolume(VixVolumeHandle volume, Bool force);

/* What is known of a volume, some of it while it is mounted only; to be given back with VixMntapi_FreeVolumeInfo. */
VixError VixMntapi_GetVolumeInfo(VixVolumeHandle volume, VixVolumeInfo **volumeInfo);
void VixMntapi_FreeVolumeInfo(VixVolumeInfo *volumeInfo);

#ifdef __cplusplus
}
#endif

#endif /* VIXEN_VIX_MNTAPI_H */
