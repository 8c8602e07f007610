/*
 * connection.h: what the kernel says of the mount's connection.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "fuse/fs.h"

/* Whether there are requests of the kernel's that no operation has begun for. */
enum unread { UNREAD_NONE, UNREAD_SOME, UNREAD_UNKNOWN };

enum unread unread_requests(struct fs *fs);
/* Once the mount is there. */
void connection_find(struct fs *fs);
/* Ends the connection for the kernel: what waits in it is answered. Where that cannot be,
 * nothing. */
void connection_abort(struct fs *fs);
void connection_free(struct fs *fs);

#endif
