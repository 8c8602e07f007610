/*
 * cache.h: what is known of the server's files: inodes, dentries and open files.
 *
 * An inode is what a file is: its qid, attributes, extended attributes, fids, handles and locks.
 * FUSE's node number is its address. A dentry is a name in a directory: (parent, name) -> inode,
 * or a name that a listing showed and nobody has asked about yet. Nothing else holds attributes,
 * names or fids. A path is only spelt when a fid must be walked.
 *
 * Version. cache->version counts changes. Each one, ours or one that the server's answers show,
 * gives its inode the next number; a directory has a second one for its names. A question notes
 * cache_version() before it is sent, and its answer is stored only if the inode's version is not
 * above that. What we change raises the version before and after the request.
 *
 * Expiry. What is stored expires in milliseconds of clock_ms(), after the lifetime that
 * cache_set_lifetimes gave: what is fetched counts from when it was asked for, what an open, a
 * setattr or a getxattr brings from the answer. A change makes it expire at once.
 *
 * Renames. A rename moves one dentry, whatever is below it. cache->renames counts them: a fid,
 * where the server knows files by path, is good when it was walked after the last move of its
 * inode and of every ancestor.
 *
 * References. The kernel's lookups, handles, dentries below, a listing, and fetched attributes
 * that wait for a LOOKUP keep an inode. The last two are on LRU lists, with bounds in time, names
 * and fids.
 *
 * Locks: cache->mtx guards all of it and is never held over a request. It is taken after those of
 * write-behind and read-ahead, and before the client's.
 */
#ifndef CACHE_H
#define CACHE_H

#include <pthread.h>
#define HASH_NONFATAL_OOM 1 /* without memory what is added is not in the hash: hh.tbl is NULL */
#include <uthash.h>

#include "9p/client.h"
#include "base/clock.h"
#include "cache/locks.h"

struct inode;
struct listing;

/* A local user who has attached, with the root's fid as that user. Lives as long as the cache. */
struct user {
    uid_t uid;
    struct p9_fid *root;
    struct user *next;
};

enum dentry_state {
    DENTRY_UNKNOWN,   /* a LOOKUP asks the server */
    DENTRY_LISTED,    /* a listing has the name; its attributes were not asked for */
    DENTRY_IN_FLIGHT, /* they were */
    DENTRY_FETCHED,   /* they are there, and answer the next LOOKUP */
};

/* A name of a directory. It lives while it has an inode, or is in the directory's listing. */
struct dentry {
    struct inode *inode;               /* NULL: not known */
    struct dentry *next_name;          /* of the same inode */
    struct dentry *alike;              /* names of the directory that differ in case alone */
    struct dentry *next, *next_sorted; /* in the listing: the directory's order, and by name */
    UT_hash_handle hh;
    uint8_t state; /* enum dentry_state */
    bool listed, is_dir;
    uint32_t batch;       /* that it is, or was, in flight in */
    struct inode *parent; /* the hash key: this and the name, without regard to case */
    char name[];
};

/* A file that is open: its fid serves where the inode has no path any more. Embedded in what
 * the kernel's file handle points to. */
struct handle {
    struct p9_fid *fid;
    struct inode *inode;
    struct user *user;
    struct handle *next;
    struct handle *prev_open, *next_open; /* of all handles */
    uint64_t walked;                      /* cache_renames() before the walk */
    int flags;                            /* of open(2) */
};

struct inode {
    struct p9_qid qid;       /* path and type never change */
    uint64_t nlookup;        /* the kernel's references, and those of operations under way */
    unsigned nchildren;      /* dentries with an inode whose parent this is */
    unsigned removing;       /* removals of hidden files in this directory that are in flight, */
    unsigned removed;        /* and those that have ended */
    struct dentry *names;    /* none: unlinked */
    struct listing *listing; /* of a directory that was listed */
    struct idle_fid *fids;
    struct handle *handles;
    struct file_locks *locks;  /* made when the first one is asked for */
    atomic_bool lock_lost;     /* another client took a lock that was held here: until the last close */
    struct inode *prev, *next; /* of all but the root */
    uint64_t moved;            /* cache->renames when it last got another path */

    struct p9_attr attr;    /* the last known */
    uint64_t version;       /* see above */
    uint64_t names_version; /* of a directory's names */
    uint64_t attr_until;    /* attr answers questions until then; 0: it does not */
    bool outdated;          /* the kernel was given other attributes than attr */
    bool changed;           /* we changed it: once it is freed nobody remembers */
    bool hidden;            /* its one name is a silly rename's, to be removed at the last close */
    bool is_stale;          /* in cache->stale */
    uint32_t space;         /* which st_ino it is of: 0, or that of a place */

