/*
 * connect.h: from the options to a connected client, and to the root of what is mounted.
 */
#ifndef CONNECT_H
#define CONNECT_H

#include "cache/cache.h"
#include "command/options.h"

/* NULL, and a message, if it fails. */
struct p9_client *connect_client(const struct options *o);
/* The same. */
struct cache *connect_attach(const struct options *o, struct p9_client *c);

#endif
