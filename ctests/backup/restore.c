/* Restoring what was backed up.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

bool layer_open(struct layer *layer, const struct layer *below)
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

void layer_close(struct layer *layer)
{
    if (layer->data >= 0)
        close(layer->data);
    manifest_free(&layer->manifest);
    free(layer->data_name);
}

/* Puts a layer on what is below it. An incremental backup speaks of every chunk that has data in its base;
 * when it does not, or takes over what is not there, the two do not belong together. */
bool plan_apply(struct plan *plan, const struct layer *layer)
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

bool disk_create(VixDiskLibConnection connection, const char *path, VixDiskLibCreateParams *create)
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

bool restore_disk(VixDiskLibConnection connection, const char *path, VixDiskLibDiskType type,
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
