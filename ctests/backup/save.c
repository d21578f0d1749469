/* Full and incremental backups.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

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
bool backup_run(VixDiskLibConnection connection, const char *path, const struct manifest *base,
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
