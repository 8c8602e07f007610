/*
 * replay.c: makes the fids again that are in use, under their numbers: attaches, walks each path,
 * which must lead to the same file, and opens what was open.
 *
 * All that does not depend on each other leaves together: an attach for each user, one walk for 16
 * names of each path, one open. A path that leads to another file, or nowhere, is tried by the
 * file's other name, if we gave it one; else the fid is lost, with an error for what uses it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/recovery.h"

enum { ROUND = 256 /* requests in flight together */ };

/* ---- the fids in use -------------------------------------------------------- */

/* A reference, if there is one left to share: the last one may be on its way out. */
static bool get_shared(struct p9_fid *fid)
{
    int refs = atomic_load(&fid->refs);

    while (refs > 0)
        if (atomic_compare_exchange_weak(&fid->refs, &refs, refs + 1))
            return true;
    return false;
}

static int collect(struct attempt *a)
{
    struct fids *f = a->client->fids;

    pthread_mutex_lock(&f->mtx);
    a->fids = calloc(f->live + 1, sizeof *a->fids);
    for (unsigned i = 0; a->fids != NULL && i < f->top; i++) {
        struct p9_fid *fid = f->by_number[i];
        if (fid == NULL || !fid->known || fid->lost != 0 || !get_shared(fid))
            continue;
        struct again *g = &a->fids[a->n++];
        g->fid = fid;
        g->path = fid->path != NULL ? strdup(fid->path) : NULL;
        g->original = fid->path != NULL ? strdup(fid->path) : NULL;
        g->rest = g->path;
        g->rc = g->path != NULL && fid->attached != NULL ? 0 : -ESTALE;
    }
    pthread_mutex_unlock(&f->mtx);
    return a->fids != NULL ? 0 : -ENOMEM;
}

void replay_free(struct attempt *a, bool restored)
{
    struct fids *f = a->client->fids;

    for (size_t i = 0; i < a->n; i++) {
        struct again *g = &a->fids[i];
        pthread_mutex_lock(&f->mtx);
        bool as_before = !restored && (g->rc != 0 || g->rest != NULL); /* else its path is what it was walked by */
        if (as_before)
            track_restore(g->fid, g->original);
        pthread_mutex_unlock(&f->mtx);
        if (!as_before)
            free(g->original);
        free(g->path);
        p9_fid_put(g->fid);
    }
    free(a->fids);
    a->fids = NULL;
    a->n = 0;
}

/* ---- attaching --------------------------------------------------------------- */

static int attach(struct attempt *a, struct again *g)
{
    const struct p9_attached *who = g->fid->attached;
    struct p9_fid *afid = NULL;
    int rc = a->o->authenticate != NULL
                 ? a->o->authenticate(a->o->arg, &a->scope, who->uname, who->n_uname, who->aname, &afid)
                 : 0;
    struct p9_fcall tx = {.type = P9_Tattach,
                          .Tattach = {.fid = g->fid->num,
                                      .afid = afid != NULL ? afid->num : P9_NOFID,
                                      .uname = p9_str(who->uname),
                                      .aname = p9_str(who->aname),
                                      .n_uname = who->n_uname}};

    if (rc == 0)
        rc = p9_do(&a->scope, a->client, &tx);
    p9_fid_put(afid);
    return rc;
}

/* Every attach of the mount. -errno if none succeeds. */
static int attach_all(struct attempt *a)
{
    int rc = 0;
    bool any = false;

    for (size_t i = 0; i < a->n; i++) {
        struct again *g = &a->fids[i];
        if (!g->fid->is_root || g->rc != 0)
            continue;
        g->rc = attach(a, g);
        g->bound = g->rc == 0;
        any = any || g->bound;
        rc = g->rc != 0 ? g->rc : rc;
    }
    if (!any && rc != 0)
        snprintf(a->why.text, sizeof a->why.text, "cannot attach again: %s", strerror(-rc));
    return any ? 0 : rc;
}

