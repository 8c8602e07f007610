/*
 * stats_ask.c: asks a mount for its statistics.
 *
 * A user's mount lets in nobody else, not even root, unless it has allow_other: root asks by a
 * child that is that user.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command/stats.h"
#include "fuse/mountinfo.h"
#include "fuse/stats.h"

/* Fills buf[STATS_BYTES]. Bytes, or -errno. */
static ssize_t ask(const char *mountpoint, char *buf)
{
    ssize_t n = getxattr(mountpoint, STATS_XATTR, buf, STATS_BYTES);

    if (n >= 0 || errno != EOPNOTSUPP)
        return n >= 0 ? n : -errno;
    n = listxattr(mountpoint, buf, STATS_LIST_BYTES);
    if (n < 0)
        return -errno;
    return n > 0 && strncmp(buf, STATS_BEGIN, strlen(STATS_BEGIN)) == 0 ? n - 1 : -EOPNOTSUPP;
}

/* The child: its answer is the result, and as many bytes. */
static void answer_as(const struct mount_entry *m, const char *mountpoint, char *buf, int fd)
{
    ssize_t n = -EACCES;

    if (setgroups(0, NULL) == 0 && setresgid(m->gid, m->gid, m->gid) == 0 && setresuid(m->uid, m->uid, m->uid) == 0)
        n = ask(mountpoint, buf);
    bool told = write(fd, &n, sizeof n) == sizeof n && (n <= 0 || write(fd, buf, (size_t)n) == n);
    _exit(told ? 0 : 1);
}

static ssize_t read_all(int fd, void *buf, size_t size)
{
    size_t got = 0;
    ssize_t n;

    while (got < size && ((n = read(fd, (char *)buf + got, size - got)) > 0 || (n < 0 && errno == EINTR)))
        got += n > 0 ? (size_t)n : 0;
    return (ssize_t)got;
}

static ssize_t ask_as(const struct mount_entry *m, const char *mountpoint, char *buf)
{
    ssize_t n = -EIO;
    int fds[2];

    if (pipe(fds) < 0)
        return -errno;
    pid_t child = fork();
    if (child == 0)
        answer_as(m, mountpoint, buf, fds[1]);
    close(fds[1]);
    if (child < 0)
        n = -EAGAIN;
    else if (read_all(fds[0], &n, sizeof n) != sizeof n || (n > 0 && read_all(fds[0], buf, (size_t)n) != n))
        n = -EIO;
    close(fds[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return n;
}

/* Whether the path is a mount of 9pfs, as far as can be seen: *m is that, or zero. */
static bool is_mount(const char *real, const char *mountpoint, struct mount_entry *m, struct p9_why *why)
{
    *m = (struct mount_entry){.type = ""};
    if (!mount_lookup(real, m)) {
        if (access("/proc/self/mountinfo", R_OK) == 0)
            p9_set_why(why, 0, "%s is not a mount point", mountpoint);
        return access("/proc/self/mountinfo", R_OK) != 0;
    }
    if (strncmp(m->type, "fuse", 4) == 0)
        return true;
    p9_set_why(why, 0, "%s is a mount of type %s, not of 9pfs", mountpoint, m->type);
    return false;
}

static void explain(struct p9_why *why, const char *mountpoint, const struct mount_entry *m, int err)
{
    if (err == EACCES || err == EPERM)
        p9_set_why(why, 0, "%s: %s: the mount is another user's", mountpoint, strerror(err));
    else if (err != EOPNOTSUPP && err != ENODATA)
        p9_set_why(why, 0, "%s: %s", mountpoint, strerror(err));
    else if (strcmp(m->type, "fuse.9pfs") == 0)
        p9_set_why(why, 0, "%s is a mount of an older 9pfs, which has no statistics", mountpoint);
    else
        p9_set_why(why, 0, "%s is a mount of type %s, not of 9pfs", mountpoint, m->type);
}

char *stats_ask(const char *mountpoint, struct p9_why *why)
{
    struct mount_entry m;
    char *buf = calloc(1, STATS_BYTES + 1), *real = realpath(mountpoint, NULL);
    bool is = false;

    if (buf == NULL)
        p9_set_why(why, 0, "%s", strerror(ENOMEM));
    else if (real == NULL)
        p9_set_why(why, 0, "%s: %s", mountpoint, strerror(errno));
    else
        is = is_mount(real, mountpoint, &m, why);
    ssize_t n = is ? ask(real, buf) : 0;
    if (is && n == -EACCES && geteuid() == 0 && m.uid != 0)
        n = ask_as(&m, real, buf);
    if (is && n < 0)
        explain(why, mountpoint, &m, (int)-n);
    else if (is && (n == 0 || buf[n - 1] != '}'))
        p9_set_why(why, 0, "%s: the answer is not complete", mountpoint);
    else if (is) {
        free(real);
        buf[n] = 0;
        return buf;
    }
    free(real);
    free(buf);
    return NULL;
}
