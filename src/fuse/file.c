/*
 * file.c: callbacks that read, write, flush and sync open files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>

#include "fuse/file.h"
#include "fuse/callbacks.h"
#include "fuse/lock.h"
#include "fuse/notify.h"

/* ---- read: the reader thread sends the reply ---------------------------- */

struct read_op {
    struct op op;
    struct file *f;
    struct readahead_read chunk;
    struct p9_io io;
    uint8_t *buf;
};

static void read_end(struct read_op *r)
{
    p9_io_finish(&r->io);
    free(r->buf);
    free(r);
}

static void read_done(struct p9_io *io)
{
    struct read_op *r = io->arg;

    if (io->result < 0) {
        op_reply_err_now(&r->op, (int)io->result);
    } else {
        op_end(&r->op);
        fuse_reply_buf(r->op.req, (const char *)r->buf, (size_t)io->result);
    }
    read_end(r);
}

static void read_from_server(struct read_op *r)
{
    struct file *f = r->f;
    uint32_t size = r->chunk.size;

    r->buf = malloc(size);
    if (r->buf == NULL) {
        op_reply_err_now(&r->op, -ENOMEM);
        read_end(r);
        return;
    }
    r->io = (struct p9_io){.fid = f->handle.fid,
                           .buf = r->buf,
                           .offset = r->chunk.offset,
                           .count = f->direct && size > f->handle.fid->iounit ? f->handle.fid->iounit : size,
                           .size = inode_facts(r->op.fs->cache, f->handle.inode).attr.size,
                           .short_ok = f->direct,
                           .scope = &r->op.scope,
                           .done = read_done,
                           .arg = r};
    fs_count(r->op.fs, READS_ASKED);
    p9_read_start(&r->io);
}

static void readahead_done(struct readahead_read *chunk, int rc)
{
    struct read_op *r = (struct read_op *)((char *)chunk - offsetof(struct read_op, chunk));

    if (rc == -EAGAIN) {
        read_from_server(r);
        return;
    }
    fs_count(r->op.fs, READS_AHEAD);
    if (rc != 0) {
        op_reply_err_now(&r->op, rc);
    } else {
        op_end(&r->op);
        fuse_reply_iov(r->op.req, chunk->iov, chunk->n);
    }
    read_end(r);
}

void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);
    struct read_op *r = calloc(1, sizeof *r);

    (void)ino;
    if (r == NULL || f->handle.fid == NULL) {
        free(r);
        fuse_reply_err(req, r == NULL ? ENOMEM : EBADF);
        return;
    }
    op_begin(&r->op, req);
    if (off == 0)
        atomic_store(&f->read_start, true);
    r->f = f;
    r->op.any_signal = f->direct;
    r->op.readahead = f->readahead;
    r->chunk = (struct readahead_read){
        .offset = (uint64_t)off, .size = (uint32_t)size, .scope = &r->op.scope, .done = readahead_done};
    int rc = op_settle(&r->op, f->handle.inode);
    if (rc == 0 && atomic_load(&f->handle.inode->lock_lost))
        rc = -EIO;
    if (rc != 0) {
        op_reply_err_now(&r->op, rc);
        read_end(r);
        return;
    }
    uint64_t known = inode_facts(r->op.fs->cache, f->handle.inode).attr.size;
    if ((fi->flags & O_DIRECT) || !readahead_read(f->readahead, &r->chunk, known))
        read_from_server(r);
}

/* ---- write, fsync, close ------------------------------------------------ */

/* Whether a write waits for the server's acknowledgement. An append does: the server knows where
 * the file ends. A page of a mapped file does: no program could receive its error afterwards. A
 * later write does not report the error of an earlier one, since the kernel may split it in two
 * and turn the failure of the second half into a short count: close(2) and fsync(2) report it,
 * and until then the writes of a writer with an error wait. */
static bool waits_for_writes(struct op *op, struct file *f, const struct fuse_file_info *fi)
{
    return op->fs->writebehind == NULL || op->fs->bypasses_cache || f->direct || fi->writepage ||
           atomic_load(&f->writer.failed) ||
           ((fi->flags | f->handle.flags) & (O_APPEND | O_SYNC | O_DSYNC | O_DIRECT)) != 0;
}

