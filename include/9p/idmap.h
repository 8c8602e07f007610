/*
 * idmap.h: maps names of users and groups, which 9P2000 has, to local ids and back.
 */
#ifndef IDMAP_H
#define IDMAP_H

#include "9p/codec.h"

struct idmap;

struct idmap_options {
    uid_t dfltuid; /* for names that are unknown here */
    gid_t dfltgid;
    const char *me; /* if unknown here, it is my_uid and my_gid; NULL: none. Must outlive the
                       map */
    uid_t my_uid;
    gid_t my_gid;
};

/* Owned by the caller. NULL without memory. */
struct idmap *idmap_new(const struct idmap_options *o);
/* m may be NULL. */
void idmap_free(struct idmap *m);

/* The id of a name, from the local databases; each name is looked up once. A name of digits is its
 * number. May block. Any thread. */
uid_t idmap_uid(struct idmap *m, struct p9_str name);
gid_t idmap_gid(struct idmap *m, struct p9_str name);

enum { IDMAP_NAME_BYTES = 256 };
/* The name of an id, terminated; false if it has none, or one that does not fit. May block. */
bool idmap_user_name(uid_t uid, char name[IDMAP_NAME_BYTES]);
bool idmap_group_name(gid_t gid, char name[IDMAP_NAME_BYTES]);

#endif
