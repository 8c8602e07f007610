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
/* The paths before and after a request that renames, as of track_path; `to` is also NULL if a
 * Twstat changes no name. False if the request is of another type. */
bool track_renames(struct p9_client *c, const struct p9_fcall *tx, char **from, char **to);
/* Whether the path is at or below top[len]; then where it is once `top` is at `to`, malloc'd, NULL
 * if `to` is. */
bool track_is_below(const char *path, const char *top, size_t len);
char *track_below(const char *path, size_t len, const char *to);
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
