/* Writing to a child without its parent, and children that a later write must find out.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

#define GRAIN 128
#define CAPACITY (20 * GRAIN)

static uint8 sectors[CAPACITY * VIXDISKLIB_SECTOR_SIZE];

static void make_chain(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = new_disk(connection, "base.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    memset(sectors, 0xAA, sizeof sectors);
    require_ok(VixDiskLib_Write(disk, 0, CAPACITY, sectors));
    require_ok(VixDiskLib_CreateChild(disk, "child.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL));
    require_ok(VixDiskLib_Close(disk));
}

/* Zeros are content where a parent has something else, and the rest of a grain is the parent's. */
static void what_is_written_alone_is_right_in_the_chain(VixDiskLibConnection connection)
{
    static uint8 zeros[GRAIN * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle link = open_disk(connection, "child.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    check_ok(VixDiskLib_Write(link, 2 * GRAIN, GRAIN, zeros));
    check_error(VixDiskLib_Write(link, 5 * GRAIN + 2, 1, zeros), VIX_E_NOT_SUPPORTED);
    check_ok(VixDiskLib_Write(link, 2 * GRAIN + 3, 1, zeros)); /* that grain is the link's own now */
    check_ok(VixDiskLib_Close(link));

    VixDiskLibHandle chain = open_disk(connection, "child.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Read(chain, 0, CAPACITY, sectors));
    for (unsigned i = 0; i < CAPACITY; i++) {
        uint8 wanted = i / GRAIN == 2 ? 0 : 0xAA;
        require(sectors[i * VIXDISKLIB_SECTOR_SIZE] == wanted && sectors[i * VIXDISKLIB_SECTOR_SIZE + 511] == wanted);
    }
    check_ok(VixDiskLib_Close(chain));
}

/* The same handle that the child was made from is written on. */
static void a_parent_that_changes_is_found_out(VixDiskLibConnection connection)
{
    uint8 sector[VIXDISKLIB_SECTOR_SIZE] = {1};
    VixDiskLibHandle parent = open_disk(connection, "base.vmdk", 0), child = NULL;
    check_ok(VixDiskLib_Write(parent, 0, 1, sector));
    require_ok(VixDiskLib_CreateChild(parent, "second.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, NULL, NULL));
    check_ok(VixDiskLib_Write(parent, 1, 1, sector));
    check_ok(VixDiskLib_Close(parent));
    check_error(VixDiskLib_Open(connection, "second.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &child), VIX_E_DISK_CID_MISMATCH);
}

/* A clone that cannot take the place of a disk leaves that disk, and nothing of itself. */
static void a_disk_survives_a_clone_that_fails(VixDiskLibConnection connection)
{
    VixDiskLibCreateParams params;
    memset(&params, 0, sizeof params);
    params.diskType = VIXDISKLIB_DISK_MONOLITHIC_FLAT;
    params.adapterType = VIXDISKLIB_ADAPTER_IDE;
    params.hwVersion = VIXDISKLIB_HWVERSION_ESX51;
    VixDiskLibHandle disk = new_disk(connection, "target.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    check_ok(VixDiskLib_Close(disk));
    write_file("target-flat.vmdk", "somebody else's");
    int before = count_entries(".");
    check_error(VixDiskLib_Clone(connection, "target.vmdk", connection, "base.vmdk", &params, NULL, NULL, TRUE),
                VIX_E_FILE_ALREADY_EXISTS);
    check(count_entries(".") == before);
    disk = open_disk(connection, "target.vmdk", 0);
    check_ok(VixDiskLib_Close(disk));
}

/* The flag that needs no lock is no way past a connection that is none. */
static void a_read_only_open_needs_a_connection(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = NULL;
    check_error(VixDiskLib_Open(NULL, "base.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_Open((VixDiskLibConnection)(size_t)0xdead, "base.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk),
                VIX_E_INVALID_HANDLE);
    VixDiskLibConnection read_only = NULL;
    require_ok(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &read_only));
    disk = open_disk(read_only, "base.vmdk", 0);
    check_error(VixDiskLib_CreateChild(disk, "third.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL),
                VIX_E_FILE_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(read_only));
    check_error(VixDiskLib_Open(read_only, "base.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), VIX_E_INVALID_HANDLE);
    (void)connection;
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    make_chain(connection);
    what_is_written_alone_is_right_in_the_chain(connection);
    a_parent_that_changes_is_found_out(connection);
    a_disk_survives_a_clone_that_fails(connection);
    a_read_only_open_needs_a_connection(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
