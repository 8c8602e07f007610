/*
 * readahead.h: what will be read next of a file that is read from front to back.
 *
 * From the second read that continues the one before, pieces of what follows are asked for, as far ahead as a window, which
 * grows while they are of use. A read that lies in what was asked for waits for no more than that. A read elsewhere
 * ends it, and so does whatever we do to the file that may change it, and a change that is seen.
 *
 * Locks: prefetch's own is taken after none, and before the tree's and the client's.
 */
#ifndef READAHEAD_H
#define READAHEAD_H

#include <sys/uio.h>

#include "cache/cache.h"

struct readahead_pool; /* of a mount */
struct readahead;      /* of an open file */
struct piece;

enum { READAHEAD_IOVS = 16 };

/* window: bytes ahead in one file at most; total: in all. NULL without memory. */
struct readahead_pool *readahead_pool_new(struct cache *t, size_t window, size_t total);
/* Every file must be closed, and the connection at its end. NULL is nothing. */
void readahead_pool_free(struct readahead_pool *pf);

/* For a file opened by this fid, of which references are kept. NULL without memory, and with pf NULL. */
struct readahead *readahead_open(struct readahead_pool *pf, struct inode *inode, struct p9_fid *fid);
/* The first n bytes are known, the whole file, which has not changed since cache_content was that. Before the first read. NULL p is nothing. */
void readahead_give(struct readahead *p, const void *data, uint32_t n, uint64_t content);
/* No read may be under way. NULL is nothing. */
void readahead_close(struct readahead *p);

/* A read of the kernel's. Owned by the caller until done(). */
struct readahead_read {
    uint64_t offset;
    uint32_t size;          /* bytes */
    struct p9_scope *scope; /* may be interrupted */
    /* rc 0: the bytes are in iov[n], during the call; -EAGAIN: the caller is to read on his own; -EINTR. From any thread, without
     * locks held. */
    void (*done)(struct readahead_read *r, int rc);
    struct iovec iov[READAHEAD_IOVS];
    int n;

    /* Prefetch's own. */
    int rc;
    uint32_t within; /* bytes that lie in the file */
    struct piece *pieces[READAHEAD_IOVS];
    struct readahead_read *prev, *next;
};

/* Notes a read, the file being `size` bytes long as far as is known, and asks for what follows if it should. True: done() is called, or
 * was; false: the caller is to read on his own. */
bool readahead_read(struct readahead *p, struct readahead_read *r, uint64_t size);
/* After p9_interrupt of a read's scope: what it may wait for is flushed, and it answered then, by another thread. NULL is nothing. */
void readahead_interrupt(struct readahead *p);

#endif
