/*
 * dentry.c: names of directories.
 *
 * One hash finds a name and those that differ from it in case alone, which a server may take for
 * the same: its key is (parent, name) without regard to ASCII case, and one dentry of several that
 * are alike is in it, with the others in a list behind it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static unsigned name_hash(const void *key, size_t n);
static int name_differs(const void *a, const void *b, size_t n);
#define HASH_FUNCTION(key, n, hash) ((hash) = name_hash(key, n))
#define HASH_KEYCMP(a, b, n) name_differs(a, b, n)

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cache/lookahead_impl.h"

/* ---- the hash -------------------------------------------------------------- */

static unsigned key_len(size_t name_len)
{
    return (unsigned)(sizeof(struct inode *) + name_len);
}

static unsigned char fold(unsigned char ch)
{
    return ch >= 'A' && ch <= 'Z' ? (unsigned char)(ch + ('a' - 'A')) : ch;
}

static unsigned name_hash(const void *key, size_t n)
{
    const unsigned char *p = key;
    uintptr_t parent;

    memcpy(&parent, p, sizeof parent);
    uint64_t h = parent * 0x9e3779b97f4a7c15u;
    for (size_t i = sizeof parent; i < n; i++)
        h = (h ^ fold(p[i])) * 0x100000001b3u;
    return (unsigned)(h ^ h >> 32);
}

static int name_differs(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;
    size_t i = sizeof(struct inode *);

    if (memcmp(p, q, i) != 0)
        return 1;
    while (i < n && fold(p[i]) == fold(q[i]))
        i++;
    return i < n;
}

/* The first of those that are alike. */
static struct dentry *find_alike(struct cache *c, const struct inode *parent, const char *name, size_t n)
{
    struct {
        const struct inode *parent;
        char name[P9_MAXNAME];
    } key;
    struct dentry *d;

    if (n > sizeof key.name)
        return NULL;
    key.parent = parent;
    memcpy(key.name, name, n);
    HASH_FIND(hh, c->dentries, &key, key_len(n), d);
    return d;
}

/* False without memory. */
static bool hash_add(struct cache *c, struct dentry *d, struct dentry *first)
{
    if (first != NULL) {
        d->alike = first->alike;
        first->alike = d;
        return true;
    }
    HASH_ADD_KEYPTR(hh, c->dentries, &d->parent, key_len(strlen(d->name)), d);
    return d->hh.tbl != NULL;
}

static void hash_remove(struct cache *c, struct dentry *d)
{
    struct dentry *first = find_alike(c, d->parent, d->name, strlen(d->name)), **p = &first->alike;

    if (first != d) {
        while (*p != d)
            p = &(*p)->alike;
        *p = d->alike;
        return;
    }
    if (d->alike != NULL)
        HASH_TAKE_PLACE(c->dentries, d, &d->alike->parent, key_len(strlen(d->alike->name)), d->alike);
    else
        HASH_DEL(c->dentries, d);
}

/* ---- dentries -------------------------------------------------------------- */

struct dentry *dentry_find(struct cache *c, const struct inode *parent, const char *name)
{
    struct dentry *d = find_alike(c, parent, name, strlen(name));

    while (d != NULL && strcmp(d->name, name) != 0)
        d = d->alike;
    return d;
}

struct dentry *dentry_get(struct cache *c, struct inode *parent, const char *name, size_t n)
{
    struct dentry *first = find_alike(c, parent, name, n), *d = first;

    while (d != NULL && memcmp(d->name, name, n) != 0)
        d = d->alike;
    if (d != NULL || n > P9_MAXNAME || (d = calloc(1, sizeof *d + n + 1)) == NULL)
        return d;
    d->parent = parent;
    memcpy(d->name, name, n);
    if (hash_add(c, d, first))
        return d;
    free(d);
    return NULL;
}

bool dentry_is_listed(struct cache *c, const struct inode *parent, const char *name)
{
    const struct dentry *d = find_alike(c, parent, name, strlen(name));

    while (d != NULL && !d->listed && d->inode == NULL)
        d = d->alike;
    return d != NULL;
}

struct inode *dentry_inode(struct cache *c, const struct inode *parent, const char *name)
{
    const struct dentry *d = dentry_find(c, parent, name);

    return d != NULL ? d->inode : NULL;
}

void dentry_attach(struct cache *c, struct dentry *d, struct inode *inode)
{
    d->inode = inode;
    d->is_dir = (inode->qid.type & P9_QTDIR) != 0;
    LL_PREPEND2(inode->names, d, next_name);
    d->parent->nchildren++;
    inode_changing(c, inode);
}

void dentry_free_unused(struct cache *c, struct dentry *d)
{
    if (d->inode != NULL || d->listed)
        return;
    hash_remove(c, d);
    free(d);
}

void dentry_free_all(struct cache *c)
{
    struct dentry *d, *next, *alike;

    HASH_ITER (hh, c->dentries, d, next) {
        HASH_DEL(c->dentries, d);
        for (; d != NULL; d = alike) {
            alike = d->alike;
            free(d);
        }
    }
}

void dentry_detach(struct cache *c, struct dentry *d)
{
    LL_DELETE2(d->inode->names, d, next_name);
    d->inode = NULL;
    d->parent->nchildren--;
    if (d->state == DENTRY_IN_FLIGHT) /* the answer may be older than what was done to the inode */
        d->state = DENTRY_UNKNOWN;
    dentry_free_unused(c, d);
}

