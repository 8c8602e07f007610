/*
 * make.c: callbacks that create names: special files, directories, symlinks, hard links.
 *
 * The one request that changes the directory can be interrupted. Once it has succeeded, the
 * requests for the reply cannot: the change has happened.
 */
#include <errno.h>

#include "fuse/callbacks.h"
#include "fuse/enter.h"
#include "fuse/inode_attr.h"
#include "fuse/new_file.h"
#include "fuse/user.h"

/* The differences between mkdir, mknod and symlink. */
struct making {
    mode_t mode;
    dev_t rdev;
    const char *target;
};

static int make_in(struct op *op, struct p9_fid *dir, const char *name, const struct making *m, gid_t gid,
                   struct p9_qid *made)
{
    if (m->target != NULL)
        return p9_symlink(&op->scope, dir, name, m->target, gid, made);
    if (S_ISDIR(m->mode))
        return p9_mkdir(&op->scope, dir, name, m->mode & ~(mode_t)S_IFMT, gid, made);
    return p9_mknod(&op->scope, dir, name, m->mode, m->rdev, gid, made);
}

static int own_made(struct op *op, struct inode *dir, const char *name)
{
    struct use u = op_use(op, dir);
    struct p9_fid *fid;

    if (op->fs->access != ACCESS_CLIENT)
        return 0;
    u.in_dir = true;
    int rc = use_begin(NULL, &u);
    if (rc == 0)
        rc = p9_walk(NULL, u.fid, 1, &name, &fid);
    use_again(&u, 0);
    if (rc != 0)
        return rc;
    rc = give_to_user(op, fid, group_for_new(op, dir));
    p9_fid_put(fid);
    return rc;
}

static void make(fuse_req_t req, fuse_ino_t parent, const char *name, struct making m)
{
    struct op op;
    struct inode *inode;
    struct p9_attr attr;
    struct p9_qid made = {.path = 0};
    uint64_t began = clock_ms();

    op_begin(&op, req);
    struct inode *dir = inode_of(op.fs, parent);
    struct use u = op_use(&op, dir);
    int rc = check_name(name);
    if (rc != 0) {
        op_reply_err(&op, rc);
        return;
    }
    u.in_dir = true;
    gid_t gid = group_for_new(&op, dir), group = NO_GROUP;
    if (m.target == NULL)
        m.mode = mode_for_new(&op, dir, m.mode);
    do {
        rc = use_begin(&op.scope, &u);
        if (rc == 0)
            rc = make_in(&op, u.fid, name, &m, gid, &made);
        if (rc == -EPERM) {
            group = gid;
            rc = make_in(&op, u.fid, name, &m, second_group(&op), &made);
        }
    } while (use_again(&u, rc));
    cache_name_changed(op.fs->cache, dir, name);
    if (rc == 0)
        rc = own_made(&op, dir, name);
    /* nfs-ganesha's Rmknod has an all-zero qid. */
    op.attr_unsure = m.target == NULL && m.rdev == 0 && made.path != 0 && is_plain_new(&op, m.mode, group);
    if (rc == 0 && op.attr_unsure) {
        attr = attr_of_new(&op, dir, &made, m.mode);
        rc = enter_known(&op, dir, name, &attr, NULL, 0, &inode);
        if (rc == 0)
            cache_confirm(op.fs->cache, inode, began);
    } else if (rc == 0) {
        rc = enter_name(&op, NULL, dir, name, &inode, &attr);
        if (rc == 0)
            as_made(&op, inode, m.mode, group, &attr);
    }
    if (rc != 0) {
        op_reply_err(&op, rc);
        return;
    }
    if (S_ISDIR(m.mode))
        lookahead_made(op.fs->cache, inode, op_user(&op), began);
    op_reply_entry(&op, inode, &attr);
}

void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    make(req, parent, name, (struct making){.mode = mode, .rdev = rdev});
}

void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct fs *fs = fuse_req_userdata(req);
    mode_t inherited = inode_facts(fs->cache, inode_of(fs, parent)).attr.mode & S_ISGID;

    make(req, parent, name, (struct making){.mode = S_IFDIR | mode | inherited});
}

void fs_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    make(req, parent, name, (struct making){.mode = S_IFLNK, .target = target});
}

void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
    struct op op;
    struct p9_attr attr;
    struct inode *inode, *known;

    op_begin(&op, req);
    inode = inode_of(op.fs, ino);
    struct use dir = op_use(&op, inode_of(op.fs, newparent)), file = op_use(&op, inode);
    int rc = check_name(newname);
    file.check = true;
    if (rc != 0) {
        op_reply_err(&op, rc);
        return;
    }
    bool again;
    do {
        rc = use_begin(&op.scope, &dir);
        if (rc == 0)
            rc = use_begin(&op.scope, &file);
        if (rc == 0)
            rc = p9_link(&op.scope, dir.fid, file.fid, newname);
        again = use_again(&dir, rc);
        again = use_again(&file, rc) || again;
    } while (again);
    cache_name_changed(op.fs->cache, inode_of(op.fs, newparent), newname);
    cache_changing(op.fs->cache, inode);
    if (rc == 0) {
        op.scope.interrupted = false; /* the link exists: the rest serves the reply only */
        rc = inode_getattr(&op, inode, &attr);
    }
    /* By the attributes just noted, cache_enter recognizes the new name as one of the same file. */
    if (rc == 0)
        rc = enter_known(&op, inode_of(op.fs, newparent), newname, &attr, NULL, 0, &known);
    if (rc == 0)
        op_reply_entry(&op, known, &attr);
    else
        op_reply_err(&op, rc);
}
