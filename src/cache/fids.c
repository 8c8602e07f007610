/*
 * fids.c: the fids that inodes have: idle ones on an LRU, spares of directories, and those of open
 * files.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

#include "cache/impl.h"

/* ---- the LRU; all called with the lock -------------------------------------------- */

static void lru_add(struct cache *c, struct idle_fid *f)
{
    f->newer = NULL;
    f->older = c->newest;
    if (c->newest != NULL)
        c->newest->newer = f;
    else
        c->oldest = f;
    c->newest = f;
}

static void lru_remove(struct cache *c, struct idle_fid *f)
{
    *(f->older != NULL ? &f->older->newer : &c->oldest) = f->newer;
    *(f->newer != NULL ? &f->newer->older : &c->newest) = f->older;
}

/* Takes it from the cache; the reference to the fid is the caller's now. */
static struct p9_fid *idle_fid_remove(struct cache *c, struct idle_fid *f)
{
    struct p9_fid *fid = f->fid;

    LL_DELETE(f->inode->fids, f);
    lru_remove(c, f);
    free(f);
    return fid;
}

void fid_drop_all(struct cache *c, struct inode *inode)
{
    while (inode->fids != NULL)
        p9_fid_put(idle_fid_remove(c, inode->fids));
    idle_open_drop(c, inode);
}

static struct idle_fid *find(struct inode *inode, const struct user *user, bool spare)
{
    struct idle_fid *f = inode->fids;

    while (f != NULL && (f->user != user || f->spare != spare))
        f = f->next;
    return f;
}

static struct idle_fid *idle_fid_of(struct inode *inode, const struct user *user)
{
    return find(inode, user, false);
}

bool fid_is_good(const struct cache *c, const struct inode *inode, const struct p9_fid *fid, uint64_t walked)
{
    if (fid->generation != p9_client_generation(c->client))
        return false;
    if (p9_fids_follow(c->client))
        return true;
    if (inode == &c->root)
        return true;
    if (inode->names == NULL || inode->moved > walked)
        return false;
    /* By which of several names it was walked is not known: none may have moved. A directory has
     * one. */
    for (const struct dentry *d = inode->names; d != NULL; d = d->next_name)
        for (const struct inode *dir = d->parent; dir != &c->root; dir = dir->names->parent)
            if (dir->names == NULL || dir->moved > walked)
                return false;
    return true;
}

void fid_keep(struct cache *c, const struct idle_fid *like)
{
    struct idle_fid *f = find(like->inode, like->user, like->spare);

    if (f != NULL)
        p9_fid_put(idle_fid_remove(c, f));
    f = malloc(sizeof *f);
    if (f == NULL) {
        p9_fid_put(like->fid);
        return;
    }
    *f = *like;
    LL_PREPEND(f->inode->fids, f);
    lru_add(c, f);
}

void fid_cache(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked)
{
    if (inode == &c->root) /* the user has one already */
        p9_fid_put(fid);
    else
        fid_keep(c, &(struct idle_fid){.fid = fid, .inode = inode, .user = user, .walked = walked});
}

struct p9_fid *fid_idle(struct cache *c, struct inode *inode, struct user *user)
{
    if (inode == &c->root)
        return p9_fid_get(user->root);
    struct idle_fid *f = idle_fid_of(inode, user);
    if (f == NULL || inode->names == NULL) /* that of a file without a name is for fid_unnamed */
        return NULL;
    if (!fid_is_good(c, inode, f->fid, f->walked)) {
        p9_fid_put(idle_fid_remove(c, f));
        return NULL;
    }
    lru_remove(c, f);
    lru_add(c, f);
    return p9_fid_get(f->fid);
}

struct p9_fid *cache_idle_fid(struct cache *c, struct inode *inode, struct user *user)
{
    LOCKED(c);
    return user != NULL ? fid_idle(c, inode, user) : NULL;
}

struct p9_fid *fid_of_handle(struct cache *c, struct inode *inode, struct user *user)
{
    for (struct handle *h = inode->handles; h != NULL; h = h->next)
        if (h->user == user && (inode->names == NULL || fid_is_good(c, inode, h->fid, h->walked)))
            return p9_fid_get(h->fid);
    if (inode->names == NULL && inode->handles != NULL) /* handed on to another user */
        return p9_fid_get(inode->handles->fid);
    return NULL;
}

struct p9_fid *cache_open_unnamed(struct cache *c, struct inode *inode, struct user *user, int flags)
{
    struct p9_fid *fid = NULL;

    LOCKED(c);
    for (struct handle *h = inode->names == NULL ? inode->handles : NULL; h != NULL && fid == NULL; h = h->next)
        if (h->user == user && ((h->flags & O_ACCMODE) == O_RDWR || ((h->flags ^ flags) & O_ACCMODE) == 0))
            fid = p9_fid_get(h->fid);
    return fid;
}

/* A fid opened by a path that has moved since: a server that goes by path may know another file
 * by it, or none, and one that does not still the same. NULL if it is not, and the reference is
 * put. */
static struct p9_fid *if_same_file(struct p9_scope *sc, struct p9_fid *fid, const struct inode *inode)
{
    struct p9_attr attr;

    if (fid == NULL || (p9_getattr(sc, fid, &attr) == 0 && qid_same_file(&attr.qid, &inode->qid)))
        return fid;
    p9_fid_put(fid);
    return NULL;
}

struct p9_fid *cache_handle_fid(struct p9_scope *sc, struct cache *c, const struct handle *h, bool stays)
{
    pthread_mutex_lock(&c->mtx);
    struct p9_fid *fid = h->fid != NULL ? p9_fid_get(h->fid) : NULL;
    pthread_mutex_unlock(&c->mtx);
    return stays || p9_fids_follow(c->client) ? fid : if_same_file(sc, fid, h->inode);
}

