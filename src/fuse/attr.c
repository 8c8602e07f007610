/*
 * attr.c: callbacks on attributes: getattr, setattr, access, statfs.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse/callbacks.h"
#include "fuse/file.h"
#include "fuse/inode_attr.h"
#include "fuse/new_file.h"
#include "fuse/user.h"

static int root_getattr(struct op *op, struct inode *root, struct p9_attr *attr)
{
    int rc = op_root_answers(op) ? inode_getattr(op, root, attr) : -ETIMEDOUT;

    if (rc == -ETIMEDOUT)
        *attr = inode_facts(op->fs->cache, root).attr;
    return rc == -ETIMEDOUT ? 0 : rc;
}

void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;
    struct p9_attr attr;

    (void)fi; /* an inode without a path is reached by its open files anyway */
    op_begin(&op, req);
    struct inode *inode = inode_of(op.fs, ino);
    int rc = op_settle(&op, inode);
    unsigned left = rc == 0 ? cache_fresh(op.fs->cache, inode, &attr) : 0;
    fs_count(op.fs, left > 0 ? ATTRS_KNOWN : ATTRS_ASKED);
    if (rc == 0 && left == 0)
        rc = inode == &op.fs->cache->root ? root_getattr(&op, inode, &attr) : inode_getattr(&op, inode, &attr);
    if (rc == 0)
        op_reply_attr(&op, inode, &attr, left > 0 ? left : op.fs->cache->lifetimes.attr);
    else
        op_reply_err(&op, rc);
}

static struct p9_setattr setattr_of(const struct stat *st, int to_set)
{
    static const struct {
        int fuse;
        uint32_t p9;
    } bits[] = {
        {FUSE_SET_ATTR_MODE, P9_SETATTR_MODE},
        {FUSE_SET_ATTR_UID, P9_SETATTR_UID},
        {FUSE_SET_ATTR_GID, P9_SETATTR_GID},
        {FUSE_SET_ATTR_SIZE, P9_SETATTR_SIZE},
        {FUSE_SET_ATTR_ATIME, P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET},
        {FUSE_SET_ATTR_MTIME, P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET},
        {FUSE_SET_ATTR_CTIME, P9_SETATTR_CTIME},
    };
    struct p9_setattr set = {.mode = st->st_mode & 07777,
                             .uid = st->st_uid,
                             .gid = st->st_gid,
                             .size = (uint64_t)st->st_size,
                             .atime = st->st_atim,
                             .mtime = st->st_mtim};

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (to_set & bits[i].fuse)
            set.valid |= bits[i].p9;
    if (to_set & FUSE_SET_ATTR_ATIME_NOW)
        set.valid = (set.valid & ~(uint32_t)P9_SETATTR_ATIME_SET) | P9_SETATTR_ATIME;
    if (to_set & FUSE_SET_ATTR_MTIME_NOW)
        set.valid = (set.valid & ~(uint32_t)P9_SETATTR_MTIME_SET) | P9_SETATTR_MTIME;
    return set;
}

/* Whether the kernel is clearing set-user-id and set-group-id bits because of a write. Any user who
 * may write clears them, but only the owner and root may change the mode: the change goes through
 * the mounting user's attach. */
static bool clears_privileges(struct op *op, struct inode *inode, const struct p9_setattr *set)
{
    mode_t old = inode_facts(op->fs->cache, inode).attr.mode & 07777, privileges = S_ISUID | S_ISGID;

    return op->fs->access == ACCESS_USER && (set->valid & ~(unsigned)P9_SETATTR_SIZE) == P9_SETATTR_MODE &&
           (old & ~privileges) == (set->mode & ~privileges) && (set->mode & ~old) == 0;
}

/* Whether to request the attributes together with the change. Programs that set times look at the
 * result (tar, cp). The attributes show by the time whether they are from after the change, if it
 * was another one before. */
