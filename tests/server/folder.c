/*
 * folder.c: the exported folder. A fid is an O_PATH descriptor, which follows its file when the
 * name changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "server/server.h"

void become(uid_t uid, gid_t gid)
{
    setfsgid(gid);
    setfsuid(uid);
}

const char *cstr(struct p9_str s)
{
    static _Thread_local char bufs[3][65536];
    static _Thread_local unsigned next;
    char *buf = bufs[next++ % 3];

    memcpy(buf, s.len > 0 ? s.s : "", s.len);
    buf[s.len] = 0;
    return buf;
}

const char *proc_path(const struct sfid *f)
{
    static _Thread_local char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", f->path);
    return path;
}

int current_path(const struct sfid *f, char *path, size_t n)
{
    ssize_t got = readlink(proc_path(f), path, n - 1);

    if (got < 0)
        return errno;
    path[got] = 0;
    return 0;
}

void qid_of(const struct stat *st, struct p9_qid *q)
{
    *q = (struct p9_qid){.path = st->st_ino, .version = (uint32_t)(st->st_mtim.tv_sec ^ st->st_mtim.tv_nsec)};
    q->type = S_ISDIR(st->st_mode) ? P9_QTDIR : S_ISLNK(st->st_mode) ? P9_QTSYMLINK : 0;
}

static int set_path(struct sfid *f, int fd, struct p9_qid *q)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return errno;
    if (f->path >= 0)
        close(f->path);
    f->path = fd;
    qid_of(&st, q);
    return 0;
}

int folder_attach(struct conn *c, struct sfid *f, struct p9_qid *q)
{
    return set_path(f, open(c->set->folder, O_PATH | O_DIRECTORY | O_CLOEXEC), q);
}

int folder_walk(struct conn *c, struct sfid *from, struct p9_str name, struct sfid *to, struct p9_qid *q)
{
    struct stat st;

    if (fstat(from->path, &st) == 0 && !S_ISDIR(st.st_mode))
        return ENOTDIR;
    become(from->uid, from->uid);
    int fd = openat(from->path, cstr(name), O_PATH | O_NOFOLLOW | O_CLOEXEC), err = errno;
    become(0, 0);
    errno = err;
    (void)c;
    return set_path(to, fd, q);
}

int folder_open(struct sfid *f, int flags)
{
    if (f->open)
        return EBADF;
    int fd = open(proc_path(f), flags | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno;
    struct stat st;
    fstat(fd, &st);
    if (S_ISDIR(st.st_mode))
        f->dir = fdopendir(fd);
    else
        f->file = fd;
    f->open = true;
    return 0;
}

int folder_remove(struct sfid *f)
{
    char path[8192];
    struct stat st;
    int err = current_path(f, path, sizeof path);

    if (err != 0 || fstat(f->path, &st) != 0)
        return err != 0 ? err : errno;
    become(f->uid, f->uid);
    return (S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) == 0 ? 0 : errno;
}

int folder_read(struct sfid *f, uint64_t offset, uint32_t count, uint8_t *data, uint32_t *got)
{
    if (f->value != NULL) {
        *got = offset >= f->size ? 0 : f->size - offset < count ? (uint32_t)(f->size - offset) : count;
        memcpy(data, f->value + (offset < f->size ? offset : 0), *got);
        return 0;
    }
    ssize_t n = pread(f->file, data, count, (off_t)offset);
    *got = n > 0 ? (uint32_t)n : 0;
    return n < 0 ? errno : 0;
}

int folder_write(struct sfid *f, uint64_t offset, const uint8_t *data, uint32_t count, uint32_t *put)
{
    if (f->xattr != NULL) {
        if (offset != f->filled || count > f->size - f->filled)
            return EINVAL;
        memcpy(f->value + offset, data, count);
        f->filled += count;
        *put = count;
        return 0;
    }
    become(f->uid, f->uid);
    ssize_t n = pwrite(f->file, data, count, (off_t)offset);
    *put = n > 0 ? (uint32_t)n : 0;
    return n < 0 ? errno : 0;
}
