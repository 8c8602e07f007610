/*
 * operations.c: calls the operations of the dialect, and adds what all dialects have in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/dialect.h"

int p9_open(struct p9_scope *sc, struct p9_fid *fid, int flags)
{
    return fid->client->ops->open(sc, fid, flags);
}

bool p9_opens_checked(const struct p9_client *c, size_t n)
{
    return c->ops->open_checked != NULL && n > 0 && n <= P9_MAXWELEM;
}

int p9_open_checked(struct p9_scope *sc, struct p9_opening *o)
{
    return o->fid->client->ops->open_checked(sc, o);
}

void p9_find_many(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                  struct p9_found *found)
{
    c->ops->find_many(sc, c, n, xattrs, found);
}

int p9_create(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    return fid->client->ops->create(sc, fid, name, flags, mode, gid);
}

int p9_make_file(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made)
{
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 0, NULL, &fid);

    if (rc != 0)
        return rc;
    rc = p9_create(sc, fid, name, O_WRONLY | O_EXCL, mode, gid);
    *made = fid->qid;
    p9_fid_put(fid);
    return rc;
}

void p9_hidden_name(char *name)
{
    static atomic_ulong serial;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, P9_HIDDEN_BYTES, ".9pfs%08lx%06lx%08lx", (unsigned long)now.tv_sec,
             (unsigned long)(now.tv_nsec >> 8), (unsigned long)getpid() << 12 ^ atomic_fetch_add(&serial, 1));
}

int p9_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr)
{
    return fid->client->ops->getattr(sc, fid, attr);
}

int p9_getattr_too(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                   struct p9_xattrs_too *too)
{
    const struct p9_dialect_ops *ops = fid->client->ops;

    memset(too->lacks, 0, sizeof too->lacks);
    return ops->getattr_too != NULL ? ops->getattr_too(sc, fid, attr, unopened, too) : ops->getattr(sc, fid, attr);
}

int p9_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set)
{
    return fid->client->ops->setattr(sc, fid, set, NULL);
}

int p9_setattr_seen(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen)
{
    seen->nlink = 0;
    return fid->client->ops->setattr(sc, fid, set, seen);
}

int p9_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made)
{
    return dir->client->ops->mkdir(sc, dir, name, mode, gid, made);
}

int p9_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
             struct p9_qid *made)
{
    return dir->client->ops->mknod(sc, dir, name, mode, dev, gid, made);
}

int p9_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
               struct p9_qid *made)
{
    return dir->client->ops->symlink(sc, dir, name, target, gid, made);
}

int p9_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name)
{
    return dir->client->ops->link(sc, dir, fid, name);
}

int p9_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n)
{
    return fid->client->ops->readlink(sc, fid, buf, n);
}

int p9_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    int rc = dir->client->ops->unlink(sc, dir, name, is_dir);

    return is_dir && rc == -EEXIST ? -ENOTEMPTY : rc; /* from hugelgupf/p9 */
}

/* Tremove removes files and empty directories alike, so the type is checked first. */
int p9_remove_by_fid(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 1, &name, &fid);

    if (rc != 0)
        return rc;
    if (is_dir != !!(fid->qid.type & P9_QTDIR)) {
        p9_fid_put(fid);
        return is_dir ? -ENOTDIR : -EISDIR;
    }
    return p9_remove(sc, fid);
}

int p9_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
              const char *newname)
{
    return olddir->client->ops->rename(sc, olddir, oldname, newdir, newname);
}

int p9_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n, uint32_t *got)
{
    return fid->client->ops->readdir(sc, fid, offset, buf, n, got);
}

int p9_statfs(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st)
{
    return fid->client->ops->statfs(sc, fid, st);
}

int p9_fsync(struct p9_scope *sc, struct p9_fid *fid, bool datasync)
{
    return fid->client->ops->fsync(sc, fid, datasync);
}

bool p9_may_lock(const struct p9_client *c)
{
    return c->ops->lock_start != NULL;
}

void p9_lock_start(struct p9_locking *l)
{
    l->fid->client->ops->lock_start(l);
}

ssize_t p9_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                    struct p9_xattrs_too *too)
{
    return fid->client->noxattr ? -EOPNOTSUPP : fid->client->ops->getxattr(sc, fid, name, buf, n, too);
}

int p9_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags)
{
    return fid->client->noxattr ? -EOPNOTSUPP : fid->client->ops->setxattr(sc, fid, name, value, n, flags);
}

int p9_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name)
{
    return fid->client->noxattr ? -EOPNOTSUPP : fid->client->ops->removexattr(sc, fid, name);
}

int p9_whole_entries(struct p9_client *c, const struct p9_req *req, uint32_t *got)
{
    const struct p9_blob *data = &req->rx.Rread.count; /* as Rreaddir's */
    struct p9_dirent de;
    struct p9_attr attr;
    size_t used = 1;

    *got = req->cut ? 0 : data->n;
    while (req->cut && used > 0) {
        used = c->ops->next_dirent(c, data->p + *got, data->n - *got, *got, &de, &attr);
        *got += (uint32_t)used;
    }
    return *got == 0 && req->cut ? -EPROTO : 0;
}

static bool name_is_valid(const struct p9_str *name)
{
    return name->len > 0 && name->len <= P9_MAXNAME && memchr(name->s, '/', name->len) == NULL;
}

size_t p9_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                      struct p9_attr *attr)
{
    size_t used = c->ops->next_dirent(c, buf, n, at, de, attr);

    if (used != 0 && !name_is_valid(&de->name))
        de->name.len = 0;
    return used;
}
