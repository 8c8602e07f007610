/*
 * cache.h: the files that the kernel knows, by path, and the fids that stand for them.
 *
 * A inode is an inode of this mount: FUSE's inode number is its address. Its names are
 * links, each (parent inode, name) -> inode, found by hash. A path is only spelt when a fid
 * must be walked. A inode holds one idle, unopened fid for each user, as a cache: it may be evicted, or
 * belong to a connection that is gone, or be older than a rename of the file or of
 * a directory above it; then the path is walked again, and must lead to the same qid.
 *
 * A rename moves one link, whatever is below. The tree's clock counts renames: a fid is
 * good when it was walked after the last move of its inode and of every ancestor.
 *
 * Locks: tree->mtx guards all of it and is never held over a request. It is taken before
 * the client's, never after.
 */
#ifndef CACHE_H
#define CACHE_H

#include <pthread.h>
#include <uthash.h>

#include "9p/client.h"
#include "cache/locks.h"

struct inode;

/* A local user who has attached, with the fid of the root as that user. Lives as long as the tree. */
struct user {
    uid_t uid;
    struct p9_fid *root;
    struct user *next;
};

/* A name of a inode. The hash key is `parent` and the bytes of `name`. */
struct dentry {
    struct inode *inode;
    struct dentry *next; /* of the same inode */
    UT_hash_handle hh;
    struct inode *parent;
    char name[];
};

/* A inode's unopened fid for a user, in the list of those that may be evicted. */
struct idle_fid {
    struct p9_fid *fid;
    struct inode *inode;
    struct user *user;
    struct idle_fid *next;          /* of the same inode */
    struct idle_fid *older, *newer; /* by last use */
    uint64_t walked;                /* the clock when its walk began */
    bool spare;                     /* a second one, of a directory, to be used up by the next creation in it */
};

/* A file that is open: its fid serves where the inode has no path any more. Embedded in what
 * the kernel's file handle points to. */
struct handle {
    struct p9_fid *fid;
    struct inode *inode;
    struct user *user;
    struct handle *next;
    uint64_t walked;
    int flags; /* of open(2) */
};

struct inode {
    struct p9_qid qid;       /* path and type never change */
    uint64_t nlookup;        /* the kernel's references */
    unsigned children;       /* links whose parent this is */
    struct dentry *dentries; /* its names; none: unlinked */
    struct idle_fid *fids;
    struct handle *handles;
    struct file_locks *locks;  /* made when first one is asked for */
    uint64_t moved;            /* the clock when it last got another path */
    struct inode *prev, *next; /* of all but the root */
    bool hidden;               /* its one name is a hidden one, to be removed at the last close */
    UT_hash_handle hh;         /* the tree's index by qid.path, of which one of several with the same is in it, */
    struct inode *twin_prev, *twin_next; /* and these are a ring; NULL: it is not in the index */
    uint32_t space; /* which st_ino it is of: 0, or that of a place where the server begins anew with qid.path */
    bool is_stale;  /* in the tree's list of those */
    struct inode *next_stale;
    struct p9_attr attr;  /* what the kernel was last told */
    uint64_t changes;     /* the tree's count when we last did something to it that changes attributes */
    uint64_t touched;     /* the same, of what leaves it its names */
    uint64_t seen;        /* changes of others that attributes, or a lock's owner, told of */
    int uncapped;         /* -errno, if the server said that it has no security.capability, */
    uint64_t uncapped_ms; /* when it was asked; */
    unsigned capped;      /* and how often we may have given it one */
    uint64_t told;        /* the tree's count when the kernel was last told other attributes than before */
    uint64_t lacks_until; /* lacks holds: as for fresh_until */
    int lacks[P9_XATTRS]; /* -errno where the server said that it has no such extended attribute, by ahead's numbers */
    struct p9_attr
        opened; /* attributes at the last open; good to tell by whether what the kernel has read since is still so */
    bool opened_known;
    unsigned write_errors;  /* how many writes came to nothing, */
    int write_error;        /* and why the last did, -errno */
    bool write_error_known; /* an fsync told of it */
    uint64_t confirmed_ms;  /* when the server last said that the path is this file; 0: never */
    uint64_t fresh_until;   /* attr is as told at an open: milliseconds of CLOCK_MONOTONIC, or 0 */
};

