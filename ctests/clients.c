/* The call sequences of known programs, quirks included, each in a process of its own as theirs is. What they were seen
 * to do is a requirement, whatever one may think of it. bindings.c has the bindings of other languages.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <dlfcn.h>
#include <pthread.h>

#include "check.h"

#define CAPACITY 10003 /* no whole number of chunks */
#define SECTOR VIXDISKLIB_SECTOR_SIZE

/* Each client finds this disk: some sectors in the middle and the last ones are written. */
static int make_disk(void)
{
    uint8 sectors[300 * SECTOR];
    unlink("disk.vmdk");
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = new_disk(connection, "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    fill(sectors, 1000, 300, 1);
    check_ok(VixDiskLib_Write(disk, 1000, 300, sectors));
    fill(sectors, CAPACITY - 3, 3, 1);
    check_ok(VixDiskLib_Write(disk, CAPACITY - 3, 3, sectors));
    check_ok(VixDiskLib_WriteMetadata(disk, "geometry.biosCylinders", "17"));
    VixDiskLib_Exit();
    return checks_failed;
}

/* nbdkit shows what comes here as an error, to the user too, and bareos and others make noise of it. */
static void no_warning(const char *format, va_list arguments)
{
    fprintf(stderr, "warned without a failure: ");
    vfprintf(stderr, format, arguments);
    checks_failed++;
}

/* ---- nbdkit ---------------------------------------------------------------------------------- */

/* Calls of one server thread are handed to a worker, which owns the handle; the thread waits for the answer. */
struct command {
    VixDiskLibSectorType start, count;
    uint8 *data;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool ended;
    VixError result;
};

static void end_of_command(void *data, VixError result)
{
    struct command *command = data;
    pthread_mutex_lock(&command->lock);
    command->ended = true;
    command->result = result;
    pthread_cond_signal(&command->done);
    pthread_mutex_unlock(&command->lock);
}

/* The command lives on the stack of who waits for it. */
static void run_command(VixDiskLibHandle disk, bool write, VixDiskLibSectorType start, VixDiskLibSectorType count,
                        uint8 *data)
{
    struct command command = {
        start, count, data, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, VIX_E_FAIL};
    VixError error = write ? VixDiskLib_WriteAsync(disk, start, count, data, end_of_command, &command)
                           : VixDiskLib_ReadAsync(disk, start, count, data, end_of_command, &command);
    if (!check_error(error, VIX_ASYNC))
        return;
    pthread_mutex_lock(&command.lock);
    while (!command.ended)
        pthread_cond_wait(&command.done, &command.lock);
    pthread_mutex_unlock(&command.lock);
    check_ok(command.result);
}

static VixDiskLibHandle nbdkit_disk;
static VixDiskLibInfo *nbdkit_info;
static bool nbdkit_writes;

static void *nbdkit_worker(void *data)
{
    static uint8 buffer[4096 * SECTOR];
    VixDiskLibBlockList *list = NULL;
    (void)data;
    check_ok(VixDiskLib_GetInfo(nbdkit_disk, &nbdkit_info));
    check_ok(VixDiskLib_QueryAllocatedBlocks(nbdkit_disk, 0, 128, 128, &list)); /* does it work at all? */
    check_ok(VixDiskLib_FreeBlockList(list));
    check_ok(VixDiskLib_QueryAllocatedBlocks(nbdkit_disk, 0, CAPACITY / 128 * 128, 128, &list));
    check(list->numBlocks == 1 && list->blocks[0].offset == 896 && list->blocks[0].length == 512);
    check_ok(VixDiskLib_FreeBlockList(list));
    /* As nbdcopy asks, then as qemu-img does. */
    for (VixDiskLibSectorType length = 512; length <= 4096; length *= 8) {
        memset(buffer, 0, sizeof buffer);
        for (VixDiskLibSectorType start = 0; start < CAPACITY; start += length)
            run_command(nbdkit_disk, false, start, CAPACITY - start < length ? CAPACITY - start : length, buffer);
        check(holds(buffer + (CAPACITY - 3) % length * SECTOR, CAPACITY - 3, 3, 1));
    }
    if (nbdkit_writes) {
        fill(buffer, 3000, 512, 2);
        run_command(nbdkit_disk, true, 3000, 512, buffer);
        check_ok(VixDiskLib_Wait(nbdkit_disk));
        check_ok(VixDiskLib_Flush(nbdkit_disk));
        memset(buffer, 0, sizeof buffer);
        run_command(nbdkit_disk, false, 3000, 512, buffer);
        check(holds(buffer, 3000, 512, 2));
    }
    check_ok(VixDiskLib_Wait(nbdkit_disk));
    return NULL;
}

/* Opens and closes on one thread, works on another, frees on the first what the second was given. */
static void *nbdkit_connection(void *data)
{
    pthread_t worker;
    char path[4096];
    require(realpath("disk.vmdk", path) != NULL);
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    require(params != NULL);
    VixDiskLibConnection connection = NULL;
    nbdkit_writes = *(bool *)data;
    require_ok(VixDiskLib_ConnectEx(params, nbdkit_writes ? FALSE : TRUE, NULL, NULL, &connection));
    nbdkit_disk = open_disk(connection, path, nbdkit_writes ? 0 : VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_string(VixDiskLib_GetTransportMode(nbdkit_disk), "file");
    require(pthread_create(&worker, NULL, nbdkit_worker, NULL) == 0);
    pthread_join(worker, NULL);
    check(nbdkit_info != NULL && nbdkit_info->capacity == CAPACITY && nbdkit_info->logicalSectorSize == 512);
    VixDiskLib_FreeInfo(nbdkit_info);
    check_ok(VixDiskLib_Close(nbdkit_disk));
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_FreeConnectParams(params);
    return NULL;
}

static int nbdkit(void)
{
    require_ok(VixDiskLib_InitEx(6, 5, client_log, no_warning, client_panic, "/dist", NULL));
    for (int writes = 0; writes < 2; writes++) {
        pthread_t thread;
        bool wanted = writes == 1;
        require(pthread_create(&thread, NULL, nbdkit_connection, &wanted) == 0);
        pthread_join(thread, NULL);
    }
    VixDiskLib_Exit();
    check(threads_become(1)); /* the plugin is unloaded next */
    return checks_failed;
}

/* ---- bareos ---------------------------------------------------------------------------------- */

struct saved {
    char *keys, *values[32];
    VixDiskLibGeometry bios, physical;
};

static VixDiskLibConnection bareos_start(VixDiskLibConnectParams *params, bool reading)
{
    VixDiskLibConnection connection = NULL;
    require_ok(VixDiskLib_InitEx(6, 5, client_log, client_log, client_panic, "/usr/lib/vmware-vix-disklib", NULL));
    require_ok(VixDiskLib_ConnectEx(params, reading ? TRUE : FALSE, NULL, NULL, &connection));
    return connection;
}

/* Sizes first, then exact buffers without a place for the length. */
static void bareos_dump(struct saved *saved, uint8 *data, bool *has_data)
{
    uint32 cleaned = 7, remaining = 7;
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams(); /* before the start */
    require(params != NULL);
    VixDiskLibConnection connection = bareos_start(params, true);
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLibInfo *info = NULL;
    require_ok(VixDiskLib_GetInfo(disk, &info));
    check(info->capacity == CAPACITY && info->biosGeo.cylinders == 17);
    saved->bios = info->biosGeo;
    saved->physical = info->physGeo;
    VixDiskLib_FreeInfo(info);

    size_t needed = 0;
    check_error(VixDiskLib_GetMetadataKeys(disk, NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
    saved->keys = malloc(needed);
    check_ok(VixDiskLib_GetMetadataKeys(disk, saved->keys, needed, NULL));
    int count = 0;
    for (const char *key = saved->keys; *key != '\0'; key += strlen(key) + 1) {
        check_error(VixDiskLib_ReadMetadata(disk, key, NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
        saved->values[count] = malloc(needed);
        check_ok(VixDiskLib_ReadMetadata(disk, key, saved->values[count], needed, NULL));
        check(strlen(saved->values[count++]) + 1 == needed);
    }
    check(count >= 8);

    VixDiskLibBlockList *list = NULL;
    require_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, CAPACITY / 128 * 128, 128, &list));
    /* What is left over behind the last whole chunk counts as allocated. */
    const VixDiskLibBlock tail = {.offset = CAPACITY / 128 * 128, .length = CAPACITY % 128};
    for (uint32 i = 0; i <= list->numBlocks; i++) {
        VixDiskLibBlock block = i < list->numBlocks ? list->blocks[i] : tail;
        check_ok(VixDiskLib_Read(disk, block.offset, block.length, data + block.offset * SECTOR));
        memset(has_data + block.offset, true, block.length);
    }
    check_ok(VixDiskLib_FreeBlockList(list));
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    check_ok(VixDiskLib_EndAccess(params, "bareos_vadp_dumper"));
    /* Its own strings are freed before the struct that holds them. */
    params->thumbPrint = strdup("AA:BB");
    free(params->thumbPrint);
    params->thumbPrint = NULL;
    VixDiskLib_FreeConnectParams(params);
    check_ok(VixDiskLib_Cleanup(NULL, &cleaned, &remaining));
    check(cleaned == 0 && remaining == 0);
    VixDiskLib_Exit();
}

static void bareos_restore(struct saved *saved, const uint8 *data, const bool *has_data)
{
    uint32 cleaned, remaining;
    check_ok(VixDiskLib_Cleanup(NULL, &cleaned, &remaining)); /* before the start */
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    VixDiskLibConnection connection = bareos_start(params, false);
    VixDiskLibCreateParams disk_params = {VIXDISKLIB_DISK_MONOLITHIC_SPARSE, VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
                                          VIXDISKLIB_HWVERSION_ESX4X, CAPACITY, 512, 512};
    require_ok(VixDiskLib_Create(connection, "restored.vmdk", &disk_params, NULL, NULL));
    VixDiskLibHandle disk = open_disk(connection, "restored.vmdk", 0);
    int index = 0;
    for (const char *key = saved->keys; *key != '\0'; key += strlen(key) + 1)
        check_ok(VixDiskLib_WriteMetadata(disk, key, saved->values[index++]));
    for (VixDiskLibSectorType sector = 0; sector < CAPACITY; sector++)
        if (has_data[sector])
            check_ok(VixDiskLib_Write(disk, sector, 1, data + sector * SECTOR));
    check_ok(VixDiskLib_Close(disk));

    disk = open_disk(connection, "restored.vmdk", 0);
    uint8 *again = calloc(CAPACITY, SECTOR);
    check_ok(VixDiskLib_Read(disk, 0, CAPACITY, again));
    check(memcmp(again, data, (size_t)CAPACITY * SECTOR) == 0);
    VixDiskLibInfo *info = NULL;
    require_ok(VixDiskLib_GetInfo(disk, &info));
    check(memcmp(&info->biosGeo, &saved->bios, sizeof saved->bios) == 0);
    check(memcmp(&info->physGeo, &saved->physical, sizeof saved->physical) == 0);
    VixDiskLib_FreeInfo(info);
    index = 0;
    for (const char *key = saved->keys; *key != '\0'; key += strlen(key) + 1) {
        char value[256];
        check_ok(VixDiskLib_ReadMetadata(disk, key, value, sizeof value, NULL));
        if (strcmp(key, "longContentID") != 0) /* new content has a new one */
            check_string(value, saved->values[index]);
        free(saved->values[index++]);
    }
    check_error(VixDiskLib_Read(disk, CAPACITY, 1, again), VIX_E_DISK_OUTOFRANGE);
    keep(VixDiskLib_GetErrorText(VIX_E_DISK_OUTOFRANGE, NULL)); /* never freed */
    free(again);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_Exit();
}

static int bareos(void)
{
    struct saved saved;
    uint8 *data = calloc(CAPACITY, SECTOR);
    bool *has_data = calloc(CAPACITY, sizeof *has_data);
    require(data != NULL && has_data != NULL);
    bareos_dump(&saved, data, has_data);
    check(holds(data + 1000 * SECTOR, 1000, 300, 1) && holds(data + (CAPACITY - 3) * SECTOR, CAPACITY - 3, 3, 1));
    bareos_restore(&saved, data, has_data);
    free(saved.keys);
    free(data);
    free(has_data);
    return checks_failed;
}

/* ---- virtual-disks --------------------------------------------------------------------------- */

/* "" for everything that is absent, and a new struct for every call, never freed. */
static VixDiskLibConnectParams *empty_params(void)
{
    VixDiskLibConnectParams *params = keep(VixDiskLib_AllocateConnectParams());
    require(params != NULL);
    params->vmxSpec = params->serverName = params->thumbPrint = "";
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = params->creds.uid.password = "";
    return params;
}

static int virtual_disks(void)
{
    uint8 sectors[8 * SECTOR];
    VixDiskLibConnection connection = NULL, plain = NULL;
    require_ok(VixDiskLib_Init(7, 0, NULL, NULL, NULL, "/usr/local/vmware-vix-disklib-distrib"));
    check_ok(VixDiskLib_PrepareForAccess(empty_params(), "astrolabe"));
    require_ok(VixDiskLib_ConnectEx(empty_params(), TRUE, "", "", &connection));
    require_ok(VixDiskLib_Connect(empty_params(), &plain));
    VixDiskLibHandle disk =
        open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ | VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLibHandle writer = open_disk(plain, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    check_ok(VixDiskLib_Read(disk, CAPACITY - 8, 8, sectors));
    check(holds(sectors + 5 * SECTOR, CAPACITY - 3, 3, 1));
    check_error(VixDiskLib_Read(disk, CAPACITY, 1, sectors), VIX_E_DISK_OUTOFRANGE); /* how it finds the end */
    check_ok(VixDiskLib_Write(writer, CAPACITY - 8, 8, sectors));
    check_ok(VixDiskLib_Close(writer));
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    check_ok(VixDiskLib_Disconnect(plain));
    check_ok(VixDiskLib_EndAccess(empty_params(), "astrolabe"));
    VixDiskLib_Exit();
    return checks_failed;
}

/* ---- open-eBackup ---------------------------------------------------------------------------- */

/* Loads the library by name; its structs are set as far as the credentials, and what was on the stack follows. */
static int open_ebackup(void)
{
    VixDiskLibConnectParams params;
    uint32 cleaned, remaining;
    void *library = dlopen("libvixDiskLib.so.8", RTLD_NOW);
    require(library != NULL && dlsym(library, "VixDiskLib_QueryAllocatedBlocks") != NULL);
    memset(&params, 0xA5, sizeof params);
    params.vmxSpec = params.serverName = params.thumbPrint = NULL;
    params.credType = VIXDISKLIB_CRED_UID;
    params.creds.uid.userName = params.creds.uid.password = "";
    params.specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT; /* as chance has it */
    require_ok(VixDiskLib_InitEx(6, 5, client_log, client_log, client_log, "/opt/lib64/..", "/dev/null"));
    check_string(VixDiskLib_ListTransportModes(), "file:nbdssl:nbd");
    check_ok(VixDiskLib_Cleanup(&params, &cleaned, &remaining));
    check_ok(VixDiskLib_PrepareForAccess(&params, "eBackup"));
    static const char *const modes[] = {"hotadd:nbdssl", "nbdssl", NULL};
    for (int i = 0; i < 3; i++) {
        VixDiskLibConnection connection = NULL;
        VixDiskLibBlockList *list = NULL;
        require_ok(VixDiskLib_ConnectEx(&params, TRUE, "", modes[i], &connection));
        VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        check_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, CAPACITY / 1024 * 1024, 1024, &list));
        check(list->numBlocks == 1 && list->blocks[0].offset == 0 && list->blocks[0].length == 2048);
        check_ok(VixDiskLib_FreeBlockList(list));
        check_ok(VixDiskLib_Close(disk));
        check_ok(VixDiskLib_Disconnect(connection));
    }
    check_ok(VixDiskLib_EndAccess(&params, "eBackup"));
    VixDiskLib_Exit();
    check(dlclose(library) == 0);
    return checks_failed;
}

int main(void)
{
    static const struct client clients[] = {
        {"nbdkit", nbdkit}, {"bareos", bareos}, {"virtual-disks", virtual_disks}, {"open-eBackup", open_ebackup}};
    run_clients(clients, sizeof clients / sizeof *clients, make_disk);
    return check_end();
}
