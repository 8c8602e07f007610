/*
 * lookup.c: callbacks that look up names, read symlinks, and forget inodes.
 */
#include <errno.h>
#include <limits.h>

#include "fuse/callbacks.h"
#include "fuse/enter.h"

/* Looks the name up in what lookahead has fetched since the directory was listed. 0: *inode is
 * valid; -ENOENT: there is no such name; -EAGAIN: ask the server. */
static int lookup_fetched(struct op *op, struct inode *dir, const char *name, struct inode **inode,
                          struct p9_attr *attr)
{
    struct use u = op_use(op, dir);

    if (op->fs->cache->lookahead == NULL)
        return -EAGAIN;
    if (lookahead_absent(op->fs->cache, dir, u.user, name)) {
        op->attr_ms = UINT_MAX; /* no negative entry: the listing is not new */
        return -ENOENT;
    }
    if (use_begin(&op->scope, &u) != 0)
        return -EAGAIN;
    int rc = enter_fetched(op, &u, name, ASK_ANY, inode, attr);
    if (rc != 0)
        lookahead_missed(op->fs->cache, &u, name);
    use_again(&u, 0);
    return rc;
}

static void reply_negative(struct op *op)
{
    const struct fuse_entry_param e = {.entry_timeout = op->fs->cache->lifetimes.negative / 1000.0};

    if (op->fs->cache->lifetimes.negative == 0) {
        op_reply_err(op, -ENOENT);
        return;
    }
    op_end(op);
    fuse_reply_entry(op->req, &e);
}

void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct op op;
    struct inode *inode;
    struct p9_attr attr;

    op_begin(&op, req);
    int rc = check_name(name);
    if (rc == 0)
        rc = lookup_fetched(&op, inode_of(op.fs, parent), name, &inode, &attr);
    bool asked = rc == -EAGAIN;
    if (asked)
        rc = enter_name(&op, &op.scope, inode_of(op.fs, parent), name, &inode, &attr);
    fs_count(op.fs, asked || op.waited ? LOOKUPS_ASKED : rc == 0 ? LOOKUPS_KNOWN : LOOKUPS_ABSENT);
    if (rc == 0)
        op_reply_entry(&op, inode, &attr);
    else if (rc == -ENOENT && op.attr_ms == 0)
        reply_negative(&op);
    else
        op_reply_err(&op, rc);
}

void fs_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
    struct fs *fs = fuse_req_userdata(req);

    cache_forget(fs->cache, inode_of(fs, ino), nlookup);
    fuse_reply_none(req);
}

void fs_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    struct fs *fs = fuse_req_userdata(req);

    for (size_t i = 0; i < count; i++)
        cache_forget(fs->cache, inode_of(fs, forgets[i].ino), forgets[i].nlookup);
    fuse_reply_none(req);
}

void fs_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct op op;
    char target[PATH_MAX + 1];

    op_begin(&op, req);
    struct use u = op_use(&op, inode_of(op.fs, ino));
    int rc;
    do {
        rc = use_begin(&op.scope, &u);
        if (rc == 0)
            rc = p9_readlink(&op.scope, u.fid, target, sizeof target);
    } while (use_again(&u, rc));
    if (rc != 0) {
        op_reply_err(&op, rc);
        return;
    }
    op_end(&op);
    fuse_reply_readlink(req, target);
}
