/*
 * fid_numbers.h: fid numbers, shared by fid_numbers.c and fid.c.
 */
#ifndef FID_NUMBERS_H
#define FID_NUMBERS_H

#include <pthread.h>

#include "client/dialect.h"

struct fids {
    pthread_mutex_t mtx;  /* guards all below */
    pthread_cond_t freed; /* a number came free */
    unsigned bound;       /* numbers below this may be used */
    unsigned live;        /* numbers in use */
    unsigned clunking;    /* of those, waiting for Rclunk */
    unsigned abandoned;   /* of those, given up: no caller waits for them again */
    unsigned wait_ms;     /* the longest wait for an Rclunk */
    unsigned held;        /* fids with p9_fid.held */
    unsigned lowest;      /* no word below this has a free number */
    uint64_t *used;       /* bits: numbers in use */
    unsigned nwords;
    struct p9_fid **by_number; /* those in use */
    uint64_t *hashes;          /* of the paths of those */
    unsigned top;              /* no number from this on was ever in use */
    struct p9_fid *doubts;     /* fids in doubt (fid.c): the server may be at the request, */
    struct p9_fid *answered;   /* or has answered it; these are clunked, */
    uint64_t doubts_ms;        /* and those looked at again, at this time of clock_ms() */
    void (*evict)(void *arg, unsigned n);
    void *evict_arg;
};

/* Called with the lock. */

void fids_free_number(struct fids *f, uint32_t num);
/* A free number, -ENFILE or -EINTR. Releases the lock while it waits. */
int64_t fids_alloc_number(struct fids *f, struct p9_scope *sc, struct p9_session *s);
/* Ends the hold of fid, if it is held. */
void fids_release(struct fids *f, struct p9_fid *fid);

/* Puts all fids in doubt. False if there are none. Releases the lock in between. */
bool fids_put_doubts(struct fids *f);

/* Asks for all idle fids to be put. Without the lock. */
void fids_evict_all(struct fids *f);

#endif
