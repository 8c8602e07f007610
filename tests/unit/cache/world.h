/*
 * world.h: a cache over a server that goes by path, for the tests of the cache.
 */
#ifndef WORLD_H
#define WORLD_H

#include "cache/fids.h"
#include "unit/ownclock.h"
#include "unit/pathsrv.h"
#include "unit/test.h"

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct cache *cache;
    struct inode *root;
    struct user *user;
};

/* A call in a thread of its own, which can be interrupted. */
struct waiting {
    struct world *w;
    struct p9_scope scope;
    int rc;
};

struct world begin(unsigned max_fids);
/* Every fid must have been clunked. */
void end(struct world *w);
/* The same, for a server that still knows some. */
void end_mute(struct world *w);
struct use use_of(struct world *w, struct inode *inode);
/* What a LOOKUP does: NULL where there is no such name. */
struct inode *look(struct world *w, struct inode *dir, const char *name);
/* What a GETATTR does. */
int ask(struct world *w, struct inode *inode, struct p9_attr *attr);
/* Renames on the server and in the cache. */
void rename_both(struct world *w, const char *from, const char *to, struct inode *olddir, const char *oldname,
                 struct inode *newdir, const char *newname);

#endif
