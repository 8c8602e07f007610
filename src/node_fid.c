/*
 * node_fid.c: from a node to a fid: cached, or walked by the path, and checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "tree.h"

enum { MAX_TRIES = 4 };

/* ---- the cache; all called with the lock -------------------------------- */

static void lru_add(struct tree *t, struct node_fid *nf)
{
    nf->newer = NULL;
    nf->older = t->newest;
    if (t->newest != NULL)
        t->newest->newer = nf;
    else
        t->oldest = nf;
    t->newest = nf;
}

static void lru_remove(struct tree *t, struct node_fid *nf)
{
    *(nf->older != NULL ? &nf->older->newer : &t->oldest) = nf->newer;
    *(nf->newer != NULL ? &nf->newer->older : &t->newest) = nf->older;
}

/* Takes it from the cache; the reference to the fid is the caller's now. */
static struct p9_fid *node_fid_remove(struct tree *t, struct node_fid *nf)
{
    struct p9_fid *fid = nf->fid;

    LL_DELETE(nf->node->fids, nf);
    lru_remove(t, nf);
    free(nf);
    return fid;
}

void node_drop_fids(struct tree *t, struct node *node)
{
    while (node->fids != NULL)
        p9_fid_put(node_fid_remove(t, node->fids));
    node_drop_kept(t, node);
}

static struct node_fid *find(struct node *node, const struct user *user, bool spare)
{
    struct node_fid *nf = node->fids;

    while (nf != NULL && (nf->user != user || nf->spare != spare))
        nf = nf->next;
    return nf;
}

static struct node_fid *node_fid_of(struct node *node, const struct user *user)
{
    return find(node, user, false);
}

bool node_fid_is_good(const struct tree *t, const struct node *node, const struct p9_fid *fid, uint64_t walked)
{
    if (fid->generation != p9_client_generation(t->client))
        return false;
    if (p9_fids_follow(t->client))
        return true;
    if (node == &t->root)
        return true;
    if (node->links == NULL || node->moved > walked)
        return false;
    /* By which of several names it was walked is not known: none may have moved. A directory has one. */
    for (const struct link *l = node->links; l != NULL; l = l->next)
        for (const struct node *dir = l->parent; dir != &t->root; dir = dir->links->parent)
            if (dir->links == NULL || dir->moved > walked)
                return false;
    return true;
}

static void keep_fid(struct tree *t, const struct node_fid *like)
{
    struct node_fid *nf = find(like->node, like->user, like->spare);

    if (nf != NULL)
        p9_fid_put(node_fid_remove(t, nf));
    nf = malloc(sizeof *nf);
    if (nf == NULL) {
        p9_fid_put(like->fid);
        return;
    }
    *nf = *like;
    LL_PREPEND(nf->node->fids, nf);
    lru_add(t, nf);
}

void node_cache_fid(struct tree *t, struct node *node, struct user *user, struct p9_fid *fid, uint64_t walked)
{
    if (node == &t->root) /* the user has one already */
        p9_fid_put(fid);
    else
        keep_fid(t, &(struct node_fid){.fid = fid, .node = node, .user = user, .walked = walked});
}

/* A cached fid that is good, as the caller's reference; else NULL, and a bad one is dropped. */
static struct p9_fid *cached(struct tree *t, struct node *node, struct user *user)
{
    if (node == &t->root)
        return p9_fid_get(user->root);
    struct node_fid *nf = node_fid_of(node, user);
    if (nf == NULL)
        return NULL;
    if (!node_fid_is_good(t, node, nf->fid, nf->walked)) {
        p9_fid_put(node_fid_remove(t, nf));
        return NULL;
    }
    lru_remove(t, nf);
    lru_add(t, nf);
    return p9_fid_get(nf->fid);
}

/* The fid of an open file: where the path has changed since it was opened it serves only
 * a file that has no path any more. */
static struct p9_fid *of_handle(struct tree *t, struct node *node, struct user *user)
{
    for (struct handle *h = node->handles; h != NULL; h = h->next)
        if (h->user == user && (node->links == NULL || node_fid_is_good(t, node, h->fid, h->walked)))
            return p9_fid_get(h->fid);
    if (node->links == NULL && node->handles != NULL) /* opened by one, handed on to another: nothing else is left */
        return p9_fid_get(node->handles->fid);
    return NULL;
}

struct p9_fid *tree_open_unnamed(struct tree *t, struct node *node, struct user *user, int flags)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    for (struct handle *h = node->links == NULL ? node->handles : NULL; h != NULL && fid == NULL; h = h->next)
        if (h->user == user && ((h->flags & O_ACCMODE) == O_RDWR || ((h->flags ^ flags) & O_ACCMODE) == 0))
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

