/*
 * node_fid.c: the fids that nodes have: a cache, and those of open files.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

#include "cache/fids.h"

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

bool tree_fid_holds(struct tree *t, const struct node *node, const struct p9_fid *fid, uint64_t walked)
{
    pthread_mutex_lock(&t->mtx);
    bool holds = node_fid_is_good(t, node, fid, walked);
    pthread_mutex_unlock(&t->mtx);
    return holds;
}

void node_keep_fid(struct tree *t, const struct node_fid *like)
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
        node_keep_fid(t, &(struct node_fid){.fid = fid, .node = node, .user = user, .walked = walked});
}

struct p9_fid *node_cached_fid(struct tree *t, struct node *node, struct user *user)
{
    if (node == &t->root)
        return p9_fid_get(user->root);
    struct node_fid *nf = node_fid_of(node, user);
    if (nf == NULL || node->links == NULL) /* that of a file without a name is for node_unnamed_fid */
        return NULL;
    if (!node_fid_is_good(t, node, nf->fid, nf->walked)) {
        p9_fid_put(node_fid_remove(t, nf));
        return NULL;
    }
    lru_remove(t, nf);
    lru_add(t, nf);
    return p9_fid_get(nf->fid);
}

struct p9_fid *tree_cached_fid(struct tree *t, struct node *node, struct user *user)
{
    pthread_mutex_lock(&t->mtx);
    struct p9_fid *fid = user != NULL ? node_cached_fid(t, node, user) : NULL;
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

struct p9_fid *node_handle_fid(struct tree *t, struct node *node, struct user *user)
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

struct p9_fid *tree_handle_fid(struct p9_scope *sc, struct tree *t, const struct handle *h, bool stays)
{
    pthread_mutex_lock(&t->mtx);
    struct p9_fid *fid = h->fid != NULL ? p9_fid_get(h->fid) : NULL;
    pthread_mutex_unlock(&t->mtx);
    return stays || p9_fids_follow(t->client) ? fid : if_same_file(sc, fid, h->node);
}

struct p9_fid *tree_reading_fid(struct tree *t, struct node *node)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    for (struct handle *h = node->handles; h != NULL && fid == NULL; h = h->next)
        if ((h->flags & O_ACCMODE) != O_WRONLY)
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

struct p9_fid *node_moved_handle_fid(struct p9_scope *sc, struct node_use *u)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&u->tree->mtx);
    for (struct handle *h = u->node->handles; h != NULL && fid == NULL; h = h->next)
        if (h->user == u->user)
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&u->tree->mtx);
    return if_same_file(sc, fid, u->node);
}

/* Whether it is sure that the fid stands for that file, and not for another by its name, which may have got its qid.path as well: such
 * a one has a link. */
static bool is_unlinked(struct p9_scope *sc, struct p9_fid *fid, const struct node *node)
{
    struct p9_attr attr;

    return p9_counts_links(fid->client) && p9_getattr(sc, fid, &attr) == 0 && attr.nlink == 0 &&
           qid_same_file(&attr.qid, &node->qid);
}

struct p9_fid *node_unnamed_fid(struct p9_scope *sc, struct node_use *u)
{
    struct tree *t = u->tree;
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    struct node_fid *nf = u->node->links == NULL && u->node != &t->root ? node_fid_of(u->node, u->user) : NULL;
    if (nf != NULL && nf->fid->generation == p9_client_generation(t->client))
        fid = p9_fid_get(nf->fid);
    pthread_mutex_unlock(&t->mtx);
    if (fid == NULL || p9_fids_follow(t->client) || is_unlinked(sc, fid, u->node))
        return fid;
    p9_fid_put(fid);
    return NULL;
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

/* ---- taken out of the cache ---------------------------------------------- */

struct p9_fid *node_take_cached(struct tree *t, struct node *node, struct user *user)
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
        fid = node_take_cached(t, node, user);
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
        fid = node_take_cached(t, node, user);
    }
    pthread_mutex_unlock(&t->mtx);
    return fid;
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

/* A fid under way to the cache. */
struct wanted {
    struct tree *tree;
    struct node_fid like;
};

static void wanted_done(void *arg, struct p9_fid *fid)
{
    struct wanted *w = arg;
    struct tree *t = w->tree;
    struct node *node = w->like.node;

    pthread_mutex_lock(&t->mtx);
    w->like.fid = fid;
    if (fid != NULL && qid_same_file(&fid->qid, &node->qid))
        node_keep_fid(t, &w->like);
    else
        p9_fid_put(fid);
    pthread_mutex_unlock(&t->mtx);
    free(w);
    tree_forget(t, node, 1);
    pthread_mutex_lock(&t->mtx);
    if (--t->cloning == 0)
        pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mtx);
}

/* name: as for p9_walk_start. */
static void want(struct tree *t, const struct node_fid *like, struct p9_fid *from, const char *name)
{
    struct wanted *w = malloc(sizeof *w);

    if (w == NULL)
        return;
    *w = (struct wanted){.tree = t, .like = *like};
    pthread_mutex_lock(&t->mtx);
    bool wanted = find(like->node, like->user, like->spare) == NULL;
    if (wanted) {
        like->node->nlookup++; /* stays until wanted_done */
        t->cloning++;
    }
    pthread_mutex_unlock(&t->mtx);
    if (wanted)
        p9_walk_start(from, name, wanted_done, w);
    else
        free(w);
}

void tree_want_spare(struct tree *t, struct node *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked)
{
    want(t, &(struct node_fid){.node = dir, .user = user, .walked = walked, .spare = true}, dirfid, NULL);
}

void tree_want_fid(struct tree *t, struct node *node, struct user *user, struct p9_fid *dirfid, const char *name,
                   uint64_t walked)
{
    want(t, &(struct node_fid){.node = node, .user = user, .walked = walked}, dirfid, name);
}
