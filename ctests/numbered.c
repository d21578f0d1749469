/* The numbered tests that the bindings of other languages have too; docs/bindings.md lists them, and
 * scripts/check-numbers.sh sees that no language leaves one out.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE
#define SMALL 20000                    /* sectors of most disks */
#define LARGE (VixDiskLibSectorType)(40ull << 21) /* 40 GiB: more chunks than one question may cover */
#define WINDOW ((VixDiskLibSectorType)VIXDISKLIB_MAX_CHUNK_NUMBER * VIXDISKLIB_MIN_CHUNK_SIZE)
#define REQUESTS 64

static VixDiskLibConnection local;

/* A disk of its own for each test, open for writing. */
static VixDiskLibHandle small_disk(const char *path)
{
    return new_disk(local, path, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, SMALL);
}

/* ---- init ------------------------------------------------------------------------------------ */

static void the_library_starts_ends_and_starts_again(void)
{
    for (int round = 0; round < 2; round++) {
        require_ok(VixDiskLib_InitEx(8, 0, client_log, client_log, client_panic, NULL, NULL));
        check(strstr(VixDiskLib_ListTransportModes(), "file") != NULL);
        VixDiskLib_Exit();
    }
    VixDiskLibConnection none = NULL;
    check_error(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &none), VIX_E_DISK_NOINIT);
}

static void starts_are_counted(void)
{
    VixDiskLibConnection still = NULL;
    start_library();
    start_library();
    VixDiskLib_Exit();
    check_ok(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &still));
    VixDiskLib_Exit();
    check_error(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &still), VIX_E_DISK_NOINIT);
}

static void a_missing_configuration_is_refused(void)
{
    check_error(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "missing.conf"), VIX_E_FILE_NOT_FOUND);
}

/* ---- connect --------------------------------------------------------------------------------- */

static void local_disks_need_no_parameters(void)
{
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    VixDiskLibConnection connection = NULL;
    require(params != NULL);
    check_ok(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &connection));
    check_ok(VixDiskLib_Disconnect(connection));
    check_ok(VixDiskLib_ConnectEx(params, FALSE, NULL, "file", &connection));
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_FreeConnectParams(params);
}

