/*
 * lock_server.c: the locks that the server holds for a file.
 *
 * For each byte the server gets the strongest lock that any process here has, under one owner, so
 * that it excludes other clients. This also works with a server that locks whole files by fid (diod
 * 1.0.24): there the lock is released only when no process has one.
 */
#include <errno.h>

#include "fuse/lock_server.h"
#include "base/log.h"

/* ---- one range; called with locks->mtx, which is released meanwhile ----- */

static void note_no_locks(struct fs *fs)
{
    if (!atomic_exchange(&fs->no_locks, true))
        log_notice("the server has no locks: they hold among the processes of this mount only");
}

static int record(struct locking *k, const struct lock_range *range, int rc)
{
    if (rc == -EOPNOTSUPP) {
        note_no_locks(k->op->fs);
        rc = 0;
    } else if (rc == 0 && range->type != LK_NONE && !atomic_load(&k->op->fs->no_locks)) {
        k->fl->gained = true;
    }
    return rc == 0 ? locks_set(&k->fl->server, range) : rc;
}

int lock_on_server(struct locking *k, enum lock_type type, uint64_t start, uint64_t end)
{
    const struct lock_range range = {.start = start, .end = end, .type = type};

    if (k->fl->overdue)
        return -EAGAIN;
    return record(k, &range, atomic_load(&k->op->fs->no_locks) ? 0 : lock_send(k, k->fl->fid, 0, &range, true));
}

/* Errors that a server may give for a lock that the fid is not open for. */
static bool is_refusal(int rc)
{
    return rc == -EBADF || rc == -ENOLCK || rc == -EACCES || rc == -EPERM || rc == -EINVAL || rc == -EROFS;
}

/* Locks a range on the server. Where no user may write, only a read lock is possible (or the other
 * way round); conflicts among the processes here are resolved locally anyway. */
static int acquire(struct locking *k, enum lock_type type, uint64_t start, uint64_t end)
{
    struct fs *fs = k->op->fs;

    if (!p9_may_lock(fs->client))
        note_no_locks(fs);
    int rc = k->fl->overdue ? -EAGAIN : 0;
    if (rc == 0 && k->fl->fid == NULL && !atomic_load(&fs->no_locks))
        rc = lock_make_fid(k);
    if (rc != 0)
        return rc;
    rc = lock_on_server(k, type, start, end);
    if (is_refusal(rc) && !k->fl->fid_writes && lock_better_fid(k) == 0)
        rc = lock_on_server(k, type, start, end);
    if (is_refusal(rc) && !k->fl->fid_writes)
        rc = lock_on_server(k, type == LK_WRITE ? LK_READ : LK_WRITE, start, end);
    return rc;
}

enum lock_type lock_strongest(const struct lock_range *list)
{
    enum lock_type type = LK_NONE;

    for (; list != NULL; list = list->next)
        type = list->type > type ? list->type : type;
    return type;
}

static enum lock_type stronger(enum lock_type a, enum lock_type b)
{
    return a > b ? a : b;
}

enum lock_type lock_needed(const struct file_locks *fl)
{
    return stronger(lock_strongest(fl->raising), stronger(lock_strongest(fl->posix), lock_strongest(fl->flock)));
}

enum lock_type lock_needed_at(const struct file_locks *fl, uint64_t at, uint64_t *end)
{
    enum lock_type has = stronger(locks_at(fl->posix, at, end), locks_at(fl->flock, at, end));

    return stronger(locks_at(fl->raising, at, end), has);
}

/* ---- raising and lowering ----------------------------------------------- */

int lock_raise(struct locking *k, const struct lock_range *want)
{
    enum lock_type type = want->type, held = k->fl->stale ? LK_NONE : lock_strongest(k->fl->server);
    int rc = 0;

    if (held > type && !lock_has_ranges(k)) /* a weaker lock would replace the held one */
        type = held;
    for (uint64_t at = want->start, end = want->end; rc == 0; at = end + 1) {
        end = want->end;
        if (k->fl->stale || locks_at(k->fl->server, at, &end) < type)
            rc = acquire(k, type, at, end);
        if (end == want->end)
            break;
    }
    return rc;
}

static int release_all(struct locking *k)
{
    int rc = k->fl->server != NULL ? lock_on_server(k, LK_NONE, 0, LK_TO_END) : 0;

    /* The clunk of a fid that no open file uses releases the locks as well. */
    bool clunk_unlocks = k->fl->fid == NULL || atomic_load(&k->fl->fid->refs) == 1;
    if (!k->fl->overdue && (rc == 0 || clunk_unlocks))
        locks_free(&k->fl->server);
    return rc;
}

int lock_lower(struct locking *k, uint64_t start, uint64_t last)
{
    enum lock_type needed = lock_needed(k->fl);
    int rc = 0;

    if (needed == LK_NONE)
        return release_all(k);
    for (uint64_t at = start, end = last; rc == 0; at = end + 1) {
        end = last;
        enum lock_type want = lock_needed_at(k->fl, at, &end);
        if (want < locks_at(k->fl->server, at, &end)) {
            if (!lock_has_ranges(k)) /* the whole file at once */
                return needed < lock_strongest(k->fl->server) ? lock_on_server(k, needed, 0, LK_TO_END) : 0;
            rc = lock_on_server(k, want, at, end);
        }
        if (end == last)
            break;
    }
    return rc;
}

/* ---- exclusive use of the file ------------------------------------------ */

int lock_begin(struct locking *k, bool wait)
{
    int rc = 0;

    pthread_mutex_lock(&k->locks->mtx);
    while (rc == 0 && k->fl->busy) {
        rc = lock_interrupted(k->op) ? -EINTR : wait ? 0 : -EBUSY;
        if (rc == 0)
            pthread_cond_wait(&k->locks->settled, &k->locks->mtx);
    }
    if (rc == 0)
        k->fl->busy = true;
    else if (rc == -EBUSY)
        k->fl->wanted = true;
    if (rc != 0)
        pthread_mutex_unlock(&k->locks->mtx);
    return rc;
}

void lock_end(struct locking *k)
{
    struct file_locks *fl = k->fl;
    struct p9_fid *fid = NULL;

    while (fl->owed && !fl->overdue) {
        fl->owed = false;
        if (lock_lower(k, 0, LK_TO_END) != 0 && !fl->overdue) {
            fl->owed = true; /* the next change of the file's locks retries */
            break;
        }
    }
    fl->stale = fl->stale && (fl->owed || fl->overdue);
    if (fl->server == NULL && !fl->overdue) {
        fid = fl->fid;
        fl->fid = NULL;
    }
    fl->busy = false;
    if (fl->wanted)
        lock_wake(k->locks);
    fl->wanted = false;
    pthread_cond_broadcast(&k->locks->settled);
    pthread_mutex_unlock(&k->locks->mtx);
    p9_fid_put(fid);
}
