/*
 * listed.h: a cache with lookahead over a server with a directory of files, for the tests of
 * lookahead.
 */
#ifndef LISTED_H
#define LISTED_H

#include "cache/lookahead_impl.h"
#include "unit/cache/world.h"

enum { FILES = 100, LONG = 1000000 };

/* What is fetched lasts so long; 0: lookahead is off. */
struct world begin_listed(unsigned lifetime_ms);
/* A use of the root, as a lookup has one. */
struct use use_of_root(struct world *w);
/* What is fetched for a lookup is not needed any more. */
void done(struct world *w, const struct lookahead_found *found);
const char *name_of(int i);
/* Files in the root, listed in the order of their numbers or backwards. */
void make_and_list(struct world *w, bool backwards);
bool look_up(struct world *w, const char *name, struct lookahead_found *found);
/* A name of a directory's listing. */
void add_name(struct world *w, struct inode *dir, uint64_t listing, const char *name);
/* The idle fid of what was found, which is of that file. */
void has_fid(struct world *w, const struct lookahead_found *found);

#endif
