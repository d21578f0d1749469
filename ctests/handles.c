/* Handles that are NULL, stale, foreign or closed twice give an error code in every function; closing while other
 * threads read is orderly.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <pthread.h>

#include "check.h"

static uint8 sectors[256 * VIXDISKLIB_SECTOR_SIZE];

static void never_called(void *data, VixError result)
{
    (void)data, (void)result;
    fprintf(stderr, "a refused request was told of its end\n");
    checks_failed++;
}

/* Every function that takes a disk. */
static void disk_is_refused(VixDiskLibHandle disk, VixError wanted)
{
    VixDiskLibInfo *info = (VixDiskLibInfo *)sectors;
    VixDiskLibBlockList *list = (VixDiskLibBlockList *)sectors;
    size_t needed = 0;
    char text[16];
    check_error(VixDiskLib_Read(disk, 0, 1, sectors), wanted);
    check_error(VixDiskLib_Write(disk, 0, 1, sectors), wanted);
    check_error(VixDiskLib_ReadAsync(disk, 0, 1, sectors, never_called, NULL), wanted);
    check_error(VixDiskLib_WriteAsync(disk, 0, 1, sectors, never_called, NULL), wanted);
    check_error(VixDiskLib_Flush(disk), wanted);
    check_error(VixDiskLib_Wait(disk), wanted);
    check_error(VixDiskLib_GetInfo(disk, &info), wanted);
    check(info == NULL);
    check_error(VixDiskLib_QueryAllocatedBlocks(disk, 0, 128, 128, &list), wanted);
    check(list == NULL);
    check_error(VixDiskLib_ReadMetadata(disk, "uuid", text, sizeof text, &needed), wanted);
    check_error(VixDiskLib_WriteMetadata(disk, "uuid", "1"), wanted);
    check_error(VixDiskLib_GetMetadataKeys(disk, text, sizeof text, &needed), wanted);
    check(VixDiskLib_GetTransportMode(disk) == NULL);
    check_error(VixDiskLib_Close(disk), wanted);
}

