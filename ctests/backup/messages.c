/* What the program says, and how far it has come.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include "backup.h"

/* ---- Messages ----------------------------------------------------------------------------------- */

bool verbose;
static bool line_open; /* a progress line without its newline is on the terminal */

void clear_line(void)
{
    if (line_open) {
        fputs("\r\033[K", stderr);
        line_open = false;
    }
}

/* Prints what went wrong. Always false, so that callers can pass it on. */
bool failure(const char *format, ...)
{
    va_list arguments;

    clear_line();
    fputs("backup: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

/* The same for a call of the library. The text is asked for first: the library knows the cause of the last
 * failure of this thread, and forgets it with the next one. */
bool vix_failure(VixError error, const char *format, ...)
{
    char *text = VixDiskLib_GetErrorText(error, NULL);
    va_list arguments;

    clear_line();
    fputs("backup: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": %s (error %" PRIu64 ")\n", text != NULL ? text : "no text", VIX_ERROR_CODE(error));
    VixDiskLib_FreeErrorText(text);
    return false;
}

bool out_of_memory(void)
{
    return failure("out of memory");
}

/* The library logs through these, from any thread. Failures of our own calls, its warnings, we report too. */
void on_log(const char *format, va_list arguments)
{
    if (verbose)
        vfprintf(stderr, format, arguments);
}

void on_panic(const char *format, va_list arguments)
{
    vfprintf(stderr, format, arguments);
}

static volatile sig_atomic_t signalled;

void on_signal(int number)
{
    signalled = number;
}

/* Asked once per chunk, so that an interrupted action still cleans up behind itself. */
bool interrupted(void)
{
    if (signalled)
        failure("interrupted");
    return signalled != 0;
}

/* ---- Progress and the summary at the end -------------------------------------------------------- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double megabytes(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

void work_begin(struct work *work, const char *action, uint64_t total)
{
    memset(work, 0, sizeof *work);
    work->action = action;
    work->total = total;
    work->began = work->shown = now();
    work->terminal = isatty(STDERR_FILENO) && getenv("TERM") != NULL;
}

/* One line that is redrawn on a terminal; elsewhere a line each 10 %, and none when it is over at once. */
void work_advance(struct work *work, uint64_t amount)
{
    double time = now();
    int percent;

    work->done += amount;
    percent = work->total == 0 ? 100 : (int)(100.0 * (double)work->done / (double)work->total);
    if (time - work->shown < 0.1 || percent < work->percent + (work->terminal ? 1 : 10))
        return;
    work->shown = time;
    work->percent = work->terminal ? percent : percent - percent % 10;
    if (work->terminal)
        fputs("\r", stderr);
    fprintf(stderr, "%-12s %3d %%", work->action, percent);
    if (work->read > 0)
        fprintf(stderr, "  read %.1f MB, %.0f MB/s", megabytes(work->read),
                megabytes(work->read) / (time - work->began));
    fputs(work->terminal ? "\033[K" : "\n", stderr);
    line_open = work->terminal;
}

void work_summary(const struct work *work)
{
    double seconds = now() - work->began;

    clear_line();
    printf("%-12s read %.1f MB, skipped %.1f MB, wrote %.1f MB; %.2f s, %.0f MB/s\n", work->action,
           megabytes(work->read), megabytes(work->skipped), megabytes(work->written), seconds,
           seconds > 0 ? megabytes(work->read) / seconds : 0.0);
    fflush(stdout);
}
