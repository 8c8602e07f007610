/*
 * open.c: the callback that opens files.
 *
 * OPEN walks to the file by its name again, so that it opens the file that has the name now: if
 * that is another file the reply is ESTALE, and the kernel looks the name up again. The attributes
 * that OPEN receives decide what the kernel may keep in its caches (close-to-open).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/callbacks.h"
#include "fuse/file.h"
#include "fuse/opened.h"
#include "fuse/user.h"
#include "fuse/xattr.h"

enum {
    FIRST_READ = 65536, /* bytes: the open of a larger file does not read it */
};

/* Chooses the files to open together with this one, when a program opens a directory's files one
 * after the other. */
static void choose_next(struct op *op, struct inode *inode, struct preopen *next)
{
    char name[P9_MAXNAME + 1];
    struct inode *dir = cache_above(op->fs->cache, inode, name);

    if (dir == NULL)
        return;
    lookahead_preopen_begin(op->fs->cache, dir, op_user(op), name, next);
    cache_forget(op->fs->cache, dir, 1);
}

/* The number of bytes to read in the round trip that opens the file: the whole file if it is
 * small, is not cached, and programs do read the files they open from the start; else 0. */
static uint32_t first_read_size(struct op *op, struct inode *inode)
{
    uint64_t size = inode_facts(op->fs->cache, inode).attr.size;

    if (op->fs->readahead_pool == NULL || atomic_load(&op->fs->read_at_once) <= 0 || size > FIRST_READ ||
        cache_may_be_cached(op->fs->cache, inode))
        return 0;
    return (uint32_t)size;
}

/* Before the first write the kernel asks for the file's capability, which it would have to
 * remove: a file opened for writing requests that in the same round trip. */
static bool should_ask_capability(struct op *op, struct inode *inode, int flags, struct p9_xattrs_too *too)
{
    struct fs *fs = op->fs;

    if (cache_reads_only(flags & (O_ACCMODE | O_TRUNC)) || atomic_load(&fs->no_capability) ||
        cache_uncapped(fs->cache, inode) != 0)
        return false;
    too->names[0] = capability;
    return true;
}

static void note_capability(struct op *op, struct inode *inode, const struct cap_question *q,
                            const struct p9_xattrs_too *too)
{
    cache_cap_answered(op->fs->cache, inode, q, too->lacks[0]);
    if (too->lacks[0] == -EOPNOTSUPP)
        atomic_store(&op->fs->no_capability, true);
}

static int getattr_and_capability(struct op *op, struct file *f, struct p9_attr *attr, struct p9_xattrs_too *too)
{
    struct cache *cache = op->fs->cache;
    struct inode *inode = f->handle.inode;
    struct cap_question q = cache_cap_asked(cache, inode);
    struct p9_fid *unopened = cache_idle_fid(cache, inode, op_user(op));
    int rc = p9_getattr_too(&op->scope, f->handle.fid, attr, unopened, too);

    p9_fid_put(unopened);
    if (rc == 0)
        note_capability(op, inode, &q, too);
    return rc;
}

/* Opens in one round trip, if enough is known of the file; else -EAGAIN. The caller frees
 * o->first, which may be NULL. */
static int open_in_one_trip(struct op *op, struct use *u, struct file *f, struct p9_opening *o)
{
    struct preopen next = {.n = 0};
    bool reads = cache_reads_only(f->handle.flags);

    if (f->handle.flags & O_TRUNC)
        return -EAGAIN;
    o->flags = f->handle.flags;
    if (reads && op->fs->idle_timer != NULL) {
        choose_next(op, u->inode, &next);
        memcpy(o->too, next.fids, sizeof o->too);
        o->ntoo = next.n;
        o->first_size = first_read_size(op, u->inode);
        o->first = o->first_size > 0 ? malloc(o->first_size) : NULL;
    }
    int rc = use_open(&op->scope, u, o);
    memcpy(next.fids, o->too, sizeof next.fids);
    if (next.n > 0) {
        lookahead_preopen_end(op->fs->cache, u->user, &next);
        timer_arm(op->fs->idle_timer, cache_idle_open_ms(op->fs->cache));
    }
    return rc;
}

