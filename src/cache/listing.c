/*
 * listing.c: listings of directories, and the names in them.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"

enum {
    MAX_LISTINGS = 256,
    MAX_NAMES = 100000, /* of all listings */
    MAX_PENDING = 512,  /* directories read ahead */
    LISTING_MS = 30000, /* an unused listing lasts so long: without attributes */
    SORTED_PART = 4,    /* names are sorted again once so great a part of them is new */
};

bool lookahead_start(struct cache *c, unsigned lifetime_ms)
{
    struct lookahead *la = calloc(1, sizeof *la);

    if (la == NULL || !lookahead_xattr_start(la)) {
        for (unsigned x = 0; la != NULL && x < P9_XATTRS; x++)
            free(la->xattrs[x]);
        free(la);
        return false;
    }
    la->lifetime_ms = lifetime_ms;
    pthread_cond_init(&la->arrived, NULL);
    c->lookahead = la;
    la->background = background_new(c);
    return true;
}

void lookahead_free(struct cache *c)
{
    struct lookahead *la = c->lookahead;

    if (la == NULL)
        return;
    background_free(c);
    pthread_mutex_lock(&c->mtx);
    while (la->pending != NULL)
        listing_end(c, la->pending);
    while (la->listings != NULL)
        listing_end(c, la->listings);
    c->lookahead = NULL;
    pthread_mutex_unlock(&c->mtx);
    for (unsigned x = 0; x < P9_XATTRS; x++)
        free(la->xattrs[x]);
    pthread_cond_destroy(&la->arrived);
    free(la);
}

/* ---- what was fetched ------------------------------------------------------------ */

static void unfetch(struct cache *c, struct dentry *d, enum dentry_state to)
{
    DL_DELETE2(c->lookahead->fetched, d->inode, prev_fetched, next_fetched);
    c->lookahead->nfetched--;
    d->parent->listing->fetched--;
    d->inode->fetched = NULL;
    d->state = to;
}

void lookahead_use(struct cache *c, struct dentry *d)
{
    c->lookahead->used++;
    d->parent->listing->used++;
    unfetch(c, d, DENTRY_UNKNOWN);
}

void lookahead_drop(struct cache *c, struct dentry *d, enum dentry_state to)
{
    struct inode *inode = d->inode;

    if (d->state != DENTRY_FETCHED) {
        d->state = d->listed ? to : DENTRY_UNKNOWN;
        return;
    }
    c->lookahead->wasted++;
    unfetch(c, d, to);
    if (inode->nlookup == 0)
        fid_drop_all(c, inode);
    if (inode->nlookup == 0 && inode->listing != NULL)
        listing_end(c, inode->listing);
    else
        inode_release(c, inode);
}

void lookahead_expire(struct cache *c, uint64_t now)
{
    struct lookahead *la = c->lookahead;

    while (la->fetched != NULL && la->fetched->fetched_until <= now) {
        struct dentry *d = la->fetched->fetched;
        struct listing *l = d->parent->listing;
        if (now - l->used_ms > la->lifetime_ms) /* names that are skipped are no sign of a slow reader */
            l->expired = true;
        lookahead_drop(c, d, DENTRY_LISTED);
    }
    while (la->pending != NULL && now - la->pending->asked_ms > c->lookahead->lifetime_ms)
        listing_end(c, la->pending);
    while (la->listings != NULL && now - la->listings->used_ms > LISTING_MS)
        listing_end(c, la->listings);
}

/* ---- listings ----------------------------------------------------------------------- */

struct listing *listing_of(const struct inode *dir, const struct user *user)
{
    return dir != NULL && dir->listing != NULL && dir->listing->user == user ? dir->listing : NULL;
}

struct listing *listing_by_number(const struct inode *dir, uint64_t number)
{
    return dir->listing != NULL && dir->listing->number == number ? dir->listing : NULL;
}

/* Takes it out of the list that it is in. */
static void unlist(struct lookahead *la, struct listing *l)
{
    if (l->raw != NULL) {
        DL_DELETE(la->pending, l);
        la->npending--;
    } else {
        DL_DELETE(la->listings, l);
        la->nlistings--;
    }
}

static void enlist(struct lookahead *la, struct listing *l)
{
    l->used_ms = clock_ms();
    if (l->raw != NULL) {
        DL_APPEND(la->pending, l);
        la->npending++;
    } else {
        DL_APPEND(la->listings, l);
        la->nlistings++;
    }
}