struct cache {
    struct p9_client *client;
    pthread_mutex_t mtx;
    pthread_cond_t settled; /* moving became 0 */
    struct inode root;
    struct user *users;
    struct dentry *dentries; /* hash */
    struct inode *all;
    struct inode *by_qid; /* hash: directories, and what has several names or may have */
    struct place *places; /* directories whose qid was found elsewhere, too: the server repeats qid.path */
    uint32_t nplaces;
    atomic_bool has_stale;
    struct inode
        *stale; /* files that were changed by another name: what the kernel has of them is not to be believed */
    struct idle_fid *oldest, *newest;
    struct idle_open *kept; /* the oldest first */
    unsigned nkept;
    uint64_t clock;             /* renames so far */
    uint64_t changes;           /* of attributes, so far */
    uint64_t changes_forgotten; /* the last to a inode that the kernel has forgotten since */
    unsigned cloning;           /* fids that nobody waits for, under way */
    unsigned moving, removing;  /* renames, removals of hidden files, under way */
    unsigned inodes;            /* for statistics and tests */
};

/* A tree with the root alone, attached as uid by the fid `root`, whose qid is as its attributes have it, and which it takes. NULL without memory. */
struct cache *cache_new(struct p9_client *c, uid_t uid, struct p9_fid *root);
/* Frees every inode and puts every fid. */
void cache_free(struct cache *t);

/* The user with this uid, if there is one; else, with root not NULL, a new one with this attach, which is taken (also
 * when another thread was faster). NULL if there is none, or without memory. */
struct user *cache_user(struct cache *t, uid_t uid, struct p9_fid *root);

/* ---- names -------------------------------------------------------------- */

/* Notes that parent/name is the file that attr describes, and counts one lookup of the kernel's. The
 * inode is the one known by that name if the qid agrees, or the one known by another name of the same
 * file; else a new one, and what had the name before loses it. `fid`, if not NULL, is an unopened fid
 * of it for `user`, walked when the clock was `walked`: taken in any case. NULL without memory. */
struct inode *cache_enter(struct cache *t, struct inode *parent, const char *name, const struct p9_attr *attr,
                          struct p9_fid *fid, struct user *user, uint64_t walked);
/* Before cache_enter of a directory: one with its qid that has another name. If both are there qid.path is not unique: cache_add_place; else
 * what has gone from there is cut off by cache_cut. The reference that comes with it is dropped by cache_forget. NULL if there is none. */
struct inode *cache_other_place(struct cache *t, struct inode *parent, const char *name, const struct p9_attr *attr);
/* parent/name is where the server begins anew with qid.path: from now on no names share a inode, and what is below there has numbers
 * of its own. */
void cache_add_place(struct cache *t, const struct inode *parent, const char *name);
/* A directory is not where its name said when the clock was that. */
void cache_cut(struct cache *t, struct inode *dir, uint64_t clock);
/* The next of the files that were changed by another name than theirs, one reference counted, to be dropped by cache_forget; NULL. */
struct inode *cache_next_stale(struct cache *t);
/* Before cache_enter of a file with several names: a inode with its qid whose attributes are not those, as it
 * may only have been told old ones. Its attributes should be asked for and told, and the reference that comes
 * with it dropped by cache_forget. NULL if there is none. */
