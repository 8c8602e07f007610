/*
 * remove.c: callbacks that remove names.
 *
 * The one request that changes the directory can be interrupted. Once it has succeeded, the
 * requests for the reply cannot: the change has happened.
 */
#include <errno.h>

#include "fuse/callbacks.h"
#include "fuse/enter.h"
#include "fuse/file.h"
#include "fuse/silly_rename.h"

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, bool is_dir)
{
    struct op op;

    op_begin(&op, req);
    struct inode *dir = inode_of(op.fs, parent);
    struct use u = op_use(&op, dir);
    unsigned removed = is_dir ? cache_removed(op.fs->cache, dir, name) : 0;
    int rc;
    u.in_dir = true;
    do {
        rc = use_begin(&op.scope, &u);
        close_idle(&op, dir, name);
        if (rc == 0 && !is_dir)
            rc = hide_if_open(&op, dir, u.fid, name, false);
        do {
            bool go = rc == 0;
            if (go)
                rc = remove_by_own_fid(&op, dir, u.fid, name, is_dir);
            if (go && rc != 0 && rc != -EINTR) /* whatever the fid refers to, the name decides */
                rc = p9_unlink(&op.scope, u.fid, name, is_dir);
        } while (is_dir && rc == -ENOTEMPTY && (rc = raise_hidden(&op, dir, u.fid, name, &removed)) == 0);
    } while (use_again(&u, rc));
    if (rc == 0)
        cache_unlink(op.fs->cache, dir, name);
    cache_name_changed(op.fs->cache, dir, name);
    op_reply_err(&op, rc > 0 ? 0 : rc);
}

void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_name(req, parent, name, false);
}

void fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_name(req, parent, name, true);
}
