/* What every C test shares: checks that count, a folder of its own, and short forms of the calls that open a disk.
 *
 * A test is a program without arguments that works in a fresh, empty current folder. It includes this file, does
 * its checks and ends with `return check_end();`. A failed check prints where, and what it saw, and the test goes
 * on; one that makes the rest pointless uses `require`.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef CHECK_H
#define CHECK_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vixDiskLib.h"

#if defined(__GNUC__)
#define CHECK_UNUSED __attribute__((unused))
#else
#define CHECK_UNUSED
#endif

static int checks_failed;

/* ---- Checks ---------------------------------------------------------------------------------- */

#define check(condition)                                                                                   \
    do {                                                                                                   \
        if (!(condition)) {                                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
            checks_failed++;                                                                               \
        }                                                                                                  \
    } while (0)

/* Ends the program when the condition does not hold. */
#define require(condition)                                                                                 \
    do {                                                                                                   \
        if (!(condition)) {                                                                                \
            fprintf(stderr, "%s:%d: not so, and the rest needs it: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                                       \
        }                                                                                                  \
    } while (0)

/* The call returns exactly this error, all 64 bits of it. */
#define check_error(call, wanted) check_error_at(__FILE__, __LINE__, #call, (call), (wanted))
#define check_ok(call) check_error_at(__FILE__, __LINE__, #call, (call), VIX_OK)
#define require_ok(call)                                                                                   \
    do {                                                                                                   \
        if (!check_error_at(__FILE__, __LINE__, #call, (call), VIX_OK))                                    \
            exit(1);                                                                                       \
    } while (0)

CHECK_UNUSED static bool check_error_at(const char *file, int line, const char *call, VixError got, VixError wanted)
{
    if (got == wanted)
        return true;
    char *text = VixDiskLib_GetErrorText(got, NULL);
    fprintf(stderr, "%s:%d: %s returned %" PRIu64 " (%s), not %" PRIu64 "\n", file, line, call, got,
            text != NULL ? text : "no text", wanted);
    VixDiskLib_FreeErrorText(text);
    checks_failed++;
    return false;
}

#define check_string(got, wanted) check_string_at(__FILE__, __LINE__, #got, (got), (wanted))

CHECK_UNUSED static void check_string_at(const char *file, int line, const char *what, const char *got, const char *wanted)
{
    if (got != NULL && strcmp(got, wanted) == 0)
        return;
    fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, got != NULL ? got : "(null)", wanted);
    checks_failed++;
}

CHECK_UNUSED static int check_end(void)
{
    if (checks_failed > 0)
        fprintf(stderr, "%d checks failed\n", checks_failed);
    return checks_failed > 0 ? 1 : 0;
}

/* Under valgrind or an emulator every count that only gives more of the same is divided by this. */
CHECK_UNUSED static unsigned slowness(void)
{
    const char *value = getenv("CTESTS_SLOW");
    unsigned factor = value != NULL ? (unsigned)strtoul(value, NULL, 10) : 1;
    return factor > 0 ? factor : 1;
}

/* ---- The process ----------------------------------------------------------------------------- */

/* Threads of this process, as the kernel counts them, without those of an emulator that it runs in. */
CHECK_UNUSED static int thread_count(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    require(status != NULL);
    char line[256];
    int threads = 0;
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "Threads: %d", &threads) == 1)
            break;
    fclose(status);
    const char *emulator = getenv("CTESTS_EMULATOR_THREADS");
    return emulator != NULL ? threads - atoi(emulator) : threads;
}

/* The process has so many threads, or will have them soon: the kernel counts a thread a moment longer than it takes
 * to join it. */
CHECK_UNUSED static bool threads_become(int wanted)
{
    for (int tries = 0; tries < 1000 && thread_count() != wanted; tries++)
        usleep(1000);
    return thread_count() == wanted;
}

/* The exit status of a child that runs `body`, which returns its failed checks; 128 and the number of the signal when
 * it was killed. */
CHECK_UNUSED static int in_child(int (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    require(child >= 0);
    if (child == 0) {
        checks_failed = 0;
        int result = body();
        _exit(result < 100 ? result : 100);
    }
    int status = 0;
    require(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Gives up the rights of root, whom no permission stops, for the rest of the process. */
CHECK_UNUSED static void become_nobody(void)
{
    if (geteuid() != 0)
        return;
    require(setgroups(0, NULL) == 0);
    require(setgid(65534) == 0 && setuid(65534) == 0);
}

CHECK_UNUSED static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

CHECK_UNUSED static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    require(file != NULL);
    fputs(text, file);
    require(fclose(file) == 0);
}

/* The first `size - 1` bytes of a file as a string, for small ones. */
CHECK_UNUSED static const char *read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    require(file != NULL);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* The length of a file; -1 when there is none. */
CHECK_UNUSED static int64_t file_length(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)status.st_size : -1;
}

/* Names in a folder, "." and ".." not counted. */
CHECK_UNUSED static int count_entries(const char *folder)
{
    DIR *names = opendir(folder);
    require(names != NULL);
    int count = -2;
    while (readdir(names) != NULL)
        count++;
    closedir(names);
    return count;
}

/* A copy of `size` bytes whose last byte is the last of a mapped page: whoever reads on gets a SIGSEGV. */
CHECK_UNUSED static void *at_page_end(const void *data, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(pages != MAP_FAILED && size <= page);
    require(mprotect(pages + page, page, PROT_NONE) == 0);
    memset(pages, 0xA5, page);
    return memcpy(pages + page - size, data, size);
}

/* ---- Other programs -------------------------------------------------------------------------- */

CHECK_UNUSED static void run(const char *command)
{
    int status = system(command);
    if (status == 0)
        return;
    fprintf(stderr, "status %d of: %s\n", status, command);
    exit(1);
}

/* A child of `base`, which stands in the same folder and is named as the child is to name it. */
CHECK_UNUSED static void make_child(const char *folder, const char *base, const char *child)
{
    if (system("command -v qemu-img >/dev/null 2>&1") != 0) {
        fprintf(stderr, "qemu-img makes the child disks of this test: apt-get install qemu-utils\n");
        exit(1);
    }
    char command[1024];
    snprintf(command, sizeof command, "cd '%s' && qemu-img create -q -f vmdk -F vmdk -b '%s' '%s'", folder, base, child);
    run(command);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

CHECK_UNUSED static void start_library(void)
{
    require_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL));
}

/* A connection to local disks. */
CHECK_UNUSED static VixDiskLibConnection connect_local(void)
{
    VixDiskLibConnection connection = NULL;
    require_ok(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &connection));
    return connection;
}

CHECK_UNUSED static VixError create(VixDiskLibConnection connection, const char *path, VixDiskLibDiskType type,
                                    VixDiskLibSectorType capacity)
{
    VixDiskLibCreateParams params;
    memset(&params, 0, sizeof params);
    params.diskType = type;
    params.adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
    params.hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5;
    params.capacity = capacity;
    return VixDiskLib_Create(connection, path, &params, NULL, NULL);
}

CHECK_UNUSED static VixDiskLibHandle open_disk(VixDiskLibConnection connection, const char *path, uint32 flags)
{
    VixDiskLibHandle handle = NULL;
    require_ok(VixDiskLib_Open(connection, path, flags, &handle));
    require(handle != NULL);
    return handle;
}

/* A new disk, open for writing. */
CHECK_UNUSED static VixDiskLibHandle new_disk(VixDiskLibConnection connection, const char *path,
                                              VixDiskLibDiskType type, VixDiskLibSectorType capacity)
{
    require_ok(create(connection, path, type, capacity));
    return open_disk(connection, path, 0);
}

/* Bytes that tell their place: no two sectors of a disk, and no two seeds, give the same. */
CHECK_UNUSED static void fill(uint8 *buffer, VixDiskLibSectorType sector, VixDiskLibSectorType count, uint64 seed)
{
    for (uint64 word = 0; word < count * (VIXDISKLIB_SECTOR_SIZE / 8); word++) {
        uint64 value = (sector * (VIXDISKLIB_SECTOR_SIZE / 8) + word + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ seed;
        memcpy(buffer + word * 8, &value, 8);
    }
}

/* The bytes are those that `fill` gives. */
CHECK_UNUSED static bool holds(const uint8 *buffer, VixDiskLibSectorType sector, VixDiskLibSectorType count, uint64 seed)
{
    for (VixDiskLibSectorType index = 0; index < count; index++) {
        uint8 wanted[VIXDISKLIB_SECTOR_SIZE];
        fill(wanted, sector + index, 1, seed);
        if (memcmp(buffer + index * VIXDISKLIB_SECTOR_SIZE, wanted, sizeof wanted) != 0)
            return false;
    }
    return true;
}

/* ---- Ways of known clients ------------------------------------------------------------------- */

/* Keeps an answer that a client never gives back in sight, so that only the leaks of the library are leaks. */
CHECK_UNUSED static void *keep(void *answer)
{
    static void *kept[64];
    static unsigned count;
    require(count < sizeof kept / sizeof *kept);
    return kept[count++] = answer;
}

/* A log function as most of them have it: into a buffer of a fixed size. */
CHECK_UNUSED static void client_log(const char *format, va_list arguments)
{
    char line[1024];
    check(vsnprintf(line, sizeof line, format, arguments) < (int)sizeof line);
}

/* For them the process is lost then. */
CHECK_UNUSED static void client_panic(const char *format, va_list arguments)
{
    (void)format, (void)arguments;
    _exit(10);
}

struct client {
    const char *name;
    int (*body)(void);
};

/* Runs each client in a process of its own, after `prepare` in another one. */
CHECK_UNUSED static void run_clients(const struct client *clients, size_t count, int (*prepare)(void))
{
    for (size_t i = 0; i < count; i++) {
        require(in_child(prepare) == 0);
        int status = in_child(clients[i].body);
        if (status == 0)
            continue;
        fprintf(stderr, "%s: status %d\n", clients[i].name, status);
        checks_failed++;
    }
}

#endif
