/*
 * cache.c: inodes, their names, and the kernel's references to them.
 */
#include "cache/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <utlist.h>

bool qid_same_file(const struct p9_qid *a, const struct p9_qid *b)
{
    const uint8_t kinds = P9_QTDIR | P9_QTSYMLINK;

    return a->path == b->path && (a->type & kinds) == (b->type & kinds);
}

struct cache *cache_new(struct p9_client *c, uid_t uid, struct p9_fid *root)
{
    struct cache *t = calloc(1, sizeof *t);
    struct user *user = calloc(1, sizeof *user);

    if (t == NULL || user == NULL) {
        free(t);
        free(user);
        return NULL;
    }
    *user = (struct user){.uid = uid, .root = root};
    t->client = c;
    t->users = user;
    t->root.qid = root->qid;
    t->root.nlookup = 1; /* never forgotten */
    t->inodes = 1;
    pthread_mutex_init(&t->mtx, NULL);
    pthread_cond_init(&t->settled, NULL);
    p9_client_on_shortage(c, cache_evict, t);
    return t;
}

struct user *cache_user(struct cache *t, uid_t uid, struct p9_fid *root)
{
    struct user *user;

    pthread_mutex_lock(&t->mtx);
    LL_SEARCH_SCALAR(t->users, user, uid, uid);
    if (user == NULL && root != NULL && (user = calloc(1, sizeof *user)) != NULL) {
        *user = (struct user){.uid = uid, .root = root};
        root->qid = t->root.qid;   /* it is the root whatever Rattach said */
        LL_APPEND(t->users, user); /* the first stays who mounted */
        root = NULL;
    }
    pthread_mutex_unlock(&t->mtx);
    p9_fid_put(root);
    return user;
}

/* ---- links; all called with the lock ------------------------------------ */

static unsigned key_len(size_t name_len)
{
    return (unsigned)(sizeof(struct inode *) + name_len);
}

struct dentry *dentry_find(struct cache *t, struct inode *parent, const char *name)
{
    struct {
        struct inode *parent;
        char name[P9_MAXNAME];
    } key;
    size_t n = strlen(name);
    struct dentry *l;

    if (n > sizeof key.name)
        return NULL;
    key.parent = parent;
    memcpy(key.name, name, n);
    HASH_FIND(hh, t->dentries, &key, key_len(n), l);
    return l;
}

static void changing(struct cache *t, struct inode *inode)
{
    inode->changes = ++t->changes;
    inode->fresh_until = inode->lacks_until = 0;
    if (t->kept != NULL) /* it would be found to be another */
        inode_drop_kept(t, inode);
}

/* The kernel has what was so before. */
static void add_stale(struct cache *t, struct inode *inode)
{
    if (inode->is_stale || inode->nlookup == 0)
        return;
    inode->is_stale = true;
    inode->nlookup++;
    LL_PREPEND2(t->stale, inode, next_stale);
    atomic_store(&t->has_stale, true);
}

/* More names than this a file has hardly: the server's numbers mean nothing. */
enum { MOST_TWINS = 1024 };

/* Where names have inodes of their own the file is the same. */
void inode_changing(struct cache *t, struct inode *inode)
{
    unsigned n = 0;

    changing(t, inode);
    for (struct inode *twin = inode->twin_next; twin != NULL && twin != inode && n++ < MOST_TWINS;
         twin = twin->twin_next) {
        if (!qid_same_file(&twin->qid, &inode->qid) || (twin->qid.type & P9_QTDIR))
            continue;
        changing(t, twin);
        twin->touched = twin->changes;
        twin->seen++;
        add_stale(t, twin);
    }
}

struct inode *cache_next_stale(struct cache *t)
{
    pthread_mutex_lock(&t->mtx);
    struct inode *inode = t->stale;
    if (inode != NULL) {
        t->stale = inode->next_stale;
        inode->is_stale = false;
    } else { /* and the kernel was told of all */
        atomic_store(&t->has_stale, false);
    }
    pthread_mutex_unlock(&t->mtx);
    return inode;
}

