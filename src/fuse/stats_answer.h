/*
 * stats_answer.h: answering the kernel's question for the statistics.
 */
#ifndef STATS_ANSWER_H
#define STATS_ANSWER_H

#include "9p/stats.h"
#include "fuse/fs.h"

/* Whether an extended attribute's name, or a list of them with this room, means the statistics. */
bool stats_is(fuse_ino_t ino, const char *name);
bool stats_is_list(const struct fs *fs, fuse_ino_t ino, size_t size);
/* Replies with them; size 0: with the bytes that they have at most. */
void stats_answer(struct fs *fs, fuse_req_t req, size_t size);
/* Writes them to buf[size]. Returns the bytes, without the terminator. */
size_t stats_render(const struct fs *fs, const struct p9_session_stats *s, char *buf, size_t size);

#endif
