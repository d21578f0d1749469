/* Disks and their metadata.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

/* ---- Disks -------------------------------------------------------------------------------------- */

bool disk_open(struct disk *disk, VixDiskLibConnection connection, const char *path, uint32_t flags)
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
bool disk_close(struct disk *disk, bool good)
{
    VixError error = VixDiskLib_Close(disk->handle);

    if (VIX_FAILED(error))
        return vix_failure(error, "cannot close %s", disk->path);
    return good;
}

bool disk_flush(const struct disk *disk)
{
    VixError error = VixDiskLib_Flush(disk->handle);

    return VIX_SUCCEEDED(error) || vix_failure(error, "cannot flush %s", disk->path);
}

bool disk_read(const struct disk *disk, uint64_t sector, uint64_t sectors, uint8_t *buffer)
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

uint64_t chunks_of(uint64_t capacity)
{
    return capacity / CHUNK_SECTORS + (capacity % CHUNK_SECTORS != 0);
}

uint64_t chunk_sectors(uint64_t capacity, uint64_t index)
{
    return smaller(CHUNK_SECTORS, capacity - index * CHUNK_SECTORS);
}

/* Writes the pieces of `data` that differ from `before`, neighbours in one call. A sparse disk stays as small
 * as it can be, and a write that changes nothing never happens. */
bool write_differences(const struct disk *disk, uint64_t sector, uint64_t sectors,
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

/* ---- Metadata ----------------------------------------------------------------------------------- */

/* Takes both strings, also when it fails. */
bool metadata_add(struct metadata *metadata, char *key, char *value)
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

const char *metadata_get(const struct metadata *metadata, const char *key)
{
    size_t i;

    for (i = 0; i < metadata->count; i++)
        if (strcasecmp(metadata->pairs[i].key, key) == 0)
            return metadata->pairs[i].value;
    return NULL;
}

void metadata_free(struct metadata *metadata)
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

bool metadata_read(const struct disk *disk, struct metadata *metadata)
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
void metadata_restore(const struct disk *disk, const struct metadata *metadata)
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
