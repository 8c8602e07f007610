/*
 * resolve_names.c: what became of requests that make, remove or rename names, on a connection that
 * was lost: what is there by now tells.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/recovery.h"

/* ---- looking -------------------------------------------------------------------- */

struct p9_fid *resolve_fid(struct resolving *v, uint32_t num)
{
    struct fids *f = v->a->client->fids;

    pthread_mutex_lock(&f->mtx);
    struct p9_fid *fid = track_find(v->a->client, num);
    pthread_mutex_unlock(&f->mtx);
    return fid; /* the request that is held keeps it */
}

/* Walks to a name. 0, -ENOENT, or another error: nothing is known. */
static int look(struct resolving *v, uint32_t dir, const struct p9_str *name, struct p9_fid **fid)
{
    struct p9_fid *from = resolve_fid(v, dir);
    char *text = from != NULL ? strndup(name->s, name->len) : NULL;
    const char *const names[] = {text};
    int rc = text != NULL ? p9_walk(&v->a->scope, from, 1, names, fid) : -EIO;

    free(text);
    return rc;
}

static void settle(struct resolving *v, int rc, struct p9_fcall *rx)
{
    if (p9_session_settle(v->a->client->session, v->h->id, rc, rx) && rc == 0)
        track_note(v->a->client, &v->h->tx, rx);
}

void resolve_done(struct resolving *v)
{
    struct p9_fcall rx = {.type = (uint8_t)(v->h->tx.type + 1)};

    settle(v, 0, &rx);
}

/* ---- names that are removed -------------------------------------------------------- */

static void resolve_unlink(struct resolving *v)
{
    struct p9_fid *fid;
    int rc = look(v, v->h->tx.Tunlinkat.dirfid, &v->h->tx.Tunlinkat.name, &fid);
    bool other = rc == 0 && v->expected != NULL && !qid_same_file(&fid->qid, v->expected);

    if (rc == 0)
        p9_fid_put(fid);
    if (rc == -ENOENT || other)
        resolve_done(v);
}

/* A rename whose old name is gone, or another file's: whether the new name is that file. */
static void resolve_new_name(struct resolving *v, uint32_t dir, const struct p9_str *name)
{
    struct p9_fid *fid;
    int rc = look(v, dir, name, &fid);
    bool done = rc == 0 && (v->expected == NULL || qid_same_file(&fid->qid, v->expected));

    if (rc == 0)
        p9_fid_put(fid);
    if (done)
        resolve_done(v);
    else if (rc == 0 || rc == -ENOENT)
        settle(v, -ENOENT, NULL);
}

static void resolve_rename(struct resolving *v)
{
    const struct p9_fcall *tx = &v->h->tx;
    struct p9_fid *fid;
    int rc = look(v, tx->Trenameat.olddirfid, &tx->Trenameat.oldname, &fid);
    bool is_there = rc == 0 && (v->expected == NULL || qid_same_file(&fid->qid, v->expected));

    if (rc == 0)
        p9_fid_put(fid);
    if (is_there || (rc != 0 && rc != -ENOENT))
        return;
    resolve_new_name(v, tx->Trenameat.newdirfid, &tx->Trenameat.newname);
}

/* ---- names that are made ------------------------------------------------------------ */

/* Whether what the name leads to may be what the request made. */
static bool may_be_made(struct resolving *v, struct p9_fid *fid)
{
    const struct p9_fcall *tx = &v->h->tx;
    char target[4096];

    switch (tx->type) {
    case P9_Tmkdir:
        return (fid->qid.type & P9_QTDIR) != 0;
    case P9_Tsymlink:
        return p9_readlink(&v->a->scope, fid, target, sizeof target) == 0 && p9_str_eq(tx->Tsymlink.target, target);
    case P9_Tlink: {
        const struct p9_fid *file = resolve_fid(v, tx->Tlink.fid);
        return file != NULL && qid_same_file(&file->qid, &fid->qid);
    }
    }
    return (fid->qid.type & P9_QTDIR) == 0;
}

static void resolve_made(struct resolving *v, uint32_t dir, const struct p9_str *name)
{
    struct p9_fcall rx = {.type = (uint8_t)(v->h->tx.type + 1)};
    struct p9_fid *fid;

    if (look(v, dir, name, &fid) != 0)
        return;
    if (v->h->tx.type == P9_Tmkdir)
        rx.Rmkdir.qid = fid->qid;
    else if (v->h->tx.type == P9_Tsymlink)
        rx.Rsymlink.qid = fid->qid;
    else if (v->h->tx.type == P9_Tmknod)
        rx.Rmknod.qid = fid->qid;
    if (may_be_made(v, fid))
        settle(v, 0, &rx);
    else
        settle(v, -EEXIST, NULL);
    p9_fid_put(fid);
}

/* ---- files that are created ----------------------------------------------------------- */

/* An exclusive creation made a file that nobody has written yet. */
static bool may_be_created(struct resolving *v, struct p9_fid *fid, bool exclusive)
{
    struct p9_attr attr;

    if (fid->qid.type & P9_QTDIR)
        return false;
    return !exclusive || (p9_getattr(&v->a->scope, fid, &attr) == 0 && attr.size == 0 && attr.nlink <= 1);
}

