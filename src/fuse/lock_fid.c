/*
 * lock_fid.c: the fid of a file's locks.
 *
 * The locks of a file have a fid of their own, open for reading and writing if any of its users may
 * open it so: a server locks by its own system's rules, which require a file open for writing for a
 * write lock. The fid is clunked when the server holds no lock, as some servers do not unlock
 * otherwise (hugelgupf/p9). Once the server is known to unlock, the fid of an open file serves as
 * well, if it can write.
 */
#include <errno.h>
#include <fcntl.h>

#include "fuse/lock_server.h"

static int open_as(struct locking *k, struct user *user, int flags, struct p9_fid **fid)
{
    struct use u = {.cache = k->op->fs->cache, .inode = k->inode, .user = user};
    struct p9_opening o = {.flags = flags};
    struct p9_scope *sc = &k->op->scope;

    pthread_mutex_unlock(&k->locks->mtx);
    int rc = use_open(sc, &u, &o);
    *fid = o.fid;
    if (rc == -EAGAIN)
        do {
            rc = use_take(sc, &u);
            if (rc == 0)
                rc = p9_fid_hold(u.fid, false);
            if (rc == 0)
                rc = p9_open(sc, u.fid, flags);
            if (rc == 0)
                *fid = p9_fid_get(u.fid);
        } while (use_again(&u, rc));
    pthread_mutex_lock(&k->locks->mtx);
    return rc;
}

/* Opens as the user who requests the lock, or as another user who has the file open. */
static int open_to_write(struct locking *k, struct p9_fid **fid)
{
    struct user *first = k->f->handle.user, *user = NULL;
    int rc = open_as(k, first, O_RDWR, fid);

    while (rc != 0 && rc != -EINTR && (user = cache_next_opener(k->op->fs->cache, k->inode, user)) != NULL)
        if (user != first)
            rc = open_as(k, user, O_RDWR, fid);
    return rc;
}

/* Whether the server is known to unlock before the fid is clunked: try_ranges has seen it, and the
 * server answers at once. */
static bool unlocks(const struct fs *fs)
{
    return atomic_load(&fs->lock_ranges) != 0 && !atomic_load(&fs->lock_waits);
}

int lock_make_fid(struct locking *k)
{
    struct handle const *h = &k->f->handle;
    struct p9_fid *fid = NULL;
    int rc = 0;

    /* An open file's fid that reads and writes is as good as a new one. */
    if (unlocks(k->op->fs) && (h->flags & O_ACCMODE) == O_RDWR && h->fid != NULL)
        fid = p9_fid_get(h->fid);
    else
        rc = open_to_write(k, &fid);
    k->fl->fid_writes = rc == 0;
    if (rc != 0 && rc != -EINTR)
        rc = open_as(k, h->user, h->flags & O_ACCMODE, &fid);
    if (rc != 0 && rc != -EINTR && h->fid != NULL) { /* it has no name, or may not be reopened */
        fid = p9_fid_get(h->fid);
        rc = 0;
    }
    if (rc == 0)
        k->fl->fid = fid;
    return rc == -EINTR ? rc : rc != 0 ? -EBADF : 0;
}

int lock_better_fid(struct locking *k)
{
    struct p9_fid *old = k->fl->fid, *fid;
    unsigned restores;
    int rc = open_to_write(k, &fid);

    if (rc != 0)
        return rc;
    do { /* after a reconnect, those that were sent are taken again by the old fid */
        restores = k->locks->restores;
        for (const struct lock_range *r = k->fl->server; r != NULL && rc == 0; r = r->next)
            rc = lock_send(k, fid, 0, r, false);
    } while (rc == 0 && restores != k->locks->restores);
    if (rc != 0) {
        p9_fid_put(fid);
        return rc;
    }
    k->fl->fid = fid;
    k->fl->fid_writes = true;
    if (atomic_load(&old->refs) > 1) { /* an open file uses it: it is not clunked */
        lock_send(k, old, 0, &(struct lock_range){.end = LK_TO_END}, false);
        p9_fid_put(old);
        return 0;
    }
    pthread_mutex_unlock(&k->locks->mtx);
    p9_fid_clunk(&k->op->scope, old);
    pthread_mutex_lock(&k->locks->mtx);
    return 0;
}
