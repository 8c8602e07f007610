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
    struct p9_fid *doubts;     /* whose request was given up (fid.c), */
    uint64_t doubts_until;     /* p9_session_submitted() after the last of them */
    struct p9_fid *answered;   /* and those of which the server has answered it */
    uint64_t doubts_ms;        /* when they are looked at again, of clock_ms() */
    atomic_bool has_doubts;
    void (*evict)(void *arg, unsigned n);
    void *evict_arg;
};

/* Called with the lock. */

void fids_free_number(struct fids *f, uint32_t num);
/* A free number, -ENFILE or -EINTR. Releases the lock while it waits. */
int64_t fids_alloc_number(struct fids *f, struct p9_scope *sc, struct p9_session *s);
/* Ends the hold of fid, if it is held. */
void fids_release(struct fids *f, struct p9_fid *fid);

/* Takes all fids whose request was given up. */
struct p9_fid *fids_take_doubts(struct fids *f);

/* Puts fids that fids_take_doubts has returned. Without the lock. */
void fids_put_doubts(struct p9_fid *fid);
/* After the end of the session. Without the lock. */
void fids_discard_doubts(struct fids *f);
/* Asks for all idle fids to be put. Without the lock. */
void fids_evict_all(struct fids *f);

#endif
