/*
 * track.h: what is known of fids, to make them again, shared with the recovery.
 */
#ifndef TRACK_H
#define TRACK_H

#include "client/dialect.h"

/* dir and the names with '/' between, malloc'd; NULL if dir is, or without memory. */
char *track_join(const char *dir, const struct p9_str *names, size_t n);
/* The hash in fids->hashes. */
uint64_t track_hash(const char *path);
/* Notes the effect of a request that succeeded without a reply, too. Takes fids->mtx. */
void track_note(struct p9_client *c, const struct p9_fcall *tx, const struct p9_fcall *rx);

#endif