    uint64_t fetched_until; /* the name that was fetched holds until then */
    struct dentry *fetched; /* the name that is DENTRY_FETCHED, and the LRU of those */
    struct inode *prev_fetched, *next_fetched;

    UT_hash_handle hh;                   /* by qid.path: one of several with the same; */
    struct inode *twin_prev, *twin_next; /* these are a ring; NULL: it is not in the index */
    struct inode *next_stale;
    struct inode *prev_hidden, *next_hidden;

    uint64_t lacks_until;  /* lacks holds until then */
    int lacks[P9_XATTRS];  /* -errno where the server has no such extended attribute */
    int uncapped;          /* the same for security.capability, */
    uint64_t uncapped_ms;  /* when it was asked for, */
    unsigned capped;       /* and how often we may have set it */
    struct p9_attr opened; /* attributes at the last open, which tell whether cached data is good */
    bool opened_known;
    unsigned write_errors;  /* failed writes that were answered before, */
    int write_error;        /* why the last one failed, -errno, */
    bool write_error_known; /* and whether an fsync returned it */
    uint64_t confirmed_ms;  /* when the server last said that the path is this file; 0: never */
    uint64_t preopened_ms;  /* when lookahead last opened it; 0: never */
};

/* How long answers hold, milliseconds: one choice of cache modes makes these, and nothing else. */
struct lifetimes {
    unsigned attr, entry, negative; /* attributes, names, and that there is no such name */
};

struct cache {
    struct p9_client *client;
    struct lifetimes lifetimes;
    pthread_mutex_t mtx;
    pthread_cond_t settled; /* moving, raising or cloning became 0, or a hidden file was removed */
    struct inode root;
    struct user *users;
    struct dentry *dentries; /* hash */
    struct inode *all;       /* but the root */
    unsigned inodes;         /* with the root */
    struct handle *open;     /* all handles */
    struct inode *hidden;    /* all hidden files */
    uint64_t version, renames;
    unsigned cloning;         /* fids that nobody waits for, in flight */
    unsigned moving, raising; /* renames, and moves of hidden files, in flight */

    struct inode *by_qid; /* hash: directories, and what has several names or may have */
    struct place *places; /* directories where the server repeats qid.path */
    uint32_t nplaces;
    atomic_bool has_stale;
    struct inode *stale; /* changed by another name: what the kernel cached of them is wrong */

    struct idle_fid *oldest, *newest; /* the LRU of idle fids */
    struct idle_open *idle_opens;     /* the oldest first */
    unsigned nidle_opens;

    struct lookahead *lookahead; /* NULL: off */
};

/* A cache with the root alone, attached as uid by the fid `root`, which it owns. NULL without
 * memory. */
struct cache *cache_new(struct p9_client *client, uid_t uid, struct p9_fid *root);
/* Frees every inode and puts every fid. */
void cache_free(struct cache *c);
/* Before use. Lookahead is on where directories give no attributes, and attributes have a
 * lifetime. */
void cache_set_lifetimes(struct cache *c, const struct lifetimes *l);
/* The user with this uid, if there is one; else, with root not NULL, a new one with this attach,
 * which it owns (also when another thread was faster). NULL if there is none, or without memory. */
struct user *cache_user(struct cache *c, uid_t uid, struct p9_fid *root);

/* ---- names (dentry.c, inode.c) ------------------------------------------ */

/* The kernel learns that parent/name is the file that attr describes: counts one lookup. The inode
 * is that of the name if the qid agrees, or of another name of the same file; else a new one, and
 * what had the name before loses it. `fid`, if not NULL, is an unopened fid of it for `user`,
 * walked when cache_renames() was `walked`: owned in any case. NULL without memory. */
struct inode *cache_enter(struct cache *c, struct inode *parent, const char *name, const struct p9_attr *attr,
                          struct p9_fid *fid, struct user *user, uint64_t walked);
/* Counts one reference more, to be dropped by cache_forget. */
void cache_ref(struct cache *c, struct inode *inode);
/* Drops n references; the inode may be gone afterwards. */
void cache_forget(struct cache *c, struct inode *inode, uint64_t n);
/* parent/name is gone from the server. */
void cache_unlink(struct cache *c, struct inode *parent, const char *name);
/* Around a rename on the server. A walk that fails meanwhile waits for its end, and is tried
 * again. */
void cache_rename_begin(struct cache *c);
/* ok: oldparent/oldname is now newparent/newname, and what had that name has lost it. */
void cache_rename_end(struct cache *c, bool ok, struct inode *oldparent, const char *oldname, struct inode *newparent,
                      const char *newname);
