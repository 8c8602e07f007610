/*
 * user.h: who asks.
 */
#ifndef USER_H
#define USER_H

#include "fuse/op.h"

/* Who asks, attached; NULL if the server or an option says no. */
struct user *op_user(struct op *op);
/* Whether who asks is in that group. */
bool in_group(fuse_req_t req, gid_t gid);
/* nfs-ganesha lets nobody make a file of a group that he is not in on the server: EPERM. Then it
 * is made with the group that he has at home, and given the right one afterwards (as_made). */
gid_t primary_group(struct op *op);

#endif
