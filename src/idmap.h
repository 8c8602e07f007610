/*
 * idmap.h: the names of users and groups that 9P2000 has, and this machine's numbers.
 */
#ifndef IDMAP_H
#define IDMAP_H

#include "codec.h"

struct idmap;

/* dfltuid and dfltgid stand for names that this machine does not know. NULL without memory. */
struct idmap *idmap_new(uid_t dfltuid, gid_t dfltgid);
void idmap_free(struct idmap *m);

/* By the local databases, asked once for each name; a name of digits is that number. Any thread. May block. */
uid_t idmap_uid(struct idmap *m, struct p9_str name);
gid_t idmap_gid(struct idmap *m, struct p9_str name);

enum { IDMAP_NAME_BYTES = 256 };
/* The name of a number, terminated; false if it has none, or one that is too long. */
bool idmap_user_name(uid_t uid, char name[IDMAP_NAME_BYTES]);
bool idmap_group_name(gid_t gid, char name[IDMAP_NAME_BYTES]);

#endif
