/*
 * lookahead_dir.c: what reading a directory tells: its names, and that it has no others.
 */
#include <string.h>

#include "cache/lookahead_impl.h"

/* Directories opened at longer intervals are no sign that a tree is walked. */
enum { OPENED_MS = 10000 };

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
    listing_bound(c);
    return l;
}

uint64_t lookahead_begin(struct cache *c, struct inode *dir, struct user *user, uint64_t asked, uint64_t asked_ms)
{
    uint64_t number = 0;

    LOCKED(c);
    struct listing *l = begin(c, dir, user, asked_ms);
    if (l != NULL) {
        l->partial = dir->names_version > asked;
        number = l->number;
    }
    return number;
}

void lookahead_made(struct cache *c, struct inode *dir, struct user *user, uint64_t asked_ms)
{
    LOCKED(c);
    struct listing *l = begin(c, dir, user, asked_ms);
    if (l != NULL)
        l->whole = l->made = true;
}

void lookahead_entries(struct cache *c, struct inode *dir, uint64_t listing, const uint8_t *buf, uint32_t len,
                       uint64_t next)
{
    LOCKED(c);
    struct listing *l = listing_by_number(dir, listing);
    if (l == NULL)
        return;
    listing_add_entries(c, l, buf, len, &next);
    listing_used(c, l);
}

void lookahead_end(struct cache *c, struct inode *dir, uint64_t listing)
{
    LOCKED(c);
    struct listing *l = listing_by_number(dir, listing);
    if (l != NULL)
        l->whole = !l->partial;
}

void lookahead_doubt(struct cache *c)
{
    LOCKED(c);
    if (c->lookahead != NULL)
        c->lookahead->doubts++;
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
    LOCKED(c);
    struct listing *l = listing_of(dir, user);
    bool absent = l != NULL && lacks(c, l, name);
    if (absent) {
        listing_used(c, l);
        l->denied = true;
    }
    return absent;
}

bool lookahead_has_some(struct cache *c, const struct inode *dir, const struct user *user)
{
    LOCKED(c);
    const struct listing *l = listing_of(dir, user);
    return l != NULL && l->fetched > 0;
}

bool lookahead_expects(struct cache *c, const struct inode *dir, const struct user *user)
{
    LOCKED(c);
    const struct listing *l = listing_of(dir, user);
    return l != NULL && l->expects;
}

/* ---- directories read ahead ---------------------------------------------------------------- */

bool lookahead_lags(struct cache *c, struct inode *dir, struct user *user)
{
    LOCKED(c);
    const struct listing *l = listing_of(dir, user);
    const struct listing *above = listing_of(dir->names != NULL ? dir->names->parent : NULL, user);
    return is_walked(above) && above->opened > 1 && (l == NULL || l->raw == NULL);
}

struct p9_listing *lookahead_open(struct cache *c, struct inode *dir, struct user *user, uint64_t *asked,
                                  uint64_t *number)
{
    struct p9_listing *raw = NULL;

    LOCKED(c);
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
            raw = listing_take_raw(c, l);
            inherit(c, l);
            *asked = l->raw_asked;
            *number = l->number;
            listing_bound(c);
        } else {
            listing_end(c, l);
        }
    }
    return raw;
}
