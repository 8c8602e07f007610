/*
 * walk.c: making fids by auth, attach and walk, in every dialect.
 */
#include <errno.h>
#include <stdlib.h>

#include "client/dialect.h"

/* ---- auth, attach ------------------------------------------------------- */

static int send_auth(struct p9_scope *sc, struct p9_fid *afid, void *arg)
{
    struct p9_fcall *tx = arg;
    struct p9_req req = {0};

    tx->Tauth.afid = afid->num;
    int rc = p9_rpc(sc, afid->client, &req, tx);
    afid->qid = req.rx.Rauth.aqid;
    return rc;
}

int p9_auth(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
            struct p9_fid **out)
{
    struct p9_fcall tx = {.type = P9_Tauth,
                          .Tauth = {.uname = p9_str(uname), .aname = p9_str(aname), .n_uname = n_uname}};
    int rc = fid_make(sc, c, send_auth, &tx, out);

    if (rc == 0)
        (*out)->iounit = p9_fid_iounit(c, 0);
    return rc;
}

struct attach {
    struct p9_fcall tx;
    const char *uname, *aname;
};

static int send_attach(struct p9_scope *sc, struct p9_fid *fid, void *arg)
{
    struct attach *attach = arg;
    struct p9_fcall *tx = &attach->tx;
    struct p9_req req = {0};

    tx->Tattach.fid = fid->num;
    int rc = track_attach(fid, attach->uname, tx->Tattach.n_uname, attach->aname);
    if (rc == 0)
        rc = p9_rpc(sc, fid->client, &req, tx);
    fid->qid = req.rx.Rattach.qid;
    return rc;
}

int p9_attach(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
              const struct p9_fid *afid, struct p9_fid **out)
{
    struct attach attach = {.tx = {.type = P9_Tattach,
                                   .Tattach = {.afid = afid != NULL ? afid->num : P9_NOFID,
                                               .uname = p9_str(uname),
                                               .aname = p9_str(aname),
                                               .n_uname = n_uname}},
                            .uname = uname,
                            .aname = aname};

    return fid_make(sc, c, send_attach, &attach, out);
}

/* ---- walk --------------------------------------------------------------- */

/* The error of a walk that ended short: the name at which it ended is walked alone. */
static int short_walk_error(struct p9_scope *sc, struct p9_fid *from, size_t done, const char *const *names)
{
    struct p9_fid *dir, *fid;
    int rc = p9_walk(sc, from, done, names, &dir);

    if (rc != 0)
        return rc;
    rc = p9_walk(sc, dir, 1, names + done, &fid);
    if (rc == 0)
        p9_fid_put(fid); /* it exists by now: the caller may retry */
    p9_fid_put(dir);
    return rc != 0 ? rc : -ESTALE;
}

struct p9_fcall p9_walk_message(const struct p9_fid *from, const struct p9_fid *newfid, size_t n,
                                const char *const *names)
{
    struct p9_fcall tx = {.type = P9_Twalk, .Twalk = {.fid = from->num, .newfid = newfid->num}};

    tx.Twalk.nwname.n = (uint16_t)n;
    for (size_t i = 0; i < n; i++)
        tx.Twalk.nwname.name[i] = p9_str(names[i]);
    return tx;
}

struct names {
    struct p9_fid *from;
    size_t n;
    const char *const *names;
    bool vague; /* p9_req.vague */
};

/* One Twalk of at most 16 names. newfid == from moves it. */
static int walk_once(struct p9_scope *sc, struct p9_fid *newfid, struct names *k)
{
    struct p9_req req = {0};
    struct p9_fcall tx = p9_walk_message(k->from, newfid, k->n, k->names);
    int rc = p9_rpc(sc, newfid->client, &req, &tx);
    const struct p9_qids *got = &req.rx.Rwalk.nwqid;

    k->vague = req.vague;
    if (rc != 0)
        return rc;
    newfid->doubtful = got->n != k->n; /* docker/go-p9p and styx bind it all the same */
    if (got->n > k->n)
        return -EPROTO;
    if (got->n == 0 && k->n > 0)
        return -ENOENT;
    if (got->n < k->n)
        return got->qid[got->n - 1].type & P9_QTDIR ? short_walk_error(sc, k->from, got->n, k->names) : -ENOTDIR;
    newfid->qid = k->n > 0 ? got->qid[k->n - 1] : k->from->qid;
    return 0;
}