struct inode *cache_outdated_twin(struct cache *t, const struct p9_attr *attr);
/* Counts one reference more, to be dropped by cache_forget. */
void cache_remember(struct cache *t, struct inode *inode);
/* The kernel drops n references; the inode may be gone afterwards. */
void cache_forget(struct cache *t, struct inode *inode, uint64_t n);
/* parent/name is gone from the server. */
void cache_unlink(struct cache *t, struct inode *parent, const char *name);
/* Around a rename on the server: what walks meanwhile may look in the wrong place, and waits. */
void cache_rename_begin(struct cache *t);
/* ok: oldparent/oldname is now newparent/newname, and what had that name has lost it. */
void cache_rename_end(struct cache *t, bool ok, struct inode *oldparent, const char *oldname, struct inode *newparent,
                      const char *newname);
uint64_t cache_clock(struct cache *t);

/* Remembers what the kernel is told. Returns whether size or times differ from what it was told before. */
bool cache_told(struct cache *t, struct inode *inode, const struct p9_attr *attr);

/* At an open, or when a lock was got, with the attributes of then: whether the content is as the last time, and so all that was read since. A
 * change within the two seconds before that may have been followed by one that the times do not show (with `loose` that is left
 * out of account). */
bool cache_same_content(struct cache *t, struct inode *inode, const struct p9_attr *attr, bool ignore_version,
                        bool loose);

/* Whether the kernel may have kept what was read since the last open. */
bool cache_may_be_cached(struct cache *t, struct inode *inode);

/* The clock that lifetimes go by, CLOCK_MONOTONIC in milliseconds. */
uint64_t cache_now_ms(void);
/* Attributes told at an open hold for a while, if nothing changes them: cache_changing is called before and after whatever
 * we do that may, cache_changes before they are asked for, and cache_set_fresh, with that, when they are there. */
void cache_changing(struct cache *t, struct inode *inode);
/* The same after it; whether nothing else changed it since cache_changes was *changes, which becomes what it is now. */
bool cache_changed(struct cache *t, struct inode *inode, uint64_t *changes);
/* The content may be what another made of it. */
void cache_others_changed(struct cache *t, struct inode *inode);
/* Becomes another number with whatever we do to the inode, and with what we see others to have done: what was read before may be
 * old then. */
uint64_t cache_content(struct cache *t, struct inode *inode);
/* The same of parent/name; UINT64_MAX if there is no such inode. */
uint64_t cache_content_of(struct cache *t, struct inode *parent, const char *name);
/* Whether what a listing of parent, asked for when cache_all_changes was `since`, says of the name is as new as all that we did to it
 * and told the kernel of it. Of what is not known (any more), that nothing was done to the directory, or to whatever was forgotten. */
bool cache_as_listed(struct cache *t, struct inode *parent, const char *name, uint64_t since);
uint64_t cache_changes(struct cache *t, struct inode *inode);
/* And of all. */
uint64_t cache_all_changes(struct cache *t);
/* The last of those to inodes that are forgotten. */
uint64_t cache_changes_forgotten(struct cache *t);
void cache_set_fresh(struct cache *t, struct inode *inode, uint64_t changes, unsigned ms);
/* How long they still hold, milliseconds, and what they are; 0: not any more. */
unsigned cache_fresh(struct cache *t, struct inode *inode, struct p9_attr *attr);

/* A write that was answered before the server had it came to nothing. */
void cache_write_failed(struct cache *t, struct inode *inode, int rc);
/* At an open: what cache_sync_error is to leave out. What no fsync of anybody has told of yet is not. */
unsigned cache_known_errors(struct cache *t, struct inode *inode);
/* At an fsync: -errno of the last such write, if it is not known, and *known is what is known then; 0. */
int cache_sync_error(struct cache *t, struct inode *inode, unsigned *known);
/* The same, and nobody is told. */
int cache_unsynced(struct cache *t, struct inode *inode, unsigned known);

/* The kernel was told that a write up to this offset is done: then it takes the file to be as long, at least. */
void cache_wrote(struct cache *t, struct inode *inode, uint64_t end);

/* Whether it was said lately that the inode has no extended attribute of that number: -errno, or 0. What was said holds if nothing
 * was changed since the count of changes was `changes`, UINT64_MAX: in any case. */
