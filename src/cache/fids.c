/*
 * fids.c: the fids that inodes have: a cache, and those of open files.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

#include "cache/fids.h"

/* ---- the cache; all called with the lock -------------------------------- */

static void lru_add(struct cache *t, struct idle_fid *nf)
{
    nf->newer = NULL;
    nf->older = t->newest;
    if (t->newest != NULL)
        t->newest->newer = nf;
    else
        t->oldest = nf;
    t->newest = nf;
}

static void lru_remove(struct cache *t, struct idle_fid *nf)
{
    *(nf->older != NULL ? &nf->older->newer : &t->oldest) = nf->newer;
    *(nf->newer != NULL ? &nf->newer->older : &t->newest) = nf->older;
}

/* Takes it from the cache; the reference to the fid is the caller's now. */
static struct p9_fid *inode_fid_remove(struct cache *t, struct idle_fid *nf)
{
    struct p9_fid *fid = nf->fid;

    LL_DELETE(nf->inode->fids, nf);
    lru_remove(t, nf);
    free(nf);
    return fid;
}

void inode_drop_fids(struct cache *t, struct inode *inode)
{
    while (inode->fids != NULL)
        p9_fid_put(inode_fid_remove(t, inode->fids));
    inode_drop_kept(t, inode);
}

static struct idle_fid *find(struct inode *inode, const struct user *user, bool spare)
{
    struct idle_fid *nf = inode->fids;

    while (nf != NULL && (nf->user != user || nf->spare != spare))
        nf = nf->next;
    return nf;
}

static struct idle_fid *inode_fid_of(struct inode *inode, const struct user *user)
{
    return find(inode, user, false);
}

bool inode_fid_is_good(const struct cache *t, const struct inode *inode, const struct p9_fid *fid, uint64_t walked)
{
    if (fid->generation != p9_client_generation(t->client))
        return false;
    if (p9_fids_follow(t->client))
        return true;
    if (inode == &t->root)
        return true;
    if (inode->dentries == NULL || inode->moved > walked)
        return false;
    /* By which of several names it was walked is not known: none may have moved. A directory has one. */
    for (const struct dentry *l = inode->dentries; l != NULL; l = l->next)
        for (const struct inode *dir = l->parent; dir != &t->root; dir = dir->dentries->parent)
            if (dir->dentries == NULL || dir->moved > walked)
                return false;
    return true;
}

bool cache_fid_holds(struct cache *t, const struct inode *inode, const struct p9_fid *fid, uint64_t walked)
{
    pthread_mutex_lock(&t->mtx);
    bool holds = inode_fid_is_good(t, inode, fid, walked);
    pthread_mutex_unlock(&t->mtx);
    return holds;
}

void inode_keep_fid(struct cache *t, const struct idle_fid *like)
{
    struct idle_fid *nf = find(like->inode, like->user, like->spare);

    if (nf != NULL)
        p9_fid_put(inode_fid_remove(t, nf));
    nf = malloc(sizeof *nf);
    if (nf == NULL) {
        p9_fid_put(like->fid);
        return;
    }
    *nf = *like;
    LL_PREPEND(nf->inode->fids, nf);
    lru_add(t, nf);
}

void inode_cache_fid(struct cache *t, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked)
{
    if (inode == &t->root) /* the user has one already */
        p9_fid_put(fid);
    else
        inode_keep_fid(t, &(struct idle_fid){.fid = fid, .inode = inode, .user = user, .walked = walked});
}

struct p9_fid *inode_cached_fid(struct cache *t, struct inode *inode, struct user *user)
{
    if (inode == &t->root)
        return p9_fid_get(user->root);
    struct idle_fid *nf = inode_fid_of(inode, user);
    if (nf == NULL || inode->dentries == NULL) /* that of a file without a name is for inode_unnamed_fid */
        return NULL;
    if (!inode_fid_is_good(t, inode, nf->fid, nf->walked)) {
        p9_fid_put(inode_fid_remove(t, nf));
        return NULL;
    }
    lru_remove(t, nf);
    lru_add(t, nf);
    return p9_fid_get(nf->fid);
}

