/*
 * lock_wait.c: the lock requests that wait.
 *
 * One thread retries them: when a lock of this mount is released, and, for the locks of other
 * clients, at growing intervals of at most a second. So a waiting request occupies no thread that
 * answers the kernel. The interrupt callback answers a request that waits; the thread answers one
 * while it tries it.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "fuse/lock_impl.h"
#include "base/thread.h"

#define PROBES 1000000007u /* bytes, of which each mount probes one */

enum { UNSURE_WAIT_MS = 1, FIRST_WAIT_MS = 10, LAST_WAIT_MS = 1000 };

void lock_wake(struct locks *q)
{
    q->woken = true;
    pthread_cond_signal(&q->changed);
}

void locks_interrupt(struct fs *fs)
{
    if (fs->locks == NULL)
        return;
    pthread_mutex_lock(&fs->locks->mtx);
    pthread_cond_broadcast(&fs->locks->settled);
    pthread_mutex_unlock(&fs->locks->mtx);
}

/* ---- cycles ------------------------------------------------------------- */

/* Appends the waiting requests whose owners have a lock that conflicts with `a`. False: `owner` has
 * such a lock. */
static bool reach(struct fs *fs, struct lock_ask *a, struct lock_ask **last, uint64_t owner)
{
    const struct file_locks *fl = cache_locks(fs->cache, a->f->handle.inode, false);
    const struct lock_range *r = fl != NULL ? locks_conflict(fl->posix, &a->want) : NULL;
    struct lock_ask *other;

    for (; r != NULL; r = locks_conflict(r->next, &a->want)) {
        if (r->owner == owner)
            return false;
        DL_FOREACH(fs->locks->asks, other)
        {
            if (other->want.owner != r->owner || other->is_reached || !other->wait || other->flock)
                continue;
            other->is_reached = true;
            other->reached = NULL;
            (*last)->reached = other;
            *last = other;
        }
    }
    return true;
}

/* Whether the owner of a lock that `a` waits for waits in turn, directly or through others, for a
 * lock of a's owner. As on a local file system, the search covers fcntl(2) locks only, and happens
 * when a wait begins. Called with locks->mtx. */
static bool closes_a_cycle(struct fs *fs, struct lock_ask *a)
{
    struct lock_ask *last = a, *other;
    bool acyclic = true;

    DL_FOREACH(fs->locks->asks, other)
    {
        other->is_reached = false;
    }
    a->reached = NULL;
    for (struct lock_ask *at = a; at != NULL && acyclic; at = at->reached)
        acyclic = reach(fs, at, &last, a->want.owner);
    return !acyclic;
}

/* ---- the queue ---------------------------------------------------------- */

/* Removes a request that waits from the queue. False if an attempt is under way, which ends it. */
static bool dequeue_waiting(struct locks *q, struct lock_ask *a)
{
    pthread_mutex_lock(&q->mtx);
    bool waits = a->waits;
    if (waits)
        DL_DELETE(q->asks, a);
    pthread_mutex_unlock(&q->mtx);
    return waits;
}

static void on_interrupt(fuse_req_t req, void *arg)
{
    struct lock_ask *a = arg;

    (void)req;
    if (!op_should_end(&a->op))
        return;
    if (!dequeue_waiting(a->op.fs->locks, a)) {
        op_interrupt(&a->op);
        return;
    }
    op_reply_interrupted(&a->op);
    free(a);
}

void lock_wait(struct lock_ask *a)
{
    struct fs *fs = a->op.fs;
    struct locks *q = fs->locks;
    int rc = 0;

    a->queued = true;
    fuse_req_interrupt_func(a->op.req, on_interrupt, a);
    pthread_mutex_lock(&q->mtx);
    if (atomic_load(&a->op.scope.interrupted) || q->stop)
        rc = -EINTR;
    else if (a->wait && !a->flock && closes_a_cycle(fs, a))
        rc = -EDEADLK;
    a->waits = rc == 0;
    if (rc == 0) {
        DL_APPEND(q->asks, a);
        lock_wake(q);
    }
    pthread_mutex_unlock(&q->mtx);
    if (rc != 0)
        lock_done(a, rc);
}

