/* Callbacks of the library on their way to Go.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "shim.h"

#include <stdio.h>

#include "_cgo_export.h"

/* Who hears what is logged on this thread, besides the loggers of Go. */
static __thread uintptr_t listener;

static void forward(int level, const char *format, va_list arguments)
{
    char message[4096];
    if (vsnprintf(message, sizeof message, format, arguments) >= 0)
        goLog(listener, level, message);
}

static void log_info(const char *format, va_list arguments)
{
    forward(0, format, arguments);
}

static void log_warning(const char *format, va_list arguments)
{
    forward(1, format, arguments);
}

static void log_panic(const char *format, va_list arguments)
{
    forward(2, format, arguments);
}

VixError shim_init(uint32_t major, uint32_t minor, const char *folder, const char *config)
{
    return VixDiskLib_InitEx(major, minor, log_info, log_warning, log_panic, folder, config);
}

VixError shim_check_repair(uintptr_t connection, const char *path, int repair, uintptr_t heard)
{
    listener = heard;
    VixError error = VixDiskLib_CheckRepair((VixDiskLibConnection)connection, path, (Bool)repair);
    listener = 0;
    return error;
}

Bool shim_progress(void *data, int percent)
{
    return (Bool)goProgress((uintptr_t)data, percent);
}

void shim_completed(void *data, VixError result)
{
    /* Here and now, for the library keeps the details for this thread only. */
    char *text = result != VIX_OK ? VixDiskLib_GetErrorText(result, NULL) : NULL;
    goCompleted((uintptr_t)data, result, text);
    VixDiskLib_FreeErrorText(text);
}
