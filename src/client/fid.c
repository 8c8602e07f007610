/*
 * fid.c: fids: made, counted, clunked.
 *
 * The server may know a number that we do not: it bound one on a walk that ended short, or did what was interrupted, or made no
 * sense. So a number goes back without a clunk only where it is sure that the server does not have it; one that is
 * refused as if it had is clunked, too, and another is taken. A fid brings along what its clunk needs.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "client/fid_numbers.h"

enum {
    FEWEST = 16, /* a refusal below this is about something else */
    NUMBERS = 4, /* tried for one request */
};

int fid_new(struct p9_scope *sc, struct p9_client *c, struct p9_fid **out)
{
    struct p9_fid *fid = calloc(1, sizeof *fid);

    if (fid == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&c->fids->mtx);
    int64_t num = fids_take_number(c->fids, sc, c->session);
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

void fid_discard(struct p9_fid *fid)
{
    struct fids *f = fid->client->fids;

    pthread_mutex_lock(&f->mtx);
    fids_let_go(f, fid);
    fids_give_number(f, fid->num);
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
    fids_give_number(f, fid->num);
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
    fids_let_go(c->fids, fid);
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
