/* What reaches the log functions of a client: finished lines that are safe as a format, on the thread of the call,
 * sorted into log and warn; and that nothing is ever printed.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <ctype.h>
#include <pthread.h>

#include "check.h"

/* ---- A log that keeps everything ------------------------------------------------------------- */

enum { most_messages = 2000, longest = 1000 };

static struct message {
    bool warning;
    pthread_t thread;
    char text[longest];
} messages[most_messages];
static unsigned message_count;
static pthread_mutex_t messages_lock = PTHREAD_MUTEX_INITIALIZER;

static void record(bool warning, const char *format, va_list arguments)
{
    char text[2 * longest], again[2 * longest];
    va_list copy;
    va_copy(copy, arguments); /* which looks at all of it, so it has to be one */
    int length = vsnprintf(text, sizeof text, format, arguments);
    int length_again = vsnprintf(again, sizeof again, format, copy);
    va_end(copy);
    check(length > 1 && length < longest); /* what clients have room for */
    if (length <= 1 || length >= longest)
        return;
    check(length == length_again && strcmp(text, again) == 0);
    check(text[length - 1] == '\n');
    for (int i = 0; i < length - 1; i++)
        check(!iscntrl((unsigned char)text[i]));
    /* Clients that print the format as it stands show the same, but for doubled '%'. */
    const char *from = format;
    for (int i = 0; i < length; i++) {
        if (*from != text[i] || (*from == '%' && from[1] != '%'))
            break;
        from += *from == '%' ? 2 : 1;
    }
    check(*from == '\0');
    pthread_mutex_lock(&messages_lock);
    require(message_count < most_messages);
    messages[message_count].warning = warning;
    messages[message_count].thread = pthread_self();
    memcpy(messages[message_count++].text, text, (size_t)length + 1);
    pthread_mutex_unlock(&messages_lock);
}

static void on_log(const char *format, va_list arguments)
{
    record(false, format, arguments);
}

static void on_warn(const char *format, va_list arguments)
{
    record(true, format, arguments);
}

/* Some clients end their process here. */
static void on_panic(const char *format, va_list arguments)
{
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "panic for something that was none\n");
    _exit(77);
}

static unsigned warnings(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < message_count; i++)
        count += messages[i].warning;
    return count;
}

static const struct message *find(const char *part)
{
    for (unsigned i = 0; i < message_count; i++)
        if (strstr(messages[i].text, part) != NULL)
            return &messages[i];
    return NULL;
}

static bool all_on_this_thread(void)
{
    for (unsigned i = 0; i < message_count; i++)
        if (!pthread_equal(messages[i].thread, pthread_self()))
            return false;
    return true;
}

static void start_with_log(const char *config)
{
    message_count = 0;
    require_ok(VixDiskLib_InitEx(8, 0, on_log, on_warn, on_panic, NULL, config));
}

/* ---- Messages that tools look for ------------------------------------------------------------ */

/* "VMware VixDiskLib (X.Y.Z) Release build-N", a line of its own and the first one. */
static void the_first_message_names_the_version(void)
{
    start_with_log(NULL);
    require(message_count > 0);
    unsigned major, minor, patch, build;
    int end = 0;
    int read = sscanf(messages[0].text, "VMware VixDiskLib (%u.%u.%u) Release build-%u%n", &major, &minor, &patch,
                      &build, &end);
    check(read == 4 && strcmp(messages[0].text + end, "\n") == 0);
    check(!messages[0].warning && all_on_this_thread());
    VixDiskLib_Exit();
    start_with_log(NULL); /* of every life */
    check(message_count > 0 && strncmp(messages[0].text, "VMware VixDiskLib (", 19) == 0);
    VixDiskLib_Exit();
}