/* A fid opened by a path that has moved since: a server that goes by path may know another file by it, or none, and one
 * that does not still the same. NULL if it is not, and the reference is put. */
static struct p9_fid *if_same_file(struct p9_scope *sc, struct p9_fid *fid, const struct node *node)
{
    struct p9_attr attr;

    if (fid == NULL || (p9_getattr(sc, fid, &attr) == 0 && qid_same_file(&attr.qid, &node->qid)))
        return fid;
    p9_fid_put(fid);
    return NULL;
}

struct p9_fid *tree_handle_fid(struct p9_scope *sc, struct tree *t, const struct handle *h)
{
    pthread_mutex_lock(&t->mtx);
    bool good = h->node->links == NULL || node_fid_is_good(t, h->node, h->fid, h->walked);
    struct p9_fid *fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&t->mtx);
    return good ? fid : if_same_file(sc, fid, h->node);
}

static struct p9_fid *of_moved_handle(struct p9_scope *sc, struct node_use *u)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&u->tree->mtx);
    for (struct handle *h = u->node->handles; h != NULL && fid == NULL; h = h->next)
        if (h->user == u->user)
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&u->tree->mtx);
    return if_same_file(sc, fid, u->node);
}

void tree_evict(void *arg, unsigned n)
{
    struct tree *t = arg;

    pthread_mutex_lock(&t->mtx);
    n -= tree_evict_kept(t, n);
    for (struct node_fid *nf = t->oldest, *newer; nf != NULL && n > 0; nf = newer) {
        newer = nf->newer;
        if (atomic_load(&nf->fid->refs) > 1)
            continue;
        p9_fid_put(node_fid_remove(t, nf));
        n--;
    }
    pthread_mutex_unlock(&t->mtx);
}

/* ---- spares ------------------------------------------------------------- */

struct p9_fid *tree_take_spare(struct tree *t, struct node *dir, struct user *user)
{
    struct p9_fid *fid = NULL;

    if (user == NULL)
        return NULL;
    pthread_mutex_lock(&t->mtx);
    struct node_fid *nf = find(dir, user, true);
    bool good = nf != NULL && node_fid_is_good(t, dir, nf->fid, nf->walked);
    if (nf != NULL)
        fid = node_fid_remove(t, nf);
    pthread_mutex_unlock(&t->mtx);
    if (good)
        return fid;
    p9_fid_put(fid);
    return NULL;
}

struct spare {
    struct tree *tree;
    struct node_fid like;
};

static void spare_done(void *arg, struct p9_fid *fid)
{
    struct spare *s = arg;
    struct tree *t = s->tree;
    struct node *dir = s->like.node;

    pthread_mutex_lock(&t->mtx);
    s->like.fid = fid;
    if (fid != NULL)
        keep_fid(t, &s->like);
    pthread_mutex_unlock(&t->mtx);
    free(s);
    tree_forget(t, dir, 1);
    pthread_mutex_lock(&t->mtx);
    if (--t->cloning == 0)
        pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mtx);
}

void tree_want_spare(struct tree *t, struct node *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked)
{
    struct spare *s = malloc(sizeof *s);

    if (s == NULL)
        return;
    *s = (struct spare){.tree = t, .like = {.node = dir, .user = user, .walked = walked, .spare = true}};
    pthread_mutex_lock(&t->mtx);
    bool wanted = find(dir, user, true) == NULL;
    if (wanted) {
        dir->nlookup++; /* stays until spare_done */
        t->cloning++;
    }
    pthread_mutex_unlock(&t->mtx);
    if (wanted)
        p9_clone_start(dirfid, spare_done, s);
    else
        free(s);
}

/* ---- walking ------------------------------------------------------------ */

/* The way from the nearest ancestor with a fid (or, from_root, from the root): names to walk. */
struct way {
    struct p9_fid *from;
    char **names;
    size_t n;
};

static void way_free(struct way *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->names[i]);
    free(w->names);
    p9_fid_put(w->from);
}

/* Called with the lock. */
static int way_find(struct node_use *u, bool from_root, struct way *w)
{
    struct tree *t = u->tree;
    struct node *node = u->node;
    size_t depth = 0, i;

    *w = (struct way){.from = NULL};
    for (; node != &t->root; node = node->links->parent, depth++) {
        if (node->links == NULL)
            return -ESTALE;
        if (depth > 0 && !from_root && (w->from = cached(t, node, u->user)) != NULL)
            break;
    }
    if (w->from == NULL)
        w->from = p9_fid_get(u->user->root);
    w->names = calloc(depth + 1, sizeof *w->names);
    bool whole = w->names != NULL;
    w->n = whole ? depth : 0;
    for (node = u->node, i = depth; whole && i > 0; node = node->links->parent) {
        w->names[--i] = strdup(node->links->name);
        whole = w->names[i] != NULL;
    }
    if (!whole)
        way_free(w);
    return whole ? 0 : -ENOMEM;
}

