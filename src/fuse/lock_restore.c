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

/* Whether a process here has a lock, or is about to have one, of byte `at`; *end as in locks_at. */
static bool needed_at(const struct file_locks *fl, uint64_t at, uint64_t *end)
{
    const enum lock_type has = lock_needed_at(fl, at, end), will = locks_at(fl->raising, at, end);

    return has != LK_NONE || will != LK_NONE;
}

/* Adds what is needed here of a range that the server held: an unlock may be in flight, and another
 * client may have the lock by now. 0 or -ENOMEM. */
static int add_needed(struct lock_range **list, const struct file_locks *fl, const struct lock_range *held)
{
    int rc = 0;

    for (uint64_t at = held->start, end = held->end; rc == 0; at = end + 1) {
        end = held->end;
        if (needed_at(fl, at, &end))
            rc = locks_set(list, &(struct lock_range){.start = at, .end = end, .type = held->type});
        if (end == held->end)
            break;
    }
    return rc;
}

/* The same where the server locks the whole file by any lock. */
static int add_whole(struct lock_range **list, const struct file_locks *fl, const struct lock_range *held)
{
    return fl->posix != NULL || fl->flock != NULL || fl->raising != NULL ? locks_set(list, held) : 0;
}

/* What the server held and is needed: to be freed; *fid, the locks' own, as a reference. 0 or
 * -errno. */
static int held(struct fs *fs, struct inode *inode, struct lock_range **ranges, struct p9_fid **fid)
{
    struct file_locks *fl = cache_locks(fs->cache, inode, false);
    const bool whole = atomic_load(&fs->lock_ranges) <= 0;
    int rc = 0;

    if (fl == NULL)
        return 0;
    pthread_mutex_lock(&fs->locks->mtx);
    for (const struct lock_range *r = fl->server; r != NULL && rc == 0; r = r->next)
        rc = whole ? add_whole(ranges, fl, r) : add_needed(ranges, fl, r);
    *fid = *ranges != NULL && fl->fid != NULL ? p9_fid_get(fl->fid) : NULL;
    pthread_mutex_unlock(&fs->locks->mtx);
    return rc != 0 ? rc : *ranges != NULL && *fid == NULL ? -ESTALE : 0;
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
    struct lock_range *ranges = NULL;
    int rc = held(fs, inode, &ranges, &fid);

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
    pthread_mutex_lock(&fs->locks->mtx);
    fs->locks->restores++;
    pthread_mutex_unlock(&fs->locks->mtx);
    while ((inode = cache_next(fs->cache, inode)) != NULL)
        restore(fs, sc, inode, &patience);
}
