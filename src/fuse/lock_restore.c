/*
 * lock_restore.c: takes the locks again on a new connection, before anything else of their files,
 * and before the lock requests whose outcome is not known are sent again.
 *
 * A server drops the locks of a connection that ends. Another client may have taken one meanwhile:
 * then programs here rely on a lock that they do not have, and reads, writes and fsyncs of that
 * file fail until it is closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "9p/recovery.h"
#include "base/log.h"
#include "fuse/lock_server.h"

static void asked_done(struct p9_locking *l)
{
    p9_batch_done(l->arg);
}

static int take_once(struct fs *fs, struct p9_scope *sc, struct p9_fid *fid, const struct lock_range *r)
{
    struct p9_batch batch;
    struct p9_locking l = {.fid = fid,
                           .type = r->type == LK_READ ? P9_LOCK_RDLCK : P9_LOCK_WRLCK,
                           .start = r->start,
                           .length = r->end == LK_TO_END ? 0 : r->end - r->start + 1,
                           .scope = sc,
                           .done = asked_done,
                           .arg = &batch};

    p9_batch_init(&batch, 1);
    p9_lock_start(&l);
    p9_batch_wait(p9_client_session(fs->client), &batch);
    return l.rc;
}

/* Adds what is needed of a range that the server held: an unlock may be in flight, and another
 * client may have the lock by now. 0 or -ENOMEM. whole: the server locks the whole file by any. */
static int add_needed(struct lock_range **list, struct file_locks *fl, const struct lock_range *held, bool whole)
{
    int rc = 0;

    for (uint64_t at = held->start, end = held->end; rc == 0; at = end + 1) {
        end = held->end;
        enum lock_type need = whole ? lock_needed(fl) : lock_needed_at(fl, at, &end);
        if (need > held->type || (need != LK_NONE && !fl->fid_writes)) /* it may grant only one type */
            need = held->type;
        if (need != LK_NONE)
            rc = locks_set(list, &(struct lock_range){.start = at, .end = end, .type = need});
        if (need != held->type)
            fl->stale = fl->owed = true;
        if (end == held->end)
            break;
    }
    return rc;
}

/* What the server held and is needed: to be freed; *fid, the locks' own, as a reference. 0 or
 * -errno. */
static int held(struct fs *fs, struct inode *inode, struct lock_range **ranges, struct p9_fid **fid)
{
    struct file_locks *fl = cache_locks(fs->cache, inode, false);
    int rc = 0;

    if (fl == NULL)
        return 0;
    pthread_mutex_lock(&fs->locks->mtx);
    for (const struct lock_range *r = fl->server; r != NULL && rc == 0; r = r->next)
        rc = add_needed(ranges, fl, r, atomic_load(&fs->lock_ranges) <= 0);
    *fid = *ranges != NULL && fl->fid != NULL ? p9_fid_get(fl->fid) : NULL;
    pthread_mutex_unlock(&fs->locks->mtx);
    return rc != 0 ? rc : *ranges != NULL && *fid == NULL ? -ESTALE : 0;
}

/* Takes a file's locks. *any: it has some. Of a server that answers a lock only once it is free,
 * -ETIMEDOUT means a conflict; of one that answers nothing, the end of the connection. */
static int take(struct fs *fs, struct p9_scope *sc, struct inode *inode, bool *any)
{
    struct p9_fid *fid = NULL;
    struct lock_range *ranges = NULL;
    struct p9_attr attr;
    int rc = held(fs, inode, &ranges, &fid);

    *any = ranges != NULL;
    for (const struct lock_range *r = ranges; r != NULL && rc == 0; r = r->next)
        rc = take_once(fs, sc, fid, r);
    if (rc == -ETIMEDOUT && p9_getattr(sc, fid, &attr) == -ETIMEDOUT)
        p9_session_drop(p9_client_session(fs->client), rc, "the server does not answer");
    locks_free(&ranges);
    p9_fid_put(fid);
    return rc;
}

static void lost(struct fs *fs, struct inode *inode, int rc)
{
    char *path = cache_path(fs->cache, inode);

    atomic_store(&inode->lock_lost, true);
    log_error("a lock of '%s' is lost: %s: the file cannot be used until it is closed",
              path != NULL ? path : "a removed file",
              rc == -EAGAIN ? "another client has taken it while the server was away" : strerror(-rc));
    free(path);
}

/* patience: milliseconds for all locks together. */
static void restore(struct fs *fs, struct p9_scope *sc, struct inode *inode, unsigned *patience)
{
    const struct timespec pause = {.tv_nsec = P9_STALE_LOCK_STEP_MS * 1000000L};
    bool any, had;
    int rc = take(fs, sc, inode, &any);

    for (had = any; rc == -EAGAIN && *patience > 0; *patience -= P9_STALE_LOCK_STEP_MS) {
        nanosleep(&pause, NULL);
        rc = take(fs, sc, inode, &any); /* what is unlocked meanwhile is not needed any more */
    }
    if (rc != 0 && !p9_session_down(p9_client_session(fs->client))) /* else it is tried again */
        lost(fs, inode, rc == -ETIMEDOUT ? -EAGAIN : rc);
    if (had)
        cache_others_changed(fs->cache, inode);
}

void locks_restore(struct fs *fs, struct p9_scope *sc)
{
    struct inode *inode = NULL;
    unsigned patience = P9_STALE_LOCK_MS;

    if (fs->locks == NULL || atomic_load(&fs->no_locks))
        return;
    pthread_mutex_lock(&fs->locks->mtx);
    fs->locks->restores++;
    pthread_mutex_unlock(&fs->locks->mtx);
    while ((inode = cache_next(fs->cache, inode)) != NULL)
        restore(fs, sc, inode, &patience);
}
