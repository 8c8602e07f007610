/*
 * handle.c: what is known of files that are open: handles, locks, failed writes, and the hidden
 * names of those that lost their own.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/impl.h"

/* ---- handles ------------------------------------------------------------------- */

void cache_add_handle(struct cache *c, struct handle *h)
{
    pthread_mutex_lock(&c->mtx);
    LL_PREPEND(h->inode->handles, h);
    DL_APPEND2(c->open, h, prev_open, next_open);
    pthread_mutex_unlock(&c->mtx);
}

struct p9_fid *cache_detach_handle(struct cache *c, struct handle *h)
{
    struct p9_fid *fid = h->fid;

    pthread_mutex_lock(&c->mtx);
    LL_DELETE(h->inode->handles, h);
    DL_DELETE2(c->open, h, prev_open, next_open);
    h->fid = NULL;
    inode_release(c, h->inode);
    pthread_mutex_unlock(&c->mtx);
    return fid;
}

void cache_drop_handle(struct cache *c, struct handle *h)
{
    p9_fid_put(cache_detach_handle(c, h));
}

struct handle *cache_some_handle(struct cache *c)
{
    pthread_mutex_lock(&c->mtx);
    struct handle *some = c->open;
    pthread_mutex_unlock(&c->mtx);
    return some;
}

struct user *cache_writing_user(struct cache *c, struct inode *inode)
{
    pthread_mutex_lock(&c->mtx);
    const struct handle *h = inode->handles;
    while (h != NULL && (h->flags & O_ACCMODE) == O_RDONLY)
        h = h->next;
    struct user *user = h != NULL ? h->user : NULL;
    pthread_mutex_unlock(&c->mtx);
    return user;
}

struct user *cache_next_opener(struct cache *c, const struct inode *inode, const struct user *after)
{
    pthread_mutex_lock(&c->mtx);
    struct user *user = after != NULL ? after->next : c->users;
    const struct handle *h = NULL;
    for (; user != NULL; user = user->next) {
        for (h = inode->handles; h != NULL && h->user != user;)
            h = h->next;
        if (h != NULL)
            break;
    }
    pthread_mutex_unlock(&c->mtx);
    return user;
}

struct file_locks *cache_locks(struct cache *c, struct inode *inode, bool make)
{
    pthread_mutex_lock(&c->mtx);
    if (inode->locks == NULL && make)
        inode->locks = calloc(1, sizeof *inode->locks);
    struct file_locks *locks = inode->locks;
    pthread_mutex_unlock(&c->mtx);
    return locks;
}

/* ---- failed writes --------------------------------------------------------------- */

void cache_write_failed(struct cache *c, struct inode *inode, int rc)
{
    pthread_mutex_lock(&c->mtx);
    inode->write_errors++;
    inode->write_error = rc;
    inode->write_error_known = false;
    pthread_mutex_unlock(&c->mtx);
}

unsigned cache_known_errors(struct cache *c, struct inode *inode)
{
    pthread_mutex_lock(&c->mtx);
    unsigned known = inode->write_error_known ? inode->write_errors : 0;
    pthread_mutex_unlock(&c->mtx);
    return known;
}

int cache_unsynced(struct cache *c, struct inode *inode, unsigned known)
{
    pthread_mutex_lock(&c->mtx);
    int rc = inode->write_errors != known ? inode->write_error : 0;
    pthread_mutex_unlock(&c->mtx);
    return rc;
}

int cache_sync_error(struct cache *c, struct inode *inode, unsigned *known)
{
    pthread_mutex_lock(&c->mtx);
    int rc = inode->write_errors != *known ? inode->write_error : 0;
    *known = inode->write_errors;
    inode->write_error_known = true;
    pthread_mutex_unlock(&c->mtx);
    return rc;
}

/* ---- silly renames ------------------------------------------------------------------ */

struct inode *cache_only_name_of_open(struct cache *c, struct inode *parent, const char *name)
{
    pthread_mutex_lock(&c->mtx);
    struct inode *inode = dentry_inode(c, parent, name);
    if (inode != NULL && (inode->handles == NULL || inode->names->next_name != NULL))
        inode = NULL;
    pthread_mutex_unlock(&c->mtx);
    return inode;
}

void inode_set_hidden(struct cache *c, struct inode *inode, bool hidden)
{
    if (hidden && !inode->hidden)
        DL_APPEND2(c->hidden, inode, prev_hidden, next_hidden);
    else if (!hidden && inode->hidden)
        DL_DELETE2(c->hidden, inode, prev_hidden, next_hidden);
    inode->hidden = hidden;
}

bool cache_hide(struct cache *c, struct inode *inode, struct inode *parent, const char *name, bool made)
{
    pthread_mutex_lock(&c->mtx);
    bool in_use = inode->handles != NULL;
    if (in_use) {
        struct dentry *d = made ? dentry_get(c, parent, name, strlen(name)) : NULL;
        if (d != NULL && d->inode == NULL)
            dentry_attach(c, d, inode);
        inode_set_hidden(c, inode, !made || (d != NULL && d->inode == inode));
    }
    pthread_mutex_unlock(&c->mtx);
    return in_use;
}

struct inode *cache_last_of_hidden(struct cache *c, const struct handle *h, char *name)
{
    struct inode *inode = h->inode, *parent = NULL;

    pthread_mutex_lock(&c->mtx);
    while (inode->hidden && c->moving > 0) /* it may be moving itself (cache_hidden_below) */
        pthread_cond_wait(&c->settled, &c->mtx);
    if (inode->hidden && inode->handles == h && h->next == NULL && inode->names != NULL) {
        parent = inode->names->parent;
        parent->nlookup++;
        strcpy(name, inode->names->name);
        inode_set_hidden(c, inode, false);
        c->removing++;
    }
    pthread_mutex_unlock(&c->mtx);
    return parent;
}

void cache_hidden_removed(struct cache *c)
{
    pthread_mutex_lock(&c->mtx);
    if (--c->removing == 0)
        pthread_cond_broadcast(&c->settled);
    pthread_mutex_unlock(&c->mtx);
}

struct inode *cache_hidden_below(struct cache *c, struct inode *parent, const char *name, char *hidden, bool *waited)
{
    struct inode *inode = NULL;

    pthread_mutex_lock(&c->mtx);
    struct inode *dir = dentry_inode(c, parent, name);
    if (dir != NULL)
        for (inode = c->hidden; inode != NULL; inode = inode->next_hidden)
            if (inode->names != NULL && inode->names->parent == dir)
                break;
    if (inode != NULL) {
        dir->nlookup++;
        strcpy(hidden, inode->names->name);
    }
    *waited = inode == NULL && c->removing > 0;
    while (*waited && c->removing > 0)
        pthread_cond_wait(&c->settled, &c->mtx);
    pthread_mutex_unlock(&c->mtx);
    return inode != NULL ? dir : NULL;
}
