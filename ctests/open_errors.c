/* Opening: what is wrong with a path, a file, a range or a chain is told by its code; readers leave no trace. Who may
 * open a disk at the same time is in sharing.c.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

#define CAPACITY 1000

static void open_fails(VixDiskLibConnection connection, const char *path, uint32 flags, VixError wanted)
{
    VixDiskLibHandle disk = (VixDiskLibHandle)&disk;
    if (!check_error(VixDiskLib_Open(connection, path, flags, &disk), wanted))
        fprintf(stderr, "  that was '%s', flags %u\n", path, flags);
    check(disk == NULL || wanted == VIX_OK);
}

/* Read-only and writable. */
static void is_no_disk(VixDiskLibConnection connection, const char *path, VixError wanted)
{
    open_fails(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, wanted);
    open_fails(connection, path, 0, wanted);
}

static void opens(VixDiskLibConnection connection, const char *path, uint32 flags)
{
    VixDiskLibHandle disk = NULL;
    if (check_error(VixDiskLib_Open(connection, path, flags, &disk), VIX_OK))
        check_ok(VixDiskLib_Close(disk));
}

static void write_bytes(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    require(file != NULL && fwrite(bytes, 1, length, file) == length);
    require(fclose(file) == 0);
}

/* ---- Paths and files ------------------------------------------------------------------------- */

