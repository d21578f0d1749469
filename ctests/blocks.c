/* Allocated blocks: their shape, the limits of the call, and that they are exact: everything written is listed and
 * nothing else, on every kind of disk, on chains and on single links; what is not listed reads as zeros.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

#define GRAIN 128u
#define SPLIT ((VixDiskLibSectorType)4192256) /* sectors of the first file of a split disk, whole grains */

/* What has been written to a disk; the list ends with a count of 0. */
struct written {
    VixDiskLibSectorType start, count;
};

/* Whether anything written, rounded out to `unit`, lies in a range. */
static bool any_in(const struct written *written, VixDiskLibSectorType start, VixDiskLibSectorType end, unsigned unit)
{
    for (; written->count != 0; written++)
        if (written->start / unit * unit < end && (written->start + written->count + unit - 1) / unit * unit > start)
            return true;
    return false;
}

static void write_all(VixDiskLibHandle disk, const struct written *written, uint64 seed)
{
    static uint8 buffer[1000 * VIXDISKLIB_SECTOR_SIZE];
    for (; written->count != 0; written++) {
        require(written->count <= 1000);
        fill(buffer, written->start, written->count, seed);
        check_ok(VixDiskLib_Write(disk, written->start, written->count, buffer));
    }
}

/* The list for a range, after a look at its shape: runs of whole chunks counted from the start, only the last of which
 * may be cut by the end of the range, one behind the other. */
static VixDiskLibBlockList *query(VixDiskLibHandle disk, VixDiskLibSectorType start, VixDiskLibSectorType count,
                                  VixDiskLibSectorType chunk)
{
    VixDiskLibBlockList *list = NULL;
    require_ok(VixDiskLib_QueryAllocatedBlocks(disk, start, count, chunk, &list));
    require(list != NULL);
    VixDiskLibSectorType reached = start;
    for (uint32 i = 0; i < list->numBlocks; i++) {
        const VixDiskLibBlock *block = &list->blocks[i];
        check(block->length > 0 && block->offset >= reached && block->length <= start + count - block->offset);
        reached = block->offset + block->length;
        check((block->offset - start) % chunk == 0);
        check((reached - start) % chunk == 0 || reached == start + count);
    }
    return list;
}