int cache_lacks(struct cache *t, struct inode *inode, unsigned number);
void cache_set_lacks(struct cache *t, struct inode *inode, const int lacks[P9_XATTRS], uint64_t changes, unsigned ms);
/* The same of security.capability, which the kernel asks for before each write: unlike the others nothing that is done to the file gives
 * it one but setting it. What was said holds for so many milliseconds, for a file that is open for writing a second at least. */
int cache_uncapped(struct cache *t, struct inode *inode, unsigned ms);
/* The question, to begin before it is asked, and what the server said: 0 if it has one, or that is not known. */
struct cap_question {
    unsigned capped;
    uint64_t ms;
};
struct cap_question cache_cap_asked(struct cache *t, struct inode *inode);
void cache_cap_answered(struct cache *t, struct inode *inode, const struct cap_question *q, int lacks);
/* Before and after it is set. */
void cache_cap_setting(struct cache *t, struct inode *inode);
/* Who has the file open for writing; NULL: nobody. */
struct user *cache_writing_user(struct cache *t, struct inode *inode);
/* The inode of parent/name, if it is known, with one reference counted, to be dropped by cache_forget. */
struct inode *cache_known(struct cache *t, struct inode *parent, const char *name);
/* The directory that a directory is in, with one reference counted, and its name there; NULL if it has none. */
struct inode *cache_above(struct cache *t, struct inode *dir, char *name);
/* The directory of one of its names; NULL if it has none. Good to compare with. */
const struct inode *cache_parent(struct cache *t, struct inode *inode);

/* The server said, when cache_now_ms was that, that one of the inode's paths leads to it. */
void cache_confirm(struct cache *t, struct inode *inode, uint64_t ms);

/* What is known of a inode from the last attributes told. */
struct inode_facts {
    struct p9_attr attr;
    bool hidden;
    bool is_open;
    bool nameless;
    bool gone; /* it has no name any more, and no file is open: nothing to ask the server by */
};
struct inode_facts inode_facts(struct cache *t, struct inode *inode);

/* A file was opened, is closed. */
void cache_add_handle(struct cache *t, struct handle *h);
void cache_drop_handle(struct cache *t, struct handle *h);
/* The same, but the fid is the caller's. */
struct p9_fid *cache_detach_handle(struct cache *t, struct handle *h);
/* Some file that is open, at the end of all; NULL if none is. */
struct handle *cache_some_handle(struct cache *t);
/* What parent/name is known to be. */
bool cache_qid(struct cache *t, struct inode *parent, const char *name, struct p9_qid *qid);
/* One of the inode's names, into P9_MAXNAME bytes and a terminator. False if it has none that is seen. */
bool cache_name(struct cache *t, const struct inode *inode, char *name);
/* The path of one of the inode's names below the root, without a slash in front. The caller frees it. NULL if it has none that is seen, or
 * without memory. */
char *cache_path(struct cache *t, const struct inode *inode);
/* The locks of an open file; if there are none yet they are made, or NULL without memory or with make false. */
struct file_locks *cache_locks(struct cache *t, struct inode *inode, bool make);
/* The fid of an open file, as a reference, if what is done by it is done to the file; else NULL. The server is asked, but where
 * an open fid is known to stay with its file. */
struct p9_fid *cache_handle_fid(struct p9_scope *sc, struct cache *t, const struct handle *h, bool stays);
/* The fid of a handle of it that is open to read, as a reference, or NULL. */
struct p9_fid *cache_reading_fid(struct cache *t, struct inode *inode);
/* The users who have the file open, one after the other: the first with after NULL; NULL at the end. */
struct user *cache_next_opener(struct cache *t, const struct inode *inode, const struct user *after);
/* All inodes but the root, one after the other: the first with NULL, whose reference is counted, while that of the inode before is
 * dropped; NULL at the end. */
struct inode *cache_next(struct cache *t, struct inode *inode);

/* ---- files that lose their name while they are open --------------------- */