static void connection_is_refused(VixDiskLibConnection connection, VixError wanted)
{
    VixDiskLibHandle disk = (VixDiskLibHandle)sectors;
    check_error(VixDiskLib_Open(connection, "disk.vmdk", 0, &disk), wanted);
    check(disk == NULL);
    check_error(create(connection, "other.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 128), wanted);
    check(access("other.vmdk", F_OK) != 0);
    VixDiskLibConnectParams *params = (VixDiskLibConnectParams *)sectors;
    check_error(VixDiskLib_GetConnectParams(connection, &params), wanted);
    check(params == NULL);
    check_error(VixDiskLib_Disconnect(connection), wanted);
}

static void bad_handles(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    disk_is_refused(NULL, VIX_E_INVALID_ARG);
    connection_is_refused(NULL, VIX_E_INVALID_ARG);
    /* Of the other kind, near to a real one, an address, anything. */
    disk_is_refused((VixDiskLibHandle)connection, VIX_E_INVALID_HANDLE);
    connection_is_refused((VixDiskLibConnection)disk, VIX_E_INVALID_HANDLE);
    const uintptr_t wrong[] = {1, 0xdeadbeef, (uintptr_t)sectors, UINTPTR_MAX, (uintptr_t)disk + 1,
                               (uintptr_t)disk ^ ((uintptr_t)1 << 40)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        disk_is_refused((VixDiskLibHandle)wrong[i], VIX_E_INVALID_HANDLE);
        connection_is_refused((VixDiskLibConnection)wrong[i], VIX_E_INVALID_HANDLE);
    }
    check_ok(VixDiskLib_Read(disk, 0, 1, sectors)); /* the real one has not suffered */
    check_ok(VixDiskLib_Close(disk));
    disk_is_refused(disk, VIX_E_INVALID_HANDLE); /* closed twice */

    /* Its place is taken by the next one, its number is not. */
    VixDiskLibHandle next = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check(next != disk);
    disk_is_refused(disk, VIX_E_INVALID_HANDLE);
    check_ok(VixDiskLib_Close(next));
}

/* A connection that ends takes its disks with it. */
static void disconnect_closes(void)
{
    VixDiskLibConnection connection = connect_local(), other = connect_local();
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLibHandle kept = open_disk(other, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Disconnect(connection));
    disk_is_refused(disk, VIX_E_INVALID_HANDLE);
    connection_is_refused(connection, VIX_E_INVALID_HANDLE);
    check_ok(VixDiskLib_Read(kept, 0, 1, sectors));
    check_ok(VixDiskLib_Disconnect(other));
}

static VixDiskLibHandle shared_disk;
static volatile bool stop;

/* Reads until the disk is closed under it: only these two answers are right, and what was read is whole. */
static void *read_on(void *data)
{
    uint64 *reads = data;
    uint8 *buffer = malloc(64 * VIXDISKLIB_SECTOR_SIZE);
    require(buffer != NULL);
    while (!stop) {
        VixError error = VixDiskLib_Read(shared_disk, 100, 64, buffer);
        if (error != VIX_OK) {
            check_error(error, VIX_E_INVALID_HANDLE);
            break;
        }
        check(holds(buffer, 100, 64, 5));
        __atomic_fetch_add(reads, 1, __ATOMIC_RELAXED);
    }
    free(buffer);
    return NULL;
}

static void closed_while_others_read(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
    fill(sectors, 100, 64, 5);
    check_ok(VixDiskLib_Write(disk, 100, 64, sectors));
    check_ok(VixDiskLib_Close(disk));
    for (unsigned round = 0; round < 100 / slowness() + 1; round++) {
        uint64 reads = 0;
        pthread_t threads[4];
        shared_disk = open_disk(connection, "disk.vmdk", round % 2 == 0 ? VIXDISKLIB_FLAG_OPEN_READ_ONLY : 0);
        for (int i = 0; i < 4; i++)
            require(pthread_create(&threads[i], NULL, read_on, &reads) == 0);
        while (__atomic_load_n(&reads, __ATOMIC_RELAXED) < 10)
            usleep(100);
        check_ok(VixDiskLib_Close(shared_disk));
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
}

/* Two threads close the same disk: one of them did. */
static void *close_it(void *data)
{
    VixError error = VixDiskLib_Close(shared_disk);
    if (error == VIX_OK)
        __atomic_fetch_add((int *)data, 1, __ATOMIC_RELAXED);
    else
        check_error(error, VIX_E_INVALID_HANDLE);
    return NULL;
}

static void closed_by_two_threads(VixDiskLibConnection connection)
{
    for (unsigned round = 0; round < 100 / slowness() + 1; round++) {
        int successes = 0;
        pthread_t threads[2];
        shared_disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        for (int i = 0; i < 2; i++)
            require(pthread_create(&threads[i], NULL, close_it, &successes) == 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        check(successes == 1);
    }
}

static void arguments_that_are_null(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY), opened = NULL;
    check_error(VixDiskLib_Open(connection, NULL, 0, &opened), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_Open(connection, "disk.vmdk", 0, NULL), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_Read(disk, 0, 1, NULL), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_GetInfo(disk, NULL), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_QueryAllocatedBlocks(disk, 0, 128, 128, NULL), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_GetConnectParams(connection, NULL), VIX_E_INVALID_ARG);
    check_ok(VixDiskLib_Close(disk));
}

/* Those that clients are seen to use; what has no meaning for a local disk is ignored. */
static void flags(VixDiskLibConnection connection)
{
    static const uint32 known[] = {0x0, 0x1, 0x2, 0x4, 0x6, 0x14, 0x24, 0x44, 0x47};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        check_ok(VixDiskLib_Close(open_disk(connection, "disk.vmdk", known[i])));
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    require_ok(create(connection, "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000));
    bad_handles(connection);
    disconnect_closes();
    closed_while_others_read(connection);
    closed_by_two_threads(connection);
    arguments_that_are_null(connection);
    flags(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
