/*
 * trace.c: lines of the 9P trace, each with its time.
 */
#include "base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { LINE = 1280 };

static int out = STDERR_FILENO; /* set before other threads start */
static bool to_log;
static atomic_bool failed; /* a write did */
static atomic_bool torn;   /* the last line was not written whole */

int trace_to_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0)
        return -errno;
    out = fd;
    to_log = false;
    return 0;
}

void trace_to_log(void)
{
    to_log = out == STDERR_FILENO;
}

/* "2026-01-31 23:59:59.123456 " */
static size_t put_time(char *buf, size_t size)
{
    struct timespec ts;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    localtime_r(&ts.tv_sec, &tm);
    size_t n = strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm);
    return n + (size_t)snprintf(buf + n, size - n, ".%06ld ", ts.tv_nsec / 1000);
}

/* What is lost, on a full disk, is lost: the mount goes on. */
static void write_whole(const char *line, size_t n)
{
    ssize_t r = write(out, line, n);
    int err = r < 0 ? errno : ENOSPC;

    if (r == (ssize_t)n)
        return;
    if (r > 0 || line[0] == '\n')
        atomic_store(&torn, true);
    if (!atomic_exchange(&failed, true))
        log_warning("cannot write the trace, some of which is missing: %s", strerror(err));
}

void trace_line(const char *line)
{
    char buf[LINE];
    size_t n = 0;

    if (!to_log && atomic_load(&torn) && atomic_exchange(&torn, false))
        buf[n++] = '\n';
    n += put_time(buf + n, sizeof buf - n);
    n += (size_t)snprintf(buf + n, sizeof buf - n, "%s", line);
    if (n > sizeof buf - 2)
        n = sizeof buf - 2;
    if (to_log) {
        log_trace(buf);
        return;
    }
    buf[n++] = '\n';
    write_whole(buf, n);
}
