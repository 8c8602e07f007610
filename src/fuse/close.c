/*
 * close.c: errors of Tclunk that close(2) should return.
 *
 * A synthetic file may carry out what was written to it only at the clunk, and fail then. The
 * kernel sends two requests: FLUSH at each close of a descriptor, whose result the program gets,
 * and RELEASE after the last close, whose result no program gets. So if such a file was written,
 * FLUSH checks whether any process still has a descriptor of it; if none has, FLUSH clunks it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuse/file.h"
#include "fuse/inode_attr.h"

static bool ends_in(const char *path, size_t n, const char *name)
{
    size_t len = strlen(name);

    return n > len && path[n - len - 1] == '/' && memcmp(path + n - len, name, len) == 0;
}

/* /proc gives the inode of a descriptor without a request to the file system, which is this
 * process. */
static bool is_of_inode(int process, const char *fd, uint64_t ino)
{
    char path[32 + NAME_MAX], line[128];
    unsigned long long has = 0;
    bool known = false;

    snprintf(path, sizeof path, "fdinfo/%s", fd);
    int info = openat(process, path, O_RDONLY | O_CLOEXEC);
    FILE *f = info >= 0 ? fdopen(info, "r") : NULL;
    if (f == NULL) {
        if (info >= 0)
            close(info);
        return false;
    }
    while (!known && fgets(line, sizeof line, f) != NULL)
        known = sscanf(line, "ino: %llu", &has) == 1;
    fclose(f);
    return !known || has == ino;
}

static bool process_has(int proc, const char *pid, const char *name, uint64_t ino)
{
    int process = openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fds = process >= 0 ? openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *d = fds >= 0 ? fdopendir(fds) : NULL;
    bool has = false;

    for (struct dirent *e; d != NULL && !has && (e = readdir(d)) != NULL;) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(fds, e->d_name, target, sizeof target);
        has = n > 0 && ends_in(target, (size_t)n, name) && is_of_inode(process, e->d_name, ino);
    }
    if (d != NULL)
        closedir(d);
    else if (fds >= 0)
        close(fds);
    if (process >= 0)
        close(process);
    return has;
}

/* Whether any process has a descriptor of the file; true if that is unknown. */
static bool is_still_open(const char *name, uint64_t ino)
{
    DIR *d = opendir("/proc");
    bool has = false;

    if (d == NULL)
        return true;
    for (struct dirent *e; !has && (e = readdir(d)) != NULL;)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
            has = process_has(dirfd(d), e->d_name, name, ino);
    closedir(d);
    return has;
}

int close_written(struct op *op, struct file *f)
{
    struct cache *cache = op->fs->cache;
    char name[P9_MAXNAME + 1];

    if (!f->direct || !atomic_load(&f->wrote) || f->handle.fid == NULL || !p9_may_be_synthetic(op->fs->client))
        return 0;
    if (!cache_name(cache, f->handle.inode, name) ||
        is_still_open(name, inode_number(f->handle.inode->space, &f->handle.inode->qid)))
        return 0;
    struct p9_fid *fid = cache_detach_handle(cache, &f->handle);
    if (atomic_load(&fid->refs) == 1)
        return p9_fid_clunk(&op->scope, fid);
    p9_fid_put(fid); /* another operation uses the fid: its last put clunks it */
    return 0;
}
