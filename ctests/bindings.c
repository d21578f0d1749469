/* The call sequences of bindings of other languages, quirks included, each in a process of its own. What they were seen
 * to do is a requirement, whatever one may think of it.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

#define CAPACITY 1003
#define SECTOR VIXDISKLIB_SECTOR_SIZE

/* Each client finds this disk, whose last sectors are written. */
static int make_disk(void)
{
    uint8 sectors[3 * SECTOR];
    unlink("disk.vmdk");
    start_library();
    VixDiskLibHandle disk = new_disk(connect_local(), "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    fill(sectors, CAPACITY - 3, 3, 1);
    check_ok(VixDiskLib_Write(disk, CAPACITY - 3, 3, sectors));
    VixDiskLib_Exit();
    return checks_failed;
}

/* ---- ffi-vix_disk_lib ------------------------------------------------------------------------ */

/* The structs of its time: 80, 24 and 56 bytes. */
static int ffi(void)
{
    VixDiskLibConnectParams params;
    VixDiskLibCreateParams disk_params = {VIXDISKLIB_DISK_MONOLITHIC_FLAT, VIXDISKLIB_ADAPTER_IDE, 7, 1000, 0, 0};
    unsigned char first[56];
    VixDiskLibConnection connection = NULL;
    VixDiskLibInfo *info = NULL;
    memset(&params, 0, sizeof params);
    require_ok(VixDiskLib_InitEx(8, 0, client_log, client_log, client_log, NULL, NULL));
    require_ok(VixDiskLib_Connect(at_page_end(&params, 80), &connection));
    check_ok(VixDiskLib_Create(connection, "ffi.vmdk", at_page_end(&disk_params, 24), NULL, NULL));
    VixDiskLibHandle disk = open_disk(connection, "ffi.vmdk", 0);
    check_ok(VixDiskLib_GetInfo(disk, &info));
    memcpy(first, info, sizeof first);
    check(((VixDiskLibInfo *)first)->capacity == 1000 && ((VixDiskLibInfo *)first)->numLinks == 1);
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return checks_failed;
}

/* ---- coriolis and OpenVixDiskLib ------------------------------------------------------------- */

/* A forgotten declaration makes an int of the pointer to be freed. */
static int coriolis(void)
{
    VixDiskLibConnectParams params;
    VixDiskLibHandle disk = NULL;
    VixDiskLibConnection connection = NULL;
    memset(&params, 0, sizeof params);
    params.serverName = "";
    require_ok(VixDiskLib_InitEx(6, 0, NULL, NULL, NULL, NULL, NULL));
    require_ok(VixDiskLib_ConnectEx(at_page_end(&params, 72), TRUE, NULL, NULL, &connection));
    for (int i = 0; i < 3; i++) {
        check_error(VixDiskLib_Open(connection, "missing.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk),
                    VIX_E_FILE_NOT_FOUND);
        char *text = keep(VixDiskLib_GetErrorText(VIX_E_FILE_NOT_FOUND, NULL));
        uintptr_t cut = (uintptr_t)text & UINT32_MAX;
        if (cut != (uintptr_t)text)
            VixDiskLib_FreeErrorText((char *)cut);
        check(strlen(text) > 0); /* it is there still */
    }
    disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return checks_failed;
}

/* Down from a version that is not out yet, until one is accepted. */
static int open_vix_disk_lib(void)
{
    static const uint32 versions[][2] = {{11, 0}, {10, 0}, {9, 0}, {8, 0}, {7, 0}, {6, 7}, {6, 5}, {6, 0}};
    uint8 sector[SECTOR];
    unsigned tried = 0;
    for (; tried < 8; tried++) {
        if (VixDiskLib_InitEx(versions[tried][0], versions[tried][1], NULL, NULL, NULL, NULL, NULL) == VIX_OK)
            break;
        keep(VixDiskLib_GetErrorText(VIX_E_INVALID_ARG, NULL));
    }
    check(tried == 2);
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = new_disk(connection, "open.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 3 << 20);
    static const VixDiskLibSectorType places[] = {0, 1, 1 << 21};
    for (int i = 0; i < 3; i++) {
        fill(sector, places[i], 1, 4);
        check_ok(VixDiskLib_Write(disk, places[i], 1, sector));
        memset(sector, 0, sizeof sector);
        check_ok(VixDiskLib_Read(disk, places[i], 1, sector));
        check(holds(sector, places[i], 1, 4));
    }
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return checks_failed;
}

/* ---- ctypes-vddk, xuru, node-vddk ------------------------------------------------------------ */

/* Destructors run when the library has ended already. */
static int ctypes_vddk(void)
{
    uint8 sector[SECTOR];
    char value[16];
    VixDiskLibConnection connection = NULL;
    require_ok(VixDiskLib_Init(1, 0, client_log, client_log, client_panic, NULL));
    require_ok(VixDiskLib_Connect(NULL, &connection));
    VixDiskLibHandle disk = new_disk(connection, "ctypes.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, 1000);
    fill(sector, 9, 1, 5);
    check_ok(VixDiskLib_Write(disk, 9, 1, sector));
    check_ok(VixDiskLib_WriteMetadata(disk, "adapterType", "ide"));
    VixDiskLib_Exit();
    check_error(VixDiskLib_Close(disk), VIX_E_INVALID_HANDLE);
    check_error(VixDiskLib_Disconnect(connection), VIX_E_INVALID_HANDLE);
    start_library(); /* nothing was lost by that */
    connection = connect_local();
    disk = open_disk(connection, "ctypes.vmdk", 0);
    check_ok(VixDiskLib_Read(disk, 9, 1, sector));
    check(holds(sector, 9, 1, 5));
    check_ok(VixDiskLib_ReadMetadata(disk, "adapterType", value, sizeof value, NULL));
    check_string(value, "ide");
    VixDiskLib_Exit();
    return checks_failed;
}

/* Starts twice and ends once; frees an answer that it has not got. */
static int xuru(void)
{
    VixDiskLibConnectParams params;
    uint32 cleaned, remaining;
    VixDiskLibConnection connection = NULL;
    memset(&params, 0, sizeof params);
    require_ok(VixDiskLib_InitEx(5, 0, client_log, client_log, client_log, NULL, NULL));
    require_ok(VixDiskLib_InitEx(5, 0, client_log, client_log, client_log, NULL, NULL));
    check_ok(VixDiskLib_Cleanup(&params, &cleaned, &remaining));
    require_ok(VixDiskLib_ConnectEx(at_page_end(&params, 72), TRUE, NULL, NULL, &connection));
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLibInfo *info = (VixDiskLibInfo *)(uintptr_t)0xA5A5A5A5A5A5A5A5;
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_GetInfo(disk, &info));
    check(info->capacity == CAPACITY && info->uuid != NULL);
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_Close(disk));
    info = (VixDiskLibInfo *)(uintptr_t)0xA5A5A5A5A5A5A5A5;
    check_error(VixDiskLib_GetInfo(disk, &info), VIX_E_INVALID_HANDLE);
    check(info == NULL);
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    check_ok(VixDiskLib_Connect(NULL, &connection)); /* one start is left */
    check_ok(VixDiskLib_Disconnect(connection));
    return checks_failed;
}

/* No functions, no folder, no Exit; every disk unbuffered and as a single link, for writing. */
static int node_vddk(void)
{
    VixDiskLibConnectParams params;
    VixDiskLibConnection connection = NULL;
    uint8 sectors[3 * SECTOR];
    memset(&params, 0, sizeof params);
    params.port = 443;
    require_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL));
    require_ok(VixDiskLib_Connect(&params, &connection));
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 3);
    check_ok(VixDiskLib_Read(disk, CAPACITY - 3, 3, sectors));
    check(holds(sectors, CAPACITY - 3, 3, 1));
    check_ok(VixDiskLib_Write(disk, CAPACITY - 3, 3, sectors));
    check_error(VixDiskLib_Read(disk, CAPACITY - 3, 4, sectors), VIX_E_DISK_OUTOFRANGE);
    check(keep(VixDiskLib_GetErrorText(VIX_E_DISK_OUTOFRANGE, NULL)) != NULL);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    return checks_failed;
}

int main(void)
{
    static const struct client clients[] = {{"ffi-vix_disk_lib", ffi},
                                            {"coriolis", coriolis},
                                            {"OpenVixDiskLib", open_vix_disk_lib},
                                            {"ctypes-vddk", ctypes_vddk},
                                            {"xuru/vixDiskLib", xuru},
                                            {"node-vddk", node_vddk}};
    run_clients(clients, sizeof clients / sizeof *clients, make_disk);
    return check_end();
}
