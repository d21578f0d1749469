/* How the library starts and ends: versions, callbacks, folders, configuration, counting, threads, a second life.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <pthread.h>

#include "check.h"

static bool running(void)
{
    VixDiskLibConnection connection = NULL;
    VixError error = VixDiskLib_Connect(NULL, &connection);
    if (error == VIX_OK)
        check_ok(VixDiskLib_Disconnect(connection));
    else
        check_error(error, VIX_E_DISK_NOINIT);
    return error == VIX_OK;
}

static void every_version_is_served(void)
{
    static const struct {
        uint32 major, minor;
    } seen[] = {{1, 0}, {1, 2}, {5, 0}, {5, 5}, {6, 0}, {6, 5}, {6, 7}, {6, 8}, {7, 0}, {8, 0}, {9, 0}, {9, 1}};
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        check_ok(VixDiskLib_InitEx(seen[i].major, seen[i].minor, NULL, NULL, NULL, NULL, NULL));
        check(running());
        VixDiskLib_Exit();
        check(!running());
        check_ok(VixDiskLib_Init(seen[i].major, seen[i].minor, NULL, NULL, NULL, NULL));
        check(running());
        VixDiskLib_Exit();
        check(!running());
    }
    /* Clients walk down from the newest that they know until one is accepted. */
    check_error(VixDiskLib_InitEx(10, 0, NULL, NULL, NULL, NULL, NULL), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_InitEx(0, 9, NULL, NULL, NULL, NULL, NULL), VIX_E_INVALID_ARG);
    check(!running());
}

static void library_folder_does_not_matter(void)
{
    static const char *const folders[] = {"", "/nonexistent", "/etc/passwd", "relative", "/usr/lib/vmware-vix-disklib"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, folders[i], NULL));
        VixDiskLib_Exit();
    }
}

static void configuration_file(void)
{
    check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "/dev/null"));
    VixDiskLib_Exit();
    check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, ""));
    VixDiskLib_Exit();

    write_file("good.conf", "# comment\nvixDiskLib.transport.LogLevel=3\nVixDiskLib.nfcAio.Session.BufSizeIn64KB = \"16\"\n"
                            "some.key.nobody.knows=1\nline without the sign\n=\n\n");
    check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "good.conf"));
    check(running());
    VixDiskLib_Exit();

    check_error(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "/nonexistent/vddk.conf"), VIX_E_FILE_NOT_FOUND);
    char *text = VixDiskLib_GetErrorText(VIX_E_FILE_NOT_FOUND, NULL);
    check(text != NULL && strstr(text, "/nonexistent/vddk.conf") != NULL);
    VixDiskLib_FreeErrorText(text);
    check(!running());
    check(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "/") != VIX_OK); /* a folder */
    check(!running());
}

static void starts_are_counted(void)
{
    for (int i = 0; i < 3; i++)
        check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL));
    check_ok(VixDiskLib_Init(6, 0, NULL, NULL, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        VixDiskLib_Exit();
        check(running());
    }
    VixDiskLib_Exit();
    check(!running());
    VixDiskLib_Exit(); /* one too many */
    check(!running());
    /* A refused start does not count. */
    check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL));
    check(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "/nonexistent") != VIX_OK);
    VixDiskLib_Exit();
    check(!running());
}

static void *start_and_end(void *data)
{
    (void)data;
    for (unsigned i = 0; i < 200 / slowness() + 2; i++) {
        check_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL));
        check(running());
        VixDiskLib_Exit();
    }
    return NULL;
}

static void threads_start_and_end_at_once(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        require(pthread_create(&threads[i], NULL, start_and_end, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    check(!running());
}

static void on_end(void *data, VixError result)
{
    *(VixError *)data = result;
}

/* Reads through the threads of the library: a request of this size is never done on the calling thread. */
static VixDiskLibHandle read_with_threads(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = open_disk(connection, "life.vmdk", 0);
    static uint8 sectors[1024 * VIXDISKLIB_SECTOR_SIZE];
    VixError result = VIX_E_FAIL;
    check_error(VixDiskLib_ReadAsync(disk, 0, 1024, sectors, on_end, &result), VIX_ASYNC);
    check_ok(VixDiskLib_Wait(disk));
    check_ok(result);
    check(thread_count() > 1);
    return disk;
}

/* A life that leaves everything open when `tidy` is not set. */
static void one_life(bool tidy)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = read_with_threads(connection);
    if (tidy) {
        check_ok(VixDiskLib_Close(disk));
        check_ok(VixDiskLib_Disconnect(connection));
    }
    VixDiskLib_Exit();
    check(threads_become(1));
    if (!tidy) {
        /* Destructors of the client that run late: an error and no harm. */
        uint8 sector[VIXDISKLIB_SECTOR_SIZE];
        check_error(VixDiskLib_Close(disk), VIX_E_INVALID_HANDLE);
        check_error(VixDiskLib_Disconnect(connection), VIX_E_INVALID_HANDLE);
        check_error(VixDiskLib_Read(disk, 0, 1, sector), VIX_E_INVALID_HANDLE);
    }
}

static void second_life(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    require_ok(create(connection, "life.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 2000));
    VixDiskLib_Disconnect(connection);
    VixDiskLib_Exit();
    one_life(true);
    one_life(false);
    one_life(true);
}

/* Handles of an earlier life stay invalid in the next one. */
static void handles_end_with_their_life(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = open_disk(connection, "life.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLib_Exit();
    start_library();
    check_error(VixDiskLib_Close(disk), VIX_E_INVALID_HANDLE);
    check_error(VixDiskLib_Disconnect(connection), VIX_E_INVALID_HANDLE);
    VixDiskLib_Exit();
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* An idle library ends in under 5 ms: the median, as machines are noisy. */
static void exit_is_quick(void)
{
    double took[15];
    for (int i = 0; i < 15; i++) {
        start_library();
        VixDiskLibConnection connection = connect_local();
        check_ok(VixDiskLib_Close(read_with_threads(connection)));
        check_ok(VixDiskLib_Disconnect(connection));
        double began = seconds();
        VixDiskLib_Exit();
        took[i] = seconds() - began;
    }
    qsort(took, 15, sizeof *took, compare_doubles);
    fprintf(stderr, "Exit of an idle library: median %.0f microseconds\n", took[7] * 1e6);
    if (slowness() == 1)
        check(took[7] < 0.005);
}

static int start_read_end(void)
{
    one_life(true);
    return checks_failed;
}

/* The library is linked, unused; the process forks, and each side starts one of its own. */
static void start_after_fork(void)
{
    check(in_child(start_read_end) == 0);
    one_life(true);
    check(in_child(start_read_end) == 0);
}

/* A process whose only use is to ask for the modes, as `nbdkit vddk --dump-plugin` does. */
static void modes_right_after_start(void)
{
    check_ok(VixDiskLib_InitEx(7, 0, NULL, NULL, NULL, "/nonexistent", NULL));
    check_string(VixDiskLib_ListTransportModes(), "file:nbdssl:nbd");
    VixDiskLib_Exit();
}

int main(void)
{
    check(threads_become(1));
    check(!running());
    VixDiskLib_Exit(); /* before any start */
    every_version_is_served();
    library_folder_does_not_matter();
    configuration_file();
    starts_are_counted();
    modes_right_after_start();
    check(threads_become(1));
    second_life();
    handles_end_with_their_life();
    exit_is_quick();
    start_after_fork();
    threads_start_and_end_at_once();
    check(threads_become(1));
    return check_end();
}
