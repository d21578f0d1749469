/* Calls on whole disks through the interface: children, attaching, cloning, deleting, renaming, tidying; the codes of
 * what they refuse, and that a refusal changes nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

#define CAPACITY 20000

/* What a progress function was told: rising numbers, on the thread of the call. */
struct heard {
    int first, last;
    unsigned calls;
    bool rising;
};

static Bool hear(void *data, int percent)
{
    struct heard *heard = data;
    if (heard->calls++ == 0)
        heard->first = percent;
    else if (percent < heard->last)
        heard->rising = false;
    heard->last = percent;
    return TRUE;
}

static void told_from_0_to_100(const struct heard *heard)
{
    check(heard->calls >= 2 && heard->first == 0 && heard->last == 100 && heard->rising);
}

static const struct heard nothing = {-1, -1, 0, true};

static VixDiskLibCreateParams params_of(VixDiskLibDiskType type)
{
    VixDiskLibCreateParams params;
    memset(&params, 0, sizeof params);
    params.diskType = type;
    params.adapterType = VIXDISKLIB_ADAPTER_IDE;
    params.hwVersion = VIXDISKLIB_HWVERSION_ESX51;
    params.capacity = 1;
    return params;
}

static void make_base(VixDiskLibConnection connection, const char *path)
{
    static uint8 data[500 * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = new_disk(connection, path, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    fill(data, 1000, 500, 1);
    check_ok(VixDiskLib_Write(disk, 1000, 500, data));
    check_ok(VixDiskLib_Close(disk));
}

static bool has_base_content(VixDiskLibHandle disk)
{
    static uint8 data[500 * VIXDISKLIB_SECTOR_SIZE];
    check_ok(VixDiskLib_Read(disk, 1000, 500, data));
    return holds(data, 1000, 500, 1);
}

static void a_child_is_made_and_attached(VixDiskLibConnection connection)
{
    struct heard heard = nothing;
    VixDiskLibHandle parent = open_disk(connection, "base.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    require_ok(VixDiskLib_CreateChild(parent, "child.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, hear, &heard));
    told_from_0_to_100(&heard);
    check_error(VixDiskLib_CreateChild(parent, "child.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, NULL, NULL),
                VIX_E_FILE_ALREADY_EXISTS);
    check_error(VixDiskLib_CreateChild(parent, "other.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, NULL, NULL),
                VIX_E_INVALID_ARG);
    check_error(VixDiskLib_CreateChild(NULL, "other.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, NULL, NULL), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_CreateChild(parent, NULL, VIXDISKLIB_DISK_SPLIT_SPARSE, NULL, NULL), VIX_E_INVALID_ARG);
    check(access("other.vmdk", F_OK) != 0);

    VixDiskLibHandle child = open_disk(connection, "child.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    check(!has_base_content(child));
    check_error(VixDiskLib_IsAttachPossible(child, parent), VIX_E_DISK_ATTACH_ROOTLINK);
    check_error(VixDiskLib_Attach(child, child), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_Attach(NULL, child), VIX_E_INVALID_ARG);
    check_ok(VixDiskLib_IsAttachPossible(parent, child));
    check_ok(VixDiskLib_Attach(parent, child));
    check(has_base_content(child));
    VixDiskLibInfo *info = NULL;
    require_ok(VixDiskLib_GetInfo(child, &info));
    check(info->numLinks == 2 && info->capacity == CAPACITY);
    check_string(info->parentFileNameHint, "base.vmdk");
    VixDiskLib_FreeInfo(info);
    /* The parent's handle can be closed and nothing else. */
    uint8 sector[VIXDISKLIB_SECTOR_SIZE];
    check_error(VixDiskLib_Read(parent, 0, 1, sector), VIX_E_INVALID_HANDLE);
    check_ok(VixDiskLib_Close(parent));
    check(has_base_content(child));
    check_ok(VixDiskLib_Close(child));
}

static void a_chain_is_cloned(VixDiskLibConnection connection)
{
    static const VixDiskLibDiskType types[] = {VIXDISKLIB_DISK_MONOLITHIC_SPARSE, VIXDISKLIB_DISK_MONOLITHIC_FLAT,
                                               VIXDISKLIB_DISK_SPLIT_SPARSE, VIXDISKLIB_DISK_SPLIT_FLAT};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct heard heard = nothing;
        VixDiskLibCreateParams params = params_of(types[i]);
        VixDiskLibHandle source = open_disk(connection, "child.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        uint64 needed = 0;
        check_ok(VixDiskLib_SpaceNeededForClone(source, types[i], &needed));
        check(needed > 0 && needed < 100 * 1024 * 1024);
        check_ok(VixDiskLib_SpaceNeededForClone(source, VIXDISKLIB_DISK_UNKNOWN, &needed));
        check_error(VixDiskLib_SpaceNeededForClone(source, types[i], NULL), VIX_E_INVALID_ARG);
        check_ok(VixDiskLib_Close(source));
        require_ok(VixDiskLib_Clone(connection, "clone.vmdk", connection, "child.vmdk", &params, hear, &heard, FALSE));
        told_from_0_to_100(&heard);
        check_error(VixDiskLib_Clone(connection, "clone.vmdk", connection, "child.vmdk", &params, NULL, NULL, FALSE),
                    VIX_E_FILE_ALREADY_EXISTS);
        require_ok(VixDiskLib_Clone(connection, "clone.vmdk", connection, "child.vmdk", &params, NULL, NULL, TRUE));
        check_error(VixDiskLib_Clone(connection, "x.vmdk", connection, "none.vmdk", &params, NULL, NULL, FALSE),
                    VIX_E_FILE_NOT_FOUND);
        check_error(VixDiskLib_Clone(connection, "x.vmdk", connection, "child.vmdk", NULL, NULL, NULL, FALSE),
                    VIX_E_INVALID_ARG);
        check_error(VixDiskLib_Clone(connection, "base.vmdk", connection, "child.vmdk", &params, NULL, NULL, TRUE),
                    VIX_E_INVALID_ARG);
        check(access("x.vmdk", F_OK) != 0);

        VixDiskLibHandle clone = open_disk(connection, "clone.vmdk", 0);
        VixDiskLibInfo *info = NULL;
        require_ok(VixDiskLib_GetInfo(clone, &info));
        check(info->numLinks == 1 && info->capacity == CAPACITY && info->adapterType == VIXDISKLIB_ADAPTER_IDE);
        check(info->physGeo.heads == 16 && info->physGeo.sectors == 63);
        VixDiskLib_FreeInfo(info);
        check(has_base_content(clone));
        heard = nothing;
        check_ok(VixDiskLib_Shrink(clone, hear, &heard));
        told_from_0_to_100(&heard);
        heard = nothing;
        check_ok(VixDiskLib_Defragment(clone, hear, &heard));
        told_from_0_to_100(&heard);
        check(has_base_content(clone));
        check_error(VixDiskLib_Unlink(connection, "clone.vmdk"), VIX_E_FILE_ALREADY_LOCKED);
        check_error(VixDiskLib_Rename("clone.vmdk", "renamed.vmdk"), VIX_E_FILE_ALREADY_LOCKED);
        check_ok(VixDiskLib_Close(clone));

        check_error(VixDiskLib_Rename("clone.vmdk", "base.vmdk"), VIX_E_FILE_ALREADY_EXISTS);
        check_error(VixDiskLib_Rename("none.vmdk", "renamed.vmdk"), VIX_E_FILE_NOT_FOUND);
        check_error(VixDiskLib_Rename(NULL, "renamed.vmdk"), VIX_E_INVALID_ARG);
        check_ok(VixDiskLib_Rename("clone.vmdk", "renamed.vmdk"));
        clone = open_disk(connection, "renamed.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        check(has_base_content(clone));
        check_error(VixDiskLib_Shrink(clone, NULL, NULL), VIX_E_FILE_READ_ONLY);
        check_ok(VixDiskLib_Close(clone));
        check_ok(VixDiskLib_Unlink(connection, "renamed.vmdk"));
        check_error(VixDiskLib_Unlink(connection, "renamed.vmdk"), VIX_E_FILE_NOT_FOUND);
        check(count_entries(".") == 2); /* the base and its child */
    }
}

/* Two handles on one disk: nobody tidies it under the other's feet. */
static void a_disk_in_use_is_not_tidied(VixDiskLibConnection connection)
{
    VixDiskLibHandle one = open_disk(connection, "base.vmdk", 0), two = open_disk(connection, "base.vmdk", 0);
    check_error(VixDiskLib_Shrink(one, NULL, NULL), VIX_E_OBJECT_IS_BUSY);
    check_error(VixDiskLib_Defragment(two, NULL, NULL), VIX_E_OBJECT_IS_BUSY);
    check_ok(VixDiskLib_Close(two));
    check_ok(VixDiskLib_Shrink(one, NULL, NULL));
    check(has_base_content(one));
    check_ok(VixDiskLib_Close(one));
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    make_base(connection, "base.vmdk");
    a_child_is_made_and_attached(connection);
    a_chain_is_cloned(connection);
    a_disk_in_use_is_not_tidied(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
