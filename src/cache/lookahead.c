/*
 * lookahead.c: lookups of names that were listed lately.
 */
#include "base/thread.h"
#include "cache/lookahead_impl.h"

enum {
    POLL_MS = 50,      /* an interrupt is seen so soon */
    ENOUGH_MISSES = 2, /* unknown names asked for, where none was answered to be absent before */
    MOST_NAMES = 5000, /* a larger directory is not read again */
};

/* In which order names are looked up: a shell sorts them, ls -l asks as it reads. */
static void note_order(struct listing *l, struct dentry *d)
{
    struct dentry *before = l->looked;

    *(d->is_dir ? &l->dirs : &l->files) += 1;
    l->looked = d;
    if (before == NULL || before == d)
        return;
    if (before->next == d) {
        l->in_order++;
        return;
    }
    listing_sort(l);
    l->in_sorted += before->next_sorted == d;
}

/* Waits for what another thread asks for. With the lock. */
static void wait_a_little(struct cache *c)
{
    thread_wait_ms(&c->lookahead->arrived, &c->mtx, POLL_MS);
}

/* How long the name and the attributes that were fetched hold, milliseconds. */
static unsigned fetched_left(const struct inode *inode, uint64_t now)
{
    uint64_t until = inode->fetched_until < inode->attr_until ? inode->fetched_until : inode->attr_until;

    return until > now ? (unsigned)(until - now) : 0;
}

/* Answers a lookup with what was fetched, if that still holds. */
static bool take(struct cache *c, const struct asker *by, struct listing *l, struct dentry *d,
                 struct lookahead_found *found)
{
    uint64_t now = clock_ms();

    listing_used(c, l);
    if (d->state != DENTRY_FETCHED)
        return false;
    if (fetched_left(d->inode, now) == 0) {
        lookahead_drop(c, d, DENTRY_UNKNOWN);
        return false;
    }
    struct inode *inode = d->inode;
    *found = (struct lookahead_found){.inode = inode, .attr = inode->attr, .left_ms = fetched_left(inode, now)};
    inode->nlookup++;
    lookahead_use(c, d);
    inode_announce(c, inode, &found->attr);
    lookahead_go_on(c, l, by);
    return true;
}

bool lookahead_look(struct cache *c, struct p9_scope *sc, const struct use *u, const char *name,
                    struct lookahead_found *found)
{
    const struct asker by = {.sc = sc, .dirfid = u->fid, .walked = u->walked};

    if (c->lookahead == NULL)
        return false;
    LOCKED(c);
    bool waited = false;
    uint64_t now = clock_ms();
    struct listing *l = listing_of(u->inode, u->user);
    struct dentry *d = listing_find(c, l, name);
    if (d != NULL && d->state == DENTRY_FETCHED && d->inode->fetched_until <= now) {
        lookahead_drop(c, d, DENTRY_LISTED);
        l->expired = true;
    }
    lookahead_expire(c, now);
    l = listing_of(u->inode, u->user);
    d = listing_find(c, l, name);
    if (d != NULL)
        note_order(l, d);
    if (d != NULL && d->state == DENTRY_LISTED) {
        waited = true;
        lookahead_fetch(c, &by, l, d);
        d = listing_find(c, listing_of(u->inode, u->user), name);
    }
    while (d != NULL && d->state == DENTRY_IN_FLIGHT && (sc == NULL || !sc->interrupted)) {
        waited = true;
        wait_a_little(c);
        d = listing_find(c, listing_of(u->inode, u->user), name);
    }
    bool there = d != NULL && take(c, &by, u->inode->listing, d, found);
    if (there)
        found->waited = waited;
    return there;
}

bool lookahead_take(struct cache *c, const struct use *u, const char *name, struct lookahead_found *found)
{
    const struct asker by = {.dirfid = u->fid, .walked = u->walked};

    LOCKED(c);
    struct listing *l = listing_of(u->inode, u->user);
    struct dentry *d = listing_find(c, l, name);
    bool there = d != NULL && d->state == DENTRY_FETCHED && fetched_left(d->inode, clock_ms()) > 0;
    if (there) {
        note_order(l, d);
        there = take(c, &by, l, d, found);
    }
    return there;
}

static bool is_worth_refreshing(const struct cache *c, struct listing *l)
{
    return l->whole && l->doubts == c->lookahead->doubts && l->raw == NULL && !l->refreshing &&
           clock_ms() - l->asked_ms >= c->lookahead->lifetime_ms && l->names <= MOST_NAMES &&
           (l->denied || ++l->missed >= ENOUGH_MISSES);
}

void lookahead_missed(struct cache *c, const struct use *u, const char *name)
{
    LOCKED(c);
    struct listing *l = listing_of(u->inode, u->user);
    const struct job job = {.run = listing_refresh,
                            .dir = u->inode,
                            .listing = l != NULL ? l->number : 0,
                            .fid = u->fid,
                            .walked = u->walked};
    if (l != NULL && listing_find(c, l, name) == NULL && is_worth_refreshing(c, l) && background_do(c, &job)) {
        l->refreshing = true;
        l->denied = false;
        l->missed = 0;
    }
}

void lookahead_read_on(struct cache *c, struct p9_scope *sc, const struct use *u, const char *name)
{
    LOCKED(c);
    struct listing *l = listing_of(u->inode, u->user);
    struct dentry *d = listing_find(c, l, name);
    if (d != NULL)
        lookahead_fetch_known_dirs(c, &(struct asker){sc, u->fid, u->walked, true}, l, d);
}
