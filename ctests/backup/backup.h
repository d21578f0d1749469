/* What the parts of the backup program share. Each function is explained where it is defined.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef BACKUP_H
#define BACKUP_H

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

/* ---- messages.c --------------------------------------------------------------------------------- */

extern bool verbose; /* show what the library logs */

struct work {
    const char *action;
    uint64_t total, done;            /* what the percentage is made of */
    uint64_t read, skipped, written; /* bytes, for the summary */
    double began, shown;             /* seconds */
    int percent;                     /* the last one shown */
    bool terminal;
};

void clear_line(void);
bool failure(const char *format, ...);
bool vix_failure(VixError error, const char *format, ...);
bool out_of_memory(void);
void on_log(const char *format, va_list arguments);
void on_panic(const char *format, va_list arguments);
void on_signal(int number);
bool interrupted(void);
double megabytes(uint64_t bytes);
void work_begin(struct work *work, const char *action, uint64_t total);
void work_advance(struct work *work, uint64_t amount);
void work_summary(const struct work *work);

/* ---- sha256.c ----------------------------------------------------------------------------------- */

#define HASH_BYTES 32

void sha256(const void *data, size_t length, uint8_t hash[HASH_BYTES]);

/* ---- files.c ------------------------------------------------------------------------------------ */

struct output {
    int file;
    char *name, *part;
};

uint64_t smaller(uint64_t a, uint64_t b);
bool all_zeros(const uint8_t *data, size_t length);
void *with_room(void *array, size_t used, size_t *room, size_t item);
char *with_ending(const char *name, const char *old_ending, const char *new_ending);
bool ends_with(const char *text, const char *ending);
bool write_fully(int file, const char *name, const void *data, size_t length, uint64_t offset);
bool read_fully(int file, const char *name, void *data, size_t length, uint64_t offset, size_t *got);
bool output_open(struct output *output, const char *name);
bool output_publish(struct output *output);
void output_close(struct output *output);

/* ---- disks.c ------------------------------------------------------------------------------------ */

struct disk {
    VixDiskLibHandle handle;
    const char *path;
    uint64_t capacity; /* sectors */
    VixDiskLibAdapterType adapter;
};

struct pair {
    char *key, *value;
};

struct metadata {
    struct pair *pairs;
    size_t count, room;
};

bool disk_open(struct disk *disk, VixDiskLibConnection connection, const char *path, uint32_t flags);
bool disk_close(struct disk *disk, bool good);
bool disk_flush(const struct disk *disk);
bool disk_read(const struct disk *disk, uint64_t sector, uint64_t sectors, uint8_t *buffer);
uint64_t chunks_of(uint64_t capacity);
uint64_t chunk_sectors(uint64_t capacity, uint64_t index);
bool write_differences(const struct disk *disk, uint64_t sector, uint64_t sectors,
                       const uint8_t *before, const uint8_t *data, struct work *work);
bool metadata_add(struct metadata *metadata, char *key, char *value);
const char *metadata_get(const struct metadata *metadata, const char *key);
void metadata_free(struct metadata *metadata);
bool metadata_read(const struct disk *disk, struct metadata *metadata);
void metadata_restore(const struct disk *disk, const struct metadata *metadata);

/* ---- chunks.c ----------------------------------------------------------------------------------- */

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

/* Gets the chunks one by one, in the order of the disk, on the thread that called `read_chunks`. */
typedef bool chunk_consumer(void *context, uint64_t index, const uint8_t *data, size_t length);

bool set_has(const struct chunk_set *set, struct cursor *cursor, uint64_t index);
bool allocated_chunks(const struct disk *disk, struct chunk_set *set);
bool read_chunks(const struct disk *disk, const struct chunk_set *set, struct work *work,
                 chunk_consumer *consume, void *context);

/* ---- manifest.c --------------------------------------------------------------------------------- */

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

void manifest_free(struct manifest *manifest);
struct chunk *manifest_add(struct manifest *manifest, enum chunk_kind kind, uint64_t index);
bool manifest_write(const struct manifest *manifest, const struct output *output);
bool get_number(const char *field, uint64_t *number);
bool manifest_read(struct manifest *manifest, const char *name);

/* ---- save.c ------------------------------------------------------------------------------------- */

bool backup_run(VixDiskLibConnection connection, const char *path, const struct manifest *base,
                const char *name);

/* ---- restore.c ---------------------------------------------------------------------------------- */

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

bool layer_open(struct layer *layer, const struct layer *below);
void layer_close(struct layer *layer);
bool plan_apply(struct plan *plan, const struct layer *layer);
bool disk_create(VixDiskLibConnection connection, const char *path, VixDiskLibCreateParams *create);
bool restore_disk(VixDiskLibConnection connection, const char *path, VixDiskLibDiskType type,
                  const struct plan *plan, const struct manifest *newest);

/* ---- commands.c --------------------------------------------------------------------------------- */

enum { DONE = 0, DIFFERENT = 1, FAILED = 2 };

struct call {
    VixDiskLibConnection connection;
    VixDiskLibDiskType type;
    VixDiskLibAdapterType adapter;
    char **arguments;
    int count;
};

int status_of(bool good);
int command_create(const struct call *call);
int command_import(const struct call *call);
int command_export(const struct call *call);
int command_full(const struct call *call);
int command_incremental(const struct call *call);
int command_restore(const struct call *call);
int command_compare(const struct call *call);

#endif
