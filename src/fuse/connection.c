/*
 * connection.c: whether the kernel has requests that no operation has begun for.
 *
 * The kernel counts the requests without an answer (the connection's file `waiting` in fusectl),
 * and this process those that have begun and have no answer. If the numbers are equal, all have
 * begun. fusectl may not be mounted: root can open an instance of it that is mounted nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef SYS_fsopen
#include <linux/mount.h>
#endif

#include "fuse/connection.h"
#include "fuse/mountinfo.h"

struct connection {
    int dir; /* the connection's directory in fusectl; -1: none */
};

/* The top directory of a fusectl that is mounted nowhere; -1 if it cannot be opened. */
static int own_fusectl(void)
{
    int top = -1;

#ifdef SYS_fsopen
    int fs = (int)syscall(SYS_fsopen, "fusectl", FSOPEN_CLOEXEC);
    if (fs < 0)
        return -1;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        top = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    close(fs);
#endif
    return top;
}

static int open_below(int top, unsigned minor)
{
    char name[16];

    snprintf(name, sizeof name, "%u", minor);
    return top >= 0 ? openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static int find_connection(const char *mountpoint)
{
    struct mount_entry m;
    unsigned minor;

    /* Of several mounts stacked on one mountpoint, any may be this one. */
    if (!mount_lookup(mountpoint, &m) || !m.alone || sscanf(m.device, "%*u:%u", &minor) != 1)
        return -1;
    int top = open("/sys/fs/fuse/connections", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int dir = open_below(top, minor);
    if (top >= 0)
        close(top);
    if (dir >= 0)
        return dir;
    top = own_fusectl();
    dir = open_below(top, minor);
    if (top >= 0)
        close(top);
    return dir;
}

void connection_find(struct fs *fs)
{
    struct connection *c = malloc(sizeof *c);

    if (c != NULL)
        c->dir = find_connection(fs->mountpoint);
    fs->connection = c;
}

void connection_free(struct fs *fs)
{
    if (fs->connection != NULL && fs->connection->dir >= 0)
        close(fs->connection->dir);
    free(fs->connection);
    fs->connection = NULL;
}

/* The kernel's number of requests without an answer; -1 if it is unknown. */
static long long unanswered(const struct fs *fs)
{
    const struct connection *c = fs->connection;
    char text[32];

    int fd = c != NULL && c->dir >= 0 ? openat(c->dir, "waiting", O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = 0;
    return atoll(text);
}

/* `begun` is read before the kernel's number, and `answered` after it: at worst the difference is
 * too small, and the result UNREAD_SOME. */
enum unread unread_requests(struct fs *fs)
{
    uint64_t begun = atomic_load(&fs->begun);
    long long waiting = unanswered(fs);
    uint64_t answered = atomic_load(&fs->answered);

    if (waiting < 0)
        return UNREAD_UNKNOWN;
    return answered <= begun && (uint64_t)waiting <= begun - answered ? UNREAD_NONE : UNREAD_SOME;
}

bool connection_exists(const struct fs *fs)
{
    return unanswered(fs) >= 0;
}

bool connection_gone(const struct fs *fs)
{
    return fs->connection != NULL && fs->connection->dir >= 0 && !connection_exists(fs);
}

void connection_abort(struct fs *fs)
{
    const struct connection *c = fs->connection;
    int fd = c != NULL && c->dir >= 0 ? openat(c->dir, "abort", O_WRONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    ssize_t n = write(fd, "1", 1);
    (void)n;
    close(fd);
}
