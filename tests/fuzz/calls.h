/*
 * calls.h: every operation of a client, on a few fids, and what must be true of its results.
 */
#ifndef CALLS_H
#define CALLS_H

#include "9p/client.h"

enum { CALLS_FIDS = 4 };

struct calls {
    struct p9_client *client;
    struct p9_scope scope; /* of each operation */
    struct p9_fid *root;
    struct p9_fid *fids[CALLS_FIDS]; /* those that are not NULL may be open */
};

/* Many requests at once: when all are answered in order the client relies on that. They are Tclunks
 * of NOFID. */
void calls_in_order(struct calls *c);
/* Attaches, and learns the server's habits. */
int calls_begin(struct calls *c);
/* One operation: what is its number, and in the three highest bits a variant. */
void calls_do(struct calls *c, uint8_t what);
void calls_end(struct calls *c);

#endif
