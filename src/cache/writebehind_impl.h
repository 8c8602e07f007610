/*
 * writebehind_impl.h: what the files of write-behind share.
 */
#ifndef WRITEBEHIND_IMPL_H
#define WRITEBEHIND_IMPL_H

#include "cache/writebehind.h"

struct writebehind {
    struct cache *cache;
    size_t max_bytes;
    pthread_mutex_t mtx; /* guards all below, and every writer */
    pthread_cond_t progress;
    struct writer *writers; /* those with chunks */
    size_t bytes;           /* in all chunks */
    uint64_t next_number;
    atomic_uint nchunks;
    struct timer *timer; /* sends the chunks of streams; NULL: none waits */
};

#endif
