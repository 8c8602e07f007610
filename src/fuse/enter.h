/*
 * enter.h: from names to inodes.
 */
#ifndef ENTER_H
#define ENTER_H

#include "fuse/op.h"

/* 0, or -ENAMETOOLONG. */
int check_name(const char *name);
/* Walks to dir/name on the server. *inode: its inode, with one more kernel reference; *attr: its
 * attributes. sc NULL: not interruptible. 0 or -errno. */
int enter_name(struct op *op, struct p9_scope *sc, struct inode *dir, const char *name, struct inode **inode,
               struct p9_attr *attr);
/* The same when the attributes are known already; fid may be NULL. */
int enter_known(struct op *op, struct inode *dir, const char *name, const struct p9_attr *attr, struct p9_fid *fid,
                uint64_t walked, struct inode **inode);

/* Which names that lookahead has not fetched yet it may request now: none, those that the kernel
 * does not know yet, any. */
enum ask { ASK_NOTHING, ASK_NEW, ASK_ANY };
/* The inode of a name in the directory of u, if lookahead has fetched its attributes or fetches
 * them now: *inode gains one kernel reference, and op->attr_ms is the lifetime left. 0, or -EAGAIN
 * if lookahead does not have it. */
int enter_fetched(struct op *op, const struct use *u, const char *name, enum ask ask, struct inode **inode,
                  struct p9_attr *attr);

#endif