/* Walks to the node. The fid is the caller's, and with second not NULL there may be another one. */
static int walk_to(struct p9_scope *sc, struct node_use *u, bool from_root, struct p9_fid **fid, struct p9_fid **second)
{
    struct way w;

    pthread_mutex_lock(&u->tree->mtx);
    u->walked = u->tree->clock;
    int rc = way_find(u, from_root, &w);
    pthread_mutex_unlock(&u->tree->mtx);
    if (rc != 0)
        return rc;
    rc = second != NULL ? p9_walk_twice(sc, w.from, w.n, (const char *const *)w.names, fid, second)
                        : p9_walk(sc, w.from, w.n, (const char *const *)w.names, fid);
    way_free(&w);
    if (rc == 0 && second != NULL && *second != NULL && !qid_same_file(&(*second)->qid, &u->node->qid)) {
        p9_fid_put(*second);
        *second = NULL;
    }
    if (rc == 0 && !qid_same_file(&(*fid)->qid, &u->node->qid)) {
        if (second != NULL)
            p9_fid_put(*second);
        p9_fid_put(*fid);
        *fid = NULL; /* in node_take it is the use's own */
        rc = -ESTALE;
    }
    return rc;
}

/* ---- uses --------------------------------------------------------------- */

/* Renames under way are waited for where one may be why a walk failed. */
static void wait_settled(struct tree *t)
{
    while (t->moving > 0)
        pthread_cond_wait(&t->settled, &t->mtx);
}

static struct p9_fid *have(struct node_use *u)
{
    struct tree *t = u->tree;
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    u->walked = t->clock;
    if (u->tries > 0)
        wait_settled(t);
    else
        fid = cached(t, u->node, u->user);
    if (fid == NULL && u->open_ok && (u->tries == 0 || u->node->links == NULL))
        fid = of_handle(t, u->node, u->user);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

int node_use(struct p9_scope *sc, struct node_use *u)
{
    if (u->user == NULL)
        return -EACCES;
    u->fid = have(u);
    if (u->fid != NULL)
        return 0;
    struct p9_fid *fid, *second = NULL;
    int rc = walk_to(sc, u, u->tries > 0, &fid, u->want_spare ? &second : NULL);
    if (rc == -EACCES && u->open_ok && (u->fid = of_moved_handle(sc, u)) != NULL)
        return 0;
    if (rc != 0)
        return rc;
    u->fid = p9_fid_get(fid);
    pthread_mutex_lock(&u->tree->mtx);
    node_cache_fid(u->tree, u->node, u->user, fid, u->walked);
    if (second != NULL)
        keep_fid(u->tree, &(struct node_fid){
                              .fid = second, .node = u->node, .user = u->user, .walked = u->walked, .spare = true});
    pthread_mutex_unlock(&u->tree->mtx);
    return 0;
}

/* Puts the first name of a file with several last. Called with the lock. */
static bool try_other_name(struct node_use *u)
{
    struct link *first = u->node->links, *l;
    unsigned n = 0;

    LL_COUNT(first, l, n);
    if (n < 2 || u->other_names + 1 >= n)
        return false;
    u->other_names++;
    LL_DELETE(u->node->links, first);
    LL_APPEND(u->node->links, first);
    return true;
}

bool node_again(struct node_use *u, int rc)
{
    struct tree *t = u->tree;
    bool path_is_wrong = rc == -ESTALE || (rc == -ENOENT && !u->in_dir);

    if (rc == -EACCES && u->fid == NULL) {
        pthread_mutex_lock(&t->mtx);
        bool again = try_other_name(u);
        pthread_mutex_unlock(&t->mtx);
        return again;
    }
    p9_fid_put(u->fid);
    u->fid = NULL;
    if (!path_is_wrong || u->tries >= MAX_TRIES)
        return false;
    pthread_mutex_lock(&t->mtx);
    /* A walk from the root that nothing has moved under is the last word. */
    bool again = u->tries == 0 || u->walked != t->clock || t->moving > 0;
    if (u->node != &t->root)
        node_drop_fids(t, u->node);
    pthread_mutex_unlock(&t->mtx);
    u->tries++;
    return again && u->node != &t->root;
}

/* The cached fid, taken out of the cache, if nobody else uses it just now. Called with the lock. */
static struct p9_fid *take_cached(struct tree *t, struct node *node, struct user *user)
{
    struct node_fid *nf = node != &t->root ? node_fid_of(node, user) : NULL;

