/*
 * use.c: from an inode to a fid for one operation: the cached one, or one walked by the path, and
 * checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "cache/impl.h"

enum { MAX_TRIES = 4 };

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
static int way_find(struct use *u, bool from_root, struct way *w)
{
    struct cache *c = u->cache;
    struct inode *inode = u->inode;
    size_t depth = 0, i;

    *w = (struct way){.from = NULL};
    for (; inode != &c->root; inode = inode->names->parent, depth++) {
        if (inode->names == NULL)
            return -ESTALE;
        if (depth > 0 && !from_root && (w->from = fid_idle(c, inode, u->user)) != NULL)
            break;
    }
    if (w->from == NULL)
        w->from = p9_fid_get(u->user->root);
    w->names = calloc(depth + 1, sizeof *w->names);
    bool whole = w->names != NULL;
    w->n = whole ? depth : 0;
    for (inode = u->inode, i = depth; whole && i > 0; inode = inode->names->parent) {
        w->names[--i] = strdup(inode->names->name);
        whole = w->names[i] != NULL;
    }
    if (!whole)
        way_free(w);
    return whole ? 0 : -ENOMEM;
}

/* Walks to the inode. The fid is the caller's, and with second not NULL there may be another
 * one. */
static int walk_to(struct p9_scope *sc, struct use *u, bool from_root, struct p9_fid **fid, struct p9_fid **second)
{
    struct way w;
    uint64_t began = clock_ms();

    pthread_mutex_lock(&u->cache->mtx);
    u->walked = u->cache->renames;
    int rc = way_find(u, from_root, &w);
    pthread_mutex_unlock(&u->cache->mtx);
    if (rc != 0)
        return rc;
    rc = second != NULL ? p9_walk_twice(sc, w.from, w.n, (const char *const *)w.names, fid, second)
                        : p9_walk(sc, w.from, w.n, (const char *const *)w.names, fid);
    way_free(&w);
    if (rc == 0 && second != NULL && *second != NULL && !qid_same_file(&(*second)->qid, &u->inode->qid)) {
        p9_fid_put(*second);
        *second = NULL;
    }
    if (rc == 0 && !qid_same_file(&(*fid)->qid, &u->inode->qid)) {
        if (second != NULL)
            p9_fid_put(*second);
        p9_fid_put(*fid);
        *fid = NULL; /* in use_take it is the use's own */
        rc = -ESTALE;
    }
    if (rc == 0)
        cache_confirm(u->cache, u->inode, began);
    return rc;
}

/* ---- uses --------------------------------------------------------------- */

/* Renames under way are waited for where one may be why a walk failed. */
static int wait_settled(struct cache *c, struct p9_scope *sc)
{
    int rc = 0;

    while (c->moving > 0 && rc == 0)
        rc = cache_wait_settled(c, sc);
    return rc;
}

static struct p9_fid *have(struct p9_scope *sc, struct use *u, int *rc)
{
    struct cache *c = u->cache;
    struct p9_fid *fid = NULL;

    pthread_mutex_lock(&c->mtx);
    u->walked = c->renames;
    *rc = 0;
    if (u->tries > 0)
        *rc = wait_settled(c, sc);
    else
        fid = fid_idle(c, u->inode, u->user);
    if (fid == NULL && u->open_ok && (u->tries == 0 || u->inode->names == NULL))
        fid = fid_of_handle(c, u->inode, u->user);
    pthread_mutex_unlock(&c->mtx);
    return fid;
}

static bool is_confirmed(const struct use *u)
{
    struct cache *c = u->cache;

    if (p9_fids_follow(c->client) || u->inode == &c->root)
        return true;
    pthread_mutex_lock(&c->mtx);
    bool confirmed = u->inode->confirmed_ms != 0 && clock_ms() - u->inode->confirmed_ms < u->check_ms;
    pthread_mutex_unlock(&c->mtx);
    return confirmed;
}

/* Whether the fid at hand is still the file, by whose path the server goes. */
static int check(struct p9_scope *sc, const struct use *u)
{
    struct p9_attr attr;
    uint64_t began = clock_ms();

    if (!u->check || is_confirmed(u))
        return 0;
    int rc = p9_getattr(sc, u->fid, &attr);
    if (rc == -ENOENT || (rc == 0 && !qid_same_file(&attr.qid, &u->inode->qid)))
        rc = -ESTALE;
    if (rc == 0)
        cache_confirm(u->cache, u->inode, began);
    return rc;
}

int use_begin(struct p9_scope *sc, struct use *u)
{
    u->generation = p9_client_generation(u->cache->client);
    if (u->user == NULL)
        return -EACCES;
    struct p9_fid *fid, *second = NULL;
    int rc;
    u->fid = have(sc, u, &rc);
    if (rc != 0 || u->fid != NULL)
        return rc != 0 ? rc : check(sc, u);
    rc = walk_to(sc, u, u->tries > 0, &fid, u->want_spare ? &second : NULL);
    if (rc == -EACCES && u->open_ok && (u->fid = fid_of_moved_handle(sc, u)) != NULL)
        return 0;
    if (rc == -ESTALE && (u->fid = fid_unnamed(sc, u)) != NULL)
        return 0;
    if (rc != 0)
        return rc;
    u->fid = p9_fid_get(fid);
    pthread_mutex_lock(&u->cache->mtx);
    fid_cache(u->cache, u->inode, u->user, fid, u->walked);
    if (second != NULL)
        fid_keep(u->cache, &(struct idle_fid){
                               .fid = second, .inode = u->inode, .user = u->user, .walked = u->walked, .spare = true});
    pthread_mutex_unlock(&u->cache->mtx);
    return 0;
}

