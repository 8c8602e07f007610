/*
 * release.c: the release of open files, and idle open fids.
 */
#include <stdlib.h>
#include <string.h>

#include "fuse/callbacks.h"
#include "fuse/file.h"
#include "fuse/lock.h"
#include "fuse/silly_rename.h"
#include "base/log.h"

enum {
    READ_HABIT_MAX = 4, /* bound of fs->read_at_once: so many files of the other kind end a habit */
};

/* Leaves the fid open, idle, since the file may soon be opened again. */
static void keep_open(struct op *op, struct file *f)
{
    struct fs *fs = op->fs;
    struct handle *h = &f->handle;

    if (fs->idle_timer == NULL || f->direct || h->fid == NULL || h->user == NULL || !cache_reads_only(h->flags) ||
        cache_locks(fs->cache, h->inode, false) != NULL || inode_version(fs->cache, h->inode) != f->version)
        return;
    cache_keep_open(fs->cache, h->inode, h->user, p9_fid_get(h->fid), h->walked, &f->opened);
    timer_arm(fs->idle_timer, cache_idle_open_ms(fs->cache));
}

void close_idle(struct op *op, struct inode *dir, const char *name)
{
    if (op->fs->idle_timer == NULL)
        return;
    cache_close_idle(op->fs->cache, dir, name);
}

unsigned close_old(void *arg)
{
    struct fs *fs = arg;
    return cache_close_old(fs->cache);
}

static void note_read_habit(struct fs *fs, const struct file *f)
{
    int n = atomic_load(&fs->read_at_once); /* a race may lose an update: it is only a hint */

    if (f->direct || !cache_reads_only(f->handle.flags))
        return;
    if (atomic_load(&f->read_start))
        atomic_store(&fs->read_at_once, n < READ_HABIT_MAX ? n + 1 : n);
    else
        atomic_store(&fs->read_at_once, n > -READ_HABIT_MAX ? n - 1 : n);
}

void drop_file(struct op *op, struct file *f)
{
    locks_released(op, f);
    readahead_close(f->readahead);
    note_read_habit(op->fs, f);
    keep_open(op, f);
    if (f->handle.fid != NULL)
        drop_handle(op, &f->handle);
    free(f);
}

/* Logs a failed write whose error rc no program may have received. rc 0: no write has failed. */
static void log_failed_write(struct fs *fs, const struct file *f, int rc)
{
    if (rc == 0)
        return;
    char *path = cache_path(fs->cache, f->handle.inode);
    log_error("data written to '%s' is lost: %s", path != NULL ? path : "a removed file", strerror(-rc));
    free(path);
    atomic_store(&fs->write_lost_silently, true);
}

void close_all(struct fs *fs)
{
    struct handle *h;

    while ((h = cache_some_handle(fs->cache)) != NULL) {
        struct file *f = (struct file *)h; /* the handle is its first member */
        readahead_close(f->readahead);
        /* If a program still has the file open, the close of a duplicate may have returned the
         * error unheard. After an unmount none has: the last close returned it. */
        log_failed_write(fs, f,
                         fs->unmounted ? writebehind_unreported(fs->writebehind, &f->writer)
                                       : writebehind_error(fs->writebehind, &f->writer));
        cache_drop_handle(fs->cache, h);
        free(f);
    }
}

void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;

    (void)ino;
    locks_let_go(fuse_req_userdata(req), file_of(fi));
    op_begin(&op, req);
    op.user = file_of(fi)->handle.user; /* the kernel does not name the closing user */
    writebehind_settle(op.fs->writebehind, NULL, &file_of(fi)->handle.inode->qid); /* in case a FLUSH was interrupted */
    log_failed_write(op.fs, file_of(fi), writebehind_unreported(op.fs->writebehind, &file_of(fi)->writer));
    drop_file(&op, file_of(fi));
    op_reply_err(&op, 0);
}