/* The fid of the directory walks on to the file and opens it, as the creation would have. */
static void become_file(struct resolving *v, uint32_t num, const struct p9_str *name, struct p9_fcall *open)
{
    struct p9_scope *sc = &v->a->scope;
    struct p9_client *c = v->a->client;
    struct p9_req req = {0};
    struct p9_fcall rx = {.type = (uint8_t)(v->h->tx.type + 1)};
    struct p9_fcall walk = {.type = P9_Twalk,
                            .Twalk = {.fid = num, .newfid = num, .nwname = {.n = 1, .name = {*name}}}};

    pthread_mutex_lock(&c->fids->mtx);
    char *dir = track_path(c, num);
    pthread_mutex_unlock(&c->fids->mtx);
    if (p9_do(sc, c, &walk) != 0) {
        free(dir);
        return;
    }
    int rc = p9_rpc(sc, c, &req, open);
    if (rc == 0) /* Rlopen, Ropen, Rlcreate and Rcreate are alike */
        rx.Rlcreate.qid = req.rx.Rlopen.qid, rx.Rlcreate.iounit = req.rx.Rlopen.iounit;
    if (v->h->tx.type == P9_Tcreate && rc == 0)
        rx.Rcreate.qid = req.rx.Ropen.qid, rx.Rcreate.iounit = req.rx.Ropen.iounit;
    if (p9_session_settle(c->session, v->h->id, rc, rc == 0 ? &rx : NULL))
        free(dir);
    else /* the next connection begins with the directory again */
        track_undo_open(c, num, dir);
}

static void resolve_lcreate(struct resolving *v)
{
    const struct p9_fcall *tx = &v->h->tx;
    const uint32_t not_again = P9_L_CREAT | P9_L_EXCL;
    struct p9_fcall open = {.type = P9_Tlopen,
                            .Tlopen = {.fid = tx->Tlcreate.fid, .flags = tx->Tlcreate.flags & ~not_again}};
    struct p9_fid *fid;

    if (look(v, tx->Tlcreate.fid, &tx->Tlcreate.name, &fid) != 0)
        return;
    bool created = may_be_created(v, fid, (tx->Tlcreate.flags & P9_L_EXCL) != 0);
    p9_fid_put(fid);
    if (created)
        become_file(v, tx->Tlcreate.fid, &tx->Tlcreate.name, &open);
    else
        settle(v, -EEXIST, NULL);
}

/* The file that a hard link of 9P2000.u is to: its fid is the extension. */
static bool is_linked_file(struct resolving *v, const struct p9_fid *fid)
{
    char number[16] = "";
    const struct p9_str *e = &v->h->tx.Tcreate.extension;

    memcpy(number, e->s, e->len < sizeof number ? e->len : 0);
    const struct p9_fid *file = resolve_fid(v, (uint32_t)strtoul(number, NULL, 10));
    return file != NULL && file->qid.path == fid->qid.path;
}

static void resolve_create(struct resolving *v)
{
    const struct p9_fcall *tx = &v->h->tx;
    uint32_t perm = tx->Tcreate.perm;
    struct p9_fcall open = {.type = P9_Topen, .Topen = {.fid = tx->Tcreate.fid, .mode = tx->Tcreate.mode}};
    struct p9_fid *fid;

    if (look(v, tx->Tcreate.fid, &tx->Tcreate.name, &fid) != 0)
        return;
    bool dir = (fid->qid.type & P9_QTDIR) != 0, created = dir == ((perm & P9_DMDIR) != 0);
    if (created && (perm & P9_DMLINK))
        created = is_linked_file(v, fid);
    else if (created && !dir)
        created = may_be_created(v, fid, true);
    p9_fid_put(fid);
    if (created)
        become_file(v, tx->Tcreate.fid, &tx->Tcreate.name, &open);
    else
        settle(v, -EEXIST, NULL);
}

/* ---- all ------------------------------------------------------------------ */

void resolve_name(struct resolving *v)
{
    const struct p9_fcall *tx = &v->h->tx;

    switch (tx->type) {
    case P9_Tunlinkat:
        resolve_unlink(v);
        break;
    case P9_Trenameat:
        resolve_rename(v);
        break;
    case P9_Tmkdir:
        resolve_made(v, tx->Tmkdir.dfid, &tx->Tmkdir.name);
        break;
    case P9_Tmknod:
        resolve_made(v, tx->Tmknod.dfid, &tx->Tmknod.name);
        break;
    case P9_Tsymlink:
        resolve_made(v, tx->Tsymlink.dfid, &tx->Tsymlink.name);
        break;
    case P9_Tlink:
        resolve_made(v, tx->Tlink.dfid, &tx->Tlink.name);
        break;
    case P9_Tlcreate:
        resolve_lcreate(v);
        break;
    case P9_Tcreate:
        resolve_create(v);
        break;
    }
}
