/* A small backup program for virtual disks, as a model of how VixDiskLib is used.
 *
 * Full backups read only what QueryAllocatedBlocks lists. Incremental backups read the same, and store what
 * has another hash than in the backup they build on. Nothing but the public interface is used:
 *
 *   cc -std=c99 -D_GNU_SOURCE -O2 *.c -lvixDiskLib -lpthread
 *
 * A backup is two files. NAME.data holds the stored chunks one after another. NAME.manifest is text, and is
 * written last: without it there is no backup.
 *
 *   disk-backup 1
 *   base SHA256            last line of the manifest this one builds on; "none" in a full backup
 *   capacity SECTORS
 *   chunk SECTORS          size of a chunk; the last one may be shorter
 *   adapter NUMBER
 *   meta KEY VALUE         one for each metadata key, %XX for what is not plain
 *   data INDEX OFFSET SHA256     a chunk that is stored, where in NAME.data, and its hash
 *   same INDEX SHA256      a chunk that is as in the base
 *   zero INDEX             a chunk that had data in the base, and reads as zeros now
 *   end SHA256             hash of all lines above
 *
 * Chunks are listed by rising index. One that is not listed reads as zeros, now as in the base: "as it was"
 * and "gone" never look alike, so a restore needs no guess.
 *
 * Exit status: 0 done, 1 the compared disks differ, 2 something failed.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

struct command {
    const char *name, *arguments, *help;
    int least, most;
    bool writes; /* to a disk */
    int (*run)(const struct call *call);
};

static const struct command commands[] = {
    {"create", "DISK MIB", "make an empty disk (\"77s\" instead of MIB: 77 sectors)", 2, 2, true,
     command_create},
    {"import", "DISK IMAGE", "write a raw image into a disk, only what differs", 2, 2, true, command_import},
    {"export", "DISK IMAGE", "write the content of a disk into a raw image", 2, 2, false, command_export},
    {"full", "DISK NAME", "back up all of a disk: NAME.manifest and NAME.data", 2, 2, false, command_full},
    {"incremental", "DISK BASE.manifest NAME", "back up what is not as in the backup BASE", 3, 3, false,
     command_incremental},
    {"restore", "DISK FULL.manifest [INCREMENTAL.manifest...]", "make a new disk with what was backed up", 2,
     INT16_MAX, true, command_restore},
    {"compare", "DISK DISK", "compare two disks, sector by sector", 2, 2, false, command_compare},
};

struct choice {
    const char *name;
    int value;
};

static const struct choice types[] = {
    {"sparse", VIXDISKLIB_DISK_MONOLITHIC_SPARSE},
    {"flat", VIXDISKLIB_DISK_MONOLITHIC_FLAT},
    {"split-sparse", VIXDISKLIB_DISK_SPLIT_SPARSE},
    {"split-flat", VIXDISKLIB_DISK_SPLIT_FLAT},
    {NULL, 0},
};

static const struct choice adapters[] = {
    {"lsilogic", VIXDISKLIB_ADAPTER_SCSI_LSILOGIC},
    {"buslogic", VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC},
    {"ide", VIXDISKLIB_ADAPTER_IDE},
    {NULL, 0},
};

static int usage(void)
{
    size_t i;

    fputs("usage: backup COMMAND [-t TYPE] [-a ADAPTER] [-v] ARGUMENT...\n", stderr);
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(stderr, "  %s %s\n        %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    fputs("  -t  type of a new disk: sparse (default), flat, split-sparse, split-flat\n"
          "  -a  adapter of a created disk: lsilogic (default), buslogic, ide\n"
          "  -v  show what the library logs\n", stderr);
    return FAILED;
}

static bool choose(const struct choice *choices, const char *name, int *value)
{
    for (; choices->name != NULL; choices++)
        if (strcmp(choices->name, name) == 0) {
            *value = choices->value;
            return true;
        }
    return failure("%s is unknown", name);
}

/* The life of the library, a connection, and the command in it. */
static int run(const struct command *command, struct call *call)
{
    VixError error;
    int status;

    /* Before any thread starts, and after the last fork. The version is that of the interface used here. */
    error = VixDiskLib_InitEx(8, 0, on_log, on_log, on_panic, NULL, NULL);
    if (VIX_FAILED(error))
        return status_of(vix_failure(error, "cannot start the library"));
    /* No parameters: disks of this host. For a server there would be some from AllocateConnectParams, with
     * its name, the thumbprint of its certificate, credentials and the virtual machine. */
    error = VixDiskLib_ConnectEx(NULL, command->writes ? FALSE : TRUE, NULL, NULL, &call->connection);
    if (VIX_FAILED(error)) {
        status = status_of(vix_failure(error, "cannot connect"));
    } else {
        status = command->run(call);
        error = VixDiskLib_Disconnect(call->connection);
        if (VIX_FAILED(error))
            status = status_of(vix_failure(error, "cannot disconnect"));
    }
    VixDiskLib_Exit();
    return status;
}

static const struct command *find_command(const char *name)
{
    size_t i;

    for (i = 0; name != NULL && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct command *command = find_command(argc > 1 ? argv[1] : NULL);
    struct call call = {.type = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                        .adapter = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC};
    struct sigaction action;
    int option, value = 0;

    if (command == NULL)
        return usage();
    optind = 2;
    while ((option = getopt(argc, argv, "t:a:v")) != -1) {
        if (option == 't' && choose(types, optarg, &value))
            call.type = (VixDiskLibDiskType)value;
        else if (option == 'a' && choose(adapters, optarg, &value))
            call.adapter = (VixDiskLibAdapterType)value;
        else if (option == 'v')
            verbose = true;
        else
            return usage();
    }
    call.arguments = argv + optind;
    call.count = argc - optind;
    if (call.count < command->least || call.count > command->most)
        return usage();
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run(command, &call);
}
