/*
 * identity.c: which names lead to the same inode, and which number is its own.
 *
 * qid.path is unique by the protocol, but a server that exports several devices repeats it. Names
 * of a file share an inode where qid.path and attributes agree, until a directory is found at two
 * paths at once: such a place has numbers of its own below it, and no names share an inode from
 * then on. 9P2000.u does not tell the number of links: names share none there, but a change by one
 * name makes what is cached of the others stale.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cache/lookahead_impl.h"

enum {
    MOST_TWINS = 1024, /* beyond them the server's numbers mean nothing */
    MOST_PLACES = 1024,
};

struct place {
    struct place *next;
    uint32_t in_space, space; /* of the directory it is in, and of what is below it */
    uint64_t in;              /* that directory's qid.path */
    char name[];
};

/* ---- the index by qid.path ----------------------------------------------------- */

static struct inode *find(const struct cache *c, uint64_t qid_path)
{
    struct inode *inode;

    HASH_FIND(hh, c->by_qid, &qid_path, sizeof qid_path, inode);
    return inode;
}

/* Not every dialect tells the number of names. */
void identity_index(struct cache *c, struct inode *inode, const struct p9_attr *attr)
{
    if (inode->twin_next != NULL || (!S_ISDIR(attr->mode) && attr->nlink < 2 && p9_counts_links(c->client)))
        return;
    struct inode *other = find(c, inode->qid.path);
    if (other == NULL) {
        HASH_ADD(hh, c->by_qid, qid.path, sizeof inode->qid.path, inode);
        if (inode->hh.tbl != NULL)
            inode->twin_prev = inode->twin_next = inode;
        return;
    }
    inode->twin_prev = other;
    inode->twin_next = other->twin_next;
    inode->twin_next->twin_prev = inode;
    other->twin_next = inode;
}

void identity_unindex(struct cache *c, struct inode *inode)
{
    struct inode *next = inode->twin_next;

    if (next == NULL)
        return;
    if (find(c, inode->qid.path) == inode) {
        if (next != inode)
            HASH_TAKE_PLACE(c->by_qid, inode, &next->qid.path, sizeof next->qid.path, next);
        else
            HASH_DEL(c->by_qid, inode);
    }
    inode->twin_prev->twin_next = next;
    next->twin_prev = inode->twin_prev;
    inode->twin_prev = inode->twin_next = NULL;
}

static void add_stale(struct cache *c, struct inode *inode)
{
    if (inode->is_stale || inode->nlookup == 0)
        return;
    inode->is_stale = true;
    inode->nlookup++;
    LL_PREPEND2(c->stale, inode, next_stale);
    atomic_store(&c->has_stale, true);
}

void identity_expire_twins(struct cache *c, struct inode *inode)
{
    unsigned n = 0;

    for (struct inode *twin = inode->twin_next; twin != NULL && twin != inode && n++ < MOST_TWINS;
         twin = twin->twin_next) {
        if (!qid_same_file(&twin->qid, &inode->qid) || (twin->qid.type & P9_QTDIR))
            continue;
        inode_expire(c, twin);
        twin->changed = true;
        add_stale(c, twin);
    }
}

struct inode *cache_next_stale(struct cache *c)
{
    LOCKED(c);
    struct inode *inode = c->stale;
    if (inode != NULL) {
        c->stale = inode->next_stale;
        inode->is_stale = false;
    } else { /* and the kernel was notified of all */
        atomic_store(&c->has_stale, false);
    }
    return inode;
}

/* ---- several names of a file ------------------------------------------------------ */

static bool agrees(const struct inode *inode, const struct p9_attr *attr)
{
    return same_times_and_size(&inode->attr, attr) && inode->attr.nlink == attr->nlink;
}

/* An inode with this qid, of a file with several names, one of which we know. */
static struct inode *find_same(const struct cache *c, const struct p9_attr *attr)
{
    if (S_ISDIR(attr->mode) || attr->nlink < 2 || c->places != NULL)
        return NULL;
    struct inode *inode = find(c, attr->qid.path), *first = inode;
    while (inode != NULL && !qid_same_file(&inode->qid, &attr->qid))
        inode = inode->twin_next != first ? inode->twin_next : NULL;
    return inode;
}