struct p9_fid *cache_cached_fid(struct cache *t, struct inode *inode, struct user *user)
{
    pthread_mutex_lock(&t->mtx);
    struct p9_fid *fid = user != NULL ? inode_cached_fid(t, inode, user) : NULL;
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

struct p9_fid *inode_handle_fid(struct cache *t, struct inode *inode, struct user *user)
{
    for (struct handle *h = inode->handles; h != NULL; h = h->next)
        if (h->user == user && (inode->dentries == NULL || inode_fid_is_good(t, inode, h->fid, h->walked)))
            return p9_fid_get(h->fid);
    if (inode->dentries == NULL &&
        inode->handles != NULL) /* opened by one, handed on to another: nothing else is left */
        return p9_fid_get(inode->handles->fid);
    return NULL;
}

struct p9_fid *cache_open_unnamed(struct cache *t, struct inode *inode, struct user *user, int flags)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    for (struct handle *h = inode->dentries == NULL ? inode->handles : NULL; h != NULL && fid == NULL; h = h->next)
        if (h->user == user && ((h->flags & O_ACCMODE) == O_RDWR || ((h->flags ^ flags) & O_ACCMODE) == 0))
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

/* A fid opened by a path that has moved since: a server that goes by path may know another file by it, or none, and one
 * that does not still the same. NULL if it is not, and the reference is put. */
static struct p9_fid *if_same_file(struct p9_scope *sc, struct p9_fid *fid, const struct inode *inode)
{
    struct p9_attr attr;

    if (fid == NULL || (p9_getattr(sc, fid, &attr) == 0 && qid_same_file(&attr.qid, &inode->qid)))
        return fid;
    p9_fid_put(fid);
    return NULL;
}

struct p9_fid *cache_handle_fid(struct p9_scope *sc, struct cache *t, const struct handle *h, bool stays)
{
    pthread_mutex_lock(&t->mtx);
    struct p9_fid *fid = h->fid != NULL ? p9_fid_get(h->fid) : NULL;
    pthread_mutex_unlock(&t->mtx);
    return stays || p9_fids_follow(t->client) ? fid : if_same_file(sc, fid, h->inode);
}

struct p9_fid *cache_reading_fid(struct cache *t, struct inode *inode)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    for (struct handle *h = inode->handles; h != NULL && fid == NULL; h = h->next)
        if ((h->flags & O_ACCMODE) != O_WRONLY)
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

struct p9_fid *inode_moved_handle_fid(struct p9_scope *sc, struct use *u)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&u->cache->mtx);
    for (struct handle *h = u->inode->handles; h != NULL && fid == NULL; h = h->next)
        if (h->user == u->user)
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&u->cache->mtx);
    return if_same_file(sc, fid, u->inode);
}

/* Whether it is sure that the fid stands for that file, and not for another by its name, which may have got its qid.path as well: such
 * a one has a link. */
static bool is_unlinked(struct p9_scope *sc, struct p9_fid *fid, const struct inode *inode)
{
    struct p9_attr attr;

    return p9_counts_links(fid->client) && p9_getattr(sc, fid, &attr) == 0 && attr.nlink == 0 &&
           qid_same_file(&attr.qid, &inode->qid);
}

struct p9_fid *inode_unnamed_fid(struct p9_scope *sc, struct use *u)
{
    struct cache *t = u->cache;
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    struct idle_fid *nf = u->inode->dentries == NULL && u->inode != &t->root ? inode_fid_of(u->inode, u->user) : NULL;
    if (nf != NULL && nf->fid->generation == p9_client_generation(t->client))
        fid = p9_fid_get(nf->fid);
    pthread_mutex_unlock(&t->mtx);
    if (fid == NULL || p9_fids_follow(t->client) || is_unlinked(sc, fid, u->inode))
        return fid;
    p9_fid_put(fid);
    return NULL;
}

void cache_evict(void *arg, unsigned n)
{
    struct cache *t = arg;

    pthread_mutex_lock(&t->mtx);
    n -= cache_evict_kept(t, n);
    for (struct idle_fid *nf = t->oldest, *newer; nf != NULL && n > 0; nf = newer) {
        newer = nf->newer;
        if (atomic_load(&nf->fid->refs) > 1)
            continue;
        p9_fid_put(inode_fid_remove(t, nf));
        n--;
    }
    pthread_mutex_unlock(&t->mtx);
}