struct dentry *dentry_add(struct cache *t, struct inode *parent, const char *name, struct inode *inode)
{
    size_t n = strlen(name);
    struct dentry *l = malloc(sizeof *l + n + 1);

    if (l == NULL)
        return NULL;
    l->parent = parent;
    l->inode = inode;
    memcpy(l->name, name, n + 1);
    HASH_ADD_KEYPTR(hh, t->dentries, &l->parent, key_len(n), l);
    l->next = inode->dentries;
    inode->dentries = l;
    inode_changing(t, inode);
    parent->children++;
    return l;
}

static void inode_unindex(struct cache *t, struct inode *inode)
{
    struct inode *in_index = NULL, *next = inode->twin_next;

    if (next == NULL)
        return;
    HASH_FIND(hh, t->by_qid, &inode->qid.path, sizeof inode->qid.path, in_index);
    if (in_index == inode)
        HASH_DEL(t->by_qid, inode);
    if (next != inode) {
        inode->twin_prev->twin_next = next;
        next->twin_prev = inode->twin_prev;
    }
    if (in_index == inode && next != inode)
        HASH_ADD(hh, t->by_qid, qid.path, sizeof next->qid.path, next);
    inode->twin_prev = inode->twin_next = NULL;
}

static bool inode_unused(const struct cache *t, const struct inode *inode)
{
    return inode != &t->root && inode->nlookup == 0 && inode->children == 0 && inode->handles == NULL;
}

static struct inode *dentry_remove(struct cache *t, struct dentry *l);

static void inode_free(struct cache *t, struct inode *inode)
{
    struct file_locks *fl = inode->locks;

    inode_drop_fids(t, inode);
    if (fl != NULL) {
        locks_free(&fl->posix);
        locks_free(&fl->flock);
        locks_free(&fl->server);
        p9_fid_put(fl->fid);
        free(fl);
    }
    free(inode);
}

/* Frees a inode that nothing holds, and then its parent if that held only by it, and so on up. */
void inode_release(struct cache *t, struct inode *inode)
{
    while (inode != NULL && inode_unused(t, inode)) {
        struct inode *parent = NULL;
        if (inode->dentries != NULL && inode->touched > t->changes_forgotten)
            t->changes_forgotten = inode->touched;
        while (inode->dentries != NULL) {
            if (parent != NULL && inode_unused(t, parent)) /* a file with several names: rare */
                inode_release(t, parent);
            parent = dentry_remove(t, inode->dentries);
        }
        inode_unindex(t, inode);
        DL_DELETE(t->all, inode);
        inode_free(t, inode);
        t->inodes--;
        inode = parent;
    }
}

/* Takes a name from its inode and returns the parent, for inode_release. */
static struct inode *dentry_remove(struct cache *t, struct dentry *l)
{
    struct inode *parent = l->parent;
    struct dentry **p = &l->inode->dentries;

    while (*p != l)
        p = &(*p)->next;
    *p = l->next;
    HASH_DEL(t->dentries, l);
    parent->children--;
    free(l);
    return parent;
}

struct inode *cache_find(struct cache *t, struct inode *parent, const char *name)
{
    struct dentry *l = dentry_find(t, parent, name);

    return l != NULL ? l->inode : NULL;
}

/* A name no longer leads to its inode. Fids walked by it may lead elsewhere on servers that go by path. But a file
 * without any name may have nothing else left that stands for it. */
static void dentry_cut(struct cache *t, struct dentry *l)
{
    struct inode *inode = l->inode, *parent;

    inode_changing(t, inode);
    parent = dentry_remove(t, l);
    if (inode->dentries == NULL && !(inode->qid.type & P9_QTDIR))
        inode_drop_kept(t, inode);
    else
        inode_drop_fids(t, inode);
    inode->moved = ++t->clock;
    inode->confirmed_ms = 0;
    inode->attr.nlink = inode->attr.nlink > 0 && !S_ISDIR(inode->attr.mode) ? inode->attr.nlink - 1 : 0;
    inode_release(t, inode);
    inode_release(t, parent);
}

/* ---- inodes -------------------------------------------------------------- */

bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Whether the kernel was told these very attributes. */
static bool was_told(const struct inode *inode, const struct p9_attr *attr)
{
    const struct p9_attr *old = &inode->attr;

    return old->size == attr->size && same_time(&old->mtime, &attr->mtime) && same_time(&old->ctime, &attr->ctime) &&
           old->nlink == attr->nlink;
}

static struct inode *in_index(const struct cache *t, uint64_t qid_path)
{
    struct inode *inode;

    HASH_FIND(hh, t->by_qid, &qid_path, sizeof qid_path, inode);
    return inode;
}

/* What has this qid and several names, one of which we know. Servers repeat a
 * qid.path on another device: it is the same file only if all attributes agree, and not at all where that was seen. */
static struct inode *find_by_qid(const struct cache *t, const struct p9_attr *attr)
{
    if (S_ISDIR(attr->mode) || attr->nlink < 2 || t->places != NULL)
        return NULL;
    struct inode *inode = in_index(t, attr->qid.path), *first = inode;
    while (inode != NULL && !qid_same_file(&inode->qid, &attr->qid))
        inode = inode->twin_next != first ? inode->twin_next : NULL;
    return inode;
}

struct inode *cache_outdated_twin(struct cache *t, const struct p9_attr *attr)
{
    pthread_mutex_lock(&t->mtx);
    struct inode *inode = find_by_qid(t, attr);
    if (inode != NULL && was_told(inode, attr))
        inode = NULL;
    if (inode != NULL)
        inode->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    return inode;
}

/* Keeps the index. Not every dialect tells the number of names. */
static void inode_index(struct cache *t, struct inode *inode, const struct p9_attr *attr)
{
    if (inode->twin_next != NULL || (!S_ISDIR(attr->mode) && attr->nlink < 2 && p9_counts_links(t->client)))
        return;
    struct inode *other = in_index(t, inode->qid.path);
    if (other == NULL) {
        HASH_ADD(hh, t->by_qid, qid.path, sizeof inode->qid.path, inode);
        inode->twin_prev = inode->twin_next = inode;
        return;
    }
    inode->twin_prev = other;
    inode->twin_next = other->twin_next;
    inode->twin_next->twin_prev = inode;
    other->twin_next = inode;
}

/* ---- places where qid.path begins anew ---------------------------------- */

enum { MOST_PLACES = 1024 };

struct place {
    struct place *next;
    uint32_t in_space, space; /* of the directory it is in, and of what is below it */
    uint64_t in;              /* that directory's qid.path */
    char name[];
};

static uint32_t space_of(const struct cache *t, const struct inode *parent, const char *name, bool is_dir)
{
    const struct place *p = is_dir ? t->places : NULL;

    while (p != NULL && (p->in_space != parent->space || p->in != parent->qid.path || strcmp(p->name, name) != 0))
        p = p->next;
    return p != NULL ? p->space : parent->space;
}

/* Whether a server that takes upper and lower case, or ways to write a character, for the same may mean one by both. */
static bool may_be_spellings(const char *a, const char *b)
{
    bool plain = true;

    for (const char *s = a; *s != 0; s++)
        plain = plain && (unsigned char)*s < 0x80;
    for (const char *s = b; *s != 0; s++)
        plain = plain && (unsigned char)*s < 0x80;
    return !plain || strcasecmp(a, b) == 0;
}

static bool is_other_place(const struct cache *t, const struct inode *inode, const struct dentry *l,
                           const struct p9_attr *attr, uint32_t space)
{
    return inode->space == space && qid_same_file(&inode->qid, &attr->qid) && (l == NULL || l->inode != inode) &&
           (inode->dentries != NULL || inode == &t->root);
}

struct inode *cache_other_place(struct cache *t, struct inode *parent, const char *name, const struct p9_attr *attr)
{
    struct inode *found = NULL;

    pthread_mutex_lock(&t->mtx);
    const struct dentry *l = dentry_find(t, parent, name);
    uint32_t space = space_of(t, parent, name, true);
    unsigned n = 0;
    struct inode *first = in_index(t, attr->qid.path), *inode = first;
    if (is_other_place(t, &t->root, l, attr, space))
        found = &t->root;
    while (inode != NULL && found == NULL && n++ < MOST_TWINS) {
        found = is_other_place(t, inode, l, attr, space) ? inode : NULL;
        inode = inode->twin_next != first ? inode->twin_next : NULL;
    }
    const struct dentry *other = found != NULL ? found->dentries : NULL;
    if (t->nplaces == MOST_PLACES || (other != NULL && other->parent == parent && may_be_spellings(other->name, name)))
        found = NULL;
    if (found != NULL)
        found->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    return found;
}