/* whole: a partial write is not a valid result. */
static ssize_t write_through(struct op *op, struct file *f, const char *buf, size_t size, uint64_t off, bool whole)
{
    struct p9_io io = {.fid = f->handle.fid,
                       .buf = (uint8_t *)buf,
                       .offset = off,
                       .count = (uint32_t)size,
                       .in_order = (f->handle.flags & O_APPEND) || f->direct,
                       .scope = &op->scope};
    int rc = op_settle(op, f->handle.inode);

    if (rc != 0)
        return rc;
    cache_changing(op->fs->cache, f->handle.inode);
    ssize_t n = p9_write_wait(&io);
    cache_changing(op->fs->cache, f->handle.inode);
    /* write(2) may report a partial write, and the error when the program writes the rest; a
     * mapped page is written whole or not at all. */
    return n < 0 && io.finished > 0 && !whole ? (ssize_t)io.finished : n;
}

static ssize_t write_behind(struct op *op, struct file *f, const char *buf, size_t size, uint64_t off)
{
    int rc = writebehind_write(op->fs->writebehind, &op->scope, &f->writer, f->handle.fid, buf, size, off);
    return rc == 0 ? (ssize_t)size : rc;
}

void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);
    struct op op;

    (void)ino;
    op_begin(&op, req);
    op.any_signal = f->direct;
    if (f->handle.fid == NULL || atomic_load(&f->handle.inode->lock_lost)) {
        op_reply_err_now(&op, f->handle.fid == NULL ? -EBADF : -EIO);
        return;
    }
    atomic_store(&f->wrote, true);
    if (f->direct)
        lookahead_doubt(op.fs->cache);
    bool waits = waits_for_writes(&op, f, fi);
    fs_count(op.fs, waits ? WRITES_WAITED : WRITES_BEHIND);
    ssize_t n = waits ? write_through(&op, f, buf, size, (uint64_t)off, fi->writepage)
                      : write_behind(&op, f, buf, size, (uint64_t)off);
    if (n < 0) {
        op_reply_err_now(&op, (int)n);
        return;
    }
    cache_wrote(op.fs->cache, f->handle.inode, (uint64_t)off + (uint64_t)n);
    op_end(&op);
    fuse_reply_write(req, (size_t)n);
}

/* A FLUSH or FSYNC has reported a failed write once its reply is sent; if the caller is killed
 * before that, the error remains to be reported. */

static void flush_reported(struct op *op, void *f)
{
    writebehind_reported(op->fs->writebehind, &((struct file *)f)->writer, true);
}

static void sync_reported(struct op *op, void *f)
{
    writebehind_sync(op->fs->writebehind, &((struct file *)f)->writer);
}

/* Replies once all writes are acknowledged or have failed. After a failure the kernel holds pages
 * that the server does not have, and drops them first. */
static void reply_settled(struct op *op, struct file *f, int rc, int failed, void (*sent)(struct op *op, void *arg))
{
    const struct answer a = {.kind = ANSWER_ERR, .rc = failed, .sent = sent, .sent_arg = f};

    if (failed != 0)
        op_answer_dropped(op, f->handle.inode, true, &a);
    else
        op_reply_err(op, rc);
}

/* No signal reaches a process that is ending, and the kernel reports none during a close(2). While
 * the server is silent neither it nor one that is being killed is held up: its data are written by
 * and by, and if that fails the release of the file logs it. */
static bool is_waited_for(void *arg)
{
    enum { SILENT_MS = 1000 };
    struct op *op = arg;

    return !p9_session_silent(p9_client_session(op->fs->client), SILENT_MS) ||
           !(op_caller_exits(op) || op_is_killed(fuse_req_ctx(op->req)->pid));
}

void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;

    (void)ino;
    op_begin(&op, req);
    struct file *f = file_of(fi);
    op.user = f->handle.user;
    int rc = writebehind_settle_while(op.fs->writebehind, &op.scope, &f->handle.inode->qid, is_waited_for, &op);
    int failed = rc == 0 ? writebehind_error(op.fs->writebehind, &f->writer) : 0;
    writebehind_reported(op.fs->writebehind, &f->writer, false);
    locks_closed(&op, f, fi->lock_owner);
    int closed = close_written(&op, f);
    reply_settled(&op, f, rc != 0 ? rc : closed, failed, failed != 0 && !op_caller_exits(&op) ? flush_reported : NULL);
}

void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct op op;

    (void)ino;
    op_begin(&op, req);
    struct file *f = file_of(fi);
    int rc = op_settle(&op, f->handle.inode);
    int failed = rc == 0 ? writebehind_unsynced(op.fs->writebehind, &f->writer) : 0;
    if (rc == 0 && atomic_load(&f->handle.inode->lock_lost))
        rc = -EIO;
    if (rc == 0 && failed == 0 && f->handle.fid != NULL)
        rc = p9_fsync(&op.scope, f->handle.fid, datasync != 0);
    reply_settled(&op, f, rc, failed, sync_reported);
}
