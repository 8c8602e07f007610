/*
 * twin_call.c: the system calls that twin.c compares.
 */
#include "mount/twin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void list(int at, const char *name, char *out, size_t n)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    char seen[26] = "";

    snprintf(out, n, "errno %d", errno);
    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[1] == 0 && e->d_name[0] >= 'a' && e->d_name[0] <= 'z')
            seen[e->d_name[0] - 'a'] = (char)(e->d_type == DT_UNKNOWN ? '?' : 'A' + e->d_type);
    closedir(d);
    for (size_t i = 0; i < sizeof seen && 2 * i + 2 < n; i++) {
        out[2 * i] = seen[i] ? (char)('a' + i) : '-';
        out[2 * i + 1] = seen[i] ? seen[i] : '-';
        out[2 * i + 2] = 0;
    }
}

static long opened(struct step *s, int fd)
{
    s->fd = fd;
    return fd >= 0 ? 0 : -1;
}

static long do_write(const struct step *s, int at, int fd)
{
    char data[CHUNK];

    (void)at;
    memset(data, 'a' + (int)(s->offset % 26), s->length);
    if (s->flags & 1)
        return write(fd, data, s->length);
    return pwrite(fd, data, s->length, s->offset);
}

static long do_times(struct step *s, int at, int fd)
{
    static const long choices[] = {0, UTIME_NOW, UTIME_OMIT, 123456789};
    struct timespec ts[2] = {{s->offset, choices[s->flags % 4]}, {s->offset, choices[s->flags / 4 % 4]}};

    if (lacks("touch") && (s->flags % 4 == 1 || s->flags / 4 % 4 == 1 || (s->flags & 16)))
        return 0;
    if (lacks("symlink-times") && (s->kind != 0 || fd < 0) && readlinkat(at, s->name, s->data, 1) >= 0)
        return 0;
    if (s->kind == 0 && fd >= 0)
        return futimens(fd, ts);
    return utimensat(at, s->name, s->flags & 16 ? NULL : ts, AT_SYMLINK_NOFOLLOW);
}

static const int open_flags[] = {
    0, O_TRUNC, O_APPEND, O_EXCL | O_CREAT, O_CREAT, O_CREAT | O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_CREAT | O_APPEND};

long run(struct step *s, int at, int fd)
{
    switch (s->kind) {
    case 0:
    case 1:
        return do_times(s, at, fd);
    case 2:
        return mkdirat(at, s->name, s->mode);
    case 3:
        return unlinkat(at, s->name, 0);
    case 4:
        return unlinkat(at, s->name, AT_REMOVEDIR);
    case 5:
    case 6:
        return renameat(at, s->name, at, s->other);
    case 7:
        return linkat(at, s->name, at, s->other, 0);
    case 8:
        return symlinkat(s->other, at, s->name);
    case 9:
        return mknodat(at, s->name,
                       (s->flags & 1                        ? S_IFIFO
                        : s->flags & 2 && !lacks("devices") ? S_IFCHR
                        : s->flags & 4                      ? S_IFSOCK
                                                            : S_IFREG) |
                           s->mode,
                       s->flags & 2 && !lacks("devices") ? makedev(30, 200) : 0);
    case 10:
        return fchmodat(at, s->name, s->mode, 0);
    case 11:
        return fchownat(at, s->name, s->uid, s->gid, AT_SYMLINK_NOFOLLOW);
    case 12:
        return faccessat(at, s->name, (int)s->flags & 7, AT_EACCESS);
    case 13:
        return readlinkat(at, s->name, s->data, sizeof s->data);
    case 14:
        list(at, s->name, s->data, sizeof s->data);
        return 0;
    case 15:
    case 16:
    case 17:
    case 18:
        return opened(s, openat(at, s->name, (int)(s->flags % 3) | open_flags[s->length % 9] | O_NONBLOCK, s->mode));
    case 19:
    case 20:
        return do_write(s, at, fd);
    case 21:
        return pread(fd, s->data, s->length, s->offset);
    case 22:
        return read(fd, s->data, s->length);
    case 23:
        return ftruncate(fd, s->offset);
    case 24:
        return fchmod(fd, s->mode);
    case 25:
        return fchown(fd, s->uid, s->gid);
    case 26:
        return lseek(fd, s->offset, SEEK_SET);
    case 27:
        return fsync(fd) == 0 ? 0 : errno == EINVAL ? 0 : -1; /* fifos, directories */
    default:
        return 0;
    }
}

const char *const kind_names[KINDS] = {
    "futimens", "utimens", "mkdir",  "unlink",    "rmdir",  "rename", "rename", "link",  "symlink", "mknod",
    "chmod",    "chown",   "access", "readlink",  "list",   "open",   "open",   "open",  "open",    "write",
    "pwrite",   "pread",   "read",   "ftruncate", "fchmod", "fchown", "lseek",  "fsync",
};
