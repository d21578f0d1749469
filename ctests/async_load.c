/* Asynchronous requests in numbers: from callbacks, many at once, from several threads on several disks, mixed with
 * the calls that wait, and while the disk is closed under them.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <pthread.h>

#include "check.h"

struct request {
    VixDiskLibHandle disk;
    VixDiskLibSectorType start, count;
    uint8 *buffer;
    unsigned calls;
    VixError result;
};

static void end_of_request(void *data, VixError result)
{
    struct request *request = data;
    request->result = result;
    __atomic_fetch_add(&request->calls, 1, __ATOMIC_RELEASE);
}

static VixError begin_read(struct request *request)
{
    return VixDiskLib_ReadAsync(request->disk, request->start, request->count, request->buffer, end_of_request,
                                request);
}

static VixError begin_write(struct request *request)
{
    return VixDiskLib_WriteAsync(request->disk, request->start, request->count, request->buffer, end_of_request,
                                 request);
}

static bool told_once(const struct request *request)
{
    return __atomic_load_n(&request->calls, __ATOMIC_ACQUIRE) == 1 && request->result == VIX_OK;
}

/* Sectors of a request that goes to a thread of the library; a small one may be done, and told, within the call. */
#define THREADED 600

static uint8 *sectors_of_memory(VixDiskLibSectorType count)
{
    uint8 *memory = calloc((size_t)count, VIXDISKLIB_SECTOR_SIZE);
    require(memory != NULL);
    return memory;
}

/* ---- Callbacks that use the library ---------------------------------------------------------- */

static VixDiskLibConnection shared_connection;
static VixDiskLibHandle same_disk, other_disk;
static unsigned callbacks_done;

/* Everything that a client may want to know or do at the end of a request. */
static void uses_a_disk(VixDiskLibHandle disk)
{
    uint8 sectors[4 * VIXDISKLIB_SECTOR_SIZE];
    check_ok(VixDiskLib_Read(disk, 50, 4, sectors));
    check(holds(sectors, 50, 4, 1));
    check_ok(VixDiskLib_Write(disk, 50, 4, sectors));
    check_ok(VixDiskLib_Flush(disk));
    VixDiskLibInfo *info = NULL;
    check_ok(VixDiskLib_GetInfo(disk, &info));
    check(info != NULL && info->capacity == 1000);
    VixDiskLib_FreeInfo(info);
    VixDiskLibBlockList *blocks = NULL;
    check_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, 1000, 128, &blocks));
    VixDiskLib_FreeBlockList(blocks);
    char value[32];
    check_ok(VixDiskLib_ReadMetadata(disk, "adapterType", value, sizeof value, NULL));
    check_string(VixDiskLib_GetTransportMode(disk), "file");
    check_error(VixDiskLib_Read(disk, 1000, 1, sectors), VIX_E_DISK_OUTOFRANGE);
    char *text = VixDiskLib_GetErrorText(VIX_E_DISK_OUTOFRANGE, NULL);
    check(text != NULL && strstr(text, "1000") != NULL);
    VixDiskLib_FreeErrorText(text);
}

