/*
 * resolve.c: finds out what became of requests that were sent on a connection that was lost.
 *
 * A request that gives the same result when it is done twice is simply sent again. Of the others
 * the names tell: a new name that is there is taken for the one that the request made, and a name
 * that is gone for the one that it removed, if nothing speaks against it. Bytes appended are looked
 * for at the end of the file. What is not certain is sent again, or fails as the server would let
 * it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/recovery.h"

/* ---- what requests are about ------------------------------------------------- */

/* The qid of a file in use at this path, of any user. Called with fids->mtx. */
static bool find_qid(const struct fids *f, const char *path, struct p9_qid *qid)
{
    uint64_t hash = track_hash(path);
    bool found = false;

    for (unsigned i = 0; i < f->top; i++) {
        const struct p9_fid *fid = f->hashes[i] == hash ? f->by_number[i] : NULL;
        if (fid == NULL || fid->path == NULL || strcmp(fid->path, path) != 0)
            continue;
        if (found && qid->path != fid->qid.path)
            return false; /* one was replaced by the other, and is still open */
        *qid = fid->qid;
        found = true;
    }
    return found;
}

static void expect(struct p9_client *c, const struct p9_held *h, struct expected **list)
{
    struct expected *e = h->was_sent ? calloc(1, sizeof *e) : NULL;

    if (e == NULL)
        return;
    e->id = h->id;
    pthread_mutex_lock(&c->fids->mtx);
    if (h->tx.type == P9_Tunlinkat)
        e->from = track_path_in(c, h->tx.Tunlinkat.dirfid, &h->tx.Tunlinkat.name);
    else
        track_renames(c, &h->tx, &e->from, &e->to);
    e->has_qid = e->from != NULL && find_qid(c->fids, e->from, &e->qid);
    pthread_mutex_unlock(&c->fids->mtx);
    e->next = *list;
    *list = e;
}

struct expected *resolve_expect(struct p9_client *c)
{
    struct expected *list = NULL;
    struct p9_held h;

    for (uint64_t id = 0; p9_session_next_held(c->session, id, &h); id = h.id) {
        expect(c, &h, &list);
        free(h.bytes);
    }
    return list;
}

void resolve_free(struct expected *list)
{
    for (struct expected *next; list != NULL; list = next) {
        next = list->next;
        free(list->from);
        free(list->to);
        free(list);
    }
}

char *resolve_other_path(const struct expected *list, const char *path)
{
    for (const struct expected *e = list; e != NULL; e = e->next) {
        size_t len = e->from != NULL && e->to != NULL ? strlen(e->from) : 0;
        if (len > 0 && track_is_below(path, e->from, len))
            return track_below(path, len, e->to);
    }
    return NULL;
}

/* ---- bytes that are appended ------------------------------------------------------------ */

enum { MOST_APPENDED = 1 << 20 /* by others since, where the bytes are looked for */ };

/* Whether the bytes are in the file at the offset, or behind it. */
static bool has_bytes(struct resolving *v, struct p9_fid *fid, uint64_t size)
{
    const struct p9_fcall *tx = &v->h->tx;
    uint64_t left = size - tx->Twrite.offset;
    uint32_t n = (uint32_t)(left < MOST_APPENDED ? left : MOST_APPENDED);
    uint8_t *buf = malloc(n);
    struct p9_io io = {
        .fid = fid, .buf = buf, .offset = tx->Twrite.offset, .count = n, .size = size, .scope = &v->a->scope};
    ssize_t got = buf != NULL ? p9_read_wait(&io) : 0;
    bool has = got > 0 && memmem(buf, (size_t)got, tx->Twrite.count.p, tx->Twrite.count.n) != NULL;

    free(buf);
    return has;
}

static void resolve_append(struct resolving *v)
{
    const struct p9_fcall *tx = &v->h->tx;
    struct p9_fcall rx = {.type = P9_Rwrite, .Rwrite.count = tx->Twrite.count.n};
    struct p9_fid *fid = resolve_fid(v, tx->Twrite.fid), *again = NULL;
    struct p9_attr attr;

    if (fid == NULL || !v->a->client->ops->appends(fid))
        return;
    if (p9_getattr(&v->a->scope, fid, &attr) != 0 || attr.size <= tx->Twrite.offset)
        return;
    if (replay_walk(v->a, fid, &again) != 0)
        return;
    bool has =
        qid_same_file(&again->qid, &fid->qid) && p9_open(&v->a->scope, again, 0) == 0 && has_bytes(v, again, attr.size);
    p9_fid_put(again);
    if (has)
        p9_session_settle(v->a->client->session, v->h->id, 0, &rx);
}

/* ---- locks ------------------------------------------------------------------------------- */

