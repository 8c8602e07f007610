/*
 * tree_open.c: what the tree knows of files that are open: their handles, the attributes told when they were
 * opened, their locks, and the hidden names of those that lost their own.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "cache/cache.h"

/* ---- attributes that hold for a while ----------------------------------- */

uint64_t tree_now_ms(void)
{
    return clock_us() / 1000;
}

void tree_changing(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    node_changing(t, node);
    node->touched = node->changes;
    pthread_mutex_unlock(&t->mtx);
}

bool tree_changed(struct tree *t, struct node *node, uint64_t *changes)
{
    pthread_mutex_lock(&t->mtx);
    bool alone = node->changes == *changes;
    node_changing(t, node);
    *changes = node->touched = node->changes;
    pthread_mutex_unlock(&t->mtx);
    return alone;
}

void tree_wrote(struct tree *t, struct node *node, uint64_t end)
{
    pthread_mutex_lock(&t->mtx);
    if (node->attr.size < end)
        node->attr.size = end;
    pthread_mutex_unlock(&t->mtx);
}

/* ---- writes that came to nothing ---------------------------------------- */

void tree_write_failed(struct tree *t, struct node *node, int rc)
{
    pthread_mutex_lock(&t->mtx);
    node->write_errors++;
    node->write_error = rc;
    node->write_error_known = false;
    pthread_mutex_unlock(&t->mtx);
}

unsigned tree_known_errors(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    unsigned known = node->write_error_known ? node->write_errors : 0;
    pthread_mutex_unlock(&t->mtx);
    return known;
}

int tree_unsynced(struct tree *t, struct node *node, unsigned known)
{
    pthread_mutex_lock(&t->mtx);
    int rc = node->write_errors != known ? node->write_error : 0;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

int tree_sync_error(struct tree *t, struct node *node, unsigned *known)
{
    pthread_mutex_lock(&t->mtx);
    int rc = node->write_errors != *known ? node->write_error : 0;
    *known = node->write_errors;
    node->write_error_known = true;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

/* ---- versions ----------------------------------------------------------- */

uint64_t tree_changes(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t changes = node->changes;
    pthread_mutex_unlock(&t->mtx);
    return changes;
}

void tree_others_changed(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    node->seen++;
    pthread_mutex_unlock(&t->mtx);
}

uint64_t tree_content(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t content = node->changes + node->seen;
    pthread_mutex_unlock(&t->mtx);
    return content;
}

uint64_t tree_content_of(struct tree *t, struct node *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    const struct node *node = tree_find(t, parent, name);
    uint64_t content = node != NULL ? node->changes + node->seen : UINT64_MAX;
    pthread_mutex_unlock(&t->mtx);
    return content;
}

uint64_t tree_all_changes(struct tree *t)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t changes = t->changes;
    pthread_mutex_unlock(&t->mtx);
    return changes;
}

uint64_t tree_changes_forgotten(struct tree *t)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t changes = t->changes_forgotten;
    pthread_mutex_unlock(&t->mtx);
    return changes;
}

bool tree_as_listed(struct tree *t, struct node *parent, const char *name, uint64_t since)
{
    pthread_mutex_lock(&t->mtx);
    const struct node *node = tree_find(t, parent, name);
    bool as_listed = node != NULL ? node->changes <= since && node->told <= since
                                  : parent->changes <= since && t->changes_forgotten <= since;
    pthread_mutex_unlock(&t->mtx);
    return as_listed;
}

void tree_set_fresh(struct tree *t, struct node *node, uint64_t changes, unsigned ms)
{
    pthread_mutex_lock(&t->mtx);
    if (node->changes == changes && !node->hidden)
        node->fresh_until = tree_now_ms() + ms;
    pthread_mutex_unlock(&t->mtx);
}

unsigned tree_fresh(struct tree *t, struct node *node, struct p9_attr *attr)
{
    unsigned left = 0;

    pthread_mutex_lock(&t->mtx);
    uint64_t now = node->fresh_until != 0 ? tree_now_ms() : 0;
    if (now < node->fresh_until && node->links != NULL && !node->hidden) {
        left = (unsigned)(node->fresh_until - now);
        *attr = node->attr;
    }
    pthread_mutex_unlock(&t->mtx);
    return left;
}

int tree_lacks(struct tree *t, struct node *node, unsigned number)
{
    pthread_mutex_lock(&t->mtx);
    int rc = node->lacks_until != 0 && tree_now_ms() < node->lacks_until ? node->lacks[number] : 0;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

void tree_set_lacks(struct tree *t, struct node *node, const int lacks[P9_XATTRS], uint64_t changes, unsigned ms)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t now = tree_now_ms();
    bool holds = node->lacks_until > now;
    for (unsigned x = 0; x < P9_XATTRS && node->changes <= changes; x++)
        if (lacks[x] != 0 || !holds)
            node->lacks[x] = lacks[x];
    if (node->changes <= changes && !holds)
        node->lacks_until = now + ms;
    pthread_mutex_unlock(&t->mtx);
}

