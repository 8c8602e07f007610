/*
 * opened.c: the common part of OPEN and CREATE: the open file, its caching, and the reply.
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
    if (fuse_req_ctx(op->req)->uid != 0 && set.mode != (attr->mode & 07777)) /* truncation clears the privileges */
        set_mode_as_mounter(op, f->handle.inode, set.mode);
    if (attr->size == 0 && p9_open_truncates(op->fs->client))
        return 0;
    rc = p9_setattr(&op->scope, f->handle.fid, &set);
    if (rc == 0)
        rc = p9_getattr(&op->scope, f->handle.fid, attr);
    return rc;
}

/* Whether the size of the file means nothing, or each write to it is a message: such a file is not
 * cached, and each call is one 9P request. A new file on a disk is empty as well when it is opened
 * for writing: an empty file opened for writing counts as synthetic only on a server of the older
 * dialects. */
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

/* A kernel that has stopped waiting (ENOENT, or waits false) sends no RELEASE: the file is
 * released here. */
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

void answer_opened(struct opened *source, bool other_attributes)
{
    struct opened *o = other_attributes ? malloc(sizeof *o) : NULL;

    if (o == NULL) {
        if (other_attributes)
            notify_all(source->op.fs);
        reply_opened(source, true);
        return;
    }
    *o = *source;
    o->notice = (struct notice){.op = &o->op, .inode = o->f->handle.inode, .then = reply_notified};
    notify_then(&o->notice);
}
