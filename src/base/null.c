/*
 * null.c: /dev/null, which a container may lack.
 */
#include "base/null.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

int null_open(int flags)
{
    int fd = open("/dev/null", O_RDWR | flags);

    return fd < 0 && errno == ENOENT ? memfd_create("null", flags != 0 ? MFD_CLOEXEC : 0) : fd;
}
