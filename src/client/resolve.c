/*
 * resolve.c: finds out what became of requests that were sent on a connection that was lost.
 *
 * A request that gives the same result when it is done twice is simply sent again. Of the others the
 * names tell: a new name that is there is taken for the one that the request made, and a name that
 * is gone for the one that it removed, if nothing speaks against it. Bytes appended are looked for
 * at the end of the file. What is not certain is sent again, or fails as the server would let it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/recovery.h"

/* ---- what requests are about ------------------------------------------------- */

/* The qid of a file in use at this path, of any user. Called with fids->mtx. */
static bool find_qid(const struct fids *f, const char *path, struct p9_qid *qid)
{
    uint64_t hash = track_hash(path);

    for (unsigned i = 0; i < f->top; i++) {
        const struct p9_fid *fid = f->hashes[i] == hash ? f->by_number[i] : NULL;
        if (fid != NULL && fid->path != NULL && strcmp(fid->path, path) == 0) {
            *qid = fid->qid;
            return true;
        }
    }
    return false;
}

/* The new path after a Twstat that changes the name; NULL if it does not. */
static char *restated_path(struct p9_client *c, const struct p9_blob *b, const char *from)
{
    struct p9_stat st;
    char *dir = from != NULL ? strdup(from) : NULL, *to = NULL;
    char *slash = dir != NULL ? strrchr(dir, '/') : NULL;

    if (dir != NULL && p9_convM2D(b->p, b->n, p9_session_dialect(c->session), &st) != 0 && st.name.len > 0) {
        *(slash != NULL ? slash : dir) = 0;
        to = track_join(dir, &st.name, 1);
    }
    free(dir);
    return to;
}

/* The path that a request removes, and that of a rename. */
static void paths_of(struct p9_client *c, const struct p9_fcall *tx, struct expected *e)
{
    switch (tx->type) {
    case P9_Tunlinkat:
        e->from = track_path_in(c, tx->Tunlinkat.dirfid, &tx->Tunlinkat.name);
        break;
    case P9_Trenameat:
        e->from = track_path_in(c, tx->Trenameat.olddirfid, &tx->Trenameat.oldname);
        e->to = track_path_in(c, tx->Trenameat.newdirfid, &tx->Trenameat.newname);
        break;
    case P9_Trename:
        e->from = track_path(c, tx->Trename.fid);
        e->to = track_path_in(c, tx->Trename.dfid, &tx->Trename.name);
        break;
    case P9_Twstat:
        e->from = track_path(c, tx->Twstat.fid);
        e->to = restated_path(c, &tx->Twstat.stat, e->from);
        break;
    }
}

static void expect(struct p9_client *c, const struct p9_held *h, struct expected **list)
{
    struct expected *e = h->was_sent ? calloc(1, sizeof *e) : NULL;

    if (e == NULL)
        return;
    e->id = h->id;
    pthread_mutex_lock(&c->fids->mtx);
    paths_of(c, &h->tx, e);
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
        if (len > 0 && strncmp(path, e->from, len) == 0 && (path[len] == 0 || path[len] == '/')) {
            struct p9_str rest = p9_str(path + len + (path[len] == '/'));
            return track_join(e->to, &rest, rest.len > 0);
        }
    }
    return NULL;
}

/* ---- looking -------------------------------------------------------------------- */

struct resolving {
    struct attempt *a;
    const struct p9_held *h;
    const struct p9_qid *expected; /* the file that is removed or renamed; NULL: not known */
};

static struct p9_fid *fid_of(struct resolving *v, uint32_t num)
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
    struct p9_fid *from = fid_of(v, dir);
    char *text = from != NULL ? strndup(name->s, name->len) : NULL;
    const char *const names[] = {text};
    int rc = text != NULL ? p9_walk(&v->a->scope, from, 1, names, fid) : -EIO;

    free(text);
    return rc;
}

static bool same_file(const struct p9_qid *a, const struct p9_qid *b)
{
    return a->path == b->path && a->type == b->type;
}

