/* What Flush, Close and WriteMetadata leave behind is durable: it survives a SIGKILL, and no file of the disk has a
 * write after its last sync. A killed process needs the first, a machine without power the second.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <signal.h>
#include <sys/syscall.h>

#include "check.h"

/* ---- Writes and syncs of this process -------------------------------------------------------- */

/* The library's calls of these functions end up here, as a program's own functions come before those of libc. */
enum { most_files = 256 };
static unsigned written, synced;
static bool unsynced[most_files];

static void note_write(int file)
{
    __atomic_fetch_add(&written, 1, __ATOMIC_RELAXED);
    if (file >= 0 && file < most_files)
        __atomic_store_n(&unsynced[file], true, __ATOMIC_SEQ_CST);
}

static void note_sync(int file)
{
    __atomic_fetch_add(&synced, 1, __ATOMIC_RELAXED);
    if (file >= 0 && file < most_files)
        __atomic_store_n(&unsynced[file], false, __ATOMIC_SEQ_CST);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset)
{
    ssize_t result = (ssize_t)syscall(SYS_pwrite64, file, data, size, offset);
    note_write(file);
    return result;
}

int ftruncate64(int file, off64_t length)
{
    int result = (int)syscall(SYS_ftruncate, file, length);
    note_write(file);
    return result;
}

/* Noted before the call: a write that comes during it may not be part of it. */
int fdatasync(int file)
{
    note_sync(file);
    return (int)syscall(SYS_fdatasync, file);
}

int fsync(int file)
{
    note_sync(file);
    return (int)syscall(SYS_fsync, file);
}

static bool everything_is_synced(void)
{
    for (int file = 0; file < most_files; file++)
        if (__atomic_load_n(&unsynced[file], __ATOMIC_SEQ_CST))
            return false;
    return true;
}

static void forget_writes(void)
{
    memset(unsynced, 0, sizeof unsynced);
    written = synced = 0;
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static const struct {
    VixDiskLibDiskType type;
    const char *path;
    VixDiskLibSectorType capacity;
} disks[] = {{VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "sparse.vmdk", 300000},
             {VIXDISKLIB_DISK_MONOLITHIC_FLAT, "flat.vmdk", 300000},
             {VIXDISKLIB_DISK_SPLIT_SPARSE, "split-sparse.vmdk", 4500000},
             {VIXDISKLIB_DISK_SPLIT_FLAT, "split-flat.vmdk", 4500000}};
enum { disk_count = sizeof disks / sizeof *disks, pieces = 50, piece_length = 90 };

/* All over the disk, in several tables and extents, grains written in part and others to the end. */
static VixDiskLibSectorType place_of(unsigned disk, unsigned piece)
{
    return disks[disk].capacity / pieces * piece;
}

static unsigned current; /* what the children work on */

static void end_of_write(void *data, VixError result)
{
    check_ok(result);
    __atomic_fetch_add((unsigned *)data, 1, __ATOMIC_RELAXED);
}

/* Half of the pieces asynchronously, half at once. */
static void write_pieces(VixDiskLibHandle disk, uint64 seed, uint8 *memory)
{
    unsigned ended = 0, begun = 0;
    for (unsigned i = 0; i < pieces; i++) {
        uint8 *data = memory + (size_t)i * piece_length * VIXDISKLIB_SECTOR_SIZE;
        VixDiskLibSectorType start = place_of(current, i);
        fill(data, start, piece_length, seed);
        if (i % 2 == 0) {
            check_ok(VixDiskLib_Write(disk, start, piece_length, data));
            continue;
        }
        check_error(VixDiskLib_WriteAsync(disk, start, piece_length, data, end_of_write, &ended), VIX_ASYNC);
        begun++;
    }
    check_ok(VixDiskLib_Wait(disk));
    check(ended == begun);
}

static uint8 *memory_of_pieces(void)
{
    uint8 *memory = malloc((size_t)pieces * piece_length * VIXDISKLIB_SECTOR_SIZE);
    require(memory != NULL);
    return memory;
}

static void kill_this_process(void)
{
    kill(getpid(), SIGKILL);
    pause();
}

static VixDiskLibHandle open_in_new_life(void)
{
    start_library();
    return open_disk(connect_local(), disks[current].path, 0);
}

static int write_flush_die(void)
{
    VixDiskLibHandle disk = open_in_new_life();
    write_pieces(disk, 1, memory_of_pieces());
    check_ok(VixDiskLib_Flush(disk));
    if (checks_failed == 0)
        kill_this_process();
    return 1;
}

/* What comes after the flush may be lost, but takes nothing with it. */
static int write_flush_write_die(void)
{
    VixDiskLibHandle disk = open_in_new_life();
    uint8 *memory = memory_of_pieces();
    write_pieces(disk, 2, memory);
    check_ok(VixDiskLib_Flush(disk));
    for (unsigned i = 0; i < pieces; i++)
        check_ok(VixDiskLib_Write(disk, place_of(current, i) + 100, piece_length, memory));
    if (checks_failed == 0)
        kill_this_process();
    return 1;
}

/* Closed by its handle, or with its connection. */
static int write_close_die(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = open_disk(connection, disks[current].path, 0);
    write_pieces(disk, 3, memory_of_pieces());
    if (current % 2 == 0)
        check_ok(VixDiskLib_Close(disk));
    else
        check_ok(VixDiskLib_Disconnect(connection));
    if (checks_failed == 0)
        kill_this_process();
    return 1;
}

static int set_metadata_die(void)
{
    VixDiskLibHandle disk = open_in_new_life();
    check_ok(VixDiskLib_WriteMetadata(disk, "killed.after", "this value"));
    if (checks_failed == 0)
        kill_this_process();
    return 1;
}

/* Another process can open the disk at once, and finds what was written. */
static void is_found(uint64 seed)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = open_disk(connection, disks[current].path, 0);
    uint8 *data = memory_of_pieces();
    for (unsigned i = 0; i < pieces; i++) {
        check_ok(VixDiskLib_Read(disk, place_of(current, i), piece_length, data));
        check(holds(data, place_of(current, i), piece_length, seed));
    }
    free(data);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
}

