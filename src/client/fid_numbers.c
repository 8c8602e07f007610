/*
 * fid_numbers.c: allocating fid numbers, and the reserved share.
 *
 * Numbers are dense from 0, as servers keep tables. A number is free again only after Rclunk. When
 * numbers run short the layer above is asked to put idle fids; a caller that needs a number waits
 * for a clunk meanwhile, for a limited time.
 *
 * Programs hold fids of open files and directories for as long as they like. A reserved share of
 * all numbers is never held, so that other files can still be walked to.
 */
#include "client/fid_numbers.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"

enum {
    WORD = 64,
    MIN_EVICT = 16,
    MIN_SHARE = 16,   /* the reserved share, at least; */
    SHARE_PART = 16,  /* and the part of all numbers that it is */
    CLUNK_MS = 10000, /* the longest wait for an Rclunk */
    POLL_MS = 50,     /* the interval to check for an interrupt */
};

static void free_tables(struct fids *f)
{
    free(f->used);
    free(f->by_number);
    free(f->hashes);
}

struct fids *fids_new(unsigned bound, unsigned wait_ms)
{
    struct fids *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->bound = bound;
    f->wait_ms = wait_ms != 0 ? wait_ms : CLUNK_MS;
    f->nwords = (bound + WORD - 1) / WORD;
    f->used = calloc(f->nwords, sizeof *f->used);
    f->by_number = calloc(bound, sizeof(*f->by_number));
    f->hashes = calloc(bound, sizeof *f->hashes);
    if (f->used == NULL || f->by_number == NULL || f->hashes == NULL) {
        free_tables(f);
        free(f);
        return NULL;
    }
    pthread_mutex_init(&f->mtx, NULL);
    pthread_cond_init(&f->freed, NULL);
    return f;
}

void fids_free(struct fids *f)
{
    pthread_cond_destroy(&f->freed);
    pthread_mutex_destroy(&f->mtx);
    free_tables(f);
    free(f);
}

void p9_client_on_shortage(struct p9_client *c, void (*evict)(void *, unsigned), void *arg)
{
    pthread_mutex_lock(&c->fids->mtx);
    c->fids->evict = evict;
    c->fids->evict_arg = arg;
    pthread_mutex_unlock(&c->fids->mtx);
}

void p9_client_fids(struct p9_client *c, unsigned *live, unsigned *bound)
{
    pthread_mutex_lock(&c->fids->mtx);
    *live = c->fids->live;
    *bound = c->fids->bound;
    pthread_mutex_unlock(&c->fids->mtx);
}

/* Allocates the lowest free number; -1 if there is none. Called with the lock. */
static int64_t lowest_number(struct fids *f)
{
    for (unsigned w = f->lowest; w < f->nwords; w++) {
        if (~f->used[w] == 0)
            continue;
        unsigned num = w * WORD + (unsigned)__builtin_ctzll(~f->used[w]);
        if (num >= f->bound)
            break;
        f->lowest = w;
        f->used[w] |= (uint64_t)1 << num % WORD;
        if (num >= f->top)
            f->top = num + 1;
        f->live++;
        return num;
    }
    return -1;
}

void fids_free_number(struct fids *f, uint32_t num)
{
    f->used[num / WORD] &= ~((uint64_t)1 << num % WORD);
    f->by_number[num] = NULL;
    if (num / WORD < f->lowest)
        f->lowest = num / WORD;
    f->live--;
    pthread_cond_broadcast(&f->freed);
}

/* Called with the lock; releases it during the callback. */
static void ask_to_evict(struct fids *f, unsigned n)
{
    void (*evict)(void *, unsigned) = f->evict;
    void *arg = f->evict_arg;

    if (evict == NULL)
        return;
    pthread_mutex_unlock(&f->mtx);
    evict(arg, n);
    pthread_mutex_lock(&f->mtx);
}

void fids_evict_all(struct fids *f)
{
    pthread_mutex_lock(&f->mtx);
    fids_put_doubts(f);
    ask_to_evict(f, UINT_MAX);
    pthread_mutex_unlock(&f->mtx);
}

/* Waits for a free number, at most POLL_MS. Returns the time that passed without one,
 * milliseconds. Called with the lock; releases it and writes queued messages first: the clunk
 * may be among them. */
static unsigned wait_freed(struct fids *f, struct p9_session *s)
{
    pthread_mutex_unlock(&f->mtx);
    p9_push(s);
    pthread_mutex_lock(&f->mtx);
    bool none = f->live >= f->bound && f->clunking > f->abandoned;
    return none && !thread_wait_ms(&f->freed, &f->mtx, POLL_MS) ? POLL_MS : 0;
}

/* A number, once a clunk has freed one; -EINTR; -ENFILE. Called with the lock. */
static int64_t wait_for_number(struct fids *f, struct p9_scope *sc, struct p9_session *s)
{
    unsigned ms = 0;
    int64_t num;

    while ((num = lowest_number(f)) < 0 && f->clunking > f->abandoned) {
        if (sc != NULL && atomic_load(&sc->interrupted))
            return -EINTR;
        if (ms >= f->wait_ms)
            f->abandoned = f->clunking;
        else
            ms += wait_freed(f, s);
    }
    return num >= 0 ? num : -ENFILE;
}

int64_t fids_alloc_number(struct fids *f, struct p9_scope *sc, struct p9_session *s)
{
    int64_t num = lowest_number(f);

    if (num < 0) {
        ask_to_evict(f, f->bound / 16 + MIN_EVICT);
        num = wait_for_number(f, sc, s);
        if (num == -ENFILE && fids_put_doubts(f))
            num = wait_for_number(f, sc, s);
    }
    /* When few are left some idle fids are put already, so that the next caller need not wait. */
    unsigned slack = f->bound / 16;
    if (num >= 0 && f->live - f->clunking + slack > f->bound)
        ask_to_evict(f, slack / 4 + 1);
    return num;
}

/* ---- held fids ---------------------------------------------------------- */

static unsigned share(const struct fids *f)
{
    return f->bound / SHARE_PART > MIN_SHARE ? f->bound / SHARE_PART : MIN_SHARE;
}

void fids_release(struct fids *f, struct p9_fid *fid)
{
    f->held -= fid->held;
    fid->held = false;
}

int p9_fid_hold(struct p9_fid *fid, bool is_dir)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    /* Directories may use half of the share: after all files that can be opened, some still can be
     * listed. */
    bool room = fid->held || f->held + share(f) / (is_dir ? 2 : 1) < f->bound;
    f->held += room && !fid->held;
    fid->held = room;
    pthread_mutex_unlock(&f->mtx);
    return room ? 0 : -ENFILE;
}

void p9_fid_let_go(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    fids_release(f, fid);
    pthread_mutex_unlock(&f->mtx);
}

unsigned p9_client_room(struct p9_client *c)
{
    struct fids *f = c->fids;

    pthread_mutex_lock(&f->mtx);
    unsigned room = f->bound > f->held ? f->bound - f->held : 0;
    pthread_mutex_unlock(&f->mtx);
    return room;
}

void fids_drain(struct fids *f, int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    pthread_mutex_lock(&f->mtx);
    while (f->clunking > 0 && pthread_cond_timedwait(&f->freed, &f->mtx, &until) == 0)
        ;
    pthread_mutex_unlock(&f->mtx);
}
