/*
 * lock_server.h: what the files that ask the server for locks share.
 *
 * lock_call.c    one request lock_fid.c     the fid of a file's locks lock_ranges.c  whether the
 * server locks ranges lock_server.c  what the server holds
 *
 * All but lock_interrupted and lock_strongest are called with the lock, which they give up while
 * the server is asked.
 */
#ifndef LOCK_SERVER_H
#define LOCK_SERVER_H

#include "fuse/lock_impl.h"

/* ---- lock_call.c -------------------------------------------------------- */

/* op may be NULL. */
bool lock_interrupted(const struct op *op);
/* As `owner`, by that fid; noted: it is by the locks' fid, and part of what the server holds. */
int lock_send(struct locking *k, struct p9_fid *fid, uint32_t owner, const struct lock_range *range, bool noted);

/* ---- lock_fid.c --------------------------------------------------------- */

int lock_make_fid(struct locking *k);
/* The fid cannot write, and the server refuses: in its place comes one that can, if there is any
 * by now. What is held, which is to read, is taken by the new one before the old one goes. */
int lock_better_fid(struct locking *k);

/* ---- lock_ranges.c ------------------------------------------------------ */

bool lock_has_ranges(struct locking *k);

/* ---- lock_server.c ------------------------------------------------------ */

int lock_on_server(struct locking *k, enum lock_type type, uint64_t start, uint64_t end);
enum lock_type lock_strongest(const struct lock_range *list);

#endif
