/* The library's part of `make bench`, and the limit probes: plain C over the public interface.
 *
 * One file because it is compiled by one line, on other machines too.
 *
 * usage: bench COMMAND ARGUMENT...
 *
 * Making things (they print nothing, or what is said here)
 *   raw FILE MIB full              raw content without zeros
 *   raw FILE MIB mixed FILES       about 35 % zeros, 35 % pieces of FILES and 30 % random bytes, in regions of 64 KiB
 *                                  to 8 MiB
 *   pack RAW PACKED PLACES GRAIN ordered|shuffled
 *                                  the grains of RAW that are not zero, one behind the other in PACKED, and where each
 *                                  grain is: 64-bit numbers, the largest one for zeros
 *   import DISK RAW KIND           KIND as for `create`, or fragmented
 *                                  a disk with that content; fragmented is sparse with its grains shuffled
 *   create DISK MIB [KIND]         an empty disk: sparse, flat, split, split-flat or stream; sparse if left out
 *   chain PREFIX RAW LINKS         links PREFIX-0.vmdk, .. that have that content together: most of it the base, an
 *                                  equal part of the rest each other one
 *   evict FILE ...                 takes files out of the page cache
 *   scatter DISK MIB               writes that many pieces of 1 MiB, spread over the whole disk
 *   cat DISK                       the content, to standard output
 *
 * Measuring (they print the seconds and a number to check, with a tab between)
 *   seq DISK SECONDS               reads all of it, 1 MiB at a time; check: sum of the first words of the pieces
 *   rnd DISK SECONDS OFFSETS [BYTES]
 *                                  reads 4 KiB at each offset of the file OFFSETS (64-bit numbers); check: the same
 *   async DISK SECONDS OFFSETS DEPTH
 *                                  the same with that many requests of ReadAsync in flight
 *   write DISK MIB                 writes the full content, 1 MiB at a time, and flushes; check: MiB
 *   map DISK                       QueryAllocatedBlocks over all of it, 64 KiB chunks; check: allocated bytes
 *   reopen DISK TIMES              opens and closes it so often, median; check: TIMES
 *   convert DISK NEW KIND          Clone into a new disk of that kind; check: 0
 *   huge DISK                      makes a disk of 62 TiB, writes 1 MiB at each end, maps and checks it; check: KiB
 *                                  of memory that this took at most
 *   probe-seq, probe-rnd, probe-write FILE ...
 *                                  pread and pwrite of a raw file in place of the library
 *                                  (seq, rnd and async go on for at least SECONDS and print those of one pass)
 *   probe-places PACKED PLACES GRAIN SECONDS [OFFSETS BYTES]
 *                                  reads a packed file as a perfect reader of a sparse disk would: grains that are
 *                                  neighbours at once, zeros by memset, no tables; all of it or BYTES at each offset
 *   probe-holes FILE               walks the file with SEEK_DATA and SEEK_HOLE; check: bytes of data
 *   run TIMES COMMAND ...          runs a command so often, median; check: TIMES
 *
 * And for `run`
 *   open DISK                      opens and closes it
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vixDiskLib.h"

#define SECTOR ((uint64_t)VIXDISKLIB_SECTOR_SIZE)
#define MIB ((uint64_t)1 << 20)
#define LARGE MIB       /* a sequential request */
#define SMALL 4096      /* a random request */
#define GRAIN 65536     /* of a sparse disk */
#define MAX_DEPTH 64    /* asynchronous requests in flight */
#define MAX_TIMES 10000 /* samples of `run` and `reopen` */

/* ---- Small tools ----------------------------------------------------------------------------- */

