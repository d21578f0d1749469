/* What only shows when several things happen at once, or too late: flushes that meet, calls from within a progress
 * function, Attach in both directions, Exit beside InitEx and Open, and calls after a thread's end has begun.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <pthread.h>

#include "check.h"

/* ---- Flushes that meet ------------------------------------------------------------------------ */

static volatile int slow; /* fdatasync takes its time */
static volatile int under_way;

/* The program's own definition comes before that of the C library, also for calls from within the library. */
int fdatasync(int descriptor);
int fdatasync(int descriptor)
{
    if (slow) {
        __atomic_add_fetch(&under_way, 1, __ATOMIC_SEQ_CST);
        usleep(200000);
        int result = fsync(descriptor);
        __atomic_sub_fetch(&under_way, 1, __ATOMIC_SEQ_CST);
        return result;
    }
    return fsync(descriptor);
}

static void *flush_it(void *disk)
{
    check_ok(VixDiskLib_Flush(disk));
    return NULL;
}

/* The second flush has the first one's data to promise too, and must not return before it is there. */
static void a_flush_waits_for_the_one_under_way(VixDiskLibConnection connection, VixDiskLibDiskType type, const char *path)
{
    static uint8 data[300 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = new_disk(connection, path, type, 4096);
    VixDiskLibHandle other = open_disk(connection, path, 0);
    fill(data, 0, 300, 1);
    check_ok(VixDiskLib_Write(disk, 0, 300, data));
    slow = 1;
    pthread_t thread;
    require(pthread_create(&thread, NULL, flush_it, disk) == 0);
    while (__atomic_load_n(&under_way, __ATOMIC_SEQ_CST) == 0)
        usleep(100);
    check_ok(VixDiskLib_Flush(other));
    check(__atomic_load_n(&under_way, __ATOMIC_SEQ_CST) == 0);
    pthread_join(thread, NULL);
    slow = 0;
    check_ok(VixDiskLib_Close(other));
    check_ok(VixDiskLib_Close(disk));
}

/* ---- Progress functions that call the library ------------------------------------------------- */

struct reentry {
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    unsigned calls;
};

static Bool look_from_within(void *data, int percent)
{
    struct reentry *reentry = data;
    (void)percent;
    reentry->calls++;
    VixDiskLibInfo *info = NULL;
    check_error(VixDiskLib_GetInfo(reentry->disk, &info), VIX_E_OBJECT_IS_BUSY);
    check_error(VixDiskLib_Close(reentry->disk), VIX_E_OBJECT_IS_BUSY);
    VixDiskLibHandle again = NULL;
    check_error(VixDiskLib_Open(reentry->connection, "busy.vmdk", 0, &again), VIX_E_OBJECT_IS_BUSY);
    return TRUE;
}

static Bool read_from_within(void *data, int percent)
{
    struct reentry *reentry = data;
    (void)percent;
    reentry->calls++;
    uint8 sector[VIXDISKLIB_SECTOR_SIZE];
    check_ok(VixDiskLib_Read(reentry->disk, 0, 1, sector));
    return TRUE;
}

static void progress_functions_may_call(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = new_disk(connection, "busy.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 4096);
    struct reentry reentry = {connection, disk, 0};
    check_ok(VixDiskLib_Shrink(disk, look_from_within, &reentry));
    check_ok(VixDiskLib_Defragment(disk, look_from_within, &reentry));
    check(reentry.calls >= 4);
    check_ok(VixDiskLib_CreateChild(disk, "busy-child.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, read_from_within, &reentry));
    check_ok(VixDiskLib_Close(disk));
}

/* ---- Attach ----------------------------------------------------------------------------------- */

static VixDiskLibHandle pair[2];
static volatile int done;

static void *ask_one_way(void *data)
{
    (void)data;
    while (!done)
        VixDiskLib_IsAttachPossible(pair[0], pair[1]);
    return NULL;
}

static void attaching_both_ways_ends(VixDiskLibConnection connection)
{
    pair[0] = new_disk(connection, "one.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 100);
    pair[1] = new_disk(connection, "two.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 100);
    pthread_t thread;
    require(pthread_create(&thread, NULL, ask_one_way, NULL) == 0);
    for (unsigned i = 0; i < 20000 / slowness(); i++) {
        check_error(VixDiskLib_Attach(pair[i % 2], pair[1 - i % 2]), VIX_E_DISK_ATTACH_ROOTLINK);
        VixDiskLib_IsAttachPossible(pair[1], pair[0]);
    }
    done = 1;
    pthread_join(thread, NULL);
    check_ok(VixDiskLib_Close(pair[0]));
    check_ok(VixDiskLib_Close(pair[1]));
}

/* ---- Lives that overlap ------------------------------------------------------------------------ */

static void *start_and_end(void *data)
{
    (void)data;
    while (!done) {
        check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL));
        VixDiskLib_Exit();
    }
    return NULL;
}

/* With a start of its own that has not been taken back, a thread has a library that runs, whatever others end. */
static void nobody_ends_the_life_of_another(void)
{
    done = 0;
    pthread_t thread;
    require(pthread_create(&thread, NULL, start_and_end, NULL) == 0);
    for (unsigned i = 0; i < 2000 / slowness(); i++) {
        check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL));
        VixDiskLibConnection connection = NULL;
        check_ok(VixDiskLib_Connect(NULL, &connection));
        VixDiskLibHandle disk = NULL;
        check_ok(VixDiskLib_Open(connection, "one.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk));
        check_ok(VixDiskLib_Close(disk));
        check_ok(VixDiskLib_Disconnect(connection));
        VixDiskLib_Exit();
    }
    done = 1;
    pthread_join(thread, NULL);
}

static VixDiskLibConnection opener;

static void *open_on(void *data)
{
    (void)data;
    VixDiskLibHandle disk = NULL;
    while (VixDiskLib_Open(opener, "one.vmdk", 0, &disk) == VIX_OK)
        VixDiskLib_Close(disk);
    return NULL;
}

/* Whatever an Open that met Exit returned, no file and no lock of it is left. */
static void nothing_stays_open_after_exit(void)
{
    int before = count_entries("/proc/self/fd");
    for (unsigned i = 0; i < 50; i++) {
        start_library();
        opener = connect_local();
        pthread_t thread;
        require(pthread_create(&thread, NULL, open_on, NULL) == 0);
        usleep(300);
        VixDiskLib_Exit();
        pthread_join(thread, NULL);
        check(count_entries("/proc/self/fd") == before);
    }
}

/* ---- Too late ---------------------------------------------------------------------------------- */

static VixDiskLibHandle late_disk;

static void close_late(void)
{
    if (VixDiskLib_Close(late_disk) != VIX_E_INVALID_HANDLE)
        _exit(9);
    char *text = VixDiskLib_GetErrorText(VIX_E_INVALID_HANDLE, NULL);
    VixDiskLib_FreeErrorText(text);
}

static void close_at_the_end_of_a_thread(void *data)
{
    (void)data;
    close_late();
}

static void *fail_and_end(void *data)
{
    pthread_setspecific(*(pthread_key_t *)data, data);
    VixDiskLib_Close(late_disk);
    return NULL;
}

/* Destructors that run at the end of a thread, and of the process, when its own memory is gone already. */
static int calls_from_destructors(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    late_disk = open_disk(connection, "one.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLib_Exit();
    static pthread_key_t key;
    pthread_key_create(&key, close_at_the_end_of_a_thread);
    pthread_t thread;
    require(pthread_create(&thread, NULL, fail_and_end, &key) == 0);
    pthread_join(thread, NULL);
    check_error(VixDiskLib_Close(late_disk), VIX_E_INVALID_HANDLE);
    atexit(close_late);
    exit(checks_failed);
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    a_flush_waits_for_the_one_under_way(connection, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "sparse.vmdk");
    a_flush_waits_for_the_one_under_way(connection, VIXDISKLIB_DISK_SPLIT_FLAT, "flat.vmdk");
    progress_functions_may_call(connection);
    attaching_both_ways_ends(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    nobody_ends_the_life_of_another();
    nothing_stays_open_after_exit();
    check(in_child(calls_from_destructors) == 0);
    return check_end();
}
