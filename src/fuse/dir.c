/*
 * dir.c: callbacks that open, close and sync directories.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fuse/callbacks.h"
#include "fuse/stream.h"
#include "fuse/user.h"

static int open_dir(struct op *op, struct inode *inode, struct p9_fid **fid)
{
    struct use u = op_use(op, inode);
    struct p9_opening o = {.flags = O_RDONLY | O_DIRECTORY};
    int rc = use_open(&op->scope, &u, &o);

    *fid = rc == 0 ? o.fid : NULL;
    if (rc != -EAGAIN)
        return rc;
    do {
        rc = use_take(&op->scope, &u);
        if (rc == 0)
            rc = p9_fid_hold(u.fid, true);
        if (rc == 0)
            rc = p9_open(&op->scope, u.fid, O_RDONLY | O_DIRECTORY);
        if (rc == 0)
            *fid = p9_fid_get(u.fid);
    } while (use_again(&u, rc));
    return rc;
}

/* Lets lookahead read this directory, and others with it, when a program opens one after the other
 * of many directories that the kernel knows already. */
static void read_with_others(struct op *op, struct inode *dir)
{
    struct cache *cache = op->fs->cache;
    char name[P9_MAXNAME + 1];
    struct inode *above;

    if (!lookahead_lags(cache, dir, op_user(op)) || (above = cache_above(cache, dir, name)) == NULL)
        return;
    struct use u = op_use(op, above);
    if (use_begin(&op->scope, &u) == 0)
        lookahead_read_on(cache, &op->scope, &u, name);
    use_again(&u, 0);
    cache_forget(cache, above, 1);
}

void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;

    op_begin(&op, req);
    struct inode *inode = inode_of(op.fs, ino);
    uint32_t most = p9_client_reply_max(op.fs->client);
    uint32_t room = most < STREAM_BYTES + STREAM_OVER ? most : STREAM_BYTES;
    struct stream *s = calloc(1, sizeof *s + room);
    int rc = -ENOMEM;
    if (s != NULL) {
        s->inode = inode;
        s->room = room;
        s->next = UINT64_MAX; /* no position yet */
        read_with_others(&op, inode);
        bool known = stream_take_listing(&op, s);
        fs_count(op.fs, known ? LISTINGS_KNOWN : LISTINGS_ASKED);
        rc = known ? 0 : open_dir(&op, inode, &s->fid);
        if (rc == -ESTALE && inode_facts(op.fs->cache, inode).gone) /* a working directory */
            rc = 0;
    }
    if (rc != 0) {
        free(s);
        op_reply_err(&op, rc);
        return;
    }
    pthread_mutex_init(&s->mtx, NULL);
    fi->fh = (uintptr_t)s;
    op_end(&op);
    if (fuse_reply_open(req, fi) == -ENOENT)
        stream_free(s);
}

void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    stream_free(stream_of(fi));
    fuse_reply_err(req, 0);
}

void fs_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct op op;

    (void)ino;
    op_begin(&op, req);
    struct p9_fid *fid = stream_of(fi)->fid;
    int rc = fid != NULL ? p9_fsync(&op.scope, fid, datasync != 0) : 0;
    /* Where only files can be synced (nfs-ganesha) there is nothing to wait for, and some programs
     * continue only after 0 (dpkg). */
    bool unsupported = rc == -EISDIR || rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENOSYS;
    op_reply_err(&op, unsupported ? 0 : rc);
}
