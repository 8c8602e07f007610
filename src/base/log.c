/*
 * log.c: lines to stderr until the program goes to the background, then to syslog.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

#include "base/text.h"

static atomic_bool use_syslog;

static void log_line(int priority, const char *fmt, va_list ap)
{
    char text[1024], line[4 * sizeof text]; /* a byte becomes at most four */

    vsnprintf(text, sizeof text, fmt, ap);
    text_escape(line, sizeof line, text);
    if (atomic_load(&use_syslog))
        syslog(priority, "%s", line);
    else
        fprintf(stderr, "9pfs: %s\n", line);
}

void log_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line(LOG_ERR, fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line(LOG_INFO, fmt, ap);
    va_end(ap);
}

void log_to_syslog(void)
{
    openlog("9pfs", LOG_PID, LOG_DAEMON);
    atomic_store(&use_syslog, true);
}
