/*
 * poor_world.h: a cache over a server that goes by path, where allocations of both layers fail.
 */
#ifndef POOR_WORLD_H
#define POOR_WORLD_H

#include "cache/lookahead_impl.h"
#include "unit/poor.h"

enum { POOR_LIFETIME_MS = 1000000 };

struct world {
    struct poor poor;
    struct cache *cache; /* NULL: there is no memory */
    struct inode *root;
    struct user *user;
};

struct world begin(void (*prepare)(struct srv *s));
/* Frees the cache, too. */
void end(struct world *w);
struct use use_of(struct world *w, struct inode *inode);
/* The qid.path of a file of the server. */
uint64_t ino_of(struct world *w, const char *path);
/* What a LOOKUP does that the server answers: the inode, with one reference, or NULL without
 * memory. */
struct inode *enter(struct world *w, struct inode *dir, const char *name, const char *path);
/* What a LOOKUP does that may have been fetched ahead. The same. */
struct inode *look(struct world *w, struct inode *dir, const char *name, const char *path);
void forget(struct world *w, struct inode *inode); /* NULL is nothing */
/* A name of a directory's listing. */
void add_name(struct world *w, struct inode *dir, uint64_t listing, const char *name, bool is_dir);

#endif
