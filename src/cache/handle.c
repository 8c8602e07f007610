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
    LOCKED(c);
    LL_PREPEND(h->inode->handles, h);
    DL_APPEND2(c->open, h, prev_open, next_open);
}

struct p9_fid *cache_detach_handle(struct cache *c, struct handle *h)
{
    struct p9_fid *fid = h->fid;

    LOCKED(c);
    LL_DELETE(h->inode->handles, h);
    if (h->inode->handles == NULL)
        atomic_store(&h->inode->lock_lost, false);
    DL_DELETE2(c->open, h, prev_open, next_open);
    h->fid = NULL;
    inode_release(c, h->inode);
    return fid;
}

void cache_drop_handle(struct cache *c, struct handle *h)
{
    p9_fid_put(cache_detach_handle(c, h));
}

struct handle *cache_some_handle(struct cache *c)
{
    LOCKED(c);
    return c->open;
}

struct user *cache_writing_user(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    const struct handle *h = inode->handles;
    while (h != NULL && (h->flags & O_ACCMODE) == O_RDONLY)
        h = h->next;
    return h != NULL ? h->user : NULL;
}

struct user *cache_next_opener(struct cache *c, const struct inode *inode, const struct user *after)
{
    LOCKED(c);
    struct user *user = after != NULL ? after->next : c->users;
    const struct handle *h = NULL;
    for (; user != NULL; user = user->next) {
        for (h = inode->handles; h != NULL && h->user != user;)
            h = h->next;
        if (h != NULL)
            break;
    }
    return user;
}

struct file_locks *cache_locks(struct cache *c, struct inode *inode, bool make)
{
    LOCKED(c);
    if (inode->locks == NULL && make)
        inode->locks = calloc(1, sizeof *inode->locks);
    return inode->locks;
}

/* ---- failed writes --------------------------------------------------------------- */

void cache_write_failed(struct cache *c, struct inode *inode, int rc)
{
    LOCKED(c);
    inode->write_errors++;
    inode->write_error = rc;
    inode->write_error_known = false;
}

unsigned cache_known_errors(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    return inode->write_error_known ? inode->write_errors : 0;
}

int cache_unsynced(struct cache *c, struct inode *inode, unsigned known)
{
    LOCKED(c);
    return inode->write_errors != known ? inode->write_error : 0;
}

int cache_sync_error(struct cache *c, struct inode *inode, unsigned *known)
{
    LOCKED(c);
    int rc = inode->write_errors != *known ? inode->write_error : 0;
    *known = inode->write_errors;
    inode->write_error_known = true;
    return rc;
}

/* ---- silly renames ------------------------------------------------------------------ */

struct inode *cache_only_name_of_open(struct cache *c, struct inode *parent, const char *name)
{
    LOCKED(c);
    struct inode *inode = dentry_inode(c, parent, name);
    if (inode != NULL && (inode->handles == NULL || inode->names->next_name != NULL))
        inode = NULL;
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
    LOCKED(c);
    bool in_use = inode->handles != NULL;
    if (in_use) {
        struct dentry *d = made ? dentry_get(c, parent, name, strlen(name)) : NULL;
        if (d != NULL && d->inode == NULL)
            dentry_attach(c, d, inode);
        inode_set_hidden(c, inode, !made || (d != NULL && d->inode == inode));
    }
    return in_use;
}

struct inode *cache_last_of_hidden(struct cache *c, const struct handle *h, char *name)
{
    struct inode *inode = h->inode, *parent = NULL;

    LOCKED(c);
    while (inode->hidden && c->raising > 0) /* it may be moving (cache_hidden_below) */
        cache_wait_settled(c, NULL);
    if (inode->hidden && inode->handles == h && h->next == NULL && inode->names != NULL) {
        parent = inode->names->parent;
        parent->nlookup++;
        strcpy(name, inode->names->name);
        inode_set_hidden(c, inode, false);
        parent->removing++;
    }
    return parent;
}

void cache_hidden_removed(struct cache *c, struct inode *dir)
{
    LOCKED(c);
    dir->removing--;
    dir->removed++;
    pthread_cond_broadcast(&c->settled);
}

unsigned cache_removed(struct cache *c, struct inode *parent, const char *name)
{
    LOCKED(c);
    const struct inode *dir = dentry_inode(c, parent, name);
    return dir != NULL ? dir->removed : 0;
}

struct inode *cache_hidden_below(struct cache *c, struct inode *parent, const char *name, char *hidden)
{
    struct inode *inode = NULL;

    LOCKED(c);
    struct inode *dir = dentry_inode(c, parent, name);
    if (dir != NULL)
        for (inode = c->hidden; inode != NULL; inode = inode->next_hidden)
            if (inode->names != NULL && inode->names->parent == dir)
                break;
    if (inode == NULL)
        return NULL;
    dir->nlookup++;
    strcpy(hidden, inode->names->name);
    c->raising++;
    return dir;
}

void cache_raised(struct cache *c)
{
    LOCKED(c);
    if (--c->raising == 0)
        pthread_cond_broadcast(&c->settled);
}

bool cache_removed_since(struct p9_scope *sc, struct cache *c, struct inode *parent, const char *name,
                         unsigned *removed)
{
    struct inode *dir;

    LOCKED(c);
    while ((dir = dentry_inode(c, parent, name)) != NULL && dir->removing > 0 && cache_wait_settled(c, sc) == 0)
        ;
    bool since = dir != NULL && dir->removed != *removed;
    if (since)
        *removed = dir->removed;
    return since;
}
