/* Asynchronous requests: what is accepted is told of its end exactly once, what is refused never; Wait and whatever
 * ends a disk return after the callbacks have.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <poll.h>
#include <pthread.h>

#include "check.h"

/* A request and what was told of it. It stays where it is to the end of the program, so that a callback that comes
 * too late, or once too often, is still seen. */
struct request {
    VixDiskLibSectorType start, count;
    uint8 *buffer;
    unsigned calls, returned;
    VixError result;
};

static void end_of_request(void *data, VixError result)
{
    struct request *request = data;
    request->result = result;
    __atomic_fetch_add(&request->calls, 1, __ATOMIC_RELAXED);
}

static void slow_end_of_request(void *data, VixError result)
{
    usleep(3000);
    end_of_request(data, result);
    usleep(3000);
    __atomic_fetch_add(&((struct request *)data)->returned, 1, __ATOMIC_RELAXED);
}

static uint8 *sectors_of_memory(VixDiskLibSectorType count)
{
    uint8 *memory = calloc((size_t)count, VIXDISKLIB_SECTOR_SIZE);
    require(memory != NULL);
    return memory;
}

static void begin_read(VixDiskLibHandle disk, struct request *request)
{
    check_error(VixDiskLib_ReadAsync(disk, request->start, request->count, request->buffer, end_of_request, request),
                VIX_ASYNC);
}

static void begin_write(VixDiskLibHandle disk, struct request *request)
{
    check_error(VixDiskLib_WriteAsync(disk, request->start, request->count, request->buffer, end_of_request, request),
                VIX_ASYNC);
}

static void told_once(const struct request *request, VixError wanted)
{
    check(__atomic_load_n(&request->calls, __ATOMIC_RELAXED) == 1);
    check_error(request->result, wanted);
}

/* Up to 64 MiB, the most that nbdkit lets through. */
static const VixDiskLibSectorType sizes[] = {1, 2, 3, 7, 8, 127, 128, 129, 512, 2048, 4096, 65537, 131072};
#define SIZES (sizeof sizes / sizeof *sizes)

static void requests_of_every_size(VixDiskLibConnection connection, VixDiskLibDiskType type, const char *path)
{
    static struct request writes[2][SIZES], reads[2][SIZES];
    unsigned round = type == VIXDISKLIB_DISK_MONOLITHIC_SPARSE;
    VixDiskLibSectorType place = 5;
    VixDiskLibHandle disk = new_disk(connection, path, type, 300000);
    for (size_t i = 0; i < SIZES; i++) {
        struct request *write = &writes[round][i], *read = &reads[round][i];
        write->start = read->start = place;
        write->count = read->count = sizes[i];
        place += sizes[i] + 11;
        write->buffer = sectors_of_memory(sizes[i]);
        read->buffer = sectors_of_memory(sizes[i]);
        /* Both ends tell their place, and every sector between them its number. */
        for (VixDiskLibSectorType sector = 0; sector < sizes[i]; sector++)
            memcpy(write->buffer + sector * VIXDISKLIB_SECTOR_SIZE + 100, &sector, sizeof sector);
        fill(write->buffer, write->start, 1, 3);
        fill(write->buffer + (sizes[i] - 1) * VIXDISKLIB_SECTOR_SIZE, write->start + sizes[i] - 1, 1, 3);
        begin_write(disk, write);
    }
    check_ok(VixDiskLib_Wait(disk));
    for (size_t i = 0; i < SIZES; i++) {
        told_once(&writes[round][i], VIX_OK);
        begin_read(disk, &reads[round][i]);
    }
    check_ok(VixDiskLib_Wait(disk));
    for (size_t i = 0; i < SIZES; i++) {
        struct request *write = &writes[round][i], *read = &reads[round][i];
        told_once(read, VIX_OK);
        check(memcmp(read->buffer, write->buffer, (size_t)sizes[i] * VIXDISKLIB_SECTOR_SIZE) == 0);
        free(write->buffer);
        free(read->buffer);
        write->buffer = read->buffer = NULL;
    }
    check_ok(VixDiskLib_Close(disk));
}

/* No sectors are a request as any other: accepted, told of its end, and no buffer is needed. */
static void requests_for_nothing(VixDiskLibConnection connection)
{
    static struct request nothing[2] = {{.start = 1000}, {.start = 7}};
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
    begin_read(disk, &nothing[0]);
    begin_write(disk, &nothing[1]);
    check_ok(VixDiskLib_Wait(disk));
    told_once(&nothing[0], VIX_OK);
    told_once(&nothing[1], VIX_OK);
    check_ok(VixDiskLib_Close(disk));
}