/* Whether a sector is in the list. */
static bool listed(const VixDiskLibBlockList *list, VixDiskLibSectorType sector)
{
    uint32 low = 0, high = list->numBlocks;
    while (low < high) {
        uint32 middle = (low + high) / 2;
        if (list->blocks[middle].offset + list->blocks[middle].length <= sector)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->numBlocks && list->blocks[low].offset <= sector;
}

/* Each chunk is listed if something in it was written, and only if something in it belongs to a unit of storage that
 * was: for chunks on the borders of grains that is one and the same. */
static void is_exact(VixDiskLibHandle disk, VixDiskLibSectorType start, VixDiskLibSectorType count,
                     VixDiskLibSectorType chunk, const struct written *written)
{
    VixDiskLibBlockList *list = query(disk, start, count, chunk);
    for (VixDiskLibSectorType first = start; first < start + count; first += chunk) {
        VixDiskLibSectorType end = first + chunk < start + count ? first + chunk : start + count;
        bool must = any_in(written, first, end, 1), may = any_in(written, first, end, GRAIN), is = listed(list, first);
        if ((must && !is) || (is && !may)) {
            fprintf(stderr, "chunk of %" PRIu64 " from %" PRIu64 " on (query from %" PRIu64 "): listed %d, written %d\n",
                    chunk, first, start, is, must);
            checks_failed++;
            break; /* the others are most likely the same */
        }
    }
    check_ok(VixDiskLib_FreeBlockList(list));
}

/* Clients fill what is not listed with zeros and never read it. */
static void the_rest_reads_as_zeros(VixDiskLibHandle disk, VixDiskLibSectorType start, VixDiskLibSectorType count)
{
    static const uint8 zeros[GRAIN * VIXDISKLIB_SECTOR_SIZE];
    static uint8 buffer[GRAIN * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibBlockList *list = query(disk, start, count, GRAIN);
    for (VixDiskLibSectorType first = start; first < start + count; first += GRAIN) {
        VixDiskLibSectorType length = start + count - first < GRAIN ? start + count - first : GRAIN;
        if (listed(list, first))
            continue;
        check_ok(VixDiskLib_Read(disk, first, length, buffer));
        check(memcmp(buffer, zeros, length * VIXDISKLIB_SECTOR_SIZE) == 0);
    }
    check_ok(VixDiskLib_FreeBlockList(list));
}

/* ---- One link -------------------------------------------------------------------------------- */

#define CAPACITY (SPLIT + 300 * GRAIN + 50)

static const struct written pieces[] = {
    {0, 1},                 /* the first sector */
    {5 * GRAIN + 3, 1},     /* one in the middle of a chunk */
    {10 * GRAIN - 1, 2},    /* across a border of chunks */
    {20 * GRAIN, 3 * GRAIN}, {25 * GRAIN, 1}, {27 * GRAIN, GRAIN}, {40 * GRAIN + 7, 900},
    {SPLIT / 2, 1},         {SPLIT - 1, 1}, /* the last of the first file */
    {SPLIT + GRAIN, 1},     {SPLIT + 299 * GRAIN, 2},
    {CAPACITY - 1, 1},      /* the last sector, in a chunk that is no whole one */
    {0, 0},
};

static const struct {
    VixDiskLibDiskType type;
    const char *path;
} disks[] = {{VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "sparse.vmdk"},
             {VIXDISKLIB_DISK_MONOLITHIC_FLAT, "flat.vmdk"},
             {VIXDISKLIB_DISK_SPLIT_SPARSE, "split-sparse.vmdk"},
             {VIXDISKLIB_DISK_SPLIT_FLAT, "split-flat.vmdk"}};
enum { disk_count = sizeof disks / sizeof *disks };

static void an_empty_disk_has_no_blocks(VixDiskLibHandle disk)
{
    static const VixDiskLibSectorType chunks[] = {GRAIN, 1000, VIXDISKLIB_MAX_CHUNK_SIZE};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        VixDiskLibBlockList *list = query(disk, 0, CAPACITY, chunks[i]);
        check(list->numBlocks == 0);
        check_ok(VixDiskLib_FreeBlockList(list));
    }
}

static void blocks_are_what_was_written(VixDiskLibHandle disk)
{
    static const VixDiskLibSectorType chunks[] = {128, 129, 200, 256, 1000, 4096, 131071, 131072};
    static const VixDiskLibSectorType starts[] = {0, 1, 5, 127, 128, 129, 41 * GRAIN + 5, SPLIT - 3, SPLIT, SPLIT + 1};
    is_exact(disk, 0, CAPACITY, GRAIN, pieces);
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
        is_exact(disk, 0, CAPACITY, chunks[c], pieces);
        for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
            is_exact(disk, starts[s], 20000, chunks[c], pieces);
            is_exact(disk, starts[s], 1, chunks[c], pieces); /* less than a chunk */
            is_exact(disk, starts[s], chunks[c] < 30000 ? chunks[c] + 1 : 30000, chunks[c], pieces);
        }
    }
    the_rest_reads_as_zeros(disk, 0, 50 * GRAIN);
    the_rest_reads_as_zeros(disk, SPLIT - 2000, CAPACITY - (SPLIT - 2000));
}

