/* The commands.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

int status_of(bool good)
{
    return good ? DONE : FAILED;
}

int command_create(const struct call *call)
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

int command_import(const struct call *call)
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

int command_export(const struct call *call)
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

int command_full(const struct call *call)
{
    return status_of(backup_run(call->connection, call->arguments[0], NULL, call->arguments[1]));
}

int command_incremental(const struct call *call)
{
    struct manifest base = {0};
    bool good = manifest_read(&base, call->arguments[1]) &&
                backup_run(call->connection, call->arguments[0], &base, call->arguments[2]);

    manifest_free(&base);
    return status_of(good);
}

int command_restore(const struct call *call)
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

int command_compare(const struct call *call)
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
