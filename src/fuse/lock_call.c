/*
 * lock_call.c: one Tlock or Tgetlock, and its answer, which may be overdue.
 *
 * No wait for an answer is unlimited while the server answers anything. One that answers a lock
 * only once it is free (hugelgupf/p9) counts as one that reports a conflict and does not lock
 * ranges. The request is flushed; if the flush fails, the request stays in flight (`overdue`), and
 * the thread of lock_wait.c records its result when the answer arrives. A server that is away, or
 * silent, reports nothing: as for any request, it is waited for.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "fuse/lock_server.h"

enum {
    SILENT_MS = 1000,  /* a server that owes answers and sends nothing for so long */
    LOOK_MS = 500,     /* how often to look whether it does: that it was heard is not missed */
    ANSWER_LOOKS = 10, /* the longest wait for an answer: a server that locks answers at once */
    FLUSH_MS = 1000,   /* the longest wait after a flush, or after an interrupt */
};

/* ---- one request -------------------------------------------------------- */

struct lock_call {
    struct p9_locking l;
    struct locks *locks;
    struct p9_scope scope;
    struct lock_range range; /* what the server holds after a success, */
    struct inode *inode;     /* of this file; NULL: the result is not recorded */
    struct file_locks *fl;
    bool done, abandoned; /* abandoned: no operation waits for it */
    unsigned restores;    /* locks->restores when it was answered */
    struct lock_call *next;
};

static uint8_t on_wire(enum lock_type type)
{
    return type == LK_NONE ? P9_LOCK_UNLCK : type == LK_READ ? P9_LOCK_RDLCK : P9_LOCK_WRLCK;
}

static void call_free(struct lock_call *c)
{
    p9_fid_put(c->l.fid);
    free(c);
}

/* From the reader thread, or before p9_lock_start returns. */
static void call_done(struct p9_locking *l)
{
    struct lock_call *c = l->arg;
    struct locks *q = c->locks;

    pthread_mutex_lock(&q->mtx);
    bool over = c->abandoned && q->over;
    c->done = true;
    c->restores = q->restores;
    if (c->abandoned)
        LL_DELETE(q->left, c);
    if (c->abandoned && !over) {
        LL_PREPEND(q->returned, c);
        lock_wake(q);
    }
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->mtx);
    if (over)
        call_free(c);
}

bool lock_interrupted(const struct op *op)
{
    return op != NULL && atomic_load(&op->scope.interrupted);
}

/* Waits until *flag is `value`, for `ms` at most, or until op (may be NULL) is interrupted. */
static void wait_for(struct locks *q, const bool *flag, bool value, const struct op *op, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (until.tv_nsec / 1000000 + ms) / 1000;
    until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000L) % 1000000000L;
    while (*flag != value && !lock_interrupted(op))
        if (pthread_cond_timedwait(&q->settled, &q->mtx, &until) != 0)
            break;
}

/* Stops waiting for the answer: the file takes no other request until it arrives. */
static int call_abandon(struct locking *k, struct lock_call *c)
{
    c->abandoned = true;
    LL_PREPEND(k->locks->left, c);
    if (c->inode != NULL) {
        cache_ref(k->op->fs->cache, c->inode);
        c->fl->overdue = true;
        c->fl->overdue_gives = c->range.type == LK_NONE;
    }
    /* Whether the range is unlocked by now is unknown: no process may rely on the old lock. */
    if (c->inode != NULL && c->range.type == LK_NONE && locks_set(&c->fl->server, &c->range) != 0)
        locks_free(&c->fl->server);
    return lock_interrupted(k->op) ? -EINTR : -ETIME;
}

/* Whether the connection that the server granted the lock to was lost before that was recorded:
 * the lock is gone, and was not taken again. */
static bool is_gone(const struct lock_call *c)
{
    return c->l.rc == 0 && c->range.type != LK_NONE && c->restores != c->locks->restores;
}

/* -ERESTART: is_gone. */
static int call_end(struct locking *k, struct lock_call *c, struct p9_lock_held *held)
{
    int rc = is_gone(c) ? -ERESTART : c->l.rc;

    if (held != NULL)
        *held = c->l.held;
    call_free(c);
    return rc == -EINTR && !lock_interrupted(k->op) ? -ETIME : rc;
}

/* Whether to wait on, after another look. For an unlock while the server is not silent, as the
 * process may be ending. For a lock while it is away; and while it is silent, which may be as this
 * is all that it owes: it is asked whether it is there. A request that waits anyway is left to the
 * thread of lock_wait.c then. */
static bool goes_on(const struct locking *k, bool unlocks, unsigned *looks)
{
    struct p9_session *s = p9_client_session(k->op->fs->client);
    bool away = !unlocks && p9_session_away(s), silent = p9_session_silent(s, SILENT_MS);

    *looks = away ? 0 : *looks + 1; /* the next connection has all the time again */
    if (unlocks)
        return *looks < ANSWER_LOOKS && !silent;
    if (away || *looks < ANSWER_LOOKS)
        return true;
    if (!silent || k->patient)
        return false;
    if (*looks % ANSWER_LOOKS == 0) {
        pthread_mutex_unlock(&k->locks->mtx);
        p9_session_probe(s);
        pthread_mutex_lock(&k->locks->mtx);
    }
    return true;
}

/* Sends the request and waits. Called with locks->mtx, which is released meanwhile. An unlock is
 * not flushed, even if the process that unlocks is being killed. */
