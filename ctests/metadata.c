/* The disk database: sizes are asked for first and exact, values persist, what a descriptor cannot hold is refused,
 * and a full descriptor leaves the disk whole.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <ctype.h>

#include "check.h"

/* An embedded descriptor, and one in a file of its own. */
static const struct {
    const char *path;
    VixDiskLibDiskType type;
} disks[] = {{"embedded.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE}, {"separate.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT}};

static void value_is(VixDiskLibHandle disk, const char *key, const char *wanted)
{
    char value[20000];
    if (check_error(VixDiskLib_ReadMetadata(disk, key, value, sizeof value, NULL), VIX_OK))
        check_string(value, wanted);
}

static bool has_key(VixDiskLibHandle disk, const char *key)
{
    char names[8192];
    require_ok(VixDiskLib_GetMetadataKeys(disk, names, sizeof names, NULL));
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        if (strcmp(name, key) == 0)
            return true;
    return false;
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

/* Answers of either kind through one shape: with a key its value, without one the names of all keys. */
static VixError ask(VixDiskLibHandle disk, const char *key, char *buffer, size_t length, size_t *needed)
{
    return key != NULL ? VixDiskLib_ReadMetadata(disk, key, buffer, length, needed)
                       : VixDiskLib_GetMetadataKeys(disk, buffer, length, needed);
}

static bool untouched(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0x5A)
            return false;
    return true;
}

