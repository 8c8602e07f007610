/*
 * lock_call.c: one request for a lock, and its answer, which may come late.
 *
 * No request is waited for without end. A server that answers a lock only when it is free
 * (hugelgupf/p9) is taken for one that says that another has it, and locks no ranges. The request
 * is flushed; if it cannot be it is left alone (`overdue`), and what it brings is noted when it
 * comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "fuse/lock_server.h"

enum {
    ANSWER_MS = 5000, /* a server that locks does so at once: so long at most it is waited for, */
    FLUSH_MS = 1000,  /* and so long after a flush, or by who is being killed */
};

/* ---- one request -------------------------------------------------------- */

struct lock_call {
    struct p9_locking l;
    struct locks *locks;
    struct p9_scope scope;
    struct lock_range range; /* what the server holds when it has said yes, */
    struct inode *inode;     /* of this file; NULL: that is not noted */
    struct file_locks *fl;
    bool done, left;
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
    bool over = c->left && q->over;
    c->done = true;
    if (c->left)
        LL_DELETE(q->left, c);
    if (c->left && !over) {
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

/* Until it is answered, or so long, or the operation is interrupted (op may be NULL). */
static void call_wait(struct lock_call *c, const struct op *op, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    while (!c->done && !lock_interrupted(op))
        if (pthread_cond_timedwait(&c->locks->settled, &c->locks->mtx, &until) != 0)
            break;
}

/* Nobody waits for it any more: the file takes no other request until it is answered. */
static int call_leave(struct locking *k, struct lock_call *c)
{
    c->left = true;
    LL_PREPEND(k->locks->left, c);
    if (c->inode != NULL) {
        cache_ref(k->op->fs->cache, c->inode);
        c->fl->overdue = true;
        c->fl->overdue_gives = c->range.type == LK_NONE;
    }
    /* Whether it is free by now is not known: nobody is to have it on the strength of what was. */
    if (c->inode != NULL && c->range.type == LK_NONE && locks_set(&c->fl->server, &c->range) != 0)
        locks_free(&c->fl->server);
    return lock_interrupted(k->op) ? -EINTR : -ETIMEDOUT;
}

static int call_end(struct locking *k, struct lock_call *c, struct p9_lock_held *held)
{
    int rc = c->l.rc;

    if (held != NULL)
        *held = c->l.held;
    call_free(c);
    return rc == -EINTR && !lock_interrupted(k->op) ? -ETIMEDOUT : rc;
}

/* Sends it and waits, with the lock, which is given up meanwhile. What is given back is not
 * flushed, also if who does so is being killed. */
static int call(struct locking *k, struct lock_call *c, struct p9_lock_held *held)
{
    bool gives = c->l.type == P9_LOCK_UNLCK;

    c->locks = k->locks;
    c->l.scope = gives ? NULL : &c->scope;
    c->l.done = call_done;
    c->l.arg = c;
    pthread_mutex_unlock(&k->locks->mtx);
    p9_lock_start(&c->l);
    pthread_mutex_lock(&k->locks->mtx);
    call_wait(c, k->op, ANSWER_MS);
    if (!c->done && !lock_interrupted(k->op))
        atomic_store(&k->op->fs->lock_waits, true);
    if (!c->done && (gives || !k->patient || lock_interrupted(k->op))) {
        pthread_mutex_unlock(&k->locks->mtx);
        p9_interrupt(p9_client_session(k->op->fs->client), &c->scope);
        pthread_mutex_lock(&k->locks->mtx);
        call_wait(c, NULL, FLUSH_MS);
    }
    return c->done ? call_end(k, c, held) : call_leave(k, c);
}

static uint64_t length_of(uint64_t start, uint64_t end)
{
    return end == LK_TO_END ? 0 : end - start + 1;
}

int lock_send(struct locking *k, struct p9_fid *fid, uint32_t owner, const struct lock_range *range, bool noted)
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

int lock_ask_other(struct locking *k, const struct lock_range *want, struct p9_lock_held *held)
{
    struct p9_fid *fid = k->fl->fid != NULL ? k->fl->fid : k->f->handle.fid; /* ours are not in our way */
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

/* ---- answers that come late --------------------------------------------- */

void lock_note_returned(struct fs *fs)
{
    struct locks *q = fs->locks;

    pthread_mutex_lock(&q->mtx);
    for (struct lock_call *c = q->returned; c != NULL; c = c->next) {
        if (c->inode == NULL || !c->fl->overdue)
            continue;
        if (c->l.rc == 0 && locks_set(&c->fl->server, &c->range) != 0)
            continue; /* for lack of memory: the next time */
        c->fl->gained = c->fl->gained || (c->l.rc == 0 && c->range.type != LK_NONE);
        c->fl->overdue = false;
        c->fl->owed = true;
    }
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->mtx);
}

/* One that is noted; NULL if there is none. */
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
