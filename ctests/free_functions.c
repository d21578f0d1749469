/* Who frees what: results are freed once by their own function, the client's strings never, and everything that was
 * not given out is ignored. Under a leak checker this test also shows that nothing stays behind.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

static void allocated_params_keep_the_clients_strings(void)
{
    char *server = strdup("");
    char *user = strdup("someone");
    static char literal[] = "on no heap";
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    require(server != NULL && user != NULL && params != NULL);
    params->serverName = server;
    params->thumbPrint = literal;
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = user;
    params->creds.uid.password = literal;
    VixDiskLib_FreeConnectParams(params);
    check_string(server, "");
    check_string(user, "someone");
    free(server);
    free(user);
}

static void params_of_a_connection_are_a_copy(void)
{
    char user[] = "someone", password[] = "secret", print[] = "AA:BB:CC", id[] = "disk-1", datastore[] = "datastore-2";
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    require(params != NULL);
    params->thumbPrint = print;
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = user;
    params->creds.uid.password = password;
    params->port = 8443;
    params->nfcHostPort = 9902;
    params->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
    params->spec.vStorageObjSpec.id = id;
    params->spec.vStorageObjSpec.datastoreMoRef = datastore;
    VixDiskLibConnection connection = NULL;
    require_ok(VixDiskLib_ConnectEx(params, FALSE, NULL, NULL, &connection));
    /* The client's memory may go as soon as the call has returned. */
    memset(user, 'x', sizeof user - 1);
    memset(password, 'x', sizeof password - 1);
    memset(print, 'x', sizeof print - 1);
    memset(id, 'x', sizeof id - 1);
    VixDiskLib_FreeConnectParams(params);

    VixDiskLibConnectParams *copy = NULL;
    require_ok(VixDiskLib_GetConnectParams(connection, &copy));
    require(copy != NULL);
    check(copy->serverName == NULL && copy->vmxSpec == NULL);
    check_string(copy->thumbPrint, "AA:BB:CC");
    check(copy->credType == VIXDISKLIB_CRED_UID && copy->port == 8443 && copy->nfcHostPort == 9902);
    check_string(copy->creds.uid.userName, "someone");
    check_string(copy->creds.uid.password, "secret");
    check(copy->specType == VIXDISKLIB_SPEC_VSTORAGE_OBJECT);
    check_string(copy->spec.vStorageObjSpec.id, "disk-1");
    check_string(copy->spec.vStorageObjSpec.datastoreMoRef, "datastore-2");
    check(copy->spec.vStorageObjSpec.ssId == NULL);
    check_ok(VixDiskLib_Disconnect(connection));
    check_string(copy->creds.uid.password, "secret"); /* outlives its connection */
    VixDiskLib_FreeConnectParams(copy);
    VixDiskLib_FreeConnectParams(copy); /* not out any more */

    check_error(VixDiskLib_GetConnectParams(connection, &copy), VIX_E_INVALID_HANDLE);
    check(copy == NULL);
}

static void session_credentials_are_copied_too(void)
{
    VixDiskLibConnectParams params;
    memset(&params, 0, sizeof params);
    params.credType = VIXDISKLIB_CRED_SESSIONID;
    params.creds.sessionId.cookie = "cookie";
    params.creds.sessionId.userName = "name";
    params.creds.sessionId.key = "";
    VixDiskLibConnection connection = NULL;
    require_ok(VixDiskLib_Connect(&params, &connection));
    VixDiskLibConnectParams *copy = NULL;
    require_ok(VixDiskLib_GetConnectParams(connection, &copy));
    check_string(copy->creds.sessionId.cookie, "cookie");
    check_string(copy->creds.sessionId.userName, "name");
    check_string(copy->creds.sessionId.key, ""); /* empty stays empty, it does not become NULL */
    VixDiskLib_FreeConnectParams(copy);
    check_ok(VixDiskLib_Disconnect(connection));
}

static void what_was_not_given_out_is_ignored(void)
{
    union {
        VixDiskLibInfo info;
        VixDiskLibBlockList list;
        VixDiskLibConnectParams params;
        char text[32];
    } own;
    memset(&own, 0x5A, sizeof own);
    char *heap = malloc(64);
    require(heap != NULL);
    void *const pointers[] = {NULL, &own, heap, (void *)(uintptr_t)0x5eed5, (void *)(uintptr_t)UINT64_MAX};
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
        VixDiskLib_FreeErrorText(pointers[i]);
        VixDiskLib_FreeInfo(pointers[i]);
        check_ok(VixDiskLib_FreeBlockList(pointers[i]));
        VixDiskLib_FreeConnectParams(pointers[i]);
    }
    free(heap);

    /* One client cuts the pointer to 32 bits; fewer here, since under some tools all addresses are short. */
    char *text = VixDiskLib_GetErrorText(VIX_E_FAIL, NULL);
    require(text != NULL);
    VixDiskLib_FreeErrorText((char *)((uintptr_t)text & 0xFFFFF));
    check(*text != '\0');
    /* The wrong function does not free it either. */
    VixDiskLib_FreeInfo((VixDiskLibInfo *)text);
    check(*text != '\0');
    VixDiskLib_FreeErrorText(text);
    VixDiskLib_FreeErrorText(text);
}

/* Some run-times call free() on what they get. */
static void results_are_blocks_of_malloc(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = NULL;
    require_ok(VixDiskLib_GetInfo(disk, &info));
    free(info);
    VixDiskLibBlockList *list = NULL;
    require_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, 1000, 128, &list));
    free(list);
    free(VixDiskLib_GetErrorText(VIX_E_FAIL, NULL));
}

static void results_are_freed(VixDiskLibHandle disk)
{
    for (int i = 0; i < 20; i++) {
        VixDiskLibInfo *info = NULL;
        require_ok(VixDiskLib_GetInfo(disk, &info));
        check(info->capacity == 1000);
        VixDiskLib_FreeInfo(info);
        VixDiskLib_FreeInfo(info);
        VixDiskLibBlockList *list = NULL;
        require_ok(VixDiskLib_QueryAllocatedBlocks(disk, 0, 1000, 128, &list));
        check_ok(VixDiskLib_FreeBlockList(list));
        check_ok(VixDiskLib_FreeBlockList(list));
    }
}

int main(void)
{
    start_library();
    VixDiskLibConnection connection = connect_local();
    VixDiskLibHandle disk = new_disk(connection, "disk.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000);
    allocated_params_keep_the_clients_strings();
    params_of_a_connection_are_a_copy();
    session_credentials_are_copied_too();
    what_was_not_given_out_is_ignored();
    results_are_freed(disk);
    results_are_blocks_of_malloc(disk);
    check_ok(VixDiskLib_Close(disk));
    check_ok(VixDiskLib_Disconnect(connection));
    VixDiskLib_Exit();
    return check_end();
}
