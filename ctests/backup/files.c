/* Small tools, and files that get their name when they are whole.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

/* ---- Small tools -------------------------------------------------------------------------------- */

uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool all_zeros(const uint8_t *data, size_t length)
{
    return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

/* The array with room for one more item, or NULL; the old one is good then as before. */
void *with_room(void *array, size_t used, size_t *room, size_t item)
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
char *with_ending(const char *name, const char *old_ending, const char *new_ending)
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

bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), wanted = strlen(ending);

    return length > wanted && strcmp(text + length - wanted, ending) == 0;
}

bool write_fully(int file, const char *name, const void *data, size_t length, uint64_t offset)
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
bool read_fully(int file, const char *name, void *data, size_t length, uint64_t offset, size_t *got)
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

/* ---- Files that get their name when they are whole ---------------------------------------------- */

bool output_open(struct output *output, const char *name)
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
bool output_publish(struct output *output)
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
void output_close(struct output *output)
{
    if (output->file >= 0) {
        close(output->file);
        if (output->part != NULL)
            unlink(output->part);
    }
    free(output->name);
    free(output->part);
}
