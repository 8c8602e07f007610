/*
 * connection.h: the state of the mount's FUSE connection in the kernel, from fusectl.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "fuse/fs.h"

/* Whether the kernel has requests that no operation has begun for. UNREAD_UNKNOWN: without
 * fusectl. */
enum unread { UNREAD_NONE, UNREAD_SOME, UNREAD_UNKNOWN };

enum unread unread_requests(struct fs *fs);
/* Whether the kernel still has the connection, aborted or not: the file system is mounted. False
 * without fusectl. */
bool connection_exists(const struct fs *fs);
/* Whether it had the connection, and has it no more. False without fusectl. */
bool connection_gone(const struct fs *fs);
/* Opens the connection's directory in fusectl. Called once the file system is mounted. */
void connection_find(struct fs *fs);
/* Aborts the connection: the kernel fails the requests that wait in it. Without fusectl it does
 * nothing. */
void connection_abort(struct fs *fs);
void connection_free(struct fs *fs);

#endif
