/*
 * quiet.c: what the library logs is formatted, and not shown: a hostile server has much to tell.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static void format(const char *fmt, va_list ap)
{
    char text[1024];

    vsnprintf(text, sizeof text, fmt, ap);
}

void log_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    format(fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    format(fmt, ap);
    va_end(ap);
}

void log_to_syslog(void)
{
}
