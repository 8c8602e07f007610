/*
 * opened.c: what OPEN and CREATE share: the open file, what is noted of it, and the answer.
 */
#include "fuse/opened.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>

#include "fuse/inode_attr.h"
#include "fuse/user.h"

struct file *file_new(struct op *op, int flags)
{
    struct file *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->handle.flags = flags;
    f->handle.user = op_user(op);
    return f;
}

void file_free(struct file *f)
{
    p9_fid_put(f->handle.fid);
    free(f);
}

int truncate_opened(struct op *op, struct file *f, struct p9_attr *attr)
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

/* Files whose size means nothing, or which take what is written as a message: no cache, and one
 * message to a call. A new file on a disk is empty, too, when it is opened to write: only
 * servers of the older dialects are taken for such then. */
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

bool note_opened(struct op *op, struct file *f, struct fuse_file_info *fi, const struct p9_attr *attr,
                 const uint64_t *version)
{
    struct fs *fs = op->fs;

    f->direct = is_synthetic(op->fs, f, attr);
    fi->direct_io = f->direct || fs->bypasses_cache;
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

void answer_opened(struct opened *like, bool other_attributes)
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
