/* The texts of errors: one for each code, and what failed behind the last failing call of this thread.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <pthread.h>

#include "check.h"

static bool text_contains(VixError error, const char *part)
{
    char *text = VixDiskLib_GetErrorText(error, NULL);
    require(text != NULL);
    bool contains = strstr(text, part) != NULL;
    VixDiskLib_FreeErrorText(text);
    return contains;
}

/* Codes are looked for everywhere, so that the number of those with a text of their own is counted, not believed. */
static void every_code_has_a_text_of_its_own(void)
{
    int known = 0;
    for (VixError error = 0; error < 65536; error++) {
        char *text = VixDiskLib_GetErrorText(error, NULL);
        require(text != NULL);
        check(*text != '\0' && strchr(text, '\n') == NULL);
        if (strstr(text, "Unknown error code") == NULL)
            known++;
        VixDiskLib_FreeErrorText(text);
    }
    fprintf(stderr, "%d codes have a text of their own\n", known);
    check(known == 268);
}

static void any_number_has_an_answer(void)
{
    const VixError numbers[] = {2, 999999, UINT64_C(1) << 32, UINT64_C(0x123400000004), UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char *text = VixDiskLib_GetErrorText(numbers[i], NULL), *other = VixDiskLib_GetErrorText(numbers[i], "de_DE");
        check(text != NULL && *text != '\0');
        check_string(other, text);
        VixDiskLib_FreeErrorText(text);
        VixDiskLib_FreeErrorText(other);
    }
}

static void *sees_no_failure_of_others(void *data)
{
    (void)data;
    check(!text_contains(VIX_E_FILE_NOT_FOUND, "no-such-disk.vmdk"));
    return NULL;
}

static void the_cause_is_told(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = NULL;
    check_error(VixDiskLib_Open(connection, "/tmp/no-such-disk.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
    check(text_contains(VIX_E_FILE_NOT_FOUND, "VixDiskLib_Open"));
    check(text_contains(VIX_E_FILE_NOT_FOUND, "/tmp/no-such-disk.vmdk"));
    check(text_contains(VIX_E_FILE_NOT_FOUND, "No such file or directory"));
    /* Another code has nothing to do with it. */
    check(!text_contains(VIX_E_FILE_ERROR, "no-such-disk.vmdk"));
    /* It is the last failure, not the last call. */
    VixDiskLibConnection another = connect_local();
    check_ok(VixDiskLib_Disconnect(another));
    check(text_contains(VIX_E_FILE_NOT_FOUND, "no-such-disk.vmdk"));
    pthread_t thread;
    require(pthread_create(&thread, NULL, sees_no_failure_of_others, NULL) == 0);
    pthread_join(thread, NULL);
    /* The next failure takes its place. */
    check_error(VixDiskLib_Open(connection, "/tmp/another.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
    check(text_contains(VIX_E_FILE_NOT_FOUND, "another.vmdk"));
    check(!text_contains(VIX_E_FILE_NOT_FOUND, "no-such-disk.vmdk"));
}

/* Nothing is said twice. */
static void the_cause_is_told_once(VixDiskLibConnection connection)
{
    write_file("there.vmdk", "");
    check_error(create(connection, "there.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 128), VIX_E_FILE_ALREADY_EXISTS);
    char *text = VixDiskLib_GetErrorText(VIX_E_FILE_ALREADY_EXISTS, NULL);
    require(text != NULL);
    const char *name = strstr(text, "there.vmdk");
    check(name != NULL && strstr(name + 1, "there.vmdk") == NULL);
    VixDiskLib_FreeErrorText(text);
}

static void the_range_is_told(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = new_disk(connection, "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    uint8 sectors[2 * VIXDISKLIB_SECTOR_SIZE];
    check_error(VixDiskLib_Read(disk, 999, 2, sectors), VIX_E_DISK_OUTOFRANGE);
    check(text_contains(VIX_E_DISK_OUTOFRANGE, "999"));
    check(text_contains(VIX_E_DISK_OUTOFRANGE, "1000"));
    check_ok(VixDiskLib_Close(disk));
}

int main(void)
{
    any_number_has_an_answer(); /* before InitEx */
    start_library();
    VixDiskLibConnection connection = connect_local();
    every_code_has_a_text_of_its_own();
    any_number_has_an_answer();
    the_cause_is_told(connection);
    the_cause_is_told_once(connection);
    the_range_is_told(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    any_number_has_an_answer(); /* after Exit */
    return check_end();
}
