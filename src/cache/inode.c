/*
 * inode.c: what the tree knows of files that are open: their handles, the attributes told when they were
 * opened, their locks, and the hidden names of those that lost their own.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "cache/cache.h"

/* ---- attributes that hold for a while ----------------------------------- */

uint64_t cache_now_ms(void)
{
    return clock_us() / 1000;
}

void cache_changing(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    inode_changing(t, inode);
    inode->touched = inode->changes;
    pthread_mutex_unlock(&t->mtx);
}

bool cache_changed(struct cache *t, struct inode *inode, uint64_t *changes)
{
    pthread_mutex_lock(&t->mtx);
    bool alone = inode->changes == *changes;
    inode_changing(t, inode);
    *changes = inode->touched = inode->changes;
    pthread_mutex_unlock(&t->mtx);
    return alone;
}

void cache_wrote(struct cache *t, struct inode *inode, uint64_t end)
{
    pthread_mutex_lock(&t->mtx);
    if (inode->attr.size < end)
        inode->attr.size = end;
    pthread_mutex_unlock(&t->mtx);
}

/* ---- writes that came to nothing ---------------------------------------- */

void cache_write_failed(struct cache *t, struct inode *inode, int rc)
{
    pthread_mutex_lock(&t->mtx);
    inode->write_errors++;
    inode->write_error = rc;
    inode->write_error_known = false;
    pthread_mutex_unlock(&t->mtx);
}

unsigned cache_known_errors(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    unsigned known = inode->write_error_known ? inode->write_errors : 0;
    pthread_mutex_unlock(&t->mtx);
    return known;
}

int cache_unsynced(struct cache *t, struct inode *inode, unsigned known)
{
    pthread_mutex_lock(&t->mtx);
    int rc = inode->write_errors != known ? inode->write_error : 0;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

int cache_sync_error(struct cache *t, struct inode *inode, unsigned *known)
{
    pthread_mutex_lock(&t->mtx);
    int rc = inode->write_errors != *known ? inode->write_error : 0;
    *known = inode->write_errors;
    inode->write_error_known = true;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

/* ---- versions ----------------------------------------------------------- */

uint64_t cache_changes(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t changes = inode->changes;
    pthread_mutex_unlock(&t->mtx);
    return changes;
}

void cache_others_changed(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    inode->seen++;
    pthread_mutex_unlock(&t->mtx);
}

uint64_t cache_content(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t content = inode->changes + inode->seen;
    pthread_mutex_unlock(&t->mtx);
    return content;
}

uint64_t cache_content_of(struct cache *t, struct inode *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    const struct inode *inode = cache_find(t, parent, name);
    uint64_t content = inode != NULL ? inode->changes + inode->seen : UINT64_MAX;
    pthread_mutex_unlock(&t->mtx);
    return content;
}

uint64_t cache_all_changes(struct cache *t)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t changes = t->changes;
    pthread_mutex_unlock(&t->mtx);
    return changes;
}

uint64_t cache_changes_forgotten(struct cache *t)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t changes = t->changes_forgotten;
    pthread_mutex_unlock(&t->mtx);
    return changes;
}

bool cache_as_listed(struct cache *t, struct inode *parent, const char *name, uint64_t since)
{
    pthread_mutex_lock(&t->mtx);
    const struct inode *inode = cache_find(t, parent, name);
    bool as_listed = inode != NULL ? inode->changes <= since && inode->told <= since
                                   : parent->changes <= since && t->changes_forgotten <= since;
    pthread_mutex_unlock(&t->mtx);
    return as_listed;
}

void cache_set_fresh(struct cache *t, struct inode *inode, uint64_t changes, unsigned ms)
{
    pthread_mutex_lock(&t->mtx);
    if (inode->changes == changes && !inode->hidden)
        inode->fresh_until = cache_now_ms() + ms;
    pthread_mutex_unlock(&t->mtx);
}

unsigned cache_fresh(struct cache *t, struct inode *inode, struct p9_attr *attr)
{
    unsigned left = 0;

    pthread_mutex_lock(&t->mtx);
    uint64_t now = inode->fresh_until != 0 ? cache_now_ms() : 0;
    if (now < inode->fresh_until && inode->dentries != NULL && !inode->hidden) {
        left = (unsigned)(inode->fresh_until - now);
        *attr = inode->attr;
    }
    pthread_mutex_unlock(&t->mtx);
    return left;
}

int cache_lacks(struct cache *t, struct inode *inode, unsigned number)
{
    pthread_mutex_lock(&t->mtx);
    int rc = inode->lacks_until != 0 && cache_now_ms() < inode->lacks_until ? inode->lacks[number] : 0;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

void cache_set_lacks(struct cache *t, struct inode *inode, const int lacks[P9_XATTRS], uint64_t changes, unsigned ms)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t now = cache_now_ms();
    bool holds = inode->lacks_until > now;
    for (unsigned x = 0; x < P9_XATTRS && inode->changes <= changes; x++)
        if (lacks[x] != 0 || !holds)
            inode->lacks[x] = lacks[x];
    if (inode->changes <= changes && !holds)
        inode->lacks_until = now + ms;
    pthread_mutex_unlock(&t->mtx);
}

