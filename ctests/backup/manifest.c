/* Manifests: what stands in one is told in backup.c.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

void manifest_free(struct manifest *manifest)
{
    metadata_free(&manifest->metadata);
    free(manifest->chunks);
}

/* The new chunk, empty, or NULL when there is no memory. */
struct chunk *manifest_add(struct manifest *manifest, enum chunk_kind kind, uint64_t index)
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

bool manifest_write(const struct manifest *manifest, const struct output *output)
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

bool get_number(const char *field, uint64_t *number)
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

bool manifest_read(struct manifest *manifest, const char *name)
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
