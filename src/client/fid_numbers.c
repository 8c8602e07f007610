/*
 * fid_numbers.c: which fid numbers are free, and the share that is held.
 *
 * Numbers are dense from the bottom, for servers keep tables. A number is free again
 * only when Rclunk has come. When they run short the layer above is asked to let idle
 * fids go; who needs one meanwhile waits for a clunk to return, but not for ever.
 *
 * Fids of files and directories that are open are held for as long as a program likes: a share of all is never
 * given to them, so that what else is there can still be looked at.
 */
#include "client/fid_numbers.h"

#include <errno.h>
#include <stdlib.h>

enum {
    WORD = 64,
    EVICT_AT_LEAST = 16,
    LEAST_SHARE = 16, /* kept for what is not open; else a part of all: */
    SHARE_PART = 16,
    CLUNK_MS = 10000, /* an answer to Tclunk that takes longer is no longer waited for */
    POLL_MS = 50,     /* an interrupt is seen so soon */
};

struct fids *fids_new(unsigned bound, unsigned wait_ms)
{
    struct fids *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->bound = bound;
    f->wait_ms = wait_ms != 0 ? wait_ms : CLUNK_MS;
    f->nwords = (bound + WORD - 1) / WORD;
    f->taken = calloc(f->nwords, sizeof *f->taken);
    if (f->taken == NULL) {
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
    free(f->taken);
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

/* The lowest free number, taken; or -1. Called with the lock. */
static int64_t lowest_number(struct fids *f)
{
    for (unsigned w = f->lowest; w < f->nwords; w++) {
        if (~f->taken[w] == 0)
            continue;
        unsigned num = w * WORD + (unsigned)__builtin_ctzll(~f->taken[w]);
        if (num >= f->bound)
            break;
        f->lowest = w;
        f->taken[w] |= (uint64_t)1 << num % WORD;
        f->live++;
        return num;
    }
    return -1;
}

void fids_give_number(struct fids *f, uint32_t num)
{
    f->taken[num / WORD] &= ~((uint64_t)1 << num % WORD);
    if (num / WORD < f->lowest)
        f->lowest = num / WORD;
    f->live--;
    pthread_cond_broadcast(&f->freed);
}

/* Called with the lock, which it gives up while the layer above looks for idle fids. */
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

/* Waits a little for a number to come free: milliseconds, if none did. Called with the lock, which it gives up: the clunk waited for may
 * not be written yet. */
static unsigned wait_freed(struct fids *f, struct p9_session *s)
{
    struct timespec until;

    pthread_mutex_unlock(&f->mtx);
    p9_push(s);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&f->mtx);
    bool none = f->live >= f->bound && f->clunking > f->hopeless;
    return none && pthread_cond_timedwait(&f->freed, &f->mtx, &until) != 0 ? POLL_MS : 0;
}

/* A number, -ENFILE, or -EINTR. Called with the lock. */
int64_t fids_take_number(struct fids *f, struct p9_scope *sc, struct p9_session *s)
{
    int64_t num = lowest_number(f);

    if (num < 0)
        ask_to_evict(f, f->bound / 16 + EVICT_AT_LEAST);
    for (unsigned ms = 0; num < 0 && (num = lowest_number(f)) < 0 && f->clunking > f->hopeless;) {
        if (sc != NULL && atomic_load(&sc->interrupted))
            return -EINTR;
        if (ms >= f->wait_ms)
            f->hopeless = f->clunking;
        else
            ms += wait_freed(f, s);
    }
    /* Before it gets tight some leave on their own, so that the next need not wait. */
    unsigned slack = f->bound / 16;
    if (num >= 0 && f->live - f->clunking + slack > f->bound)
        ask_to_evict(f, slack / 4 + 1);
    return num >= 0 ? num : -ENFILE;
}

/* ---- held --------------------------------------------------------------- */

static unsigned share(const struct fids *f)
{
    return f->bound / SHARE_PART > LEAST_SHARE ? f->bound / SHARE_PART : LEAST_SHARE;
}

/* Called with the lock. */
void fids_let_go(struct fids *f, struct p9_fid *fid)
{
    f->held -= fid->held;
    fid->held = false;
}

int p9_fid_hold(struct p9_fid *fid, bool is_dir)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    /* Who has opened all files that he can may still list directories. */
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
    fids_let_go(f, fid);
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
