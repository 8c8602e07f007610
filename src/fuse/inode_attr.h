/*
 * inode_attr.h: the attributes of an inode.
 */
#ifndef INODE_ATTR_H
#define INODE_ATTR_H

#include "fuse/op.h"

/* Fills an entry, which the kernel is given. The caller has counted the inode's kernel
 * reference. */
void fill_entry(struct op *op, struct inode *inode, const struct p9_attr *attr, struct fuse_entry_param *e);
void fill_stat(const struct inode *inode, const struct p9_attr *attr, struct stat *st);
/* The st_ino of a qid in the number space of an inode (inode->space). */
uint64_t inode_number(uint32_t space, const struct p9_qid *qid);

/* Requests the attributes of an inode from the server, and stores them. 0 or -errno. */
int inode_getattr(struct op *op, struct inode *inode, struct p9_attr *attr);
/* Sets attributes on the server. sc NULL: not interruptible. seen: as for p9_setattr_seen, or NULL.
 * check_ms: as in struct use. 0 or -errno. */
int inode_setattr(struct op *op, struct p9_scope *sc, struct inode *inode, struct user *user,
                  const struct p9_setattr *set, struct p9_attr *seen, unsigned check_ms);
/* Sets inode's mode through the mounting user's attach. 0 or -errno. */
int set_mode_as_mounter(struct op *op, struct inode *inode, mode_t mode);

#endif
