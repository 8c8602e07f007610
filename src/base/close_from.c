/*
 * close_from.c: closing what a process has inherited, also where the C library has no closefrom(3).
 */
#include "config.h"

#include "base/close_from.h"

#include <sys/syscall.h>
#include <unistd.h>

void close_from(int first)
{
#if HAVE_CLOSEFROM
    closefrom(first);
#else
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
#endif
    for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
        close((int)fd);
#endif
}
