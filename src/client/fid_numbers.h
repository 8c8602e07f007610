/*
 * fid_numbers.h: the numbers of fids. Between fid_numbers.c and fid.c only.
 */
#ifndef FID_NUMBERS_H
#define FID_NUMBERS_H

#include <pthread.h>

#include "client/dialect.h"

struct fids {
    pthread_mutex_t mtx;  /* guards all below */
    pthread_cond_t freed; /* a number came free */
    unsigned bound;       /* numbers below this may be used */
    unsigned live;        /* numbers taken */
    unsigned clunking;    /* of those, on their way out */
    unsigned hopeless;    /* so many clunks are no longer waited for */
    unsigned wait_ms;     /* for a clunk */
    unsigned held;        /* by files and directories that are open */
    unsigned lowest;      /* no word below this has a free number */
    uint64_t *taken;      /* a bit each */
    unsigned nwords;
    void (*evict)(void *arg, unsigned n);
    void *evict_arg;
};

/* All with the lock. */

void fids_give_number(struct fids *f, uint32_t num);
/* A number, -ENFILE, or -EINTR. Gives the lock up while it waits. */
int64_t fids_take_number(struct fids *f, struct p9_scope *sc, struct p9_session *s);
void fids_let_go(struct fids *f, struct p9_fid *fid);

#endif