/* ---- security.capability ------------------------------------------------ */

enum { WRITTEN_MS = 1000 };

static struct user *writing_user(const struct node *node)
{
    const struct handle *h = node->handles;

    while (h != NULL && (h->flags & O_ACCMODE) == O_RDONLY)
        h = h->next;
    return h != NULL ? h->user : NULL;
}

struct user *tree_writing_user(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    struct user *user = writing_user(node);
    pthread_mutex_unlock(&t->mtx);
    return user;
}

int tree_uncapped(struct tree *t, struct node *node, unsigned ms)
{
    pthread_mutex_lock(&t->mtx);
    if (ms < WRITTEN_MS && writing_user(node) != NULL)
        ms = WRITTEN_MS;
    int rc = node->uncapped != 0 && tree_now_ms() - node->uncapped_ms < ms ? node->uncapped : 0;
    pthread_mutex_unlock(&t->mtx);
    return rc;
}

struct cap_question tree_cap_asked(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    struct cap_question q = {.capped = node->capped, .ms = tree_now_ms()};
    pthread_mutex_unlock(&t->mtx);
    return q;
}

void tree_cap_answered(struct tree *t, struct node *node, const struct cap_question *q, int lacks)
{
    pthread_mutex_lock(&t->mtx);
    if (node->capped == q->capped) {
        node->uncapped = lacks;
        node->uncapped_ms = q->ms;
    }
    pthread_mutex_unlock(&t->mtx);
}

void tree_cap_setting(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    node->capped++;
    node->uncapped = 0;
    pthread_mutex_unlock(&t->mtx);
}

/* ---- nodes by name ------------------------------------------------------ */

struct node *tree_known(struct tree *t, struct node *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct node *node = tree_find(t, parent, name);
    if (node != NULL)
        node->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    return node;
}

struct node *tree_above(struct tree *t, struct node *dir, char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct node *above = dir->links != NULL ? dir->links->parent : NULL;
    if (above != NULL) {
        above->nlookup++;
        strcpy(name, dir->links->name);
    }
    pthread_mutex_unlock(&t->mtx);
    return above;
}

const struct node *tree_parent(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    const struct node *parent = node->links != NULL ? node->links->parent : NULL;
    pthread_mutex_unlock(&t->mtx);
    return parent;
}

bool tree_same_content(struct tree *t, struct node *node, const struct p9_attr *attr, bool ignore_version, bool loose)
{
    time_t now = clock_wall();

    pthread_mutex_lock(&t->mtx);
    const struct p9_attr *old = &node->opened;
    bool same = node->opened_known && old->size == attr->size && same_time(&old->mtime, &attr->mtime) &&
                same_time(&old->ctime, &attr->ctime) && (ignore_version || old->qid.version == attr->qid.version);
    node->opened = *attr;
    node->opened_known = loose || now - attr->ctime.tv_sec > SETTLED_SECONDS;
    pthread_mutex_unlock(&t->mtx);
    return same;
}

bool tree_may_be_cached(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    bool may = node->opened_known;
    pthread_mutex_unlock(&t->mtx);
    return may;
}

/* ---- handles ------------------------------------------------------------ */

void tree_add_handle(struct tree *t, struct handle *h)
{
    pthread_mutex_lock(&t->mtx);
    h->next = h->node->handles;
    h->node->handles = h;
    pthread_mutex_unlock(&t->mtx);
}

struct p9_fid *tree_detach_handle(struct tree *t, struct handle *h)
{
    struct p9_fid *fid = h->fid;

    pthread_mutex_lock(&t->mtx);
    struct handle **p = &h->node->handles;
    while (*p != h)
        p = &(*p)->next;
    *p = h->next;
    h->fid = NULL;
    node_release(t, h->node);
    pthread_mutex_unlock(&t->mtx);
    return fid;
}

void tree_drop_handle(struct tree *t, struct handle *h)
{
    p9_fid_put(tree_detach_handle(t, h));
}

struct handle *tree_some_handle(struct tree *t)
{
    struct handle *some = NULL;
    struct node *node;

    pthread_mutex_lock(&t->mtx);
    DL_FOREACH(t->all, node)
    {
        if (some == NULL)
            some = node->handles;
    }
    pthread_mutex_unlock(&t->mtx);
    return some;
}

