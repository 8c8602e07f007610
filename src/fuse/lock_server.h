/*
 * lock_server.h: what the files that send lock requests to the server share.
 *
 * - lock_call.c: one request
 * - lock_fid.c: the fid of a file's locks
 * - lock_ranges.c: whether the server locks ranges
 * - lock_server.c: the locks that the server holds
 *
 * All functions but lock_interrupted and lock_strongest are called with locks->mtx, which they
 * release during a round trip.
 */
#ifndef LOCK_SERVER_H
#define LOCK_SERVER_H

#include "fuse/lock_impl.h"

/* ---- lock_call.c -------------------------------------------------------- */

/* op may be NULL. */
bool lock_interrupted(const struct op *op);
/* Sends one lock or unlock as `owner` through `fid`. noted: `fid` is the locks' own, and the result
 * becomes part of the recorded locks of the server. 0 or -errno. */
int lock_send(struct locking *k, struct p9_fid *fid, uint32_t owner, const struct lock_range *range, bool noted);

/* ---- lock_fid.c --------------------------------------------------------- */

/* Opens the fid of a file's locks. 0, -EINTR or -EBADF. */
int lock_make_fid(struct locking *k);
/* For a server that refuses a lock because the fid cannot write: replaces the fid by one that can,
 * if any user may open the file so by now. The new fid acquires the read locks held before the old
 * one is clunked. 0 or -errno. */
int lock_better_fid(struct locking *k);

/* ---- lock_ranges.c ------------------------------------------------------ */

/* Whether the server locks ranges; the first call finds out. False if that is unknown. */
bool lock_has_ranges(struct locking *k);

/* ---- lock_server.c ------------------------------------------------------ */

/* Sets a range to `type` on the server, and records it. 0 or -errno; -EAGAIN while a request is
 * overdue. */
int lock_on_server(struct locking *k, enum lock_type type, uint64_t start, uint64_t end);
/* LK_NONE for an empty list. */
enum lock_type lock_strongest(const struct lock_range *list);
/* The strongest lock that any process here has or is about to have, in all and on byte `at`; *end
 * as in locks_at. */
enum lock_type lock_needed(const struct file_locks *fl);
enum lock_type lock_needed_at(const struct file_locks *fl, uint64_t at, uint64_t *end);

#endif