/* For opening again (by /proc/self/fd) a file without any name: the fid of a handle open for what flags want, as
 * a reference; else NULL. */
struct p9_fid *cache_open_unnamed(struct cache *t, struct inode *inode, struct user *user, int flags);

/* The inode of parent/name if that is a file that is open and the name is the only one we know; else NULL. */
struct inode *cache_only_name_of_open(struct cache *t, struct inode *parent, const char *name);
/* parent/name, a hidden one, is now a name of the inode, too (made true) or its only one (false). False if the file has been
 * closed meanwhile: then that name can go at once. */
bool cache_hide(struct cache *t, struct inode *inode, struct inode *parent, const char *name, bool made);
/* Before the handle is dropped: if it is the last of a hidden file, the directory (one reference counted, to be
 * dropped by cache_forget) and the name (at most P9_MAXNAME bytes and a terminator) to remove; else NULL. */
struct inode *cache_last_of_hidden(struct cache *t, const struct handle *h, char *name);
/* After the removal that cache_last_of_hidden asked for. */
void cache_hidden_removed(struct cache *t);

/* A hidden file in the directory parent/name: that directory (one reference counted), and the file's name;
 * NULL if there is none. *waited: there may have been one, whose removal was under way and has ended. */
struct inode *cache_hidden_below(struct cache *t, struct inode *parent, const char *name, char *hidden, bool *waited);

/* ---- fids --------------------------------------------------------------- */

/* The use of a inode's fid in one operation:
 *
 *     struct use u = {.tree = t, .inode = inode, .user = user};
 *     do
 *         if ((rc = use_begin(sc, &u)) == 0)
 *             rc = p9_getattr(sc, u.fid, &attr);
 *     while (use_again(&u, rc));
 *
 * An operation that fails because the fid no longer stands for the path is tried again with one walked anew; one that was not
 * allowed on its way to the file, by another name of it.
 */
struct use {
    /* Set by the caller. */
    struct cache *cache;
    struct inode *inode;
    struct user *user;
    bool open_ok;    /* the fid may be that of an open file (not for walks and links from it) */
    bool in_dir;     /* the operation looks up a name in the inode: ENOENT speaks of that name */
    bool want_spare; /* if it must be walked to, a spare is walked beside it */
    /* The operation changes the file: with a server that goes by path the fid is checked to be that file, if that is not known from
     * within so many milliseconds. ESTALE if it is not. */
    bool check;
    unsigned check_ms;
    /* Set by use_begin. */
    struct p9_fid *fid;
    uint64_t walked; /* the clock that goes with a fid walked from this one now */
    /* Its own. */
    unsigned tries, other_names;
};
/* 0 or -errno: ESTALE if the path is another file now, or the inode has none. */
int use_begin(struct p9_scope *sc, struct use *u);
/* Whether the inode is where its name says: 0, or as use_begin. It is walked to from the root. EAGAIN: something moved meanwhile. */
int use_walk_again(struct p9_scope *sc, struct use *u);
/* Ends a use. Whether to do it again. */
bool use_again(struct use *u, int rc);

/* Opens by the cached fid, or takes one that is open already, while the name is walked anew and the attributes are asked for: one round
 * trip. o: of p9_open_checked's fields the flags, `first` and `too` are the caller's to set. o->fid is open and the caller's then,
 * the one just walked takes its place in the cache. EAGAIN where that is not to be had, or the answers do
 * not agree: then use_take, p9_open and p9_getattr will tell. No O_TRUNC: it might hit another file. */
int use_open(struct p9_scope *sc, struct use *u, struct p9_opening *o);
/* Whether a fid walked by the inode's path when the clock was `walked` still stands for it. */
bool cache_fid_holds(struct cache *t, const struct inode *inode, const struct p9_fid *fid, uint64_t walked);
/* Takes the cached fid of parent/name, a directory or not, if that is its only name and nobody uses the fid: the caller's. */
struct p9_fid *cache_take_named(struct cache *t, struct inode *parent, const char *name, struct user *user,
                                bool is_dir);