static bool should_request_attr(struct op *op, struct inode *inode, const struct p9_setattr *set)
{
    const struct p9_attr before = inode_facts(op->fs->cache, inode).attr;

    return (set->valid & P9_SETATTR_MTIME_SET) && !same_time(&before.mtime, &set->mtime);
}

static bool is_after(const struct inode *inode, const struct p9_setattr *set, const struct p9_attr *seen)
{
    return seen->nlink > 0 && qid_same_file(&seen->qid, &inode->qid) && same_time(&seen->mtime, &set->mtime);
}

/* Sets attributes by the open fid or by the path. A file open for writing can be truncated,
 * whatever the permissions of the path are now. Another file that has the path now must not be: an
 * operation on a descriptor affects its own file or none. */
static int set_attributes(struct op *op, struct inode *inode, const struct p9_setattr *set, struct fuse_file_info *fi,
                          struct p9_attr *seen)
{
    bool by_file = fi != NULL && (set->valid & P9_SETATTR_SIZE);
    struct p9_fid *opened = NULL;

    seen->nlink = 0;
    if (set->valid == 0)
        return 0;
    if (by_file)
        opened =
            cache_handle_fid(&op->scope, op->fs->cache, &file_of(fi)->handle, atomic_load(&op->fs->keeps_unlinked) > 0);
    if (opened == NULL)
        return inode_setattr(op, &op->scope, inode, op_user(op), set, should_request_attr(op, inode, set) ? seen : NULL,
                             by_file ? 0 : op->fs->cache->lifetimes.attr);
    int rc = p9_setattr(&op->scope, opened, set);
    p9_fid_put(opened);
    return rc;
}

/* Predicts the attributes after a successful change. The reply makes the kernel ask before it uses
 * them, and most programs that change attributes never look at them. The kernel does use the size
 * at once, so a change of size is not predicted. False where only the server knows the result. */
static bool predict(struct op *op, struct inode *inode, const struct p9_setattr *set, struct p9_attr *attr)
{
    struct inode_facts facts = inode_facts(op->fs->cache, inode);
    struct timespec now;

    if ((set->valid & P9_SETATTR_SIZE) != 0 || facts.hidden || facts.nameless ||
        ((facts.attr.mode | set->mode) & 07000) != 0)
        return false;
    *attr = facts.attr;
    clock_gettime(CLOCK_REALTIME, &now);
    attr->ctime = now;
    if (set->valid & P9_SETATTR_MODE)
        attr->mode = (attr->mode & S_IFMT) | (set->mode & 07777);
    if (set->valid & P9_SETATTR_UID)
        attr->uid = set->uid;
    if (set->valid & P9_SETATTR_GID)
        attr->gid = set->gid;
    if (set->valid & P9_SETATTR_ATIME)
        attr->atime = set->valid & P9_SETATTR_ATIME_SET ? set->atime : now;
    if (set->valid & P9_SETATTR_MTIME)
        attr->mtime = set->valid & P9_SETATTR_MTIME_SET ? set->mtime : now;
    return true;
}

