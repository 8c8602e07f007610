/*
 * kept.h: a session that outlives its connections, each to a peer of its own.
 */
#ifndef KEPT_H
#define KEPT_H

#include "unit/session/peer.h"

enum { KEPT_PEERS = 3 };

struct kept {
    struct p9_session *s;
    struct peer p[KEPT_PEERS]; /* p[n]: of the nth connection */
    unsigned npeers;
    unsigned losses; /* calls of lost(), counted by kept_lost */
    char reason[256];
    sem_t lost;
    atomic_uint wanted; /* calls of wanted() */
};

/* limit_ms and probe_ms are those of p9_keeping. */
void kept_begin(struct kept *k, void (*script)(struct peer *), unsigned max_tags, unsigned limit_ms, unsigned probe_ms);
/* Waits for the next loss. */
void kept_lost(struct kept *k);
/* p9_session_restore over a connection to the next peer. */
int kept_restore(struct kept *k, void (*script)(struct peer *), struct p9_why *why);
void kept_end(struct kept *k);
/* A Tclunk of a scope that restores. */
int kept_try(struct kept *k);

#endif
