/*
 * open.c: callbacks that open and create files.
 *
 * OPEN looks the file up by its name again, so that what is opened is what has the name now:
 * if that is another file the answer is ESTALE, and the kernel looks the name up again. The
 * attributes seen then decide what the kernel may still believe (close-to-open).
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fs.h"

enum {
    FIRST_READ = 65536, /* bytes: larger files are not read when they are opened */
    CONVINCED = 4,      /* so many that were not read must follow as many that were before that counts */
};

/* ---- open --------------------------------------------------------------- */

static struct file *file_new(struct op *op, int flags)
{
    struct file *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->handle.flags = flags;
    f->handle.user = op_user(op);
    return f;
}

static void file_free(struct file *f)
{
    p9_fid_put(f->handle.fid);
    free(f);
}

/* What O_TRUNC should have done and the server has not. */
static int truncate_opened(struct op *op, struct file *f, struct p9_attr *attr)
{
    struct p9_setattr set = {.valid = P9_SETATTR_SIZE};
    int rc = 0;

    if (!(f->handle.flags & O_TRUNC) || !S_ISREG(attr->mode))
        return 0;
    set.mode = attr->mode & 07777 & ~(mode_t)(S_ISUID | (attr->mode & S_IXGRP ? S_ISGID : 0));
    if (fuse_req_ctx(op->req)->uid != 0 && set.mode != (attr->mode & 07777)) /* truncating takes the privileges away */
        set_mode_as_mounter(op, f->handle.inode, set.mode);
    if (attr->size == 0 && p9_open_truncates(op->fs->client))
        return 0;
    rc = p9_setattr(&op->scope, f->handle.fid, &set);
    if (rc == 0)
        rc = p9_getattr(&op->scope, f->handle.fid, attr);
    return rc;
}

/* Where files are opened one after the other, which are next. */
static void choose_next(struct op *op, struct inode *inode, struct preopen *next)
{
    char name[P9_MAXNAME + 1];
    struct inode *dir = cache_above(op->fs->cache, inode, name);

    if (dir == NULL)
        return;
    lookahead_preopen_begin(op->fs->cache, dir, op_user(op), name, next);
    cache_forget(op->fs->cache, dir, 1);
}

/* How much of the file should be read with its opening: all, if it is small, was not read before, and others were read. */
static uint32_t wants_first(struct op *op, struct inode *inode)
{
    uint64_t size = inode_facts(op->fs->cache, inode).attr.size;

    if (op->fs->readahead_pool == NULL || atomic_load(&op->fs->read_at_once) <= 0 || size > FIRST_READ ||
        cache_may_be_cached(op->fs->cache, inode))
        return 0;
    return (uint32_t)size;
}

/* Before who writes does so the kernel asks for the file's capability, which it would take: that is asked for with the opening. */
static bool asks_capability(struct op *op, struct inode *inode, int flags, struct p9_xattrs_too *too)
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

/* In one round trip, if the file is known well enough. o->first, which may be NULL, is the caller's. */
static int open_at_once(struct op *op, struct use *u, struct file *f, struct p9_opening *o)
{
    struct preopen next = {.n = 0};
    bool reads = cache_reads_only(f->handle.flags);

    if (f->handle.flags & O_TRUNC)
        return -EAGAIN;
    o->flags = f->handle.flags;
    if (reads && op->fs->timer != NULL) {
        choose_next(op, u->inode, &next);
        memcpy(o->too, next.fids, sizeof o->too);
        o->ntoo = next.n;
        o->first_size = wants_first(op, u->inode);
        o->first = o->first_size > 0 ? malloc(o->first_size) : NULL;
    }
    int rc = use_open(&op->scope, u, o);
    memcpy(next.fids, o->too, sizeof next.fids);
    if (next.n > 0) {
        lookahead_preopen_end(op->fs->cache, u->user, &next);
        timer_arm(op->fs->timer, cache_idle_open_ms(op->fs->cache));
    }
    return rc;
}