/* Tries one request, which is answered or stays queued. Called with locks->mtx, which is released
 * meanwhile. */
static void try_again(struct locks *q, struct lock_ask *a)
{
    bool stop = q->stop;

    a->pass = q->pass;
    a->waits = false;
    pthread_mutex_unlock(&q->mtx);
    int rc = stop ? -EINTR : lock_try(a);
    pthread_mutex_lock(&q->mtx);
    if (lock_goes_on(a, rc) && atomic_load(&a->op.scope.interrupted))
        rc = -EINTR;
    a->waits = lock_goes_on(a, rc);
    if (a->waits)
        return;
    DL_DELETE(q->asks, a);
    pthread_mutex_unlock(&q->mtx);
    lock_done(a, rc);
    pthread_mutex_lock(&q->mtx);
}

/* Starts over after each attempt: any request may have been answered during it. */
static void try_all(struct locks *q)
{
    struct lock_ask *a;

    q->pass++;
    do {
        for (a = q->asks; a != NULL && a->pass == q->pass;)
            a = a->next;
        if (a != NULL)
            try_again(q, a);
    } while (a != NULL);
}

static bool some_unsure(const struct locks *q)
{
    const struct lock_ask *a = q->asks;

    while (a != NULL && !a->unsure)
        a = a->next;
    return a != NULL;
}

/* Waits until the next pass is due. Called with locks->mtx. */
static void queue_sleep(struct locks *q, unsigned *ms)
{
    struct timespec until;

    while (q->asks == NULL && !q->woken && !q->stop)
        pthread_cond_wait(&q->changed, &q->mtx);
    unsigned now = some_unsure(q) ? UNSURE_WAIT_MS : *ms;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += now * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!q->woken && !q->stop && pthread_cond_timedwait(&q->changed, &q->mtx, &until) == 0)
        ;
    *ms = q->woken ? FIRST_WAIT_MS : *ms * 2 < LAST_WAIT_MS ? *ms * 2 : LAST_WAIT_MS;
    q->woken = false;
}

static void *queue_main(void *arg)
{
    struct fs *fs = arg;
    struct locks *q = fs->locks;
    unsigned ms = FIRST_WAIT_MS;

    pthread_mutex_lock(&q->mtx);
    while (!q->stop || q->asks != NULL) {
        queue_sleep(q, &ms);
        pthread_mutex_unlock(&q->mtx);
        lock_note_returned(fs);
        pthread_mutex_lock(&q->mtx);
        try_all(q);
        pthread_mutex_unlock(&q->mtx);
        lock_settle_returned(fs);
        pthread_mutex_lock(&q->mtx);
    }
    pthread_mutex_unlock(&q->mtx);
    return NULL;
}

/* ---- start and end ------------------------------------------------------ */

static struct locks *locks_new(void)
{
    struct locks *q = calloc(1, sizeof *q);
    pthread_condattr_t monotonic;

    if (q == NULL)
        return NULL;
    q->probe_at = ((uint64_t)1 << 62) + (clock_us() % PROBES);
    pthread_mutex_init(&q->mtx, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &monotonic);
    pthread_cond_init(&q->settled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return q;
}

void locks_free_all(struct fs *fs)
{
    struct locks *q = fs->locks;

    if (q == NULL)
        return;
    pthread_cond_destroy(&q->settled);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->mtx);
    free(q);
    fs->locks = NULL;
}

int locks_start(struct fs *fs)
{
    fs->locks = locks_new();
    if (fs->locks == NULL)
        return -ENOMEM;
    int err = thread_start(&fs->locks->thread, queue_main, fs);
    if (err != 0)
        locks_free_all(fs);
    return err;
}

void locks_stop(struct fs *fs)
{
    struct locks *q = fs->locks;

    if (q == NULL)
        return;
    pthread_mutex_lock(&q->mtx);
    q->stop = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->mtx);
    pthread_join(q->thread, NULL);
    lock_disown(fs);
}
