/* Making disks: every kind that can be made is one to work with, progress is told, nothing is overwritten, and a
 * failure leaves nothing behind.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "check.h"

static const struct {
    VixDiskLibDiskType type;
    const char *name; /* what its files are called after */
} kinds[] = {{VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "sparse"},
             {VIXDISKLIB_DISK_MONOLITHIC_FLAT, "flat"},
             {VIXDISKLIB_DISK_SPLIT_SPARSE, "split-sparse"},
             {VIXDISKLIB_DISK_SPLIT_FLAT, "split-flat"}};
enum { kind_count = sizeof kinds / sizeof *kinds };

#define SPLIT ((VixDiskLibSectorType)4192256) /* sectors of the first file of a split disk: 2047 MiB */

static VixDiskLibCreateParams params_of(VixDiskLibDiskType type, VixDiskLibSectorType capacity)
{
    VixDiskLibCreateParams params;
    memset(&params, 0, sizeof params);
    params.diskType = type;
    params.adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
    params.hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5;
    params.capacity = capacity;
    return params;
}

static int64_t blocks_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)status.st_blocks : -1;
}

/* Sectors at a place and those behind it come back; `again` has them after the disk has been closed and opened. */
static void sectors_hold(VixDiskLibConnection connection, const char *path, VixDiskLibSectorType start,
                         VixDiskLibSectorType count)
{
    static uint8 buffer[64 * VIXDISKLIB_SECTOR_SIZE], again[64 * VIXDISKLIB_SECTOR_SIZE];
    require(count <= 64);
    VixDiskLibHandle disk = open_disk(connection, path, 0);
    fill(buffer, start, count, 6);
    check_ok(VixDiskLib_Read(disk, start, count, again));
    static const uint8 zeros[64 * VIXDISKLIB_SECTOR_SIZE];
    check(memcmp(again, zeros, count * VIXDISKLIB_SECTOR_SIZE) == 0); /* a new disk is empty */
    check_ok(VixDiskLib_Write(disk, start, count, buffer));
    check_ok(VixDiskLib_Close(disk));
    disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Read(disk, start, count, again));
    check(holds(again, start, count, 6));
    check_ok(VixDiskLib_Close(disk));
}

static VixDiskLibSectorType capacity_of(VixDiskLibConnection connection, const char *path)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibHandle disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    require_ok(VixDiskLib_GetInfo(disk, &info));
    VixDiskLibSectorType capacity = info->capacity;
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_Close(disk));
    return capacity;
}

/* ---- What is made ---------------------------------------------------------------------------- */

/* One sector, a grain and its neighbours, a table of grains and its neighbours, something that fits nothing. */
static void any_capacity_to_its_last_sector(VixDiskLibConnection connection)
{
    static const VixDiskLibSectorType capacities[] = {1, 2, 127, 128, 129, 1000, 65535, 65536, 65537, 1234567};
    char path[64];
    for (int i = 0; i < kind_count; i++)
        for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
            snprintf(path, sizeof path, "any-%s-%zu.vmdk", kinds[i].name, c);
            require_ok(create(connection, path, kinds[i].type, capacities[c]));
            check(capacity_of(connection, path) == capacities[c]);
            sectors_hold(connection, path, capacities[c] - 1, 1);
            VixDiskLibHandle disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
            uint8 sector[VIXDISKLIB_SECTOR_SIZE];
            check_error(VixDiskLib_Read(disk, capacities[c], 1, sector), VIX_E_DISK_OUTOFRANGE);
            check_ok(VixDiskLib_Close(disk));
        }
}