/* The fid in the cache, as a reference, if there is one that is good. */
struct p9_fid *cache_cached_fid(struct cache *t, struct inode *inode, struct user *user);
/* Takes the fid out of the cache, for opening: an unopened fid that the caller alone holds. */
int use_take(struct p9_scope *sc, struct use *u);

/* The spare fid of the directory, the caller's; NULL if there is none. */
struct p9_fid *cache_take_spare(struct cache *t, struct inode *dir, struct user *user);
/* Gets one for the next time, from dirfid, which was walked when the clock was `walked`, without waiting. */
void cache_want_spare(struct cache *t, struct inode *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked);
/* Gets an unopened fid of a inode that has none: dirfid, walked then, is that of its directory, and `name` its name there. Without
 * waiting, too: before the file loses its last name, which the fid outlives. */
void cache_want_fid(struct cache *t, struct inode *inode, struct user *user, struct p9_fid *dirfid, const char *name,
                    uint64_t walked);

/* How long a file stays open that nobody has open, milliseconds: at least; longer where the server is so far that as many as are
 * opened together are not used up by then. */
enum { KEPT_OPEN_MS = 1000 };
unsigned cache_keep_ms(const struct cache *t);

/* Whether these flags of open(2) mean to read the file as it is. */
bool cache_reads_only(int flags);
/* Whether such a file, opened to read, may stay open for a while without an owner. */
bool cache_may_keep(const struct cache *t, const struct p9_attr *attr);
/* Does so with one that has those attributes: takes the fid, opened to read and walked when the clock was `walked`, for the next use_open by
 * that user. */
void cache_keep_open(struct cache *t, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked,
                     const struct p9_attr *attr);
/* Takes the unopened fid of parent/name, to be opened and kept; NULL if there is none, or one kept already, or it may not be. */
struct p9_fid *cache_take_to_keep(struct cache *t, struct inode *parent, const char *name, struct user *user,
                                  struct p9_attr *attr, uint64_t *walked);
/* Closes those of parent/name: before it is removed or replaced. */
void cache_close_kept(struct cache *t, struct inode *parent, const char *name);
/* Closes those that were kept for long. Milliseconds until that is to be done again; 0: none is left. */
unsigned cache_close_old(struct cache *t);

/* Puts up to n of the fids that were not used for longest. For p9_client_on_shortage. */
void cache_evict(void *tree, unsigned n);

/* Two changes may have the same time: a file that has just changed is not known by its times. */
enum { SETTLED_SECONDS = 2 };

/* For inode_*.c and cache_open.c. Called with the lock. */
/* Whether a fid walked then by the path of this inode still stands for it. */
bool inode_fid_is_good(const struct cache *t, const struct inode *inode, const struct p9_fid *fid, uint64_t walked);
void inode_drop_kept(struct cache *t, struct inode *inode);
bool inode_has_kept(const struct cache *t, const struct inode *inode, const struct user *user);
/* The kept fid, which is the caller's, and the attributes it was opened with; NULL if there is none. */
struct p9_fid *inode_take_kept(struct cache *t, struct inode *inode, struct user *user, struct p9_attr *attr);
unsigned cache_evict_kept(struct cache *t, unsigned n);
struct dentry *dentry_find(struct cache *t, struct inode *parent, const char *name);
struct dentry *dentry_add(struct cache *t, struct inode *parent, const char *name, struct inode *inode);
void inode_release(struct cache *t, struct inode *inode);
void inode_changing(struct cache *t, struct inode *inode);
struct inode *cache_find(struct cache *t, struct inode *parent, const char *name);
void inode_drop_fids(struct cache *t, struct inode *inode);
void inode_cache_fid(struct cache *t, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked);
bool qid_same_file(const struct p9_qid *a, const struct p9_qid *b);
bool same_time(const struct timespec *a, const struct timespec *b);

#endif
