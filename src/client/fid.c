/*
 * fid.c: making, counting and clunking fids.
 *
 * The server may know a number that is free here: it bound it on a walk that ended short, or served
 * a request that was interrupted or whose reply was malformed. A number is therefore freed without
 * a clunk only if the server certainly does not know it. A number that is refused as in use is
 * clunked, and another one is tried. A fid embeds the request of its clunk.
 *
 * A server may still be at a request that was given up when it has the next, and even after its
 * Rflush: a Tclunk that comes while the walk makes its newfid ends diod 1.0.24 by a signal. Such a
 * fid is in doubt. It is clunked some time after all that was given up is answered, with other
 * requests; earlier only when there is no other number left.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/fid_numbers.h"

enum {
    MIN_BOUND = 16, /* a refusal of a lower number has another reason */
    MAX_TRIES = 4,  /* fid numbers tried for one request */
    DOUBT_MS = 10000,
};

/* ---- fids in doubt ------------------------------------------------------ */

/* Called with the lock. */
static bool has_doubts(const struct fids *f)
{
    return f->doubts != NULL || f->answered != NULL;
}

static void fid_doubt(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    if (!has_doubts(f))
        f->doubts_ms = clock_ms() + DOUBT_MS;
    fid->next_doubt = f->doubts;
    f->doubts = fid;
    pthread_mutex_unlock(&f->mtx);
}

/* Called with the lock; releases it in between. Consumes *list. */
static void put_list(struct fids *f, struct p9_fid **list)
{
    struct p9_fid *fid = *list;

    *list = NULL;
    pthread_mutex_unlock(&f->mtx);
    for (struct p9_fid *next; fid != NULL; fid = next) {
        next = fid->next_doubt;
        p9_fid_put(fid);
    }
    pthread_mutex_lock(&f->mtx);
}

bool fids_put_doubts(struct fids *f)
{
    bool any = has_doubts(f);

    put_list(f, &f->answered);
    put_list(f, &f->doubts);
    return any;
}

/* Clunks the fids in doubt whose time it is. Called with the lock; releases it in between. */
static void settle_doubts(struct p9_client *c)
{
    struct fids *f = c->fids;
    uint64_t now;

    if (!has_doubts(f) || (now = clock_ms()) < f->doubts_ms)
        return;
    f->doubts_ms = now + DOUBT_MS;
    if (p9_session_owes_given_up(c->session))
        return;
    struct p9_fid *old = f->answered;
    f->answered = f->doubts;
    f->doubts = NULL;
    put_list(f, &old);
}

/* ---- making -------------------------------------------------------------- */

int fid_new(struct p9_scope *sc, struct p9_client *c, struct p9_fid **out)
{
    struct p9_fid *fid = calloc(1, sizeof *fid);

    if (fid == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&c->fids->mtx);
    settle_doubts(c);
    int64_t num = fids_alloc_number(c->fids, sc, c->session);
    if (num >= 0) {
        fid->client = c;
        fid->num = (uint32_t)num;
        atomic_init(&fid->generation, atomic_load(&c->generation));
        atomic_init(&fid->refs, 1);
        c->fids->by_number[num] = fid;
    }
    pthread_mutex_unlock(&c->fids->mtx);
    if (num < 0) {
        free(fid);
        return (int)num;
    }
    *out = fid;
    return 0;
}

/* Called with the lock. */
static void fid_free(struct p9_fid *fid)
{
    struct p9_client *c = fid->client;

    fids_free_number(c->fids, fid->num);
    if (fid->lost != 0)
        atomic_fetch_sub(&c->lost_fids, 1);
    track_free(fid);
    free(fid);
}

void fid_discard(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    fids_release(f, fid);
    fid_free(fid);
    pthread_mutex_unlock(&f->mtx);
}

/* The server refuses this number as too high: only lower ones are used from then on. */
static void fid_too_high(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    if (fid->num < f->bound) {
        f->bound = fid->num;
        log_notice("the server accepts only fids below %u", f->bound);
    }
    pthread_mutex_unlock(&f->mtx);
    fid_discard(fid);
}

/* Errors for a fid number that the server has already, */
static bool means_in_use(int rc)
{
    return rc == -EBADF || rc == -EBUSY || rc == -EEXIST;
}

/* and errors that may mean that. */
static bool may_mean_in_use(int rc)
{
    return rc == -EIO || rc == -EINVAL;
}

bool fid_failed(struct p9_fid *fid, int rc)
{
    /* nfs-ganesha, for a number above the size of its table */
    bool too_high = rc == -ERANGE && fid->num >= MIN_BOUND;

    if (too_high)
        fid_too_high(fid);
    else if (rc == -EINTR || rc == -ETIMEDOUT)
        fid_doubt(fid);
    else if (fid->doubtful || means_in_use(rc) || may_mean_in_use(rc) || rc == -EPROTO)
        p9_fid_put(fid);
    else
        fid_discard(fid);
    return too_high;
}

/* Whether a refused request may succeed with another fid number. An ambiguous error that repeats
 * (same) with another number is not about numbers; it is not retried again. */
static bool worth_retrying(struct p9_client *c, int rc, bool same)
{
    if (means_in_use(rc))
        return true;
    if (!may_mean_in_use(rc) || p9_has_habit(c, P9_NO_FID_ERRORS))
        return false;
    if (same)
        p9_add_habit(c, P9_NO_FID_ERRORS);
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
        again = rc != 0 && (fid_failed(fid, rc) || (++tries < MAX_TRIES && worth_retrying(c, rc, rc == before)));
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
    if (f->abandoned > f->clunking)
        f->abandoned = f->clunking;
    fid_free(fid);
    pthread_mutex_unlock(&f->mtx);
}

/* Sends a request that ends a fid on the server whatever the reply. Consumes the caller's
 * reference. */
static int fid_end(struct p9_scope *sc, struct p9_fid *fid, const struct p9_fcall *tx)
{
    int rc = p9_do(sc, fid->client, tx);

    if (rc != -EINTR && rc != -EPROTO && rc != -ETIMEDOUT) /* else the server may know the fid */
        fid->ended = true;
    p9_fid_put(fid);
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
    if (fid->ended || atomic_load(&fid->generation) != atomic_load(&c->generation)) { /* no server knows it */
        fid_discard(fid);
        return;
    }
    fid->clunk = (struct p9_req){.done = clunk_done, .arg = fid};
    pthread_mutex_lock(&c->fids->mtx);
    fids_release(c->fids, fid);
    c->fids->clunking++;
    /* The clunk of a fid that is not open has no effect, and numbers are not short. */
    bool deferred = fid->iounit == 0 && c->fids->live < c->fids->bound / 2;
    pthread_mutex_unlock(&c->fids->mtx);
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = fid->num};
    if (deferred)
        p9_submit_more(c->session, &fid->clunk, &tx);
    else
        p9_submit(c->session, &fid->clunk, &tx);
}
