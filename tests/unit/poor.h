/*
 * poor.h: a client over a server that goes by path, where allocations of the client fail.
 */
#ifndef POOR_H
#define POOR_H

#include "unit/nomem.h"
#include "unit/pathsrv.h"

struct poor {
    struct srv *srv; /* easy; tests prepare it by poor_begin's function */
    struct p9_client *client;
    struct p9_fid *root; /* attached; NULL: there is no memory */
};

/* prepare() adds files. */
struct poor poor_begin(void (*prepare)(struct srv *s));
/* Every fid must have been put, but for the root if that is not NULL. */
void poor_end(struct poor *p);

#endif