/* ---- security.capability ------------------------------------------------ */

enum { WRITTEN_MS = 1000 };

static struct user *writing_user(const struct inode *inode)
{
    const struct handle *h = inode->handles;

    while (h != NULL && (h->flags & O_ACCMODE) == O_RDONLY)
        h = h->next;
    return h != NULL ? h->user : NULL;
}

struct user *cache_writing_user(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    struct user *user = writing_user(inode);
    pthread_mutex_unlock(&t->mtx);
    return user;
}

int cache_uncapped(struct cache *t, struct inode *inode, unsigned ms)
{
    pthread_mutex_lock(&t->mtx);
    if (ms < WRITTEN_MS && writing_user(inode) != NULL)
        ms = WRITTEN_MS;
    int rc = inode->uncapped != 0 && cache_now_ms() - inode->uncapped_ms < ms ? inode->uncapped : 0;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

struct cap_question cache_cap_asked(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    struct cap_question q = {.capped = inode->capped, .ms = cache_now_ms()};
    pthread_mutex_unlock(&t->mtx);
    return q;
}

void cache_cap_answered(struct cache *t, struct inode *inode, const struct cap_question *q, int lacks)
{
    pthread_mutex_lock(&t->mtx);
    if (inode->capped == q->capped) {
        inode->uncapped = lacks;
        inode->uncapped_ms = q->ms;
    }
    pthread_mutex_unlock(&t->mtx);
}

void cache_cap_setting(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    inode->capped++;
    inode->uncapped = 0;
    pthread_mutex_unlock(&t->mtx);
}

/* ---- inodes by name ------------------------------------------------------ */

struct inode *cache_known(struct cache *t, struct inode *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct inode *inode = cache_find(t, parent, name);
    if (inode != NULL)
        inode->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    return inode;
}

struct inode *cache_above(struct cache *t, struct inode *dir, char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct inode *above = dir->dentries != NULL ? dir->dentries->parent : NULL;
    if (above != NULL) {
        above->nlookup++;
        strcpy(name, dir->dentries->name);
    }
    pthread_mutex_unlock(&t->mtx);
    return above;
}

const struct inode *cache_parent(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    const struct inode *parent = inode->dentries != NULL ? inode->dentries->parent : NULL;
    pthread_mutex_unlock(&t->mtx);
    return parent;
}

bool cache_same_content(struct cache *t, struct inode *inode, const struct p9_attr *attr, bool ignore_version,
                        bool loose)
{
    time_t now = clock_wall();

    pthread_mutex_lock(&t->mtx);
    const struct p9_attr *old = &inode->opened;
    bool same = inode->opened_known && old->size == attr->size && same_time(&old->mtime, &attr->mtime) &&
                same_time(&old->ctime, &attr->ctime) && (ignore_version || old->qid.version == attr->qid.version);
    inode->opened = *attr;
    inode->opened_known = loose || now - attr->ctime.tv_sec > SETTLED_SECONDS;
    pthread_mutex_unlock(&t->mtx);
    return same;
}

bool cache_may_be_cached(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    bool may = inode->opened_known;
    pthread_mutex_unlock(&t->mtx);
    return may;
}

/* ---- handles ------------------------------------------------------------ */

void cache_add_handle(struct cache *t, struct handle *h)
{
    pthread_mutex_lock(&t->mtx);
    h->next = h->inode->handles;
    h->inode->handles = h;
    pthread_mutex_unlock(&t->mtx);
}

struct p9_fid *cache_detach_handle(struct cache *t, struct handle *h)
{
    struct p9_fid *fid = h->fid;

    pthread_mutex_lock(&t->mtx);
    struct handle **p = &h->inode->handles;
    while (*p != h)
        p = &(*p)->next;
    *p = h->next;
    h->fid = NULL;
    inode_release(t, h->inode);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

void cache_drop_handle(struct cache *t, struct handle *h)
{
    p9_fid_put(cache_detach_handle(t, h));
}

struct handle *cache_some_handle(struct cache *t)
{
    struct handle *some = NULL;
    struct inode *inode;

    pthread_mutex_lock(&t->mtx);
    DL_FOREACH(t->all, inode)
    {
        if (some == NULL)
            some = inode->handles;
    }
    pthread_mutex_unlock(&t->mtx);
    return some;
}

bool cache_name(struct cache *t, const struct inode *inode, char *name)
{
    pthread_mutex_lock(&t->mtx);
    bool found = inode->dentries != NULL && !inode->hidden;
    if (found)
        strcpy(name, inode->dentries->name);
    pthread_mutex_unlock(&t->mtx);
    return found;
}

static size_t path_len(const struct inode *inode)
{
    size_t n = 0;

    for (; inode->dentries != NULL; inode = inode->dentries->parent)
        n += strlen(inode->dentries->name) + 1;
    return n;
}

char *cache_path(struct cache *t, const struct inode *inode)
{
    char *path = NULL;

    pthread_mutex_lock(&t->mtx);
    size_t at = inode->hidden ? 0 : path_len(inode);
    if (at > 0 && (path = malloc(at)) != NULL)
        path[--at] = 0;
    for (const struct dentry *l = inode->dentries; path != NULL && l != NULL; l = l->parent->dentries) {
        size_t n = strlen(l->name);
        memcpy(path + (at -= n), l->name, n);
        if (at > 0)
            path[--at] = '/';
    }
    pthread_mutex_unlock(&t->mtx);
    return path;
}

bool cache_qid(struct cache *t, struct inode *parent, const char *name, struct p9_qid *qid)
{
    pthread_mutex_lock(&t->mtx);
    const struct inode *inode = cache_find(t, parent, name);
    if (inode != NULL)
        *qid = inode->qid;
    pthread_mutex_unlock(&t->mtx);
    return inode != NULL;
}

struct file_locks *cache_locks(struct cache *t, struct inode *inode, bool make)
{
    pthread_mutex_lock(&t->mtx);
    if (inode->locks == NULL && make)
        inode->locks = calloc(1, sizeof *inode->locks);
    struct file_locks *locks = inode->locks;
    pthread_mutex_unlock(&t->mtx);
    return locks;
}

struct user *cache_next_opener(struct cache *t, const struct inode *inode, const struct user *after)
{
    pthread_mutex_lock(&t->mtx);
    struct user *user = after != NULL ? after->next : t->users;
    const struct handle *h = NULL;
    for (; user != NULL; user = user->next) {
        for (h = inode->handles; h != NULL && h->user != user;)
            h = h->next;
        if (h != NULL)
            break;
    }
    pthread_mutex_unlock(&t->mtx);
    return user;
}

struct inode *cache_next(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    struct inode *next = inode != NULL ? inode->next : t->all;
    if (next != NULL)
        next->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    if (inode != NULL)
        cache_forget(t, inode, 1);
    return next;
}

/* ---- hidden names ------------------------------------------------------- */

struct inode *cache_only_name_of_open(struct cache *t, struct inode *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct dentry *l = dentry_find(t, parent, name);
    struct inode *inode = l != NULL && l->inode->handles != NULL && l->inode->dentries->next == NULL ? l->inode : NULL;
    pthread_mutex_unlock(&t->mtx);
    return inode;
}

bool cache_hide(struct cache *t, struct inode *inode, struct inode *parent, const char *name, bool made)
{
    pthread_mutex_lock(&t->mtx);
    bool in_use = inode->handles != NULL;
    if (in_use)
        inode->hidden = !made || dentry_add(t, parent, name, inode) != NULL;
    pthread_mutex_unlock(&t->mtx);
    return in_use;
}

struct inode *cache_last_of_hidden(struct cache *t, const struct handle *h, char *name)
{
    struct inode *inode = h->inode, *parent = NULL;

    pthread_mutex_lock(&t->mtx);
    while (inode->hidden && t->moving > 0) /* it may be moving itself (cache_hidden_below) */
        pthread_cond_wait(&t->settled, &t->mtx);
    if (inode->hidden && inode->handles == h && h->next == NULL && inode->dentries != NULL) {
        parent = inode->dentries->parent;
        parent->nlookup++;
        strcpy(name, inode->dentries->name);
        inode->hidden = false;
        t->removing++;
    }
    pthread_mutex_unlock(&t->mtx);
    return parent;
}

void cache_hidden_removed(struct cache *t)
{
    pthread_mutex_lock(&t->mtx);
    if (--t->removing == 0)
        pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mtx);
}

struct inode *cache_hidden_below(struct cache *t, struct inode *parent, const char *name, char *hidden, bool *waited)
{
    struct inode *dir = NULL, *inode;

    pthread_mutex_lock(&t->mtx);
    struct dentry *l = dentry_find(t, parent, name);
    if (l != NULL && l->inode->children > 0)
        DL_FOREACH(t->all, inode)
        {
            if (!inode->hidden || inode->dentries == NULL || inode->dentries->parent != l->inode)
                continue;
            dir = l->inode;
            dir->nlookup++;
            strcpy(hidden, inode->dentries->name);
            break;
        }
    *waited = dir == NULL && t->removing > 0;
    while (*waited && t->removing > 0)
        pthread_cond_wait(&t->settled, &t->mtx);
    pthread_mutex_unlock(&t->mtx);
    return dir;
}