static struct request refused; /* nobody is ever told of it; main looks at the very end */

static void read_is_refused(VixDiskLibHandle disk, VixDiskLibSectorType start, VixDiskLibSectorType count,
                            uint8 *buffer, VixError wanted)
{
    check_error(VixDiskLib_ReadAsync(disk, start, count, buffer, end_of_request, &refused), wanted);
    check_error(VixDiskLib_ReadAsync(disk, start, count, buffer, NULL, NULL), wanted);
}

static void write_is_refused(VixDiskLibHandle disk, VixDiskLibSectorType start, VixDiskLibSectorType count,
                             const uint8 *buffer, VixError wanted)
{
    check_error(VixDiskLib_WriteAsync(disk, start, count, buffer, end_of_request, &refused), wanted);
    check_error(VixDiskLib_WriteAsync(disk, start, count, buffer, NULL, NULL), wanted);
}

static void refused_requests_are_never_told(VixDiskLibConnection connection)
{
    static const struct {
        VixDiskLibSectorType start, count;
    } outside[] = {{1000, 1},       {999, 2},        {0, 1001},               {1001, 0},
                   {UINT64_MAX, 1}, {1, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}};
    static uint8 buffer[2 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
    VixDiskLibHandle reader = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        read_is_refused(disk, outside[i].start, outside[i].count, buffer, VIX_E_DISK_OUTOFRANGE);
        write_is_refused(disk, outside[i].start, outside[i].count, buffer, VIX_E_DISK_OUTOFRANGE);
    }
    read_is_refused(disk, 0, 1, NULL, VIX_E_INVALID_ARG);
    write_is_refused(disk, 0, 1, NULL, VIX_E_INVALID_ARG);
    read_is_refused(NULL, 0, 1, buffer, VIX_E_INVALID_ARG);
    write_is_refused(NULL, 0, 1, buffer, VIX_E_INVALID_ARG);
    write_is_refused(reader, 0, 1, buffer, VIX_E_FILE_READ_ONLY);
    VixDiskLibConnection read_only = NULL;
    require_ok(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &read_only));
    VixDiskLibHandle by_connection = open_disk(read_only, "disk.vmdk", 0);
    write_is_refused(by_connection, 0, 1, buffer, VIX_E_FILE_READ_ONLY);
    check_ok(VixDiskLib_Disconnect(read_only));
    check_ok(VixDiskLib_Wait(disk));
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Close(reader));
    read_is_refused(disk, 0, 1, buffer, VIX_E_INVALID_HANDLE);
    write_is_refused(disk, 0, 1, buffer, VIX_E_INVALID_HANDLE);
    read_is_refused((VixDiskLibHandle)connection, 0, 1, buffer, VIX_E_INVALID_HANDLE);
}

