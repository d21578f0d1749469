/* A small backup program for virtual disks, as a model of how VixDiskLib is used.
 *
 * Full backups read only what QueryAllocatedBlocks lists. Incremental backups read the same, and store what
 * has another hash than in the backup they build on. Nothing but the public interface is used:
 *
 *   cc -std=c99 -D_GNU_SOURCE -O2 backup.c -lvixDiskLib -lpthread
 *
 * One file because it is a model to read from top to bottom, and to take along.
 *
 * A backup is two files. NAME.data holds the stored chunks one after another. NAME.manifest is text, and is
 * written last: without it there is no backup.
 *
 *   disk-backup 1
 *   base SHA256            last line of the manifest this one builds on; "none" in a full backup
 *   capacity SECTORS
 *   chunk SECTORS          size of a chunk; the last one may be shorter
 *   adapter NUMBER
 *   meta KEY VALUE         one for each metadata key, %XX for what is not plain
 *   data INDEX OFFSET SHA256     a chunk that is stored, where in NAME.data, and its hash
 *   same INDEX SHA256      a chunk that is as in the base
 *   zero INDEX             a chunk that had data in the base, and reads as zeros now
 *   end SHA256             hash of all lines above
 *
 * Chunks are listed by rising index. One that is not listed reads as zeros, now as in the base: "as it was"
 * and "gone" never look alike, so a restore needs no guess.
 *
 * Exit status: 0 done, 1 the compared disks differ, 2 something failed.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vixDiskLib.h"

#define SECTOR ((uint64_t)VIXDISKLIB_SECTOR_SIZE)
#define CHUNK_SECTORS 2048 /* 1 MiB: what is read, hashed and stored as one */
#define CHUNK_BYTES (CHUNK_SECTORS * SECTOR)
#define PIECE_SECTORS 128  /* 64 KiB, a grain of a sparse disk: smallest piece that is written */
#define IN_FLIGHT 8        /* asynchronous reads under way at once */

/* ---- Messages -------------------------------------------------------------------------------- */

static bool verbose;
static bool line_open; /* a progress line without its newline is on the terminal */

static void clear_line(void)
{
    if (line_open) {
        fputs("\r\033[K", stderr);
        line_open = false;
    }
}

