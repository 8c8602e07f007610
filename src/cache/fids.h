/*
 * fids.h: fids for what is done to inodes.
 *
 * A fid is a cache entry, not an identity. An inode has one idle, unopened fid for each user: it
 * may be evicted, belong to a connection that is gone, or be older than a rename of the file or of
 * a directory above it; then the path is walked again, and must lead to the same qid.
 */
#ifndef FIDS_H
#define FIDS_H

#include "cache/cache.h"

/* The use of an inode's fid in one operation:
 *
 *     struct use u = {.cache = c, .inode = inode, .user = user};
 *     do
 *         if ((rc = use_begin(sc, &u)) == 0)
 *             rc = p9_getattr(sc, u.fid, &attr);
 *     while (use_again(&u, rc));
 *
 * An operation that fails because the fid no longer stands for the path is tried again with one
 * walked anew; one that was not allowed on its way to the file, by another name of it. */
struct use {
    /* Set by the caller. */
    struct cache *cache;
    struct inode *inode;
    struct user *user;
    bool open_ok;    /* the fid may be that of an open file (not for walks and links from it) */
    bool in_dir;     /* the operation looks up a name in the inode: ENOENT speaks of that name */
    bool want_spare; /* if it must be walked to, a spare is walked beside it */
    /* The operation changes the file: where the server goes by path the fid is checked to be that
     * file, if that is not known from within so many milliseconds. ESTALE if it is not. */
    bool check;
    unsigned check_ms;
    /* Set by use_begin. */
    struct p9_fid *fid;
    uint64_t walked; /* the renames that go with a fid walked from this one now */
    /* Its own. */
    unsigned tries, other_names, generation;
};
/* 0 or -errno: ESTALE if the path is another file now, or the inode has none. */
int use_begin(struct p9_scope *sc, struct use *u);
/* Ends a use. Whether to do it again. */
bool use_again(struct use *u, int rc);
/* Whether the inode is where its name says: 0, or as use_begin. It is walked to from the root.
 * EAGAIN: something moved meanwhile. */
int use_walk_again(struct p9_scope *sc, struct use *u);
/* Opens by the idle fid, or by one that is open already, while the name is walked anew and the
 * attributes are asked for: one round trip. o: of p9_open_checked's fields the flags, `first`
 * and `too` are the caller's to set. o->fid is open and the caller's then; the one just walked
 * takes its place in the cache. EAGAIN where that is not to be had, or the answers do not agree:
 * then use_take, p9_open and p9_getattr are the way. No O_TRUNC: it might hit another file. */
int use_open(struct p9_scope *sc, struct use *u, struct p9_opening *o);
/* An unopened fid that the caller alone holds, for opening: the idle one, or one walked to. */
int use_take(struct p9_scope *sc, struct use *u);

/* The idle fid of parent/name, a directory or not, if that is its only name and nobody uses the
 * fid: the caller's. */
struct p9_fid *cache_take_named(struct cache *c, struct inode *parent, const char *name, struct user *user,
                                bool is_dir);
/* The idle fid, as a reference, if there is one that is good. */
struct p9_fid *cache_idle_fid(struct cache *c, struct inode *inode, struct user *user);
/* The fid of an open file, as a reference, if what is done by it is done to the file; else NULL.
 * The server is asked, but where an open fid is known to stay with its file. */
struct p9_fid *cache_handle_fid(struct p9_scope *sc, struct cache *c, const struct handle *h, bool stays);
/* The fid of a handle of it that is open to read, as a reference, or NULL. */
struct p9_fid *cache_reading_fid(struct cache *c, struct inode *inode);
/* For opening again (by /proc/self/fd) a file without any name: the fid of a handle open for
 * what flags want, as a reference; else NULL. */
struct p9_fid *cache_open_unnamed(struct cache *c, struct inode *inode, struct user *user, int flags);

/* The spare fid of a directory, the caller's; NULL if there is none. */
struct p9_fid *cache_take_spare(struct cache *c, struct inode *dir, struct user *user);
/* Gets one for the next time from dirfid, which was walked when cache_renames() was `walked`.
 * Does not wait. */
void cache_want_spare(struct cache *c, struct inode *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked);
/* Gets an idle fid of an inode that has none: dirfid, walked then, is that of its directory, and
 * `name` its name there. Does not wait: before the file loses its last name, which the fid
 * outlives. */
void cache_want_fid(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *dirfid, const char *name,
                    uint64_t walked);
/* Puts up to n of the fids that were not used for longest. For p9_client_on_shortage. */
void cache_evict(void *cache, unsigned n);

/* ---- idle opens (idle_open.c) -------------------------------------------- */

/* How long a file stays open that nobody has open, milliseconds: at least; longer where the
 * server is so far that as many as are opened together are not used up by then. */
enum { IDLE_OPEN_MS = 1000 };
unsigned cache_idle_open_ms(const struct cache *c);
/* Whether these flags of open(2) mean to read the file as it is. */
bool cache_reads_only(int flags);
/* A file with those attributes stays open without an owner, if it may: takes the fid, opened to
 * read and walked when cache_renames() was `walked`, for the next use_open by that user. */
void cache_keep_open(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked,
                     const struct p9_attr *attr);
/* Closes those of parent/name: before it is removed or replaced. */
void cache_close_idle(struct cache *c, struct inode *parent, const char *name);
/* Closes those that are too old. Milliseconds until that is to be done again; 0: none is left. */
unsigned cache_close_old(struct cache *c);

#endif