/* Opens a file without a name: an open fid of it is shared if there is one; else a clone of the
 * fid that remains from before the name was removed is opened, if the server still has the file.
 * Without O_TRUNC: only afterwards is it certain that this is the same file. */
static int open_unnamed(struct op *op, struct inode *inode, struct file *f)
{
    struct use u = op_use(op, inode);
    struct p9_fid *fid;
    int rc;

    f->handle.fid = cache_open_unnamed(op->fs->cache, inode, u.user, f->handle.flags);
    if (f->handle.fid != NULL)
        return 0;
    do {
        rc = use_begin(&op->scope, &u);
        if (rc == 0)
            rc = p9_walk(&op->scope, u.fid, 0, NULL, &fid);
        if (rc == 0) {
            rc = p9_fid_hold(fid, false);
            if (rc == 0)
                rc = p9_open(&op->scope, fid, f->handle.flags & ~O_TRUNC);
            f->handle.fid = rc == 0 ? p9_fid_get(fid) : NULL;
            p9_fid_put(fid);
        }
    } while (use_again(&u, rc));
    return rc;
}

static int open_walked(struct op *op, struct use *u, struct file *f)
{
    int rc;

    do {
        rc = use_take(&op->scope, u);
        if (rc == 0)
            rc = p9_fid_hold(u->fid, false);
        if (rc == 0)
            rc = p9_open(&op->scope, u->fid, f->handle.flags);
        if (rc == 0)
            f->handle.fid = p9_fid_get(u->fid);
    } while (use_again(u, rc));
    return rc;
}

static int open_by_name(struct op *op, struct inode *inode, struct file *f, struct p9_opening *o)
{
    struct use u = op_use(op, inode);
    struct p9_attr *attr = &o->attr;
    struct cap_question q = cache_cap_asked(op->fs->cache, inode);
    bool ask_capability = should_ask_capability(op, inode, f->handle.flags, &o->xattrs);
    int rc = open_in_one_trip(op, &u, f, o);

    f->handle.inode = inode;
    f->handle.walked = u.walked;
    if (rc == 0) {
        f->handle.fid = o->fid;
        if (ask_capability)
            note_capability(op, inode, &q, &o->xattrs);
        return 0;
    }
    o->first_got = 0;
    if (rc == -EINTR || rc == -ENFILE)
        return rc;
    rc = inode_facts(op->fs->cache, inode).nameless ? open_unnamed(op, inode, f) : open_walked(op, &u, f);
    if (rc != 0)
        return rc;
    f->handle.walked = u.walked;
    if (!qid_same_file(&f->handle.fid->qid, &inode->qid))
        return -ESTALE;
    if (ask_capability)
        rc = getattr_and_capability(op, f, attr, &o->xattrs);
    else
        rc = p9_getattr(&op->scope, f->handle.fid, attr);
    return rc == 0 ? truncate_opened(op, f, attr) : rc;
}

void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;
    struct p9_opening o = {.flags = fi->flags};

    op_begin(&op, req);
    struct inode *inode = inode_of(op.fs, ino);
    int rc = op_settle(&op, inode);
    if (fi->flags & O_TRUNC)
        cache_changing(op.fs->cache, inode);
    uint64_t version = inode_version(op.fs->cache, inode);
    struct file *f = file_new(&op, fi->flags);
    if (f != NULL)
        f->version = version;
    if (rc == 0)
        rc = f != NULL ? open_by_name(&op, inode, f, &o) : -ENOMEM;
    if (rc != 0) {
        free(o.first);
        if (f != NULL)
            file_free(f);
        op_reply_err(&op, rc);
        return;
    }
    fs_count(op.fs, o.is_open ? OPENS_AHEAD : OPENS_ASKED);
    if (f->handle.flags & O_TRUNC)
        cache_changing(op.fs->cache, inode);
    bool other_attributes = note_opened(&op, f, fi, &o.attr, &version);
    if (o.first_got > 0 && (uint64_t)o.first_got == o.attr.size)
        readahead_preload(f->readahead, o.first, (uint32_t)o.first_got, f->version);
    free(o.first);
    answer_opened(&(struct opened){.op = op, .f = f, .fi = *fi}, other_attributes);
}