struct p9_fid *cache_reading_fid(struct cache *c, struct inode *inode)
{
    struct p9_fid *fid = NULL;

    LOCKED(c);
    for (struct handle *h = inode->handles; h != NULL && fid == NULL; h = h->next)
        if ((h->flags & O_ACCMODE) != O_WRONLY)
            fid = p9_fid_get(h->fid);
    return fid;
}

struct p9_fid *fid_of_moved_handle(struct p9_scope *sc, struct use *u)
{
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&u->cache->mtx);
    for (struct handle *h = u->inode->handles; h != NULL && fid == NULL; h = h->next)
        if (h->user == u->user)
            fid = p9_fid_get(h->fid);
    pthread_mutex_unlock(&u->cache->mtx);
    return if_same_file(sc, fid, u->inode);
}

/* Whether it is sure that the fid stands for that file, and not for another by its name, which
 * may have got its qid.path as well: such a one has a link. */
static bool is_unlinked(struct p9_scope *sc, struct p9_fid *fid, const struct inode *inode)
{
    struct p9_attr attr;

    return p9_counts_links(fid->client) && p9_getattr(sc, fid, &attr) == 0 && attr.nlink == 0 &&
           qid_same_file(&attr.qid, &inode->qid);
}

struct p9_fid *fid_unnamed(struct p9_scope *sc, struct use *u)
{
    struct cache *c = u->cache;
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&c->mtx);
    struct idle_fid *f = u->inode->names == NULL && u->inode != &c->root ? idle_fid_of(u->inode, u->user) : NULL;
    if (f != NULL && f->fid->generation == p9_client_generation(c->client))
        fid = p9_fid_get(f->fid);
    pthread_mutex_unlock(&c->mtx);
    if (fid == NULL || p9_fids_follow(c->client) || is_unlinked(sc, fid, u->inode))
        return fid;
    p9_fid_put(fid);
    return NULL;
}

void cache_evict(void *arg, unsigned n)
{
    struct cache *c = arg;

    LOCKED(c);
    n -= idle_open_evict(c, n);
    for (struct idle_fid *f = c->oldest, *newer; f != NULL && n > 0; f = newer) {
        newer = f->newer;
        if (atomic_load(&f->fid->refs) > 1)
            continue;
        p9_fid_put(idle_fid_remove(c, f));
        n--;
    }
}

/* ---- taken out of the cache ---------------------------------------------- */

struct p9_fid *fid_take_idle(struct cache *c, struct inode *inode, struct user *user, uint64_t *walked)
{
    struct idle_fid *f = inode != &c->root ? idle_fid_of(inode, user) : NULL;

    if (f == NULL || atomic_load(&f->fid->refs) > 1 || !fid_is_good(c, inode, f->fid, f->walked))
        return NULL;
    if (walked != NULL)
        *walked = f->walked;
    return idle_fid_remove(c, f);
}

struct p9_fid *cache_take_named(struct cache *c, struct inode *parent, const char *name, struct user *user, bool is_dir)
{
    struct p9_fid *fid = NULL;

    if (user == NULL)
        return NULL;
    LOCKED(c);
    struct inode *inode = dentry_inode(c, parent, name);
    if (inode != NULL && inode->names->next_name == NULL && is_dir == !!(inode->qid.type & P9_QTDIR))
        fid = fid_take_idle(c, inode, user, NULL);
    return fid;
}

/* ---- spares ------------------------------------------------------------- */

struct p9_fid *cache_take_spare(struct cache *c, struct inode *dir, struct user *user)
{
    struct p9_fid *fid = NULL;

    if (user == NULL)
        return NULL;
    pthread_mutex_lock(&c->mtx);
    struct idle_fid *f = find(dir, user, true);
    bool good = f != NULL && fid_is_good(c, dir, f->fid, f->walked);
    if (f != NULL)
        fid = idle_fid_remove(c, f);
    pthread_mutex_unlock(&c->mtx);
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
    struct cache *c = w->cache;
    struct inode *inode = w->like.inode;

    pthread_mutex_lock(&c->mtx);
    w->like.fid = fid;
    if (fid != NULL && qid_same_file(&fid->qid, &inode->qid))
        fid_keep(c, &w->like);
    else
        p9_fid_put(fid);
    pthread_mutex_unlock(&c->mtx);
    free(w);
    cache_forget(c, inode, 1);
    pthread_mutex_lock(&c->mtx);
    if (--c->cloning == 0)
        pthread_cond_broadcast(&c->settled);
    pthread_mutex_unlock(&c->mtx);
}

/* name: as for p9_walk_start. */
static void want(struct cache *c, const struct idle_fid *like, struct p9_fid *from, const char *name)
{
    struct wanted *w = malloc(sizeof *w);

    if (w == NULL)
        return;
    *w = (struct wanted){.cache = c, .like = *like};
    pthread_mutex_lock(&c->mtx);
    bool wanted = find(like->inode, like->user, like->spare) == NULL;
    if (wanted) {
        like->inode->nlookup++; /* stays until wanted_done */
        c->cloning++;
    }
    pthread_mutex_unlock(&c->mtx);
    if (wanted)
        p9_walk_start(from, name, wanted_done, w);
    else
        free(w);
}

void cache_want_spare(struct cache *c, struct inode *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked)
{
    want(c, &(struct idle_fid){.inode = dir, .user = user, .walked = walked, .spare = true}, dirfid, NULL);
}

void cache_want_fid(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *dirfid, const char *name,
                    uint64_t walked)
{
    want(c, &(struct idle_fid){.inode = inode, .user = user, .walked = walked}, dirfid, name);
}