static void callback_that_uses_the_library(void *data, VixError result)
{
    struct request *nested = data;
    check_ok(result);
    uses_a_disk(same_disk);
    uses_a_disk(other_disk);
    check_error(begin_read(&nested[0]), VIX_ASYNC);
    check_error(begin_write(&nested[1]), VIX_ASYNC);
    /* A disk of its own, from open to close. */
    VixDiskLibHandle own = open_disk(shared_connection, "same.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Close(own));
    /* What would wait for this very callback says so, and changes nothing. */
    check_error(VixDiskLib_Wait(same_disk), VIX_E_OBJECT_IS_BUSY);
    check_error(VixDiskLib_Close(same_disk), VIX_E_OBJECT_IS_BUSY);
    check_error(VixDiskLib_Disconnect(shared_connection), VIX_E_OBJECT_IS_BUSY);
    VixDiskLib_Exit();
    __atomic_fetch_add(&callbacks_done, 1, __ATOMIC_RELAXED);
}

static void callbacks_may_use_the_library(void)
{
    enum { rounds = 20 };
    static uint8 first[rounds][THREADED * VIXDISKLIB_SECTOR_SIZE], buffers[rounds][2][4 * VIXDISKLIB_SECTOR_SIZE];
    static struct request nested[rounds][2];
    shared_connection = connect_local();
    same_disk = new_disk(shared_connection, "same.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    other_disk = new_disk(shared_connection, "other.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT, 1000);
    uint8 sectors[4 * VIXDISKLIB_SECTOR_SIZE];
    fill(sectors, 50, 4, 1);
    require_ok(VixDiskLib_Write(same_disk, 50, 4, sectors));
    require_ok(VixDiskLib_Write(other_disk, 50, 4, sectors));
    for (unsigned i = 0; i < rounds; i++) {
        nested[i][0] = (struct request){same_disk, 50, 4, buffers[i][0], 0, VIX_E_FAIL};
        nested[i][1] = (struct request){other_disk, 100 + 4 * i, 4, buffers[i][1], 0, VIX_E_FAIL};
        fill(buffers[i][1], 100 + 4 * i, 4, 2);
        VixDiskLibSectorType count = i % 2 == 0 ? THREADED : 1;
        check_error(VixDiskLib_ReadAsync(same_disk, i, count, first[i], callback_that_uses_the_library, nested[i]),
                    VIX_ASYNC);
    }
    check_ok(VixDiskLib_Wait(same_disk));
    check(callbacks_done == rounds);
    check_ok(VixDiskLib_Wait(other_disk));
    for (unsigned i = 0; i < rounds; i++) {
        check(told_once(&nested[i][0]) && holds(buffers[i][0], 50, 4, 1));
        check(told_once(&nested[i][1]));
        check_ok(VixDiskLib_Read(other_disk, 100 + 4 * i, 4, buffers[i][0]));
        check(holds(buffers[i][0], 100 + 4 * i, 4, 2));
    }
    check_ok(VixDiskLib_Disconnect(shared_connection));
}

/* Each callback makes the next request, large ones and small ones: Wait sees the whole chain, as it never falls to
 * nothing. */
static struct request link_of_chain;
static unsigned links_left;

static void next_link(void *data, VixError result)
{
    struct request *link = data;
    check_ok(result);
    check(holds(link->buffer, link->start, link->count, 9));
    if (--links_left == 0)
        return;
    link->start++;
    link->count = link->start % 7 == 0 ? THREADED : 1;
    check_error(VixDiskLib_ReadAsync(link->disk, link->start, link->count, link->buffer, next_link, link), VIX_ASYNC);
}

static void wait_sees_a_chain_of_callbacks(VixDiskLibConnection connection)
{
    static uint8 buffer[1200 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = new_disk(connection, "chain.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1200);
    fill(buffer, 0, 1200, 9);
    require_ok(VixDiskLib_Write(disk, 0, 1200, buffer));
    links_left = 500;
    link_of_chain = (struct request){disk, 0, 1, buffer, 0, VIX_OK};
    check_error(VixDiskLib_ReadAsync(disk, 0, 1, buffer, next_link, &link_of_chain), VIX_ASYNC);
    check_ok(VixDiskLib_Wait(disk));
    check(links_left == 0 && link_of_chain.start == 499);
    check_ok(VixDiskLib_Close(disk));
}

/* A callback waits for another disk while all others do the same: the requests of that one have to get on. */
static VixDiskLibHandle waited_for;

static void wait_for_the_other(void *data, VixError result)
{
    check_ok(result);
    usleep(20000); /* until the other ones are in here, too */
    check_ok(VixDiskLib_Wait(waited_for));
    end_of_request(data, result);
}

static int callbacks_may_wait_for_another_disk(void)
{
    static uint8 buffers[2][32][THREADED * VIXDISKLIB_SECTOR_SIZE];
    static struct request requests[2][32];
    alarm(10); /* nothing else ends it when they all wait for each other */
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = new_disk(connection, "waits.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    waited_for = new_disk(connection, "waited.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    for (unsigned i = 0; i < 32; i++) {
        requests[0][i] = (struct request){disk, i, THREADED, buffers[0][i], 0, VIX_E_FAIL};
        check_error(VixDiskLib_ReadAsync(disk, i, THREADED, buffers[0][i], wait_for_the_other, &requests[0][i]),
                    VIX_ASYNC);
    }
    for (unsigned i = 0; i < 32; i++) {
        requests[1][i] = (struct request){waited_for, i, THREADED, buffers[1][i], 0, VIX_E_FAIL};
        check_error(begin_read(&requests[1][i]), VIX_ASYNC);
    }
    check_ok(VixDiskLib_Wait(disk));
    check_ok(VixDiskLib_Wait(waited_for));
    for (unsigned i = 0; i < 32; i++)
        check(told_once(&requests[0][i]) && told_once(&requests[1][i]));
    VixDiskLib_Exit();
    return checks_failed;
}

/* ---- Many at once ---------------------------------------------------------------------------- */

#define IN_FLIGHT 256
#define SPACING 650

/* Some for the threads, more of them small; few begin or end where a grain does. */
static VixDiskLibSectorType count_at(unsigned place)
{
    return place % 32 == 3 ? THREADED - place * 7 % 80 : 1 + place * 7 % 60;
}

/* Places that do not touch, in an order that is not theirs; written, then read. */
static void many_in_flight(VixDiskLibHandle disk, VixDiskLibSectorType first, uint64 seed)
{
    struct request *requests = calloc(IN_FLIGHT, sizeof *requests);
    require(requests != NULL);
    for (int turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            unsigned place = i * 37 % IN_FLIGHT;
            VixDiskLibSectorType start = first + place * SPACING, count = count_at(place);
            requests[i] = (struct request){disk, start, count, sectors_of_memory(count), 0, VIX_E_FAIL};
            if (turn == 0)
                fill(requests[i].buffer, start, count, seed);
            check_error(turn == 0 ? begin_write(&requests[i]) : begin_read(&requests[i]), VIX_ASYNC);
        }
        check_ok(VixDiskLib_Wait(disk));
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            check(told_once(&requests[i]));
            check(holds(requests[i].buffer, requests[i].start, requests[i].count, seed));
            free(requests[i].buffer);
        }
    }
    free(requests);
}

/* Each place has its sectors, and zeros up to the next one. */
static void all_of_it_is_there(VixDiskLibHandle disk, VixDiskLibSectorType first, uint64 seed)
{
    static const uint8 zeros[SPACING * VIXDISKLIB_SECTOR_SIZE];
    uint8 *memory = sectors_of_memory(SPACING);
    for (unsigned place = 0; place < IN_FLIGHT; place++) {
        VixDiskLibSectorType start = first + place * SPACING, count = count_at(place);
        check_ok(VixDiskLib_Read(disk, start, SPACING, memory));
        check(holds(memory, start, count, seed));
        check(memcmp(memory + count * VIXDISKLIB_SECTOR_SIZE, zeros, (SPACING - count) * VIXDISKLIB_SECTOR_SIZE) == 0);
    }
    free(memory);
}

static const VixDiskLibDiskType types[] = {VIXDISKLIB_DISK_MONOLITHIC_SPARSE, VIXDISKLIB_DISK_MONOLITHIC_FLAT,
                                           VIXDISKLIB_DISK_SPLIT_SPARSE, VIXDISKLIB_DISK_SPLIT_FLAT};

#define REGION ((VixDiskLibSectorType)IN_FLIGHT * SPACING)

static void writes_in_flight_do_not_disturb_each_other(VixDiskLibConnection connection)
{
    for (unsigned i = 0; i < 4; i++) {
        char path[32];
        snprintf(path, sizeof path, "many-%u.vmdk", i);
        VixDiskLibHandle disk = new_disk(connection, path, types[i], REGION + 10);
        many_in_flight(disk, 3, i);
        all_of_it_is_there(disk, 3, i);
        check_ok(VixDiskLib_Close(disk));
        disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        all_of_it_is_there(disk, 3, i);
        check_ok(VixDiskLib_Close(disk));
    }
}

/* ---- Several threads ------------------------------------------------------------------------- */

#define THREADS 4

static VixDiskLibHandle common_disk;

/* A disk of its own, then a part of the one that all share. */
static void *load(void *data)
{
    unsigned number = *(unsigned *)data;
    char path[32];
    snprintf(path, sizeof path, "thread-%u.vmdk", number);
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = new_disk(connection, path, types[number], REGION);
    many_in_flight(disk, 0, 100 + number);
    all_of_it_is_there(disk, 0, 100 + number);
    check_ok(VixDiskLib_Disconnect(connection));
    many_in_flight(common_disk, number * REGION, 200 + number);
    return NULL;
}

static void several_threads_load_several_disks(VixDiskLibConnection connection)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    common_disk = new_disk(connection, "common.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, THREADS * REGION);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        require(pthread_create(&threads[i], NULL, load, &numbers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS; i++)
        all_of_it_is_there(common_disk, i * REGION, 200 + i);
    check_ok(VixDiskLib_Close(common_disk));
}

/* Calls that wait and requests that do not go to the same disk, grain by grain in turn. */
static void requests_mix_with_calls(VixDiskLibConnection connection)
{
    enum { pieces = 200, length = 60 };
    static struct request requests[pieces];
    static uint8 buffers[pieces][length * VIXDISKLIB_SECTOR_SIZE], own[length * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = new_disk(connection, "mixed.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, pieces * length);
    for (unsigned i = 0; i < pieces; i += 2) {
        requests[i] = (struct request){disk, i * length, length, buffers[i], 0, VIX_E_FAIL};
        fill(buffers[i], i * length, length, 5);
        check_error(begin_write(&requests[i]), VIX_ASYNC);
        fill(own, (i + 1) * length, length, 5);
        check_ok(VixDiskLib_Write(disk, (i + 1) * length, length, own));
        check_ok(VixDiskLib_Read(disk, (i + 1) * length, length, own));
        check(holds(own, (i + 1) * length, length, 5));
        if (i % 50 == 0)
            check_ok(VixDiskLib_Flush(disk));
    }
    check_ok(VixDiskLib_Wait(disk));
    for (unsigned i = 0; i < pieces; i++) {
        check(i % 2 == 1 || told_once(&requests[i]));
        check_ok(VixDiskLib_Read(disk, i * length, length, own));
        check(holds(own, i * length, length, 5));
    }
    check_ok(VixDiskLib_Close(disk));
}

/* Threads go on until the handle is dead: what was accepted has ended before Close returns, the rest was refused. */
static VixDiskLibHandle closing_disk;
static uint64 accepted, told;
static bool closed;

static void count_end(void *data, VixError result)
{
    (void)data;
    check_ok(result);
    check(!__atomic_load_n(&closed, __ATOMIC_ACQUIRE));
    __atomic_fetch_add(&told, 1, __ATOMIC_RELAXED);
}

static void *ask_on(void *data)
{
    static const uint8 zeros[THREADED * VIXDISKLIB_SECTOR_SIZE];
    unsigned number = *(unsigned *)data;
    for (;;) {
        VixDiskLibSectorType count = number++ % 2 == 0 ? THREADED : 1;
        VixError error = VixDiskLib_WriteAsync(closing_disk, number % 100, count, zeros, count_end, NULL);
        if (error != VIX_ASYNC) {
            check_error(error, VIX_E_INVALID_HANDLE);
            return NULL;
        }
        if (__atomic_add_fetch(&accepted, 1, __ATOMIC_RELAXED) % 64 == 0)
            VixDiskLib_Wait(closing_disk);
    }
}

static void closing_ends_what_was_accepted(VixDiskLibConnection connection)
{
    require_ok(create(connection, "closing.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000));
    for (unsigned round = 0; round < 50 / slowness() + 1; round++) {
        pthread_t threads[THREADS];
        unsigned numbers[THREADS];
        accepted = told = 0;
        closed = false;
        closing_disk = open_disk(connection, "closing.vmdk", 0);
        for (unsigned i = 0; i < THREADS; i++) {
            numbers[i] = i;
            require(pthread_create(&threads[i], NULL, ask_on, &numbers[i]) == 0);
        }
        while (__atomic_load_n(&accepted, __ATOMIC_RELAXED) < 100)
            usleep(100);
        check_ok(VixDiskLib_Close(closing_disk));
        __atomic_store_n(&closed, true, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        check(accepted >= 100 && told == accepted);
    }
}

int main(void)
{
    check(in_child(callbacks_may_wait_for_another_disk) == 0);
    start_library();
    VixDiskLibConnection connection = connect_local();
    callbacks_may_use_the_library();
    wait_sees_a_chain_of_callbacks(connection);
    writes_in_flight_do_not_disturb_each_other(connection);
    several_threads_load_several_disks(connection);
    requests_mix_with_calls(connection);
    closing_ends_what_was_accepted(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
