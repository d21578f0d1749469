/* Streams (type 6): written from front to end, also asynchronously, and read and mapped like any disk.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

#define GRAIN ((VixDiskLibSectorType)128)
#define CAPACITY (GRAIN * 40 + 9)
#define SIZE ((size_t)(CAPACITY * VIXDISKLIB_SECTOR_SIZE))

static uint8 *content, *again;

static void holds_content(VixDiskLibConnection connection, const char *path)
{
    VixDiskLibHandle disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    memset(again, 0xA5, SIZE);
    check_ok(VixDiskLib_Read(disk, 0, CAPACITY, again));
    check(memcmp(content, again, SIZE) == 0);
    /* Parts of grains, from the last one on. */
    for (VixDiskLibSectorType sector = CAPACITY - 1; sector > 50; sector -= 50) {
        check_ok(VixDiskLib_Read(disk, sector, 1, again));
        check(memcmp(content + sector * VIXDISKLIB_SECTOR_SIZE, again, VIXDISKLIB_SECTOR_SIZE) == 0);
    }
    VixDiskLibBlockList *list = NULL;
    check_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, CAPACITY, GRAIN, &list));
    check(list->numBlocks == 2);
    check(list->blocks[0].offset == 0 && list->blocks[0].length == 10 * GRAIN);
    check(list->blocks[1].offset == 20 * GRAIN && list->blocks[1].length == CAPACITY - 20 * GRAIN);
    check_ok(VixDiskLib_FreeBlockList(list));
    check_ok(VixDiskLib_Close(disk));
}

static void written_in_order(VixDiskLibConnection connection, const char *path, VixDiskLibSectorType step)
{
    VixDiskLibHandle disk = new_disk(connection, path, VIXDISKLIB_DISK_STREAM_OPTIMIZED, CAPACITY);
    for (VixDiskLibSectorType sector = 0; sector < CAPACITY; sector += step) {
        VixDiskLibSectorType count = CAPACITY - sector < step ? CAPACITY - sector : step;
        check_ok(VixDiskLib_Write(disk, sector, count, content + sector * VIXDISKLIB_SECTOR_SIZE));
    }
    check_ok(VixDiskLib_Flush(disk));
    check_error(VixDiskLib_Write(disk, 0, 1, content), VIX_E_NOT_SUPPORTED);
    check_error(VixDiskLib_Write(disk, CAPACITY - 1, 1, content), VIX_E_NOT_SUPPORTED);
    check_ok(VixDiskLib_Read(disk, 0, CAPACITY, again));
    check(memcmp(content, again, SIZE) == 0);
    check_ok(VixDiskLib_Close(disk));
    holds_content(connection, path);
}

static void count_success(void *data, VixError result)
{
    if (result == VIX_OK)
        __atomic_fetch_add((unsigned *)data, 1, __ATOMIC_SEQ_CST);
}

/* Large requests too, which for other disks go to threads and may overtake each other. */
static void written_asynchronously(VixDiskLibConnection connection, VixDiskLibSectorType step)
{
    const char *path = step > 1000 ? "async-large.vmdk" : "async-small.vmdk";
    VixDiskLibHandle disk = new_disk(connection, path, VIXDISKLIB_DISK_STREAM_OPTIMIZED, CAPACITY);
    unsigned accepted = 0, succeeded = 0;
    for (VixDiskLibSectorType sector = 0; sector < CAPACITY; sector += step, accepted++) {
        VixDiskLibSectorType count = CAPACITY - sector < step ? CAPACITY - sector : step;
        check_error(VixDiskLib_WriteAsync(disk, sector, count, content + sector * VIXDISKLIB_SECTOR_SIZE,
                                          count_success, &succeeded),
                    VIX_ASYNC);
    }
    check_ok(VixDiskLib_Wait(disk));
    check(succeeded == accepted);
    check_ok(VixDiskLib_Close(disk));
    holds_content(connection, path);
}

/* A process that dies leaves no disk behind that could be mistaken for a whole one. */
static int dies_while_it_writes(void)
{
    start_library();
    VixDiskLibHandle disk =
        new_disk(connect_local(), "dead.vmdk", VIXDISKLIB_DISK_STREAM_OPTIMIZED, CAPACITY);
    require_ok(VixDiskLib_Write(disk, 0, 10 * GRAIN, content));
    require_ok(VixDiskLib_Flush(disk));
    _exit(7);
}

static void unfinished(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = NULL;
    check_error(VixDiskLib_Open(connection, "dead.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), VIX_E_DISK_INVALIDDISK);
    char *text = VixDiskLib_GetErrorText(VIX_E_DISK_INVALIDDISK, NULL);
    check(strstr(text, "never finished") != NULL);
    VixDiskLib_FreeErrorText(text);
}

int main(void)
{
    content = calloc(1, SIZE);
    again = malloc(SIZE);
    require(content != NULL && again != NULL);
    /* Ten grains, ten that are left out, and the rest. */
    fill(content, 0, 10 * GRAIN, 3);
    fill(content + 20 * GRAIN * VIXDISKLIB_SECTOR_SIZE, 20 * GRAIN, CAPACITY - 20 * GRAIN, 3);
    check(in_child(dies_while_it_writes) == 7);
    start_library();
    VixDiskLibConnection connection = connect_local();
    written_in_order(connection, "step-1000.vmdk", 1000);
    written_in_order(connection, "step-7.vmdk", 7);
    written_in_order(connection, "whole.vmdk", CAPACITY);
    written_asynchronously(connection, 100);
    written_asynchronously(connection, 1200);
    unfinished(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    free(content);
    free(again);
    return check_end();
}
