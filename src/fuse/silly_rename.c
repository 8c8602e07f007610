/*
 * silly_rename.c: silly rename, for files that are unlinked while they are open.
 *
 * POSIX preserves such a file until its last close. A server that resolves a fid by path for all
 * operations but reading and writing (diod 1.0.24, lib9p) cannot stat or truncate it any more.
 * There the file gets a hidden name before its last name is removed, as with NFS clients; the last
 * close removes the hidden name. A file made for the purpose shows once which kind the server is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse/silly_rename.h"
#include "fuse/user.h"

/* Makes, opens and unlinks a file in dir. 1 if the server still returns its attributes, -1 if not,
 * 0 if the attempt failed. */
static int try_unlinked(struct p9_fid *dir)
{
    char name[P9_HIDDEN_BYTES];
    struct p9_fid *fid;
    struct p9_attr before, after;
    int result = 0;

    p9_hidden_name(name);
    if (p9_walk(NULL, dir, 0, NULL, &fid) != 0)
        return 0;
    if (p9_create(NULL, fid, name, O_RDWR | O_EXCL, 0600, getgid()) == 0) {
        bool there = p9_getattr(NULL, fid, &before) == 0;
        bool gone = p9_unlink(NULL, dir, name, false) == 0;
        if (there && gone)
            result = p9_getattr(NULL, fid, &after) == 0 && qid_same_file(&before.qid, &after.qid) ? 1 : -1;
    }
    p9_fid_put(fid);
    return result;
}

static int keeps_unlinked(struct fs *fs, struct p9_fid *dir)
{
    int known = atomic_load(&fs->keeps_unlinked);

    if (known == 0) {
        known = p9_fids_follow(fs->client) ? 1 : try_unlinked(dir);
        atomic_store(&fs->keeps_unlinked, known);
    }
    return known;
}

int remove_by_own_fid(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool is_dir)
{
    struct fs *fs = op->fs;

    if (!p9_removes_by_fid(fs->client) || keeps_unlinked(fs, dirfid) >= 0)
        return -EAGAIN;
    struct p9_fid *fid = cache_take_named(fs->cache, dir, name, op_user(op), is_dir);
    return fid != NULL ? p9_remove(&op->scope, fid) : -EAGAIN;
}

int hide_if_open(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool replaced)
{
    struct cache *cache = op->fs->cache;
    char hidden[P9_HIDDEN_BYTES];
    struct inode *inode = cache_only_name_of_open(cache, dir, name);
    int rc = -EOPNOTSUPP;

    if (inode == NULL)
        return 0;
    if (keeps_unlinked(op->fs, dirfid) > 0) { /* open fids stay valid, but cannot be walked from */
        cache_want_fid(cache, inode, op_user(op), dirfid, name, cache_renames(cache));
        return 0;
    }
    p9_hidden_name(hidden);
    if (replaced) { /* the name must exist at all times: the file gets a second one */
        struct use u = op_use(op, inode);
        do {
            rc = use_begin(&op->scope, &u);
            if (rc == 0)
                rc = p9_link(&op->scope, dirfid, u.fid, hidden);
        } while (use_again(&u, rc));
        if (rc == 0 && !cache_hide(cache, inode, dir, hidden, true))
            p9_unlink(NULL, dirfid, hidden, false);
    }
    if (rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EPERM) {
        rc = rename_told(op, dir, dirfid, name, dir, dirfid, hidden);
        if (rc == 0 && !cache_hide(cache, inode, dir, hidden, false)) {
            p9_unlink(NULL, dirfid, hidden, false);
            cache_unlink(cache, dir, hidden);
        }
    }
    return rc == 0 && !replaced ? 1 : rc;
}

int rename_told(struct op *op, struct inode *olddir, struct p9_fid *oldfid, const char *oldname, struct inode *newdir,
                struct p9_fid *newfid, const char *newname)
{
    struct cache *cache = op->fs->cache;

    cache_rename_begin(cache);
    int rc = p9_rename(&op->scope, oldfid, oldname, newfid, newname);
    cache_rename_end(cache, rc == 0, olddir, oldname, newdir, newname);
    return rc;
}

int raise_hidden(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, unsigned *removed)
{
    struct cache *cache = op->fs->cache;
    char hidden[P9_MAXNAME + 1];
    struct inode *below = cache_hidden_below(cache, dir, name, hidden);
    int rc = -ENOENT;

    if (below != NULL) {
        struct use u = op_use(op, below);
        u.in_dir = true;
        do {
            rc = use_begin(&op->scope, &u);
            if (rc == 0)
                rc = rename_told(op, below, u.fid, hidden, dir, dirfid, hidden);
        } while (use_again(&u, rc));
        cache_raised(cache);
        cache_forget(cache, below, 1);
    }
    return rc == 0 || cache_removed_since(&op->scope, cache, dir, name, removed) ? 0 : -ENOTEMPTY;
}

static void remove_hidden(struct op *op, struct inode *dir, const char *name)
{
    struct use u = op_use(op, dir);
    int rc;

    u.in_dir = true;
    do {
        rc = use_begin(NULL, &u);
        if (rc == 0)
            rc = p9_unlink(NULL, u.fid, name, false);
    } while (use_again(&u, rc));
    cache_unlink(op->fs->cache, dir, name);
}

void drop_handle(struct op *op, struct handle *h)
{
    char name[P9_MAXNAME + 1];
    struct cache *cache = op->fs->cache;
    struct inode *dir = cache_last_of_hidden(cache, h, name);

    cache_drop_handle(cache, h);
    if (dir == NULL)
        return;
    remove_hidden(op, dir, name);
    cache_hidden_removed(cache, dir);
    cache_forget(cache, dir, 1);
}
