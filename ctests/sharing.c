/* Who may open a disk at the same time: one process for writing, any number for reading, and any number of handles of
 * the process that writes, which share it.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <pthread.h>
#include <signal.h>

#include "check.h"

#define CAPACITY 1000

static void open_fails(VixDiskLibConnection connection, const char *path, uint32 flags, VixError wanted)
{
    VixDiskLibHandle disk = (VixDiskLibHandle)&disk;
    check_error(VixDiskLib_Open(connection, path, flags, &disk), wanted);
    check(disk == NULL);
}

static void opens(VixDiskLibConnection connection, const char *path, uint32 flags)
{
    VixDiskLibHandle disk = NULL;
    if (check_error(VixDiskLib_Open(connection, path, flags, &disk), VIX_OK))
        check_ok(VixDiskLib_Close(disk));
}

/* ---- Other processes ------------------------------------------------------------------------- */

/* A process that opens a disk when it is told to, and closes it and ends when it is told again. */
struct holder {
    pid_t process;
    int orders, answers;
};

/* Before the library is started here, as threads do not survive a fork. */
static struct holder new_holder(const char *path, uint32 flags)
{
    int orders[2], answers[2];
    char order;
    require(pipe(orders) == 0 && pipe(answers) == 0);
    struct holder holder = {fork(), orders[1], answers[0]};
    require(holder.process >= 0);
    if (holder.process > 0) {
        close(orders[0]);
        close(answers[1]);
        return holder;
    }
    close(orders[1]); /* so that the end of the test is the end of this, too */
    if (read(orders[0], &order, 1) != 1)
        _exit(1);
    start_library();
    VixDiskLibHandle disk = open_disk(connect_local(), path, flags);
    require(write(answers[1], "", 1) == 1);
    if (read(orders[0], &order, 1) == 1)
        check_ok(VixDiskLib_Close(disk));
    VixDiskLib_Exit();
    _exit(checks_failed);
}

static void begin_holding(const struct holder *holder)
{
    char answer;
    require(write(holder->orders, "", 1) == 1 && read(holder->answers, &answer, 1) == 1);
}

