/*
 * name.c: callbacks that look up, make, move and remove names.
 *
 * What changes a directory is one request that can be interrupted; once it is done, what
 * is asked in order to answer the kernel cannot: the change has happened.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fuse/fs.h"

static int check_name(const char *name)
{
    return strlen(name) > P9_MAXNAME ? -ENAMETOOLONG : 0;
}

/* Whether what is asked ahead may tell what dir/name is; what has been written to it and not sent is known here alone. */
static bool may_look_ahead(struct op *op, struct inode *dir, const char *name, bool *known)
{
    struct p9_qid qid;

    *known = cache_qid(op->fs->cache, dir, name, &qid);
    return !*known || !writebehind_busy(op->fs->writebehind, &qid);
}

int enter_fetched(struct op *op, const struct use *u, const char *name, enum ask ask, struct inode **inode,
                  struct p9_attr *attr)
{
    struct cache *cache = op->fs->cache;
    struct lookahead_found found;
    bool known;
    int rc = 0;

    if (!may_look_ahead(op, u->inode, name, &known))
        return -EAGAIN;
    bool may_ask = ask == ASK_ANY || (ask == ASK_NEW && !known);
    if (may_ask ? !lookahead_look(cache, &op->scope, u, name, &found) : !lookahead_take(cache, u, name, &found))
        return -EAGAIN;
    *attr = found.attr;
    *inode = found.inode;
    if (S_ISDIR(attr->mode)) {
        rc = enter_known(op, u->inode, name, attr, NULL, 0, inode);
        cache_forget(cache, found.inode, 1);
    }
    op->attr_ms = found.left_ms;
    return rc == 0 ? 0 : -EAGAIN;
}

/* Whether the name was listed lately, and is known by now: 0, then *inode is it; or that there is none: -ENOENT. -EAGAIN: ask. */
static int look_ahead(struct op *op, struct inode *dir, const char *name, struct inode **inode, struct p9_attr *attr)
{
    struct use u = op_use(op, dir);

    if (op->fs->cache->lookahead == NULL)
        return -EAGAIN;
    if (lookahead_absent(op->fs->cache, dir, u.user, name)) {
        op->attr_ms = UINT_MAX; /* it is not new */
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
        rc = look_ahead(&op, inode_of(op.fs, parent), name, &inode, &attr);
    if (rc == -EAGAIN)
        rc = enter_name(&op, &op.scope, inode_of(op.fs, parent), name, &inode, &attr);
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

/* ---- making ------------------------------------------------------------- */

/* What mkdir, mknod and symlink differ in. */
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
            rc = make_in(&op, u.fid, name, &m, primary_group(&op), &made);
        }
    } while (use_again(&u, rc));
    cache_name_changed(op.fs->cache, dir, name);
    if (rc == 0)
        rc = own_made(&op, dir, name);
    /* nfs-ganesha's Rmknod has a qid of zeros. */
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
        op.scope.interrupted = false; /* it is done: the rest only tells */
        rc = inode_getattr(&op, inode, &attr);
    }
    /* Its attributes as just told are how cache_enter knows the other name for the same file. */
    if (rc == 0)
        rc = enter_known(&op, inode_of(op.fs, newparent), newname, &attr, NULL, 0, &known);
    if (rc == 0)
        op_reply_entry(&op, known, &attr);
    else
        op_reply_err(&op, rc);
}

/* ---- removing, moving --------------------------------------------------- */

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, bool is_dir)
{
    struct op op;

    op_begin(&op, req);
    struct inode *dir = inode_of(op.fs, parent);
    struct use u = op_use(&op, dir);
    int rc;
    u.in_dir = true;
    do {
        rc = use_begin(&op.scope, &u);
        close_kept(&op, dir, name);
        if (rc == 0 && !is_dir)
            rc = hide_if_open(&op, dir, u.fid, name, false);
        do {
            bool go = rc == 0;
            if (go)
                rc = remove_by_own_fid(&op, dir, u.fid, name, is_dir);
            if (go && rc != 0 && rc != -EINTR) /* whatever the fid was: the name counts */
                rc = p9_unlink(&op.scope, u.fid, name, is_dir);
        } while (is_dir && rc == -ENOTEMPTY && (rc = raise_hidden(&op, dir, u.fid, name)) == 0);
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

static int settle_name(struct op *op, struct inode *dir, const char *name)
{
    struct p9_qid qid;

    return cache_qid(op->fs->cache, dir, name, &qid) ? writebehind_settle(op->fs->writebehind, &op->scope, &qid) : 0;
}

/* One end of a rename. */
struct rename_end {
    struct inode *dir;
    struct p9_fid *fid;
    const char *name;
};

static int rename_over(struct op *op, const struct rename_end *from, const struct rename_end *to)
{
    int rc = hide_if_open(op, to->dir, to->fid, to->name, true);

    do
        rc = rc == 0 ? rename_told(op, from->dir, from->fid, from->name, to->dir, to->fid, to->name) : rc;
    while (rc == -ENOTEMPTY && (rc = raise_hidden(op, to->dir, to->fid, to->name)) == 0);
    return rc;
}

/* Whether a link to a symlink is one, and not to what that leads to. */
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

/* By a second name, which is refused if it is taken, and the removal of the first. EOPNOTSUPP: not so. */
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

/* RENAME_NOREPLACE. Where there are no links, who makes the name between the look and the rename loses it. */
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
        close_kept(&op, olddir, name);
        close_kept(&op, newdir, newname);
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

/* ---- symlinks ----------------------------------------------------------- */

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