/* The kernel has the directory of the newest: it stays. */
void listing_bound(struct cache *c)
{
    while (c->lookahead->nlistings > MAX_LISTINGS)
        listing_end(c, c->lookahead->listings);
}

void listing_used(struct cache *c, struct listing *l)
{
    unlist(c->lookahead, l);
    enlist(c->lookahead, l);
}

bool listing_may_be_read(const struct cache *c, size_t others)
{
    return c->lookahead->npending + others < MAX_PENDING;
}

struct listing *listing_new(struct cache *c, struct inode *dir, struct user *user, uint64_t asked_ms,
                            struct p9_listing *raw, uint64_t asked)
{
    struct listing *l = user != NULL ? calloc(1, sizeof *l) : NULL;

    if (l == NULL)
        return NULL;
    dir->nlookup++; /* it stays while the old one ends */
    if (dir->listing != NULL)
        listing_end(c, dir->listing);
    dir->nlookup--;
    *l = (struct listing){.number = ++c->lookahead->last_number,
                          .dir = dir,
                          .user = user,
                          .asked_ms = asked_ms,
                          .raw = raw,
                          .raw_asked = asked,
                          .doubts = c->lookahead->doubts,
                          .last = &l->first,
                          .batch = 1};
    dir->listing = l;
    enlist(c->lookahead, l);
    return l;
}

void listing_end(struct cache *c, struct listing *l)
{
    struct inode *dir = l->dir;
    struct dentry *next;

    for (struct dentry *d = l->first; d != NULL; d = next) {
        next = d->next;
        lookahead_drop(c, d, DENTRY_UNKNOWN);
        d->listed = false;
        d->next = d->next_sorted = NULL;
        dentry_free_unused(c, d);
    }
    c->lookahead->nnames -= l->names;
    unlist(c->lookahead, l);
    p9_listing_free(l->raw);
    dir->listing = NULL;
    free(l);
    inode_release(c, dir);
}

struct p9_listing *listing_take_raw(struct cache *c, struct listing *l)
{
    struct p9_listing *raw = l->raw;

    unlist(c->lookahead, l);
    l->raw = NULL;
    enlist(c->lookahead, l);
    return raw;
}

void listing_add(struct cache *c, struct listing *l, const char *name, size_t n, enum dentry_state state, bool is_dir)
{
    struct dentry *d = c->lookahead->nnames < MAX_NAMES ? dentry_get(c, l->dir, name, n) : NULL;

    if (d == NULL) {
        l->partial = true;
        l->whole = false;
        return;
    }
    if (d->listed)
        return;
    d->listed = true;
    d->state = state;
    if (d->inode == NULL)
        d->is_dir = is_dir;
    *l->last = d;
    l->last = &d->next;
    l->names++;
    l->unsorted++;
    c->lookahead->nnames++;
}

int listing_add_entries(struct cache *c, struct listing *l, const uint8_t *buf, size_t len, uint64_t *next)
{
    struct p9_dirent de;
    struct p9_attr attr;
    int n = 0;

    for (size_t at = 0, used; at < len; at += used, n++) {
        used = p9_next_dirent(c->client, buf + at, len - at, *next, &de, &attr);
        if (used == 0) {
            l->partial = true;
            return -1;
        }
        *next = de.offset;
        if (de.name.len > 0 && !p9_str_eq(de.name, ".") && !p9_str_eq(de.name, ".."))
            listing_add(c, l, de.name.s, de.name.len, DENTRY_LISTED, (de.qid.type & P9_QTDIR) != 0);
    }
    return n;
}

struct dentry *listing_find(struct cache *c, const struct listing *l, const char *name)
{
    struct dentry *d = l != NULL ? dentry_find(c, l->dir, name) : NULL;

    return d != NULL && d->listed ? d : NULL;
}

static int by_name(const void *x, const void *y)
{
    struct dentry *const *a = x, *const *b = y;

    return strcmp((*a)->name, (*b)->name);
}

void listing_sort(struct listing *l)
{
    size_t n = l->names, i = 0;

    if (l->sorted && l->unsorted <= n / SORTED_PART)
        return;
    struct dentry **all = calloc(n, sizeof(struct dentry *)), *d;
    if (all == NULL)
        return;
    LL_FOREACH(l->first, d)
    {
        all[i++] = d;
    }
    qsort(all, n, sizeof(struct dentry *), by_name);
    for (i = 0; i < n; i++)
        all[i]->next_sorted = i + 1 < n ? all[i + 1] : NULL;
    free(all);
    l->sorted = true;
    l->unsorted = 0;
}
