/* A host that loads the library by hand: dlopen, a fork, work on several threads, dlclose while one of them still
 * lives. This program uses the library through dlsym only, though it is linked too for the helpers of check.h, so
 * the copy that it loads is one of its own, from another file.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <dlfcn.h>
#include <pthread.h>

#include "check.h"

typedef VixError InitEx(uint32, uint32, VixDiskLibGenericLogFunc *, VixDiskLibGenericLogFunc *,
                        VixDiskLibGenericLogFunc *, const char *, const char *);
typedef void Exit(void);
typedef VixError Connect(const VixDiskLibConnectParams *, VixDiskLibConnection *);
typedef VixError Create(VixDiskLibConnection, const char *, const VixDiskLibCreateParams *, VixDiskLibProgressFunc,
                        void *);
typedef VixError Open(VixDiskLibConnection, const char *, uint32, VixDiskLibHandle *);
typedef VixError Read(VixDiskLibHandle, VixDiskLibSectorType, VixDiskLibSectorType, uint8 *);
typedef VixError ReadAsync(VixDiskLibHandle, VixDiskLibSectorType, VixDiskLibSectorType, uint8 *,
                           VixDiskLibCompletionCB, void *);
typedef VixError OnHandle(VixDiskLibHandle);

static void *library;

/* POSIX's way to turn the pointer of dlsym into one to a function, which C itself does not know. */
static void *symbol(const char *name)
{
    void *address = dlsym(library, name);
    if (address == NULL)
        fprintf(stderr, "no symbol %s\n", name);
    require(address != NULL);
    return address;
}

#define CALL(type) (*(type **)&(void *){symbol("VixDiskLib_" #type)})

/* A copy of the library under another name is another library for the loader. */
static void load_a_copy(void)
{
    const char *original = getenv("VIXEN_LIBRARY");
    require(original != NULL);
    if (access("copy.so", F_OK) != 0) {
        char command[4096];
        snprintf(command, sizeof command, "cp '%s' copy.so", original);
        require(system(command) == 0);
    }
    library = dlopen("./copy.so", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fprintf(stderr, "%s\n", dlerror());
    require(library != NULL);
}

/* The page of an address is still mapped. */
static bool mapped(void *address)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char resident;
    return mincore((void *)((uintptr_t)address / page * page), 1, &resident) == 0;
}

static void on_end(void *data, VixError result)
{
    *(VixError *)data = result;
}

static pthread_barrier_t used, closed;

/* Uses the library, which leaves thread-local data behind whose destructors are code of the library; they run when
 * this thread ends, after the main thread has closed the library. */
static void *use_then_outlive(void *data)
{
    (void)data;
    VixDiskLibConnection connection = NULL;
    check_ok(CALL(Connect)(NULL, &connection));
    VixDiskLibHandle disk = NULL;
    check_error(CALL(Open)(connection, "missing.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
    check_ok(CALL(Open)(connection, "disk.vmdk", 0, &disk));
    uint8 sector[VIXDISKLIB_SECTOR_SIZE];
    check_ok(CALL(Read)(disk, 0, 1, sector));
    VixError result = VIX_E_FAIL;
    check_error(CALL(ReadAsync)(disk, 0, 1, sector, on_end, &result), VIX_ASYNC);
    OnHandle *wait = *(OnHandle **)&(void *){symbol("VixDiskLib_Wait")};
    OnHandle *close_disk = *(OnHandle **)&(void *){symbol("VixDiskLib_Close")};
    check_ok(wait(disk));
    check_ok(result);
    check_ok(close_disk(disk));
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&closed);
    return NULL;
}

static void make_disk(void)
{
    VixDiskLibConnection connection = NULL;
    require_ok(CALL(Connect)(NULL, &connection));
    VixDiskLibCreateParams params;
    memset(&params, 0, sizeof params);
    params.diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE;
    params.adapterType = VIXDISKLIB_ADAPTER_IDE;
    params.hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5;
    params.capacity = 1000;
    require_ok(CALL(Create)(connection, "disk.vmdk", &params, NULL, NULL));
}

static int life_in_child(void)
{
    check(threads_become(1));
    check_ok(CALL(InitEx)(8, 0, NULL, NULL, NULL, NULL, NULL));
    make_disk();
    CALL(Exit)();
    check(threads_become(1));
    check(dlclose(library) == 0);
    return checks_failed;
}

int main(void)
{
    /* Loading starts nothing: a host may fork between dlopen and InitEx. */
    load_a_copy();
    check(threads_become(1));
    check(in_child(life_in_child) == 0);

    void *code = symbol("VixDiskLib_Read");
    check_ok(CALL(InitEx)(8, 0, NULL, NULL, NULL, NULL, NULL));
    pthread_barrier_init(&used, NULL, 2);
    pthread_barrier_init(&closed, NULL, 2);
    pthread_t thread;
    require(pthread_create(&thread, NULL, use_then_outlive, NULL) == 0);
    pthread_barrier_wait(&used);
    CALL(Exit)();
    check(threads_become(2)); /* the main thread and the one above */
    check(dlclose(library) == 0);
    pthread_barrier_wait(&closed);
    pthread_join(thread, NULL); /* the destructors run here */
    check(mapped(code));        /* NODELETE kept them in place */

    /* Loaded again, it lives again. */
    load_a_copy();
    check_ok(CALL(InitEx)(8, 0, NULL, NULL, NULL, NULL, NULL));
    CALL(Exit)();
    check(dlclose(library) == 0);
    return check_end();
}