int use_walk_again(struct p9_scope *sc, struct use *u)
{
    struct cache *c = u->cache;
    struct p9_fid *fid;
    int rc = u->user != NULL ? walk_to(sc, u, true, &fid, NULL) : -EACCES;

    if (rc == 0)
        p9_fid_put(fid);
    pthread_mutex_lock(&c->mtx);
    if (c->moving > 0 || c->renames != u->walked)
        rc = -EAGAIN;
    pthread_mutex_unlock(&c->mtx);
    return rc;
}

/* Puts the first name of a file with several last. Called with the lock. */
static bool try_other_name(struct use *u)
{
    struct dentry *first = u->inode->names, *d;
    unsigned n = 0;

    LL_COUNT2(first, d, n, next_name);
    if (n < 2 || u->other_names + 1 >= n)
        return false;
    u->other_names++;
    LL_DELETE2(u->inode->names, first, next_name);
    LL_APPEND2(u->inode->names, first, next_name);
    return true;
}

bool use_again(struct use *u, int rc)
{
    struct cache *c = u->cache;
    bool fid_is_unknown = rc == -EBADF; /* to the server */
    bool path_is_wrong = rc == -ESTALE || fid_is_unknown || (rc == -ENOENT && !u->in_dir);

    if (rc == -EACCES && u->fid == NULL) {
        pthread_mutex_lock(&c->mtx);
        bool again = try_other_name(u);
        pthread_mutex_unlock(&c->mtx);
        return again;
    }
    p9_fid_put(u->fid);
    u->fid = NULL;
    if (path_is_wrong && u->generation != p9_client_generation(c->client))
        return true; /* it was lost with its connection */
    if (!path_is_wrong || u->tries >= MAX_TRIES)
        return false;
    pthread_mutex_lock(&c->mtx);
    /* A walk from the root that nothing has moved under is the last word. */
    bool again = u->tries == 0 || u->walked != c->renames || c->moving > 0;
    if (u->inode != &c->root)
        fid_drop_all(c, u->inode);
    pthread_mutex_unlock(&c->mtx);
    u->tries++;
    return again && u->inode != &c->root;
}

bool cache_reads_only(int flags)
{
    return (flags & (O_ACCMODE | O_TRUNC | O_APPEND | O_SYNC | O_DSYNC | O_DIRECTORY | O_DIRECT)) == 0;
}

/* Whether the file is as it was when it was opened, and may be opened by the same people. */
static bool is_as_opened(const struct p9_attr *old, const struct p9_attr *attr)
{
    return same_times_and_size(old, attr) && old->mode == attr->mode && old->uid == attr->uid && old->gid == attr->gid;
}

/* The fid to open by, or an idle open with its attributes *old, and the way to the name. Called
 * with the lock. */
static int opening_begin(struct use *u, struct p9_opening *o, struct way *w, struct p9_attr *old)
{
    struct cache *c = u->cache;
    int rc = way_find(u, false, w);

    u->walked = c->renames;
    o->fid = NULL;
    o->is_open = false;
    if (rc != 0)
        return rc;
    if (p9_opens_checked(c->client, w->n)) {
        if (cache_reads_only(o->flags))
            o->fid = idle_open_take(c, u->inode, u->user, old);
        o->is_open = o->fid != NULL;
        if (!o->is_open)
            o->fid = fid_take_idle(c, u->inode, u->user, NULL);
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

int use_open(struct p9_scope *sc, struct use *u, struct p9_opening *o)
{
    struct cache *c = u->cache;
    struct p9_attr old;
    struct way w;
    uint64_t began = clock_ms();

    if (u->user == NULL)
        return -EACCES;
    pthread_mutex_lock(&c->mtx);
    int rc = opening_begin(u, o, &w, &old);
    pthread_mutex_unlock(&c->mtx);
    if (rc != 0)
        return rc;
    rc = p9_fid_hold(o->fid, (o->flags & O_DIRECTORY) != 0);
    if (rc != 0) {
        way_free(&w);
        p9_fid_put(o->fid);
        return rc;
    }
    rc = p9_open_checked(sc, o);
    way_free(&w);
    if (rc != 0) {
        p9_fid_put(o->fid);
        return rc == -EINTR ? rc : -EAGAIN;
    }
    if (!qid_same_file(&o->walked->qid, &u->inode->qid) || !qid_same_file(&o->fid->qid, &u->inode->qid) ||
        !qid_same_file(&o->attr.qid, &u->inode->qid)) {
        p9_fid_put(o->walked);
        p9_fid_put(o->fid);
        return -EAGAIN;
    }
    cache_confirm(c, u->inode, began);
    pthread_mutex_lock(&c->mtx);
    fid_cache(c, u->inode, u->user, o->walked, u->walked);
    pthread_mutex_unlock(&c->mtx);
    if (!o->is_open || is_as_opened(&old, &o->attr))
        return 0;
    p9_fid_put(o->fid);
    o->ntoo = 0;
    return use_open(sc, u, o); /* there is no idle open any more */
}

int use_take(struct p9_scope *sc, struct use *u)
{
    u->generation = p9_client_generation(u->cache->client);
    if (u->user == NULL)
        return -EACCES;
    return walk_to(sc, u, u->tries > 0, &u->fid, NULL);
}
