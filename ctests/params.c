/* Connection parameters of every length that clients hand over: what they did not fill is never read. Each struct
 * stands at the end of a mapped page, so reading on is a SIGSEGV; what follows in a longer one is garbage, so
 * following a pointer in it is one too.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

/* Lengths of the struct: up to VDDK 6.0, in 6.5, and since 6.7. */
static const size_t lengths[] = {72, 80, 128};

static char *const garbage = (char *)(uintptr_t)0xA5A5A5A5A5A5A5A5;

/* Parameters whose first `filled` bytes are the client's, the rest garbage. */
static VixDiskLibConnectParams *partly_filled(const VixDiskLibConnectParams *params, size_t filled, size_t length)
{
    unsigned char bytes[sizeof *params];
    memset(bytes, 0xA5, sizeof bytes);
    memcpy(bytes, params, filled);
    return at_page_end(bytes, length);
}

static void means_local(const VixDiskLibConnectParams *params, const char *snapshot, const char *modes)
{
    VixDiskLibConnection connection = NULL;
    check_ok(VixDiskLib_ConnectEx(params, FALSE, snapshot, modes, &connection));
    require(connection != NULL);
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    check_string(VixDiskLib_GetTransportMode(disk), "file");
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    check_ok(VixDiskLib_Connect(params, &connection));
    check_ok(VixDiskLib_Disconnect(connection));
    check_ok(VixDiskLib_PrepareForAccess(params, "ctests"));
    check_ok(VixDiskLib_EndAccess(params, "ctests"));
    uint32 cleaned, remaining;
    check_ok(VixDiskLib_Cleanup(params, &cleaned, &remaining));
}

static void every_form_of_absent_is_local(void)
{
    static const char *const absent[] = {NULL, ""};
    static const char *const mode_lists[] = {NULL, "", "file", "file:nbdssl:nbd", "nbdssl:nbd", "san:hotadd"};
    VixDiskLibConnectParams zeros, empty;
    memset(&zeros, 0, sizeof zeros);
    memset(&empty, 0, sizeof empty);
    empty.vmxSpec = empty.serverName = empty.thumbPrint = "";
    empty.credType = VIXDISKLIB_CRED_UID;
    empty.creds.uid.userName = empty.creds.uid.password = "";
    for (size_t i = 0; i < 2; i++)
        for (size_t m = 0; m < sizeof mode_lists / sizeof *mode_lists; m++) {
            means_local(NULL, absent[i], mode_lists[m]);
            means_local(&zeros, absent[i], mode_lists[m]);
            means_local(&empty, absent[i], mode_lists[m]);
        }
}

static void short_structs_are_not_read_past_their_end(void)
{
    VixDiskLibConnectParams params;
    memset(&params, 0, sizeof params);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        /* Filled to the end, then only to where the shortest form ends. */
        means_local(partly_filled(&params, lengths[i], lengths[i]), NULL, NULL);
        means_local(partly_filled(&params, 72, lengths[i]), NULL, NULL);
    }
    /* Credentials of a kind that is not used stay unread, too. */
    params.creds.sessionId.cookie = params.creds.sessionId.userName = params.creds.sessionId.key = garbage;
    params.credType = VIXDISKLIB_CRED_SSPI;
    means_local(partly_filled(&params, 72, 72), NULL, NULL);
    params.credType = VIXDISKLIB_CRED_TICKETID;
    means_local(partly_filled(&params, 72, 72), NULL, NULL);
    params.credType = (VixDiskLibCredType)12345;
    means_local(partly_filled(&params, 72, 72), NULL, NULL);
    params.credType = VIXDISKLIB_CRED_UID;
    params.creds.uid.userName = params.creds.uid.password = NULL;
    means_local(partly_filled(&params, 72, 72), NULL, NULL); /* the third pointer is not part of these */
}

