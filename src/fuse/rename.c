/*
 * rename.c: the callback that renames.
 *
 * The one request that changes the directory can be interrupted. Once it has succeeded, the
 * requests for the reply cannot: the change has happened.
 */
#include <errno.h>
#include <linux/fs.h> /* RENAME_NOREPLACE */

#include "fuse/callbacks.h"
#include "fuse/enter.h"
#include "fuse/file.h"
#include "fuse/silly_rename.h"

static int settle_name(struct op *op, struct inode *dir, const char *name)
{
    struct p9_qid qid;

    return cache_qid(op->fs->cache, dir, name, &qid) ? writebehind_settle(op->fs->writebehind, &op->scope, &qid) : 0;
}

/* The old or new name of a rename. */
struct rename_end {
    struct inode *dir;
    struct p9_fid *fid;
    const char *name;
};

static int rename_over(struct op *op, const struct rename_end *from, const struct rename_end *to)
{
    unsigned removed = cache_removed(op->fs->cache, to->dir, to->name);
    int rc = hide_if_open(op, to->dir, to->fid, to->name, true);

    do
        rc = rc == 0 ? rename_told(op, from->dir, from->fid, from->name, to->dir, to->fid, to->name) : rc;
    while (rc == -ENOTEMPTY && (rc = raise_hidden(op, to->dir, to->fid, to->name, &removed)) == 0);
    return rc;
}

/* Whether a new link to a symlink is to the symlink itself, not to its target. */
static bool is_linked(const struct p9_fid *file, const struct rename_end *to)
{
    struct p9_fid *made;

    if (!(file->qid.type & P9_QTSYMLINK))
        return true;
    if (p9_walk(NULL, to->fid, 1, &to->name, &made) != 0)
        return false;
    bool same = qid_same_file(&made->qid, &file->qid);
    p9_fid_put(made);
    return same;
}

/* Renames by a hard link, which fails if the new name exists, and the removal of the old name.
 * -EOPNOTSUPP: not possible here. */
static int rename_by_link(struct op *op, const struct rename_end *from, const struct rename_end *to)
{
    struct p9_fid *file;
    int rc = p9_walk(&op->scope, from->fid, 1, &from->name, &file);

    if (rc != 0)
        return rc;
    rc = file->qid.type & P9_QTDIR ? -EOPNOTSUPP : p9_link(&op->scope, to->fid, file, to->name);
    if (rc == 0) {
        rc = is_linked(file, to) ? p9_unlink(NULL, from->fid, from->name, false) : -EOPNOTSUPP;
        if (rc != 0)
            p9_unlink(NULL, to->fid, to->name, false);
    }
    p9_fid_put(file);
    return rc == -ENOSYS || rc == -EPERM || rc == -EMLINK ? -EOPNOTSUPP : rc;
}

/* RENAME_NOREPLACE. Without hard links there is a race: the rename replaces a file that is created
 * under the new name between the check and the rename. */
static int rename_new(struct op *op, const struct rename_end *from, const struct rename_end *to)
{
    struct cache *cache = op->fs->cache;
    struct p9_fid *there;

    cache_rename_begin(cache);
    int rc = rename_by_link(op, from, to);
    cache_rename_end(cache, rc == 0, from->dir, from->name, to->dir, to->name);
    if (rc != -EOPNOTSUPP)
        return rc;
    rc = p9_walk(&op->scope, to->fid, 1, &to->name, &there);
    if (rc == 0)
        p9_fid_put(there);
    if (rc != -ENOENT)
        return rc == 0 ? -EEXIST : rc;
    return rename_told(op, from->dir, from->fid, from->name, to->dir, to->fid, to->name);
}

void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
               unsigned flags)
{
    struct op op;

    op_begin(&op, req);
    struct inode *olddir = inode_of(op.fs, parent), *newdir = inode_of(op.fs, newparent);
    struct use from = op_use(&op, olddir), to = op_use(&op, newdir);
    int rc = flags & ~(unsigned)RENAME_NOREPLACE ? -EINVAL : check_name(newname);
    if (rc == 0)
        rc = settle_name(&op, olddir, name);
    if (rc != 0) {
        op_reply_err(&op, rc);
        return;
    }
    bool again;
    from.in_dir = to.in_dir = true;
    do {
        rc = use_begin(&op.scope, &from);
        if (rc == 0)
            rc = use_begin(&op.scope, &to);
        close_idle(&op, olddir, name);
        close_idle(&op, newdir, newname);
        if (rc == 0) {
            const struct rename_end p = {olddir, from.fid, name}, q = {newdir, to.fid, newname};
            rc = flags & RENAME_NOREPLACE ? rename_new(&op, &p, &q) : rename_over(&op, &p, &q);
        }
        again = use_again(&from, rc);
        again = use_again(&to, rc) || again;
    } while (again);
    cache_name_changed(op.fs->cache, olddir, name);
    cache_name_changed(op.fs->cache, newdir, newname);
    op_reply_err(&op, rc);
}
