/*
 * inode_attr.h: the attributes of an inode.
 */
#ifndef INODE_ATTR_H
#define INODE_ATTR_H

#include "fuse/op.h"

/* An entry for the kernel: the inode's reference must have been counted. */
void fill_entry(struct op *op, struct inode *inode, const struct p9_attr *attr, struct fuse_entry_param *e);
void fill_stat(const struct inode *inode, const struct p9_attr *attr, struct stat *st);
/* st_ino of what has this qid in a space of numbers, as a inode's. */
uint64_t inode_number(uint32_t space, const struct p9_qid *qid);

/* The attributes of a inode as they are now on the server; remembered as told. */
int inode_getattr(struct op *op, struct inode *inode, struct p9_attr *attr);
/* seen: as for p9_setattr_seen, or NULL. check_ms: as in struct use. */
int inode_setattr(struct op *op, struct p9_scope *sc, struct inode *inode, struct user *user,
                  const struct p9_setattr *set, struct p9_attr *seen, unsigned check_ms);
/* Sets inode's mode with the rights of who mounted. 0 or -errno. */
int set_mode_as_mounter(struct op *op, struct inode *inode, mode_t mode);

#endif
