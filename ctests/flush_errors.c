/* A flush that fails: the client hears of it, at once and ever after. After a failed fdatasync the kernel forgets
 * the pages that it could not write and reports the next one as a success; a library that believes it would
 * promise what is not on the disk.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

static int failing; /* errno of the calls below, 0 to let them pass */
static unsigned calls;

/* The program's own definitions come before those of the C library, also for calls from within the library. */
int fdatasync(int descriptor);
int fdatasync(int descriptor)
{
    calls++;
    if (failing != 0) {
        errno = failing;
        return -1;
    }
    return fsync(descriptor);
}

static void flush_reports(VixDiskLibConnection connection, VixDiskLibDiskType type, int error, VixError wanted)
{
    static uint8 data[200 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = new_disk(connection, "failing.vmdk", type, 4096);
    fill(data, 0, 200, 1);
    check_ok(VixDiskLib_Write(disk, 0, 200, data));
    check_ok(VixDiskLib_Flush(disk));
    check_ok(VixDiskLib_Write(disk, 1000, 200, data));
    failing = error;
    check_error(VixDiskLib_Flush(disk), wanted);
    failing = 0;
    /* The device works again, but nobody can tell what became of the data. */
    check_error(VixDiskLib_Flush(disk), VIX_E_FILE_ERROR);
    char *text = VixDiskLib_GetErrorText(VIX_E_FILE_ERROR, NULL);
    check(text != NULL && strstr(text, "failing") != NULL && strstr(text, "earlier flush") != NULL);
    VixDiskLib_FreeErrorText(text);
    check(VixDiskLib_Close(disk) != VIX_OK);

    /* What was flushed before is there, and a new open starts afresh. */
    disk = open_disk(connection, "failing.vmdk", 0);
    memset(data, 0, sizeof data);
    check_ok(VixDiskLib_Read(disk, 0, 200, data));
    check(holds(data, 0, 200, 1));
    check_ok(VixDiskLib_Write(disk, 2000, 200, data));
    check_ok(VixDiskLib_Flush(disk));
    check_ok(VixDiskLib_Close(disk));
}

static void remove_files(void)
{
    static const char *const names[] = {"failing.vmdk", "failing-flat.vmdk", "failing-s001.vmdk", "failing-f001.vmdk"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
}

int main(void)
{
    static const VixDiskLibDiskType types[] = {VIXDISKLIB_DISK_MONOLITHIC_SPARSE, VIXDISKLIB_DISK_MONOLITHIC_FLAT,
                                               VIXDISKLIB_DISK_SPLIT_SPARSE, VIXDISKLIB_DISK_SPLIT_FLAT};
    start_library();
    VixDiskLibConnection connection = connect_local();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        flush_reports(connection, types[i], EIO, VIX_E_FILE_ERROR);
        remove_files();
        flush_reports(connection, types[i], ENOSPC, VIX_E_DISK_FULL);
        remove_files();
    }
    check(calls > 0); /* otherwise the library flushes by other means, and nothing was shown */
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