void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
    struct p9_setattr set = setattr_of(st, to_set);
    struct p9_attr attr, seen;
    struct op op;

    op_begin(&op, req);
    struct inode *inode = inode_of(op.fs, ino);
    cache_changing(op.fs->cache, inode);
    int rc = op_settle(&op, inode);
    uint64_t version = inode_version(op.fs->cache, inode);
    if (rc == 0)
        rc = set_attributes(&op, inode, &set, fi, &seen);
    if (rc == -EPERM && clears_privileges(&op, inode, &set)) {
        set.valid &= ~(unsigned)P9_SETATTR_MODE;
        rc = set_attributes(&op, inode, &set, fi, &seen);
        if (rc == 0)
            rc = set_mode_as_mounter(&op, inode, set.mode);
        set.valid |= P9_SETATTR_MODE;
    }
    bool alone = cache_changed(op.fs->cache, inode, &version);
    mode_t old = inode_facts(op.fs->cache, inode).attr.mode;
    bool predicted = rc == 0 && predict(&op, inode, &set, &attr);
    bool exact = !predicted || is_after(inode, &set, &seen);
    if (predicted && exact && alone) { /* the kernel asks again before it changes the owner */
        attr = seen;
        cache_announce_fresh(op.fs->cache, inode, &attr, version);
    } else if (predicted) {
        attr = exact ? seen : attr;
        cache_announce(op.fs->cache, inode, &attr);
    } else if (rc == 0 && !predicted) {
        op.scope.interrupted = false;
        rc = inode_getattr(&op, inode, &attr);
    }
    if (rc == 0 && !predicted && S_ISDIR(attr.mode) &&
        !(set.valid & P9_SETATTR_MODE)) /* a change of owner clears no mode bits of a directory */
        as_made(&op, inode, old, NO_GROUP, &attr);
    if (rc == 0)
        op_reply_attr(&op, inode, &attr, exact ? op.fs->cache->lifetimes.attr : 0);
    else
        op_reply_err(&op, rc);
}

/* ---- access ------------------------------------------------------------- */

/* access(2) by the mode bits. The server still checks each operation. */
static int check_mode_bits(fuse_req_t req, const struct p9_attr *attr, int mask)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    mode_t bits = attr->mode & 7;

    if (ctx->uid == 0)
        return (mask & X_OK) && !S_ISDIR(attr->mode) && (attr->mode & 0111) == 0 ? -EACCES : 0;
    if (ctx->uid == attr->uid)
        bits = attr->mode >> 6 & 7;
    else if (in_group(req, attr->gid))
        bits = attr->mode >> 3 & 7;
    return ((mode_t)mask & 7 & ~bits) != 0 ? -EACCES : 0;
}

void fs_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    struct op op;
    struct p9_attr attr;

    op_begin(&op, req);
    struct inode *inode = inode_of(op.fs, ino);
    int rc = inode == &op.fs->cache->root ? root_getattr(&op, inode, &attr) : inode_getattr(&op, inode, &attr);
    if (rc == 0)
        rc = check_mode_bits(req, &attr, mask);
    op_reply_err(&op, rc);
}

/* ---- statfs ------------------------------------------------------------- */

static int ask_statfs(struct op *op, struct inode *inode, struct p9_statfs *st)
{
    struct use u = op_use(op, inode);
    int rc;

    u.open_ok = true;
    do {
        rc = use_begin(&op->scope, &u);
        if (rc == 0)
            rc = p9_statfs(&op->scope, u.fid, st);
    } while (use_again(&u, rc));
    return rc;
}

/* Remembers the server's answer, or remembers the last one. */
static void last_statfs(struct fs *fs, struct p9_statfs *st, bool answered)
{
    static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&mtx);
    if (answered)
        fs->statfs = *st;
    else
        *st = fs->statfs;
    pthread_mutex_unlock(&mtx);
}

void fs_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct op op;
    struct p9_statfs st = {.bsize = 0};

    op_begin(&op, req);
    int rc = op_root_answers(&op) ? ask_statfs(&op, inode_of(op.fs, ino), &st) : -ETIMEDOUT;
    if (rc == 0 || rc == -ETIMEDOUT)
        last_statfs(op.fs, &st, rc == 0);
    if (rc != 0 && rc != -ETIMEDOUT) {
        op_reply_err(&op, rc);
        return;
    }
    struct statvfs out = {.f_bsize = st.bsize,
                          .f_frsize = st.bsize,
                          .f_blocks = st.blocks,
                          .f_bfree = st.bfree,
                          .f_bavail = st.bavail,
                          .f_files = st.files,
                          .f_ffree = st.ffree,
                          .f_favail = st.ffree,
                          .f_fsid = st.fsid,
                          .f_namemax = st.namelen};
    op_end(&op);
    fuse_reply_statfs(req, &out);
}
