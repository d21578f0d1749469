/* What stands between Go and the C interface.
 *
 * Handles of the library and of Go are numbers (uintptr_t) on the Go side: pointers that are none must not be seen by
 * Go's garbage collector, and pointers of Go must not be kept by C.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef VIXDISKLIB_GO_SHIM_H
#define VIXDISKLIB_GO_SHIM_H

#include <stdlib.h>
#include <vixDiskLib.h>

#define SHIM static inline __attribute__((unused))

/* ---- Callbacks, in shim.c --------------------------------------------------------------------- */

/* Starts the library with log functions that reach goLog. */
VixError shim_init(uint32_t major, uint32_t minor, const char *folder, const char *config);

/* As VixDiskLib_CheckRepair; what is logged meanwhile on this thread goes to `listener` too. */
VixError shim_check_repair(uintptr_t connection, const char *path, int repair, uintptr_t listener);

/* Reach goProgress and goCompleted. */
Bool shim_progress(void *data, int percent);
void shim_completed(void *data, VixError result);

/* The function for a progress handle, NULL for none. */
SHIM VixDiskLibProgressFunc shim_progress_of(uintptr_t progress)
{
    return progress != 0 ? shim_progress : NULL;
}

/* ---- Connections ------------------------------------------------------------------------------ */

SHIM void shim_set_user(VixDiskLibConnectParams *params, char *user, char *password)
{
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = user;
    params->creds.uid.password = password;
}

SHIM void shim_set_session(VixDiskLibConnectParams *params, char *cookie, char *user, char *key)
{
    params->credType = VIXDISKLIB_CRED_SESSIONID;
    params->creds.sessionId.cookie = cookie;
    params->creds.sessionId.userName = user;
    params->creds.sessionId.key = key;
}

SHIM void shim_set_disk(VixDiskLibConnectParams *params, char *id, char *datastore, char *snapshot)
{
    params->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
    params->spec.vStorageObjSpec.id = id;
    params->spec.vStorageObjSpec.datastoreMoRef = datastore;
    params->spec.vStorageObjSpec.ssId = snapshot;
}

SHIM void shim_set_folder(VixDiskLibConnectParams *params, char *datastore, char *folder)
{
    params->specType = VIXDISKLIB_SPEC_DATASTORE;
    params->spec.dsSpec.datastoreMoRef = datastore;
    params->spec.dsSpec.diskFolder = folder;
}

SHIM VixError shim_connect(VixDiskLibConnectParams *params, int read_only, const char *snapshot, const char *modes,
                           uintptr_t *connection)
{
    VixDiskLibConnection made = NULL;
    VixError error = VixDiskLib_ConnectEx(params, (Bool)read_only, snapshot, modes, &made);
    *connection = (uintptr_t)made;
    return error;
}

SHIM VixError shim_disconnect(uintptr_t connection)
{
    return VixDiskLib_Disconnect((VixDiskLibConnection)connection);
}

/* ---- Whole disks ------------------------------------------------------------------------------ */

SHIM VixError shim_create(uintptr_t connection, const char *path, const VixDiskLibCreateParams *params,
                          uintptr_t progress)
{
    return VixDiskLib_Create((VixDiskLibConnection)connection, path, params, shim_progress_of(progress),
                             (void *)progress);
}

SHIM VixError shim_create_child(uintptr_t parent, const char *path, int type, uintptr_t progress)
{
    return VixDiskLib_CreateChild((VixDiskLibHandle)parent, path, (VixDiskLibDiskType)type,
                                  shim_progress_of(progress), (void *)progress);
}

SHIM VixError shim_clone(uintptr_t to, const char *target, uintptr_t from, const char *source,
                         const VixDiskLibCreateParams *params, uintptr_t progress, int overwrite)
{
    return VixDiskLib_Clone((VixDiskLibConnection)to, target, (VixDiskLibConnection)from, source, params,
                            shim_progress_of(progress), (void *)progress, (Bool)overwrite);
}

SHIM VixError shim_grow(uintptr_t connection, const char *path, uint64_t capacity, int geometry, uintptr_t progress)
{
    return VixDiskLib_Grow((VixDiskLibConnection)connection, path, capacity, (Bool)geometry,
                           shim_progress_of(progress), (void *)progress);
}

