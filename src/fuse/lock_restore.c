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

/* patience: milliseconds for all locks together. */
static int take(struct fs *fs, struct p9_scope *sc, struct p9_fid *fid, const struct lock_range *r, unsigned *patience)
{
    const struct timespec pause = {.tv_nsec = P9_STALE_LOCK_STEP_MS * 1000000L};
    int rc = take_once(fs, sc, fid, r);

    for (; rc == -EAGAIN && *patience > 0; *patience -= P9_STALE_LOCK_STEP_MS) {
        nanosleep(&pause, NULL);
        rc = take_once(fs, sc, fid, r);
    }
    return rc;
}

/* Adds what processes here still have of a range that the server held: an unlock may be in flight,
 * and another client may have the lock by now. whole: the server locks the whole file by any. */
static void add_needed(struct lock_range **list, const struct file_locks *fl, const struct lock_range *held, bool whole)
{
    bool any = fl->posix != NULL || fl->flock != NULL;

    for (uint64_t at = held->start, end = held->end; any; at = end + 1) {
        end = held->end;
        if (whole || lock_needed_at(fl, at, &end) != LK_NONE)
            locks_set(list, &(struct lock_range){.start = at, .end = end, .type = held->type});
        if (end == held->end)
            break;
    }
}

/* What the server held and is still needed, and the locks' fid as a reference. NULL: nothing, or no
 * memory. */
static struct lock_range *held(struct fs *fs, struct inode *inode, struct p9_fid **fid)
{
    struct file_locks *fl = cache_locks(fs->cache, inode, false);
    struct lock_range *copy = NULL;

    if (fl == NULL)
        return NULL;
    pthread_mutex_lock(&fs->locks->mtx);
    for (const struct lock_range *r = fl->server; r != NULL; r = r->next)
        add_needed(&copy, fl, r, atomic_load(&fs->lock_ranges) <= 0);
    *fid = copy != NULL && fl->fid != NULL ? p9_fid_get(fl->fid) : NULL;
    pthread_mutex_unlock(&fs->locks->mtx);
    return copy;
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

static void restore(struct fs *fs, struct p9_scope *sc, struct inode *inode, unsigned *patience)
{
    struct p9_fid *fid = NULL;
    struct lock_range *ranges = held(fs, inode, &fid);
    int rc = ranges != NULL && fid == NULL ? -ESTALE : 0;

    for (const struct lock_range *r = ranges; r != NULL && rc == 0; r = r->next)
        rc = take(fs, sc, fid, r, patience);
    if (rc != 0 && rc != -ETIMEDOUT && !p9_session_down(p9_client_session(fs->client))) /* else it is tried again */
        lost(fs, inode, rc);
    if (ranges != NULL)
        cache_others_changed(fs->cache, inode);
    locks_free(&ranges);
    p9_fid_put(fid);
}

void locks_restore(struct fs *fs, struct p9_scope *sc)
{
    struct inode *inode = NULL;
    unsigned patience = P9_STALE_LOCK_MS;

    if (fs->locks == NULL || atomic_load(&fs->no_locks))
        return;
    while ((inode = cache_next(fs->cache, inode)) != NULL)
        restore(fs, sc, inode, &patience);
}