static void a_copy_of_short_params_holds_nothing_else(void)
{
    VixDiskLibConnectParams params;
    memset(&params, 0, sizeof params);
    params.thumbPrint = "AA:BB";
    VixDiskLibConnection connection = NULL;
    require_ok(VixDiskLib_Connect(partly_filled(&params, 72, 128), &connection));
    VixDiskLibConnectParams *copy = NULL;
    require_ok(VixDiskLib_GetConnectParams(connection, &copy));
    check_string(copy->thumbPrint, "AA:BB");
    check(copy->vimApiVer == NULL && copy->state == NULL && copy->specType == VIXDISKLIB_SPEC_VMX);
    check(copy->spec.vStorageObjSpec.id == NULL && copy->spec.vStorageObjSpec.ssId == NULL);
    VixDiskLib_FreeConnectParams(copy);
    check_ok(VixDiskLib_Disconnect(connection));
}

/* ConnectEx looks at what it is given and no further; Open is what finds out that nobody is there, and names it. */
static void a_server_that_is_not_there_is_named(void)
{
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    require(params != NULL);
    params->serverName = "127.0.0.1";
    params->port = 1;
    params->vmxSpec = "moref=vm-12";
    VixDiskLibConnection connection = (VixDiskLibConnection)&params;
    check_error(VixDiskLib_ConnectEx(params, TRUE, "snapshot-1", NULL, &connection), VIX_E_INVALID_ARG);
    check(connection == NULL); /* without a user */
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = "root";
    params->creds.uid.password = "no secret";
    check_error(VixDiskLib_ConnectEx(params, TRUE, "snapshot-1", NULL, &connection), VIX_OK);
    VixDiskLibHandle disk = NULL;
    check_error(VixDiskLib_Open(connection, "[store] vm/vm.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk),
                VIX_E_HOST_NETWORK_CONN_REFUSED);
    check(disk == NULL);
    char *text = VixDiskLib_GetErrorText(VIX_E_HOST_NETWORK_CONN_REFUSED, NULL);
    check(text != NULL && strstr(text, "127.0.0.1") != NULL && strstr(text, "no secret") == NULL);
    VixDiskLib_FreeErrorText(text);
    check_error(VixDiskLib_PrepareForAccess(params, "ctests"), VIX_E_HOST_NETWORK_CONN_REFUSED);
    check_error(VixDiskLib_Disconnect(connection), VIX_OK);
    VixDiskLib_FreeConnectParams(params);
}

static void connections_can_be_read_only(void)
{
    VixDiskLibConnection connection = NULL;
    /* Any non-zero byte is true. */
    require_ok(VixDiskLib_ConnectEx(NULL, (Bool)0x40, NULL, NULL, &connection));
    VixDiskLibHandle disk = open_disk(connection, "disk.vmdk", 0);
    uint8 sector[VIXDISKLIB_SECTOR_SIZE] = {0};
    check_ok(VixDiskLib_Read(disk, 0, 1, sector));
    check_error(VixDiskLib_Write(disk, 0, 1, sector), VIX_E_FILE_READ_ONLY);
    check_error(create(connection, "other.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 128), VIX_E_FILE_READ_ONLY);
    check_ok(VixDiskLib_Disconnect(connection));
}

static void identities_have_a_limit(void)
{
    char longest[51], longer[52];
    memset(longest, 'x', 50);
    longest[50] = '\0';
    memset(longer, 'x', 51);
    longer[51] = '\0';
    check_ok(VixDiskLib_PrepareForAccess(NULL, longest));
    check_ok(VixDiskLib_EndAccess(NULL, longest));
    check_error(VixDiskLib_PrepareForAccess(NULL, longer), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_EndAccess(NULL, longer), VIX_E_INVALID_ARG);
    check_error(VixDiskLib_PrepareForAccess(NULL, NULL), VIX_E_INVALID_ARG);
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    require_ok(create(connection, "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000));
    check_ok(VixDiskLib_Disconnect(connection));
    check_error(VixDiskLib_Connect(NULL, NULL), VIX_E_INVALID_ARG);

    every_form_of_absent_is_local();
    short_structs_are_not_read_past_their_end();
    a_copy_of_short_params_holds_nothing_else();
    a_server_that_is_not_there_is_named();
    connections_can_be_read_only();
    identities_have_a_limit();
    VixDiskLib_Exit();
    return check_end();
}