static int call(struct locking *k, struct lock_call *c, struct p9_lock_held *held)
{
    bool unlocks = c->l.type == P9_LOCK_UNLCK;
    unsigned looks = 0;

    c->locks = k->locks;
    c->l.scope = unlocks ? NULL : &c->scope;
    c->l.done = call_done;
    c->l.arg = c;
    pthread_mutex_unlock(&k->locks->mtx);
    p9_lock_start(&c->l);
    pthread_mutex_lock(&k->locks->mtx);
    do
        wait_for(k->locks, &c->done, true, k->op, LOOK_MS);
    while (!c->done && !lock_interrupted(k->op) && goes_on(k, unlocks, &looks));
    if (!c->done && !lock_interrupted(k->op) && !p9_session_silent(p9_client_session(k->op->fs->client), SILENT_MS))
        atomic_store(&k->op->fs->lock_waits, true);
    if (!c->done && (unlocks || !k->patient || lock_interrupted(k->op))) {
        pthread_mutex_unlock(&k->locks->mtx);
        p9_interrupt(p9_client_session(k->op->fs->client), &c->scope);
        pthread_mutex_lock(&k->locks->mtx);
        wait_for(k->locks, &c->done, true, NULL, FLUSH_MS);
    }
    return c->done ? call_end(k, c, held) : call_abandon(k, c);
}

static uint64_t length_of(uint64_t start, uint64_t end)
{
    return end == LK_TO_END ? 0 : end - start + 1;
}

static int send_once(struct locking *k, struct p9_fid *fid, uint32_t owner, const struct lock_range *range, bool noted)
{
    if (range->type != LK_NONE && lock_interrupted(k->op))
        return -EINTR;
    struct lock_call *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->range = *range;
    c->inode = noted ? k->inode : NULL;
    c->fl = k->fl;
    c->l = (struct p9_locking){.fid = p9_fid_get(fid),
                               .owner = owner,
                               .type = on_wire(range->type),
                               .start = range->start,
                               .length = length_of(range->start, range->end)};
    return call(k, c, NULL);
}

int lock_send(struct locking *k, struct p9_fid *fid, uint32_t owner, const struct lock_range *range, bool noted)
{
    int rc;

    do
        rc = send_once(k, fid, owner, range, noted);
    while (rc == -ERESTART);
    return rc;
}

int lock_ask_other(struct locking *k, const struct lock_range *want, struct p9_lock_held *held)
{
    /* Through the locks' own fid, this mount's locks do not conflict. */
    struct p9_fid *fid = k->fl->fid != NULL ? k->fl->fid : k->f->handle.fid;
    struct lock_call *c = fid != NULL ? calloc(1, sizeof *c) : NULL;

    if (c == NULL)
        return fid != NULL ? -ENOMEM : -EBADF;
    c->l = (struct p9_locking){.fid = p9_fid_get(fid),
                               .type = on_wire(want->type),
                               .query = true,
                               .start = want->start,
                               .length = length_of(want->start, want->end)};
    return call(k, c, held);
}

/* ---- overdue answers ---------------------------------------------------- */

int lock_wait_overdue(struct locking *k)
{
    /* A lock may be overdue for as long as another client has it: only silence is waited for. */
    unsigned looks = k->fl->overdue_gives ? 0 : ANSWER_LOOKS - 1;

    while (k->fl->overdue && !lock_interrupted(k->op) && goes_on(k, false, &looks))
        wait_for(k->locks, &k->fl->overdue, false, k->op, LOOK_MS);
    return lock_interrupted(k->op) ? -EINTR : 0;
}

void lock_note_returned(struct fs *fs)
{
    struct locks *q = fs->locks;

    pthread_mutex_lock(&q->mtx);
    for (struct lock_call *c = q->returned; c != NULL; c = c->next) {
        if (c->inode == NULL || !c->fl->overdue)
            continue;
        bool granted = c->l.rc == 0 && !is_gone(c);
        if (granted && locks_set(&c->fl->server, &c->range) != 0)
            continue; /* out of memory: the next pass tries again */
        c->fl->gained = c->fl->gained || (granted && c->range.type != LK_NONE);
        c->fl->overdue = false;
        c->fl->owed = true;
    }
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->mtx);
}

/* Removes one whose result is recorded from the list; NULL if there is none. */
static struct lock_call *next_returned(struct locks *q)
{
    struct lock_call *c;

    pthread_mutex_lock(&q->mtx);
    for (c = q->returned; c != NULL && c->inode != NULL && c->fl->overdue;)
        c = c->next;
    if (c != NULL)
        LL_DELETE(q->returned, c);
    pthread_mutex_unlock(&q->mtx);
    return c;
}

void lock_settle_returned(struct fs *fs)
{
    struct lock_call *c;

    while ((c = next_returned(fs->locks)) != NULL) {
        struct op op = {.fs = fs, .user = fs->cache->users};
        struct locking k = {.op = &op, .locks = fs->locks, .inode = c->inode, .fl = c->fl};
        if (c->inode != NULL && lock_begin(&k, false) == 0)
            lock_end(&k);
        if (c->inode != NULL)
            cache_forget(fs->cache, c->inode, 1);
        call_free(c);
    }
}

void lock_disown(struct fs *fs)
{
    struct locks *q = fs->locks;
    struct lock_call *c;

    pthread_mutex_lock(&q->mtx);
    q->over = true;
    LL_FOREACH(q->left, c)
    {
        if (c->inode != NULL)
            cache_forget(fs->cache, c->inode, 1);
        c->inode = NULL;
    }
    while ((c = q->returned) != NULL) {
        LL_DELETE(q->returned, c);
        if (c->inode != NULL)
            cache_forget(fs->cache, c->inode, 1);
        call_free(c);
    }
    pthread_mutex_unlock(&q->mtx);
}
