/*
 * node_impl.h: what node_fid.c has for node_use.c. Only these include it. Called with the lock, but for node_moved_handle_fid and node_unnamed_fid.
 */
#ifndef NODE_IMPL_H
#define NODE_IMPL_H

#include "cache/cache.h"

/* A copy of `like` goes into the cache, with its fid, in place of one of the same kind. */
void node_keep_fid(struct tree *t, const struct node_fid *like);
/* A cached fid that is good, as the caller's reference; else NULL, and a bad one is dropped. */
struct p9_fid *node_cached_fid(struct tree *t, struct node *node, struct user *user);
/* The cached fid, taken out of the cache, if it is good and nobody else uses it just now; else NULL. */
struct p9_fid *node_take_cached(struct tree *t, struct node *node, struct user *user);
/* The fid of an open file, as a reference: where the path has changed since it was opened it serves only
 * a file that has no path any more. */
struct p9_fid *node_handle_fid(struct tree *t, struct node *node, struct user *user);
/* The same where the path has changed: the server is asked whether it is still the file. */
struct p9_fid *node_moved_handle_fid(struct p9_scope *sc, struct node_use *u);
/* The unopened fid of a file that has no name any more, as a reference, if it still stands for the file, whatever took its
 * name; else NULL. */
struct p9_fid *node_unnamed_fid(struct p9_scope *sc, struct node_use *u);

#endif
