/*
 * track.h: what is known of fids, to make them again, shared with the recovery.
 */
#ifndef TRACK_H
#define TRACK_H

#include "client/dialect.h"

/* dir and the names with '/' between, malloc'd; NULL if dir is, or without memory. */
char *track_join(const char *dir, const struct p9_str *names, size_t n);
/* The path of a fid, and of a name in the directory, malloc'd; NULL if it is unknown, or without
 * memory. Called with fids->mtx. */
char *track_path(struct p9_client *c, uint32_t num);
char *track_path_in(struct p9_client *c, uint32_t dir, const struct p9_str *name);
/* The hash in fids->hashes. */
uint64_t track_hash(const char *path);
/* The fid is as it was before a try that failed. Takes over the path, which may be NULL. Called
 * with fids->mtx. */
void track_restore(struct p9_fid *fid, char *path);
/* Notes the effect of a request that succeeded without a reply, too. Takes fids->mtx. */
void track_note(struct p9_client *c, const struct p9_fcall *tx, const struct p9_fcall *rx);
/* The fid is not open, and has this path, which is taken over. Takes fids->mtx. */
void track_undo_open(struct p9_client *c, uint32_t num, char *path);

#endif