/* Returns the length, which is that of `content` when that is given. */
static size_t sizes_are_exact(VixDiskLibHandle disk, const char *key, const char *content, size_t content_length)
{
    char buffer[2048];
    size_t needed = 0;
    check_error(ask(disk, key, NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
    check(content == NULL || needed == content_length);
    require(needed > 0 && needed <= sizeof buffer - 64);
    check_error(ask(disk, key, NULL, 0, NULL), VIX_E_BUFFER_TOOSMALL);
    check_error(ask(disk, key, NULL, sizeof buffer, NULL), VIX_E_BUFFER_TOOSMALL);

    for (size_t length = 0; length < needed; length++) {
        size_t again = 0;
        memset(buffer, 0x5A, sizeof buffer);
        check_error(ask(disk, key, buffer, length, &again), VIX_E_BUFFER_TOOSMALL);
        check(again == needed && untouched(buffer, sizeof buffer));
        check_error(ask(disk, key, buffer, length, NULL), VIX_E_BUFFER_TOOSMALL);
        check(untouched(buffer, sizeof buffer));
    }
    for (size_t more = 0; more < 3; more++) {
        size_t again = 0;
        memset(buffer, 0x5A, sizeof buffer);
        check_ok(ask(disk, key, buffer + 16, needed + more, more == 1 ? NULL : &again));
        check(more == 1 || again == needed);
        check(untouched(buffer, 16) && untouched(buffer + 16 + needed, sizeof buffer - 16 - needed));
        check(buffer[16 + needed - 1] == '\0');
        check(content == NULL || memcmp(buffer + 16, content, needed) == 0);
    }
    return needed;
}

static void sizes(VixDiskLibHandle disk)
{
    check(sizes_are_exact(disk, "adapterType", "lsilogic", 9) == 9);
    check(sizes_are_exact(disk, "longContentID", NULL, 0) == 33);
    require_ok(VixDiskLib_WriteMetadata(disk, "empty", ""));
    check(sizes_are_exact(disk, "empty", "", 1) == 1);

    /* Names: each with its NUL, one more at the end, none of them twice. */
    size_t length = sizes_are_exact(disk, NULL, NULL, 0), sum = 1;
    char names[2048];
    require_ok(VixDiskLib_GetMetadataKeys(disk, names, sizeof names, NULL));
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
        sum += strlen(name) + 1;
        check(strncmp(name, "ddb.", 4) != 0);
        for (const char *next = name + strlen(name) + 1; *next != '\0'; next += strlen(next) + 1)
            check(strcasecmp(name, next) != 0);
        size_t needed = 0; /* and each can be read */
        check_error(VixDiskLib_ReadMetadata(disk, name, NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
        check(needed > 0);
    }
    check(sum == length);
}

static void unknown_keys_are_told_apart(VixDiskLibHandle disk)
{
    static const char *const unknown[] = {"no.such.key", "",           "adapterTyp", "adapterType2",
                                          "CID",         "createType", "=",          "\n"};
    char buffer[16];
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        memset(buffer, 0x5A, sizeof buffer);
        check_error(VixDiskLib_ReadMetadata(disk, unknown[i], buffer, sizeof buffer, NULL), VIX_E_DISK_KEY_NOTFOUND);
        check(untouched(buffer, sizeof buffer));
        check_error(VixDiskLib_ReadMetadata(disk, unknown[i], NULL, 0, NULL), VIX_E_DISK_KEY_NOTFOUND);
    }
    check_error(VixDiskLib_ReadMetadata(disk, NULL, buffer, sizeof buffer, NULL), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_WriteMetadata(disk, NULL, "value"), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_WriteMetadata(disk, "key", NULL), VIX_E_INVALID_ARG);
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* The long content id ends in the short one, which stands in the header of the descriptor. */
static void content_ids_agree(VixDiskLibHandle disk, const char *path, char id[64])
{
    char text[4096], short_id[16];
    require_ok(VixDiskLib_ReadMetadata(disk, "longContentID", id, 64, NULL));
    check(strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32);
    FILE *file = fopen(path, "r");
    require(file != NULL);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *header = memmem(text, length, "\nCID=", 5);
    require(header != NULL && sscanf(header, "\nCID=%8s", short_id) == 1);
    check_string(id + 24, short_id);
}

static void a_new_disk_has_the_usual_keys(VixDiskLibHandle disk, const char *path)
{
    static const char *const usual[] = {"adapterType",      "geometry.cylinders", "geometry.heads", "geometry.sectors",
                                        "virtualHWVersion", "longContentID",      "uuid"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        check(has_key(disk, usual[i]));
    value_is(disk, "adapterType", "lsilogic");
    value_is(disk, "geometry.cylinders", "1");
    value_is(disk, "geometry.heads", "64");
    value_is(disk, "geometry.sectors", "32");
    value_is(disk, "virtualHWVersion", "4");

    char id[64];
    content_ids_agree(disk, path, id);
    check_string(id + 24, "fffffffe"); /* never written */

    /* "60 00 C2 9x xx xx xx xx-xx xx xx xx xx xx xx xx", as VMware's own disks have it. */
    char uuid[64];
    require_ok(VixDiskLib_ReadMetadata(disk, "uuid", uuid, sizeof uuid, NULL));
    check(strlen(uuid) == 47 && strncmp(uuid, "60 00 C2 9", 10) == 0);
    for (int i = 0; uuid[i] != '\0'; i++)
        check(i % 3 == 2 ? uuid[i] == (i == 23 ? '-' : ' ') : isxdigit((unsigned char)uuid[i]) != 0);
    VixDiskLibInfo *info = NULL;
    require_ok(VixDiskLib_GetInfo(disk, &info));
    check_string(info->uuid, uuid);
    VixDiskLib_FreeInfo(info);
}

static const struct {
    const char *key, *value;
} pairs[] = {
    {"my.own.key", "first"},       {"my.own.key", "a longer value than the first"}, {"my.own.key", "x"},
    {"geometry.biosHeads", "255"}, {"blanks", "  at both ends  "},                  {"signs", "a=b # c \\ 'd' %s%n"},
    {"emptied", "full"},           {"emptied", ""},                                 {"latin1", "\xe4\xf6\xfc"},
    {"utf8", "\xc3\xa4\xe2\x82\xac"},  {"comment", "# none"},
    {"uuid", "60 00 C2 9a 00 00 00 00-00"},
    {"adapterType", "ide"},        {"RW", "1 SPARSE"},                              {"toolsVersion", "2147483647"},
};
#define PAIRS (sizeof pairs / sizeof *pairs)

/* The last value of each key. */
static void pairs_are_there(VixDiskLibHandle disk)
{
    for (size_t i = 0; i < PAIRS; i++) {
        size_t last = i;
        for (size_t other = i + 1; other < PAIRS; other++)
            if (strcmp(pairs[other].key, pairs[i].key) == 0)
                last = other;
        value_is(disk, pairs[i].key, pairs[last].value);
        check(has_key(disk, pairs[i].key));
    }
}

static void values_persist(VixDiskLibConnection connection, const char *path)
{
    VixDiskLibHandle disk = open_disk(connection, path, 0), second = open_disk(connection, path, 0);
    int files = count_entries(".");
    uint8 sectors[4 * VIXDISKLIB_SECTOR_SIZE];
    char fresh[64], written[64];
    content_ids_agree(disk, path, fresh);
    fill(sectors, 10, 4, 8);
    require_ok(VixDiskLib_Write(disk, 10, 4, sectors));
    check_ok(VixDiskLib_Flush(disk));
    content_ids_agree(disk, path, written); /* other content, another id: its end only */
    check(strcmp(fresh, written) != 0 && strncmp(fresh, written, 24) == 0);
    for (size_t i = 0; i < PAIRS; i++) {
        check_ok(VixDiskLib_WriteMetadata(disk, pairs[i].key, pairs[i].value));
        value_is(disk, pairs[i].key, pairs[i].value);
        value_is(second, pairs[i].key, pairs[i].value); /* they share the disk */
    }
    pairs_are_there(disk);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Close(second));
    check(count_entries(".") == files);
    disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    pairs_are_there(disk);
    VixDiskLibInfo *info = NULL;
    require_ok(VixDiskLib_GetInfo(disk, &info));
    check(info->adapterType == VIXDISKLIB_ADAPTER_IDE && info->biosGeo.heads == 255 && info->capacity == 1000);
    check_string(info->uuid, "60 00 C2 9a 00 00 00 00-00");
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_Read(disk, 10, 4, sectors));
    check(holds(sectors, 10, 4, 8));
    check_ok(VixDiskLib_Close(disk));
}

/* The names of the text have a prefix, those of the interface have none: with it the same key is meant, or none at
 * all, but never is another one lost. */
static void the_prefix_of_the_text_does_no_harm(VixDiskLibConnection connection, const char *path)
{
    static const char *const prefixes[] = {"ddb.", "DDB.", "ddb.ddb."};
    VixDiskLibHandle disk = open_disk(connection, path, 0);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        char key[64];
        require_ok(VixDiskLib_WriteMetadata(disk, "prefixed", "old"));
        snprintf(key, sizeof key, "%sprefixed", prefixes[i]);
        VixError error = VixDiskLib_WriteMetadata(disk, key, "new");
        check(error == VIX_OK || error == VIX_E_INVALID_ARG);
        check(has_key(disk, "prefixed"));
        if (error == VIX_OK)
            value_is(disk, key, "new");
        snprintf(key, sizeof key, "%sfresh%zu", prefixes[i], i);
        if (VixDiskLib_WriteMetadata(disk, key, "new") == VIX_OK)
            value_is(disk, key, "new");
        check_error(VixDiskLib_WriteMetadata(disk, prefixes[i], "value"), VIX_E_INVALID_ARG); /* no name is left */
    }
    check_ok(VixDiskLib_Close(disk));
}

static void what_the_text_cannot_hold_is_refused(VixDiskLibConnection connection, const char *path)
{
    static const char *const keys[] = {"",     " ",    "a b", "a=b",   "a\"b", "a\nb",
                                       "a\rb", "a\tb", "#a",  "a\x7f", "\x01", "a#"};
    static const char *const values[] = {"\"", "a\"b", "a\nb", "\n", "a\rb", "\t", "\x1b[1m", "\x7f"};
    VixDiskLibHandle disk = open_disk(connection, path, 0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        check_error(VixDiskLib_WriteMetadata(disk, keys[i], "value"), VIX_E_INVALID_ARG);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        check_error(VixDiskLib_WriteMetadata(disk, "refused", values[i]), VIX_E_INVALID_ARG);
        check_error(VixDiskLib_WriteMetadata(disk, "my.own.key", values[i]), VIX_E_INVALID_ARG);
    }
    check(!has_key(disk, "refused"));
    pairs_are_there(disk);
    check_ok(VixDiskLib_Close(disk));
    disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    pairs_are_there(disk);
    check_ok(VixDiskLib_Close(disk));
}

static void read_only_handles_change_nothing(VixDiskLibConnection connection, const char *path)
{
    VixDiskLibConnection reader = NULL;
    require_ok(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &reader));
    VixDiskLibHandle handles[2] = {open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY),
                                   open_disk(reader, path, 0)};
    for (int i = 0; i < 2; i++) {
        check_error(VixDiskLib_WriteMetadata(handles[i], "my.own.key", "changed"), VIX_E_FILE_READ_ONLY);
        check_error(VixDiskLib_WriteMetadata(handles[i], "another", "value"), VIX_E_FILE_READ_ONLY);
        check(!has_key(handles[i], "another"));
        value_is(handles[i], "my.own.key", "x");
        check_ok(VixDiskLib_Close(handles[i]));
    }
    check_ok(VixDiskLib_Disconnect(reader));
}

