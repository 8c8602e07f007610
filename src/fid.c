/*
 * fid.c: fid numbers, references, clunks.
 *
 * Numbers are dense from the bottom, for servers keep tables. A number is free again
 * only when Rclunk has come. When they run short the layer above is asked to let idle
 * fids go; who needs one meanwhile waits for a clunk to return.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "dialect.h"
#include "log.h"

enum { WORD = 64, EVICT_AT_LEAST = 16, FEWEST = 16 /* a refusal below this is about something else */ };

struct fids {
    pthread_mutex_t mtx;  /* guards all below */
    pthread_cond_t freed; /* a number came free */
    unsigned bound;       /* numbers below this may be used */
    unsigned live;        /* numbers taken */
    unsigned clunking;    /* of those, on their way out */
    unsigned lowest;      /* no word below this has a free number */
    uint64_t *taken;      /* a bit each */
    unsigned nwords;
    void (*evict)(void *arg, unsigned n);
    void *evict_arg;
};

struct fids *fids_new(unsigned bound)
{
    struct fids *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->bound = bound;
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

static int64_t wait_for_number(struct fids *f)
{
    int64_t num = take_number(f);

    if (num < 0)
        ask_to_evict(f, f->bound / 16 + EVICT_AT_LEAST);
    while (num < 0 && (num = take_number(f)) < 0 && f->clunking > 0)
        pthread_cond_wait(&f->freed, &f->mtx);
    /* Before it gets tight some leave on their own, so that the next need not wait. */
    unsigned slack = f->bound / 16;
    if (num >= 0 && f->live - f->clunking + slack > f->bound)
        ask_to_evict(f, slack / 4 + 1);
    return num;
}

int fid_new(struct p9_client *c, struct p9_fid **out)
{
    struct p9_fid *fid = calloc(1, sizeof *fid);

    if (fid == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&c->fids->mtx);
    int64_t num = wait_for_number(c->fids);
    pthread_mutex_unlock(&c->fids->mtx);
    if (num < 0) {
        free(fid);
        return -ENFILE;
    }
    fid->client = c;
    fid->num = (uint32_t)num;
    fid->generation = c->generation;
    atomic_init(&fid->refs, 1);
    *out = fid;
    return 0;
}

void fid_discard(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
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

bool fid_failed(struct p9_fid *fid, int rc)
{
    /* nfs-ganesha's word for a number above its table */
    bool refused = rc == -ERANGE && fid->num >= FEWEST;

    if (refused)
        fid_refused(fid);
    else
        fid_discard(fid);
    return refused;
}

int fid_make(struct p9_scope *sc, struct p9_fid *from,
             int (*make)(struct p9_scope *, struct p9_fid *, struct p9_fid *, void *), void *arg, struct p9_fid **out)
{
    int rc;

    do {
        rc = fid_new(from->client, out);
        if (rc != 0)
            return rc;
        rc = make(sc, from, *out, arg);
    } while (rc != 0 && fid_failed(*out, rc));
    return rc;
}

struct p9_fid *p9_fid_get(struct p9_fid *fid)
{
    atomic_fetch_add(&fid->refs, 1);
    return fid;
}

struct clunk {
    struct p9_req req;
    struct p9_fid *fid;
};

static void clunk_done(struct p9_req *req)
{
    struct clunk *k = req->arg;
    struct fids *f = k->fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    f->clunking--;
    give_number(f, k->fid->num);
    pthread_mutex_unlock(&f->mtx);
    free(k->fid);
    free(k);
}

/* Sends what ends a fid on the server whatever it answers. The caller's reference is taken. */
static int fid_end(struct p9_scope *sc, struct p9_fid *fid, const struct p9_fcall *tx)
{
    int rc = p9_do(sc, fid->client, tx);

    if (rc == -EINTR) /* flushed: the server still knows the fid */
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
    struct clunk *k = fid->generation == c->generation ? calloc(1, sizeof *k) : NULL;
    if (k == NULL) {
        fid_discard(fid);
        return;
    }
    k->fid = fid;
    k->req = (struct p9_req){.done = clunk_done, .arg = k};
    pthread_mutex_lock(&c->fids->mtx);
    c->fids->clunking++;
    /* Of one that is not open the server does nothing at its end, and nobody needs the number now. */
    bool later = fid->iounit == 0 && c->fids->live < c->fids->bound / 2;
    pthread_mutex_unlock(&c->fids->mtx);
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = fid->num};
    if (later)
        p9_submit_more(c->session, &k->req, &tx);
    else
        p9_submit(c->session, &k->req, &tx);
}
