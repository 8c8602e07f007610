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
    LISTING_MS = 30000, /* a listing that was not used for so long goes: its names alone last so long */
    OPENED_MS = 10000,  /* directories opened at longer intervals are no sign that a tree is walked */
    SORTED_PART = 4,    /* names are sorted again once so great a part of them is new */
};

bool lookahead_start(struct cache *c, unsigned lifetime_ms)
{
    struct lookahead *la = calloc(1, sizeof *la);

    if (la == NULL || !lookahead_xattr_start(la)) {
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

    while (la->fetched != NULL && la->fetched->attr_until <= now) {
        struct dentry *d = la->fetched->fetched;
        d->parent->listing->expired = true;
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
static void bound(struct cache *c)
{
    while (c->lookahead->nlistings > MAX_LISTINGS)
        listing_end(c, c->lookahead->listings);
}

void listing_used(struct cache *c, struct listing *l)
{
    unlist(c->lookahead, l);
    enlist(c->lookahead, l);
}

bool listing_may_be_read(const struct cache *c)
{
    return c->lookahead->npending < MAX_PENDING;
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

/* ---- listing a directory -------------------------------------------------------------- */

/* Whether directories in it are opened one after the other. */
static bool is_walked(const struct listing *l)
{
    return l != NULL && l->opened > 0 && clock_ms() - l->opened_ms < OPENED_MS;
}

static struct listing *listing_above(const struct listing *l)
{
    return listing_of(l->dir->names != NULL ? l->dir->names->parent : NULL, l->user);
}

/* What is in it is likely to be treated as what is in the directory above. */
static void inherit(struct cache *c, struct listing *l)
{
    const struct listing *above = listing_above(l);

    if (!is_walked(above)) {
        listing_expect_usual_xattrs(c, l);
        return;
    }
    l->opened = above->opened;
    l->opened_ms = above->opened_ms;
    l->batch = LOOKAHEAD_FIRST_BATCH;
    l->expects = above->expects || above->files > 0;
    l->xattrs = above->xattrs;
    l->nxattrs = above->nxattrs;
}

static struct listing *begin(struct cache *c, struct inode *dir, struct user *user, uint64_t asked_ms)
{
    if (c->lookahead == NULL)
        return NULL;
    lookahead_expire(c, clock_ms());
    struct listing *l = listing_new(c, dir, user, asked_ms, NULL, 0);
    if (l != NULL)
        inherit(c, l);
    bound(c);
    return l;
}

uint64_t lookahead_begin(struct cache *c, struct inode *dir, struct user *user, uint64_t asked, uint64_t asked_ms)
{
    uint64_t number = 0;

    pthread_mutex_lock(&c->mtx);
    struct listing *l = begin(c, dir, user, asked_ms);
    if (l != NULL) {
        l->partial = dir->names_version > asked;
        number = l->number;
    }
    pthread_mutex_unlock(&c->mtx);
    return number;
}

void lookahead_made(struct cache *c, struct inode *dir, struct user *user, uint64_t asked_ms)
{
    pthread_mutex_lock(&c->mtx);
    struct listing *l = begin(c, dir, user, asked_ms);
    if (l != NULL)
        l->whole = l->made = true;
    pthread_mutex_unlock(&c->mtx);
}

void lookahead_name(struct cache *c, struct inode *dir, uint64_t listing, struct p9_str name, bool is_dir)
{
    pthread_mutex_lock(&c->mtx);
    struct listing *l = listing_by_number(dir, listing);
    if (l != NULL) {
        listing_add(c, l, name.s, name.len, DENTRY_LISTED, is_dir);
        listing_used(c, l);
    }
    pthread_mutex_unlock(&c->mtx);
}

void lookahead_end(struct cache *c, struct inode *dir, uint64_t listing)
{
    pthread_mutex_lock(&c->mtx);
    struct listing *l = listing_by_number(dir, listing);
    if (l != NULL)
        l->whole = !l->partial;
    pthread_mutex_unlock(&c->mtx);
}

void lookahead_doubt(struct cache *c)
{
    pthread_mutex_lock(&c->mtx);
    if (c->lookahead != NULL)
        c->lookahead->doubts++;
    pthread_mutex_unlock(&c->mtx);
}

static bool lacks(struct cache *c, const struct listing *l, const char *name)
{
    if (!l->whole || l->doubts != c->lookahead->doubts || clock_ms() - l->asked_ms >= c->lookahead->lifetime_ms ||
        (!l->made && name[0] == '.'))
        return false;
    for (const char *s = name; *s != 0; s++)
        if ((unsigned char)*s >= 128)
            return false;
    return strlen(name) <= P9_MAXNAME && !dentry_is_listed(c, l->dir, name);
}

bool lookahead_absent(struct cache *c, struct inode *dir, struct user *user, const char *name)
{
    pthread_mutex_lock(&c->mtx);
    struct listing *l = listing_of(dir, user);
    bool absent = l != NULL && lacks(c, l, name);
    if (absent) {
        listing_used(c, l);
        l->denied = true;
    }
    pthread_mutex_unlock(&c->mtx);
    return absent;
}

bool lookahead_has_some(struct cache *c, const struct inode *dir, const struct user *user)
{
    pthread_mutex_lock(&c->mtx);
    const struct listing *l = listing_of(dir, user);
    bool some = l != NULL && l->fetched > 0;
    pthread_mutex_unlock(&c->mtx);
    return some;
}

bool lookahead_expects(struct cache *c, const struct inode *dir, const struct user *user)
{
    pthread_mutex_lock(&c->mtx);
    const struct listing *l = listing_of(dir, user);
    bool expects = l != NULL && l->expects;
    pthread_mutex_unlock(&c->mtx);
    return expects;
}

/* ---- directories read ahead ---------------------------------------------------------------- */

bool lookahead_lags(struct cache *c, struct inode *dir, struct user *user)
{
    pthread_mutex_lock(&c->mtx);
    const struct listing *l = listing_of(dir, user);
    const struct listing *above = listing_of(dir->names != NULL ? dir->names->parent : NULL, user);
    bool lags = is_walked(above) && above->opened > 1 && (l == NULL || l->raw == NULL);
    pthread_mutex_unlock(&c->mtx);
    return lags;
}

struct p9_listing *lookahead_open(struct cache *c, struct inode *dir, struct user *user, uint64_t *asked,
                                  uint64_t *number)
{
    struct p9_listing *raw = NULL;

    pthread_mutex_lock(&c->mtx);
    struct listing *l = listing_of(dir, user);
    struct listing *above = listing_of(dir->names != NULL ? dir->names->parent : NULL, user);
    uint64_t now = clock_ms();
    if (above != NULL) {
        above->opened = is_walked(above) ? above->opened + 1 : 1;
        above->opened_ms = now;
    }
    if (l != NULL && l->raw != NULL) {
        bool good = now - l->asked_ms < c->lookahead->lifetime_ms && dir->names_version <= l->raw_asked;
        if (good) {
            unlist(c->lookahead, l);
            raw = l->raw;
            l->raw = NULL;
            enlist(c->lookahead, l);
            inherit(c, l);
            *asked = l->raw_asked;
            *number = l->number;
            bound(c);
        } else {
            listing_end(c, l);
        }
    }
    pthread_mutex_unlock(&c->mtx);
    return raw;
}
