/*
 * why.c: the reason of a failure, for the user.
 */
#include <stdarg.h>
#include <stdio.h>

#include "9p/transport.h"

int p9_set_why(struct p9_why *why, int result, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return result;
}
