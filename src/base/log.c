/*
 * log.c: lines to stderr until the program goes to the background, then to syslog.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/text.h"

static atomic_bool use_syslog;
static atomic_int most = LOG_INFO;

static void write_line(int level, const char *line)
{
    if (atomic_load(&use_syslog))
        syslog(level, "%s", line);
    else
        fprintf(stderr, "9pfs: %s\n", line);
}

static void log_line(int level, const char *fmt, va_list ap)
{
    char text[1024], line[4 * sizeof text]; /* a byte becomes at most four */

    if (level > atomic_load(&most))
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    text_escape(line, sizeof line, text);
    write_line(level, line);
}

#define DEFINE_LEVEL(name, level)                                                                                      \
    void log_##name(const char *fmt, ...)                                                                              \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
                                                                                                                       \
        va_start(ap, fmt);                                                                                             \
        log_line(level, fmt, ap);                                                                                      \
        va_end(ap);                                                                                                    \
    }

DEFINE_LEVEL(error, LOG_ERR)
DEFINE_LEVEL(warning, LOG_WARNING)
DEFINE_LEVEL(notice, LOG_NOTICE)
DEFINE_LEVEL(info, LOG_INFO)
DEFINE_LEVEL(debug, LOG_DEBUG)

int log_level_named(const char *name)
{
    static const char *const names[] = {
        [LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
    };

    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (names[i] != NULL && strcmp(names[i], name) == 0)
            return i;
    return -1;
}

void log_set_level(int level)
{
    atomic_store(&most, level);
}

void log_to_syslog(void)
{
    openlog("9pfs", LOG_PID, LOG_DAEMON);
    atomic_store(&use_syslog, true);
}

void log_trace(const char *line)
{
    write_line(LOG_DEBUG, line);
}