static void settle(struct resolving *v, int rc, struct p9_fcall *rx)
{
    if (p9_session_settle(v->a->client->session, v->h->id, rc, rx) && rc == 0)
        track_note(v->a->client, &v->h->tx, rx);
}

static void settle_done(struct resolving *v)
{
    struct p9_fcall rx = {.type = (uint8_t)(v->h->tx.type + 1)};

    settle(v, 0, &rx);
}

/* ---- names that are removed -------------------------------------------------------- */

static void resolve_unlink(struct resolving *v)
{
    struct p9_fid *fid;
    int rc = look(v, v->h->tx.Tunlinkat.dirfid, &v->h->tx.Tunlinkat.name, &fid);
    bool other = rc == 0 && v->expected != NULL && !same_file(&fid->qid, v->expected);

    if (rc == 0)
        p9_fid_put(fid);
    if (rc == -ENOENT || other)
        settle_done(v);
}

/* A rename whose old name is gone, or another file's: whether the new name is that file. */
static void resolve_new_name(struct resolving *v, uint32_t dir, const struct p9_str *name)
{
    struct p9_fid *fid;
    int rc = look(v, dir, name, &fid);
    bool done = rc == 0 && (v->expected == NULL || same_file(&fid->qid, v->expected));

    if (rc == 0)
        p9_fid_put(fid);
    if (done)
        settle_done(v);
    else if (rc == 0 || rc == -ENOENT)
        settle(v, -ENOENT, NULL);
}

static void resolve_rename(struct resolving *v)
{
    const struct p9_fcall *tx = &v->h->tx;
    struct p9_fid *fid;
    int rc = look(v, tx->Trenameat.olddirfid, &tx->Trenameat.oldname, &fid);
    bool is_there = rc == 0 && (v->expected == NULL || same_file(&fid->qid, v->expected));

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
        const struct p9_fid *file = fid_of(v, tx->Tlink.fid);
        return file != NULL && same_file(&file->qid, &fid->qid);
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

/* The fid of the directory walks on to the file and opens it, as the creation would have left it. */
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
    const struct p9_fid *file = fid_of(v, (uint32_t)strtoul(number, NULL, 10));
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
    struct p9_fid *fid = fid_of(v, tx->Twrite.fid), *again = NULL;
    struct p9_attr attr;
    bool is_l = p9_session_dialect(v->a->client->session) == P9_2000L;

    if (fid == NULL || !((is_l && (fid->open_mode & P9_L_APPEND)) || (fid->qid.type & P9_QTAPPEND)))
        return;
    if (p9_getattr(&v->a->scope, fid, &attr) != 0 || attr.size <= tx->Twrite.offset)
        return;
    if (replay_walk(v->a, fid, &again) != 0)
        return;
    bool has =
        same_file(&again->qid, &fid->qid) && p9_open(&v->a->scope, again, 0) == 0 && has_bytes(v, again, attr.size);
    p9_fid_put(again);
    if (has)
        p9_session_settle(v->a->client->session, v->h->id, 0, &rx);
}

/* ---- fids ---------------------------------------------------------------------------------- */

/* A fid's end: there is nothing to send if the new connection does not know it. */
static void resolve_clunk(struct resolving *v, int made)
{
    struct p9_fcall clunk = {.type = P9_Tclunk, .Tclunk.fid = v->h->tx.Tclunk.fid};

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
            settle_done(v); /* the file is not there any more */
        else
            p9_session_settle(v->a->client->session, v->h->id, rc, NULL);
        return true;
    }
    return false;
}

/* ---- all --------------------------------------------------------------------------------------- */

static void resolve_sent(struct resolving *v)
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
    case P9_Twrite:
        resolve_append(v);
        break;
    }
}

/* 9P2000 and .u read a directory from its start only: dialect_plan9_dir.c starts again. */
static bool reads_on(struct resolving *v)
{
    const struct p9_fid *fid = v->h->tx.type == P9_Tread ? fid_of(v, v->h->tx.Tread.fid) : NULL;

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
        else if (reads_on(&v))
            p9_session_settle(a->client->session, h.id, -ESTALE, NULL);
        else if (h.was_sent)
            resolve_sent(&v);
        free(h.bytes);
    }
}
