/*
 * impl.h: what the files of the cache share. All is called with cache->mtx, but where it says
 * otherwise.
 */
#ifndef CACHE_IMPL_H
#define CACHE_IMPL_H

#include <utlist.h>

#include "cache/fids.h"

static inline void cache_unlock(struct cache **c)
{
    pthread_mutex_unlock(&(*c)->mtx);
}
/* Waits for a change of what `settled` is for, for some milliseconds at most. 0; EINTR if sc, which
 * may be NULL, is interrupted. */
int cache_wait_settled(struct cache *c, struct p9_scope *sc);
/* Holds cache->mtx until the block ends. */
#define LOCKED(c)                                                                                                      \
    __attribute__((cleanup(cache_unlock), unused)) struct cache *locked = (pthread_mutex_lock(&(c)->mtx), (c))

/* `to`, with the same key, takes the place of `from` in a hash. Needs no memory, as it does not
 * grow. */
#define HASH_TAKE_PLACE(head, from, key, len, to)                                                                      \
    do {                                                                                                               \
        unsigned noexpand = (head)->hh.tbl->noexpand;                                                                  \
        (head)->hh.tbl->noexpand = 1;                                                                                  \
        HASH_ADD_KEYPTR(hh, head, key, len, to);                                                                       \
        HASH_DEL(head, from);                                                                                          \
        (head)->hh.tbl->noexpand = noexpand;                                                                           \
    } while (0)

/* ---- dentry.c ------------------------------------------------------------- */

/* NULL if there is none. */
struct dentry *dentry_find(struct cache *c, const struct inode *parent, const char *name);
/* The one that is there, or a new one, DENTRY_UNKNOWN; NULL without memory. */
struct dentry *dentry_get(struct cache *c, struct inode *parent, const char *name, size_t len);
/* Whether a listing or a lookup showed the name, or one that differs from it in case alone. */
bool dentry_is_listed(struct cache *c, const struct inode *parent, const char *name);
/* The name leads to the inode, which counts as changed. */
void dentry_attach(struct cache *c, struct dentry *d, struct inode *inode);
/* It leads nowhere. Frees the dentry if no listing has it. The parent may have to be released. */
void dentry_detach(struct cache *c, struct dentry *d);
/* The name no longer leads to its inode on the server. */
void dentry_cut(struct cache *c, struct dentry *d);
/* Frees a dentry without an inode that is in no listing. */
void dentry_free_unused(struct cache *c, struct dentry *d);
void dentry_free_all(struct cache *c);
/* The inode that the name leads to, or NULL. */
struct inode *dentry_inode(struct cache *c, const struct inode *parent, const char *name);

/* ---- inode.c -------------------------------------------------------------- */

struct inode *inode_new(struct cache *c, const struct p9_attr *attr, uint32_t space);
/* Frees an inode that nothing holds, then its parent if only it held that, and so on up. */
void inode_release(struct cache *c, struct inode *inode);
/* It has the next version, and what is known of it expires. */
void inode_expire(struct cache *c, struct inode *inode);
/* The same, and for other names of the same file. */
void inode_changing(struct cache *c, struct inode *inode);
/* The same by something that we do to it; to a directory, to its names as well. */
void inode_change(struct cache *c, struct inode *inode);
/* What the server said; whether that differs from what was known. */
bool inode_set_attr(struct cache *c, struct inode *inode, const struct p9_attr *attr);
/* What the server said: the kernel does not know yet. */
void inode_learn(struct cache *c, struct inode *inode, const struct p9_attr *attr);
/* cache_announce. */
bool inode_announce(struct cache *c, struct inode *inode, const struct p9_attr *attr);
bool same_times_and_size(const struct p9_attr *a, const struct p9_attr *b);

/* ---- attr.c, handle.c ------------------------------------------------------ */

void inode_set_lacks(struct inode *inode, const int lacks[P9_XATTRS], uint64_t until);
/* Whether its one name is a silly rename's. */
void inode_set_hidden(struct cache *c, struct inode *inode, bool hidden);

/* ---- identity.c ------------------------------------------------------------- */

void identity_index(struct cache *c, struct inode *inode, const struct p9_attr *attr);
void identity_unindex(struct cache *c, struct inode *inode);
/* Names of the same file with inodes of their own: they expire, and are stale. */
void identity_expire_twins(struct cache *c, struct inode *inode);
/* An inode of a file with several names that has this qid, and agrees; NULL. */
struct inode *identity_find(const struct cache *c, const struct p9_attr *attr);
/* The space that parent/name is in. */
uint32_t identity_space(const struct cache *c, const struct inode *parent, const char *name, bool is_dir);
void identity_free(struct cache *c);

/* ---- fids.c ----------------------------------------------------------------- */

/* An inode's unopened fid for a user, on the LRU. */
struct idle_fid {
    struct p9_fid *fid;
    struct inode *inode;
    struct user *user;
    struct idle_fid *next;          /* of the same inode */
    struct idle_fid *older, *newer; /* by last use */
    uint64_t walked;                /* cache->renames when its walk began */
    bool spare;                     /* a second one, of a directory, for the next creation in it */
};

/* Whether a fid walked then by the path of this inode still stands for it. */
bool fid_is_good(const struct cache *c, const struct inode *inode, const struct p9_fid *fid, uint64_t walked);
/* A copy of `like` goes into the cache, with its fid, in place of one of the same kind. */
void fid_keep(struct cache *c, const struct idle_fid *like);
/* The same for an inode's idle fid. */
void fid_cache(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked);
/* Puts all of the inode's, idle opens too. */
void fid_drop_all(struct cache *c, struct inode *inode);
/* An idle fid that is good, as a reference; else NULL, and a bad one is dropped. */
struct p9_fid *fid_idle(struct cache *c, struct inode *inode, struct user *user);
/* The idle fid, taken out of the cache, if it is good and nobody else uses it just now; else
 * NULL. */
struct p9_fid *fid_take_idle(struct cache *c, struct inode *inode, struct user *user, uint64_t *walked);
/* The fid of an open file, as a reference: where the path has changed since it was opened it
 * serves only a file that has no path any more. */
struct p9_fid *fid_of_handle(struct cache *c, struct inode *inode, struct user *user);
/* The same where the path has changed: the server is asked whether it is still the file. Without
 * the lock. */
struct p9_fid *fid_of_moved_handle(struct p9_scope *sc, struct use *u);
/* The unopened fid of a file that has no name any more, as a reference, if it still stands for
 * the file, whatever took its name; else NULL. Without the lock. */
struct p9_fid *fid_unnamed(struct p9_scope *sc, struct use *u);

/* ---- idle_open.c -------------------------------------------------------------- */

void idle_open_drop(struct cache *c, struct inode *inode);
/* The fid, which is the caller's, and the attributes it was opened with; NULL if there is none. */
struct p9_fid *idle_open_take(struct cache *c, struct inode *inode, struct user *user, struct p9_attr *attr);
bool idle_open_exists(const struct cache *c, const struct inode *inode, const struct user *user);
/* Puts up to n; how many. */
unsigned idle_open_evict(struct cache *c, unsigned n);
/* Whether a file with those attributes may stay open without an owner. */
bool idle_open_allowed(const struct cache *c, const struct p9_attr *attr);
/* cache_keep_open of a file that is allowed to, and whose fid is not held by anybody
 * (p9_fid_let_go). */
void idle_open_add(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked,
                   const struct p9_attr *attr);

#endif
