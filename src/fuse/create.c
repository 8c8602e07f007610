/*
 * create.c: the callback that creates a file and opens it.
 */
#include <errno.h>
#include <fcntl.h>

#include "fuse/callbacks.h"
#include "fuse/enter.h"
#include "fuse/file.h"
#include "fuse/inode_attr.h"
#include "fuse/new_file.h"
#include "fuse/opened.h"
#include "fuse/user.h"

/* A fid of the directory that Tcreate may turn into the new file: the spare one, or a clone. A
 * spare fid for the next file is requested at the same time. */
static int fid_to_create(struct op *op, struct use *u, struct p9_fid **fid)
{
    struct cache *cache = op->fs->cache;
    int rc = 0;

    *fid = cache_take_spare(cache, u->inode, u->user);
    if (*fid == NULL)
        rc = p9_walk(&op->scope, u->fid, 0, NULL, fid);
    if (rc != 0)
        return rc;
    cache_want_spare(cache, u->inode, u->user, u->fid, u->walked);
    rc = p9_fid_hold(*fid, false);
    if (rc != 0)
        p9_fid_put(*fid);
    return rc;
}

static int open_existing(struct op *op, struct p9_fid *dir, const char *name, struct file *f)
{
    struct p9_fid *fid;
    int rc = p9_walk(&op->scope, dir, 1, &name, &fid);

    if (rc != 0)
        return rc;
    rc = p9_fid_hold(fid, false);
    if (rc == 0)
        rc = p9_open(&op->scope, fid, f->handle.flags);
    f->handle.fid = rc == 0 ? p9_fid_get(fid) : NULL;
    p9_fid_put(fid);
    return rc;
}

/* *group: set to the group that the file must be given afterwards, if there is one. */
static int create_in(struct op *op, struct inode *dir, const char *name, mode_t mode, struct file *f, gid_t *group)
{
    struct use u = op_use(op, dir);
    gid_t gid = group_for_new(op, dir);
    struct p9_fid *fid;
    int rc;

    u.in_dir = u.want_spare = true;
    do {
        rc = use_begin(&op->scope, &u);
        if (rc == 0)
            rc = fid_to_create(op, &u, &fid);
        if (rc == 0) {
            rc = p9_create(&op->scope, fid, name, f->handle.flags, mode, gid);
            if (rc == -EPERM) {
                rc = p9_create(&op->scope, fid, name, f->handle.flags, mode, second_group(op));
                *group = gid;
            }
            f->handle.fid = rc == 0 ? p9_fid_get(fid) : NULL;
            p9_fid_put(fid);
        }
        /* lib9p never opens an existing file here, whatever the flags: EEXIST means that there is
         * a file to open. */
        if (rc == -EEXIST && !(f->handle.flags & O_EXCL)) {
            f->was_there = true;
            rc = open_existing(op, u.fid, name, f);
        }
    } while (use_again(&u, rc));
    f->handle.walked = u.walked;
    return rc;
}

static bool is_plain_create(struct op *op, const struct file *f, mode_t mode, gid_t group)
{
    return is_plain_new(op, mode, group) && !f->was_there &&
           (!(f->handle.flags & O_TRUNC) || p9_open_truncates(op->fs->client));
}

/* Creates the file and its inode. *attr: the server's attributes, or predicted ones if *plain. */
static int create_inode(struct op *op, struct inode *dir, const char *name, mode_t mode, struct file *f,
                        struct p9_attr *attr, bool *plain)
{
    struct inode *inode;
    gid_t group = NO_GROUP;
    uint64_t began = clock_ms();

    mode = mode_for_new(op, dir, mode) & 07777;
    int rc = create_in(op, dir, name, mode, f, &group);
    cache_name_changed(op->fs->cache, dir, name);
    if (rc != 0)
        return rc;
    op->scope.interrupted = false; /* the file exists now */
    rc = give_to_user(op, f->handle.fid, group_for_new(op, dir));
    *plain = rc == 0 && is_plain_create(op, f, mode, group);
    if (*plain)
        *attr = attr_of_new(op, dir, &f->handle.fid->qid, S_IFREG | mode);
    else if (rc == 0)
        rc = p9_getattr(&op->scope, f->handle.fid, attr);
    if (rc == 0)
        rc = enter_known(op, dir, name, attr, NULL, 0, &inode);
    if (rc == 0)
        cache_confirm(op->fs->cache, inode, began);
    if (rc != 0)
        return rc;
    f->handle.inode = inode;
    f->created = true;
    if (!f->was_there && attr->size == 0) { /* a new file has no capability */
        struct cap_question q = cache_cap_asked(op->fs->cache, inode);
        cache_cap_answered(op->fs->cache, inode, &q, -ENODATA);
    }
    if (!*plain && attr->size == 0) /* the file is new */
        as_made(op, inode, mode, group, attr);
    else if (!*plain)
        rc = truncate_opened(op, f, attr);
    cache_changing(op->fs->cache, inode);
    if (rc != 0)
        cache_forget(op->fs->cache, inode, 1);
    return rc;
}

void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct op op;
    struct p9_attr attr;
    bool plain;

    op_begin(&op, req);
    struct file *f = file_new(&op, fi->flags);
    int rc = f != NULL ? create_inode(&op, inode_of(op.fs, parent), name, mode, f, &attr, &plain) : -ENOMEM;
    if (rc != 0) {
        if (f != NULL)
            file_free(f);
        op_reply_err(&op, rc);
        return;
    }
    op.attr_unsure = plain;
    struct opened o = {.f = f, .created = true};
    fill_entry(&op, f->handle.inode, &attr, &o.entry);
    bool other_attributes = note_opened(&op, f, fi, &attr, NULL);
    o.op = op;
    o.fi = *fi;
    answer_opened(&o, other_attributes);
}