static int walk_first(struct p9_scope *sc, struct p9_fid *newfid, void *arg)
{
    return walk_once(sc, newfid, arg);
}

int p9_walk(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **out)
{
    size_t step = n < P9_MAXWELEM ? n : P9_MAXWELEM;
    struct names k = {.from = from, .n = step, .names = names};
    struct p9_fid *fid;
    int rc = fid_make(sc, from->client, walk_first, &k, &fid);

    if (rc == -EIO && k.vague && n == 1)
        return -ENOENT; /* so that the name can be created */
    if (rc != 0)
        return rc;
    k.from = fid;
    for (size_t at = step; at < n && rc == 0; at += step) {
        step = n - at < P9_MAXWELEM ? n - at : P9_MAXWELEM;
        k.n = step;
        k.names = names + at;
        rc = walk_once(sc, fid, &k);
    }
    if (rc != 0) {
        p9_fid_put(fid);
        return rc;
    }
    *out = fid;
    return 0;
}

/* ---- walks in the background -------------------------------------------- */

/* A walk of at most 16 names, without waiting. */
struct walk {
    struct p9_req req;
    struct p9_fid *from, *fid;
    size_t n;
    void (*done)(void *arg, struct p9_fid *fid);
    void *arg;
};

static void walk_done(struct p9_req *req)
{
    struct walk *k = req->arg;
    const struct p9_qids *got = &req->rx.Rwalk.nwqid;

    if (req->rc == 0 && got->n == k->n) {
        k->fid->qid = k->n > 0 ? got->qid[k->n - 1] : k->from->qid;
    } else {
        k->fid->doubtful = req->rc == 0;
        fid_failed(k->fid, req->rc != 0 ? req->rc : -ENOENT);
        k->fid = NULL;
    }
    p9_fid_put(k->from);
    k->done(k->arg, k->fid);
    free(k);
}

static void walk_start(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names,
                       void (*done)(void *arg, struct p9_fid *fid), void *arg)
{
    struct walk *k = calloc(1, sizeof *k);

    if (k == NULL || fid_new(sc, from->client, &k->fid) != 0) {
        free(k);
        done(arg, NULL);
        return;
    }
    k->req = (struct p9_req){.done = walk_done, .arg = k, .scope = sc};
    k->from = p9_fid_get(from);
    k->n = n;
    k->done = done;
    k->arg = arg;
    struct p9_fcall tx = p9_walk_message(from, k->fid, n, names);
    p9_send(from->client, &k->req, &tx);
}

void p9_walk_start(struct p9_fid *from, const char *name, void (*done)(void *arg, struct p9_fid *fid), void *arg)
{
    walk_start(NULL, from, name != NULL, &name, done, arg);
}

struct second {
    struct p9_batch batch;
    struct p9_fid *fid;
};

static void second_done(void *arg, struct p9_fid *fid)
{
    struct second *s = arg;

    s->fid = fid;
    p9_batch_done(&s->batch);
}

int p9_walk_twice(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **fid,
                  struct p9_fid **second)
{
    struct second s;

    *second = NULL;
    if (n > P9_MAXWELEM)
        return p9_walk(sc, from, n, names, fid);
    p9_batch_init(&s.batch, 1);
    walk_start(sc, from, n, names, second_done, &s);
    int rc = p9_walk(sc, from, n, names, fid);
    p9_batch_wait(from->client->session, &s.batch);
    if (rc == 0)
        *second = s.fid;
    else
        p9_fid_put(s.fid);
    return rc;
}