/* Prints what went wrong. Always false, so that callers can pass it on. */
static bool failure(const char *format, ...)
{
    va_list arguments;

    clear_line();
    fputs("backup: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

/* The same for a call of the library. The text is asked for first: the library knows the cause of the last
 * failure of this thread, and forgets it with the next one. */
static bool vix_failure(VixError error, const char *format, ...)
{
    char *text = VixDiskLib_GetErrorText(error, NULL);
    va_list arguments;

    clear_line();
    fputs("backup: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": %s (error %" PRIu64 ")\n", text != NULL ? text : "no text", VIX_ERROR_CODE(error));
    VixDiskLib_FreeErrorText(text);
    return false;
}

static bool out_of_memory(void)
{
    return failure("out of memory");
}

/* The library logs through these, from any thread. Failures of our own calls, its warnings, we report too. */
static void on_log(const char *format, va_list arguments)
{
    if (verbose)
        vfprintf(stderr, format, arguments);
}

static void on_panic(const char *format, va_list arguments)
{
    vfprintf(stderr, format, arguments);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

/* Asked once per chunk, so that an interrupted action still cleans up behind itself. */
static bool interrupted(void)
{
    if (signalled)
        failure("interrupted");
    return signalled != 0;
}

/* ---- Progress and the summary at the end ----------------------------------------------------- */

struct work {
    const char *action;
    uint64_t total, done;            /* what the percentage is made of */
    uint64_t read, skipped, written; /* bytes, for the summary */
    double began, shown;             /* seconds */
    int percent;                     /* the last one shown */
    bool terminal;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double megabytes(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

static void work_begin(struct work *work, const char *action, uint64_t total)
{
    memset(work, 0, sizeof *work);
    work->action = action;
    work->total = total;
    work->began = work->shown = now();
    work->terminal = isatty(STDERR_FILENO) && getenv("TERM") != NULL;
}

/* One line that is redrawn on a terminal; elsewhere a line each 10 %, and none when it is over at once. */
static void work_advance(struct work *work, uint64_t amount)
{
    double time = now();
    int percent;

    work->done += amount;
    percent = work->total == 0 ? 100 : (int)(100.0 * (double)work->done / (double)work->total);
    if (time - work->shown < 0.1 || percent < work->percent + (work->terminal ? 1 : 10))
        return;
    work->shown = time;
    work->percent = work->terminal ? percent : percent - percent % 10;
    if (work->terminal)
        fputs("\r", stderr);
    fprintf(stderr, "%-12s %3d %%", work->action, percent);
    if (work->read > 0)
        fprintf(stderr, "  read %.1f MB, %.0f MB/s", megabytes(work->read),
                megabytes(work->read) / (time - work->began));
    fputs(work->terminal ? "\033[K" : "\n", stderr);
    line_open = work->terminal;
}

static void work_summary(const struct work *work)
{
    double seconds = now() - work->began;

    clear_line();
    printf("%-12s read %.1f MB, skipped %.1f MB, wrote %.1f MB; %.2f s, %.0f MB/s\n", work->action,
           megabytes(work->read), megabytes(work->skipped), megabytes(work->written), seconds,
           seconds > 0 ? megabytes(work->read) / seconds : 0.0);
    fflush(stdout);
}

/* ---- SHA-256 (FIPS 180-4) -------------------------------------------------------------------- */

/* Faster hashes exist. But a changed chunk whose hash happens to be the old one would be missing in the
 * backup, and nobody would be told; with this one the world knows no such pair, made on purpose or not. */

#define HASH_BYTES 32

static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

/* One round. It makes new values of `d` and `h` only; the others just move on, so the caller names them anew. */
static inline void sha256_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f,
                                uint32_t g, uint32_t *h, uint32_t input)
{
    uint32_t sum = *h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + (g ^ (e & (f ^ g))) + input;

    *d += sum;
    *h = sum + (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) | (c & (a | b)));
}

static void sha256_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    uint32_t w[64];
    int i;

    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (i = 0; i < 64; i += 8) {
        const uint32_t *k = &sha256_constants[i], *x = &w[i];

        sha256_round(a, b, c, &d, e, f, g, &h, k[0] + x[0]);
        sha256_round(h, a, b, &c, d, e, f, &g, k[1] + x[1]);
        sha256_round(g, h, a, &b, c, d, e, &f, k[2] + x[2]);
        sha256_round(f, g, h, &a, b, c, d, &e, k[3] + x[3]);
        sha256_round(e, f, g, &h, a, b, c, &d, k[4] + x[4]);
        sha256_round(d, e, f, &g, h, a, b, &c, k[5] + x[5]);
        sha256_round(c, d, e, &f, g, h, a, &b, k[6] + x[6]);
        sha256_round(b, c, d, &e, f, g, h, &a, k[7] + x[7]);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void sha256(const void *data, size_t length, uint8_t hash[HASH_BYTES])
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const uint8_t *bytes = data;
    uint8_t last[128] = {0};
    size_t rest = length % 64, padded = rest < 56 ? 64 : 128, at;
    int i;

    for (at = 0; at + 64 <= length; at += 64)
        sha256_block(state, bytes + at);
    /* The end: a bit that is set, zeros, and the length in bits. */
    memcpy(last, bytes + at, rest);
    last[rest] = 0x80;
    for (i = 0; i < 8; i++)
        last[padded - 1 - (size_t)i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
    for (at = 0; at < padded; at += 64)
        sha256_block(state, last + at);
    for (i = 0; i < HASH_BYTES; i++)
        hash[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
}

/* ---- Small tools ----------------------------------------------------------------------------- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool all_zeros(const uint8_t *data, size_t length)
{
    return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

/* The array with room for one more item, or NULL; the old one is good then as before. */
static void *with_room(void *array, size_t used, size_t *room, size_t item)
{
    size_t more = *room == 0 ? 64 : *room * 2;
    void *bigger;

    if (used < *room)
        return array;
    bigger = realloc(array, more * item);
    if (bigger == NULL)
        out_of_memory();
    else
        *room = more;
    return bigger;
}

/* `name` with its end replaced: "monday.manifest" becomes "monday.data". NULL when there is no memory. */
static char *with_ending(const char *name, const char *old_ending, const char *new_ending)
{
    size_t kept = strlen(name) - strlen(old_ending);
    char *result = malloc(kept + strlen(new_ending) + 1);

    if (result == NULL) {
        out_of_memory();
        return NULL;
    }
    memcpy(result, name, kept);
    strcpy(result + kept, new_ending);
    return result;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), wanted = strlen(ending);

    return length > wanted && strcmp(text + length - wanted, ending) == 0;
}

static bool write_fully(int file, const char *name, const void *data, size_t length, uint64_t offset)
{
    const char *bytes = data;

    while (length > 0) {
        ssize_t written = pwrite(file, bytes, length, (off_t)offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return failure("cannot write to %s: %s", name, strerror(errno));
        bytes += written;
        length -= (size_t)written;
        offset += (uint64_t)written;
    }
    return true;
}

/* Reads up to `length` bytes, less only at the end of the file. */
static bool read_fully(int file, const char *name, void *data, size_t length, uint64_t offset, size_t *got)
{
    char *bytes = data;

    *got = 0;
    while (*got < length) {
        ssize_t more = pread(file, bytes + *got, length - *got, (off_t)(offset + *got));

        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return failure("cannot read %s: %s", name, strerror(errno));
        if (more == 0)
            break;
        *got += (size_t)more;
    }
    return true;
}

/* ---- Files that get their name when they are whole ------------------------------------------- */

struct output {
    int file;
    char *name, *part;
};

static bool output_open(struct output *output, const char *name)
{
    output->file = -1;
    output->name = with_ending(name, "", "");
    output->part = with_ending(name, "", ".part");
    if (output->name == NULL || output->part == NULL)
        return false;
    /* It will hold everything that is on the disk, so it is for its owner alone. */
    output->file = open(output->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return output->file >= 0 || failure("cannot create %s: %s", output->part, strerror(errno));
}

static bool sync_folder_of(const char *name)
{
    char *copy = with_ending(name, "", "");
    int folder;
    bool good;

    if (copy == NULL)
        return false;
    folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    good = folder >= 0 && fsync(folder) == 0;
    if (!good)
        failure("cannot sync the folder of %s: %s", name, strerror(errno));
    if (folder >= 0)
        close(folder);
    free(copy);
    return good;
}

/* The content first, then the name: after a crash the name never stands for less than all of it. */
static bool output_publish(struct output *output)
{
    if (fsync(output->file) != 0)
        return failure("cannot sync %s: %s", output->part, strerror(errno));
    if (rename(output->part, output->name) != 0)
        return failure("cannot rename %s to %s: %s", output->part, output->name, strerror(errno));
    free(output->part);
    output->part = NULL;
    return sync_folder_of(output->name);
}

/* Frees it; what was not published goes. */
static void output_close(struct output *output)
{
    if (output->file >= 0) {
        close(output->file);
        if (output->part != NULL)
            unlink(output->part);
    }
    free(output->name);
    free(output->part);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

struct disk {
    VixDiskLibHandle handle;
    const char *path;
    uint64_t capacity; /* sectors */
    VixDiskLibAdapterType adapter;
};

static bool disk_open(struct disk *disk, VixDiskLibConnection connection, const char *path, uint32_t flags)
{
    VixDiskLibInfo *info = NULL;
    VixError error;

    disk->path = path;
    error = VixDiskLib_Open(connection, path, flags, &disk->handle);
    if (VIX_FAILED(error)) {
        disk->handle = NULL;
        return vix_failure(error, "cannot open %s", path);
    }
    error = VixDiskLib_GetInfo(disk->handle, &info);
    if (VIX_FAILED(error)) {
        vix_failure(error, "cannot get the size of %s", path);
        VixDiskLib_Close(disk->handle);
        return false;
    }
    disk->capacity = info->capacity;
    disk->adapter = info->adapterType;
    VixDiskLib_FreeInfo(info);
    if (verbose)
        fprintf(stderr, "%s: %" PRIu64 " sectors, transport %s\n", path, disk->capacity,
                VixDiskLib_GetTransportMode(disk->handle));
    return true;
}

/* `good` is how the work on the disk went. Closing writes what is still to be written, so it can fail too. */
static bool disk_close(struct disk *disk, bool good)
{
    VixError error = VixDiskLib_Close(disk->handle);

    if (VIX_FAILED(error))
        return vix_failure(error, "cannot close %s", disk->path);
    return good;
}

static bool disk_flush(const struct disk *disk)
{
    VixError error = VixDiskLib_Flush(disk->handle);

    return VIX_SUCCEEDED(error) || vix_failure(error, "cannot flush %s", disk->path);
}

static bool disk_read(const struct disk *disk, uint64_t sector, uint64_t sectors, uint8_t *buffer)
{
    VixError error = VixDiskLib_Read(disk->handle, sector, sectors, buffer);

    return VIX_SUCCEEDED(error) || vix_failure(error, "cannot read %" PRIu64 " sectors at %" PRIu64 " of %s",
                                               sectors, sector, disk->path);
}

static bool disk_write(const struct disk *disk, uint64_t sector, uint64_t sectors, const uint8_t *data,
                       struct work *work)
{
    VixError error = sectors == 0 ? VIX_OK : VixDiskLib_Write(disk->handle, sector, sectors, data);

    if (VIX_FAILED(error))
        return vix_failure(error, "cannot write %" PRIu64 " sectors at %" PRIu64 " of %s", sectors, sector,
                           disk->path);
    work->written += sectors * SECTOR;
    return true;
}

static uint64_t chunks_of(uint64_t capacity)
{
    return capacity / CHUNK_SECTORS + (capacity % CHUNK_SECTORS != 0);
}

static uint64_t chunk_sectors(uint64_t capacity, uint64_t index)
{
    return smaller(CHUNK_SECTORS, capacity - index * CHUNK_SECTORS);
}

/* Writes the pieces of `data` that differ from `before`, neighbours in one call. A sparse disk stays as small
 * as it can be, and a write that changes nothing never happens. */
static bool write_differences(const struct disk *disk, uint64_t sector, uint64_t sectors,
                              const uint8_t *before, const uint8_t *data, struct work *work)
{
    uint64_t begin = 0, end = 0; /* of the run of pieces that differ, which ends at `end` so far */

    while (end < sectors) {
        uint64_t piece = smaller(PIECE_SECTORS, sectors - end);
        bool differs = memcmp(before + end * SECTOR, data + end * SECTOR, piece * SECTOR) != 0;

        if (!differs && !disk_write(disk, sector + begin, end - begin, data + begin * SECTOR, work))
            return false;
        end += piece;
        if (!differs)
            begin = end;
    }
    return disk_write(disk, sector + begin, end - begin, data + begin * SECTOR, work);
}

/* ---- Allocated chunks ------------------------------------------------------------------------ */

struct run {
    uint64_t first, count;
};

/* Chunks in runs: sorted, disjoint, never empty. */
struct chunk_set {
    struct run *runs;
    size_t count, room;
    uint64_t chunks, sectors; /* in all runs */
};

/* A place in a set, for those who walk it from front to end. */
struct cursor {
    size_t run;
    uint64_t chunk; /* within the run */
};

static bool set_add(struct chunk_set *set, uint64_t first, uint64_t end, uint64_t capacity)
{
    struct run *runs = with_room(set->runs, set->count, &set->room, sizeof *runs);
    struct run *last;

    if (runs == NULL)
        return false;
    set->runs = runs;
    last = set->count > 0 ? &runs[set->count - 1] : NULL;
    if (last != NULL && first < last->first + last->count)
        first = last->first + last->count;
    if (first >= end)
        return true;
    if (last != NULL && first == last->first + last->count)
        last->count += end - first;
    else
        runs[set->count++] = (struct run){first, end - first};
    set->chunks += end - first;
    set->sectors += smaller(end * CHUNK_SECTORS, capacity) - first * CHUNK_SECTORS;
    return true;
}

static bool set_next(const struct chunk_set *set, struct cursor *cursor, uint64_t *index)
{
    if (cursor->run == set->count)
        return false;
    *index = set->runs[cursor->run].first + cursor->chunk++;
    if (cursor->chunk == set->runs[cursor->run].count)
        *cursor = (struct cursor){cursor->run + 1, 0};
    return true;
}

/* Whether the set has `index`; to be asked with rising numbers. */
static bool set_has(const struct chunk_set *set, struct cursor *cursor, uint64_t index)
{
    while (cursor->run < set->count && set->runs[cursor->run].first + set->runs[cursor->run].count <= index)
        cursor->run++;
    return cursor->run < set->count && set->runs[cursor->run].first <= index;
}

/* Adds what one call tells about the chunks from `first` to before `end`. */
static bool query_chunks(const struct disk *disk, struct chunk_set *set, uint64_t first, uint64_t end)
{
    VixDiskLibBlockList *list = NULL;
    VixError error = VixDiskLib_QueryAllocatedBlocks(disk->handle, first * CHUNK_SECTORS,
                                                     (end - first) * CHUNK_SECTORS, CHUNK_SECTORS, &list);
    bool good = true;
    uint32_t i;

    /* Not every transport can tell. Then everything is taken as allocated: slower, and never wrong. */
    if (VIX_ERROR_CODE(error) == VIX_E_NOT_SUPPORTED)
        return set_add(set, first, end, disk->capacity);
    if (VIX_FAILED(error))
        return vix_failure(error, "cannot list the allocated blocks of %s", disk->path);
    for (i = 0; good && i < list->numBlocks; i++) {
        const VixDiskLibBlock *block = &list->blocks[i];
        uint64_t after = block->offset + block->length;

        good = set_add(set, block->offset / CHUNK_SECTORS, smaller(chunks_of(after), end), disk->capacity);
    }
    VixDiskLib_FreeBlockList(list);
    return good;
}

/* Lists what has to be read; the rest of the disk is zeros. */
static bool allocated_chunks(const struct disk *disk, struct chunk_set *set)
{
    uint64_t whole = disk->capacity / CHUNK_SECTORS, first, end;

    memset(set, 0, sizeof *set);
    /* One call takes a limited number of chunks, and large disks have more. */
    for (first = 0; first < whole; first = end) {
        end = smaller(first + VIXDISKLIB_MAX_CHUNK_NUMBER, whole);
        if (!query_chunks(disk, set, first, end))
            return false;
    }
    /* Libraries disagree on the last chunk when it is not a whole one. Reading it costs next to nothing. */
    return set_add(set, whole, chunks_of(disk->capacity), disk->capacity);
}

/* ---- Reading with several requests in flight ------------------------------------------------- */

struct reader;

struct request {
    struct reader *reader;
    uint64_t index; /* of the chunk */
    uint8_t *buffer;
    VixError result;
    bool done;
};

struct reader {
    pthread_mutex_t lock;
    pthread_cond_t completed;
    struct request requests[IN_FLIGHT]; /* a ring, in the order of the disk */
};

/* Gets the chunks one by one, in the order of the disk, on the thread that called `read_chunks`. */
typedef bool chunk_consumer(void *context, uint64_t index, const uint8_t *data, size_t length);

static void reader_free(struct reader *reader)
{
    pthread_cond_destroy(&reader->completed);
    pthread_mutex_destroy(&reader->lock);
    free(reader->requests[0].buffer);
    free(reader);
}

static struct reader *reader_new(void)
{
    struct reader *reader = calloc(1, sizeof *reader);
    uint8_t *buffers = malloc(IN_FLIGHT * CHUNK_BYTES);
    int i;

    if (reader == NULL || buffers == NULL) {
        out_of_memory();
        free(buffers);
        free(reader);
        return NULL;
    }
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->completed, NULL);
    for (i = 0; i < IN_FLIGHT; i++) {
        reader->requests[i].reader = reader;
        reader->requests[i].buffer = buffers + (size_t)i * CHUNK_BYTES;
    }
    return reader;
}

/* Runs on a thread of the library, or inside ReadAsync itself. It takes a note and leaves work to others. */
static void on_completion(void *data, VixError result)
{
    struct request *request = data;
    struct reader *reader = request->reader;

    pthread_mutex_lock(&reader->lock);
    request->result = result;
    request->done = true;
    pthread_cond_signal(&reader->completed);
    pthread_mutex_unlock(&reader->lock);
}

static bool request_submit(const struct disk *disk, struct request *request, uint64_t index)
{
    VixError error;

    request->index = index;
    request->done = false;
    error = VixDiskLib_ReadAsync(disk->handle, index * CHUNK_SECTORS, chunk_sectors(disk->capacity, index),
                                 request->buffer, on_completion, request);
    /* VIX_ASYNC is the success of this call. After anything else the callback will not run. */
    return error == VIX_ASYNC ||
           vix_failure(error, "cannot start to read chunk %" PRIu64 " of %s", index, disk->path);
}

static bool request_await(const struct disk *disk, struct request *request)
{
    struct reader *reader = request->reader;

    pthread_mutex_lock(&reader->lock);
    while (!request->done)
        pthread_cond_wait(&reader->completed, &reader->lock);
    pthread_mutex_unlock(&reader->lock);
    return VIX_SUCCEEDED(request->result) ||
           vix_failure(request->result, "cannot read chunk %" PRIu64 " of %s", request->index, disk->path);
}

/* Reads every chunk of the set and hands it to `consume`, while the next ones are on their way. */
static bool read_chunks(const struct disk *disk, const struct chunk_set *set, struct work *work,
                        chunk_consumer *consume, void *context)
{
    struct reader *reader = reader_new();
    struct cursor cursor = {0, 0};
    uint64_t submitted = 0, consumed = 0, index;
    bool good = reader != NULL;
    VixError error;

    if (!good)
        return false;
    while (good && consumed < set->chunks) {
        while (good && submitted - consumed < IN_FLIGHT && set_next(set, &cursor, &index))
            good = request_submit(disk, &reader->requests[submitted++ % IN_FLIGHT], index);
        if (good) {
            struct request *request = &reader->requests[consumed++ % IN_FLIGHT];
            size_t length = chunk_sectors(disk->capacity, request->index) * SECTOR;

            good = !interrupted() && request_await(disk, request) &&
                   consume(context, request->index, request->buffer, length);
            work->read += good ? length : 0;
            work_advance(work, length);
        }
    }
    /* After a failure others are still under way, and write into our buffers: wait before these are freed. */
    error = VixDiskLib_Wait(disk->handle);
    if (VIX_FAILED(error)) /* and if that cannot be, they stay */
        return vix_failure(error, "cannot wait for the requests of %s", disk->path);
    reader_free(reader);
    return good;
}

/* ---- Metadata -------------------------------------------------------------------------------- */

struct pair {
    char *key, *value;
};

struct metadata {
    struct pair *pairs;
    size_t count, room;
};

/* Takes both strings, also when it fails. */
static bool metadata_add(struct metadata *metadata, char *key, char *value)
{
    struct pair *pairs = NULL;

    if (key != NULL && value != NULL)
        pairs = with_room(metadata->pairs, metadata->count, &metadata->room, sizeof *pairs);
    if (pairs == NULL) {
        free(key);
        free(value);
        return false;
    }
    metadata->pairs = pairs;
    pairs[metadata->count++] = (struct pair){key, value};
    return true;
}

static const char *metadata_get(const struct metadata *metadata, const char *key)
{
    size_t i;

    for (i = 0; i < metadata->count; i++)
        if (strcasecmp(metadata->pairs[i].key, key) == 0)
            return metadata->pairs[i].value;
    return NULL;
}

static void metadata_free(struct metadata *metadata)
{
    size_t i;

    for (i = 0; i < metadata->count; i++) {
        free(metadata->pairs[i].key);
        free(metadata->pairs[i].value);
    }
    free(metadata->pairs);
}

/* The value of a key, or all key names when `key` is NULL: one call for the size, one for the text. */
static char *metadata_text(const struct disk *disk, const char *key)
{
    size_t length = 0;
    char *text = NULL;
    VixError error;

    error = key != NULL ? VixDiskLib_ReadMetadata(disk->handle, key, NULL, 0, &length)
                        : VixDiskLib_GetMetadataKeys(disk->handle, NULL, 0, &length);
    if (VIX_SUCCEEDED(error) || VIX_ERROR_CODE(error) == VIX_E_BUFFER_TOOSMALL) {
        text = calloc(length + 2, 1); /* ends as a list does, also when there is nothing */
        if (text == NULL) {
            out_of_memory();
            return NULL;
        }
        error = key != NULL ? VixDiskLib_ReadMetadata(disk->handle, key, text, length + 1, &length)
                            : VixDiskLib_GetMetadataKeys(disk->handle, text, length + 1, &length);
    }
    if (VIX_FAILED(error)) {
        vix_failure(error, "cannot read %s of %s", key != NULL ? key : "the metadata keys", disk->path);
        free(text);
        return NULL;
    }
    return text;
}

static bool metadata_read(const struct disk *disk, struct metadata *metadata)
{
    char *keys = metadata_text(disk, NULL);
    const char *key;
    bool good = keys != NULL;

    /* Each name ends in a NUL, and the list in an empty name. */
    for (key = keys; good && *key != '\0'; key += strlen(key) + 1)
        good = metadata_add(metadata, with_ending(key, "", ""), metadata_text(disk, key));
    free(keys);
    return good;
}

/* What a new disk has of its own: its identity, the shape it was created with, its place in some storage. */
static bool belongs_to_the_disk(const char *key)
{
    static const char *const own[] = {"uuid", "longContentID", "adapterType", "virtualHWVersion", "geometry.",
                                      "thinProvisioned", "nativeParent", "objectParentUri", "iofilters",
                                      "sidecars", "fcd."};
    size_t i;

    for (i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strncasecmp(key, own[i], strlen(own[i])) == 0)
            return true;
    return false;
}

/* The content matters more than its labels: a key that cannot be set is reported, and the restore goes on. */
static void metadata_restore(const struct disk *disk, const struct metadata *metadata)
{
    size_t i;

    for (i = 0; i < metadata->count; i++) {
        const struct pair *pair = &metadata->pairs[i];
        VixError error;

        if (belongs_to_the_disk(pair->key))
            continue;
        error = VixDiskLib_WriteMetadata(disk->handle, pair->key, pair->value);
        if (VIX_FAILED(error))
            vix_failure(error, "cannot set %s of %s", pair->key, disk->path);
    }
}

/* ---- Manifests ------------------------------------------------------------------------------- */

#define MANIFEST ".manifest"
#define DATA ".data"

enum chunk_kind { CHUNK_DATA, CHUNK_SAME, CHUNK_ZERO };

struct chunk {
    uint64_t index;
    uint64_t offset;          /* CHUNK_DATA: in the data file */
    uint8_t hash[HASH_BYTES]; /* not of CHUNK_ZERO */
    enum chunk_kind kind;
};

struct manifest {
    bool has_base;
    uint8_t base[HASH_BYTES], id[HASH_BYTES];
    uint64_t capacity; /* sectors */
    VixDiskLibAdapterType adapter;
    struct metadata metadata;
    struct chunk *chunks; /* by rising index */
    size_t count, room;
};

static void manifest_free(struct manifest *manifest)
{
    metadata_free(&manifest->metadata);
    free(manifest->chunks);
}

/* The new chunk, empty, or NULL when there is no memory. */
static struct chunk *manifest_add(struct manifest *manifest, enum chunk_kind kind, uint64_t index)
{
    struct chunk *chunks = with_room(manifest->chunks, manifest->count, &manifest->room, sizeof *chunks);

    if (chunks == NULL)
        return NULL;
    manifest->chunks = chunks;
    chunks[manifest->count] = (struct chunk){.index = index, .kind = kind};
    return &chunks[manifest->count++];
}

static void put_hash(FILE *text, const uint8_t hash[HASH_BYTES])
{
    int i;

    for (i = 0; i < HASH_BYTES; i++)
        fprintf(text, "%02x", hash[i]);
}

static void put_text(FILE *text, const char *value)
{
    for (; *value != '\0'; value++)
        if (*value > ' ' && *value <= '~' && *value != '%')
            fputc(*value, text);
        else
            fprintf(text, "%%%02x", (unsigned)(unsigned char)*value);
}

static void put_chunk(FILE *text, const struct chunk *chunk)
{
    static const char *const names[] = {"data", "same", "zero"};

    fprintf(text, "%s %" PRIu64, names[chunk->kind], chunk->index);
    if (chunk->kind == CHUNK_DATA)
        fprintf(text, " %" PRIu64, chunk->offset);
    if (chunk->kind != CHUNK_ZERO) {
        fputc(' ', text);
        put_hash(text, chunk->hash);
    }
    fputc('\n', text);
}

static bool manifest_write(const struct manifest *manifest, const struct output *output)
{
    char *content = NULL;
    size_t length = 0, end, i;
    uint8_t hash[HASH_BYTES];
    FILE *text = open_memstream(&content, &length);
    bool good;

    if (text == NULL)
        return out_of_memory();
    fputs("disk-backup 1\nbase ", text);
    if (manifest->has_base)
        put_hash(text, manifest->base);
    else
        fputs("none", text);
    fprintf(text, "\ncapacity %" PRIu64 "\nchunk %d\nadapter %d\n", manifest->capacity, CHUNK_SECTORS,
            (int)manifest->adapter);
    for (i = 0; i < manifest->metadata.count; i++) {
        fputs("meta ", text);
        put_text(text, manifest->metadata.pairs[i].key);
        fputc(' ', text);
        put_text(text, manifest->metadata.pairs[i].value);
        fputc('\n', text);
    }
    for (i = 0; i < manifest->count; i++)
        put_chunk(text, &manifest->chunks[i]);
    fflush(text);
    end = length;
    sha256(content, end, hash);
    fputs("end ", text);
    put_hash(text, hash);
    fputc('\n', text);
    good = !ferror(text);
    good = fclose(text) == 0 && good;
    good = good ? write_fully(output->file, output->part, content, length, 0) : out_of_memory();
    free(content);
    return good;
}

static bool get_number(const char *field, uint64_t *number)
{
    char *end;

    if (field == NULL || *field < '0' || *field > '9')
        return false;
    errno = 0;
    *number = strtoull(field, &end, 10);
    return errno == 0 && *end == '\0';
}

/* The value of a hexadecimal digit, or -1. */
static int get_digit(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *place = digit == '\0' ? NULL : strchr(digits, digit);

    return place == NULL ? -1 : (int)(place - digits);
}

static bool get_hash(const char *field, uint8_t hash[HASH_BYTES])
{
    int i;

    if (field == NULL || strlen(field) != 2 * HASH_BYTES)
        return false;
    for (i = 0; i < HASH_BYTES; i++) {
        int high = get_digit(field[2 * i]), low = get_digit(field[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* What `put_text` wrote, as a string of its own; NULL when it is not that. */
static char *get_text(const char *field)
{
    char *text = field == NULL ? NULL : malloc(strlen(field) + 1), *end = text;

    if (text == NULL)
        return NULL;
    for (; *field != '\0'; field++) {
        if (*field != '%') {
            *end++ = *field;
        } else {
            int high = get_digit(field[1]), low = high < 0 ? -1 : get_digit(field[2]);

            if (low < 0 || (high | low) == 0) {
                free(text);
                return NULL;
            }
            *end++ = (char)(high << 4 | low);
            field += 2;
        }
    }
    *end = '\0';
    return text;
}

static bool parse_chunk(struct manifest *manifest, enum chunk_kind kind, char *fields[4])
{
    bool is_data = kind == CHUNK_DATA;
    struct chunk *chunk;
    uint64_t index;

    if (!get_number(fields[1], &index) || index >= chunks_of(manifest->capacity))
        return false;
    if (manifest->count > 0 && index <= manifest->chunks[manifest->count - 1].index)
        return false;
    chunk = manifest_add(manifest, kind, index);
    return chunk != NULL && (!is_data || get_number(fields[2], &chunk->offset)) &&
           (kind == CHUNK_ZERO || get_hash(fields[is_data ? 3 : 2], chunk->hash));
}

static bool parse_line(struct manifest *manifest, char *line)
{
    char *fields[4] = {NULL, NULL, NULL, NULL};
    uint64_t number;
    int i;

    for (i = 0; i < 4 && line != NULL; i++)
        fields[i] = strsep(&line, " ");
    if (line != NULL)
        return false;
    if (strcmp(fields[0], "data") == 0)
        return parse_chunk(manifest, CHUNK_DATA, fields);
    if (strcmp(fields[0], "same") == 0)
        return manifest->has_base && parse_chunk(manifest, CHUNK_SAME, fields);
    if (strcmp(fields[0], "zero") == 0)
        return manifest->has_base && parse_chunk(manifest, CHUNK_ZERO, fields);
    if (strcmp(fields[0], "meta") == 0)
        return metadata_add(&manifest->metadata, get_text(fields[1]), get_text(fields[2]));
    if (strcmp(fields[0], "base") == 0 && fields[1] != NULL && strcmp(fields[1], "none") != 0)
        return (manifest->has_base = get_hash(fields[1], manifest->base));
    if (strcmp(fields[0], "base") == 0)
        return fields[1] != NULL;
    if (!get_number(fields[1], &number))
        return false;
    if (strcmp(fields[0], "capacity") == 0 && manifest->count == 0)
        return (manifest->capacity = number) > 0 && number < UINT64_MAX / SECTOR;
    if (strcmp(fields[0], "adapter") == 0)
        return (manifest->adapter = (VixDiskLibAdapterType)number) == number;
    return (strcmp(fields[0], "disk-backup") == 0 && number == 1) ||
           (strcmp(fields[0], "chunk") == 0 && number == CHUNK_SECTORS);
}

/* All of a file and a NUL behind it. */
static char *file_content(const char *name, size_t *length)
{
    int file = open(name, O_RDONLY | O_CLOEXEC);
    struct stat status;
    char *content = NULL;

    if (file < 0 || fstat(file, &status) != 0) {
        failure("cannot open %s: %s", name, strerror(errno));
    } else if ((content = malloc((size_t)status.st_size + 1)) == NULL) {
        out_of_memory();
    } else if (!read_fully(file, name, content, (size_t)status.st_size, 0, length)) {
        free(content);
        content = NULL;
    } else {
        content[*length] = '\0';
    }
    if (file >= 0)
        close(file);
    return content;
}

/* The last line tells whether the rest is what was written. */
static bool check_end(const char *content, size_t length, struct manifest *manifest)
{
    const size_t end_length = strlen("end \n") + 2 * HASH_BYTES;
    uint8_t told[HASH_BYTES];
    char hash[2 * HASH_BYTES + 1] = {0};

    if (length < end_length || content[length - 1] != '\n')
        return false;
    content += length - end_length;
    memcpy(hash, content + strlen("end "), 2 * HASH_BYTES);
    sha256(content - (length - end_length), length - end_length, manifest->id);
    return memcmp(content, "end ", strlen("end ")) == 0 && get_hash(hash, told) &&
           memcmp(told, manifest->id, HASH_BYTES) == 0;
}

static bool manifest_read(struct manifest *manifest, const char *name)
{
    size_t length = 0;
    char *content, *rest, *line;
    uint64_t number = 0;
    bool good = true;

    if (!ends_with(name, MANIFEST))
        return failure("%s is not the name of a manifest, which ends in " MANIFEST, name);
    content = file_content(name, &length);
    if (content == NULL)
        return false;
    if (!check_end(content, length, manifest)) {
        good = failure("%s is damaged: it is not what was written", name);
    } else {
        rest = content;
        while (good && (line = strsep(&rest, "\n")) != NULL && strncmp(line, "end ", strlen("end ")) != 0) {
            number++;
            good = parse_line(manifest, line) || failure("%s: cannot use line %" PRIu64, name, number);
        }
        if (good && manifest->capacity == 0)
            good = failure("%s names no capacity", name);
    }
    free(content);
    return good;
}

/* ---- Backup ---------------------------------------------------------------------------------- */

struct backup {
    const struct manifest *base; /* NULL in a full backup */
    size_t base_next;            /* first chunk of the base that was not looked at */
    struct manifest manifest;
    struct output data;
    uint64_t size; /* of the data so far */
    uint64_t kinds[3];
    struct work work;
};

static struct chunk *backup_add(struct backup *backup, enum chunk_kind kind, uint64_t index)
{
    backup->kinds[kind]++;
    return manifest_add(&backup->manifest, kind, index);
}

/* Goes on in the base to `index` and tells its chunk there, if it has data. What is passed on the way was not
 * listed as allocated any more: these chunks are zeros now, and the manifest says so. */
static bool base_chunk(struct backup *backup, uint64_t index, const struct chunk **before)
{
    *before = NULL;
    while (backup->base != NULL && backup->base_next < backup->base->count) {
        const struct chunk *chunk = &backup->base->chunks[backup->base_next];

        if (chunk->index > index)
            break;
        backup->base_next++;
        if (chunk->kind == CHUNK_ZERO)
            continue;
        if (chunk->index == index)
            *before = chunk;
        else if (backup_add(backup, CHUNK_ZERO, chunk->index) == NULL)
            return false;
    }
    return true;
}

/* A chunk_consumer: stores a chunk, or notes why it need not be stored. */
static bool backup_chunk(void *context, uint64_t index, const uint8_t *data, size_t length)
{
    struct backup *backup = context;
    const struct chunk *before;
    struct chunk *chunk;
    uint8_t hash[HASH_BYTES];
    bool same;

    if (!base_chunk(backup, index, &before))
        return false;
    if (all_zeros(data, length)) /* allocated, and holds nothing */
        return before == NULL || backup_add(backup, CHUNK_ZERO, index) != NULL;
    sha256(data, length, hash);
    same = before != NULL && memcmp(before->hash, hash, HASH_BYTES) == 0;
    chunk = backup_add(backup, same ? CHUNK_SAME : CHUNK_DATA, index);
    if (chunk == NULL)
        return false;
    memcpy(chunk->hash, hash, HASH_BYTES);
    if (same)
        return true;
    chunk->offset = backup->size;
    if (!write_fully(backup->data.file, backup->data.part, data, length, backup->size))
        return false;
    backup->size += length;
    backup->work.written += length;
    return true;
}

/* The data gets its name before the manifest does, and the manifest is what makes both a backup. */
static bool backup_publish(struct backup *backup, const char *manifest_name)
{
    struct output manifest;
    bool good = output_open(&manifest, manifest_name) && manifest_write(&backup->manifest, &manifest) &&
                output_publish(&backup->data);

    if (good && !output_publish(&manifest)) {
        good = false;
        if (manifest.part != NULL) /* it has no name yet, so the data shall have none */
            unlink(backup->data.name);
    }
    output_close(&manifest);
    return good;
}

static bool backup_disk(struct backup *backup, const struct disk *disk)
{
    struct chunk_set set = {0};
    const struct chunk *none;
    bool good;

    if (backup->base != NULL && backup->base->capacity != disk->capacity)
        return failure("%s has %" PRIu64 " sectors and had %" PRIu64 " in the base: take a full backup",
                       disk->path, disk->capacity, backup->base->capacity);
    backup->manifest.capacity = disk->capacity;
    backup->manifest.adapter = disk->adapter;
    good = metadata_read(disk, &backup->manifest.metadata) && allocated_chunks(disk, &set);
    if (good) {
        backup->work.total = set.sectors * SECTOR;
        backup->work.skipped = (disk->capacity - set.sectors) * SECTOR;
        good = read_chunks(disk, &set, &backup->work, backup_chunk, backup) &&
               base_chunk(backup, UINT64_MAX, &none);
    }
    free(set.runs);
    return good;
}

/* A full backup, or an incremental one when there is a base. */
static bool backup_run(VixDiskLibConnection connection, const char *path, const struct manifest *base,
                       const char *name)
{
    struct backup backup = {.base = base, .data = {.file = -1}};
    char *manifest_name = with_ending(name, "", MANIFEST), *data_name = with_ending(name, "", DATA);
    struct disk disk;
    bool good = manifest_name != NULL && data_name != NULL;

    work_begin(&backup.work, base != NULL ? "incremental" : "full", 0);
    if (base != NULL) {
        backup.manifest.has_base = true;
        memcpy(backup.manifest.base, base->id, HASH_BYTES);
    }
    if (good && access(manifest_name, F_OK) == 0)
        good = failure("%s is there already", manifest_name);
    if (good && disk_open(&disk, connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY)) {
        good = output_open(&backup.data, data_name) && backup_disk(&backup, &disk);
        good = disk_close(&disk, good) && backup_publish(&backup, manifest_name);
    } else {
        good = false;
    }
    if (good) {
        work_summary(&backup.work);
        printf("%-12s %" PRIu64 " chunks stored, %" PRIu64 " as in the base, %" PRIu64 " now zeros\n", "",
               backup.kinds[CHUNK_DATA], backup.kinds[CHUNK_SAME], backup.kinds[CHUNK_ZERO]);
    }
    output_close(&backup.data);
    manifest_free(&backup.manifest);
    free(manifest_name);
    free(data_name);
    return good;
}

/* ---- Restore --------------------------------------------------------------------------------- */

/* One backup of those that are given: the full one, then one incremental after another. */
struct layer {
    const char *name;
    struct manifest manifest;
    char *data_name;
    int data;
};

/* Where the newest content of a chunk is. */
struct source {
    uint64_t index, offset;
    const struct layer *layer;
    const uint8_t *hash;
};

/* The content at one point in time: chunks by rising index, all others are zeros. */
struct plan {
    struct source *sources;
    size_t count;
};

static bool layer_open(struct layer *layer, const struct layer *below)
{
    if (!manifest_read(&layer->manifest, layer->name))
        return false;
    if (below == NULL && layer->manifest.has_base)
        return failure("%s is incremental: the full backup has to come first", layer->name);
    if (below != NULL && (!layer->manifest.has_base ||
                          memcmp(layer->manifest.base, below->manifest.id, HASH_BYTES) != 0 ||
                          layer->manifest.capacity != below->manifest.capacity))
        return failure("%s does not build on %s", layer->name, below->name);
    layer->data_name = with_ending(layer->name, MANIFEST, DATA);
    if (layer->data_name == NULL)
        return false;
    layer->data = open(layer->data_name, O_RDONLY | O_CLOEXEC);
    return layer->data >= 0 || failure("cannot open %s: %s", layer->data_name, strerror(errno));
}

static void layer_close(struct layer *layer)
{
    if (layer->data >= 0)
        close(layer->data);
    manifest_free(&layer->manifest);
    free(layer->data_name);
}

/* Puts a layer on what is below it. An incremental backup speaks of every chunk that has data in its base;
 * when it does not, or takes over what is not there, the two do not belong together. */
static bool plan_apply(struct plan *plan, const struct layer *layer)
{
    const struct manifest *manifest = &layer->manifest;
    struct source *sources = malloc((manifest->count + 1) * sizeof *sources);
    const struct source *old = plan->sources, *old_end = old + plan->count;
    size_t count = 0, i;
    bool good = true;

    if (sources == NULL)
        return out_of_memory();
    for (i = 0; good && i < manifest->count; i++) {
        const struct chunk *chunk = &manifest->chunks[i];
        bool had_data = old < old_end && old->index == chunk->index;

        good = had_data || chunk->kind == CHUNK_DATA;
        if (good && chunk->kind == CHUNK_DATA)
            sources[count++] = (struct source){chunk->index, chunk->offset, layer, chunk->hash};
        if (good && chunk->kind == CHUNK_SAME) {
            good = memcmp(old->hash, chunk->hash, HASH_BYTES) == 0;
            sources[count++] = *old;
        }
        old += had_data;
    }
    good = good && old == old_end;
    free(plan->sources);
    *plan = (struct plan){sources, count};
    return good || failure("%s does not fit the backup before it", layer->name);
}

/* Reads a chunk of a backup, and does not trust it. */
static bool source_read(const struct source *source, uint8_t *data, size_t length)
{
    uint8_t hash[HASH_BYTES];
    size_t got;

    if (!read_fully(source->layer->data, source->layer->data_name, data, length, source->offset, &got))
        return false;
    sha256(data, got, hash);
    return (got == length && memcmp(hash, source->hash, HASH_BYTES) == 0) ||
           failure("%s is damaged: chunk %" PRIu64 " at byte %" PRIu64 " is not what was written",
                   source->layer->data_name, source->index, source->offset);
}

/* Writes the plan into a new disk, which is all zeros: each chunk once, and zeros never. */
static bool plan_write(const struct plan *plan, const struct disk *disk, struct work *work)
{
    uint8_t *data = malloc(CHUNK_BYTES), *zeros = calloc(1, CHUNK_BYTES);
    bool good = (data != NULL && zeros != NULL) || out_of_memory();
    size_t i;

    for (i = 0; good && i < plan->count; i++) {
        const struct source *source = &plan->sources[i];
        uint64_t sectors = chunk_sectors(disk->capacity, source->index);

        good = !interrupted() && source_read(source, data, sectors * SECTOR) &&
               write_differences(disk, source->index * CHUNK_SECTORS, sectors, zeros, data, work);
        work->read += sectors * SECTOR;
        work_advance(work, sectors * SECTOR);
    }
    free(data);
    free(zeros);
    return good;
}

/* Called by Create; the answer is ignored. Formats that reserve all space take their time. */
static Bool on_create_progress(void *data, int percent)
{
    struct work *work = data;

    work_advance(work, (uint64_t)percent - work->done);
    return TRUE;
}

static bool disk_create(VixDiskLibConnection connection, const char *path, VixDiskLibCreateParams *create)
{
    struct work work;
    VixError error;

    work_begin(&work, "create", 100);
    error = VixDiskLib_Create(connection, path, create, on_create_progress, &work);
    clear_line();
    return VIX_SUCCEEDED(error) || vix_failure(error, "cannot create %s", path);
}

/* A disk that could not be filled shall not look like one that was. */
static void disk_discard(VixDiskLibConnection connection, const char *path)
{
    VixError error = VixDiskLib_Unlink(connection, path);

    if (VIX_FAILED(error))
        vix_failure(error, "%s is incomplete, please delete it, since I cannot", path);
}

static bool restore_disk(VixDiskLibConnection connection, const char *path, VixDiskLibDiskType type,
                         const struct plan *plan, const struct manifest *newest)
{
    const char *hardware = metadata_get(&newest->metadata, "virtualHWVersion");
    VixDiskLibCreateParams create = {.diskType = type, .capacity = newest->capacity};
    uint64_t version;
    struct work work;
    struct disk disk;
    bool good;

    create.adapterType =
        newest->adapter == VIXDISKLIB_ADAPTER_UNKNOWN ? VIXDISKLIB_ADAPTER_SCSI_LSILOGIC : newest->adapter;
    create.hwVersion = VIXDISKLIB_HWVERSION_CURRENT;
    if (get_number(hardware, &version) && version > 0 && version <= UINT16_MAX)
        create.hwVersion = (uint16)version;
    if (!disk_create(connection, path, &create))
        return false;
    work_begin(&work, "restore", 0);
    good = disk_open(&disk, connection, path, 0);
    if (good) {
        size_t i;

        for (i = 0; i < plan->count; i++)
            work.total += chunk_sectors(disk.capacity, plan->sources[i].index) * SECTOR;
        work.skipped = disk.capacity * SECTOR - work.total;
        good = plan_write(plan, &disk, &work);
        if (good)
            metadata_restore(&disk, &newest->metadata);
        good = good && disk_flush(&disk);
        good = disk_close(&disk, good);
    }
    if (good)
        work_summary(&work);
    else
        disk_discard(connection, path);
    return good;
}

/* ---- Commands -------------------------------------------------------------------------------- */

enum { DONE = 0, DIFFERENT = 1, FAILED = 2 };

struct call {
    VixDiskLibConnection connection;
    VixDiskLibDiskType type;
    VixDiskLibAdapterType adapter;
    char **arguments;
    int count;
};

static int status_of(bool good)
{
    return good ? DONE : FAILED;
}

static int command_create(const struct call *call)
{
    char *size = call->arguments[1];
    bool in_sectors = ends_with(size, "s");
    VixDiskLibCreateParams create = {.diskType = call->type, .adapterType = call->adapter};
    uint64_t number;

    if (in_sectors)
        size[strlen(size) - 1] = '\0';
    if (!get_number(size, &number) || number == 0 || number > UINT64_MAX / SECTOR / 2048)
        return status_of(failure("%s is not a size", size));
    create.hwVersion = VIXDISKLIB_HWVERSION_CURRENT;
    create.capacity = in_sectors ? number : number * 2048;
    if (!disk_create(call->connection, call->arguments[0], &create))
        return FAILED;
    printf("%-12s %.1f MB\n", "create", megabytes(create.capacity * SECTOR));
    return DONE;
}

static bool import_image(const struct disk *disk, int image, const char *name, struct work *work)
{
    uint8_t *data = malloc(CHUNK_BYTES), *before = malloc(CHUNK_BYTES);
    struct chunk_set set = {0};
    struct cursor cursor = {0, 0};
    bool good = ((data != NULL && before != NULL) || out_of_memory()) && allocated_chunks(disk, &set);
    uint64_t index;

    for (index = 0; good && index < chunks_of(disk->capacity); index++) {
        uint64_t sector = index * CHUNK_SECTORS, sectors = chunk_sectors(disk->capacity, index);
        size_t length = sectors * SECTOR, got;

        /* What is not allocated is zeros, so it needs no read; and zeros of the image need no write there. */
        if (interrupted() || !read_fully(image, name, data, length, sector * SECTOR, &got)) {
            good = false;
        } else {
            memset(data + got, 0, length - got);
            if (set_has(&set, &cursor, index))
                good = disk_read(disk, sector, sectors, before);
            else
                memset(before, 0, length);
            good = good && write_differences(disk, sector, sectors, before, data, work);
            work->read += got;
            work_advance(work, length);
        }
    }
    work->skipped = work->total - work->written;
    free(set.runs);
    free(data);
    free(before);
    return good;
}

static int command_import(const struct call *call)
{
    const char *name = call->arguments[1];
    int image = open(name, O_RDONLY | O_CLOEXEC);
    off_t length = image < 0 ? -1 : lseek(image, 0, SEEK_END);
    struct work work;
    struct disk disk;
    bool good;

    if (length < 0)
        return status_of(failure("cannot open %s: %s", name, strerror(errno)));
    good = disk_open(&disk, call->connection, call->arguments[0], 0);
    if (good) {
        work_begin(&work, "import", disk.capacity * SECTOR);
        if ((uint64_t)length > work.total)
            good = failure("%s is larger than %s", name, disk.path);
        good = good && import_image(&disk, image, name, &work) && disk_flush(&disk);
        good = disk_close(&disk, good);
    }
    close(image);
    if (good)
        work_summary(&work);
    return status_of(good);
}

struct export {
    struct output image;
    struct work work;
};

/* A chunk_consumer. Zeros are left out: the file is one large hole where nothing is written. */
static bool export_chunk(void *context, uint64_t index, const uint8_t *data, size_t length)
{
    struct export *export = context;

    if (all_zeros(data, length))
        return true;
    export->work.written += length;
    return write_fully(export->image.file, export->image.part, data, length, index * CHUNK_BYTES);
}

static int command_export(const struct call *call)
{
    struct export export = {.image = {.file = -1}};
    struct chunk_set set = {0};
    struct disk disk;
    bool good = disk_open(&disk, call->connection, call->arguments[0], VIXDISKLIB_FLAG_OPEN_READ_ONLY);

    if (good) {
        good = allocated_chunks(&disk, &set) && output_open(&export.image, call->arguments[1]);
        if (good && ftruncate(export.image.file, (off_t)(disk.capacity * SECTOR)) != 0)
            good = failure("cannot set the size of %s: %s", export.image.part, strerror(errno));
        work_begin(&export.work, "export", set.sectors * SECTOR);
        export.work.skipped = (disk.capacity - set.sectors) * SECTOR;
        good = good && read_chunks(&disk, &set, &export.work, export_chunk, &export);
        good = disk_close(&disk, good) && output_publish(&export.image);
    }
    if (good)
        work_summary(&export.work);
    output_close(&export.image);
    free(set.runs);
    return status_of(good);
}

static int command_full(const struct call *call)
{
    return status_of(backup_run(call->connection, call->arguments[0], NULL, call->arguments[1]));
}

static int command_incremental(const struct call *call)
{
    struct manifest base = {0};
    bool good = manifest_read(&base, call->arguments[1]) &&
                backup_run(call->connection, call->arguments[0], &base, call->arguments[2]);

    manifest_free(&base);
    return status_of(good);
}

static int command_restore(const struct call *call)
{
    int count = call->count - 1, opened, i;
    struct layer *layers = calloc((size_t)count, sizeof *layers);
    struct plan plan = {NULL, 0};
    bool good = layers != NULL || out_of_memory();

    for (opened = 0; good && opened < count; opened++) {
        layers[opened].name = call->arguments[1 + opened];
        layers[opened].data = -1;
        good = layer_open(&layers[opened], opened > 0 ? &layers[opened - 1] : NULL) &&
               plan_apply(&plan, &layers[opened]);
    }
    good = good && restore_disk(call->connection, call->arguments[0], call->type, &plan,
                                &layers[count - 1].manifest);
    for (i = 0; i < opened; i++)
        layer_close(&layers[i]);
    free(layers);
    free(plan.sources);
    return status_of(good);
}

/* The first sector that differs, or `sectors`. */
static uint64_t first_difference(const uint8_t *a, const uint8_t *b, uint64_t sectors)
{
    uint64_t sector = 0;

    if (memcmp(a, b, sectors * SECTOR) == 0)
        return sectors;
    while (memcmp(a + sector * SECTOR, b + sector * SECTOR, SECTOR) == 0)
        sector++;
    return sector;
}

/* Reads every sector of both, allocated or not: a proof should not rest on what it is to prove. */
static int compare_disks(const struct disk *a, const struct disk *b)
{
    uint8_t *data_a = malloc(CHUNK_BYTES), *data_b = malloc(CHUNK_BYTES);
    int status = status_of((data_a != NULL && data_b != NULL) || out_of_memory());
    struct work work;
    uint64_t sector, sectors, same;

    work_begin(&work, "compare", a->capacity * SECTOR);
    if (status == DONE && a->capacity != b->capacity) {
        printf("different: %" PRIu64 " and %" PRIu64 " sectors\n", a->capacity, b->capacity);
        status = DIFFERENT;
    }
    for (sector = 0; status == DONE && sector < a->capacity; sector += sectors) {
        sectors = smaller(CHUNK_SECTORS, a->capacity - sector);
        if (interrupted() || !disk_read(a, sector, sectors, data_a) ||
            !disk_read(b, sector, sectors, data_b)) {
            status = FAILED;
        } else if ((same = first_difference(data_a, data_b, sectors)) < sectors) {
            clear_line();
            printf("different: sector %" PRIu64 " is the first\n", sector + same);
            status = DIFFERENT;
        }
        work.read += 2 * sectors * SECTOR;
        work_advance(&work, sectors * SECTOR);
    }
    free(data_a);
    free(data_b);
    if (status == DONE) {
        work_summary(&work);
        printf("%-12s all %" PRIu64 " sectors are the same\n", "", a->capacity);
    }
    return status;
}

static int command_compare(const struct call *call)
{
    struct disk a, b;
    int status = FAILED;

    if (!disk_open(&a, call->connection, call->arguments[0], VIXDISKLIB_FLAG_OPEN_READ_ONLY))
        return FAILED;
    if (disk_open(&b, call->connection, call->arguments[1], VIXDISKLIB_FLAG_OPEN_READ_ONLY)) {
        status = compare_disks(&a, &b);
        if (!disk_close(&b, true))
            status = FAILED;
    }
    if (!disk_close(&a, true))
        status = FAILED;
    return status;
}

/* ---- The command line ------------------------------------------------------------------------ */

struct command {
    const char *name, *arguments, *help;
    int least, most;
    bool writes; /* to a disk */
    int (*run)(const struct call *call);
};

static const struct command commands[] = {
    {"create", "DISK MIB", "make an empty disk (\"77s\" instead of MIB: 77 sectors)", 2, 2, true,
     command_create},
    {"import", "DISK IMAGE", "write a raw image into a disk, only what differs", 2, 2, true, command_import},
    {"export", "DISK IMAGE", "write the content of a disk into a raw image", 2, 2, false, command_export},
    {"full", "DISK NAME", "back up all of a disk: NAME.manifest and NAME.data", 2, 2, false, command_full},
    {"incremental", "DISK BASE.manifest NAME", "back up what is not as in the backup BASE", 3, 3, false,
     command_incremental},
    {"restore", "DISK FULL.manifest [INCREMENTAL.manifest...]", "make a new disk with what was backed up", 2,
     INT16_MAX, true, command_restore},
    {"compare", "DISK DISK", "compare two disks, sector by sector", 2, 2, false, command_compare},
};

struct choice {
    const char *name;
    int value;
};

static const struct choice types[] = {
    {"sparse", VIXDISKLIB_DISK_MONOLITHIC_SPARSE},
    {"flat", VIXDISKLIB_DISK_MONOLITHIC_FLAT},
    {"split-sparse", VIXDISKLIB_DISK_SPLIT_SPARSE},
    {"split-flat", VIXDISKLIB_DISK_SPLIT_FLAT},
    {NULL, 0},
};

static const struct choice adapters[] = {
    {"lsilogic", VIXDISKLIB_ADAPTER_SCSI_LSILOGIC},
    {"buslogic", VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC},
    {"ide", VIXDISKLIB_ADAPTER_IDE},
    {NULL, 0},
};

static int usage(void)
{
    size_t i;

    fputs("usage: backup COMMAND [-t TYPE] [-a ADAPTER] [-v] ARGUMENT...\n", stderr);
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(stderr, "  %s %s\n        %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    fputs("  -t  type of a new disk: sparse (default), flat, split-sparse, split-flat\n"
          "  -a  adapter of a created disk: lsilogic (default), buslogic, ide\n"
          "  -v  show what the library logs\n", stderr);
    return FAILED;
}

static bool choose(const struct choice *choices, const char *name, int *value)
{
    for (; choices->name != NULL; choices++)
        if (strcmp(choices->name, name) == 0) {
            *value = choices->value;
            return true;
        }
    return failure("%s is unknown", name);
}

/* The life of the library, a connection, and the command in it. */
static int run(const struct command *command, struct call *call)
{
    VixError error;
    int status;

    /* Before any thread starts, and after the last fork. The version is that of the interface used here. */
    error = VixDiskLib_InitEx(8, 0, on_log, on_log, on_panic, NULL, NULL);
    if (VIX_FAILED(error))
        return status_of(vix_failure(error, "cannot start the library"));
    /* No parameters: disks of this host. For a server there would be some from AllocateConnectParams, with
     * its name, the thumbprint of its certificate, credentials and the virtual machine. */
    error = VixDiskLib_ConnectEx(NULL, command->writes ? FALSE : TRUE, NULL, NULL, &call->connection);
    if (VIX_FAILED(error)) {
        status = status_of(vix_failure(error, "cannot connect"));
    } else {
        status = command->run(call);
        error = VixDiskLib_Disconnect(call->connection);
        if (VIX_FAILED(error))
            status = status_of(vix_failure(error, "cannot disconnect"));
    }
    VixDiskLib_Exit();
    return status;
}

static const struct command *find_command(const char *name)
{
    size_t i;

    for (i = 0; name != NULL && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct command *command = find_command(argc > 1 ? argv[1] : NULL);
    struct call call = {.type = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                        .adapter = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC};
    struct sigaction action;
    int option, value = 0;

    if (command == NULL)
        return usage();
    optind = 2;
    while ((option = getopt(argc, argv, "t:a:v")) != -1) {
        if (option == 't' && choose(types, optarg, &value))
            call.type = (VixDiskLibDiskType)value;
        else if (option == 'a' && choose(adapters, optarg, &value))
            call.adapter = (VixDiskLibAdapterType)value;
        else if (option == 'v')
            verbose = true;
        else
            return usage();
    }
    call.arguments = argv + optind;
    call.count = argc - optind;
    if (call.count < command->least || call.count > command->most)
        return usage();
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run(command, &call);
}