/* Fids walked by the name may lead elsewhere where the server goes by path. But a file without any
 * name may have nothing else left that stands for it. */
void dentry_cut(struct cache *c, struct dentry *d)
{
    struct inode *inode = d->inode, *parent = d->parent;

    inode->nlookup++; /* both stay until all is done */
    parent->nlookup++;
    lookahead_drop(c, d, DENTRY_UNKNOWN);
    inode_changing(c, inode);
    dentry_detach(c, d);
    if (inode->names == NULL && !(inode->qid.type & P9_QTDIR))
        idle_open_drop(c, inode);
    else
        fid_drop_all(c, inode);
    inode->moved = ++c->renames;
    inode->confirmed_ms = 0;
    inode->attr.nlink = inode->attr.nlink > 0 && !S_ISDIR(inode->attr.mode) ? inode->attr.nlink - 1 : 0;
    inode->nlookup--;
    inode_release(c, inode);
    parent->nlookup--;
    inode_release(c, parent);
}

/* ---- names, for other layers ------------------------------------------------ */

void cache_unlink(struct cache *c, struct inode *parent, const char *name)
{
    LOCKED(c);
    struct dentry *d = dentry_find(c, parent, name);
    if (d != NULL && d->inode != NULL)
        dentry_cut(c, d);
}

void cache_rename_begin(struct cache *c)
{
    LOCKED(c);
    c->moving++;
}

/* Two names of one file: rename(2) does nothing then. Without memory the old name is forgotten, and
 * found again when it is asked for. */
static void move(struct cache *c, struct inode *oldparent, const char *oldname, struct inode *newparent,
                 const char *newname)
{
    struct dentry *from = dentry_find(c, oldparent, oldname), *to = dentry_find(c, newparent, newname);
    struct inode *inode = from != NULL ? from->inode : NULL;

    if (to != NULL && to->inode != NULL) {
        if (to->inode == inode)
            return;
        dentry_cut(c, to);
    }
    if (inode == NULL)
        return;
    inode->nlookup++; /* stays until all is done */
    lookahead_drop(c, from, DENTRY_UNKNOWN);
    to = dentry_get(c, newparent, newname, strlen(newname));
    if (to != NULL)
        dentry_attach(c, to, inode);
    inode->moved = ++c->renames;
    fid_drop_all(c, inode);
    dentry_detach(c, from);
    inode->nlookup--;
    inode_release(c, inode);
    inode_release(c, oldparent);
}

void cache_rename_end(struct cache *c, bool ok, struct inode *oldparent, const char *oldname, struct inode *newparent,
                      const char *newname)
{
    LOCKED(c);
    if (ok)
        move(c, oldparent, oldname, newparent, newname);
    if (--c->moving == 0)
        pthread_cond_broadcast(&c->settled);
}

uint64_t cache_renames(struct cache *c)
{
    LOCKED(c);
    return c->renames;
}

void cache_numbers(struct cache *c, unsigned *inodes, unsigned *names)
{
    LOCKED(c);
    *inodes = c->inodes;
    *names = HASH_COUNT(c->dentries);
}

void cache_name_changed(struct cache *c, struct inode *parent, const char *name)
{
    LOCKED(c);
    inode_change(c, parent);
    struct dentry *d = dentry_find(c, parent, name);
    if (d != NULL)
        lookahead_drop(c, d, DENTRY_UNKNOWN); /* an answer in flight is not stored */
    if (parent->listing != NULL)
        listing_add(c, parent->listing, name, strlen(name), DENTRY_UNKNOWN, false); /* it may exist */
}

bool cache_qid(struct cache *c, struct inode *parent, const char *name, struct p9_qid *qid)
{
    LOCKED(c);
    const struct inode *inode = dentry_inode(c, parent, name);
    if (inode != NULL)
        *qid = inode->qid;
    return inode != NULL;
}

struct inode *cache_above(struct cache *c, struct inode *dir, char *name)
{
    LOCKED(c);
    struct inode *above = dir->names != NULL ? dir->names->parent : NULL;
    if (above != NULL) {
        above->nlookup++;
        strcpy(name, dir->names->name);
    }
    return above;
}

bool cache_name(struct cache *c, const struct inode *inode, char *name)
{
    LOCKED(c);
    bool found = inode->names != NULL && !inode->hidden;
    if (found)
        strcpy(name, inode->names->name);
    return found;
}

static size_t path_len(const struct inode *inode)
{
    size_t n = 0;

    for (; inode->names != NULL; inode = inode->names->parent)
        n += strlen(inode->names->name) + 1;
    return n;
}

char *cache_path(struct cache *c, const struct inode *inode)
{
    char *path = NULL;

    LOCKED(c);
    size_t at = inode->hidden ? 0 : path_len(inode);
    if (at > 0 && (path = malloc(at)) != NULL)
        path[--at] = 0;
    for (const struct dentry *d = inode->names; path != NULL && d != NULL; d = d->parent->names) {
        size_t n = strlen(d->name);
        memcpy(path + (at -= n), d->name, n);
        if (at > 0)
            path[--at] = '/';
    }
    return path;
}