static void large_disks_are_split(VixDiskLibConnection connection)
{
    char path[64];
    for (int i = 2; i < kind_count; i++) {
        snprintf(path, sizeof path, "large-%s.vmdk", kinds[i].name);
        require_ok(create(connection, path, kinds[i].type, 2 * SPLIT + 1000));
        for (int part = 1; part <= 4; part++) {
            snprintf(path, sizeof path, "large-%s-%c%03d.vmdk", kinds[i].name, i == 2 ? 's' : 'f', part);
            check((access(path, F_OK) == 0) == (part <= 3));
            check(file_length(path) <= (int64_t)SPLIT * VIXDISKLIB_SECTOR_SIZE);
        }
        snprintf(path, sizeof path, "large-%s.vmdk", kinds[i].name);
        check(capacity_of(connection, path) == 2 * SPLIT + 1000);
        sectors_hold(connection, path, SPLIT - 30, 60); /* across the first two files */
        sectors_hold(connection, path, 2 * SPLIT - 1, 2);
        sectors_hold(connection, path, 2 * SPLIT + 999, 1);
    }
    /* What fits in one file is one, and one sector more is two. */
    require_ok(create(connection, "one.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT, SPLIT));
    check(file_length("one-f001.vmdk") == (int64_t)SPLIT * VIXDISKLIB_SECTOR_SIZE);
    check(access("one-f002.vmdk", F_OK) != 0);
    require_ok(create(connection, "two.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT, SPLIT + 1));
    check(file_length("two-f002.vmdk") == VIXDISKLIB_SECTOR_SIZE);
}

/* 62 TiB, the largest disk of VMware's products. */
static void the_largest_disk(VixDiskLibConnection connection)
{
    const VixDiskLibSectorType capacity = UINT64_C(62) << 31;
    require_ok(create(connection, "largest.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, capacity));
    check(capacity_of(connection, "largest.vmdk") == capacity);
    sectors_hold(connection, "largest.vmdk", capacity - 1, 1);
    sectors_hold(connection, "largest.vmdk", capacity / 2 - 10, 20);
    sectors_hold(connection, "largest.vmdk", 0, 1);
    check(blocks_of("largest.vmdk") < 64 * 2048); /* 64 MiB: the directories, 16 MiB, and little else */
    require(unlink("largest.vmdk") == 0);
}

/* A sparse disk takes no room for what was never written, and one of full size has it in its length. */
static void files_are_as_large_as_they_should_be(VixDiskLibConnection connection)
{
    const VixDiskLibSectorType capacity = UINT64_C(100) << 21, less = UINT64_C(3) << 21; /* 100 GiB, 3 GiB */
    require_ok(create(connection, "room.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, capacity));
    check(blocks_of("room.vmdk") >= 0 && blocks_of("room.vmdk") < 2048);
    check(file_length("room.vmdk") < 64 << 20);
    sectors_hold(connection, "room.vmdk", capacity - 5000, 1);
    check(blocks_of("room.vmdk") < 3 * 2048);
    require_ok(create(connection, "rooms.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, less));
    check(blocks_of("rooms-s001.vmdk") < 2048 && file_length("rooms-s001.vmdk") < 8 << 20);
    require_ok(create(connection, "full.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, less));
    check(file_length("full-flat.vmdk") == (int64_t)less * VIXDISKLIB_SECTOR_SIZE);
}

static void geometry_and_adapter_are_told(VixDiskLibConnection connection)
{
    static const struct {
        VixDiskLibAdapterType adapter;
        const char *name;
        VixDiskLibSectorType capacity;
        uint32 cylinders, heads, sectors;
    } cases[] = {
        {VIXDISKLIB_ADAPTER_IDE, "ide", 83886080, 83220, 16, 63},
        {VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC, "buslogic", 20480, 10, 64, 32},
        {VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, "lsilogic", 1 << 21, 1024, 64, 32},
        {VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, "lsilogic", 1 << 22, 1024, 128, 32},
        {VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC, "buslogic", 268435456, 16709, 255, 63},
        {VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, "lsilogic", 1, 1, 64, 32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64], name[32];
        VixDiskLibCreateParams params = params_of(kinds[2 * (i % 2)].type, cases[i].capacity);
        params.adapterType = cases[i].adapter;
        snprintf(path, sizeof path, "geometry-%zu.vmdk", i);
        require_ok(VixDiskLib_Create(connection, path, &params, NULL, NULL));
        VixDiskLibHandle disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        VixDiskLibInfo *info = NULL;
        require_ok(VixDiskLib_GetInfo(disk, &info));
        check(info->adapterType == cases[i].adapter && info->capacity == cases[i].capacity && info->numLinks == 1);
        check(info->physGeo.cylinders == cases[i].cylinders && info->physGeo.heads == cases[i].heads &&
              info->physGeo.sectors == cases[i].sectors);
        check(info->parentFileNameHint == NULL && info->uuid != NULL);
        check(info->logicalSectorSize == 512 && info->physicalSectorSize == 512);
        VixDiskLib_FreeInfo(info);
        check_ok(VixDiskLib_ReadMetadata(disk, "adapterType", name, sizeof name, NULL));
        check_string(name, cases[i].name);
        check_ok(VixDiskLib_Close(disk));
    }
}

static void hardware_versions_are_kept(VixDiskLibConnection connection)
{
    static const uint16 versions[] = {3, 4, 6, 7, 8, 9, 10, 11, 13, 14, 21, 65535};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        char path[64], wanted[8], value[8];
        VixDiskLibCreateParams params = params_of(kinds[i % 4].type, 1000);
        params.hwVersion = versions[i];
        snprintf(path, sizeof path, "hardware-%u.vmdk", versions[i]);
        require_ok(VixDiskLib_Create(connection, path, &params, NULL, NULL));
        VixDiskLibHandle disk = open_disk(connection, path, 0);
        check_ok(VixDiskLib_ReadMetadata(disk, "virtualHWVersion", value, sizeof value, NULL));
        snprintf(wanted, sizeof wanted, "%u", versions[i]);
        check_string(value, wanted);
        check_ok(VixDiskLib_Close(disk));
    }
}

static void no_two_disks_are_the_same(VixDiskLibConnection connection)
{
    char values[2][2][64];
    for (int i = 0; i < 2; i++) {
        char path[] = "twin-0.vmdk";
        path[5] = (char)('0' + i);
        VixDiskLibHandle disk = new_disk(connection, path, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
        check_ok(VixDiskLib_ReadMetadata(disk, "uuid", values[i][0], 64, NULL));
        check_ok(VixDiskLib_ReadMetadata(disk, "longContentID", values[i][1], 64, NULL));
        check_ok(VixDiskLib_Close(disk));
    }
    check(strcmp(values[0][0], values[1][0]) != 0 && strcmp(values[0][1], values[1][1]) != 0);
}

/* Older clients hand over 24 bytes, newer ones may leave garbage behind them. */
static void sector_sizes_are_not_looked_at(VixDiskLibConnection connection)
{
    VixDiskLibCreateParams params = params_of(VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    require_ok(VixDiskLib_Create(connection, "old.vmdk", at_page_end(&params, 24), NULL, NULL));
    static const uint32 sizes[] = {0, 512, 4096, 1, 0xA5A5A5A5, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char path[64];
        params.logicalSectorSize = sizes[i];
        params.physicalSectorSize = sizes[(i + 1) % 6];
        snprintf(path, sizeof path, "sizes-%zu.vmdk", i);
        check_ok(VixDiskLib_Create(connection, path, &params, NULL, NULL));
        check(capacity_of(connection, path) == 1000);
    }
}

/* ---- Progress -------------------------------------------------------------------------------- */

static struct {
    int calls, last;
    pthread_t thread;
} progress;

static Bool on_progress(void *data, int percent)
{
    check(data == &progress);
    check(pthread_equal(pthread_self(), progress.thread));
    check(percent > progress.last && percent <= 100);
    check(progress.calls > 0 || percent == 0);
    progress.last = percent;
    progress.calls++;
    return FALSE; /* which means nothing */
}

static void progress_rises_from_0_to_100(VixDiskLibConnection connection)
{
    char path[64];
    for (int i = 0; i < kind_count; i++) {
        VixDiskLibCreateParams params = params_of(kinds[i].type, 10 * SPLIT);
        progress.calls = 0;
        progress.last = -1;
        progress.thread = pthread_self();
        snprintf(path, sizeof path, "progress-%s.vmdk", kinds[i].name);
        check_ok(VixDiskLib_Create(connection, path, &params, on_progress, &progress));
        check(progress.last == 100 && progress.calls >= 2);
        check(i < 2 || progress.calls > 10); /* of each file at least */
    }
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void nothing_comes_of(VixDiskLibConnection connection, const char *path, const VixDiskLibCreateParams *params,
                             VixError wanted)
{
    int files = count_entries(".");
    if (!check_error(VixDiskLib_Create(connection, path, params, NULL, NULL), wanted))
        fprintf(stderr, "  that was '%s', type %u\n", path, params != NULL ? params->diskType : 0);
    check(count_entries(".") == files);
}

static void nothing_is_overwritten(VixDiskLibConnection connection)
{
    /* How the name of a file in the way ends, and whose way, in bits of the kinds. */
    static const char *const parts[] = {"", "-flat", "-s001", "-s002", "-f001", "-f002"};
    static const int in_way_of[] = {15, 2, 4, 4, 8, 8};
    for (int kind = 0; kind < kind_count; kind++)
        for (int part = 0; part < 6; part++) {
            char in_way[64], text[64];
            VixDiskLibCreateParams params = params_of(kinds[kind].type, SPLIT + 1000);
            if ((in_way_of[part] >> kind & 1) == 0)
                continue;
            snprintf(in_way, sizeof in_way, "taken%s.vmdk", parts[part]);
            write_file(in_way, "somebody's file");
            nothing_comes_of(connection, "taken.vmdk", &params, VIX_E_FILE_ALREADY_EXISTS);
            check_string(read_file(in_way, text, sizeof text), "somebody's file");
            require(unlink(in_way) == 0);
        }
    /* Nor is a disk, open or not, or what a link leads to. */
    VixDiskLibCreateParams params = params_of(VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 5000);
    VixDiskLibHandle disk = new_disk(connection, "taken.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    nothing_comes_of(connection, "taken.vmdk", &params, VIX_E_FILE_ALREADY_EXISTS);
    check_ok(VixDiskLib_Close(disk));
    nothing_comes_of(connection, "taken.vmdk", &params, VIX_E_FILE_ALREADY_EXISTS);
    check(capacity_of(connection, "taken.vmdk") == 1000);
    require(symlink("nowhere", "link.vmdk") == 0 && mkdir("a-folder", 0755) == 0);
    nothing_comes_of(connection, "link.vmdk", &params, VIX_E_FILE_ALREADY_EXISTS);
    check(access("nowhere", F_OK) != 0);
    nothing_comes_of(connection, "a-folder", &params, VIX_E_FILE_ALREADY_EXISTS);
}

static void impossible_disks(VixDiskLibConnection connection)
{
    for (int i = 0; i < kind_count; i++) {
        VixDiskLibCreateParams params = params_of(kinds[i].type, 0);
        nothing_comes_of(connection, "no.vmdk", &params, VIX_E_INVALID_ARG);
        params.capacity = UINT64_MAX;
        nothing_comes_of(connection, "no.vmdk", &params, VIX_E_INVALID_ARG);
        params.capacity = UINT64_C(1) << 55; /* its bytes need 64 bits */
        nothing_comes_of(connection, "no.vmdk", &params, VIX_E_INVALID_ARG);
    }
    VixDiskLibCreateParams params = params_of(VIXDISKLIB_DISK_MONOLITHIC_SPARSE, UINT64_C(1) << 50);
    nothing_comes_of(connection, "no.vmdk", &params, VIX_E_FILE_TOO_BIG); /* 32-bit tables do not reach so far */
    params = params_of(VIXDISKLIB_DISK_VMFS_SPARSE, 1000); /* only a child can be one, and only ESXi makes it */
    nothing_comes_of(connection, "no.vmdk", &params, VIX_E_NOT_SUPPORTED);
    static const unsigned types[] = {0, 9, 99, VIXDISKLIB_DISK_UNKNOWN, 0x7fffffff};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        params = params_of((VixDiskLibDiskType)types[i], 1000);
        nothing_comes_of(connection, "no.vmdk", &params, VIX_E_INVALID_ARG);
    }
    params = params_of(VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    nothing_comes_of(connection, "no.vmdk", NULL, VIX_E_INVALID_ARG);
    nothing_comes_of(connection, NULL, &params, VIX_E_INVALID_ARG);
    nothing_comes_of(connection, "", &params, VIX_E_INVALID_ARG);
    nothing_comes_of(connection, "[datastore1] vm/disk.vmdk", &params, VIX_E_INVALID_ARG);
    VixDiskLibConnection reading = NULL;
    require_ok(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &reading));
    nothing_comes_of(reading, "no.vmdk", &params, VIX_E_FILE_READ_ONLY);
    check_ok(VixDiskLib_Disconnect(reading));
}

static void impossible_names(VixDiskLibConnection connection)
{
    char fits[256], longer[257];
    memset(fits, 'n', 255);
    strcpy(fits + 250, ".vmdk");
    memset(longer, 'n', 256);
    strcpy(longer + 251, ".vmdk");
    for (int i = 0; i < kind_count; i++) {
        VixDiskLibCreateParams params = params_of(kinds[i].type, 1000);
        nothing_comes_of(connection, "no-such-folder/no.vmdk", &params, VIX_E_FILE_NOT_FOUND);
        nothing_comes_of(connection, longer, &params, VIX_E_FILE_NAME_INVALID);
        if (i > 0) /* the descriptor could be made, the longer names beside it cannot */
            nothing_comes_of(connection, fits, &params, VIX_E_FILE_NAME_INVALID);
        nothing_comes_of(connection, "quo\"te.vmdk", &params, VIX_E_FILE_NAME_INVALID);
        nothing_comes_of(connection, "line\nbreak.vmdk", &params, VIX_E_FILE_NAME_INVALID);
        nothing_comes_of(connection, "latin1-\xe4.vmdk", &params, VIX_E_FILE_NAME_INVALID); /* descriptors are UTF-8 */
        nothing_comes_of(connection, "..", &params, VIX_E_FILE_NAME_INVALID);
    }
    require_ok(create(connection, fits, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000));
    sectors_hold(connection, fits, 999, 1);
    /* Names that only look odd. */
    static const char *const odd[] = {"no ending",      "two.vmdk.vmdk", ".vmdk",
                                      "b l a n k.vmdk", "\xc3\xa4.vmdk", "%s.vmdk"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        require_ok(create(connection, odd[i], kinds[1 + i % 3].type, 1000));
        sectors_hold(connection, odd[i], 999, 1);
    }
}

/* In processes of their own, which have less rights, or room. */
static int create_in_a_closed_folder(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    require(chdir("closed") == 0);
    become_nobody();
    for (int i = 0; i < kind_count; i++) {
        VixDiskLibCreateParams params = params_of(kinds[i].type, 1000);
        nothing_comes_of(connection, "no.vmdk", &params, VIX_E_FILE_ACCESS_ERROR);
    }
    VixDiskLib_Exit();
    return checks_failed;
}

static int create_without_room(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    const struct rlimit limit = {300000, 300000}; /* less than the tables of a split disk's file take */
    require(setrlimit(RLIMIT_FSIZE, &limit) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    for (int i = 0; i < kind_count; i++) {
        VixDiskLibCreateParams params = params_of(kinds[i].type, 2 * SPLIT);
        nothing_comes_of(connection, "no.vmdk", &params, VIX_E_FILE_TOO_BIG);
        params.capacity = 500;
        check_ok(VixDiskLib_Create(connection, "small.vmdk", &params, NULL, NULL));
        run("rm small*");
    }
    VixDiskLib_Exit();
    return checks_failed;
}

int main(void)
{
    require(mkdir("closed", 0555) == 0);
    check(in_child(create_in_a_closed_folder) == 0);
    check(in_child(create_without_room) == 0);
    start_library();
    VixDiskLibConnection connection = connect_local();
    any_capacity_to_its_last_sector(connection);
    large_disks_are_split(connection);
    the_largest_disk(connection);
    files_are_as_large_as_they_should_be(connection);
    geometry_and_adapter_are_told(connection);
    hardware_versions_are_kept(connection);
    no_two_disks_are_the_same(connection);
    sector_sizes_are_not_looked_at(connection);
    progress_rises_from_0_to_100(connection);
    nothing_is_overwritten(connection);
    impossible_disks(connection);
    impossible_names(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
