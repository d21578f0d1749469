/* What a client with C of its own needs of the header: names, constants, and every function at link time.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef LINKED_H
#define LINKED_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vixDiskLib.h>

typedef struct {
    VixDiskLibConnection connection;
    VixError error;
} Connected;

typedef struct {
    VixDiskLibHandle disk;
    VixError error;
} Opened;

/* All flags, bits without a meaning too, but for the second and third way of compression: one at most may be set. */
enum {
    ALL_FLAGS = VIXDISKLIB_FLAG_OPEN_SINGLE_LINK | VIXDISKLIB_FLAG_OPEN_READ_ONLY |
                (VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK ^ VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB ^
                 VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ)
};

/* "" for everything that is absent, and a new struct for every call, which nobody frees. */
static inline VixDiskLibConnectParams *params_of(char *machine, char *server, char *thumbprint, char *user,
                                                 char *password, char *disk, char *datastore, char *snapshot)
{
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    params->vmxSpec = machine;
    params->serverName = server;
    params->thumbPrint = thumbprint;
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = user;
    params->creds.uid.password = password;
    if (strlen(disk) > 0) {
        params->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
        params->spec.vStorageObjSpec.id = disk;
        params->spec.vStorageObjSpec.datastoreMoRef = datastore;
        params->spec.vStorageObjSpec.ssId = snapshot;
    }
    return params;
}

/* ConnectEx for reading, Connect for writing. */
static inline Connected connect_with(VixDiskLibConnectParams *params, int read_only, char *snapshot, char *modes)
{
    Connected made = {NULL, VIX_OK};
    made.error = read_only ? VixDiskLib_ConnectEx(params, (Bool)read_only, snapshot, modes, &made.connection)
                           : VixDiskLib_Connect(params, &made.connection);
    /* No parentheses of its own: the macro has them. */
    if VIX_FAILED (made.error) {
        made.connection = NULL;
    }
    return made;
}

static inline Opened open_with(VixDiskLibConnection connection, char *path, uint32 flags)
{
    Opened made = {NULL, VIX_OK};
    made.error = VixDiskLib_Open(connection, path, flags, &made.disk);
    return made;
}

static inline Bool told(void *data, int percent)
{
    *(int *)data = percent;
    return TRUE;
}

/* A pointer to a function, by the name of its type. */
static inline VixError create_with(VixDiskLibConnection connection, char *path, VixDiskLibSectorType capacity, int *percent)
{
    VixDiskLibProgressFunc progress = &told;
    VixDiskLibCreateParams params = {VIXDISKLIB_DISK_MONOLITHIC_SPARSE, VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
                                     VIXDISKLIB_HWVERSION_ESX4X, capacity, 0, 0};
    return VixDiskLib_Create(connection, path, &params, progress, percent);
}

static inline VixError clone_with(VixDiskLibConnection connection, char *source, char *target, int *percent)
{
    VixDiskLibCreateParams params = {VIXDISKLIB_DISK_STREAM_OPTIMIZED, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
                                     VIXDISKLIB_HWVERSION_CURRENT, 1, 0, 0};
    return VixDiskLib_Clone(connection, target, connection, source, &params, &told, percent, TRUE);
}

static inline VixError grow_with(VixDiskLibConnection connection, char *path, VixDiskLibSectorType capacity, int *percent)
{
    return VixDiskLib_Grow(connection, path, capacity, FALSE, &told, percent);
}

static inline VixError tidy_with(VixDiskLibHandle disk, int *percent)
{
    VixError error = VixDiskLib_Shrink(disk, &told, percent);
    return VIX_SUCCEEDED(error) ? VixDiskLib_Defragment(disk, &told, percent) : error;
}

static inline VixError child_with(VixDiskLibHandle disk, char *path)
{
    return VixDiskLib_CreateChild(disk, path, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL);
}

#endif