SHIM VixError shim_unlink(uintptr_t connection, const char *path)
{
    return VixDiskLib_Unlink((VixDiskLibConnection)connection, path);
}

/* ---- Open disks ------------------------------------------------------------------------------- */

SHIM VixError shim_open(uintptr_t connection, const char *path, uint32_t flags, uintptr_t *disk)
{
    VixDiskLibHandle opened = NULL;
    VixError error = VixDiskLib_Open((VixDiskLibConnection)connection, path, flags, &opened);
    *disk = (uintptr_t)opened;
    return error;
}

SHIM VixError shim_close(uintptr_t disk)
{
    return VixDiskLib_Close((VixDiskLibHandle)disk);
}

SHIM VixError shim_info(uintptr_t disk, VixDiskLibInfo **info)
{
    return VixDiskLib_GetInfo((VixDiskLibHandle)disk, info);
}

SHIM const char *shim_transport_mode(uintptr_t disk)
{
    return VixDiskLib_GetTransportMode((VixDiskLibHandle)disk);
}

SHIM VixError shim_read(uintptr_t disk, uint64_t sector, uint64_t count, void *buffer)
{
    return VixDiskLib_Read((VixDiskLibHandle)disk, sector, count, buffer);
}

SHIM VixError shim_write(uintptr_t disk, uint64_t sector, uint64_t count, const void *buffer)
{
    return VixDiskLib_Write((VixDiskLibHandle)disk, sector, count, buffer);
}

SHIM VixError shim_read_async(uintptr_t disk, uint64_t sector, uint64_t count, void *buffer, uintptr_t request)
{
    return VixDiskLib_ReadAsync((VixDiskLibHandle)disk, sector, count, buffer, shim_completed, (void *)request);
}

SHIM VixError shim_write_async(uintptr_t disk, uint64_t sector, uint64_t count, const void *buffer, uintptr_t request)
{
    return VixDiskLib_WriteAsync((VixDiskLibHandle)disk, sector, count, buffer, shim_completed, (void *)request);
}

SHIM VixError shim_flush(uintptr_t disk)
{
    return VixDiskLib_Flush((VixDiskLibHandle)disk);
}

SHIM VixError shim_wait(uintptr_t disk)
{
    return VixDiskLib_Wait((VixDiskLibHandle)disk);
}

SHIM VixError shim_blocks(uintptr_t disk, uint64_t start, uint64_t count, uint64_t chunk, VixDiskLibBlockList **list)
{
    return VixDiskLib_QueryAllocatedBlocks((VixDiskLibHandle)disk, start, count, chunk, list);
}

SHIM VixError shim_read_metadata(uintptr_t disk, const char *key, char *buffer, size_t size, size_t *needed)
{
    return key != NULL ? VixDiskLib_ReadMetadata((VixDiskLibHandle)disk, key, buffer, size, needed)
                       : VixDiskLib_GetMetadataKeys((VixDiskLibHandle)disk, buffer, size, needed);
}

SHIM VixError shim_write_metadata(uintptr_t disk, const char *key, const char *value)
{
    return VixDiskLib_WriteMetadata((VixDiskLibHandle)disk, key, value);
}

SHIM VixError shim_shrink(uintptr_t disk, uintptr_t progress)
{
    return VixDiskLib_Shrink((VixDiskLibHandle)disk, shim_progress_of(progress), (void *)progress);
}

SHIM VixError shim_defragment(uintptr_t disk, uintptr_t progress)
{
    return VixDiskLib_Defragment((VixDiskLibHandle)disk, shim_progress_of(progress), (void *)progress);
}

SHIM VixError shim_space_for_clone(uintptr_t disk, int type, uint64_t *bytes)
{
    return VixDiskLib_SpaceNeededForClone((VixDiskLibHandle)disk, (VixDiskLibDiskType)type, bytes);
}

SHIM VixError shim_check_attach(uintptr_t parent, uintptr_t child)
{
    return VixDiskLib_IsAttachPossible((VixDiskLibHandle)parent, (VixDiskLibHandle)child);
}

SHIM VixError shim_attach(uintptr_t parent, uintptr_t child)
{
    return VixDiskLib_Attach((VixDiskLibHandle)parent, (VixDiskLibHandle)child);
}

#endif
