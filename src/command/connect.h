/*
 * connect.h: from the options to a connected client, and to the attached root.
 */
#ifndef CONNECT_H
#define CONNECT_H

#include "cache/cache.h"
#include "command/options.h"
#include "fuse/fs.h"

/* What must be done before there are other threads, and after the last connection has ended. 0 or
 * -errno. */
int connect_prepare(const struct options *o);
void connect_end(void);
/* Connects to the source and agrees on a dialect, again and again if the options say so. NULL, and
 * an error is logged, if that fails. */
struct p9_client *connect_client(const struct options *o);
/* Attaches, authenticating if the options say so, and reads the attributes of the root, so that the
 * export is known to work. NULL, and an error is logged, if that fails. */
struct cache *connect_attach(const struct options *o, struct p9_client *c);
/* From now on a lost connection is restored, as the options say. 0 or -errno. */
int connect_keep(const struct options *o, struct fs *fs);

#endif
