/*
 * lookahead_impl.h: what the files of lookahead share, with cache->mtx held.
 */
#ifndef LOOKAHEAD_IMPL_H
#define LOOKAHEAD_IMPL_H

#include "cache/impl.h"
#include "cache/lookahead.h"

enum {
    LOOKAHEAD_BATCH = 1024,      /* names asked for at once, at most */
    FULL_BATCH = 32,             /* that are worth it wherever the server is */
    LOOKAHEAD_FIRST_BATCH = 128, /* where a whole tree is walked */
};

/* The last listing of a directory: which names it has, in which order, and how they are looked
 * up. It keeps the directory's inode. */
struct listing {
    struct listing *prev, *next; /* in lookahead's `pending` or `listings` */
    uint64_t number;
    struct inode *dir;
    struct user *user; /* who listed it: fetched attributes are for his lookups alone */
    uint64_t asked_ms, used_ms;
    unsigned doubts;     /* lookahead's when it began */
    bool partial, whole; /* a name may be missing; else, at the end, none is */
    bool made;           /* the directory is new, and ours */
    bool refreshing;     /* it is being read again */
    bool denied;         /* a name was answered to be absent since that was done last */
    unsigned missed;     /* unknown names asked for when it was too old */

    struct dentry *first, **last; /* in the directory's order */
    unsigned names;
    bool sorted;                  /* next_sorted holds, */
    unsigned unsorted;            /* but for so many names, which came since */
    struct dentry *looked;        /* the last one looked up */
    unsigned in_order, in_sorted; /* how often the next one was the one behind it */
    unsigned files, dirs;         /* looked up */

    unsigned in_flight, fetched; /* names */
    unsigned batch;              /* size of the next batch, */
    unsigned size, used;         /* of the last one, and how many of it were used */
    bool expired, slow;          /* some of the last batch expired unused; of any batch */
    bool expects;                /* its names are likely to be looked up */
    bool going_on;               /* the next batch is fetched while the last is used up */
    struct p9_xattrs xattrs;     /* to ask for as well */
    unsigned nxattrs;            /* of one name, at most */

    struct p9_listing *raw; /* of a directory that was read ahead, until it is opened: `pending` */
    uint64_t raw_asked;     /* the version that goes with it */
    unsigned opened;        /* directories in it that were opened lately, */
    uint64_t opened_ms;     /* the last of them */
    struct dentry *file;    /* the file that was opened last, */
    unsigned in_turn;       /* and how many in turn before it */
};

struct lookahead {
    unsigned lifetime_ms;     /* of what is fetched */
    struct listing *listings; /* the one that was not used for longest first */
    struct listing *pending;  /* the oldest first */
    unsigned nlistings, npending, nnames;
    uint32_t nbatches; /* so far */
    uint64_t last_number;
    unsigned doubts;
    struct inode *fetched; /* the oldest first */
    unsigned nfetched;
    unsigned wasted, used;   /* of what was fetched */
    pthread_cond_t arrived;  /* something in flight did, or failed */
    char *xattrs[P9_XATTRS]; /* names by their numbers */
    struct background *background;
    bool stop; /* what is in the background is to end */
};

/* ---- listing.c --------------------------------------------------------------- */

bool lookahead_start(struct cache *c, unsigned lifetime_ms);
void lookahead_free(struct cache *c);
/* dir's listing by user; NULL. */
struct listing *listing_of(const struct inode *dir, const struct user *user);
/* dir's listing if it still is that; NULL. */
struct listing *listing_by_number(const struct inode *dir, uint64_t number);
/* A new one in place of the old, asked for at clock_ms() `asked_ms`. raw, which may be NULL, is
 * what was read ahead of the directory, when cache->version was `asked`. NULL without memory:
 * raw is the caller's then. */
struct listing *listing_new(struct cache *c, struct inode *dir, struct user *user, uint64_t asked_ms,
                            struct p9_listing *raw, uint64_t asked);
/* Whether there is room for one that was read ahead, beside so many others in flight. */
bool listing_may_be_read(const struct cache *c, size_t others);
void listing_end(struct cache *c, struct listing *l);
/* The name is in it, in that state if it was not yet. */
void listing_add(struct cache *c, struct listing *l, const char *name, size_t n, enum dentry_state state, bool is_dir);
/* What was read ahead of its directory, the caller's. */
struct p9_listing *listing_take_raw(struct cache *c, struct listing *l);
/* Ends the oldest where there are too many. */
void listing_bound(struct cache *c);
/* The names of entries that p9_readdir gave, from the cookie *next on, which moves behind them.
 * How many entries there are; -1: they are malformed, and no names are known to be missing. */
int listing_add_entries(struct cache *c, struct listing *l, const uint8_t *buf, size_t len, uint64_t *next);
void listing_used(struct cache *c, struct listing *l);
/* So that next_sorted holds, for most names. */
void listing_sort(struct listing *l);
/* The dentry of a name in it; NULL. */
struct dentry *listing_find(struct cache *c, const struct listing *l, const char *name);
/* A listed name gets that state; what was fetched for it is dropped. */
void lookahead_drop(struct cache *c, struct dentry *d, enum dentry_state to);
/* The same for what is taken: it was of use. */
void lookahead_use(struct cache *c, struct dentry *d);
/* What expired goes. */
void lookahead_expire(struct cache *c, uint64_t now);

/* ---- fetch.c --------------------------------------------------------------------- */

/* Who asks, and the fid of the directory, walked when cache->renames was `walked`. */
struct asker {
    struct p9_scope *sc;
    struct p9_fid *dirfid;
    uint64_t walked;
    bool known_dirs; /* only their listings are wanted: the kernel has the names */
};
/* Fetches `wanted`, and names likely to be next. Gives the lock up meanwhile: the listing may be
 * gone. */
void lookahead_fetch(struct cache *c, const struct asker *by, struct listing *l, struct dentry *wanted);
/* Fetches and reads directories that the kernel knows already, from `first` on. The same. */
void lookahead_fetch_known_dirs(struct cache *c, const struct asker *by, struct listing *l, struct dentry *first);
/* Who uses up one batch will want the next: it is asked for before he waits for it. */
void lookahead_go_on(struct cache *c, struct listing *l, const struct asker *by);

/* ---- background.c ----------------------------------------------------------------- */

/* Something to be asked while nobody waits. */
struct job {
    struct job *next;
    void (*run)(struct cache *c, const struct job *job); /* with the lock, but while it asks */
    struct inode *dir;                                   /* one reference */
    uint64_t listing;                                    /* its number */
    struct p9_fid *fid;                                  /* the directory's, */
    uint64_t walked;                                     /* and the renames that go with it */
};
/* NULL without memory. */
struct background *background_new(struct cache *c);
/* Waits for what is in flight. Without the lock. */
void background_free(struct cache *c);
/* False: it will not be done. */
bool background_do(struct cache *c, const struct job *job);

/* ---- refresh.c, lookahead_xattr.c ----------------------------------------------------- */

void listing_refresh(struct cache *c, const struct job *job);
/* A directory that was asked for its extended attributes just before it is listed: ls -l goes on
 * with what is in it. */
void listing_expect_usual_xattrs(struct cache *c, struct listing *l);
bool lookahead_xattr_start(struct lookahead *la);

#endif
