/*
 * fs_hide.c: files that lose their name while they are open.
 *
 * POSIX keeps such a file until its last close. A server that goes by path in all it does on
 * a fid but reading and writing (diod 1.0.24, lib9p) no longer finds it to stat or truncate. There the
 * file gets a hidden name before it would lose its last one, as NFS clients do, which is removed at the last close.
 * Which kind the server is is tried out once, on a file of our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse/fs.h"

/* Whether a file made in dir, opened and unlinked can still be asked for its attributes: 1, -1, or 0 if that could not be
 * tried. */
static int try_unlinked(struct p9_fid *dir)
{
    char name[P9_HIDDEN_BYTES];
    struct p9_fid *fid;
    struct p9_attr before, after;
    int kept = 0;

    p9_hidden_name(name);
    if (p9_walk(NULL, dir, 0, NULL, &fid) != 0)
        return 0;
    if (p9_create(NULL, fid, name, O_RDWR | O_EXCL, 0600, getgid()) == 0) {
        bool there = p9_getattr(NULL, fid, &before) == 0;
        bool gone = p9_unlink(NULL, dir, name, false) == 0;
        if (there && gone)
            kept = p9_getattr(NULL, fid, &after) == 0 && qid_same_file(&before.qid, &after.qid) ? 1 : -1;
    }
    p9_fid_put(fid);
    return kept;
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

int remove_by_own_fid(struct op *op, struct node *dir, struct p9_fid *dirfid, const char *name, bool is_dir)
{
    struct fs *fs = op->fs;

    if (!p9_removes_by_fid(fs->client) || keeps_unlinked(fs, dirfid) >= 0)
        return -EAGAIN;
    struct p9_fid *fid = tree_take_named(fs->tree, dir, name, op_user(op), is_dir);
    return fid != NULL ? p9_remove(&op->scope, fid) : -EAGAIN;
}

int hide_if_open(struct op *op, struct node *dir, struct p9_fid *dirfid, const char *name, bool replaced)
{
    struct tree *t = op->fs->tree;
    char hidden[P9_HIDDEN_BYTES];
    struct node *node = tree_only_name_of_open(t, dir, name);
    int rc = -EOPNOTSUPP;

    if (node == NULL)
        return 0;
    if (keeps_unlinked(op->fs, dirfid) > 0) { /* its open fids stay good, but nothing can be walked from them */
        tree_want_fid(t, node, op_user(op), dirfid, name, tree_clock(t));
        return 0;
    }
    p9_hidden_name(hidden);
    if (replaced) { /* the name must not be missing for a moment: a second one is made */
        struct node_use u = op_use(op, node);
        do {
            rc = node_use(&op->scope, &u);
            if (rc == 0)
                rc = p9_link(&op->scope, dirfid, u.fid, hidden);
        } while (node_again(&u, rc));
        if (rc == 0 && !tree_hide(t, node, dir, hidden, true))
            p9_unlink(NULL, dirfid, hidden, false);
    }
    if (rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EPERM) {
        rc = rename_told(op, dir, dirfid, name, dir, dirfid, hidden);
        if (rc == 0 && !tree_hide(t, node, dir, hidden, false)) {
            p9_unlink(NULL, dirfid, hidden, false);
            tree_unlink(t, dir, hidden);
        }
    }
    return rc == 0 && !replaced ? 1 : rc;
}

int rename_told(struct op *op, struct node *olddir, struct p9_fid *oldfid, const char *oldname, struct node *newdir,
                struct p9_fid *newfid, const char *newname)
{
    struct tree *t = op->fs->tree;

    tree_rename_begin(t);
    int rc = p9_rename(&op->scope, oldfid, oldname, newfid, newname);
    tree_rename_end(t, rc == 0, olddir, oldname, newdir, newname);
    return rc;
}

int raise_hidden(struct op *op, struct node *dir, struct p9_fid *dirfid, const char *name)
{
    char hidden[P9_MAXNAME + 1];
    bool waited;
    struct node *below = tree_hidden_below(op->fs->tree, dir, name, hidden, &waited);
    int rc;

    if (below == NULL)
        return waited ? 0 : -ENOTEMPTY;
    struct node_use u = op_use(op, below);
    u.in_dir = true;
    do {
        rc = node_use(&op->scope, &u);
        if (rc == 0)
            rc = rename_told(op, below, u.fid, hidden, dir, dirfid, hidden);
    } while (node_again(&u, rc));
    tree_forget(op->fs->tree, below, 1);
    return rc == 0 ? 0 : -ENOTEMPTY;
}

static void remove_hidden(struct op *op, struct node *dir, const char *name)
{
    struct node_use u = op_use(op, dir);
    int rc;

    u.in_dir = true;
    do {
        rc = node_use(NULL, &u);
        if (rc == 0)
            rc = p9_unlink(NULL, u.fid, name, false);
    } while (node_again(&u, rc));
    tree_unlink(op->fs->tree, dir, name);
}

void drop_handle(struct op *op, struct handle *h)
{
    char name[P9_MAXNAME + 1];
    struct tree *t = op->fs->tree;
    struct node *dir = tree_last_of_hidden(t, h, name);

    tree_drop_handle(t, h);
    if (dir == NULL)
        return;
    remove_hidden(op, dir, name);
    tree_hidden_removed(t);
    tree_forget(t, dir, 1);
}