static void metadata_is_found(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = open_disk(connection, disks[current].path, 0);
    char value[32];
    check_ok(VixDiskLib_ReadMetadata(disk, "killed.after", value, sizeof value, NULL));
    check_string(value, "this value");
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
}

static int create_disks(void)
{
    start_library();
    for (unsigned i = 0; i < disk_count; i++)
        check_ok(create(connect_local(), disks[i].path, disks[i].type, disks[i].capacity));
    VixDiskLib_Exit();
    return checks_failed;
}

static void a_killed_process_loses_nothing_that_was_flushed(void)
{
    const int killed = 128 + SIGKILL;
    for (current = 0; current < disk_count; current++) {
        check(in_child(write_flush_die) == killed);
        is_found(1);
        check(in_child(write_flush_write_die) == killed);
        is_found(2);
        check(in_child(write_close_die) == killed);
        is_found(3);
        check(in_child(set_metadata_die) == killed);
        metadata_is_found();
        is_found(3);
    }
}

/* ---- Syncs ----------------------------------------------------------------------------------- */

static void no_write_is_left_without_a_sync(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    uint8 *memory = memory_of_pieces();
    for (current = 0; current < disk_count; current++) {
        VixDiskLibHandle disk = open_disk(connection, disks[current].path, 0);
        for (unsigned round = 0; round < 2; round++) { /* the first renews the content id and may take new grains */
            forget_writes();
            write_pieces(disk, 10 + round, memory);
            check(written > 0); /* or this test does not see the library's writes any more */
            check_ok(VixDiskLib_Flush(disk));
            check(synced > 0 && everything_is_synced());
        }
        forget_writes();
        check_ok(VixDiskLib_WriteMetadata(disk, "killed.after", "that value")); /* as long as the one before */
        check(written > 0 && synced > 0 && everything_is_synced());
        forget_writes();
        check_ok(VixDiskLib_WriteMetadata(disk, "killed.after", "one that takes more room"));
        check(synced > 0 && everything_is_synced());
        write_pieces(disk, 20, memory);
        forget_writes();
        check_ok(VixDiskLib_Write(disk, place_of(current, 1) + 100, 1, memory));
        check_ok(VixDiskLib_Close(disk));
        check(synced > 0 && everything_is_synced());
    }
    free(memory);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
}

/* Two handles of one disk: what one of them wrote is durable when the other one flushes or is closed. */
static void flushing_is_for_the_disk_not_the_handle(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    uint8 sector[VIXDISKLIB_SECTOR_SIZE];
    fill(sector, 7, 1, 30);
    for (current = 0; current < disk_count; current++) {
        VixDiskLibHandle writer = open_disk(connection, disks[current].path, 0);
        VixDiskLibHandle other = open_disk(connection, disks[current].path, 0);
        forget_writes();
        check_ok(VixDiskLib_Write(writer, 7, 1, sector));
        check_ok(VixDiskLib_Flush(other));
        check(written > 0 && synced > 0 && everything_is_synced());
        forget_writes();
        check_ok(VixDiskLib_Write(writer, 8, 1, sector));
        check_ok(VixDiskLib_Close(writer));
        check(written > 0 && synced > 0 && everything_is_synced());
        check_ok(VixDiskLib_Close(other));
    }
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
}

/* Nothing was written: Flush is a success, also where nothing can be written. */
static void flushing_nothing_is_fine(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    for (current = 0; current < disk_count; current++) {
        VixDiskLibHandle disk = open_disk(connection, disks[current].path, 0);
        VixDiskLibHandle reader = open_disk(connection, disks[current].path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        check_ok(VixDiskLib_Flush(disk));
        check_ok(VixDiskLib_Flush(disk));
        check_ok(VixDiskLib_Flush(reader));
        check_ok(VixDiskLib_Close(reader));
        check_ok(VixDiskLib_Close(disk));
    }
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
}

int main(void)
{
    require(in_child(create_disks) == 0);
    a_killed_process_loses_nothing_that_was_flushed();
    no_write_is_left_without_a_sync();
    flushing_is_for_the_disk_not_the_handle();
    flushing_nothing_is_fine();
    return check_end();
}