uint64_t cache_renames(struct cache *c);
/* How many inodes there are, and names with one or in a listing. */
void cache_numbers(struct cache *c, unsigned *inodes, unsigned *names);
/* We changed what parent/name is: once the change is done, before the kernel knows. */
void cache_name_changed(struct cache *c, struct inode *parent, const char *name);

/* What parent/name is known to be. */
bool cache_qid(struct cache *c, struct inode *parent, const char *name, struct p9_qid *qid);
/* The directory that a directory is in, with one reference, and its name there; NULL if it has
 * none. */
struct inode *cache_above(struct cache *c, struct inode *dir, char *name);
/* One of its names, into P9_MAXNAME bytes and a terminator. False if it has none that is seen. */
bool cache_name(struct cache *c, const struct inode *inode, char *name);
/* The path of one of its names below the root, without a slash in front. The caller frees it. NULL
 * if it has none that is seen, or without memory. */
char *cache_path(struct cache *c, const struct inode *inode);
/* All inodes but the root, one after the other: the first with NULL, with one reference, while that
 * of the one before is dropped; NULL at the end. */
struct inode *cache_next(struct cache *c, struct inode *inode);

/* ---- which names share an inode (identity.c) ---------------------------- */

/* Before cache_enter of a directory: an inode with its qid that has another name. If both are
 * there the server repeats qid.path: cache_add_place; else what moved away is cut off by
 * cache_cut. With one reference. NULL if there is none. */
struct inode *cache_other_place(struct cache *c, struct inode *parent, const char *name, const struct p9_attr *attr);
/* The server begins anew with qid.path at parent/name: from now on no names share an inode, and
 * what is below there has numbers of its own. */
void cache_add_place(struct cache *c, const struct inode *parent, const char *name);
/* A directory is not where its name said when cache_renames() was that. */
void cache_cut(struct cache *c, struct inode *dir, uint64_t renames);
/* The next of the files that were changed by another name than theirs, with one reference; NULL. */
struct inode *cache_next_stale(struct cache *c);
/* Before cache_enter of a file with several names: an inode with its qid whose attributes
 * differ, as they may only be old. The caller asks for them, and calls cache_announce. With one
 * reference. NULL if there is none. */
struct inode *cache_outdated_twin(struct cache *c, const struct p9_attr *attr);
bool same_time(const struct timespec *a, const struct timespec *b);

/* ---- versions and attributes (attr.c) ----------------------------------- */

/* The number of the last change to anything, and to an inode. */
uint64_t cache_version(struct cache *c);
uint64_t inode_version(struct cache *c, struct inode *inode);
/* Before and after whatever we do that may change the inode's attributes or data. */
void cache_changing(struct cache *c, struct inode *inode);
/* The same after it. Whether the version was still *version before, which becomes what it is
 * now. */
bool cache_changed(struct cache *c, struct inode *inode, uint64_t *version);
/* Others may have changed the data. */
void cache_others_changed(struct cache *c, struct inode *inode);
/* Whether an entry with attributes, of a listing of parent asked for when cache_version() was
 * `asked`, is as new as all that we did to the file and the kernel was given of it. */
bool cache_as_listed(struct cache *c, struct inode *parent, const char *name, uint64_t asked);

/* The server said so, asked when inode_version() was `asked`: it is stored unless that moved
 * since. */
void cache_learn(struct cache *c, struct inode *inode, const struct p9_attr *attr, uint64_t asked);
/* The kernel is given the attributes that are known. */
void cache_given(struct cache *c, struct inode *inode);
/* The kernel is given these attributes, which are stored. Whether size or times differ from what it
 * was given before. */
bool cache_announce(struct cache *c, struct inode *inode, const struct p9_attr *attr);
/* The same with attributes asked for just now, when inode_version() was `version`: if nothing
 * changed since they hold for their lifetime. */
bool cache_announce_fresh(struct cache *c, struct inode *inode, const struct p9_attr *attr, uint64_t version);
/* How long they still hold, milliseconds, and what they are; 0: they do not. */
unsigned cache_fresh(struct cache *c, struct inode *inode, struct p9_attr *attr);
/* A write up to this offset was answered: the kernel takes the file to be as long, at least. */
void cache_wrote(struct cache *c, struct inode *inode, uint64_t end);
/* At an open, or when a lock was granted, with the attributes of then: whether the data is as at
 * the last one, and what was read since is good. A change in the two seconds before may have
 * been followed by another with the same time (`loose` ignores that). */
bool cache_same_content(struct cache *c, struct inode *inode, const struct p9_attr *attr, bool ignore_version,
                        bool loose);
/* Whether the kernel may have kept what was read since the last open. */
bool cache_may_be_cached(struct cache *c, struct inode *inode);
/* The server said, at clock_ms() `ms`, that one of the inode's paths leads to it. */
void cache_confirm(struct cache *c, struct inode *inode, uint64_t ms);

