/*
 * writebehind.h: writes that are answered before the server has them.
 *
 * Data written to an open file is copied into chunks. A chunk is sent when it is full, when the
 * next write does not continue it, or as soon as nothing of its file is in flight (a stream of
 * writes waits some milliseconds): small writes are gathered, and none stays long. Whatever needs
 * the file as it was written settles it first: waits until every write up to then is acknowledged.
 *
 * An error stays with the writer: each close of a descriptor returns it, and an fsync, once; from
 * then on its writes are synchronous. Others who have the file open get it from an fsync of theirs,
 * as with a local file.
 *
 * Locks: writebehind->mtx is taken after none, and before the cache's and the client's.
 */
#ifndef WRITEBEHIND_H
#define WRITEBEHIND_H

#include "cache/cache.h"

struct writebehind;
struct chunk;

/* The dirty data of an open file. Embedded in what the kernel's file handle points to; zeroed is
 * ready. It must be settled before it is freed. */
struct writer {
    struct inode *inode;
    struct chunk *chunks;  /* oldest first */
    struct chunk *filling; /* the last of them, if it is not sent */
    unsigned in_flight;    /* chunks that are sent */
    uint64_t ended;        /* where the last write did, bytes */
    unsigned in_turn;      /* how many continued the one before */
    int error;             /* the first since an fsync returned one, or 0 */
    bool reported;         /* the last close returned it to a live program */
    unsigned known_errors; /* for cache_sync_error */
    atomic_bool failed;    /* there was one: writes are synchronous from now on */
    struct writer *prev, *next;
};

/* max_bytes: the bound on dirty data; more waits. NULL without memory. */
struct writebehind *writebehind_new(struct cache *cache, size_t max_bytes);
/* Every writer must be settled. NULL is nothing. */
void writebehind_free(struct writebehind *b);

/* Copies n bytes for the file at an offset, to be written through its open fid, of which it
 * takes references. Waits for data in flight to the same place, and for room. 0 or -errno:
 * ENOMEM; EINTR if sc, which may be NULL, is interrupted. */
int writebehind_write(struct writebehind *b, struct p9_scope *sc, struct writer *w, struct p9_fid *fid, const void *buf,
                      size_t n, uint64_t offset);
/* Waits until every earlier write to the file with this qid (NULL: to any) is acknowledged, or
 * has failed. 0; EINTR if sc, which may be NULL, is interrupted. */
int writebehind_settle(struct writebehind *b, struct p9_scope *sc, const struct p9_qid *qid);
/* The same, but asks goes_on(arg) some times a second: EINTR once that is false. */
int writebehind_settle_while(struct writebehind *b, struct p9_scope *sc, const struct p9_qid *qid,
                             bool (*goes_on)(void *arg), void *arg);
/* Whether that file has dirty data. */
bool writebehind_busy(struct writebehind *b, const struct p9_qid *qid);
/* The bytes that are not acknowledged yet, in all. */
size_t writebehind_dirty(struct writebehind *b);
/* The error since the last writebehind_sync, -errno, or 0. */
int writebehind_error(struct writebehind *b, const struct writer *w);
/* A close returned that error; heard: to a program that lives on. */
void writebehind_reported(struct writebehind *b, struct writer *w, bool heard);
/* For an fsync, which returns errors of other writers to the file as well: -errno or 0; and that it
 * has returned it: once. */
int writebehind_unsynced(struct writebehind *b, const struct writer *w);
int writebehind_sync(struct writebehind *b, struct writer *w);
/* After the last close: the error that neither it nor an fsync returned, -errno, or 0. */
int writebehind_unreported(struct writebehind *b, const struct writer *w);
/* After p9_interrupt: threads that wait here check whether it was for them. */
void writebehind_wake(struct writebehind *b);

#endif
