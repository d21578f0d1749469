/* What is left of two hundred disks of a server that were opened, written, read and closed: no file descriptor, no
 * thread, and after Exit neither the password nor a cookie or ticket of the library's own anywhere in memory that can
 * be written. What is not looked for: answers of the server in memory that the TLS library has freed and does not wipe;
 * by then the cookies in them have been logged out and the tickets used.
 *
 * usage: remains SOAP-PORT THUMBPRINT VM PATH [ROUNDS]
 *
 * The password of the simulator is PASSWORD below; here it exists as what it is only while ConnectEx runs.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <ctype.h>

#include "check.h"

/* "wipe-7311-secret", each letter by one less. */
static const char hidden[] = "vhod,6200,rdbqds";

enum { SECTORS = 300 };

static int port;
static char *thumbprint, *vm, *path;

static void wipe(char *text, size_t length)
{
    volatile char *place = text;
    while (length-- > 0)
        *place++ = 0;
}

static VixDiskLibConnection connect_server(const char *mode)
{
    char password[sizeof hidden], spec[100];
    for (size_t i = 0; i < sizeof hidden - 1; i++)
        password[i] = (char)(hidden[i] + 1);
    password[sizeof hidden - 1] = '\0';
    snprintf(spec, sizeof spec, "moref=%s", vm);
    VixDiskLibConnectParams params;
    memset(&params, 0, sizeof params);
    params.vmxSpec = spec;
    params.serverName = "127.0.0.1";
    params.thumbPrint = thumbprint;
    params.credType = VIXDISKLIB_CRED_UID;
    params.creds.uid.userName = "root";
    params.creds.uid.password = password;
    params.port = (uint32)port;
    VixDiskLibConnection connection = NULL;
    require_ok(VixDiskLib_ConnectEx(&params, FALSE, NULL, mode, &connection));
    wipe(password, sizeof password);
    return connection;
}

static void round_trip(unsigned number)
{
    static const uint32 compressions[] = {0, VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB,
                                          VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ,
                                          VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ};
    static uint8 buffer[SECTORS * VIXDISKLIB_SECTOR_SIZE];
    VixDiskLibConnection connection = connect_server(number % 2 == 0 ? "nbdssl" : "nbd");
    VixDiskLibHandle disk = open_disk(connection, path, compressions[number / 2 % 4]);
    VixDiskLibSectorType start = number * 7 % 1000;
    fill(buffer, start, SECTORS, number);
    check_ok(VixDiskLib_Write(disk, start, SECTORS, buffer));
    memset(buffer, 0, sizeof buffer);
    check_ok(VixDiskLib_Read(disk, start, SECTORS, buffer));
    check(holds(buffer, start, SECTORS, number));
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
}

/* Whether the password stands here. It is compared letter by letter, so that no copy of it is made. */
static bool is_password(const char *place)
{
    for (size_t i = 0; i < sizeof hidden - 1; i++)
        if (place[i] != (char)(hidden[i] + 1))
            return false;
    return true;
}

/* Whether a secret follows the word that tells of one: twelve hexadecimal digits or dashes. */
static bool is_told(const char *place, size_t left, const char *word)
{
    size_t length = strlen(word);
    if (left < length + 12 || memcmp(place, word, length) != 0)
        return false;
    for (size_t i = 0; i < 12; i++)
        if (!isxdigit((unsigned char)place[length + i]) && place[length + i] != '-')
            return false;
    return true;
}

/* Whether this is a line of an answer of the server. */
static bool is_answered(const char *place, const char *start)
{
    static const char line[] = "Set-Cookie: ";
    size_t length = sizeof line - 1;
    return (size_t)(place - start) >= length && memcmp(place - length, line, length) == 0;
}

/* The search is looking for what was planted. */
static bool planting;

/* Looks through memory from one address to another. */
static void search(const char *place, const char *end)
{
    static const char *const words[] = {"vmware_soap_session=\"", "SESSION "};
    const char *start = place;
    for (; place + sizeof hidden < end; place++) {
        const char *found = is_password(place) ? "the password" : NULL;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (*place == words[i][0] && is_told(place, (size_t)(end - place), words[i]) && !is_answered(place, start))
                found = words[i];
        if (found != NULL) {
            if (!planting)
                fprintf(stderr, "left in memory at %p: %s\n", (const void *)place, found);
            checks_failed++;
        }
    }
}

static void nothing_secret_is_left(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    require(maps != NULL);
    static char starts[4096][2 * sizeof(char *)];
    size_t count = 0;
    char line[512];
    while (count < sizeof starts / sizeof *starts && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || strncmp(rights, "rw", 2) != 0)
            continue;
        char *range[2] = {(char *)from, (char *)to};
        memcpy(starts[count++], range, sizeof range);
    }
    fclose(maps);
    check(count > 5);
    for (size_t i = 0; i < count; i++) {
        char *range[2];
        memcpy(range, starts[i], sizeof range);
        search(range[0], range[1]);
    }
}

int main(int argc, char **argv)
{
    require(argc >= 5);
    port = atoi(argv[1]);
    thumbprint = argv[2];
    vm = argv[3];
    path = argv[4];
    unsigned rounds = argc > 5 ? (unsigned)atoi(argv[5]) : 200;
    start_library();
    /* What is made once for the process is made now. */
    for (unsigned i = 0; i < 8; i++)
        round_trip(i);
    int files = count_entries("/proc/self/fd"), threads = thread_count();
    for (unsigned i = 0; i < rounds; i++)
        round_trip(i);
    check(threads_become(threads));
    check(count_entries("/proc/self/fd") == files);
    VixDiskLib_Exit();
    check(threads_become(1));
    /* The search finds what is there. */
    static char planted[64];
    for (size_t i = 0; i < sizeof hidden - 1; i++)
        planted[i] = (char)(hidden[i] + 1);
    int before = checks_failed;
    planting = true;
    search(planted, planted + sizeof planted);
    snprintf(planted, sizeof planted, "Cookie: vmware_soap_session=\"%s\"", "0123456789abcdef");
    search(planted, planted + sizeof planted);
    bool found = checks_failed == before + 2;
    planting = false;
    checks_failed = before;
    check(found);
    wipe(planted, sizeof planted);
    nothing_secret_is_left();
    return check_end();
}