/* A failure that shows only when the request is done is told by its callback, not by the call. */
static void a_late_failure_is_told_once(VixDiskLibConnection connection)
{
    static uint8 buffer[4 * VIXDISKLIB_SECTOR_SIZE];
    static struct request requests[2] = {{1000, 4, buffer, 0, 0, VIX_OK}, {0, 4, buffer, 0, 0, VIX_E_FAIL}};
    require_ok(create(connection, "cut.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 2000));
    VixDiskLibHandle disk = open_disk(connection, "cut.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    require(truncate("cut-flat.vmdk", 500 * VIXDISKLIB_SECTOR_SIZE) == 0);
    begin_read(disk, &requests[0]);
    check_ok(VixDiskLib_Wait(disk));
    told_once(&requests[0], VIX_E_FILE_ERROR);
    begin_read(disk, &requests[1]); /* what is left can be read still */
    check_ok(VixDiskLib_Wait(disk));
    told_once(&requests[1], VIX_OK);
    check_ok(VixDiskLib_Close(disk));
}

static void nobody_has_to_be_told(VixDiskLibConnection connection)
{
    static uint8 buffer[8 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
    fill(buffer, 300, 8, 21);
    check_error(VixDiskLib_WriteAsync(disk, 300, 8, buffer, NULL, NULL), VIX_ASYNC);
    check_ok(VixDiskLib_Wait(disk));
    memset(buffer, 0, sizeof buffer);
    check_error(VixDiskLib_ReadAsync(disk, 300, 8, buffer, NULL, &buffer), VIX_ASYNC);
    check_ok(VixDiskLib_Wait(disk));
    check(holds(buffer, 300, 8, 21));
    check_ok(VixDiskLib_Close(disk));
}

#define SLOW 16

/* Sectors of a request that goes to a thread of the library; a small one may be done, and told, within the call. */
#define THREADED 600

static void begin_slow_reads(VixDiskLibHandle disk, struct request *requests)
{
    static uint8 buffers[SLOW][THREADED * VIXDISKLIB_SECTOR_SIZE];
    for (int i = 0; i < SLOW; i++) {
        requests[i].calls = requests[i].returned = 0;
        check_error(VixDiskLib_ReadAsync(disk, i, THREADED, buffers[i], slow_end_of_request, &requests[i]), VIX_ASYNC);
    }
}

static void all_have_returned(const struct request *requests)
{
    for (int i = 0; i < SLOW; i++) {
        told_once(&requests[i], VIX_OK);
        check(__atomic_load_n(&requests[i].returned, __ATOMIC_RELAXED) == 1);
    }
}

static struct request waited_for[SLOW];

static void *wait_for_all(void *disk)
{
    check_ok(VixDiskLib_Wait(disk));
    all_have_returned(waited_for);
    return NULL;
}

static void wait_returns_after_the_callbacks_have(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Wait(disk)); /* nothing to wait for */
    begin_slow_reads(disk, waited_for);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        require(pthread_create(&threads[i], NULL, wait_for_all, disk) == 0);
    wait_for_all(disk);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    check_ok(VixDiskLib_Wait(disk));
    check_ok(VixDiskLib_Close(disk));
}

static int gate[2];

/* Returns when the gate opens; the time limit only keeps a failing test from hanging. */
static void end_behind_a_gate(void *data, VixError result)
{
    struct pollfd opened = {gate[0], POLLIN, 0};
    check(poll(&opened, 1, 20000) == 1);
    end_of_request(data, result);
}

/* Requests of another disk are no concern of Wait. */
static void wait_is_for_one_disk(VixDiskLibConnection connection)
{
    static uint8 buffer[2][THREADED * VIXDISKLIB_SECTOR_SIZE];
    static struct request held = {0, THREADED, buffer[0], 0, 0, VIX_E_FAIL};
    static struct request free_to_go = {1, THREADED, buffer[1], 0, 0, VIX_E_FAIL};
    require(pipe(gate) == 0);
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLibHandle other = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_error(VixDiskLib_ReadAsync(other, held.start, held.count, held.buffer, end_behind_a_gate, &held), VIX_ASYNC);
    begin_read(disk, &free_to_go);
    check_ok(VixDiskLib_Wait(disk));
    told_once(&free_to_go, VIX_OK);
    check_ok(VixDiskLib_Close(disk));
    check(held.calls == 0);
    check(write(gate[1], "", 1) == 1);
    check_ok(VixDiskLib_Wait(other));
    told_once(&held, VIX_OK);
    check_ok(VixDiskLib_Close(other));
    close(gate[0]);
    close(gate[1]);
}

/* Whatever ends a disk waits as well: Close, Disconnect and Exit. In a life of its own each. */
static void the_end_waits_for_the_callbacks(void)
{
    static struct request requests[3][SLOW];
    for (int way = 0; way < 3; way++) {
        start_library();
        VixDiskLibConnection connection = connect_local();
        VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
        begin_slow_reads(disk, requests[way]);
        if (way == 0)
            check_ok(VixDiskLib_Close(disk));
        else if (way == 1)
            check_ok(VixDiskLib_Disconnect(connection));
        else
            VixDiskLib_Exit();
        all_have_returned(requests[way]);
        check_error(VixDiskLib_Wait(disk), VIX_E_INVALID_HANDLE);
        if (way == 0)
            check_ok(VixDiskLib_Disconnect(connection));
        if (way < 2)
            VixDiskLib_Exit();
    }
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    require_ok(create(connection, "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000));
    requests_of_every_size(connection, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "sparse.vmdk");
    requests_of_every_size(connection, VIXDISKLIB_DISK_SPLIT_FLAT, "flat.vmdk");
    requests_for_nothing(connection);
    refused_requests_are_never_told(connection);
    a_late_failure_is_told_once(connection);
    nobody_has_to_be_told(connection);
    wait_returns_after_the_callbacks_have(connection);
    wait_is_for_one_disk(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    the_end_waits_for_the_callbacks();
    check(refused.calls == 0);
    return check_end();
}
