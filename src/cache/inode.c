/*
 * inode.c: inodes, the references that keep them, and the cache as a whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"
#include "cache/lookahead_impl.h"

enum {
    CLONES_SECONDS = 1,
    POLL_MS = 50,
    MOST_LOOKAHEAD_MS = 30000, /* what is fetched holds fids */
};

bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool same_times_and_size(const struct p9_attr *a, const struct p9_attr *b)
{
    return a->size == b->size && same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

/* ---- inodes ------------------------------------------------------------------ */

struct inode *inode_new(struct cache *c, const struct p9_attr *attr, uint32_t space)
{
    struct inode *inode = calloc(1, sizeof *inode);

    if (inode == NULL)
        return NULL;
    inode->qid = attr->qid;
    inode->space = space;
    DL_APPEND(c->all, inode);
    c->inodes++;
    return inode;
}

void inode_expire(struct cache *c, struct inode *inode)
{
    inode->version = ++c->version;
    inode->attr_until = inode->lacks_until = 0;
    if (c->idle_opens != NULL) /* it would be found to be another */
        idle_open_drop(c, inode);
}

void inode_changing(struct cache *c, struct inode *inode)
{
    inode_expire(c, inode);
    identity_expire_twins(c, inode);
}

void inode_change(struct cache *c, struct inode *inode)
{
    inode_changing(c, inode);
    inode->changed = true;
    if (inode->qid.type & P9_QTDIR)
        inode->names_version = inode->version;
}

bool inode_set_attr(struct cache *c, struct inode *inode, const struct p9_attr *attr)
{
    bool differs = !same_times_and_size(&inode->attr, attr) || inode->attr.nlink != attr->nlink;

    inode->attr = *attr;
    if (differs) {
        inode->version = ++c->version;
        inode->attr_until = inode->lacks_until = 0;
    }
    return differs;
}

static bool is_unused(const struct cache *c, const struct inode *inode)
{
    return inode != &c->root && inode->nlookup == 0 && inode->nchildren == 0 && inode->handles == NULL &&
           inode->listing == NULL && inode->fetched == NULL;
}

static void inode_free(struct cache *c, struct inode *inode)
{
    struct file_locks *fl = inode->locks;

    fid_drop_all(c, inode);
    inode_set_hidden(c, inode, false);
    if (fl != NULL) {
        locks_free(&fl->posix);
        locks_free(&fl->flock);
        locks_free(&fl->server);
        p9_fid_put(fl->fid);
        free(fl);
    }
    free(inode);
}

void inode_release(struct cache *c, struct inode *inode)
{
    while (inode != NULL && is_unused(c, inode)) {
        struct inode *parent = NULL;
        while (inode->names != NULL) {
            if (parent != NULL) /* a file with several names: rare */
                inode_release(c, parent);
            parent = inode->names->parent;
            if (inode->changed && parent->names_version < inode->version) /* answers asked before are old */
                parent->names_version = inode->version;
            dentry_detach(c, inode->names);
        }
        identity_unindex(c, inode);
        DL_DELETE(c->all, inode);
        inode_free(c, inode);
        c->inodes--;
        inode = parent;
    }
}

void cache_ref(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    inode->nlookup++;
}

void cache_forget(struct cache *c, struct inode *inode, uint64_t n)
{
    LOCKED(c);
    inode->nlookup -= n < inode->nlookup ? n : inode->nlookup;
    if (inode == &c->root)
        inode->nlookup = 1;
    inode_release(c, inode);
}

struct inode *cache_next(struct cache *c, struct inode *inode)
{
    pthread_mutex_lock(&c->mtx);
    struct inode *next = inode != NULL ? inode->next : c->all;
    if (next != NULL)
        next->nlookup++;
    pthread_mutex_unlock(&c->mtx);
    if (inode != NULL)
        cache_forget(c, inode, 1);
    return next;
}

/* ---- names that lead to them --------------------------------------------------- */

static struct inode *enter(struct cache *c, struct inode *parent, const char *name, const struct p9_attr *attr)
{
    struct dentry *d = dentry_find(c, parent, name);
    uint32_t space = identity_space(c, parent, name, S_ISDIR(attr->mode));

    if (d != NULL && d->inode != NULL) {
        if (qid_same_file(&d->inode->qid, &attr->qid) && (!d->is_dir || d->inode->space == space))
            return d->inode;
        parent->nlookup++; /* cutting the last name below must not free it here */
        dentry_cut(c, d);
        parent->nlookup--;
    }
    d = dentry_get(c, parent, name, strlen(name));
    if (d == NULL)
        return NULL;
    struct inode *inode = identity_find(c, attr);
    if (inode == NULL)
        inode = inode_new(c, attr, space);
    if (inode != NULL)
        dentry_attach(c, d, inode);
    else
        dentry_free_unused(c, d);
    return inode;
}

struct inode *cache_enter(struct cache *c, struct inode *parent, const char *name, const struct p9_attr *attr,
                          struct p9_fid *fid, struct user *user, uint64_t walked)
{
    pthread_mutex_lock(&c->mtx);
    struct inode *inode = enter(c, parent, name, attr);
    if (inode != NULL) {
        inode->nlookup++;
        inode_announce(c, inode, attr);
        if (fid != NULL)
            fid_cache(c, inode, user, fid, walked);
        fid = NULL;
    }
    pthread_mutex_unlock(&c->mtx);
    p9_fid_put(fid);
    return inode;
}

/* ---- the cache ------------------------------------------------------------------- */

struct cache *cache_new(struct p9_client *client, uid_t uid, struct p9_fid *root)
{
    struct cache *c = calloc(1, sizeof *c);
    struct user *user = calloc(1, sizeof *user);

    if (c == NULL || user == NULL) {
        free(c);
        free(user);
        return NULL;
    }
    *user = (struct user){.uid = uid, .root = root};
    c->client = client;
    c->users = user;
    c->root.qid = root->qid;
    c->root.nlookup = 1; /* never forgotten */
    c->inodes = 1;
    pthread_mutex_init(&c->mtx, NULL);
    pthread_cond_init(&c->settled, NULL);
    p9_client_on_shortage(client, cache_evict, c);
    return c;
}

void cache_set_lifetimes(struct cache *c, const struct lifetimes *l)
{
    unsigned ms = l->attr < l->entry ? l->attr : l->entry;

    c->lifetimes = *l;
    if (ms > 0 && c->lookahead == NULL && !p9_lists_attributes(c->client))
        lookahead_start(c, ms < MOST_LOOKAHEAD_MS ? ms : MOST_LOOKAHEAD_MS);
}

struct user *cache_user(struct cache *c, uid_t uid, struct p9_fid *root)
{
    struct user *user;

    pthread_mutex_lock(&c->mtx);
    LL_SEARCH_SCALAR(c->users, user, uid, uid);
    if (user == NULL && root != NULL && (user = calloc(1, sizeof *user)) != NULL) {
        *user = (struct user){.uid = uid, .root = root};
        root->qid = c->root.qid;   /* it is the root whatever Rattach said */
        LL_APPEND(c->users, user); /* the first stays the one who mounted */
        root = NULL;
    }
    pthread_mutex_unlock(&c->mtx);
    p9_fid_put(root);
    return user;
}

int cache_wait_settled(struct cache *c, struct p9_scope *sc)
{
    if (sc != NULL && atomic_load(&sc->interrupted))
        return -EINTR;
    thread_wait_ms(&c->settled, &c->mtx, POLL_MS);
    return 0;
}

/* What is still in flight ends soon, or with the connection. */
static void wait_for_clones(struct cache *c)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLONES_SECONDS;
    pthread_mutex_lock(&c->mtx);
    while (c->cloning > 0 && rc == 0)
        rc = pthread_cond_timedwait(&c->settled, &c->mtx, &until);
    pthread_mutex_unlock(&c->mtx);
    if (rc == 0)
        return;
    p9_session_fail(p9_client_session(c->client), -ECANCELED, NULL);
    pthread_mutex_lock(&c->mtx);
    while (c->cloning > 0)
        pthread_cond_wait(&c->settled, &c->mtx);
    pthread_mutex_unlock(&c->mtx);
}

void cache_free(struct cache *c)
{
    struct inode *inode, *next;

    lookahead_free(c);
    p9_client_on_shortage(c->client, NULL, NULL);
    wait_for_clones(c);
    identity_free(c);
    dentry_free_all(c);
    fid_drop_all(c, &c->root);
    DL_FOREACH_SAFE (c->all, inode, next) {
        inode_free(c, inode);
    }
    for (struct user *u; (u = c->users) != NULL;) {
        c->users = u->next;
        p9_fid_put(u->root);
        free(u);
    }
    pthread_cond_destroy(&c->settled);
    pthread_mutex_destroy(&c->mtx);
    free(c);
}