    if (nf == NULL || atomic_load(&nf->fid->refs) > 1 || !node_fid_is_good(t, node, nf->fid, nf->walked))
        return NULL;
    return node_fid_remove(t, nf);
}

struct p9_fid *tree_take_named(struct tree *t, struct node *parent, const char *name, struct user *user, bool is_dir)
{
    struct p9_fid *fid = NULL;

    if (user == NULL)
        return NULL;
    pthread_mutex_lock(&t->mtx);
    struct node *node = tree_find(t, parent, name);
    if (node != NULL && node->links->next == NULL && is_dir == !!(node->qid.type & P9_QTDIR))
        fid = take_cached(t, node, user);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

struct p9_fid *tree_take_to_keep(struct tree *t, struct node *parent, const char *name, struct user *user,
                                 struct p9_attr *attr, uint64_t *walked)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    struct node *node = tree_find(t, parent, name);
    struct node_fid *nf = node != NULL && !node->hidden ? node_fid_of(node, user) : NULL;
    if (nf != NULL && !node_has_kept(t, node, user) && tree_may_keep(t, &node->attr)) {
        *attr = node->attr;
        *walked = nf->walked;
        fid = take_cached(t, node, user);
    }
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

bool tree_reads_only(int flags)
{
    return (flags & (O_ACCMODE | O_TRUNC | O_APPEND | O_SYNC | O_DSYNC | O_DIRECTORY | O_DIRECT)) == 0;
}

/* Whether the file is as it was when it was opened, and may be opened by the same people. */
static bool is_as_kept(const struct p9_attr *kept, const struct p9_attr *attr)
{
    return kept->size == attr->size && same_time(&kept->mtime, &attr->mtime) && same_time(&kept->ctime, &attr->ctime) &&
           kept->mode == attr->mode && kept->uid == attr->uid && kept->gid == attr->gid;
}

/* The fid to open by, or *kept, and the way to the name. Called with the lock. */
static int opening_begin(struct node_use *u, struct p9_opening *o, struct way *w, struct p9_attr *kept)
{
    struct tree *t = u->tree;
    int rc = way_find(u, false, w);

    u->walked = t->clock;
    o->fid = NULL;
    o->is_open = false;
    if (rc != 0)
        return rc;
    if (p9_opens_checked(t->client, w->n)) {
        if (tree_reads_only(o->flags))
            o->fid = node_take_kept(t, u->node, u->user, kept);
        o->is_open = o->fid != NULL;
        if (!o->is_open)
            o->fid = take_cached(t, u->node, u->user);
    }
    if (o->fid == NULL) {
        way_free(w);
        return -EAGAIN;
    }
    o->from = w->from;
    o->n = w->n;
    o->names = (const char *const *)w->names;
    return 0;
}

int node_open(struct p9_scope *sc, struct node_use *u, struct p9_opening *o)
{
    struct tree *t = u->tree;
    struct p9_attr kept;
    struct way w;

    if (u->user == NULL)
        return -EACCES;
    pthread_mutex_lock(&t->mtx);
    int rc = opening_begin(u, o, &w, &kept);
    pthread_mutex_unlock(&t->mtx);
    if (rc != 0)
        return rc;
    rc = p9_open_checked(sc, o);
    way_free(&w);
    if (rc != 0) {
        p9_fid_put(o->fid);
        return rc == -EINTR ? rc : -EAGAIN;
    }
    if (!qid_same_file(&o->walked->qid, &u->node->qid) || !qid_same_file(&o->fid->qid, &u->node->qid) ||
        !qid_same_file(&o->attr.qid, &u->node->qid)) {
        p9_fid_put(o->walked);
        p9_fid_put(o->fid);
        return -EAGAIN;
    }
    pthread_mutex_lock(&t->mtx);
    node_cache_fid(t, u->node, u->user, o->walked, u->walked);
    pthread_mutex_unlock(&t->mtx);
    if (!o->is_open || is_as_kept(&kept, &o->attr))
        return 0;
    p9_fid_put(o->fid);
    o->ntoo = 0;
    return node_open(sc, u, o); /* none is kept any more */
}

int node_take(struct p9_scope *sc, struct node_use *u)
{
    if (u->user == NULL)
        return -EACCES;
    return walk_to(sc, u, u->tries > 0, &u->fid, NULL);
}
