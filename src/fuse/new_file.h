/*
 * new_file.h: the common part of creating files.
 */
#ifndef NEW_FILE_H
#define NEW_FILE_H

#include "fuse/op.h"

#define NO_GROUP ((gid_t)-1)

/* The group of a new file in dir: the directory's if the directory is set-group-id, else the
 * caller's. */
gid_t group_for_new(struct op *op, struct inode *dir);
/* The group to try where the server refuses that one. */
gid_t second_group(struct op *op);
/* The mode of a new file in dir, with the umask applied unless dir has a default ACL, which takes
 * its place. Without posixacl the kernel applies the umask itself. */
mode_t mode_for_new(struct op *op, struct inode *dir, mode_t mode);
/* Where all users share one attach (ACCESS_CLIENT): gives the new file behind fid to op's user and
 * to that group. 0 or -errno. */
int give_to_user(struct op *op, struct p9_fid *fid, gid_t gid);
/* nfs-ganesha creates files without the set-user-id, set-group-id and sticky bits: sets those bits
 * of mode on inode, and the group (NO_GROUP: any), and updates *attr. If that fails, the file
 * stays as the server created it. */
void as_made(struct op *op, struct inode *inode, mode_t mode, gid_t gid, struct p9_attr *attr);
/* Whether the attributes of a new file with that mode, and group as for as_made, can be predicted
 * instead of requested. */
bool is_plain_new(struct op *op, mode_t mode, gid_t group);
/* The predicted attributes. */
struct p9_attr attr_of_new(struct op *op, struct inode *dir, const struct p9_qid *qid, mode_t mode);

#endif
