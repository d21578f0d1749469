/* The library's part of the remote rows of `make bench`: plain C over the public interface.
 *
 * usage: remote WHAT HOST PORT THUMBPRINT VM DISK MODE BYTES DEPTH SECONDS [COMPRESSION]
 *   WHAT         read or write; memory reads and tells of memory
 *   MODE         nbd or nbdssl; user and password are those of the simulator, root and vmware
 *   BYTES        of a request
 *   DEPTH        requests of ReadAsync or WriteAsync that are under way; 0 is Read and Write
 *   SECONDS      how long at least; the disk is gone over again and again, from its start on
 *   COMPRESSION  none, zlib, fastlz, skipz
 *
 * Prints the seconds and the bytes that were moved, with a tab between; memory prints KiB in place of seconds: what the
 * process got larger by opening the disk and reading.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <inttypes.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vixDiskLib.h"

#define SECTOR ((uint64_t)VIXDISKLIB_SECTOR_SIZE)
#define MAX_DEPTH 64

static void die(const char *what)
{
    fprintf(stderr, "remote: %s\n", what);
    exit(1);
}

static void check(VixError error, const char *what)
{
    if (VIX_FAILED(error)) {
        fprintf(stderr, "remote: %s: %s\n", what, VixDiskLib_GetErrorText(error, NULL));
        exit(1);
    }
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void quiet(const char *format, va_list arguments)
{
    (void)format;
    (void)arguments;
}

static void loud(const char *format, va_list arguments)
{
    vfprintf(stderr, format, arguments);
}

/* Resident memory in KiB. */
static long resident(void)
{
    long size, pages;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%ld %ld", &size, &pages) != 2)
        die("/proc/self/statm");
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static sem_t ended;

static void end(void *data, VixError error)
{
    (void)data;
    check(error, "an asynchronous request");
    sem_post(&ended);
}

struct work {
    VixDiskLibHandle disk;
    bool writes;
    uint64_t sectors, request;
    unsigned depth;
    uint8_t *buffers;
};

static void start(const struct work *work, uint64_t sector, uint64_t number)
{
    uint8_t *buffer = work->buffers + number % (work->depth > 0 ? work->depth : 1) * work->request * SECTOR;

    if (work->depth == 0)
        check(work->writes ? VixDiskLib_Write(work->disk, sector, work->request, buffer)
                           : VixDiskLib_Read(work->disk, sector, work->request, buffer),
              "a request");
    else if ((work->writes
                  ? VixDiskLib_WriteAsync(work->disk, sector, work->request, buffer, end, NULL)
                  : VixDiskLib_ReadAsync(work->disk, sector, work->request, buffer, end, NULL)) != VIX_ASYNC)
        die("an asynchronous request was refused");
}

/* Goes over the disk for so long; returns the requests. Which of several buffers is free is not known, and does not
 * matter to what is measured. */
static uint64_t run(const struct work *work, double seconds)
{
    uint64_t number = 0, sector = 0;
    double until = now() + seconds;

    do {
        if (work->depth > 0 && number >= work->depth)
            sem_wait(&ended);
        start(work, sector, number++);
        sector += work->request;
        if (sector + work->request > work->sectors)
            sector = 0;
    } while (now() < until);
    check(VixDiskLib_Wait(work->disk), "VixDiskLib_Wait");
    return number;
}

static uint32_t flags_of(const char *compression, bool writes)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } known[] = {
        {"none", 0},
        {"zlib", VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB},
        {"fastlz", VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ},
        {"skipz", VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ},
    };

    for (size_t index = 0; index < sizeof known / sizeof known[0]; index++)
        if (strcmp(known[index].name, compression) == 0)
            return known[index].flag | (writes ? 0 : VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    die("no such compression");
    return 0;
}

int main(int argc, char **argv)
{
    VixDiskLibConnectParams *params;
    VixDiskLibConnection connection;
    VixDiskLibInfo *info;
    struct work work;
    double began, seconds;
    uint64_t requests;
    long before;

    if (argc < 11)
        die("usage: remote WHAT HOST PORT THUMBPRINT VM DISK MODE BYTES DEPTH SECONDS [COMPRESSION]");
    work.writes = strcmp(argv[1], "write") == 0;
    work.request = strtoull(argv[8], NULL, 10) / SECTOR;
    work.depth = (unsigned)atoi(argv[9]);
    seconds = atof(argv[10]);
    if (work.request == 0 || work.depth > MAX_DEPTH)
        die("no such request");
    check(VixDiskLib_InitEx(8, 0, quiet, loud, loud, NULL, getenv("REMOTE_CONFIG")), "VixDiskLib_InitEx");
    params = VixDiskLib_AllocateConnectParams();
    if (params == NULL)
        die("out of memory");
    params->serverName = argv[2];
    params->port = (uint32_t)atoi(argv[3]);
    params->thumbPrint = argv[4];
    params->vmxSpec = argv[5];
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = (char *)"root";
    params->creds.uid.password = (char *)"vmware";
    check(VixDiskLib_ConnectEx(params, !work.writes, NULL, argv[7], &connection), "VixDiskLib_ConnectEx");
    work.buffers = malloc((work.depth > 0 ? work.depth : 1) * work.request * SECTOR);
    if (work.buffers == NULL)
        die("out of memory");
    memset(work.buffers, 0xa5, (work.depth > 0 ? work.depth : 1) * work.request * SECTOR);
    sem_init(&ended, 0, 0);
    before = resident();
    check(VixDiskLib_Open(connection, argv[6], flags_of(argc > 11 ? argv[11] : "none", work.writes), &work.disk),
          "VixDiskLib_Open");
    check(VixDiskLib_GetInfo(work.disk, &info), "VixDiskLib_GetInfo");
    work.sectors = info->capacity;
    VixDiskLib_FreeInfo(info);
    began = now();
    requests = run(&work, seconds);
    seconds = now() - began;
    if (strcmp(argv[1], "memory") == 0)
        seconds = (double)(resident() - before);
    printf("%.6f\t%" PRIu64 "\n", seconds, requests * work.request * SECTOR);
    check(VixDiskLib_Close(work.disk), "VixDiskLib_Close");
    check(VixDiskLib_Disconnect(connection), "VixDiskLib_Disconnect");
    VixDiskLib_Exit();
    return 0;
}
