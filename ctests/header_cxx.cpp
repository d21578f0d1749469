// The header in a C++11 program: every function has C linkage and is called by a pointer of its declared type.
//
// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "vixDiskLib.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

std::string first_message;

void on_log(const char *format, va_list arguments)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    if (first_message.empty())
        first_message = text;
}

int fail(const char *what)
{
    std::fprintf(stderr, "not so: %s\n", what);
    return 1;
}

} // namespace

int main()
{
    static_assert(sizeof(VixDiskLibConnectParams) == 128, "layout in C++ as in C");
    static_assert(sizeof(VixDiskLibInfo) == 64, "layout in C++ as in C");

    if (VIX_FAILED(VixDiskLib_InitEx(8, 0, on_log, on_log, on_log, nullptr, nullptr)))
        return fail("InitEx");
    if (first_message.compare(0, 19, "VMware VixDiskLib (") != 0)
        return fail("the first message of the log");
    VixDiskLibConnection connection = nullptr;
    if (VixDiskLib_Connect(nullptr, &connection) != VIX_OK)
        return fail("Connect");
    VixDiskLibHandle handle = nullptr;
    if (VixDiskLib_Open(connection, "missing.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY, &handle) !=
        VIX_E_FILE_NOT_FOUND)
        return fail("a missing disk");
    char *text = VixDiskLib_GetErrorText(VIX_E_FILE_NOT_FOUND, nullptr);
    if (text == nullptr || std::strstr(text, "missing.vmdk") == nullptr)
        return fail("the text names the file");
    VixDiskLib_FreeErrorText(text);
    VixDiskLib_Disconnect(connection);
    VixDiskLib_Exit();
    return 0;
}
