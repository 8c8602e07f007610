/*
 * new_file.h: what is common to making files.
 */
#ifndef NEW_FILE_H
#define NEW_FILE_H

#include "fuse/op.h"

#define NO_GROUP ((gid_t)-1)

/* The group that a new file in dir belongs to: the directory's if that is set-group-id. */
gid_t group_for_new(struct op *op, struct inode *dir);
/* The mode of a new file in dir: a default ACL stands in for the umask. The kernel applies the
 * umask itself without posixacl. */
mode_t mode_for_new(struct op *op, struct inode *dir, mode_t mode);
/* Where all act by one attach: gives what op's user just made to that user and group. `fid` is
 * it. */
int give_to_user(struct op *op, struct p9_fid *fid, gid_t gid);
/* nfs-ganesha makes files without the set-user-id, set-group-id and sticky bits: gives inode
 * those of the mode, and the group (NO_GROUP: any), that it was made with, and *attr what comes
 * of it. What fails is left as the server did it. */
void as_made(struct op *op, struct inode *inode, mode_t mode, gid_t gid, struct p9_attr *attr);
/* Whether what was just made with that mode, and `group` as for as_made, is such that its
 * attributes need not be asked for; what they should be then. */
bool is_plain_new(struct op *op, mode_t mode, gid_t group);
struct p9_attr attr_of_new(struct op *op, struct inode *dir, const struct p9_qid *qid, mode_t mode);

#endif