static void blocks_of_every_kind_of_disk(VixDiskLibConnection connection)
{
    for (int i = 0; i < disk_count; i++) {
        VixDiskLibHandle disk = new_disk(connection, disks[i].path, disks[i].type, CAPACITY);
        an_empty_disk_has_no_blocks(disk);
        write_all(disk, pieces, i);
        blocks_are_what_was_written(disk); /* of what may not be in the file yet, too */
        check_ok(VixDiskLib_Close(disk));
        disk = open_disk(connection, disks[i].path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        is_exact(disk, 0, CAPACITY, GRAIN, pieces);
        check_ok(VixDiskLib_Close(disk));
        /* The only link there is: nobody else has what it does not have. */
        disk = open_disk(connection, disks[i].path, VIXDISKLIB_FLAG_OPEN_READ_ONLY | VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
        is_exact(disk, 0, CAPACITY, GRAIN, pieces);
        check_ok(VixDiskLib_Close(disk));
    }
}

/* A list is as long as it has to be. */
static void every_second_chunk(VixDiskLibConnection connection)
{
    enum { chunks = 2000 };
    VixDiskLibHandle disk = new_disk(connection, "comb.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, chunks * GRAIN);
    uint8 sector[VIXDISKLIB_SECTOR_SIZE];
    fill(sector, 0, 1, 1);
    for (unsigned i = 0; i < chunks; i += 2)
        check_ok(VixDiskLib_Write(disk, i * GRAIN + i % GRAIN, 1, sector));
    VixDiskLibBlockList *list = query(disk, 0, chunks * GRAIN, GRAIN);
    check(list->numBlocks == chunks / 2);
    for (uint32 i = 0; i < list->numBlocks; i++)
        check(list->blocks[i].offset == 2 * i * GRAIN && list->blocks[i].length == GRAIN);
    check_ok(VixDiskLib_FreeBlockList(list));
    list = query(disk, 0, chunks * GRAIN, 2 * GRAIN); /* larger chunks leave no gap: one run, or some that touch */
    VixDiskLibSectorType sum = 0;
    for (uint32 i = 0; i < list->numBlocks; i++)
        sum += list->blocks[i].length;
    check(sum == chunks * GRAIN);
    check_ok(VixDiskLib_FreeBlockList(list));
    check_ok(VixDiskLib_Close(disk));
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void is_refused(VixDiskLibHandle disk, VixDiskLibSectorType start, VixDiskLibSectorType count,
                       VixDiskLibSectorType chunk)
{
    VixDiskLibBlockList *list = (VixDiskLibBlockList *)&list;
    if (!check_error(VixDiskLib_QueryAllocatedBlocks(disk, start, count, chunk, &list), VIX_E_INVALID_ARG))
        fprintf(stderr, "  from %" PRIu64 ", %" PRIu64 " sectors, chunks of %" PRIu64 "\n", start, count, chunk);
    check(list == NULL);
}

static void chunks_have_limits(VixDiskLibHandle disk)
{
    static const VixDiskLibSectorType bad[] = {0, 1, 127, 131073, 1 << 30, UINT64_C(1) << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        is_refused(disk, 0, GRAIN, bad[i]);
    is_exact(disk, 0, GRAIN, VIXDISKLIB_MIN_CHUNK_SIZE, pieces);
    is_exact(disk, 0, GRAIN, VIXDISKLIB_MAX_CHUNK_SIZE, pieces);
}

static void ranges_have_limits(VixDiskLibHandle disk)
{
    is_refused(disk, 0, 0, GRAIN);
    is_refused(disk, CAPACITY, 0, GRAIN);
    is_refused(disk, CAPACITY, 1, GRAIN);
    is_refused(disk, CAPACITY - 1, 2, GRAIN);
    is_refused(disk, 0, CAPACITY + 1, GRAIN);
    is_refused(disk, CAPACITY + 1, 0, GRAIN);
    is_refused(disk, UINT64_MAX, 1, GRAIN);
    is_refused(disk, UINT64_MAX - 126, GRAIN, GRAIN);
    is_refused(disk, GRAIN, UINT64_MAX, GRAIN);
    is_refused(disk, UINT64_C(1) << 63, UINT64_C(1) << 63, VIXDISKLIB_MAX_CHUNK_SIZE);
    is_exact(disk, CAPACITY - 1, 1, GRAIN, pieces);
    is_exact(disk, CAPACITY - 50, 50, GRAIN, pieces);
}

/* What nbdkit asks any disk first is an error then, and nothing worse. */
static void disks_smaller_than_a_chunk(VixDiskLibConnection connection)
{
    static const struct written first[] = {{0, 1}, {0, 0}}, none[] = {{0, 0}};
    for (int i = 0; i < disk_count; i++) {
        static const VixDiskLibSectorType capacities[] = {1, 64, 127};
        for (int c = 0; c < 3; c++) {
            char path[64];
            snprintf(path, sizeof path, "small-%d-%s", c, disks[i].path);
            VixDiskLibHandle disk = new_disk(connection, path, disks[i].type, capacities[c]);
            is_refused(disk, 0, GRAIN, GRAIN);
            is_exact(disk, 0, capacities[c], GRAIN, none);
            write_all(disk, first, 1);
            is_exact(disk, 0, capacities[c], GRAIN, first);
            is_refused(disk, 0, GRAIN, GRAIN);
            check_ok(VixDiskLib_Close(disk));
        }
    }
}

/* 2 TiB, in the largest slices that are allowed: 524288 chunks of 128. */
static void a_large_disk_in_slices(VixDiskLibConnection connection)
{
    const VixDiskLibSectorType capacity = UINT64_C(1) << 32;
    const VixDiskLibSectorType slice = VIXDISKLIB_MAX_CHUNK_NUMBER * (VixDiskLibSectorType)GRAIN;
    const struct written far_apart[] = {
        {0, 1},           {slice - 1, 2}, {5 * slice, 1}, {capacity / 2 - 1, 2}, {capacity - slice, 1},
        {capacity - 1, 1}, {0, 0}};
    VixDiskLibHandle disk = new_disk(connection, "large.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, capacity);
    write_all(disk, far_apart, 6);
    is_refused(disk, 0, slice + 1, GRAIN);
    is_refused(disk, 0, capacity, GRAIN);
    VixDiskLibSectorType found = 0;
    for (VixDiskLibSectorType start = 0; start < capacity; start += slice) {
        VixDiskLibBlockList *list = query(disk, start, slice, GRAIN);
        for (uint32 i = 0; i < list->numBlocks; i++) {
            const VixDiskLibBlock *block = &list->blocks[i];
            for (VixDiskLibSectorType at = block->offset; at < block->offset + block->length; at += GRAIN)
                check(any_in(far_apart, at, at + GRAIN, 1));
            found += block->length;
        }
        check_ok(VixDiskLib_FreeBlockList(list));
    }
    check(found == 8 * GRAIN);
    is_exact(disk, 0, capacity, VIXDISKLIB_MAX_CHUNK_SIZE, far_apart); /* all at once */
    check_ok(VixDiskLib_Close(disk));
}

/* ---- Chains ---------------------------------------------------------------------------------- */

#define CHAIN_CAPACITY ((VixDiskLibSectorType)(100 * GRAIN + 30))

static const struct written of_base[] = {
    {0, 5}, {10 * GRAIN, 2 * GRAIN}, {30 * GRAIN + 5, 1}, {CHAIN_CAPACITY - 1, 1}, {0, 0}};
static const struct written of_child[] = {{11 * GRAIN, 1}, {30 * GRAIN + 90, 3}, {50 * GRAIN, 2 * GRAIN}, {0, 0}};

static void links(VixDiskLibHandle disk, int wanted)
{
    VixDiskLibInfo *info = NULL;
    require_ok(VixDiskLib_GetInfo(disk, &info));
    check(info->numLinks == wanted && info->capacity == CHAIN_CAPACITY);
    VixDiskLib_FreeInfo(info);
}

/* A chain lists what any of its links has, a single link its own only. */
static void blocks_of_a_chain(VixDiskLibConnection connection)
{
    struct written of_both[8] = {{0, 0}};
    memcpy(of_both, of_base, sizeof of_base);
    memcpy(of_both + sizeof of_base / sizeof *of_base - 1, of_child, sizeof of_child);
    VixDiskLibHandle disk = new_disk(connection, "base.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CHAIN_CAPACITY);
    write_all(disk, of_base, 1);
    check_ok(VixDiskLib_Close(disk));
    make_child(".", "base.vmdk", "child.vmdk");

    static const struct written nothing[] = {{0, 0}};
    disk = open_disk(connection, "child.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK | VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is_exact(disk, 0, CHAIN_CAPACITY, GRAIN, nothing);
    check_ok(VixDiskLib_Close(disk));

    disk = open_disk(connection, "child.vmdk", 0);
    is_exact(disk, 0, CHAIN_CAPACITY, GRAIN, of_base);
    write_all(disk, of_child, 2);
    for (int opened_again = 0; opened_again < 2; opened_again++) {
        links(disk, 2);
        is_exact(disk, 0, CHAIN_CAPACITY, GRAIN, of_both);
        is_exact(disk, 77, 5000, 300, of_both);
        the_rest_reads_as_zeros(disk, 0, CHAIN_CAPACITY);
        check_ok(VixDiskLib_Close(disk));
        disk = open_disk(connection, "child.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    }
    check_ok(VixDiskLib_Close(disk));
    disk = open_disk(connection, "child.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK | VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    links(disk, 1);
    is_exact(disk, 0, CHAIN_CAPACITY, GRAIN, of_child);
    the_rest_reads_as_zeros(disk, 0, CHAIN_CAPACITY);
    check_ok(VixDiskLib_Close(disk));
}

/* Zeros that a child has in the place of its parent's data: of the chain they are nothing to be read, of the link
 * they are, as a copy of it alone would show the parent's data again. */
static void zeros_of_a_child(VixDiskLibConnection connection)
{
    static const struct written left[] = {{11 * GRAIN, GRAIN}, {30 * GRAIN + 5, 1}, {CHAIN_CAPACITY - 1, 1}, {0, 0}};
    static const struct written zeroed[] = {{0, GRAIN}, {10 * GRAIN, GRAIN}, {0, 0}};
    run("qemu-img create -q -f vmdk -F vmdk -b base.vmdk -o zeroed_grain=on zeroed.vmdk");
    run("qemu-io -f vmdk -c 'write -q -z 0 64k' -c 'write -q -z 640k 64k' zeroed.vmdk");
    VixDiskLibHandle disk = open_disk(connection, "zeroed.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is_exact(disk, 0, CHAIN_CAPACITY, GRAIN, left);
    the_rest_reads_as_zeros(disk, 0, CHAIN_CAPACITY);
    check_ok(VixDiskLib_Close(disk));
    disk = open_disk(connection, "zeroed.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY | VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    is_exact(disk, 0, CHAIN_CAPACITY, GRAIN, zeroed);
    check_ok(VixDiskLib_Close(disk));
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    blocks_of_every_kind_of_disk(connection);
    every_second_chunk(connection);
    VixDiskLibHandle disk = open_disk(connection, "sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    chunks_have_limits(disk);
    ranges_have_limits(disk);
    check_ok(VixDiskLib_Close(disk));
    disks_smaller_than_a_chunk(connection);
    a_large_disk_in_slices(connection);
    blocks_of_a_chain(connection);
    zeros_of_a_child(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