static void a_read_only_connection_changes_nothing(void)
{
    VixDiskLibConnection connection = NULL;
    uint8 sector[SECTOR] = {1};
    require_ok(VixDiskLib_Close(small_disk("05.vmdk")));
    require_ok(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &connection));
    check_error(create(connection, "05-new.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, SMALL), VIX_E_FILE_READ_ONLY);
    VixDiskLibHandle disk = open_disk(connection, "05.vmdk", 0);
    check_error(VixDiskLib_Write(disk, 0, 1, sector), VIX_E_FILE_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
}

/* A server may show its faults at the first open only. */
static void a_server_that_is_not_there_is_an_error(void)
{
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    VixDiskLibConnection connection = NULL;
    VixDiskLibHandle disk = NULL;
    require(params != NULL);
    params->serverName = "127.0.0.1";
    params->port = params->nfcHostPort = 1;
    params->vmxSpec = "moref=vm-1";
    params->thumbPrint = "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00";
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = "user";
    params->creds.uid.password = "password";
    VixError error = VixDiskLib_ConnectEx(params, TRUE, "snapshot-1", "nbdssl:nbd", &connection);
    if (error == VIX_OK)
        error = VixDiskLib_Open(connection, "[ds] vm/vm.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk);
    check(VIX_FAILED(error));
    if (connection != NULL)
        check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_FreeConnectParams(params);
}

/* ---- open and info --------------------------------------------------------------------------- */

static void a_new_disk_tells_what_it_is(void)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibHandle disk = small_disk("07.vmdk");
    require_ok(VixDiskLib_GetInfo(disk, &info));
    check(info->capacity == SMALL && info->adapterType == VIXDISKLIB_ADAPTER_SCSI_LSILOGIC && info->numLinks == 1);
    check(info->parentFileNameHint == NULL && info->uuid != NULL && info->physGeo.heads > 0);
    check(info->logicalSectorSize == SECTOR && info->physicalSectorSize == SECTOR);
    VixDiskLib_FreeInfo(info);
    check_string(VixDiskLib_GetTransportMode(disk), "file");
    check_ok(VixDiskLib_Close(disk));
}

static void a_missing_disk_is_not_found(void)
{
    VixDiskLibHandle disk = NULL;
    check_error(VixDiskLib_Open(local, "missing.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), VIX_E_FILE_NOT_FOUND);
    check(disk == NULL);
}

static void a_child_names_its_parent(void)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibHandle parent = small_disk("09.vmdk");
    require_ok(VixDiskLib_CreateChild(parent, "09-child.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL));
    check_ok(VixDiskLib_Close(parent));
    VixDiskLibHandle child = open_disk(local, "09-child.vmdk", 0);
    require_ok(VixDiskLib_GetInfo(child, &info));
    check(info->numLinks == 2 && info->capacity == SMALL);
    check(info->parentFileNameHint != NULL && strstr(info->parentFileNameHint, "09.vmdk") != NULL);
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_Close(child));
}

/* ---- read and write -------------------------------------------------------------------------- */

static void what_was_never_written_is_zeros(void)
{
    uint8 sectors[2 * SECTOR], zeros[2 * SECTOR] = {0};
    VixDiskLibHandle disk = small_disk("10.vmdk");
    memset(sectors, 0xA5, sizeof sectors);
    check_ok(VixDiskLib_Read(disk, SMALL - 2, 2, sectors));
    check(memcmp(sectors, zeros, sizeof zeros) == 0);
    check_ok(VixDiskLib_Close(disk));
}

static void nothing_is_read_past_the_end(void)
{
    uint8 sectors[2 * SECTOR];
    VixDiskLibHandle disk = small_disk("11.vmdk");
    check_error(VixDiskLib_Read(disk, SMALL - 1, 2, sectors), VIX_E_DISK_OUTOFRANGE);
    check_error(VixDiskLib_Read(disk, SMALL, 1, sectors), VIX_E_DISK_OUTOFRANGE);
    check_ok(VixDiskLib_Close(disk));
}

static void what_was_written_is_there_after_reopening(void)
{
    static uint8 data[300 * SECTOR], again[300 * SECTOR];
    VixDiskLibHandle disk = small_disk("12.vmdk");
    fill(data, 1000, 300, 12);
    check_ok(VixDiskLib_Write(disk, 1000, 300, data));
    check_ok(VixDiskLib_Flush(disk));
    check_ok(VixDiskLib_Close(disk));
    disk = open_disk(local, "12.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Read(disk, 1000, 300, again));
    check(memcmp(data, again, sizeof data) == 0);
    check_ok(VixDiskLib_Close(disk));
}

static void a_read_only_disk_takes_no_write(void)
{
    uint8 sector[SECTOR] = {1};
    check_ok(VixDiskLib_Close(small_disk("13.vmdk")));
    VixDiskLibHandle disk = open_disk(local, "13.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_error(VixDiskLib_Write(disk, 0, 1, sector), VIX_E_FILE_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));
}

/* ---- metadata -------------------------------------------------------------------------------- */

static void values_are_listed_changed_and_kept(void)
{
    char names[4096], value[64];
    bool listed = false;
    VixDiskLibHandle disk = small_disk("14.vmdk");
    check_ok(VixDiskLib_WriteMetadata(disk, "toolsVersion", "1"));
    check_ok(VixDiskLib_WriteMetadata(disk, "toolsVersion", "12352"));
    check_ok(VixDiskLib_Close(disk));
    disk = open_disk(local, "14.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_ReadMetadata(disk, "toolsVersion", value, sizeof value, NULL));
    check_string(value, "12352");
    check_ok(VixDiskLib_ReadMetadata(disk, "adapterType", value, sizeof value, NULL));
    check_string(value, "lsilogic");
    require_ok(VixDiskLib_GetMetadataKeys(disk, names, sizeof names, NULL));
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        listed |= strcmp(name, "toolsVersion") == 0;
    check(listed);
    check_ok(VixDiskLib_Close(disk));
}

static void an_unknown_name_has_no_value(void)
{
    char value[64];
    VixDiskLibHandle disk = small_disk("15.vmdk");
    check_error(VixDiskLib_ReadMetadata(disk, "nothing", value, sizeof value, NULL), VIX_E_DISK_KEY_NOTFOUND);
    check_ok(VixDiskLib_Close(disk));
}

static void long_values_come_back_whole(void)
{
    char given[3000], *value;
    size_t needed = 0;
    VixDiskLibHandle disk = small_disk("16.vmdk");
    memset(given, 'x', sizeof given);
    given[sizeof given - 1] = '\0';
    check_ok(VixDiskLib_WriteMetadata(disk, "comment", given));
    check_error(VixDiskLib_ReadMetadata(disk, "comment", NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
    check(needed == sizeof given);
    value = malloc(needed);
    require(value != NULL);
    check_ok(VixDiskLib_ReadMetadata(disk, "comment", value, needed, NULL));
    check_string(value, given);
    free(value);
    check_ok(VixDiskLib_Close(disk));
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void written_chunks_are_listed(void)
{
    uint8 sector[SECTOR] = {1};
    VixDiskLibBlockList *list = NULL;
    VixDiskLibHandle disk = small_disk("17.vmdk");
    check_ok(VixDiskLib_Write(disk, 130, 1, sector));
    check_ok(VixDiskLib_Write(disk, 256, 1, sector));
    check_ok(VixDiskLib_Write(disk, SMALL - 1, 1, sector));
    require_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, SMALL, 128, &list));
    check(list->numBlocks == 2 && list->blocks[0].offset == 128 && list->blocks[0].length == 256);
    check(list->blocks[1].offset == SMALL / 128 * 128 && list->blocks[1].length == SMALL % 128);
    check_ok(VixDiskLib_FreeBlockList(list));
    check_ok(VixDiskLib_Close(disk));
}

/* A run over the border of two questions is one run of the disk. */
static void the_map_of_a_large_disk_is_whole(void)
{
    static uint8 data[256 * SECTOR];
    VixDiskLibSectorType total = 0, first = LARGE, last = 0;
    VixDiskLibHandle disk = new_disk(local, "18.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, LARGE);
    memset(data, 1, sizeof data);
    check_ok(VixDiskLib_Write(disk, WINDOW - 128, 256, data));
    check_ok(VixDiskLib_Write(disk, LARGE - 1, 1, data));
    for (VixDiskLibSectorType start = 0; start < LARGE; start += WINDOW) {
        VixDiskLibBlockList *list = NULL;
        VixDiskLibSectorType count = LARGE - start < WINDOW ? LARGE - start : WINDOW;
        require_ok(VixDiskLib_QueryAllocatedBlocks(disk, start, count, 128, &list));
        for (uint32 i = 0; i < list->numBlocks; i++) {
            total += list->blocks[i].length;
            first = list->blocks[i].offset < first ? list->blocks[i].offset : first;
            last = list->blocks[i].offset + list->blocks[i].length;
        }
        check_ok(VixDiskLib_FreeBlockList(list));
    }
    check(first == WINDOW - 128 && last == LARGE && total == 3 * 128);
    check_ok(VixDiskLib_Close(disk));
}

static void a_chunk_of_a_forbidden_size_is_refused(void)
{
    VixDiskLibBlockList *list = NULL;
    VixDiskLibHandle disk = small_disk("19.vmdk");
    check_error(VixDiskLib_QueryAllocatedBlocks(disk, 0, SMALL, 1, &list), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_QueryAllocatedBlocks(disk, 0, SMALL, VIXDISKLIB_MAX_CHUNK_SIZE + 1, &list),
                VIX_E_INVALID_ARG);
    check_ok(VixDiskLib_Close(disk));
}

/* ---- async ----------------------------------------------------------------------------------- */

/* How often a request ended, and how. */
struct request {
    unsigned ends;
    VixError result;
};

static void ended(void *data, VixError result)
{
    struct request *request = data;
    request->result = result;
    __atomic_add_fetch(&request->ends, 1, __ATOMIC_SEQ_CST);
}

static bool ended_once(const struct request *request, VixError wanted)
{
    return __atomic_load_n(&request->ends, __ATOMIC_SEQ_CST) == 1 && request->result == wanted;
}

static void many_requests_end_once_each(void)
{
    static uint8 data[REQUESTS][100 * SECTOR];
    struct request requests[REQUESTS];
    VixDiskLibHandle disk = small_disk("20.vmdk");
    for (int round = 0; round < 2; round++) { /* written, then read */
        memset(requests, 0, sizeof requests);
        for (uint64 i = 0; i < REQUESTS; i++) {
            if (round == 0)
                fill(data[i], i * 100, 100, 20);
            else
                memset(data[i], 0, sizeof data[i]);
            check_error(round == 0 ? VixDiskLib_WriteAsync(disk, i * 100, 100, data[i], ended, &requests[i])
                                   : VixDiskLib_ReadAsync(disk, i * 100, 100, data[i], ended, &requests[i]),
                        VIX_ASYNC);
        }
        check_ok(VixDiskLib_Wait(disk));
        for (uint64 i = 0; i < REQUESTS; i++)
            check(ended_once(&requests[i], VIX_OK) && holds(data[i], i * 100, 100, 20));
    }
    check_ok(VixDiskLib_Close(disk));
}

/* Refused at once, or told of once. */
static void a_request_past_the_end_fails(void)
{
    uint8 sector[SECTOR];
    struct request request = {0, VIX_OK};
    VixDiskLibHandle disk = small_disk("21.vmdk");
    VixError error = VixDiskLib_ReadAsync(disk, SMALL, 1, sector, ended, &request);
    check_ok(VixDiskLib_Wait(disk));
    check(error == VIX_ASYNC ? ended_once(&request, VIX_E_DISK_OUTOFRANGE)
                             : error == VIX_E_DISK_OUTOFRANGE && request.ends == 0);
    check_ok(VixDiskLib_Close(disk));
}

static void waiting_ends_when_all_requests_have(void)
{
    static uint8 data[8000 * SECTOR];
    struct request request = {0, VIX_OK};
    VixDiskLibHandle disk = small_disk("22.vmdk");
    check_ok(VixDiskLib_Wait(disk)); /* for nothing */
    memset(data, 1, sizeof data);
    check_error(VixDiskLib_WriteAsync(disk, 0, 8000, data, ended, &request), VIX_ASYNC);
    check_ok(VixDiskLib_Wait(disk));
    check(ended_once(&request, VIX_OK));
    check_ok(VixDiskLib_Close(disk));
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void the_text_says_what_failed(void)
{
    VixDiskLibHandle disk = NULL;
    check_error(VixDiskLib_Open(local, "23.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), VIX_E_FILE_NOT_FOUND);
    char *text = VixDiskLib_GetErrorText(VIX_E_FILE_NOT_FOUND, NULL);
    check(strstr(text, "VixDiskLib_Open") != NULL && strstr(text, "23.vmdk") != NULL);
    check(strstr(text, "No such file") != NULL);
    VixDiskLib_FreeErrorText(text);
}

/* C has the names in its header; the bindings have a list to compare. */
static void every_code_has_a_name_and_a_text(void)
{
    static const VixError codes[] = {VIX_E_FAIL, VIX_E_DISK_ATTACH_ROOTLINK, VIX_E_NET_HTTP_GENERIC, 65535};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char *text = VixDiskLib_GetErrorText(codes[i], NULL);
        check(text != NULL && strlen(text) > 5);
        VixDiskLib_FreeErrorText(text);
    }
}

static void a_closed_disk_is_refused(void)
{
    uint8 sector[SECTOR];
    VixDiskLibHandle disk = small_disk("25.vmdk");
    check_ok(VixDiskLib_Close(disk));
    check_error(VixDiskLib_Read(disk, 0, 1, sector), VIX_E_INVALID_HANDLE);
    check_error(VixDiskLib_Close(disk), VIX_E_INVALID_HANDLE);
}

/* ---- whole disks ----------------------------------------------------------------------------- */

static void nothing_is_created_over_a_disk(void)
{
    check_ok(VixDiskLib_Close(small_disk("26.vmdk")));
    check_error(create(local, "26.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, SMALL), VIX_E_FILE_ALREADY_EXISTS);
}

/* What a progress function was told, and the per cent at which it answers FALSE. */
struct progress {
    int first, last, stop;
};

static Bool hear(void *data, int percent)
{
    struct progress *progress = data;
    if (progress->first < 0)
        progress->first = percent;
    progress->last = percent;
    return percent < progress->stop;
}

static VixError clone_of(const char *source, const char *target, struct progress *progress)
{
    static uint8 data[4096 * SECTOR];
    VixDiskLibHandle disk = small_disk(source);
    memset(data, 7, sizeof data);
    for (int i = 0; i < 4; i++)
        check_ok(VixDiskLib_Write(disk, i * 4096, 4096, data));
    check_ok(VixDiskLib_Close(disk));
    VixDiskLibCreateParams params = {VIXDISKLIB_DISK_MONOLITHIC_FLAT, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, 13, 1, 0, 0};
    return VixDiskLib_Clone(local, target, local, source, &params, hear, progress, FALSE);
}

static void a_clone_tells_its_progress(void)
{
    struct progress progress = {-1, -1, 1000};
    uint8 sector[SECTOR];
    check_ok(clone_of("27.vmdk", "27-clone.vmdk", &progress));
    check(progress.first == 0 && progress.last == 100);
    VixDiskLibHandle disk = open_disk(local, "27-clone.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Read(disk, 4096, 1, sector));
    check(sector[0] == 7);
    check_ok(VixDiskLib_Close(disk));
}

/* Only for whoever asks for it: VDDK ignores what the function returns, and so does the library by itself. */
static void a_clone_can_be_cancelled(void)
{
    struct progress progress = {-1, -1, 20};
    check_error(clone_of("28.vmdk", "28-clone.vmdk", &progress), VIX_E_CANCELLED);
    check(progress.last < 100 && access("28-clone.vmdk", F_OK) != 0 && access("28-clone-flat.vmdk", F_OK) != 0);

    VixDiskLib_Exit();
    start_library();
    local = connect_local();
    progress.first = -1;
    check_ok(clone_of("28-plain.vmdk", "28-clone.vmdk", &progress));
    check(progress.last == 100);
}

/* ---- All of them ----------------------------------------------------------------------------- */

#define NUMBERED(number, name) {number, #name, name}

static const struct {
    int number;
    const char *name;
    void (*body)(void);
} tests[] = {
    NUMBERED(1, the_library_starts_ends_and_starts_again),
    NUMBERED(2, starts_are_counted),
    NUMBERED(3, a_missing_configuration_is_refused),
    NUMBERED(4, local_disks_need_no_parameters),
    NUMBERED(5, a_read_only_connection_changes_nothing),
    NUMBERED(6, a_server_that_is_not_there_is_an_error),
    NUMBERED(7, a_new_disk_tells_what_it_is),
    NUMBERED(8, a_missing_disk_is_not_found),
    NUMBERED(9, a_child_names_its_parent),
    NUMBERED(10, what_was_never_written_is_zeros),
    NUMBERED(11, nothing_is_read_past_the_end),
    NUMBERED(12, what_was_written_is_there_after_reopening),
    NUMBERED(13, a_read_only_disk_takes_no_write),
    NUMBERED(14, values_are_listed_changed_and_kept),
    NUMBERED(15, an_unknown_name_has_no_value),
    NUMBERED(16, long_values_come_back_whole),
    NUMBERED(17, written_chunks_are_listed),
    NUMBERED(18, the_map_of_a_large_disk_is_whole),
    NUMBERED(19, a_chunk_of_a_forbidden_size_is_refused),
    NUMBERED(20, many_requests_end_once_each),
    NUMBERED(21, a_request_past_the_end_fails),
    NUMBERED(22, waiting_ends_when_all_requests_have),
    NUMBERED(23, the_text_says_what_failed),
    NUMBERED(24, every_code_has_a_name_and_a_text),
    NUMBERED(25, a_closed_disk_is_refused),
    NUMBERED(26, nothing_is_created_over_a_disk),
    NUMBERED(27, a_clone_tells_its_progress),
    NUMBERED(28, a_clone_can_be_cancelled),
};

int main(void)
{
    write_file("cancels.conf", "vixen.progressCancels = 1\n");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        int before = checks_failed;
        bool starts_itself = tests[i].number <= 3;
        if (!starts_itself) {
            require_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "cancels.conf"));
            local = connect_local();
        }
        tests[i].body();
        if (!starts_itself)
            VixDiskLib_Exit();
        if (checks_failed > before)
            fprintf(stderr, "test %02d, %s, failed\n", tests[i].number, tests[i].name);
    }
    return check_end();
}
