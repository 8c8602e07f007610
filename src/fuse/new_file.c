/*
 * new_file.c: the common part of creating files of any kind: owner, group, mode, and the resulting
 * attributes.
 */
#include <errno.h>

#include "fuse/new_file.h"
#include "fuse/inode_attr.h"
#include "fuse/user.h"

gid_t group_for_new(struct op *op, struct inode *dir)
{
    struct inode_facts facts = inode_facts(op->fs->cache, dir);

    return facts.attr.mode & S_ISGID ? facts.attr.gid : fuse_req_ctx(op->req)->gid;
}

/* Another user than the caller, as whom the mount is attached, may be in none of the caller's
 * groups: the server takes his own. */
gid_t second_group(struct op *op)
{
    return op->fs->acts_as_other ? NO_GROUP : primary_group(op);
}

static bool has_default_acl(struct op *op, struct inode *dir)
{
    struct use u = op_use(op, dir);
    ssize_t n;

    u.open_ok = true;
    do {
        n = use_begin(&op->scope, &u);
        if (n == 0)
            n = p9_getxattr(&op->scope, u.fid, "system.posix_acl_default", NULL, 0, NULL);
    } while (use_again(&u, n < 0 ? (int)n : 0));
    return n > 0;
}

mode_t mode_for_new(struct op *op, struct inode *dir, mode_t mode)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(op->req);

    if (!op->fs->posixacl || (mode & ctx->umask) == 0 || has_default_acl(op, dir))
        return mode;
    return mode & ~ctx->umask;
}

bool is_plain_new(struct op *op, mode_t mode, gid_t group)
{
    return !p9_may_be_synthetic(op->fs->client) && op->fs->access != ACCESS_CLIENT && (mode & 07000) == 0 &&
           group == NO_GROUP;
}

struct p9_attr attr_of_new(struct op *op, struct inode *dir, const struct p9_qid *qid, mode_t mode)
{
    struct p9_attr attr = {.qid = *qid,
                           .mode = mode,
                           .uid = fuse_req_ctx(op->req)->uid,
                           .gid = group_for_new(op, dir),
                           .nlink = S_ISDIR(mode) ? 2 : 1,
                           .blksize = 4096};

    clock_gettime(CLOCK_REALTIME, &attr.mtime);
    attr.atime = attr.ctime = attr.mtime;
    return attr;
}

int give_to_user(struct op *op, struct p9_fid *fid, gid_t gid)
{
    const struct p9_setattr set = {
        .valid = P9_SETATTR_UID | P9_SETATTR_GID, .uid = fuse_req_ctx(op->req)->uid, .gid = gid};

    if (op->fs->access != ACCESS_CLIENT || set.uid == op->fs->cache->users->uid)
        return 0;
    return p9_setattr(NULL, fid, &set);
}

void as_made(struct op *op, struct inode *inode, mode_t mode, gid_t gid, struct p9_attr *attr)
{
    struct p9_setattr set = {.mode = (attr->mode | mode) & 07777, .gid = gid};
    int rc = -EPERM;

    if (gid != NO_GROUP && attr->gid != gid) {
        set.valid = P9_SETATTR_GID;
        rc = inode_setattr(op, NULL, inode, op->fs->cache->users, &set, NULL, op->fs->cache->lifetimes.attr);
    }
    if ((mode & ~attr->mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0) {
        set.valid = P9_SETATTR_MODE;
        rc = inode_setattr(op, NULL, inode, op_user(op), &set, NULL, op->fs->cache->lifetimes.attr);
    }
    if (rc == 0)
        inode_getattr(op, inode, attr);
}