/* ---- Too much -------------------------------------------------------------------------------- */

/* 20 sectors are there for an embedded descriptor. What fits stays, what does not changes nothing. */
static void a_full_descriptor_leaves_the_disk_whole(VixDiskLibConnection connection)
{
    char value[12000], key[32];
    uint8 sectors[300 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = new_disk(connection, "full.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    fill(sectors, 0, 300, 4);
    require_ok(VixDiskLib_Write(disk, 0, 300, sectors));
    memset(value, 'v', sizeof value);
    value[11000] = '\0';
    check_error(VixDiskLib_WriteMetadata(disk, "too.long", value), VIX_E_DISK_FULL);
    check(!has_key(disk, "too.long"));

    int fitted = 0;
    VixError error = VIX_OK;
    value[200] = '\0';
    while (error == VIX_OK && fitted < 1000) {
        snprintf(key, sizeof key, "filler.%d", fitted);
        error = VixDiskLib_WriteMetadata(disk, key, value);
        fitted += error == VIX_OK;
    }
    check_error(error, VIX_E_DISK_FULL);
    check(fitted > 30 && fitted < 50);
    check(!has_key(disk, key));
    /* The last byte of the room, too. */
    for (int length = 200; length >= 0 && error != VIX_OK; length--) {
        value[length] = '\0';
        error = VixDiskLib_WriteMetadata(disk, "last", value);
        if (error == VIX_OK)
            fprintf(stderr, "%d keys of 200 bytes and one of %d fill a descriptor\n", fitted, length);
        else
            check_error(error, VIX_E_DISK_FULL);
    }
    check_error(VixDiskLib_WriteMetadata(disk, "filler.0", "v"), VIX_OK); /* shorter goes still */
    for (int round = 0; round < 2; round++) {
        value_is(disk, "filler.0", "v");
        memset(value, 'v', 200);
        value[200] = '\0';
        for (int i = 1; i < fitted; i++) {
            snprintf(key, sizeof key, "filler.%d", i);
            value_is(disk, key, value);
        }
        value_is(disk, "adapterType", "lsilogic");
        memset(sectors, 0, sizeof sectors);
        check_ok(VixDiskLib_Read(disk, 0, 300, sectors));
        check(holds(sectors, 0, 300, 4));
        check_ok(VixDiskLib_Close(disk));
        disk = open_disk(connection, "full.vmdk", 0);
        check_ok(VixDiskLib_Write(disk, 0, 300, sectors)); /* writing renews the content id in the same text */
    }
    check_ok(VixDiskLib_Close(disk));
}

/* A descriptor of its own can grow, but never so far that it cannot be read any more. */
static void a_separate_descriptor_never_outgrows_its_reader(VixDiskLibConnection connection)
{
    static const size_t lengths[] = {11000, 1 << 20, (10 << 20) - 100, 10 << 20, 11 << 20, 20 << 20};
    char *value = malloc((20 << 20) + 1);
    require(value != NULL);
    VixDiskLibHandle disk = new_disk(connection, "grown.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 1000);
    check_ok(VixDiskLib_Close(disk));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(value, 'a' + (int)i, lengths[i]);
        value[lengths[i]] = '\0';
        disk = NULL;
        if (!check_error(VixDiskLib_Open(connection, "grown.vmdk", 0, &disk), VIX_OK))
            break;
        VixError error = VixDiskLib_WriteMetadata(disk, "large", value);
        if (lengths[i] <= 11000)
            check_ok(error);
        else if (error != VIX_OK)
            check(error == VIX_E_DISK_FULL || error == VIX_E_INVALID_ARG);
        size_t needed = 0;
        check_error(VixDiskLib_ReadMetadata(disk, "large", NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
        check((error == VIX_OK) == (needed == lengths[i] + 1));
        check_ok(VixDiskLib_Close(disk));
    }
    free(value);
    disk = NULL;
    if (check_error(VixDiskLib_Open(connection, "grown.vmdk", 0, &disk), VIX_OK))
        check_ok(VixDiskLib_Close(disk));
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    for (size_t i = 0; i < sizeof disks / sizeof *disks; i++) {
        VixDiskLibHandle disk = new_disk(connection, disks[i].path, disks[i].type, 1000);
        a_new_disk_has_the_usual_keys(disk, disks[i].path);
        sizes(disk);
        unknown_keys_are_told_apart(disk);
        check_ok(VixDiskLib_Close(disk));
        values_persist(connection, disks[i].path);
        what_the_text_cannot_hold_is_refused(connection, disks[i].path);
        read_only_handles_change_nothing(connection, disks[i].path);
        the_prefix_of_the_text_does_no_harm(connection, disks[i].path);
    }
    a_full_descriptor_leaves_the_disk_whole(connection);
    a_separate_descriptor_never_outgrows_its_reader(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
