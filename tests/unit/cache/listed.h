/*
 * listed.h: a cache with lookahead over a server with a directory of files, for the tests of
 * lookahead.
 */
#ifndef LISTED_H
#define LISTED_H

#include "cache/lookahead_impl.h"
#include "unit/ownclock.h"
#include "unit/pathsrv.h"
#include "unit/test.h"

enum { FILES = 100, LONG = 1000000 };

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct cache *cache;
    struct inode *root;
    struct user *user;
};

struct world begin(unsigned lifetime_ms);
/* Every fid must have been clunked. */
void end(struct world *w);
/* A use of the root, as a lookup has one. */
struct use use_of_root(struct world *w);
/* What is fetched for a lookup is not needed any more. */
void done(struct world *w, const struct lookahead_found *found);
const char *name_of(int i);
/* Files in the root, listed in the order of their numbers or backwards. */
void make_and_list(struct world *w, bool backwards);
bool look(struct world *w, const char *name, struct lookahead_found *found);
/* The idle fid of what was found, which is of that file. */
void has_fid(struct world *w, const struct lookahead_found *found);

#endif
