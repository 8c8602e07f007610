/*
 * fid.c: fid numbers, references, clunks.
 *
 * Numbers are dense from the bottom, for servers keep tables. A number is free again
 * only when Rclunk has come. When they run short the layer above is asked to let idle
 * fids go; who needs one meanwhile waits for a clunk to return, but not for ever.
 *
 * The server may know a number that we do not: it bound one on a walk that ended short, or did what was interrupted, or made no
 * sense. So a number goes back without a clunk only where it is sure that the server does not have it; one that is
 * refused as if it had is clunked, too, and another is taken. A fid brings along what its clunk needs.
 *
 * Fids of files and directories that are open are held for as long as a program likes: a share of all is never
 * given to them, so that what else is there can still be looked at.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "client/dialect.h"
#include "base/log.h"

enum {
    WORD = 64,
    EVICT_AT_LEAST = 16,
    FEWEST = 16,      /* a refusal below this is about something else */
    LEAST_SHARE = 16, /* kept for what is not open; else a part of all: */
    SHARE_PART = 16,
    NUMBERS = 4,      /* tried for one request */
    CLUNK_MS = 10000, /* an answer to Tclunk that takes longer is no longer waited for */
    POLL_MS = 50,     /* an interrupt is seen so soon */
};

struct fids {
    pthread_mutex_t mtx;  /* guards all below */
    pthread_cond_t freed; /* a number came free */
    unsigned bound;       /* numbers below this may be used */
    unsigned live;        /* numbers taken */
    unsigned clunking;    /* of those, on their way out */
    unsigned hopeless;    /* so many clunks are no longer waited for */
    unsigned wait_ms;     /* for a clunk */
    unsigned held;        /* by files and directories that are open */
    unsigned lowest;      /* no word below this has a free number */
    uint64_t *taken;      /* a bit each */
    unsigned nwords;
    void (*evict)(void *arg, unsigned n);
    void *evict_arg;
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
static int64_t take_number(struct fids *f)
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

static void give_number(struct fids *f, uint32_t num)
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
static int64_t wait_for_number(struct fids *f, struct p9_scope *sc, struct p9_session *s)
{
    int64_t num = take_number(f);

    if (num < 0)
        ask_to_evict(f, f->bound / 16 + EVICT_AT_LEAST);
    for (unsigned ms = 0; num < 0 && (num = take_number(f)) < 0 && f->clunking > f->hopeless;) {
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

int fid_new(struct p9_scope *sc, struct p9_client *c, struct p9_fid **out)
{
    struct p9_fid *fid = calloc(1, sizeof *fid);

    if (fid == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&c->fids->mtx);
    int64_t num = wait_for_number(c->fids, sc, c->session);
    pthread_mutex_unlock(&c->fids->mtx);
    if (num < 0) {
        free(fid);
        return (int)num;
    }
    fid->client = c;
    fid->num = (uint32_t)num;
    fid->generation = c->generation;
    atomic_init(&fid->refs, 1);
    *out = fid;
    return 0;
}

/* ---- held --------------------------------------------------------------- */

static unsigned share(const struct fids *f)
{
    return f->bound / SHARE_PART > LEAST_SHARE ? f->bound / SHARE_PART : LEAST_SHARE;
}

/* Called with the lock. */
static void let_go(struct fids *f, struct p9_fid *fid)
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
    let_go(f, fid);
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

/* ---- the end of a fid --------------------------------------------------- */

void fid_discard(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    let_go(f, fid);
    give_number(f, fid->num);
    pthread_mutex_unlock(&f->mtx);
    free(fid);
}

/* The server refused this number as too high: fids stay below it from now on. */
static void fid_refused(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    if (fid->num < f->bound) {
        f->bound = fid->num;
        log_info("the server takes fids below %u only", f->bound);
    }
    pthread_mutex_unlock(&f->mtx);
    fid_discard(fid);
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

/* What a server may say to a number that it has already. */
static bool says_known(int rc)
{
    return rc == -EBADF || rc == -EBUSY || rc == -EEXIST;
}

static bool may_say_known(int rc)
{
    return rc == -EIO || rc == -EINVAL;
}

bool fid_failed(struct p9_fid *fid, int rc)
{
    /* nfs-ganesha's word for a number above its table */
    bool too_high = rc == -ERANGE && fid->num >= FEWEST;

    if (too_high)
        fid_refused(fid);
    else if (fid->doubtful || says_known(rc) || may_say_known(rc) || rc == -EINTR || rc == -EPROTO)
        p9_fid_put(fid);
    else
        fid_discard(fid);
    return too_high;
}

/* Whether another number may be what a refused request needs. Where a server says a thing of one as of the other (same) it is not
 * about numbers, and is not tried again. */
static bool another_may_do(struct p9_client *c, int rc, bool same)
{
    if (says_known(rc))
        return true;
    if (!may_say_known(rc) || p9_lacks(c, P9_NO_FID_ERRORS))
        return false;
    if (same)
        atomic_fetch_or(&c->missing, P9_NO_FID_ERRORS);
    return !same;
}

int fid_make(struct p9_scope *sc, struct p9_client *c, int (*make)(struct p9_scope *, struct p9_fid *, void *),
             void *arg, struct p9_fid **out)
{
    struct p9_fid *fid;
    unsigned tries = 0;
    bool again = true;
    int rc = 0;

    *out = NULL;
    while (again) {
        int before = rc;
        rc = fid_new(sc, c, &fid);
        if (rc != 0)
            return before != 0 ? before : rc;
        rc = make(sc, fid, arg);
        again = rc != 0 && (fid_failed(fid, rc) || (++tries < NUMBERS && another_may_do(c, rc, rc == before)));
    }
    if (rc == 0)
        *out = fid;
    return rc;
}

struct p9_fid *p9_fid_get(struct p9_fid *fid)
{
    atomic_fetch_add(&fid->refs, 1);
    return fid;
}

static void clunk_done(struct p9_req *req)
{
    struct p9_fid *fid = req->arg;
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    f->clunking--;
    if (f->hopeless > f->clunking)
        f->hopeless = f->clunking;
    give_number(f, fid->num);
    pthread_mutex_unlock(&f->mtx);
    free(fid);
}

/* Sends what ends a fid on the server whatever it answers. The caller's reference is taken. */
static int fid_end(struct p9_scope *sc, struct p9_fid *fid, const struct p9_fcall *tx)
{
    int rc = p9_do(sc, fid->client, tx);

    if (rc == -EINTR || rc == -EPROTO) /* flushed, or no answer: the server may still know the fid */
        p9_fid_put(fid);
    else
        fid_discard(fid);
    return rc;
}

int p9_fid_clunk(struct p9_scope *sc, struct p9_fid *fid)
{
    return fid_end(sc, fid, &(struct p9_fcall){.type = P9_Tclunk, .Tclunk.fid = fid->num});
}

int p9_remove(struct p9_scope *sc, struct p9_fid *fid)
{
    return fid_end(sc, fid, &(struct p9_fcall){.type = P9_Tremove, .Tremove.fid = fid->num});
}

void p9_fid_put(struct p9_fid *fid)
{
    if (fid == NULL || atomic_fetch_sub(&fid->refs, 1) != 1)
        return;
    struct p9_client *c = fid->client;
    if (fid->generation != c->generation) {
        fid_discard(fid);
        return;
    }
    fid->clunk = (struct p9_req){.done = clunk_done, .arg = fid};
    pthread_mutex_lock(&c->fids->mtx);
    let_go(c->fids, fid);
    c->fids->clunking++;
    /* Of one that is not open the server does nothing at its end, and nobody needs the number now. */
    bool later = fid->iounit == 0 && c->fids->live < c->fids->bound / 2;
    pthread_mutex_unlock(&c->fids->mtx);
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = fid->num};
    if (later)
        p9_submit_more(c->session, &fid->clunk, &tx);
    else
        p9_submit(c->session, &fid->clunk, &tx);
}