/* ---- taken out of the cache ---------------------------------------------- */

struct p9_fid *inode_take_cached(struct cache *t, struct inode *inode, struct user *user)
{
    struct idle_fid *nf = inode != &t->root ? inode_fid_of(inode, user) : NULL;

    if (nf == NULL || atomic_load(&nf->fid->refs) > 1 || !inode_fid_is_good(t, inode, nf->fid, nf->walked))
        return NULL;
    return inode_fid_remove(t, nf);
}

struct p9_fid *cache_take_named(struct cache *t, struct inode *parent, const char *name, struct user *user, bool is_dir)
{
    struct p9_fid *fid = NULL;

    if (user == NULL)
        return NULL;
    pthread_mutex_lock(&t->mtx);
    struct inode *inode = cache_find(t, parent, name);
    if (inode != NULL && inode->dentries->next == NULL && is_dir == !!(inode->qid.type & P9_QTDIR))
        fid = inode_take_cached(t, inode, user);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

struct p9_fid *cache_take_to_keep(struct cache *t, struct inode *parent, const char *name, struct user *user,
                                  struct p9_attr *attr, uint64_t *walked)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&t->mtx);
    struct inode *inode = cache_find(t, parent, name);
    struct idle_fid *nf = inode != NULL && !inode->hidden ? inode_fid_of(inode, user) : NULL;
    if (nf != NULL && !inode_has_kept(t, inode, user) && cache_may_keep(t, &inode->attr)) {
        *attr = inode->attr;
        *walked = nf->walked;
        fid = inode_take_cached(t, inode, user);
    }
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

/* ---- spares ------------------------------------------------------------- */

struct p9_fid *cache_take_spare(struct cache *t, struct inode *dir, struct user *user)
{
    struct p9_fid *fid = NULL;

    if (user == NULL)
        return NULL;
    pthread_mutex_lock(&t->mtx);
    struct idle_fid *nf = find(dir, user, true);
    bool good = nf != NULL && inode_fid_is_good(t, dir, nf->fid, nf->walked);
    if (nf != NULL)
        fid = inode_fid_remove(t, nf);
    pthread_mutex_unlock(&t->mtx);
    if (good)
        return fid;
    p9_fid_put(fid);
    return NULL;
}

/* A fid under way to the cache. */
struct wanted {
    struct cache *cache;
    struct idle_fid like;
};

static void wanted_done(void *arg, struct p9_fid *fid)
{
    struct wanted *w = arg;
    struct cache *t = w->cache;
    struct inode *inode = w->like.inode;

    pthread_mutex_lock(&t->mtx);
    w->like.fid = fid;
    if (fid != NULL && qid_same_file(&fid->qid, &inode->qid))
        inode_keep_fid(t, &w->like);
    else
        p9_fid_put(fid);
    pthread_mutex_unlock(&t->mtx);
    free(w);
    cache_forget(t, inode, 1);
    pthread_mutex_lock(&t->mtx);
    if (--t->cloning == 0)
        pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mtx);
}

/* name: as for p9_walk_start. */
static void want(struct cache *t, const struct idle_fid *like, struct p9_fid *from, const char *name)
{
    struct wanted *w = malloc(sizeof *w);

    if (w == NULL)
        return;
    *w = (struct wanted){.cache = t, .like = *like};
    pthread_mutex_lock(&t->mtx);
    bool wanted = find(like->inode, like->user, like->spare) == NULL;
    if (wanted) {
        like->inode->nlookup++; /* stays until wanted_done */
        t->cloning++;
    }
    pthread_mutex_unlock(&t->mtx);
    if (wanted)
        p9_walk_start(from, name, wanted_done, w);
    else
        free(w);
}

void cache_want_spare(struct cache *t, struct inode *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked)
{
    want(t, &(struct idle_fid){.inode = dir, .user = user, .walked = walked, .spare = true}, dirfid, NULL);
}

void cache_want_fid(struct cache *t, struct inode *inode, struct user *user, struct p9_fid *dirfid, const char *name,
                    uint64_t walked)
{
    want(t, &(struct idle_fid){.inode = inode, .user = user, .walked = walked}, dirfid, name);
}