/* Of a file without a name: one that is open already serves again; else what was kept when it lost its name is opened, if the server
 * still has the file then. Not to truncate: whether it is that file is seen afterwards. */
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
    bool asks = asks_capability(op, inode, f->handle.flags, &o->xattrs);
    int rc = open_at_once(op, &u, f, o);

    f->handle.inode = inode;
    f->handle.walked = u.walked;
    if (rc == 0) {
        f->handle.fid = o->fid;
        if (asks)
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
    if (asks)
        rc = getattr_and_capability(op, f, attr, &o->xattrs);
    else
        rc = p9_getattr(&op->scope, f->handle.fid, attr);
    return rc == 0 ? truncate_opened(op, f, attr) : rc;
}

/* Files whose size means nothing, or which take what is written as a message: no cache, and one message to a call. A new
 * file on a disk is empty, too, when it is opened to write: only servers of the older dialects are taken for such then. */
static bool is_synthetic(struct fs *fs, const struct file *f, const struct p9_attr *attr)
{
    int access = f->handle.flags & O_ACCMODE;

    if (f->handle.fid->qid.type & (P9_QTAPPEND | P9_QTEXCL))
        return true;
    if (attr->size != 0 || f->created)
        return false;
    if (!p9_may_be_synthetic(fs->client))
        return access == O_RDONLY;
    return access != O_RDWR || !(f->handle.flags & O_TRUNC);
}

/* Whether the kernel knows other attributes. */
static bool note_opened(struct op *op, struct file *f, struct fuse_file_info *fi, const struct p9_attr *attr,
                        const uint64_t *version)
{
    struct fs *fs = op->fs;

    f->direct = is_synthetic(op->fs, f, attr);
    fi->direct_io = f->direct || fs->passes_cache;
    fi->keep_cache = cache_same_content(fs->cache, f->handle.inode, attr, fs->ignores_version, fs->loose);
    f->opened = *attr;
    f->writer.inode = f->handle.inode;
    f->writer.known_errors = cache_known_errors(fs->cache, f->handle.inode);
    if (!fi->direct_io && (f->handle.flags & O_ACCMODE) != O_WRONLY)
        f->readahead = readahead_open(fs->readahead_pool, f->handle.inode, f->handle.fid);
    fi->fh = (uintptr_t)f;
    cache_add_handle(fs->cache, &f->handle);
    if (version == NULL)
        return cache_announce(fs->cache, f->handle.inode, attr);
    return cache_announce_fresh(fs->cache, f->handle.inode, attr, *version);
}

/* The answer to an OPEN or a CREATE. */
struct opened {
    struct notice notice;
    struct op op;
    struct file *f;
    struct fuse_file_info fi;
    bool created;
    struct fuse_entry_param entry;
};

/* Where the kernel has given up waiting it will not release the file. */
static void reply_opened(struct opened *o, bool waits)
{
    struct inode *inode = o->f->handle.inode;
    int rc = -ENOENT;

    if (waits) {
        op_end(&o->op);
        rc = o->created ? fuse_reply_create(o->op.req, &o->entry, &o->fi) : fuse_reply_open(o->op.req, &o->fi);
    }
    if (rc != -ENOENT)
        return;
    drop_file(&o->op, o->f);
    if (o->created)
        cache_forget(o->op.fs->cache, inode, 1);
}

static void reply_notified(struct notice *n, bool waits)
{
    struct opened *o = (struct opened *)((char *)n - offsetof(struct opened, notice));

    reply_opened(o, waits);
    free(o);
}

/* Whoever opens a file sees its attributes as they are: others are dropped before he is answered. */
static void answer_opened(struct opened *like, bool other_attributes)
{
    struct opened *o = other_attributes ? malloc(sizeof *o) : NULL;

    if (o == NULL) {
        if (other_attributes)
            notify_all(like->op.fs);
        reply_opened(like, true);
        return;
    }
    *o = *like;
    o->notice = (struct notice){.op = &o->op, .inode = o->f->handle.inode, .then = reply_notified};
    notify_then(&o->notice);
}

/* ---- what is open without an owner -------------------------------------- */

