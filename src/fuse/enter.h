/*
 * enter.h: from names to inodes.
 */
#ifndef ENTER_H
#define ENTER_H

#include "fuse/op.h"

int check_name(const char *name);
/* The inode of dir/name as it is now on the server, one kernel reference counted. */
int enter_name(struct op *op, struct p9_scope *sc, struct inode *dir, const char *name, struct inode **inode,
               struct p9_attr *attr);
/* The same when the attributes are known already. */
int enter_known(struct op *op, struct inode *dir, const char *name, const struct p9_attr *attr, struct p9_fid *fid,
                uint64_t walked, struct inode **inode);

/* What to ask the server for where it was not asked ahead: nothing, what the kernel does not
 * know yet, anything. */
enum ask { ASK_NOTHING, ASK_NEW, ASK_ANY };
/* The inode of a name in the directory u, if its attributes were asked for ahead, or are to be:
 * then op->attr_ms says how long they hold, and one kernel reference is counted. EAGAIN: not so. */
int enter_fetched(struct op *op, const struct use *u, const char *name, enum ask ask, struct inode **inode,
                  struct p9_attr *attr);

#endif