struct inode *identity_find(const struct cache *c, const struct p9_attr *attr)
{
    struct inode *inode = find_same(c, attr);

    return inode != NULL && agrees(inode, attr) ? inode : NULL;
}

struct inode *cache_outdated_twin(struct cache *c, const struct p9_attr *attr)
{
    LOCKED(c);
    struct inode *inode = find_same(c, attr);
    if (inode != NULL && agrees(inode, attr))
        inode = NULL;
    if (inode != NULL)
        inode->nlookup++;
    return inode;
}

/* ---- places where qid.path begins anew ---------------------------------------------- */

uint32_t identity_space(const struct cache *c, const struct inode *parent, const char *name, bool is_dir)
{
    const struct place *p = is_dir ? c->places : NULL;

    while (p != NULL && (p->in_space != parent->space || p->in != parent->qid.path || strcmp(p->name, name) != 0))
        p = p->next;
    return p != NULL ? p->space : parent->space;
}

/* Whether a server that takes upper and lower case, or ways to write a character, for the same may
 * mean one directory by both. */
static bool may_be_spellings(const char *a, const char *b)
{
    bool plain = true;

    for (const char *s = a; *s != 0; s++)
        plain = plain && (unsigned char)*s < 0x80;
    for (const char *s = b; *s != 0; s++)
        plain = plain && (unsigned char)*s < 0x80;
    return !plain || strcasecmp(a, b) == 0;
}

static bool is_other_place(const struct cache *c, const struct inode *inode, const struct inode *known,
                           const struct p9_attr *attr, uint32_t space)
{
    return inode->space == space && qid_same_file(&inode->qid, &attr->qid) && inode != known &&
           (inode->names != NULL || inode == &c->root);
}

struct inode *cache_other_place(struct cache *c, struct inode *parent, const char *name, const struct p9_attr *attr)
{
    struct inode *found = NULL;

    LOCKED(c);
    const struct inode *known = dentry_inode(c, parent, name);
    uint32_t space = identity_space(c, parent, name, true);
    unsigned n = 0;
    struct inode *first = find(c, attr->qid.path), *inode = first;
    if (is_other_place(c, &c->root, known, attr, space))
        found = &c->root;
    while (inode != NULL && found == NULL && n++ < MOST_TWINS) {
        found = is_other_place(c, inode, known, attr, space) ? inode : NULL;
        inode = inode->twin_next != first ? inode->twin_next : NULL;
    }
    const struct dentry *other = found != NULL ? found->names : NULL;
    if (c->nplaces == MOST_PLACES || (other != NULL && other->parent == parent && may_be_spellings(other->name, name)))
        found = NULL;
    if (found != NULL)
        found->nlookup++;
    return found;
}

void cache_add_place(struct cache *c, const struct inode *parent, const char *name)
{
    size_t n = strlen(name) + 1;
    struct place *p = malloc(sizeof *p + n);

    pthread_mutex_lock(&c->mtx);
    if (p != NULL && c->nplaces < MOST_PLACES && identity_space(c, parent, name, true) == parent->space) {
        *p = (struct place){.in_space = parent->space, .in = parent->qid.path, .space = ++c->nplaces};
        memcpy(p->name, name, n);
        LL_PREPEND(c->places, p);
        p = NULL;
    }
    pthread_mutex_unlock(&c->mtx);
    free(p);
}

void cache_cut(struct cache *c, struct inode *dir, uint64_t renames)
{
    LOCKED(c);
    if (dir->names != NULL && c->moving == 0 && c->renames == renames)
        dentry_cut(c, dir->names);
}

void identity_free(struct cache *c)
{
    HASH_CLEAR(hh, c->by_qid);
    for (struct place *p; (p = c->places) != NULL;) {
        c->places = p->next;
        free(p);
    }
}