static void end_holding(const struct holder *holder, bool by_a_kill)
{
    int status = -1;
    if (by_a_kill)
        require(kill(holder->process, SIGKILL) == 0);
    else
        require(write(holder->orders, "", 1) == 1);
    require(waitpid(holder->process, &status, 0) == holder->process);
    check(by_a_kill ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(holder->orders);
    close(holder->answers);
}

static void one_process_writes(VixDiskLibConnection connection, const struct holder *holder, const char *path,
                               bool ended_by_a_kill)
{
    opens(connection, path, 0);
    begin_holding(holder);
    double began = seconds();
    open_fails(connection, path, 0, VIX_E_FILE_ALREADY_LOCKED);
    check(seconds() - began < 10);
    opens(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    end_holding(holder, ended_by_a_kill);
    opens(connection, path, 0);
}

static int one_process_writes_at_a_time(void)
{
    struct holder closing = new_holder("disk.vmdk", 0), killed = new_holder("split.vmdk", 0);
    struct holder reader = new_holder("disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    start_library();
    VixDiskLibConnection connection = connect_local();
    require_ok(create(connection, "split.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT, CAPACITY));
    one_process_writes(connection, &closing, "disk.vmdk", false);
    one_process_writes(connection, &killed, "split.vmdk", true);
    begin_holding(&reader); /* readers keep nobody out */
    opens(connection, "disk.vmdk", 0);
    end_holding(&reader, false);
    VixDiskLib_Exit();
    return checks_failed;
}

/* ---- One process ----------------------------------------------------------------------------- */

static void handles_of_one_process_share_a_disk(VixDiskLibConnection connection)
{
    uint8 sectors[200 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibConnection other = connect_local();
    require(symlink("disk.vmdk", "link.vmdk") == 0);
    VixDiskLibHandle first = open_disk(connection, "disk.vmdk", 0), second = open_disk(other, "./link.vmdk", 0);
    fill(sectors, 100, 200, 1);
    check_ok(VixDiskLib_Write(first, 100, 200, sectors));
    memset(sectors, 0, sizeof sectors);
    check_ok(VixDiskLib_Read(second, 100, 200, sectors)); /* at once, without a flush */
    check(holds(sectors, 100, 200, 1));
    fill(sectors, 250, 200, 2);
    check_ok(VixDiskLib_Write(second, 250, 200, sectors));
    check_ok(VixDiskLib_Read(first, 250, 200, sectors));
    check(holds(sectors, 250, 200, 2));
    check_ok(VixDiskLib_Disconnect(connection)); /* the first goes with it, the second stays */
    fill(sectors, 500, 200, 3);
    check_ok(VixDiskLib_Write(second, 500, 200, sectors));
    check_ok(VixDiskLib_Close(second));
    second = open_disk(other, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Read(second, 100, 150, sectors));
    check(holds(sectors, 100, 150, 1));
    check_ok(VixDiskLib_Read(second, 250, 200, sectors));
    check(holds(sectors, 250, 200, 2));
    check_ok(VixDiskLib_Read(second, 500, 200, sectors));
    check(holds(sectors, 500, 200, 3));
    check_ok(VixDiskLib_Disconnect(other));
}

/* With parents and without are two views of one disk, of which one may write. */
static void views_of_a_disk_are_not_mixed(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
    open_fails(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK, VIX_E_FILE_ALREADY_LOCKED);
    check_ok(VixDiskLib_Close(disk));
    opens(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
}

/* A handle that only reads sees what its process has flushed, new grains and new keys, whatever it has read before. */
static void readers_see_what_was_flushed(VixDiskLibConnection connection, VixDiskLibDiskType type, const char *path)
{
    uint8 sectors[200 * VIXDISKLIB_SECTOR_SIZE];
    char value[32];
    VixDiskLibHandle writer = new_disk(connection, path, type, CAPACITY);
    VixDiskLibHandle reader = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    for (uint64 round = 1; round < 4; round++) {
        VixDiskLibSectorType place = 200 * round;
        check_ok(VixDiskLib_Read(reader, place, 200, sectors));
        fill(sectors, place, 200, round);
        check_ok(VixDiskLib_Write(writer, place, 200, sectors));
        check_ok(VixDiskLib_Flush(writer));
        memset(sectors, 0, sizeof sectors);
        check_ok(VixDiskLib_Read(reader, place, 200, sectors));
        check(holds(sectors, place, 200, round));
        VixDiskLibBlockList *list = NULL;
        check_ok(VixDiskLib_QueryAllocatedBlocks(reader, place / 128 * 128, 128, 128, &list));
        check(list != NULL && list->numBlocks == 1);
        check_ok(VixDiskLib_FreeBlockList(list));
        snprintf(value, sizeof value, "%0*u", (int)round, 0u); /* longer every time */
        check_ok(VixDiskLib_WriteMetadata(writer, "round", value));
        char seen[32] = "";
        check_ok(VixDiskLib_ReadMetadata(reader, "round", seen, sizeof seen, NULL));
        check_string(seen, value);
    }
    /* And what closing flushes. */
    fill(sectors, 0, 1, 9);
    check_ok(VixDiskLib_Write(writer, 0, 1, sectors));
    check_ok(VixDiskLib_Close(writer));
    check_ok(VixDiskLib_Read(reader, 0, 1, sectors));
    check(holds(sectors, 0, 1, 9));
    check_ok(VixDiskLib_Close(reader));
}

/* As nbdkit's connections do: opened, used and closed at any time, the last one before the next and after it. */
#define THREADS 4
#define ROUNDS 50u

static void *come_and_go(void *data)
{
    unsigned number = *(unsigned *)data;
    uint8 sectors[8 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibConnection connection = connect_local();
    for (unsigned round = 0; round < ROUNDS; round++) {
        VixDiskLibSectorType place = (round * THREADS + number) * 8;
        VixDiskLibHandle disk = open_disk(connection, "crowded.vmdk", 0);
        fill(sectors, place, 8, 44);
        check_ok(VixDiskLib_Write(disk, place, 8, sectors));
        memset(sectors, 0, sizeof sectors);
        check_ok(VixDiskLib_Read(disk, place, 8, sectors));
        check(holds(sectors, place, 8, 44));
        if (round % 3 == 0)
            usleep(200 * number);
        check_ok(VixDiskLib_Close(disk));
    }
    check_ok(VixDiskLib_Disconnect(connection));
    return NULL;
}

static void handles_come_and_go(VixDiskLibConnection connection)
{
    enum { sectors = ROUNDS * THREADS * 8 };
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    require_ok(create(connection, "crowded.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, sectors));
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        require(pthread_create(&threads[i], NULL, come_and_go, &numbers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint8 *all = malloc((size_t)sectors * VIXDISKLIB_SECTOR_SIZE);
    require(all != NULL);
    VixDiskLibHandle disk = open_disk(connection, "crowded.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Read(disk, 0, sectors, all));
    check(holds(all, 0, sectors, 44));
    check_ok(VixDiskLib_Close(disk));
    free(all);
}

static int make_disk(void)
{
    start_library();
    require_ok(create(connect_local(), "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY));
    VixDiskLib_Exit();
    return checks_failed;
}

int main(void)
{
    require(in_child(make_disk) == 0);
    check(in_child(one_process_writes_at_a_time) == 0);
    start_library();
    handles_of_one_process_share_a_disk(connect_local()); /* ends the connection */
    VixDiskLibConnection connection = connect_local();
    views_of_a_disk_are_not_mixed(connection);
    readers_see_what_was_flushed(connection, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "seen-sparse.vmdk");
    readers_see_what_was_flushed(connection, VIXDISKLIB_DISK_MONOLITHIC_FLAT, "seen-flat.vmdk");
    readers_see_what_was_flushed(connection, VIXDISKLIB_DISK_SPLIT_SPARSE, "seen-split.vmdk");
    handles_come_and_go(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