/* A file that is closed may be opened again. */
static void keep_open(struct op *op, struct file *f)
{
    struct fs *fs = op->fs;
    struct handle *h = &f->handle;

    if (fs->timer == NULL || f->direct || h->fid == NULL || h->user == NULL || !cache_reads_only(h->flags) ||
        cache_locks(fs->cache, h->inode, false) != NULL || inode_version(fs->cache, h->inode) != f->version)
        return;
    cache_keep_open(fs->cache, h->inode, h->user, p9_fid_get(h->fid), h->walked, &f->opened);
    timer_arm(fs->timer, cache_idle_open_ms(fs->cache));
}

void close_kept(struct op *op, struct inode *dir, const char *name)
{
    if (op->fs->timer == NULL)
        return;
    cache_close_idle(op->fs->cache, dir, name);
}

unsigned close_old(void *arg)
{
    struct fs *fs = arg;
    return cache_close_old(fs->cache);
}

static void note_how_read(struct fs *fs, const struct file *f)
{
    int n = atomic_load(&fs->read_at_once); /* what gets lost between threads is no loss */

    if (f->direct || !cache_reads_only(f->handle.flags))
        return;
    if (atomic_load(&f->read_start))
        atomic_store(&fs->read_at_once, n < CONVINCED ? n + 1 : n);
    else
        atomic_store(&fs->read_at_once, n > -CONVINCED ? n - 1 : n);
}

/* ---- close -------------------------------------------------------------- */

void drop_file(struct op *op, struct file *f)
{
    locks_released(op, f);
    readahead_close(f->readahead);
    note_how_read(op->fs, f);
    keep_open(op, f);
    if (f->handle.fid != NULL)
        drop_handle(op, &f->handle);
    free(f);
}

void close_all(struct fs *fs)
{
    struct handle *h;

    while ((h = cache_some_handle(fs->cache)) != NULL) {
        struct file *f = (struct file *)h; /* its first member */
        readahead_close(f->readahead);
        log_lost(fs, f, writebehind_error(fs->writebehind, &f->writer));
        cache_drop_handle(fs->cache, h);
        free(f);
    }
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
    if (f->handle.flags & O_TRUNC)
        cache_changing(op.fs->cache, inode);
    bool other_attributes = note_opened(&op, f, fi, &o.attr, &version);
    if (o.first_got > 0 && (uint64_t)o.first_got == o.attr.size)
        readahead_give(f->readahead, o.first, (uint32_t)o.first_got, f->version);
    free(o.first);
    answer_opened(&(struct opened){.op = op, .f = f, .fi = *fi}, other_attributes);
}

/* ---- create ------------------------------------------------------------- */

/* A fid of the directory that the new file may become: at hand, or cloned. One for the next time is asked for beside it. */
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

/* *group: what the file should be given to. */
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
                rc = p9_create(&op->scope, fid, name, f->handle.flags, mode, primary_group(op));
                *group = gid;
            }
            f->handle.fid = rc == 0 ? p9_fid_get(fid) : NULL;
            p9_fid_put(fid);
        }
        /* lib9p creates only what is not there, whatever the flags: then there is something to open. */
        if (rc == -EEXIST && !(f->handle.flags & O_EXCL)) {
            f->was_there = true;
            rc = open_existing(op, u.fid, name, f);
        }
    } while (use_again(&u, rc));
    f->handle.walked = u.walked;
    return rc;
}

static bool are_plain(struct op *op, const struct file *f, mode_t mode, gid_t group)
{
    return is_plain_new(op, mode, group) && !f->was_there &&
           (!(f->handle.flags & O_TRUNC) || p9_open_truncates(op->fs->client));
}

/* Makes the file, and its inode. The attributes are the server's, or with *plain made up. */
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
    op->scope.interrupted = false; /* it is there now */
    rc = give_to_user(op, f->handle.fid, group_for_new(op, dir));
    *plain = rc == 0 && are_plain(op, f, mode, group);
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
    if (!f->was_there && attr->size == 0) { /* a new file has none */
        struct cap_question q = cache_cap_asked(op->fs->cache, inode);
        cache_cap_answered(op->fs->cache, inode, &q, -ENODATA);
    }
    if (!*plain && attr->size == 0) /* it was not there before */
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