static struct p9_fid *root_of(const struct attempt *a, const struct p9_fid *fid)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->fids[i].fid->is_root && a->fids[i].rc == 0 && a->fids[i].fid->attached == fid->attached)
            return a->fids[i].fid;
    return NULL;
}

/* ---- walking ------------------------------------------------------------------- */

/* The next names of a path, at most 16. */
static size_t next_names(const char **rest, struct p9_str name[P9_MAXWELEM])
{
    size_t n = 0;

    while (n < P9_MAXWELEM && **rest != 0) {
        size_t len = strcspn(*rest, "/");
        name[n++] = (struct p9_str){.len = (uint16_t)len, .s = *rest};
        *rest += len + ((*rest)[len] == '/');
    }
    return n;
}

static void send_walk(struct attempt *a, struct p9_round *r, struct again *g)
{
    struct p9_fid *root = root_of(a, g->fid);
    struct p9_fcall tx = {.type = P9_Twalk, .Twalk = {.newfid = g->fid->num}};

    g->req = (struct p9_req){.rc = -ESTALE};
    if (root == NULL)
        return;
    tx.Twalk.fid = g->bound ? g->fid->num : root->num;
    g->asked = tx.Twalk.nwname.n = (uint16_t)next_names(&g->rest, tx.Twalk.nwname.name);
    p9_round_send(r, &g->req, &tx);
}

static void forget_number(struct attempt *a, struct again *g)
{
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = g->fid->num};

    if (g->bound)
        p9_do(&a->scope, a->client, &tx);
    g->bound = false;
}

static char *other_path(struct attempt *a, struct again *g)
{
    struct fids *f = a->client->fids;

    if (g->others++ == 0)
        return resolve_other_path(a->expected, g->path);
    pthread_mutex_lock(&f->mtx);
    char *linked = g->fid->linked != NULL ? strdup(g->fid->linked) : NULL;
    pthread_mutex_unlock(&f->mtx);
    return linked;
}

/* The file is not at its path: it may be where a rename has put it, or have another name. */
static void try_other_paths(struct attempt *a, struct again *g)
{
    enum { OTHERS = 2 };
    char *path = NULL;

    if (g->rc != -ENOENT && g->rc != -ESTALE)
        return;
    while (path == NULL && g->others < OTHERS)
        path = other_path(a, g);
    if (path == NULL)
        return;
    free(g->path);
    g->rest = g->path = path;
    g->rc = 0;
}

static void take_walk(struct attempt *a, struct again *g)
{
    const struct p9_qids *got = &g->req.rx.Rwalk.nwqid;

    g->rc = g->req.rc;
    if (g->rc == 0 && got->n != g->asked)
        g->rc = -ENOENT;
    g->bound = g->bound || g->rc == 0;
    if (g->rc == 0 && *g->rest == 0 && got->n > 0 && !qid_same_file(&got->qid[got->n - 1], &g->fid->qid))
        g->rc = -ESTALE;
    if (g->rc == 0 && *g->rest != 0)
        return;
    if (g->rc != 0) {
        forget_number(a, g);
        try_other_paths(a, g);
    } else {
        g->rest = NULL;
    }
}

/* One round for up to ROUND fids from *at on that have names left to walk. Whether there was
 * any. */
static bool walk_some(struct attempt *a, size_t *at)
{
    struct again *sent[ROUND];
    size_t n = 0;
    struct p9_round r;

    p9_round_begin(&r, &a->scope, a->client);
    for (; *at < a->n && n < ROUND; (*at)++) {
        struct again *g = &a->fids[*at];
        if (g->rc != 0 || g->rest == NULL || g->fid->is_root)
            continue;
        sent[n++] = g;
        send_walk(a, &r, g);
    }
    p9_round_end(&r);
    for (size_t i = 0; i < n; i++)
        take_walk(a, sent[i]);
    return n > 0;
}