bool tree_name(struct tree *t, const struct node *node, char *name)
{
    pthread_mutex_lock(&t->mtx);
    bool found = node->links != NULL && !node->hidden;
    if (found)
        strcpy(name, node->links->name);
    pthread_mutex_unlock(&t->mtx);
    return found;
}

static size_t path_len(const struct node *node)
{
    size_t n = 0;

    for (; node->links != NULL; node = node->links->parent)
        n += strlen(node->links->name) + 1;
    return n;
}

char *tree_path(struct tree *t, const struct node *node)
{
    char *path = NULL;

    pthread_mutex_lock(&t->mtx);
    size_t at = node->hidden ? 0 : path_len(node);
    if (at > 0 && (path = malloc(at)) != NULL)
        path[--at] = 0;
    for (const struct link *l = node->links; path != NULL && l != NULL; l = l->parent->links) {
        size_t n = strlen(l->name);
        memcpy(path + (at -= n), l->name, n);
        if (at > 0)
            path[--at] = '/';
    }
    pthread_mutex_unlock(&t->mtx);
    return path;
}

bool tree_qid(struct tree *t, struct node *parent, const char *name, struct p9_qid *qid)
{
    pthread_mutex_lock(&t->mtx);
    const struct node *node = tree_find(t, parent, name);
    if (node != NULL)
        *qid = node->qid;
    pthread_mutex_unlock(&t->mtx);
    return node != NULL;
}

struct file_locks *tree_locks(struct tree *t, struct node *node, bool make)
{
    pthread_mutex_lock(&t->mtx);
    if (node->locks == NULL && make)
        node->locks = calloc(1, sizeof *node->locks);
    struct file_locks *locks = node->locks;
    pthread_mutex_unlock(&t->mtx);
    return locks;
}

struct user *tree_next_opener(struct tree *t, const struct node *node, const struct user *after)
{
    pthread_mutex_lock(&t->mtx);
    struct user *user = after != NULL ? after->next : t->users;
    const struct handle *h = NULL;
    for (; user != NULL; user = user->next) {
        for (h = node->handles; h != NULL && h->user != user;)
            h = h->next;
        if (h != NULL)
            break;
    }
    pthread_mutex_unlock(&t->mtx);
    return user;
}

struct node *tree_next(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    struct node *next = node != NULL ? node->next : t->all;
    if (next != NULL)
        next->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    if (node != NULL)
        tree_forget(t, node, 1);
    return next;
}

/* ---- hidden names ------------------------------------------------------- */

struct node *tree_only_name_of_open(struct tree *t, struct node *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct link *l = link_find(t, parent, name);
    struct node *node = l != NULL && l->node->handles != NULL && l->node->links->next == NULL ? l->node : NULL;
    pthread_mutex_unlock(&t->mtx);
    return node;
}

bool tree_hide(struct tree *t, struct node *node, struct node *parent, const char *name, bool made)
{
    pthread_mutex_lock(&t->mtx);
    bool in_use = node->handles != NULL;
    if (in_use)
        node->hidden = !made || link_add(t, parent, name, node) != NULL;
    pthread_mutex_unlock(&t->mtx);
    return in_use;
}

struct node *tree_last_of_hidden(struct tree *t, const struct handle *h, char *name)
{
    struct node *node = h->node, *parent = NULL;

    pthread_mutex_lock(&t->mtx);
    while (node->hidden && t->moving > 0) /* it may be moving itself (tree_hidden_below) */
        pthread_cond_wait(&t->settled, &t->mtx);
    if (node->hidden && node->handles == h && h->next == NULL && node->links != NULL) {
        parent = node->links->parent;
        parent->nlookup++;
        strcpy(name, node->links->name);
        node->hidden = false;
        t->removing++;
    }
    pthread_mutex_unlock(&t->mtx);
    return parent;
}

void tree_hidden_removed(struct tree *t)
{
    pthread_mutex_lock(&t->mtx);
    if (--t->removing == 0)
        pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mtx);
}

struct node *tree_hidden_below(struct tree *t, struct node *parent, const char *name, char *hidden, bool *waited)
{
    struct node *dir = NULL, *node;

    pthread_mutex_lock(&t->mtx);
    struct link *l = link_find(t, parent, name);
    if (l != NULL && l->node->children > 0)
        DL_FOREACH(t->all, node)
        {
            if (!node->hidden || node->links == NULL || node->links->parent != l->node)
                continue;
            dir = l->node;
            dir->nlookup++;
            strcpy(hidden, node->links->name);
            break;
        }
    *waited = dir == NULL && t->removing > 0;
    while (*waited && t->removing > 0)
        pthread_cond_wait(&t->settled, &t->mtx);
    pthread_mutex_unlock(&t->mtx);
    return dir;
}
