/*
 * lookahead_impl.h: what the files of ahead share: listings and their names. Only ahead*.c include this.
 *
 * A listing is known by its directory (`listings`), or, of a directory that was read ahead, hangs on the entry that it has
 * in the listing above (`below`), then on what is kept until that directory is opened (`kept`).
 */
#ifndef LOOKAHEAD_IMPL_H
#define LOOKAHEAD_IMPL_H

#include <uthash.h>
#include <utlist.h>

#include "cache/lookahead.h"

enum {
    LOOKAHEAD_BATCH = 1024,      /* names asked for at once, at most */
    FULL_BATCH = 32,             /* that are worth it wherever the server is */
    LOOKAHEAD_FIRST_BATCH = 128, /* where a whole tree is gone through */
};

enum state { UNASKED, ASKED, THERE, GONE };

struct entry {
    UT_hash_handle hh, folded; /* by name, and by that in lower case */
    enum state state;
    bool is_dir;
    struct entry *next, *next_sorted; /* in the order of the listing, and of the names */
    /* When it is there: */
    struct p9_attr attr;
    struct p9_fid *fid;
    bool open; /* to read */
    int lacks[P9_XATTRS];
    struct listing *below;
    uint64_t walked;   /* the tree's clock then */
    uint64_t content;  /* cache_content_of when it was asked for */
    uint64_t snapshot; /* cache_all_changes then */
    uint64_t asked_ms;
    uint64_t opened_ms; /* when it was last opened ahead, whatever became of it; 0: never */
    char name[];        /* and after its end the same in lower case */
};

struct listing {
    struct listing *next;
    uint64_t number;
    struct inode *dir; /* one reference; NULL: of a directory that the kernel does not know yet */
    struct user *user;
    struct p9_listing *raw;                       /* of one read ahead */
    struct entry *names, *folded, *first, **last; /* hashes, and in order */
    struct entry *looked;                         /* the last that was looked at */
    bool sorted;                                  /* next_sorted holds, */
    unsigned unsorted;                            /* but for so many names, which came since */
    unsigned in_order, in_sorted;                 /* how often the next look was at the next one */
    unsigned held;                                /* entries that are there */
    unsigned batch, taken;                        /* size of the next batch; what was of use since the last */
    unsigned size;                                /* of the last */
    bool expired, slow;                           /* of the last batch something came to nothing; of any */
    unsigned asking;                              /* of its names, under way */
    uint64_t used_ms, asked_ms;
    bool partial, whole;     /* a name may be missing; else, at the end, none is */
    bool made;               /* by us */
    bool expects;            /* what is in it is likely to be looked at */
    bool refreshing;         /* its directory is being read again */
    bool going_on;           /* the next batch is being asked for while the last one is used up */
    bool denied;             /* a name was said not to be there since that was done last */
    unsigned missed;         /* names asked for that were not known, when it was too old */
    struct p9_xattrs xattrs; /* to ask for, too */
    unsigned nxattrs;        /* of one entry, at most */
    unsigned files, dirs;    /* looked at */
    unsigned opened;         /* directories in it that were opened lately */
    uint64_t opened_ms;      /* the last of them */
    struct entry *file;      /* the file that was opened last */
    unsigned in_turn;        /* how many were opened one after the other before it */
    bool dropped;            /* to be freed by the last who asks */
};

/* A directory read ahead, known to the kernel by now, but not opened yet. */
struct kept {
    struct kept *prev, *next;
    struct inode *dir; /* one reference */
    struct user *user;
    struct listing *below;
    uint64_t changes;
};

struct lookahead {
    struct cache *cache;
    unsigned lifetime_ms;
    pthread_mutex_t mtx;
    struct listing *listings; /* the newest first */
    uint64_t last_number;
    char *xattrs[P9_XATTRS]; /* by their numbers */
    struct kept *kept;       /* the oldest first */
    unsigned nkept, nlistings, nnames;
    struct background *background;
    bool stop;              /* what is in the background is to end */
    pthread_cond_t arrived; /* what was asked for came, or did not */
    unsigned held;          /* fids */
    unsigned open;          /* of them */
    unsigned lost, taken;   /* of what came ahead: nobody came for it in time; somebody did */
};

/* ---- lookahead_background.c ------------------------------------------------- */

/* Something to be asked while nobody waits. */
struct lookahead_job {
    struct lookahead_job *next;
    void (*run)(struct lookahead *a,
                const struct lookahead_job *job); /* with the lock, which it gives up while it asks */
    struct p9_fid *dir;
    uint64_t walked;  /* the tree's clock that goes with that */
    uint64_t listing; /* its number */
};
/* NULL without memory. */
struct background *background_new(struct lookahead *a);
/* Waits for what is under way. Before the tree's end. */
void background_free(struct lookahead *a);
/* Has that done soon. With the lock. False: it will not be. */
bool lookahead_background(struct lookahead *a, const struct listing *l, struct p9_fid *dir, uint64_t walked,
                          void (*run)(struct lookahead *a, const struct lookahead_job *job));

/* ---- the others, all with the lock -------------------------------------- */

struct listing *lookahead_by_number(struct lookahead *a, uint64_t number);

struct listing *lookahead_listing_of(struct lookahead *a, const struct inode *dir, const struct user *user);
/* A listing that hangs on nothing yet; NULL without memory. */
struct listing *lookahead_listing_new(struct user *user, uint64_t asked_ms);
/* Ends one that is in no list: frees it, or leaves that to the last who asks. */
void lookahead_listing_end(struct lookahead *a, struct listing *l);
void lookahead_add_name(struct lookahead *a, struct listing *l, const char *name, size_t n, enum state state,
                        bool is_dir);
/* A directory of the kernel's whose listing was read, which is taken, when the count of changes was that, or later. */
void lookahead_add_kept(struct lookahead *a, struct inode *dir, struct user *user, struct listing *below,
                        uint64_t changes);
/* So that next_sorted holds, for most names. */
void lookahead_sort(struct listing *l);
/* What the entry holds is put, and it is in that state. */
void lookahead_let_go(struct lookahead *a, struct listing *l, struct entry *e, enum state to);
bool lookahead_is_fresh(const struct lookahead *a, const struct entry *e, uint64_t now);
/* Nobody looked at these for long: they go. */
void lookahead_drop_old(struct lookahead *a, uint64_t now);

#endif
