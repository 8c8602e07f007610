/*
 * readahead.h: read-ahead of files that are read from front to back.
 *
 * From the second read on that continues the one before, pieces of what follows are read, as far
 * ahead as a window, which grows while they are used. A read within them waits for nothing else. A
 * read elsewhere ends the run, and so does any change of the file, ours or one that is seen.
 *
 * Locks: readahead->mtx is taken after none, and before the cache's and the client's.
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
struct readahead_pool *readahead_pool_new(struct cache *cache, size_t window, size_t total);
/* Every file must be closed, and the connection at its end. NULL is nothing. */
void readahead_pool_free(struct readahead_pool *pool);

/* Bytes: in pieces now; of pieces that are freed, what answered reads, and the rest. pool may be
 * NULL. */
struct readahead_counts {
    uint64_t held, used, wasted;
};
struct readahead_counts readahead_counts(struct readahead_pool *pool);

/* For a file opened by this fid, of which references are kept. NULL without memory, and with pool
 * NULL. */
struct readahead *readahead_open(struct readahead_pool *pool, struct inode *inode, struct p9_fid *fid);
/* The first n bytes are known, the whole file, since inode_version() was `version`. Before the
 * first read. NULL p is nothing. */
void readahead_preload(struct readahead *p, const void *data, uint32_t n, uint64_t version);
/* No read may be under way. NULL is nothing. */
void readahead_close(struct readahead *p);

/* A read of the kernel's. Owned by the caller until done(). */
struct readahead_read {
    uint64_t offset;
    uint32_t size;          /* bytes */
    struct p9_scope *scope; /* may be interrupted */
    /* rc 0: the bytes are in iov[n], during the call; -EAGAIN: the caller reads by itself;
     * -EINTR. From any thread, without locks held. */
    void (*done)(struct readahead_read *r, int rc);
    struct iovec iov[READAHEAD_IOVS];
    int n;

    /* Read-ahead's own. */
    int rc;
    uint32_t within; /* bytes that lie in the file */
    struct piece *pieces[READAHEAD_IOVS];
    struct readahead_read *prev, *next;
};

/* Notes a read of a file that is `size` bytes long as far as is known, and reads ahead. True:
 * done() is called, or was; false: the caller reads by itself. */
bool readahead_read(struct readahead *p, struct readahead_read *r, uint64_t size);
/* After p9_interrupt of a read's scope: flushes what it may wait for; another thread answers it
 * then. NULL is nothing. */
void readahead_interrupt(struct readahead *p);

#endif