static void die(const char *format, ...)
{
    va_list arguments;

    fputs("bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void check(VixError error, const char *what)
{
    if (VIX_FAILED(error)) {
        char *text = VixDiskLib_GetErrorText(error, NULL);

        die("%s: %s", what, text != NULL ? text : "failed");
    }
}

static void system_failure(const char *what)
{
    die("%s: %s", what, strerror(errno));
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (end == text || *end != '\0')
        die("'%s' is not a number", text);
    return value;
}

static double seconds_of(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0')
        die("'%s' is no time", text);
    return value;
}

/* The same numbers in every run, so that every run measures the same disk. */
static uint64_t random_state = 1;

static uint64_t random_number(void)
{
    uint64_t mixed = random_state += 0x9e3779b97f4a7c15;

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

/* Memory whose pages exist, so that no measurement has to make them. */
static uint8_t *buffer_of(size_t length)
{
    void *buffer;

    if (posix_memalign(&buffer, 4096, length) != 0)
        die("out of memory");
    memset(buffer, 0xff, length);
    return buffer;
}

static uint64_t first_word(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
    return word;
}

static void print_result(double seconds, uint64_t value)
{
    printf("%.9f\t%" PRIu64 "\n", seconds, value);
}

/* A pass may be too short to be timed well, so it is done again and again. */
struct passes {
    double began, least;
    uint64_t count, sum; /* the sum is that of the last pass */
};

static struct passes passes_begin(double least)
{
    struct passes passes = {now(), least, 0, 0};

    return passes;
}

/* Whether there is one more pass to do. */
static bool passes_next(struct passes *passes)
{
    if (passes->count > 0 && now() - passes->began >= passes->least)
        return false;
    passes->count++;
    passes->sum = 0;
    return true;
}

static void passes_print(const struct passes *passes)
{
    print_result((now() - passes->began) / (double)passes->count, passes->sum);
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median(double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, by_size);
    return samples[count / 2];
}

static int open_file(const char *path, int flags)
{
    int file = open(path, flags | O_CLOEXEC, 0644);

    if (file < 0)
        system_failure(path);
    return file;
}

static uint64_t file_length(int file)
{
    struct stat status;

    if (fstat(file, &status) != 0)
        system_failure("fstat");
    return (uint64_t)status.st_size;
}

static void read_at(int file, uint8_t *buffer, size_t length, uint64_t offset)
{
    if (pread(file, buffer, length, (off_t)offset) != (ssize_t)length)
        system_failure("pread");
}

static void write_at(int file, const uint8_t *data, size_t length, uint64_t offset)
{
    if (pwrite(file, data, length, (off_t)offset) != (ssize_t)length)
        system_failure("pwrite");
}

static uint64_t *offsets_of(const char *path, size_t *count)
{
    int file = open_file(path, O_RDONLY);
    uint64_t length = file_length(file);
    uint64_t *offsets = (uint64_t *)buffer_of(length);

    read_at(file, (uint8_t *)offsets, length, 0);
    close(file);
    *count = length / sizeof *offsets;
    return offsets;
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static VixDiskLibConnection connection;

static void library_begin(void)
{
    check(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL), "InitEx");
    check(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &connection), "ConnectEx");
}

static void library_end(void)
{
    check(VixDiskLib_Disconnect(connection), "Disconnect");
    VixDiskLib_Exit();
}

static VixDiskLibHandle disk_open(const char *path, uint32_t flags)
{
    VixDiskLibHandle disk;

    check(VixDiskLib_Open(connection, path, flags, &disk), path);
    return disk;
}

static uint64_t disk_sectors(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info;
    uint64_t sectors;

    check(VixDiskLib_GetInfo(disk, &info), "GetInfo");
    sectors = info->capacity;
    VixDiskLib_FreeInfo(info);
    return sectors;
}

static VixDiskLibCreateParams parameters_of(uint64_t sectors, VixDiskLibDiskType type)
{
    VixDiskLibCreateParams parameters;

    memset(&parameters, 0, sizeof parameters);
    parameters.diskType = type;
    parameters.adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
    parameters.hwVersion = VIXDISKLIB_HWVERSION_CURRENT;
    parameters.capacity = sectors;
    return parameters;
}

static VixDiskLibDiskType type_of(const char *kind)
{
    static const struct {
        const char *kind;
        VixDiskLibDiskType type;
    } known[] = {
        {"sparse", VIXDISKLIB_DISK_MONOLITHIC_SPARSE}, {"flat", VIXDISKLIB_DISK_MONOLITHIC_FLAT},
        {"split", VIXDISKLIB_DISK_SPLIT_SPARSE},       {"split-flat", VIXDISKLIB_DISK_SPLIT_FLAT},
        {"stream", VIXDISKLIB_DISK_STREAM_OPTIMIZED},
    };
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(kind, known[i].kind) == 0)
            return known[i].type;
    die("'%s' is no kind of disk", kind);
    return VIXDISKLIB_DISK_UNKNOWN;
}

static void disk_create(const char *path, uint64_t sectors, VixDiskLibDiskType type)
{
    VixDiskLibCreateParams parameters = parameters_of(sectors, type);

    check(VixDiskLib_Create(connection, path, &parameters, NULL, NULL), path);
}

/* ---- Making content -------------------------------------------------------------------------- */

static void fill_random(uint8_t *data, size_t length)
{
    size_t at;

    for (at = 0; at < length; at += sizeof(uint64_t)) {
        uint64_t word = random_number();

        memcpy(data + at, &word, sizeof word);
    }
}

/* Content of files, for `mixed`. */
static struct {
    uint8_t *bytes;
    uint64_t length;
} files;

static void fill_files(uint8_t *data, size_t length)
{
    memcpy(data, files.bytes + random_number() % (files.length - length), length);
}

/* The full content: random bytes, and no two pieces alike. */
static uint8_t *full_piece(void)
{
    uint8_t *piece = buffer_of(LARGE);

    random_state = 2;
    fill_random(piece, LARGE);
    return piece;
}

static void stamp(uint8_t *piece, uint64_t index)
{
    index++;
    memcpy(piece, &index, sizeof index);
}

static void load_files(const char *path)
{
    int file = open_file(path, O_RDONLY);

    files.length = file_length(file);
    if (files.length <= GRAIN)
        die("%s is too short", path);
    files.bytes = buffer_of(files.length);
    read_at(file, files.bytes, files.length, 0);
    close(file);
}

static void make_raw(const char *path, uint64_t mib, const char *kind)
{
    int file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
    uint8_t *piece = full_piece();
    uint64_t index, at, left = 0;
    unsigned choice = 0;

    random_state = 3;
    for (index = 0; index < mib; index++) {
        for (at = 0; strcmp(kind, "mixed") == 0 && at < LARGE; at += GRAIN) {
            if (left == 0) {
                left = (uint64_t)1 << random_number() % 8;
                choice = random_number() % 100;
            }
            left--;
            if (choice < 35)
                memset(piece + at, 0, GRAIN);
            else if (choice < 70)
                fill_files(piece + at, GRAIN);
            else
                fill_random(piece + at, GRAIN);
        }
        if (strcmp(kind, "full") == 0)
            stamp(piece, index);
        /* Zeros are written as well: the raw file is the naive limit, and has no holes to profit from. */
        write_at(file, piece, LARGE, index * LARGE);
    }
    if (fsync(file) != 0)
        system_failure("fsync");
}

/* 0 to count-1, in disorder. */
static uint64_t *shuffled(uint64_t count)
{
    uint64_t *order = (uint64_t *)buffer_of(count * sizeof *order);
    uint64_t i;

    random_state = 4;
    for (i = 0; i < count; i++) {
        uint64_t other = random_number() % (i + 1);

        order[i] = order[other];
        order[other] = i;
    }
    return order;
}

static void import(const char *path, const char *raw, const char *kind)
{
    bool fragmented = strcmp(kind, "fragmented") == 0;
    int file = open_file(raw, O_RDONLY);
    uint64_t length = file_length(file), step = fragmented ? GRAIN : LARGE, i;
    uint64_t *order = fragmented ? shuffled(length / step) : NULL;
    uint8_t *buffer = buffer_of(step);
    VixDiskLibHandle disk;

    disk_create(path, length / SECTOR, type_of(fragmented ? "sparse" : kind));
    disk = disk_open(path, 0);
    for (i = 0; i < length / step; i++) {
        uint64_t offset = (fragmented ? order[i] : i) * step;

        read_at(file, buffer, step, offset);
        check(VixDiskLib_Write(disk, offset / SECTOR, step / SECTOR, buffer), "Write");
    }
    check(VixDiskLib_Close(disk), "Close");
}

#define NOWHERE UINT64_MAX /* the place of zeros */

static void pack(char **arguments)
{
    int raw = open_file(arguments[0], O_RDONLY), packed = open_file(arguments[1], O_WRONLY | O_CREAT | O_TRUNC);
    int list = open_file(arguments[2], O_WRONLY | O_CREAT | O_TRUNC);
    uint64_t grain = number(arguments[3]), count = file_length(raw) / grain, used = 0, i;
    uint64_t *order = strcmp(arguments[4], "shuffled") == 0 ? shuffled(count) : NULL;
    uint64_t *places = (uint64_t *)buffer_of(count * sizeof *places);
    uint8_t *buffer = buffer_of(grain), *zeros = buffer_of(grain);

    memset(zeros, 0, grain);
    for (i = 0; i < count; i++) {
        uint64_t index = order != NULL ? order[i] : i;

        read_at(raw, buffer, grain, index * grain);
        places[index] = NOWHERE;
        if (memcmp(buffer, zeros, grain) != 0) {
            write_at(packed, buffer, grain, used);
            places[index] = used;
            used += grain;
        }
    }
    write_at(list, (uint8_t *)places, count * sizeof *places, 0);
    if (fsync(packed) != 0)
        system_failure("fsync");
}

/* Writes the grains of `file` that belong to a link: stretches of up to 16 grains, as changes of a day have them. */
static void write_link(VixDiskLibHandle disk, int file, uint64_t link, uint64_t links)
{
    uint64_t length = file_length(file), at = 0;
    uint8_t *buffer = buffer_of(16 * GRAIN), *zeros = buffer_of(GRAIN);

    memset(zeros, 0, GRAIN);
    random_state = 5;
    while (at < length) {
        uint64_t step = (1 + random_number() % 16) * GRAIN, choice = random_number() % 100, i;
        uint64_t owner = choice < 60 || links == 1 ? 0 : 1 + random_number() % (links - 1);

        if (step > length - at)
            step = length - at;
        if (owner == link) {
            read_at(file, buffer, step, at);
            for (i = 0; i < step; i += GRAIN)
                if (memcmp(buffer + i, zeros, GRAIN) != 0)
                    check(VixDiskLib_Write(disk, (at + i) / SECTOR, GRAIN / SECTOR, buffer + i), "Write");
        }
        at += step;
    }
    free(buffer);
    free(zeros);
}

static void make_chain(const char *prefix, const char *raw, uint64_t links)
{
    int file = open_file(raw, O_RDONLY);
    char path[512], child[512];
    uint64_t link;

    snprintf(path, sizeof path, "%s-0.vmdk", prefix);
    disk_create(path, file_length(file) / SECTOR, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    for (link = 0; link < links; link++) {
        VixDiskLibHandle disk;

        snprintf(path, sizeof path, "%s-%" PRIu64 ".vmdk", prefix, link);
        disk = disk_open(path, 0);
        write_link(disk, file, link, links);
        if (link + 1 < links) {
            snprintf(child, sizeof child, "%s-%" PRIu64 ".vmdk", prefix, link + 1);
            check(VixDiskLib_CreateChild(disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL), child);
        }
        check(VixDiskLib_Close(disk), "Close");
    }
    close(file);
}

static void scatter(const char *path, uint64_t pieces)
{
    VixDiskLibHandle disk = disk_open(path, 0);
    uint64_t part = disk_sectors(disk) / pieces, i;
    uint8_t *piece = full_piece();

    for (i = 0; i < pieces; i++) {
        /* Whole grains, and never two pieces in one place. */
        uint64_t within = random_number() % (part - 2 * LARGE / SECTOR);
        uint64_t sector = (i * part + within) / (GRAIN / SECTOR) * (GRAIN / SECTOR);

        check(VixDiskLib_Write(disk, sector, LARGE / SECTOR, piece), "Write");
    }
    check(VixDiskLib_Close(disk), "Close");
}

static void cat(const char *path)
{
    VixDiskLibHandle disk = disk_open(path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint64_t sectors = disk_sectors(disk), at;
    uint8_t *buffer = buffer_of(LARGE);

    for (at = 0; at < sectors; at += LARGE / SECTOR) {
        check(VixDiskLib_Read(disk, at, LARGE / SECTOR, buffer), "Read");
        if (fwrite(buffer, 1, LARGE, stdout) != LARGE)
            system_failure("standard output");
    }
    check(VixDiskLib_Close(disk), "Close");
}

/* ---- Measuring the library ------------------------------------------------------------------- */

static void measure_seq(const char *path, double least)
{
    VixDiskLibHandle disk = disk_open(path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint64_t sectors = disk_sectors(disk), at;
    uint8_t *buffer = buffer_of(LARGE);
    struct passes passes = passes_begin(least);

    while (passes_next(&passes)) {
        for (at = 0; at < sectors; at += LARGE / SECTOR) {
            check(VixDiskLib_Read(disk, at, LARGE / SECTOR, buffer), "Read");
            passes.sum += first_word(buffer);
        }
    }
    passes_print(&passes);
    check(VixDiskLib_Close(disk), "Close");
}

static void measure_rnd(const char *path, double least, const char *list, uint64_t bytes)
{
    VixDiskLibHandle disk = disk_open(path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint8_t *buffer = buffer_of(bytes);
    size_t count, i;
    uint64_t *offsets = offsets_of(list, &count);
    struct passes passes = passes_begin(least);

    while (passes_next(&passes)) {
        for (i = 0; i < count; i++) {
            check(VixDiskLib_Read(disk, offsets[i] / SECTOR, bytes / SECTOR, buffer), "Read");
            passes.sum += first_word(buffer);
        }
    }
    passes_print(&passes);
    check(VixDiskLib_Close(disk), "Close");
}

struct slot {
    uint8_t *buffer;
    sem_t done;
    VixError result;
};

static void on_completion(void *data, VixError result)
{
    struct slot *slot = data;

    slot->result = result;
    sem_post(&slot->done);
}

/* Takes what a request has brought, once it has ended. */
static uint64_t slot_take(struct slot *slot)
{
    while (sem_wait(&slot->done) != 0)
        continue;
    check(slot->result, "ReadAsync");
    return first_word(slot->buffer);
}

/* A ring of requests: before a slot is used again, its last request is waited for. */
static void measure_async(const char *path, double least, const char *list, uint64_t depth)
{
    VixDiskLibHandle disk = disk_open(path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    struct slot slots[MAX_DEPTH];
    size_t count, i;
    uint64_t *offsets = offsets_of(list, &count);
    struct passes passes;

    if (depth < 1 || depth > MAX_DEPTH || count < depth)
        die("the depth must be 1 to %d", MAX_DEPTH);
    for (i = 0; i < depth; i++) {
        slots[i].buffer = buffer_of(SMALL);
        sem_init(&slots[i].done, 0, 0);
    }
    passes = passes_begin(least);
    while (passes_next(&passes)) {
        for (i = 0; i < count; i++) {
            struct slot *slot = &slots[i % depth];
            VixError error;

            if (i >= depth)
                passes.sum += slot_take(slot);
            error = VixDiskLib_ReadAsync(disk, offsets[i] / SECTOR, SMALL / SECTOR, slot->buffer, on_completion, slot);
            if (error != VIX_ASYNC)
                check(error, "ReadAsync");
        }
        for (i = 0; i < depth; i++)
            passes.sum += slot_take(&slots[i]);
    }
    passes_print(&passes);
    check(VixDiskLib_Close(disk), "Close");
}

static void measure_write(const char *path, uint64_t mib)
{
    VixDiskLibHandle disk = disk_open(path, 0);
    uint8_t *piece = full_piece();
    double began = now();
    uint64_t i;

    for (i = 0; i < mib; i++) {
        stamp(piece, i);
        check(VixDiskLib_Write(disk, i * (LARGE / SECTOR), LARGE / SECTOR, piece), "Write");
    }
    check(VixDiskLib_Flush(disk), "Flush");
    print_result(now() - began, mib);
    check(VixDiskLib_Close(disk), "Close");
}

static void measure_convert(const char *from, const char *to, const char *kind)
{
    VixDiskLibCreateParams parameters = parameters_of(1, type_of(kind));
    double began = now();

    check(VixDiskLib_Clone(connection, to, connection, from, &parameters, NULL, NULL, FALSE), to);
    print_result(now() - began, 0);
}

static uint64_t map_disk(const char *path)
{
    VixDiskLibHandle disk = disk_open(path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    const uint64_t chunk = VIXDISKLIB_MIN_CHUNK_SIZE, most = chunk * VIXDISKLIB_MAX_CHUNK_NUMBER;
    uint64_t sectors = disk_sectors(disk), allocated = 0, at;

    for (at = 0; at < sectors; at += most) {
        uint64_t count = sectors - at < most ? sectors - at : most;
        VixDiskLibBlockList *list;
        uint32_t i;

        check(VixDiskLib_QueryAllocatedBlocks(disk, at, count, chunk, &list), "QueryAllocatedBlocks");
        for (i = 0; i < list->numBlocks; i++)
            allocated += list->blocks[i].length;
        VixDiskLib_FreeBlockList(list);
    }
    check(VixDiskLib_Close(disk), "Close");
    return allocated * SECTOR;
}

static void measure_map(const char *path)
{
    double began = now();
    uint64_t allocated = map_disk(path);

    print_result(now() - began, allocated);
}

/* The highest memory of this process so far. */
static uint64_t peak_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t kib = 0;

    if (status == NULL)
        system_failure("/proc/self/status");
    /* Not getrusage, which counts what ran in this process before exec as well. */
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1)
            break;
    fclose(status);
    return kib;
}

static void measure_huge(const char *path)
{
    const uint64_t sectors = ((uint64_t)62 << 40) / SECTOR, count = LARGE / SECTOR;
    uint8_t *piece = full_piece();
    double began = now();
    VixDiskLibHandle disk;

    disk_create(path, sectors, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    disk = disk_open(path, 0);
    check(VixDiskLib_Write(disk, 0, count, piece), "Write");
    check(VixDiskLib_Write(disk, sectors - count, count, piece), "Write");
    check(VixDiskLib_Close(disk), "Close");
    if (map_disk(path) != 2 * LARGE)
        die("the map of %s is wrong", path);
    check(VixDiskLib_CheckRepair(connection, path, FALSE), "CheckRepair");
    print_result(now() - began, peak_kib());
}

static void open_and_close(const char *path)
{
    check(VixDiskLib_Close(disk_open(path, VIXDISKLIB_FLAG_OPEN_READ_ONLY)), "Close");
}

static void measure_reopen(const char *path, uint64_t times)
{
    static double samples[MAX_TIMES];
    uint64_t i;

    if (times < 1 || times > MAX_TIMES)
        die("TIMES must be 1 to %d", MAX_TIMES);
    for (i = 0; i < times; i++) {
        double began = now();

        open_and_close(path);
        samples[i] = now() - began;
    }
    print_result(median(samples, times), times);
}

/* ---- Limit probes ---------------------------------------------------------------------------- */

static void probe_seq(const char *path, double least)
{
    int file = open_file(path, O_RDONLY);
    uint64_t length = file_length(file), at;
    uint8_t *buffer = buffer_of(LARGE);
    struct passes passes = passes_begin(least);

    while (passes_next(&passes)) {
        for (at = 0; at < length; at += LARGE) {
            read_at(file, buffer, LARGE, at);
            passes.sum += first_word(buffer);
        }
    }
    passes_print(&passes);
}

static void probe_rnd(const char *path, double least, const char *list, uint64_t bytes)
{
    int file = open_file(path, O_RDONLY);
    uint8_t *buffer = buffer_of(bytes);
    size_t count, i;
    uint64_t *offsets = offsets_of(list, &count);
    struct passes passes = passes_begin(least);

    while (passes_next(&passes)) {
        for (i = 0; i < count; i++) {
            read_at(file, buffer, bytes, offsets[i]);
            passes.sum += first_word(buffer);
        }
    }
    passes_print(&passes);
}

/* A packed file. */
struct packed {
    int file;
    uint64_t *places;
    uint64_t count, grain;
};

#define MAX_PIECES 1024 /* of one preadv */

static void read_pieces(const struct packed *packed, struct iovec *pieces, int count, uint64_t place, uint64_t bytes)
{
    if (count > 0 && preadv(packed->file, pieces, count, (off_t)place) != (ssize_t)bytes)
        system_failure("preadv");
}

static void read_packed(const struct packed *packed, uint8_t *buffer, uint64_t bytes, uint64_t offset)
{
    static struct iovec pieces[MAX_PIECES];
    uint64_t done = 0, start = 0, gathered = 0, index, within, step, place;
    int count = 0;

    for (; done < bytes; done += step) {
        index = (offset + done) / packed->grain;
        within = (offset + done) % packed->grain;
        step = packed->grain - within < bytes - done ? packed->grain - within : bytes - done;
        if (packed->places[index] == NOWHERE) {
            memset(buffer + done, 0, step);
            continue;
        }
        place = packed->places[index] + within;
        if (count == MAX_PIECES || (count > 0 && place != start + gathered)) {
            read_pieces(packed, pieces, count, start, gathered);
            count = 0;
        }
        if (count == 0) {
            start = place;
            gathered = 0;
        }
        if (count > 0 && (uint8_t *)pieces[count - 1].iov_base + pieces[count - 1].iov_len == buffer + done)
            pieces[count - 1].iov_len += step;
        else
            pieces[count++] = (struct iovec){buffer + done, step};
        gathered += step;
    }
    read_pieces(packed, pieces, count, start, gathered);
}

static void probe_places(char **arguments, int count)
{
    struct packed packed = {open_file(arguments[0], O_RDONLY), NULL, 0, number(arguments[2])};
    uint64_t bytes = count > 4 ? number(arguments[5]) : LARGE, at;
    uint8_t *buffer = buffer_of(bytes);
    size_t places, offsets = 0, i;
    uint64_t *list = count > 4 ? offsets_of(arguments[4], &offsets) : NULL;
    struct passes passes;

    packed.places = offsets_of(arguments[1], &places);
    packed.count = places;
    passes = passes_begin(seconds_of(arguments[3]));
    while (passes_next(&passes)) {
        for (i = 0; i < offsets; i++) {
            read_packed(&packed, buffer, bytes, list[i]);
            passes.sum += first_word(buffer);
        }
        for (at = 0; list == NULL && at < packed.count * packed.grain; at += bytes) {
            read_packed(&packed, buffer, bytes, at);
            passes.sum += first_word(buffer);
        }
    }
    passes_print(&passes);
}

static void probe_write(const char *path, uint64_t mib)
{
    int file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
    uint8_t *piece = full_piece();
    double began = now();
    uint64_t i;

    for (i = 0; i < mib; i++) {
        stamp(piece, i);
        write_at(file, piece, LARGE, i * LARGE);
    }
    if (fdatasync(file) != 0)
        system_failure("fdatasync");
    print_result(now() - began, mib);
}

static void evict(char **paths, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        int file = open_file(paths[i], O_RDONLY);

        if (fdatasync(file) != 0)
            system_failure("fdatasync");
        errno = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        if (errno != 0)
            system_failure("posix_fadvise");
        close(file);
    }
}

static void probe_holes(const char *path)
{
    int file = open_file(path, O_RDONLY);
    uint64_t bytes = 0;
    off_t at = 0, data;
    double began = now();

    while ((data = lseek(file, at, SEEK_DATA)) >= 0) {
        at = lseek(file, data, SEEK_HOLE);
        if (at < 0)
            system_failure("SEEK_HOLE");
        bytes += (uint64_t)(at - data);
    }
    if (errno != ENXIO)
        system_failure("SEEK_DATA");
    print_result(now() - began, bytes);
}

/* ---- Timing whole commands ------------------------------------------------------------------- */

static void measure_run(uint64_t times, char **command)
{
    extern char **environ;
    static double samples[MAX_TIMES];
    posix_spawn_file_actions_t actions;
    uint64_t i;

    if (times < 1 || times > MAX_TIMES)
        die("TIMES must be 1 to %d", MAX_TIMES);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (i = 0; i < times; i++) {
        double began = now();
        pid_t child;
        int status;

        errno = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
        if (errno != 0)
            system_failure(command[0]);
        if (waitpid(child, &status, 0) != child)
            system_failure("waitpid");
        samples[i] = now() - began;
        if (status != 0)
            die("%s failed", command[0]);
    }
    print_result(median(samples, times), times);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* Runs a command of the library; false when there is none of that name. */
static bool with_library(const char *name, char **arguments, int count)
{
    if (strcmp(name, "import") == 0 && count == 3)
        import(arguments[0], arguments[1], arguments[2]);
    else if (strcmp(name, "create") == 0 && (count == 2 || count == 3))
        disk_create(arguments[0], number(arguments[1]) * (MIB / SECTOR), type_of(count == 3 ? arguments[2] : "sparse"));
    else if (strcmp(name, "chain") == 0 && count == 3)
        make_chain(arguments[0], arguments[1], number(arguments[2]));
    else if (strcmp(name, "convert") == 0 && count == 3)
        measure_convert(arguments[0], arguments[1], arguments[2]);
    else if (strcmp(name, "huge") == 0 && count == 1)
        measure_huge(arguments[0]);
    else if (strcmp(name, "scatter") == 0 && count == 2)
        scatter(arguments[0], number(arguments[1]));
    else if (strcmp(name, "cat") == 0 && count == 1)
        cat(arguments[0]);
    else if (strcmp(name, "seq") == 0 && count == 2)
        measure_seq(arguments[0], seconds_of(arguments[1]));
    else if (strcmp(name, "rnd") == 0 && (count == 3 || count == 4))
        measure_rnd(arguments[0], seconds_of(arguments[1]), arguments[2], count == 4 ? number(arguments[3]) : SMALL);
    else if (strcmp(name, "async") == 0 && count == 4)
        measure_async(arguments[0], seconds_of(arguments[1]), arguments[2], number(arguments[3]));
    else if (strcmp(name, "write") == 0 && count == 2)
        measure_write(arguments[0], number(arguments[1]));
    else if (strcmp(name, "map") == 0 && count == 1)
        measure_map(arguments[0]);
    else if (strcmp(name, "open") == 0 && count == 1)
        open_and_close(arguments[0]);
    else if (strcmp(name, "reopen") == 0 && count == 2)
        measure_reopen(arguments[0], number(arguments[1]));
    else
        return false;
    return true;
}

/* The same for those that work without the library. */
static bool without_library(const char *name, char **arguments, int count)
{
    if (strcmp(name, "raw") == 0 && (count == 3 || count == 4)) {
        if (count == 4)
            load_files(arguments[3]);
        make_raw(arguments[0], number(arguments[1]), arguments[2]);
    } else if (strcmp(name, "pack") == 0 && count == 5)
        pack(arguments);
    else if (strcmp(name, "probe-places") == 0 && (count == 4 || count == 6))
        probe_places(arguments, count);
    else if (strcmp(name, "probe-seq") == 0 && count == 2)
        probe_seq(arguments[0], seconds_of(arguments[1]));
    else if (strcmp(name, "probe-rnd") == 0 && (count == 3 || count == 4))
        probe_rnd(arguments[0], seconds_of(arguments[1]), arguments[2], count == 4 ? number(arguments[3]) : SMALL);
    else if (strcmp(name, "evict") == 0 && count >= 1)
        evict(arguments, count);
    else if (strcmp(name, "probe-write") == 0 && count == 2)
        probe_write(arguments[0], number(arguments[1]));
    else if (strcmp(name, "probe-holes") == 0 && count == 1)
        probe_holes(arguments[0]);
    else if (strcmp(name, "run") == 0 && count >= 2)
        measure_run(number(arguments[0]), arguments + 1);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("usage: bench COMMAND ARGUMENT...");
    if (without_library(argv[1], argv + 2, argc - 2))
        return 0;
    library_begin();
    if (!with_library(argv[1], argv + 2, argc - 2))
        die("there is no command '%s' with %d arguments", argv[1], argc - 2);
    library_end();
    return 0;
}