void cache_add_place(struct cache *t, const struct inode *parent, const char *name)
{
    size_t n = strlen(name) + 1;
    struct place *p = malloc(sizeof *p + n);

    pthread_mutex_lock(&t->mtx);
    if (p != NULL && t->nplaces < MOST_PLACES && space_of(t, parent, name, true) == parent->space) {
        *p = (struct place){.in_space = parent->space, .in = parent->qid.path, .space = ++t->nplaces};
        memcpy(p->name, name, n);
        LL_PREPEND(t->places, p);
        p = NULL;
    }
    pthread_mutex_unlock(&t->mtx);
    free(p);
}

void cache_cut(struct cache *t, struct inode *dir, uint64_t clock)
{
    pthread_mutex_lock(&t->mtx);
    if (dir->dentries != NULL && t->moving == 0 && t->clock == clock)
        dentry_cut(t, dir->dentries);
    pthread_mutex_unlock(&t->mtx);
}

static struct inode *inode_new(struct cache *t, const struct p9_attr *attr, uint32_t space)
{
    struct inode *inode = calloc(1, sizeof *inode);

    if (inode == NULL)
        return NULL;
    inode->qid = attr->qid;
    inode->space = space;
    DL_APPEND(t->all, inode);
    t->inodes++;
    return inode;
}

static struct inode *enter(struct cache *t, struct inode *parent, const char *name, const struct p9_attr *attr)
{
    struct dentry *l = dentry_find(t, parent, name);

    if (l != NULL && qid_same_file(&l->inode->qid, &attr->qid))
        return l->inode;
    if (l != NULL) {
        parent->nlookup++; /* cutting the last name below must not free it here */
        dentry_cut(t, l);
        parent->nlookup--;
    }
    struct inode *inode = find_by_qid(t, attr);
    if (inode == NULL || !was_told(inode, attr))
        inode = inode_new(t, attr, space_of(t, parent, name, S_ISDIR(attr->mode)));
    if (inode != NULL && dentry_add(t, parent, name, inode) == NULL) {
        inode_release(t, inode);
        inode = NULL;
    }
    return inode;
}

static bool told(struct cache *t, struct inode *inode, const struct p9_attr *attr)
{
    bool changed = !was_told(inode, attr);

    inode->attr = *attr;
    inode->seen += changed;
    if (changed)
        inode->told = ++t->changes;
    return changed;
}

struct inode *cache_enter(struct cache *t, struct inode *parent, const char *name, const struct p9_attr *attr,
                          struct p9_fid *fid, struct user *user, uint64_t walked)
{
    pthread_mutex_lock(&t->mtx);
    struct inode *inode = enter(t, parent, name, attr);
    if (inode != NULL) {
        inode->nlookup++;
        told(t, inode, attr);
        inode_index(t, inode, attr);
        if (fid != NULL)
            inode_cache_fid(t, inode, user, fid, walked);
        fid = NULL;
    }
    pthread_mutex_unlock(&t->mtx);
    p9_fid_put(fid);
    return inode;
}

void cache_remember(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    inode->nlookup++;
    pthread_mutex_unlock(&t->mtx);
}

void cache_forget(struct cache *t, struct inode *inode, uint64_t n)
{
    pthread_mutex_lock(&t->mtx);
    inode->nlookup -= n < inode->nlookup ? n : inode->nlookup;
    if (inode == &t->root)
        inode->nlookup = 1;
    inode_release(t, inode);
    pthread_mutex_unlock(&t->mtx);
}

void cache_unlink(struct cache *t, struct inode *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct dentry *l = dentry_find(t, parent, name);
    if (l != NULL)
        dentry_cut(t, l);
    pthread_mutex_unlock(&t->mtx);
}

