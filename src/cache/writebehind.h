/*
 * writebehind.h: writes that are answered before the server has them.
 *
 * What is written to an open file is copied into chunks. A chunk leaves when it is full, when
 * what is written next does not continue it, or as soon as nothing of its file is under way, a stream of writes after some
 * milliseconds: so small writes are gathered, and nothing lies about. Whoever is to see
 * the file as it was written settles it first: waits until all that was written until then is acknowledged.
 * An error is the writer's until he knows: each close of a descriptor tells of it, and an fsync, once; from then on each write is waited for.
 * Whoever else has the file open is told by an fsync of his own, as of a local file.
 *
 * Locks: behind's own is taken after nothing and before the tree's and the client's.
 */
#ifndef WRITEBEHIND_H
#define WRITEBEHIND_H

#include "cache/cache.h"

struct writebehind;
struct chunk;

/* What is under way of an open file's. Embedded in what the kernel's file handle points to; zeroed is ready. To be settled before
 * it goes. */
struct writer {
    struct inode *inode;
    struct chunk *chunks;  /* oldest first */
    struct chunk *filling; /* the last of them, if it has not left */
    unsigned flying;       /* those that have */
    uint64_t ended;        /* where the last write did, bytes */
    unsigned in_turn;      /* how many continued the one before */
    int error;             /* the first since an fsync told of one, or 0 */
    bool told;             /* the last close did, to a program that goes on */
    unsigned known_errors; /* for cache_sync_error */
    atomic_bool failed;    /* there was one: from now on each write is to be waited for */
    struct writer *prev, *next;
};

/* max_bytes: how much may be under way; more waits. NULL without memory. */
struct writebehind *writebehind_new(struct cache *t, size_t max_bytes);
/* All must be settled. NULL is nothing. */
void writebehind_free(struct writebehind *b);

/* Takes n bytes for the file at an offset, through its fid, open, of which references are kept. Waits for what is under way to
 * the same place, and for room. 0 or -errno: ENOMEM; EINTR if sc, which may be NULL, is interrupted. */
int writebehind_write(struct writebehind *b, struct p9_scope *sc, struct writer *w, struct p9_fid *fid, const void *buf,
                      size_t n, uint64_t offset);
/* Waits until all that was written until now to the file with this qid (NULL: to any) is acknowledged, or has failed.
 * 0; EINTR if sc, which may be NULL, is interrupted. */
int writebehind_settle(struct writebehind *b, struct p9_scope *sc, const struct p9_qid *qid);
/* Whether something is under way to that file. */
bool writebehind_busy(struct writebehind *b, const struct p9_qid *qid);
/* What went wrong since the last writebehind_sync, as -errno; 0. */
int writebehind_error(struct writebehind *b, const struct writer *w);
/* A close told of that; whether to a program that goes on, which may know then. */
void writebehind_told(struct writebehind *b, struct writer *w, bool heard);
/* The same for an fsync, which tells of what came to nothing of other writers to the file, too; and that it has told: once. */
int writebehind_unsynced(struct writebehind *b, const struct writer *w);
int writebehind_sync(struct writebehind *b, struct writer *w);
/* What neither an fsync nor the last close told of, as -errno; 0. After the last close. */
int writebehind_lost(struct writebehind *b, const struct writer *w);
/* After p9_interrupt: those who wait here look whether it meant them. */
void writebehind_wake(struct writebehind *b);

#endif
