/*
 * user.h: the user of a request.
 */
#ifndef USER_H
#define USER_H

#include "fuse/op.h"

/* The calling user, attached; NULL if the server or a mount option refuses the user. */
struct user *op_user(struct op *op);
/* Whether the caller is in that group. */
bool in_group(fuse_req_t req, gid_t gid);
/* The caller's primary group on this machine. nfs-ganesha refuses (EPERM) to create a file with a
 * group that the user is not in on the server; the file is then created with this group, and
 * as_made sets the right one. */
gid_t primary_group(struct op *op);

#endif
