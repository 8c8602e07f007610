/*
 * fids.h: what inode_fid.c has for use_begin.c. Only these include it. Called with the lock, but for inode_moved_handle_fid and inode_unnamed_fid.
 */
#ifndef FIDS_H
#define FIDS_H

#include "cache/cache.h"

/* A copy of `like` goes into the cache, with its fid, in place of one of the same kind. */
void inode_keep_fid(struct cache *t, const struct idle_fid *like);
/* A cached fid that is good, as the caller's reference; else NULL, and a bad one is dropped. */
struct p9_fid *inode_cached_fid(struct cache *t, struct inode *inode, struct user *user);
/* The cached fid, taken out of the cache, if it is good and nobody else uses it just now; else NULL. */
struct p9_fid *inode_take_cached(struct cache *t, struct inode *inode, struct user *user);
/* The fid of an open file, as a reference: where the path has changed since it was opened it serves only
 * a file that has no path any more. */
struct p9_fid *inode_handle_fid(struct cache *t, struct inode *inode, struct user *user);
/* The same where the path has changed: the server is asked whether it is still the file. */
struct p9_fid *inode_moved_handle_fid(struct p9_scope *sc, struct use *u);
/* The unopened fid of a file that has no name any more, as a reference, if it still stands for the file, whatever took its
 * name; else NULL. */
struct p9_fid *inode_unnamed_fid(struct p9_scope *sc, struct use *u);

#endif
