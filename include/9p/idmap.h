/*
 * idmap.h: the names of users and groups that 9P2000 has, and this machine's numbers.
 */
#ifndef IDMAP_H
#define IDMAP_H

#include "9p/codec.h"

struct idmap;

struct idmap_options {
    uid_t dfltuid; /* stand for names that this machine does not know */
    gid_t dfltgid;
    const char *me; /* but this name, of a user and of a group, is my_uid and my_gid; or NULL. Must live on */
    uid_t my_uid;
    gid_t my_gid;
};

/* NULL without memory. */
struct idmap *idmap_new(const struct idmap_options *o);
void idmap_free(struct idmap *m);

/* By the local databases, asked once for each name; a name of digits is that number. Any thread. May block. */
uid_t idmap_uid(struct idmap *m, struct p9_str name);
gid_t idmap_gid(struct idmap *m, struct p9_str name);

enum { IDMAP_NAME_BYTES = 256 };
/* The name of a number, terminated; false if it has none, or one that is too long. */
bool idmap_user_name(uid_t uid, char name[IDMAP_NAME_BYTES]);
bool idmap_group_name(gid_t gid, char name[IDMAP_NAME_BYTES]);

#endif