static void walk_all(struct attempt *a)
{
    bool any = true;

    while (any) {
        any = false;
        for (size_t at = 0; at < a->n;)
            any = walk_some(a, &at) || any;
    }
}

/* ---- opening ------------------------------------------------------------------- */

static void take_open(struct attempt *a, struct again *g)
{
    g->rc = g->req.rc;
    if (g->rc == 0)
        a->client->ops->set_opened(g->fid, &g->req.rx);
    else
        forget_number(a, g);
}

static void open_some(struct attempt *a, size_t *at)
{
    struct again *sent[ROUND];
    size_t n = 0;
    struct p9_round r;

    p9_round_begin(&r, &a->scope, a->client);
    for (; *at < a->n && n < ROUND; (*at)++) {
        struct again *g = &a->fids[*at];
        if (g->rc != 0 || !g->fid->opened)
            continue;
        struct p9_fcall tx = a->client->ops->open_again(g->fid);
        g->req = (struct p9_req){0};
        sent[n++] = g;
        p9_round_send(&r, &g->req, &tx);
    }
    p9_round_end(&r);
    for (size_t i = 0; i < n; i++)
        take_open(a, sent[i]);
}

/* ---- all of it ------------------------------------------------------------------ */

/* Whether the connection ended, or the server does not answer: then the results say nothing of the
 * files. */
static bool is_lost(const struct attempt *a)
{
    struct p9_session *s = a->client->session;
    bool late = false;

    for (size_t i = 0; i < a->n; i++)
        late = late || (a->fids[i].rc == -ETIMEDOUT && a->fids[i].req.late);
    return late || p9_session_down(s);
}

int replay_fids(struct attempt *a)
{
    int rc = collect(a);

    if (rc == 0)
        rc = attach_all(a);
    if (rc != 0)
        return rc;
    walk_all(a);
    for (size_t at = 0; at < a->n && !is_lost(a);)
        open_some(a, &at);
    return is_lost(a) ? -ECONNRESET : 0;
}

unsigned replay_commit(struct attempt *a)
{
    struct p9_client *c = a->client;
    unsigned made = 0;

    pthread_mutex_lock(&c->fids->mtx);
    for (size_t i = 0; i < a->n; i++) {
        struct again *g = &a->fids[i];
        if (g->rc == 0) {
            atomic_store(&g->fid->generation, atomic_load(&c->generation));
            made += g->fid->opened;
        } else {
            g->fid->lost = g->rc == -ENOENT ? -ESTALE : g->rc;
            atomic_fetch_add(&c->lost_fids, 1);
        }
    }
    pthread_mutex_unlock(&c->fids->mtx);
    return made;
}

int replay_result(const struct attempt *a, uint32_t num)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->fids[i].fid->num == num)
            return a->fids[i].rc == -ENOENT ? -ESTALE : a->fids[i].rc;
    return 1;
}

int replay_walk(struct attempt *a, const struct p9_fid *fid, struct p9_fid **out)
{
    struct p9_fid *root = root_of(a, fid), *at = NULL;
    struct fids *f = a->client->fids;
    int rc = root != NULL ? p9_walk(&a->scope, root, 0, NULL, &at) : -ESTALE;

    pthread_mutex_lock(&f->mtx);
    char *path = fid->path != NULL ? strdup(fid->path) : NULL;
    pthread_mutex_unlock(&f->mtx);
    char *rest = path;
    if (rc == 0 && path == NULL)
        rc = -ESTALE;
    for (char *name; rc == 0 && (name = strsep(&rest, "/")) != NULL;) {
        struct p9_fid *next = NULL;
        const char *const names[] = {name};
        if (*name != 0)
            rc = p9_walk(&a->scope, at, 1, names, &next);
        if (next != NULL) {
            p9_fid_put(at);
            at = next;
        }
    }
    free(path);
    if (rc == 0)
        *out = at;
    else
        p9_fid_put(at);
    return rc;
}
