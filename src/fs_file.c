/*
 * fs_file.c: callbacks on open files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fs.h"

/* ---- read: answered by the reader thread -------------------------------- */

struct read_op {
    struct op op;
    struct p9_io io;
    uint8_t buf[];
};

static void read_done(struct p9_io *io)
{
    struct read_op *r = io->arg;

    if (io->result < 0) {
        op_reply_err(&r->op, (int)io->result);
    } else {
        op_end(&r->op);
        fuse_reply_buf(r->op.req, (const char *)r->buf, (size_t)io->result);
    }
    p9_io_finish(io);
    free(r);
}

void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);
    struct read_op *r = malloc(sizeof *r + size);

    if (r == NULL || f->handle.fid == NULL) {
        free(r);
        fuse_reply_err(req, r == NULL ? ENOMEM : EBADF);
        return;
    }
    op_begin(&r->op, req);
    r->op.any_signal = f->direct;
    r->io = (struct p9_io){.fid = f->handle.fid,
                           .buf = r->buf,
                           .offset = (uint64_t)off,
                           .count = f->direct && size > f->handle.fid->iounit ? f->handle.fid->iounit : (uint32_t)size,
                           .size = tree_facts(r->op.fs->tree, node_of(r->op.fs, ino)).attr.size,
                           .short_ok = f->direct,
                           .scope = &r->op.scope,
                           .done = read_done,
                           .arg = r};
    p9_read_start(&r->io);
}

/* ---- write, fsync, close ------------------------------------------------ */

void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);
    struct op op;

    op_begin(&op, req);
    op.any_signal = f->direct;
    if (f->handle.fid == NULL) {
        op_reply_err(&op, -EBADF);
        return;
    }
    atomic_store(&f->wrote, true);
    struct p9_io io = {.fid = f->handle.fid,
                       .buf = (uint8_t *)buf,
                       .offset = (uint64_t)off,
                       .count = (uint32_t)size,
                       .in_order = (f->handle.flags & O_APPEND) || f->direct,
                       .scope = &op.scope};
    struct node *node = node_of(op.fs, ino);
    tree_changing(op.fs->tree, node);
    ssize_t n = p9_write_wait(&io);
    tree_changing(op.fs->tree, node);
    if (n < 0) {
        op_reply_err(&op, (int)n);
        return;
    }
    op_end(&op);
    fuse_reply_write(req, (size_t)n);
}

void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;

    op_begin(&op, req);
    op.user = file_of(fi)->handle.user;
    locks_closed(&op, node_of(op.fs, ino), fi->lock_owner);
    op_reply_err(&op, close_written(&op, file_of(fi))); /* every write was acknowledged before it was answered */
}

void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;

    (void)ino;
    op_begin(&op, req);
    op.user = file_of(fi)->handle.user; /* the kernel does not say who closes */
    drop_file(&op, file_of(fi));
    op_reply_err(&op, 0);
}

void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct op op;

    (void)ino;
    op_begin(&op, req);
    struct p9_fid *fid = file_of(fi)->handle.fid;
    op_reply_err(&op, fid != NULL ? p9_fsync(&op.scope, fid, datasync != 0) : 0);
}