void cache_rename_begin(struct cache *t)
{
    pthread_mutex_lock(&t->mtx);
    t->moving++;
    pthread_mutex_unlock(&t->mtx);
}

/* Two names of one file: rename(2) does nothing then. Without memory the old name is forgotten, and
 * found again when it is asked for. */
static void move(struct cache *t, struct inode *oldparent, const char *oldname, struct inode *newparent,
                 const char *newname)
{
    struct dentry *from = dentry_find(t, oldparent, oldname), *to = dentry_find(t, newparent, newname);

    if (from != NULL && to != NULL && from->inode == to->inode)
        return;
    if (to != NULL)
        dentry_cut(t, to);
    if (from == NULL)
        return;
    struct inode *inode = from->inode;
    dentry_add(t, newparent, newname, inode);
    inode->moved = ++t->clock;
    inode_drop_fids(t, inode);
    inode_release(t, dentry_remove(t, from));
}

void cache_rename_end(struct cache *t, bool ok, struct inode *oldparent, const char *oldname, struct inode *newparent,
                      const char *newname)
{
    pthread_mutex_lock(&t->mtx);
    if (ok)
        move(t, oldparent, oldname, newparent, newname);
    if (--t->moving == 0)
        pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mtx);
}

uint64_t cache_clock(struct cache *t)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t clock = t->clock;
    pthread_mutex_unlock(&t->mtx);
    return clock;
}

bool cache_told(struct cache *t, struct inode *inode, const struct p9_attr *attr)
{
    pthread_mutex_lock(&t->mtx);
    bool changed = told(t, inode, attr);
    inode_index(t, inode, attr);
    pthread_mutex_unlock(&t->mtx);
    return changed;
}

void cache_confirm(struct cache *t, struct inode *inode, uint64_t ms)
{
    pthread_mutex_lock(&t->mtx);
    if (inode->confirmed_ms < ms)
        inode->confirmed_ms = ms;
    pthread_mutex_unlock(&t->mtx);
}

struct inode_facts inode_facts(struct cache *t, struct inode *inode)
{
    pthread_mutex_lock(&t->mtx);
    struct inode_facts facts = {.attr = inode->attr,
                                .hidden = inode->hidden,
                                .is_open = inode->handles != NULL,
                                .nameless = inode->dentries == NULL && inode != &t->root,
                                .gone = inode->dentries == NULL && inode->handles == NULL && inode != &t->root};
    pthread_mutex_unlock(&t->mtx);
    return facts;
}

enum { CLONES_SECONDS = 2 };

/* What is still under way ends soon, or with the connection. */
static void wait_for_clones(struct cache *t)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLONES_SECONDS;
    pthread_mutex_lock(&t->mtx);
    while (t->cloning > 0 && rc == 0)
        rc = pthread_cond_timedwait(&t->settled, &t->mtx, &until);
    pthread_mutex_unlock(&t->mtx);
    if (rc == 0)
        return;
    p9_session_fail(p9_client_session(t->client), -ECANCELED, NULL);
    pthread_mutex_lock(&t->mtx);
    while (t->cloning > 0)
        pthread_cond_wait(&t->settled, &t->mtx);
    pthread_mutex_unlock(&t->mtx);
}

void cache_free(struct cache *t)
{
    struct dentry *l, *next_link;
    struct inode *inode, *next_inode;

    p9_client_on_shortage(t->client, NULL, NULL);
    wait_for_clones(t);
    HASH_CLEAR(hh, t->by_qid);
    for (struct place *p; (p = t->places) != NULL;) {
        t->places = p->next;
        free(p);
    }
    HASH_ITER (hh, t->dentries, l, next_link) {
        HASH_DEL(t->dentries, l);
        free(l);
    }
    inode_drop_fids(t, &t->root);
    DL_FOREACH_SAFE (t->all, inode, next_inode) {
        inode_free(t, inode);
    }
    for (struct user *u; (u = t->users) != NULL;) {
        t->users = u->next;
        p9_fid_put(u->root);
        free(u);
    }
    pthread_cond_destroy(&t->settled);
    pthread_mutex_destroy(&t->mtx);
    free(t);
}