static void paths_that_lead_to_no_file(VixDiskLibConnection connection)
{
    char longer[400], folder[64] = "folder", in_file[64] = "file/disk.vmdk";
    memset(longer, 'n', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    require(mkdir(folder, 0755) == 0 && mkfifo("fifo", 0644) == 0);
    write_file("file", "no disk");
    require(symlink("nowhere", "dangling") == 0);
    is_no_disk(connection, "missing.vmdk", VIX_E_FILE_NOT_FOUND);
    is_no_disk(connection, "/no-such-folder/missing.vmdk", VIX_E_FILE_NOT_FOUND);
    is_no_disk(connection, in_file, VIX_E_FILE_NOT_FOUND);
    is_no_disk(connection, "dangling", VIX_E_FILE_NOT_FOUND);
    is_no_disk(connection, longer, VIX_E_FILE_NAME_INVALID);
    is_no_disk(connection, "", VIX_E_INVALID_ARG);
    is_no_disk(connection, "[datastore1] vm/disk.vmdk", VIX_E_INVALID_ARG);
    is_no_disk(connection, folder, VIX_E_DISK_INVALIDDISK);
    is_no_disk(connection, "/", VIX_E_DISK_INVALIDDISK);
    is_no_disk(connection, "/dev/null", VIX_E_DISK_INVALIDDISK);
    is_no_disk(connection, "fifo", VIX_E_DISK_INVALIDDISK); /* at once, though nobody writes into it */
}

static void files_that_are_no_disk(VixDiskLibConnection connection)
{
    static const char *const texts[] = {
        "", "x", "KDMV", "COWD", "no disk at all\n", "# Disk DescriptorFile\n", "createType=\"monolithicFlat\"\n",
        "# Disk DescriptorFile\nRW 0 FLAT \"disk-flat.vmdk\" 0\n", "RW 1 UNKNOWN \"x\" 0\n", "RW 1 FLAT x 0\n",
        "# Disk DescriptorFile\nCID=nonsense\nRW 8 ZERO\n", "RW 99999999999999999999 FLAT \"x\" 0\n",
        "RW 18014398509481984 ZERO\n", "RW 8 FLAT \"garbage.vmdk\" 0\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file("garbage.vmdk", texts[i]);
        is_no_disk(connection, "garbage.vmdk", VIX_E_DISK_INVALIDDISK);
    }
    static uint8 bytes[70000];
    fill(bytes, 0, 136, 77);
    write_bytes("garbage.vmdk", bytes, sizeof bytes);
    is_no_disk(connection, "garbage.vmdk", VIX_E_DISK_INVALIDDISK);
    memcpy(bytes, "KDMV\1\0\0\0", 8);
    write_bytes("garbage.vmdk", bytes, sizeof bytes);
    is_no_disk(connection, "garbage.vmdk", VIX_E_DISK_INVALIDDISK);
    write_bytes("garbage.vmdk", "", 0);
    require(truncate("garbage.vmdk", (off_t)1 << 40) == 0); /* a terabyte of nothing, not to be read */
    is_no_disk(connection, "garbage.vmdk", VIX_E_DISK_INVALIDDISK);
}

static void disks_that_are_not_whole(VixDiskLibConnection connection)
{
    require_ok(create(connection, "whole.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 100000));
    for (off_t length = 400; length < 60000; length *= 3) { /* in the header, the descriptor, the directories */
        require(truncate("whole.vmdk", length) == 0);
        is_no_disk(connection, "whole.vmdk", VIX_E_DISK_INVALIDDISK);
        require(unlink("whole.vmdk") == 0);
        require_ok(create(connection, "whole.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 100000));
    }
    FILE *file = fopen("whole.vmdk", "r+");
    require(file != NULL && fseek(file, 4, SEEK_SET) == 0 && fputc(9, file) == 9); /* version 9 */
    require(fclose(file) == 0);
    is_no_disk(connection, "whole.vmdk", VIX_E_DISK_UNSUPPORTEDDISKVERSION);

    require_ok(create(connection, "short.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, CAPACITY));
    require(truncate("short-flat.vmdk", CAPACITY * VIXDISKLIB_SECTOR_SIZE - 1) == 0);
    is_no_disk(connection, "short.vmdk", VIX_E_DISK_INVALIDDISK);
    require(unlink("short-flat.vmdk") == 0);
    is_no_disk(connection, "short.vmdk", VIX_E_FILE_NOT_FOUND);

    require_ok(create(connection, "parts.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, 4200000));
    is_no_disk(connection, "parts-s001.vmdk", VIX_E_DISK_INVALIDDISK); /* one part is no disk */
    require(unlink("parts-s002.vmdk") == 0);
    is_no_disk(connection, "parts.vmdk", VIX_E_FILE_NOT_FOUND);
}

/* ---- Ranges and rights ----------------------------------------------------------------------- */

static void ranges_end_at_the_capacity(VixDiskLibConnection connection)
{
    static const VixDiskLibSectorType outside[][2] = {
        {CAPACITY, 1}, {CAPACITY - 1, 2}, {0, CAPACITY + 1}, {CAPACITY + 1, 0}, {UINT64_MAX, 1}, {1, UINT64_MAX}};
    static uint8 buffer[CAPACITY * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        check_error(VixDiskLib_Read(disk, outside[i][0], outside[i][1], buffer), VIX_E_DISK_OUTOFRANGE);
        check_error(VixDiskLib_Write(disk, outside[i][0], outside[i][1], buffer), VIX_E_DISK_OUTOFRANGE);
        check_error(VixDiskLib_ReadAsync(disk, outside[i][0], outside[i][1], buffer, NULL, NULL),
                    VIX_E_DISK_OUTOFRANGE);
        check_error(VixDiskLib_WriteAsync(disk, outside[i][0], outside[i][1], buffer, NULL, NULL),
                    VIX_E_DISK_OUTOFRANGE);
    }
    check_ok(VixDiskLib_Read(disk, 0, CAPACITY, buffer));
    check_ok(VixDiskLib_Read(disk, CAPACITY - 1, 1, buffer));
    check_ok(VixDiskLib_Write(disk, CAPACITY - 1, 1, buffer));
    static const VixDiskLibSectorType inside[] = {0, 1, CAPACITY}; /* nothing needs no buffer */
    for (int i = 0; i < 3; i++) {
        check_ok(VixDiskLib_Read(disk, inside[i], 0, NULL));
        check_ok(VixDiskLib_Write(disk, inside[i], 0, NULL));
        check_ok(VixDiskLib_Read(disk, inside[i], 0, buffer));
    }
    check_ok(VixDiskLib_Close(disk));
}

static void read_only_is_read_only(VixDiskLibConnection connection)
{
    uint8 sector[VIXDISKLIB_SECTOR_SIZE], again[VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibConnection reading = NULL;
    int names = count_entries(".");
    require_ok(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &reading));
    VixDiskLibHandle handles[2] = {open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY),
                                   open_disk(reading, "disk.vmdk", 0)};
    check(count_entries(".") == names); /* nothing beside the disk, though there could be */
    fill(sector, 3, 1, 99);
    for (int i = 0; i < 2; i++) {
        check_error(VixDiskLib_Write(handles[i], 3, 1, sector), VIX_E_FILE_READ_ONLY);
        check_error(VixDiskLib_WriteAsync(handles[i], 3, 1, sector, NULL, NULL), VIX_E_FILE_READ_ONLY);
        check_error(VixDiskLib_WriteMetadata(handles[i], "key", "value"), VIX_E_FILE_READ_ONLY);
        check_ok(VixDiskLib_Read(handles[i], 3, 1, again));
        check(!holds(again, 3, 1, 99));
        check_ok(VixDiskLib_Close(handles[i]));
    }
    check_ok(VixDiskLib_Disconnect(reading));
}

/* All that a reader needs is the right to read: no name appears in the folder, which nobody may write to. */
static char closed_folder[] = "/tmp/ctests-XXXXXX";

static int read_without_rights(void)
{
    start_library();
    become_nobody();
    require(chdir(closed_folder) == 0);
    int names = count_entries(".");
    VixDiskLibConnection connection = connect_local();
    static const char *const paths[] = {"sparse.vmdk", "flat.vmdk"};
    for (int i = 0; i < 2; i++) {
        uint8 sector[VIXDISKLIB_SECTOR_SIZE];
        VixDiskLibHandle disk = NULL;
        if (!check_error(VixDiskLib_Open(connection, paths[i], VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), VIX_OK))
            continue;
        check(count_entries(".") == names);
        check_ok(VixDiskLib_Read(disk, 0, 1, sector));
        check_ok(VixDiskLib_Close(disk));
        open_fails(connection, paths[i], 0, VIX_E_FILE_ACCESS_ERROR);
        check(count_entries(".") == names);
    }
    open_fails(connection, "secret.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, VIX_E_FILE_ACCESS_ERROR);
    VixDiskLib_Exit();
    return checks_failed;
}

static int make_closed_folder(void)
{
    start_library();
    require(chdir(closed_folder) == 0);
    VixDiskLibConnection connection = connect_local();
    require_ok(create(connection, "sparse.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY));
    require_ok(create(connection, "flat.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, CAPACITY));
    require_ok(create(connection, "secret.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY));
    require(chmod("sparse.vmdk", 0444) == 0 && chmod("flat.vmdk", 0444) == 0 && chmod("flat-flat.vmdk", 0444) == 0);
    require(chmod("secret.vmdk", 0) == 0 && chmod(".", 0555) == 0);
    VixDiskLib_Exit();
    return checks_failed;
}

static void readers_need_no_right_to_write(void)
{
    require(mkdtemp(closed_folder) != NULL);
    check(in_child(make_closed_folder) == 0);
    check(in_child(read_without_rights) == 0);
    char command[64];
    snprintf(command, sizeof command, "chmod 0755 %s && rm -r %s", closed_folder, closed_folder);
    run(command);
}

/* A folder above the current one that is closed to the process is no concern of a path that does not lead through
 * it. */
static int read_below_a_closed_folder(void)
{
    require(chdir("above/below") == 0 && chmod("..", 0) == 0);
    become_nobody();
    int file = open("disk.vmdk", O_RDONLY);
    require(file >= 0 && close(file) == 0);
    start_library();
    opens(connect_local(), "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLib_Exit();
    return checks_failed;
}

static void relative_paths_need_no_rights_above_them(void)
{
    require(chmod("above", 0755) == 0);
    check(in_child(read_below_a_closed_folder) == 0);
    require(chmod("above", 0755) == 0);
}

/* ---- Chains ---------------------------------------------------------------------------------- */

static void parents_have_to_be_there(VixDiskLibConnection connection)
{
    const uint32 one_link = VIXDISKLIB_FLAG_OPEN_SINGLE_LINK | VIXDISKLIB_FLAG_OPEN_READ_ONLY;
    uint8 sector[VIXDISKLIB_SECTOR_SIZE];
    fill(sector, 4, 1, 12);
    VixDiskLibHandle disk = new_disk(connection, "base.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    require_ok(VixDiskLib_Write(disk, 4, 1, sector));
    check_ok(VixDiskLib_Close(disk));
    make_child(".", "base.vmdk", "child.vmdk");

    disk = open_disk(connection, "child.vmdk", 0);
    check_ok(VixDiskLib_Read(disk, 4, 1, sector));
    check(holds(sector, 4, 1, 12));
    /* Whoever wrote to the parent now would change the child. */
    open_fails(connection, "base.vmdk", 0, VIX_E_FILE_ALREADY_LOCKED);
    opens(connection, "base.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));

    require(rename("base.vmdk", "elsewhere.vmdk") == 0);
    is_no_disk(connection, "child.vmdk", VIX_E_DISK_OPENPARENT);
    opens(connection, "child.vmdk", one_link);
    write_file("base.vmdk", "no disk");
    is_no_disk(connection, "child.vmdk", VIX_E_DISK_OPENPARENT);
    require(rename("elsewhere.vmdk", "base.vmdk") == 0);
    opens(connection, "child.vmdk", 0);

    disk = open_disk(connection, "base.vmdk", 0); /* open for writing and not written to: no change */
    check_ok(VixDiskLib_Close(disk));
    opens(connection, "child.vmdk", 0);
    disk = open_disk(connection, "base.vmdk", 0);
    check_ok(VixDiskLib_Write(disk, 4, 1, sector));
    check_ok(VixDiskLib_Close(disk));
    is_no_disk(connection, "child.vmdk", VIX_E_DISK_CID_MISMATCH);
    opens(connection, "child.vmdk", one_link);
}

/* Children of one parent are written side by side, and it is safe as long as one of them is open. */
static void children_share_their_parent(VixDiskLibConnection connection)
{
    uint8 sector[VIXDISKLIB_SECTOR_SIZE];
    require_ok(create(connection, "parent.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY));
    make_child(".", "parent.vmdk", "first.vmdk");
    make_child(".", "parent.vmdk", "second.vmdk");
    VixDiskLibHandle first = open_disk(connection, "first.vmdk", 0), second = open_disk(connection, "second.vmdk", 0);
    fill(sector, 5, 1, 1);
    check_ok(VixDiskLib_Write(first, 5, 1, sector));
    check_ok(VixDiskLib_Read(second, 5, 1, sector));
    check(!holds(sector, 5, 1, 1));
    check_ok(VixDiskLib_Close(first));
    open_fails(connection, "parent.vmdk", 0, VIX_E_FILE_ALREADY_LOCKED);
    check_ok(VixDiskLib_Close(second));
    first = open_disk(connection, "parent.vmdk", 0);
    open_fails(connection, "first.vmdk", 0, VIX_E_FILE_ALREADY_LOCKED);
    check_ok(VixDiskLib_Close(first));
    opens(connection, "first.vmdk", 0);
}

/* ---- Names inside disks ---------------------------------------------------------------------- */

/* Extents are found from the folder of their descriptor, wherever that and the process are. */
static void extents_are_beside_their_descriptor(VixDiskLibConnection connection)
{
    char absolute[4096] = "";
    require(mkdir("one", 0755) == 0 && mkdir("one/two", 0755) == 0);
    require_ok(create(connection, "one/two/disk.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, CAPACITY));
    check(access("one/two/disk-s001.vmdk", F_OK) == 0);
    opens(connection, "one/two/disk.vmdk", 0);
    opens(connection, "./one/../one//two/./disk.vmdk", 0);
    require(realpath("one/two/disk.vmdk", absolute) != NULL);
    VixDiskLibHandle disk = open_disk(connection, "one/two/disk.vmdk", 0);
    require(chdir("one") == 0);
    /* One that is open stays so, also where its descriptor is written anew. */
    check_ok(VixDiskLib_WriteMetadata(disk, "a.new.key", "value"));
    check_ok(VixDiskLib_Write(disk, 0, 8, (const uint8 *)absolute));
    check_ok(VixDiskLib_Close(disk));
    check(count_entries("two") == 2 && access("disk.vmdk", F_OK) != 0);
    opens(connection, "two/disk.vmdk", 0);
    opens(connection, absolute, 0);
    require(chdir("..") == 0 && rename("one/two", "three") == 0);
    opens(connection, "three/disk.vmdk", 0);
    is_no_disk(connection, "one/two/disk.vmdk", VIX_E_FILE_NOT_FOUND);
}

/* A disk from somewhere else must not show other files of this machine, unless that is asked for. */
static void extents_stay_in_their_folder(void)
{
    char text[512], absolute[256];
    require(mkdir("from", 0755) == 0 && getcwd(absolute, sizeof absolute) != NULL);
    require(symlink("../secret", "from/link") == 0);
    write_file("secret", "");
    require(truncate("secret", 8 * VIXDISKLIB_SECTOR_SIZE) == 0);
    const char *const names[] = {"../secret", "link", "x/../../secret", strcat(absolute, "/secret")};
    write_file("allow.conf", "vixen.allowOutsideFolder = 1\n");
    for (int allowed = 0; allowed < 2; allowed++) {
        require_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, allowed ? "allow.conf" : NULL));
        VixDiskLibConnection connection = connect_local();
        for (int i = 0; i < 4; i++) {
            if (allowed && i == 2)
                continue; /* there is no folder x */
            snprintf(text, sizeof text, "# Disk DescriptorFile\nversion=1\nRW 8 FLAT \"%s\" 0\n", names[i]);
            write_file("from/disk.vmdk", text);
            if (allowed)
                opens(connection, "from/disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
            else
                is_no_disk(connection, "from/disk.vmdk", VIX_E_FILE_NAME_INVALID);
        }
        VixDiskLib_Exit();
    }
}

static int make_disks(void)
{
    start_library();
    require(mkdir("above", 0755) == 0 && mkdir("above/below", 0755) == 0);
    require_ok(create(connect_local(), "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY));
    require_ok(create(connect_local(), "above/below/disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY));
    VixDiskLib_Exit();
    return checks_failed;
}

int main(void)
{
    require(in_child(make_disks) == 0);
    readers_need_no_right_to_write();
    relative_paths_need_no_rights_above_them();
    extents_stay_in_their_folder();
    start_library();
    VixDiskLibConnection connection = connect_local();
    int files = count_entries("/proc/self/fd");
    paths_that_lead_to_no_file(connection);
    files_that_are_no_disk(connection);
    disks_that_are_not_whole(connection);
    ranges_end_at_the_capacity(connection);
    read_only_is_read_only(connection);
    parents_have_to_be_there(connection);
    children_share_their_parent(connection);
    extents_are_beside_their_descriptor(connection);
    check(count_entries("/proc/self/fd") == files);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