struct inode_facts {
    struct p9_attr attr; /* the last known */
    bool hidden;
    bool is_open;
    bool nameless;
    bool gone; /* it has no name any more, and no file is open: nothing to ask the server by */
};
struct inode_facts inode_facts(struct cache *c, struct inode *inode);

/* Two changes may have the same time: a file that has just changed is not known by its times. */
enum { SETTLED_SECONDS = 2 };

/* ---- extended attributes (attr.c) ---------------------------------------- */

/* -errno where the server said lately that there is no extended attribute of that number, or 0. */
int cache_lacks(struct cache *c, struct inode *inode, unsigned number);
/* It said so, when inode_version() was `version`. */
void cache_set_lacks(struct cache *c, struct inode *inode, const int lacks[P9_XATTRS], uint64_t version);
/* The same for security.capability, which the kernel asks for before each write: nothing that is
 * done to the file gives it one but setting it. Holds for the lifetime of attributes, and for a
 * second at least while the file is open for writing. */
int cache_uncapped(struct cache *c, struct inode *inode);
/* The question, to begin before it is sent, and the server's answer: 0 if it has one, or that is
 * not known. */
struct cap_question {
    unsigned capped;
    uint64_t ms;
};
struct cap_question cache_cap_asked(struct cache *c, struct inode *inode);
void cache_cap_answered(struct cache *c, struct inode *inode, const struct cap_question *q, int lacks);
/* Before and after it is set. */
void cache_cap_setting(struct cache *c, struct inode *inode);

/* ---- open files (handle.c) ----------------------------------------------- */

/* A file was opened, is closed. */
void cache_add_handle(struct cache *c, struct handle *h);
void cache_drop_handle(struct cache *c, struct handle *h);
/* The same, but the fid is the caller's. */
struct p9_fid *cache_detach_handle(struct cache *c, struct handle *h);
/* Some file that is open, at the end of all; NULL if none is. */
struct handle *cache_some_handle(struct cache *c);
/* A user who has the file open for writing; NULL: nobody. */
struct user *cache_writing_user(struct cache *c, struct inode *inode);
/* The users who have the file open, one after the other: the first with after NULL; NULL at the
 * end. */
struct user *cache_next_opener(struct cache *c, const struct inode *inode, const struct user *after);
/* The locks of an open file; if there are none yet they are made, or NULL without memory or with
 * make false. */
struct file_locks *cache_locks(struct cache *c, struct inode *inode, bool make);

/* A write that was answered before the server had it failed. */
void cache_write_failed(struct cache *c, struct inode *inode, int rc);
/* At an open: the errors that cache_sync_error leaves out. One that no fsync returned yet is not
 * among them. */
unsigned cache_known_errors(struct cache *c, struct inode *inode);
/* At an fsync: -errno of the last such write if it is not known, and *known becomes what is
 * known then; 0. */
int cache_sync_error(struct cache *c, struct inode *inode, unsigned *known);
/* The same, and it stays unknown. */
int cache_unsynced(struct cache *c, struct inode *inode, unsigned known);

/* ---- silly renames (handle.c) --------------------------------------------- */

/* The inode of parent/name if that is an open file's only known name; else NULL. */
struct inode *cache_only_name_of_open(struct cache *c, struct inode *parent, const char *name);
/* parent/name, a hidden one, is now a name of the inode, too (made true) or its only one
 * (false). False if the file has been closed meanwhile: then that name can go at once. */
bool cache_hide(struct cache *c, struct inode *inode, struct inode *parent, const char *name, bool made);
/* Before the handle is dropped: if it is the last of a hidden file, the directory (one
 * reference) and the name (at most P9_MAXNAME bytes and a terminator) to remove; else NULL. */
struct inode *cache_last_of_hidden(struct cache *c, const struct handle *h, char *name);
/* After the removal that cache_last_of_hidden asked for, in dir. */
void cache_hidden_removed(struct cache *c, struct inode *dir);
/* How many such removals in parent/name have ended, modulo 2^32. */
unsigned cache_removed(struct cache *c, struct inode *parent, const char *name);
/* A hidden file in the directory parent/name: that directory (one reference), and the file's
 * name; NULL if there is none. No hidden file is removed until cache_raised. */
struct inode *cache_hidden_below(struct cache *c, struct inode *parent, const char *name, char *hidden);
/* After the move of what cache_hidden_below has found. */
void cache_raised(struct cache *c);
/* Waits until no hidden file in parent/name is being removed, or sc is interrupted. Whether any was
 * since cache_removed was *removed, which is updated. */
bool cache_removed_since(struct p9_scope *sc, struct cache *c, struct inode *parent, const char *name,
                         unsigned *removed);

#endif