/* "DISKLIB-LINK  : Opened 'PATH...' (0x...", from within Open, whatever the path has in it. */
static void opening_is_told(VixDiskLibConnection connection, const char *path)
{
    char wanted[600];
    VixDiskLibHandle disk = new_disk(connection, path, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    message_count = 0;
    check_ok(VixDiskLib_Close(disk));
    disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    snprintf(wanted, sizeof wanted, "DISKLIB-LINK  : Opened '%s", path);
    const struct message *message = find(wanted);
    check(message != NULL);
    if (message != NULL) {
        check(strncmp(message->text, wanted, strlen(wanted)) == 0);
        check(strstr(message->text + strlen(wanted), "' (0x") != NULL);
    }
    check(warnings() == 0 && all_on_this_thread());
    check_ok(VixDiskLib_Close(disk));
}

/* From the thread that made the call, not the one that started the library. */
static void *open_from_another_thread(void *connection)
{
    message_count = 0;
    VixDiskLibHandle disk = open_disk(connection, "plain.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check(find("Opened") != NULL && all_on_this_thread());
    check_ok(VixDiskLib_Close(disk));
    check_error(VixDiskLib_Open(connection, "missing.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
    check(warnings() == 1 && all_on_this_thread());
    return NULL;
}

/* ---- Shape ----------------------------------------------------------------------------------- */

/* `record` has looked at every message already; here are the ones that could go wrong. */
static void any_path_makes_a_proper_message(VixDiskLibConnection connection)
{
    static char path[4096];
    VixDiskLibHandle disk = NULL;
    /* An existing disk by a path of 4000 bytes, then a missing one. */
    memset(path, '/', sizeof path);
    for (size_t i = 0; i < 3990; i += 2)
        path[i] = '.';
    strcpy(path + 3990, "plain.vmdk");
    require(strlen(path) == 4000);
    message_count = 0;
    disk = open_disk(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));
    check(find("DISKLIB-LINK  : Opened './././") != NULL);
    strcpy(path + 3990, "not.there.");
    check_error(VixDiskLib_Open(connection, path, 0, &disk), VIX_E_FILE_NOT_FOUND);
    check(warnings() == 1);

    static const char *const unusual[] = {"%s%n%d%99999s%", "%%%", "line\nbreak", "\x1b[31mred\x1b[0m", "\x7f\x01",
                                          "\xff\xfe", "\xc3", "tab\tbell\a", "%n\n%n"};
    for (size_t i = 0; i < sizeof unusual / sizeof *unusual; i++) {
        message_count = 0;
        check_error(VixDiskLib_Open(connection, unusual[i], 0, &disk), VIX_E_FILE_NOT_FOUND);
        check(message_count == 1 && warnings() == 1);
    }
    for (unsigned length = 900; length < 1100; length++) { /* around the limit, of '%' only */
        memset(path, '%', length);
        for (unsigned i = 200; i < length; i += 200)
            path[i] = '/';
        path[length] = '\0';
        check_error(VixDiskLib_Open(connection, path, 0, &disk), VIX_E_FILE_NOT_FOUND);
    }
}

/* ---- Warnings -------------------------------------------------------------------------------- */

static void warned_once(VixError error, VixError wanted)
{
    check_error(error, wanted);
    check(warnings() == 1);
    message_count = 0;
}

static void only_failures_of_the_client_are_warnings(VixDiskLibConnection connection)
{
    uint8 sectors[8 * VIXDISKLIB_SECTOR_SIZE];
    char value[64];
    VixDiskLibInfo *info = NULL;
    VixDiskLibBlockList *list = NULL;
    message_count = 0;
    VixDiskLibHandle disk = new_disk(connection, "calls.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, 1000);
    fill(sectors, 0, 8, 1);
    check_ok(VixDiskLib_Write(disk, 0, 8, sectors));
    check_error(VixDiskLib_ReadAsync(disk, 0, 8, sectors, NULL, NULL), VIX_ASYNC);
    check_ok(VixDiskLib_Wait(disk));
    check_ok(VixDiskLib_Flush(disk));
    check_ok(VixDiskLib_GetInfo(disk, &info));
    VixDiskLib_FreeInfo(info);
    check_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, 1000, 128, &list));
    VixDiskLib_FreeBlockList(list);
    check_ok(VixDiskLib_WriteMetadata(disk, "key", "value"));
    /* Answers rather than failures: a size that was asked for, a key that may be absent. */
    check_error(VixDiskLib_ReadMetadata(disk, "key", NULL, 0, NULL), VIX_E_BUFFER_TOOSMALL);
    check_error(VixDiskLib_GetMetadataKeys(disk, NULL, 0, NULL), VIX_E_BUFFER_TOOSMALL);
    check_error(VixDiskLib_ReadMetadata(disk, "no.such.key", value, sizeof value, NULL), VIX_E_DISK_KEY_NOTFOUND);
    VixDiskLibConnection other = NULL;
    check_ok(VixDiskLib_ConnectEx(NULL, TRUE, "snapshot-1", "nbdssl:san", &other));
    check_ok(VixDiskLib_Disconnect(other));
    check_ok(VixDiskLib_PrepareForAccess(NULL, "ctests"));
    check_ok(VixDiskLib_EndAccess(NULL, "ctests"));
    check_ok(VixDiskLib_Cleanup(NULL, NULL, NULL));
    VixDiskLib_FreeErrorText(VixDiskLib_GetErrorText(VIX_E_FAIL, NULL));
    check(message_count > 0 && warnings() == 0);

    message_count = 0;
    warned_once(VixDiskLib_Read(disk, 1000, 1, sectors), VIX_E_DISK_OUTOFRANGE);
    warned_once(VixDiskLib_Read(disk, 0, 1, NULL), VIX_E_INVALID_ARG);
    warned_once(VixDiskLib_ReadAsync(disk, 1000, 1, sectors, NULL, NULL), VIX_E_DISK_OUTOFRANGE);
    warned_once(VixDiskLib_QueryAllocatedBlocks(disk, 0, 1000, 1, &list), VIX_E_INVALID_ARG);
    warned_once(VixDiskLib_WriteMetadata(disk, "a key", "value"), VIX_E_INVALID_ARG);
    warned_once(VixDiskLib_Disconnect((VixDiskLibConnection)disk), VIX_E_INVALID_HANDLE);
    warned_once(create(connection, "calls.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 1000), VIX_E_FILE_ALREADY_EXISTS);
    warned_once(VixDiskLib_Rename("a", "b"), VIX_E_FILE_NOT_FOUND);
    check_ok(VixDiskLib_Close(disk));
    message_count = 0;
    warned_once(VixDiskLib_Close(disk), VIX_E_INVALID_HANDLE);
    warned_once(VixDiskLib_Read(disk, 0, 1, sectors), VIX_E_INVALID_HANDLE);
}

/* A failing open says so once, and names the file: many clients show nothing else. */
static void a_warning_tells_what_failed(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = NULL;
    message_count = 0;
    check_error(VixDiskLib_Open(connection, "/no-such-folder/100%.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
    const struct message *message = find("/no-such-folder/100%.vmdk");
    check(message_count == 1 && message != NULL && message->warning);
    check(message != NULL && strstr(message->text, "VixDiskLib_Open") != NULL && strstr(message->text, "4)") != NULL);
}

/* ---- Levels and lives ------------------------------------------------------------------------ */

struct seen {
    bool version, detail, warning;
};

/* What a configuration lets through of a start, an open and a failure. */
static struct seen seen_with(const char *config_text)
{
    write_file("log.conf", config_text);
    start_with_log("log.conf");
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = open_disk(connection, "plain.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));
    check_error(VixDiskLib_Open(connection, "missing.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    const struct message *version = find("VMware VixDiskLib (");
    check(version == NULL || version == messages); /* whatever else is told of a start */
    check((find("Opened") != NULL) == (version != NULL));
    return (struct seen){version != NULL, find("flags") != NULL, warnings() > 0};
}

static void levels_choose_what_is_told(void)
{
    static const struct {
        const char *config;
        bool version, detail, warning;
    } cases[] = {
        {"", true, false, true},
        {"vixDiskLib.transport.LogLevel=0\n", false, false, false},
        {"vixDiskLib.transport.LogLevel=1\n", false, false, false},
        {"vixDiskLib.transport.LogLevel=2\n", false, false, true},
        {"vixDiskLib.transport.LogLevel=3\n", true, false, true},
        {"vixDiskLib.transport.LogLevel=4\n", true, false, true},
        {"vixDiskLib.transport.LogLevel=5\n", true, true, true},
        {"vixDiskLib.transport.LogLevel=6", true, true, true},
        {"vixDiskLib.transport.LogLevel=99\n", true, true, true},
        {"vixDiskLib.transport.LogLevel=loud\n", true, false, true}, /* as if it were not there */
        {"vixDiskLib.transport.LogLevel=\n", true, false, true},
        {"vixDiskLib.transport.LogLevel=-1\n", true, false, true},
        {"vixDiskLib.transport.LogLevel=0 # quiet\n", true, false, true}, /* no comment there, so no number */
        /* Spellings. */
        {"VixDiskLib.transport.LogLevel=0\n", false, false, false},
        {"VIXDISKLIB.TRANSPORT.LOGLEVEL = 0\n", false, false, false},
        {"vixdisklib.transport.loglevel = \"0\"\r\n", false, false, false},
        {"\t vixDiskLib.transport.LogLevel \t=  \"5\"  \n", true, true, true},
        {"transport.LogLevel=0\n", false, false, false},
        /* Others, comments, nonsense. */
        {"# vixDiskLib.transport.LogLevel=0\n", true, false, true},
        {"  #vixDiskLib.transport.LogLevel=0\n", true, false, true},
        {"vixDiskLib.transport.LogLevels=0\nvixDiskLib.nfc.LogLevel=0\nLogLevel=0\n", true, false, true},
        {"# a comment\n\n=\n===\nno sign\nnobody.knows.this = 0\nvixDiskLib.transport.LogLevel=5\n", true, true, true},
        {"vixDiskLib.nfcAio.Session.BufSizeIn64KB=16\nvixDiskLib.transport.LogLevel=\"0\n", false, false, false},
        {"vixDiskLib.transport.LogLevel=0\nvixDiskLib.transport.LogLevel=5\n", true, true, true}, /* the last counts */
        {"\xff\xfe\x80 = \xff\nvixDiskLib.transport.LogLevel=0\n", false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen seen = seen_with(cases[i].config);
        if (seen.version != cases[i].version || seen.detail != cases[i].detail || seen.warning != cases[i].warning) {
            fprintf(stderr, "version %d, detail %d, warning %d with:\n%s\n", seen.version, seen.detail, seen.warning,
                    cases[i].config);
            checks_failed++;
        }
    }
}

/* Functions and level of the first start stay in force to the last Exit, and nothing comes after that. */
static void never_called(const char *format, va_list arguments)
{
    (void)format, (void)arguments;
    fprintf(stderr, "a log function that is not in force was called\n");
    checks_failed++;
}

static void the_first_start_decides(void)
{
    VixDiskLibHandle disk = NULL;
    start_with_log(NULL);
    check_ok(VixDiskLib_InitEx(8, 0, never_called, never_called, never_called, NULL, "log.conf"));
    check(VixDiskLib_InitEx(8, 0, never_called, never_called, never_called, NULL, "/no/such/file") != VIX_OK);
    check(VixDiskLib_InitEx(77, 0, never_called, never_called, never_called, NULL, NULL) != VIX_OK);
    VixDiskLib_Exit();
    VixDiskLibConnection connection = connect_local();
    message_count = 0;
    disk = open_disk(connection, "plain.vmdk", 0);
    check(find("Opened") != NULL);
    VixDiskLib_Exit();
    message_count = 0;
    check(VixDiskLib_Close(disk) != VIX_OK);
    check(VixDiskLib_Connect(NULL, &connection) != VIX_OK);
    check(VixDiskLib_Read(disk, 0, 1, NULL) != VIX_OK);
    check(message_count == 0);
    check(VixDiskLib_InitEx(8, 0, never_called, never_called, never_called, NULL, "/no/such/file") != VIX_OK);
}

/* A client may have some of the functions only, or none. */
static void functions_may_be_null(void)
{
    for (int which = 0; which < 8; which++) {
        VixDiskLibHandle disk = NULL;
        message_count = 0;
        require_ok(VixDiskLib_InitEx(8, 0, which & 1 ? on_log : NULL, which & 2 ? on_warn : NULL,
                                     which & 4 ? on_panic : NULL, NULL, NULL));
        VixDiskLibConnection connection = connect_local();
        check_ok(VixDiskLib_Close(open_disk(connection, "plain.vmdk", 0)));
        check_error(VixDiskLib_Open(connection, "missing.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
        VixDiskLib_Exit();
        check(warnings() == ((which & 2) != 0));
        check((message_count > warnings()) == ((which & 1) != 0));
    }
}

/* ---- From within ----------------------------------------------------------------------------- */

static VixDiskLibConnection inner_connection;
static unsigned inner_calls, depth;

/* Uses the library, which logs again, until it is three deep. */
static void uses_the_library(const char *format, va_list arguments)
{
    record(true, format, arguments);
    VixDiskLib_FreeErrorText(VixDiskLib_GetErrorText(VIX_E_FILE_NOT_FOUND, NULL));
    check_string(VixDiskLib_ListTransportModes(), "file:nbdssl:nbd");
    VixDiskLib_FreeConnectParams(VixDiskLib_AllocateConnectParams());
    if (inner_connection == NULL || depth == 3)
        return;
    depth++;
    VixDiskLibHandle disk = open_disk(inner_connection, "plain.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_ok(VixDiskLib_Close(disk));
    check_error(VixDiskLib_Open(inner_connection, "missing.vmdk", 0, &disk), VIX_E_FILE_NOT_FOUND);
    inner_calls++;
    depth--;
}

static void log_functions_may_use_the_library(void)
{
    message_count = 0;
    require_ok(VixDiskLib_InitEx(8, 0, uses_the_library, uses_the_library, on_panic, NULL, NULL));
    VixDiskLibConnection connection = connect_local();
    inner_connection = connect_local();
    VixDiskLibHandle disk = open_disk(connection, "plain.vmdk", 0);
    check_error(VixDiskLib_Read(disk, 1000, 1, NULL), VIX_E_DISK_OUTOFRANGE);
    check_ok(VixDiskLib_Close(disk));
    check(inner_calls > 10);
    inner_connection = NULL;
    VixDiskLib_Exit();
}

/* ---- Nothing is printed ---------------------------------------------------------------------- */

/* What a client that reads its data from stdout does with a library, and everything that can fail. */
static void be_busy(void)
{
    uint8 sectors[8 * VIXDISKLIB_SECTOR_SIZE] = {0};
    VixDiskLibHandle disk = NULL;
    VixDiskLibConnection connection = NULL;
    VixDiskLib_Connect(NULL, &connection); /* before the start */
    VixDiskLib_InitEx(99, 0, NULL, NULL, NULL, NULL, NULL);
    VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, "/no/such/file");
    write_file("log.conf", "vixDiskLib.transport.LogLevel=6\n");
    require_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, "/nowhere", "log.conf"));
    connection = connect_local();
    disk = new_disk(connection, "busy.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    VixDiskLib_Write(disk, 0, 1, sectors + 512);
    VixDiskLib_WriteAsync(disk, 5, 1, sectors, NULL, NULL);
    VixDiskLib_Read(disk, 2000, 1, sectors);
    VixDiskLib_WriteMetadata(disk, "\n", "\n");
    create(connection, "busy.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    create(connection, "/no/such/folder/disk", (VixDiskLibDiskType)99, 0);
    VixDiskLib_Close(disk);
    VixDiskLib_Close(disk);
    write_file("garbage.vmdk", "KDMV garbage");
    VixDiskLib_Open(connection, "garbage.vmdk", 0, &disk);
    VixDiskLib_Open(connection, "%s%n", 0, &disk);
    VixDiskLib_Unlink(connection, "garbage.vmdk");
    VixDiskLib_Exit(); /* with a connection left */
    VixDiskLib_Disconnect(connection);
}

static void nothing_is_printed(void)
{
    fflush(NULL);
    int saved[2] = {dup(1), dup(2)};
    int output = open("output", O_RDWR | O_CREAT | O_TRUNC, 0644);
    require(saved[0] >= 0 && saved[1] >= 0 && output >= 0 && dup2(output, 1) == 1 && dup2(output, 2) == 2);
    be_busy();
    fflush(NULL);
    require(dup2(saved[0], 1) == 1 && dup2(saved[1], 2) == 2);
    close(saved[0]);
    close(saved[1]);
    close(output);
    char text[4096];
    check_string(read_file("output", text, sizeof text), "");
}

int main(void)
{
    nothing_is_printed();
    the_first_message_names_the_version();
    start_with_log(NULL);
    VixDiskLibConnection connection = connect_local();
    opening_is_told(connection, "plain.vmdk");
    opening_is_told(connection, "100%s%n%d%%.vmdk");
    opening_is_told(connection, "with 'quotes' and blanks.vmdk");
    pthread_t thread;
    require(pthread_create(&thread, NULL, open_from_another_thread, connection) == 0);
    pthread_join(thread, NULL);
    any_path_makes_a_proper_message(connection);
    only_failures_of_the_client_are_warnings(connection);
    a_warning_tells_what_failed(connection);
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    levels_choose_what_is_told();
    the_first_start_decides();
    functions_may_be_null();
    log_functions_may_use_the_library();
    return check_end();
}
