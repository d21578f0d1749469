/* What clients call before InitEx, and what works after Exit; everything else says that there is no library yet.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "check.h"

/* In any state of the library. */
static void works_without_a_start(void)
{
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    require(params != NULL);
    static const VixDiskLibConnectParams zeros;
    check(memcmp(params, &zeros, sizeof zeros) == 0);

    /* With a struct and without, and with counts that nobody wants. */
    uint32 cleaned = 77, remaining = 77;
    check_ok(VixDiskLib_Cleanup(NULL, &cleaned, &remaining));
    check(cleaned == 0 && remaining == 0);
    cleaned = remaining = 77;
    params->vmxSpec = "";
    params->serverName = "";
    check_ok(VixDiskLib_Cleanup(params, &cleaned, &remaining));
    check(cleaned == 0 && remaining == 0);
    check_ok(VixDiskLib_Cleanup(NULL, NULL, NULL));
    VixDiskLib_FreeConnectParams(params);

    char *text = VixDiskLib_GetErrorText(VIX_E_DISK_OUTOFRANGE, NULL);
    check(text != NULL && *text != '\0');
    VixDiskLib_FreeErrorText(text);
    check_string(VixDiskLib_ListTransportModes(), "file:nbdssl:nbd");
}

static void needs_a_start(void)
{
    VixDiskLibConnection connection = (VixDiskLibConnection)&connection;
    check_error(VixDiskLib_Connect(NULL, &connection), VIX_E_DISK_NOINIT);
    check(connection == NULL);
    check_error(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &connection), VIX_E_DISK_NOINIT);
    char *text = VixDiskLib_GetErrorText(VIX_E_DISK_NOINIT, NULL);
    check(text != NULL && strstr(text, "VixDiskLib_InitEx") != NULL);
    VixDiskLib_FreeErrorText(text);
}

int main(void)
{
    works_without_a_start();
    needs_a_start();
    start_library();
    works_without_a_start();
    VixDiskLib_Exit();
    works_without_a_start();
    needs_a_start();
    return check_end();
}
