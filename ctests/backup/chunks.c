/* Which chunks of a disk are allocated, and reading them with several requests in flight.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

/* ---- Allocated chunks --------------------------------------------------------------------------- */

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
bool set_has(const struct chunk_set *set, struct cursor *cursor, uint64_t index)
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
bool allocated_chunks(const struct disk *disk, struct chunk_set *set)
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

/* ---- Reading with several requests in flight ---------------------------------------------------- */

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
bool read_chunks(const struct disk *disk, const struct chunk_set *set, struct work *work,
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