/* The server may hold the lock for the connection that was lost until it notices its end: it is
 * asked again for a while. */
static void resolve_lock(struct resolving *v)
{
    const struct timespec pause = {.tv_nsec = P9_STALE_LOCK_STEP_MS * 1000000L};
    struct p9_session *s = v->a->client->session;
    struct p9_fcall rx = {.type = P9_Rlock};
    int rc = 0;

    for (unsigned ms = 0; ms <= P9_STALE_LOCK_MS; ms += P9_STALE_LOCK_STEP_MS) {
        struct p9_req req = {0};
        rc = p9_rpc(&v->a->scope, v->a->client, &req, &v->h->tx);
        rx.Rlock.status = rc == 0 ? req.rx.Rlock.status : 0;
        if (rc != 0 || rx.Rlock.status != P9_LOCK_BLOCKED || v->h->tx.Tlock.type == P9_LOCK_UNLCK)
            break;
        nanosleep(&pause, NULL);
    }
    if (rc == 0 || (rc != -ETIMEDOUT && !p9_session_down(s))) /* one without an answer is sent again */
        p9_session_settle(s, v->h->id, rc, rc == 0 ? &rx : NULL);
}

/* ---- fids ---------------------------------------------------------------------------------- */

/* Whether this connection's server knows the fid, without its being made again. */
static bool is_new(struct resolving *v, uint32_t num)
{
    struct p9_client *c = v->a->client;

    pthread_mutex_lock(&c->fids->mtx);
    const struct p9_fid *fid = track_find(c, num);
    bool is = fid != NULL && fid->known && atomic_load(&fid->generation) == atomic_load(&c->generation);
    pthread_mutex_unlock(&c->fids->mtx);
    return is;
}

/* A fid's end: there is nothing to send if the new connection does not know it. */
static void resolve_clunk(struct resolving *v, int made)
{
    struct p9_fcall clunk = {.type = P9_Tclunk, .Tclunk.fid = v->h->tx.Tclunk.fid};

    if (made > 0 && is_new(v, clunk.Tclunk.fid))
        return; /* made and put during this try */
    if (made != 0) {
        p9_session_settle(v->a->client->session, v->h->id, made < 0 ? made : 0, NULL);
    } else if (v->h->was_sent) { /* whether it reported an error is not known */
        p9_do(&v->a->scope, v->a->client, &clunk);
        p9_session_settle(v->a->client->session, v->h->id, -EIO, NULL);
    }
}

/* Whether a fid of the request is lost; then the request is settled. */
static bool resolve_lost(struct resolving *v)
{
    uint32_t num[TRACK_FIDS];
    unsigned n = track_needs(&v->h->tx, num);

    for (unsigned i = 0; i < n; i++) {
        int rc = replay_result(v->a, num[i]);
        if (rc >= 0)
            continue;
        if (v->h->was_sent && rc == -ESTALE && v->h->tx.type == P9_Tremove)
            resolve_done(v); /* the file is not there any more */
        else
            p9_session_settle(v->a->client->session, v->h->id, rc, NULL);
        return true;
    }
    return false;
}

/* ---- all ------------------------------------------------------------------ */

/* 9P2000 and .u read a directory from its start only: dialect_plan9_dir.c starts again. */
static bool reads_on(struct resolving *v)
{
    const struct p9_fid *fid = v->h->tx.type == P9_Tread ? resolve_fid(v, v->h->tx.Tread.fid) : NULL;

    return fid != NULL && (fid->qid.type & P9_QTDIR) && v->h->tx.Tread.offset > 0;
}

void resolve_held(struct attempt *a)
{
    struct p9_held h;

    for (uint64_t id = 0; p9_session_next_held(a->client->session, id, &h); id = h.id) {
        struct resolving v = {.a = a, .h = &h};
        for (const struct expected *e = a->expected; e != NULL; e = e->next)
            if (e->id == h.id && e->has_qid)
                v.expected = &e->qid;
        if (h.tx.type == P9_Tclunk)
            resolve_clunk(&v, replay_result(a, h.tx.Tclunk.fid));
        else if (resolve_lost(&v))
            ;
        else if (h.tx.type == P9_Twrite && p9_get32(h.bytes) > p9_session_msize(a->client->session))
            p9_session_settle(a->client->session, h.id, -EMSGSIZE, NULL); /* io.c splits it again */
        else if (reads_on(&v))
            p9_session_settle(a->client->session, h.id, -ESTALE, NULL);
        else if (h.was_sent && h.tx.type == P9_Twrite)
            resolve_append(&v);
        else if (h.was_sent && h.tx.type == P9_Tlock)
            resolve_lock(&v);
        else if (h.was_sent)
            resolve_name(&v);
        free(h.bytes);
    }
}
