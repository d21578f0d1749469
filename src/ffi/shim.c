/* Calls a client's log callback, whose second parameter is a va_list.
 *
 * A va_list can only be made by a variadic C function, and its shape differs between architectures; this is
 * the smallest one that is right on all of them. The message is handed over as the format itself, with every
 * '%' already doubled, and the list is empty: clients that ignore the list or hand it on wrongly still print
 * the right text. */
#include <stdarg.h>

typedef void log_function(const char *format, va_list arguments);

__attribute__((visibility("hidden"))) void vixen_call_log(log_function *callback, const char *format, ...);

void vixen_call_log(log_function *callback, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    callback(format, arguments);
    va_end(arguments);
}
