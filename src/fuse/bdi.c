/*
 * bdi.c: the kernel's read-ahead on the mount. The kernel limits it to 128 KiB on FUSE, which at a
 * round trip of 10 ms is 12 MB/s. Root may raise it for the mount's device.
 */
#include "fuse/bdi.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fuse/mountinfo.h"

void bdi_set_readahead(const char *mountpoint, unsigned kib)
{
    struct mount_entry m;
    char path[80], text[16];

    if (kib == 0 || !mount_lookup(mountpoint, &m))
        return;
    snprintf(path, sizeof path, "/sys/class/bdi/%s/read_ahead_kb", m.device);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, text, (size_t)snprintf(text, sizeof text, "%u", kib));
    (void)n; /* on failure the kernel's value stays */
    close(fd);
}
