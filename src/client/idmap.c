/*
 * idmap.c: maps names of users and groups to ids and back by the local databases. A name is looked
 * up once.
 */
#include "9p/idmap.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* without memory what is added is not in the hash: hh.tbl is NULL */
#include <uthash.h>

enum {
    RECORD_BYTES = 16384, /* for one entry of a database */
    MAX_NAMES = 4096,     /* cached at most: a server may send any number of names */
};

struct known {
    UT_hash_handle hh;
    uint32_t id;
    char name[]; /* not terminated */
};

struct names {
    struct known *hash;
    uint32_t dflt, mine;
    const char *me;
    uint32_t (*find)(const char *name, uint32_t dflt);
};

struct idmap {
    pthread_mutex_t mtx; /* guards the hashes */
    struct names users, groups;
};

static uint32_t find_user(const char *name, uint32_t dflt)
{
    struct passwd pw, *found = NULL;
    char text[RECORD_BYTES];

    getpwnam_r(name, &pw, text, sizeof text, &found);
    return found != NULL ? pw.pw_uid : dflt;
}

static uint32_t find_group(const char *name, uint32_t dflt)
{
    struct group gr, *found = NULL;
    char text[RECORD_BYTES];

    getgrnam_r(name, &gr, text, sizeof text, &found);
    return found != NULL ? gr.gr_gid : dflt;
}

struct idmap *idmap_new(const struct idmap_options *o)
{
    struct idmap *m = calloc(1, sizeof *m);

    if (m == NULL)
        return NULL;
    pthread_mutex_init(&m->mtx, NULL);
    m->users = (struct names){.dflt = o->dfltuid, .me = o->me, .mine = o->my_uid, .find = find_user};
    m->groups = (struct names){.dflt = o->dfltgid, .me = o->me, .mine = o->my_gid, .find = find_group};
    return m;
}

static void clear(struct names *n)
{
    struct known *k, *next;

    HASH_ITER (hh, n->hash, k, next) {
        HASH_DEL(n->hash, k);
        free(k);
    }
}

void idmap_free(struct idmap *m)
{
    if (m == NULL)
        return;
    clear(&m->users);
    clear(&m->groups);
    pthread_mutex_destroy(&m->mtx);
    free(m);
}

static bool is_number(const char *name, uint32_t *id)
{
    char *end;
    unsigned long v = strtoul(name, &end, 10);

    *id = (uint32_t)v;
    return name[0] >= '0' && name[0] <= '9' && *end == 0 && v < UINT32_MAX;
}

static uint32_t resolve(struct names *n, struct p9_str name)
{
    char text[IDMAP_NAME_BYTES];
    uint32_t id;

    if (name.len >= sizeof text)
        return n->dflt;
    memcpy(text, name.s, name.len);
    text[name.len] = 0;
    uint32_t dflt = n->me != NULL && strcmp(text, n->me) == 0 ? n->mine : n->dflt;
    return is_number(text, &id) ? id : n->find(text, dflt);
}

static uint32_t look_up(struct idmap *m, struct names *n, struct p9_str name)
{
    struct known *k;

    if (name.len == 0)
        return n->dflt;
    pthread_mutex_lock(&m->mtx);
    HASH_FIND(hh, n->hash, name.s, name.len, k);
    uint32_t id = k != NULL ? k->id : 0;
    pthread_mutex_unlock(&m->mtx);
    if (k != NULL)
        return id;
    id = resolve(n, name);
    struct known *mine = malloc(sizeof *mine + name.len);
    if (mine == NULL)
        return id;
    mine->id = id;
    memcpy(mine->name, name.s, name.len);
    pthread_mutex_lock(&m->mtx);
    HASH_FIND(hh, n->hash, name.s, name.len, k);
    if (k == NULL && HASH_COUNT(n->hash) < MAX_NAMES) {
        HASH_ADD_KEYPTR(hh, n->hash, mine->name, name.len, mine);
        mine = mine->hh.tbl != NULL ? NULL : mine;
    }
    pthread_mutex_unlock(&m->mtx);
    free(mine);
    return id;
}

uid_t idmap_uid(struct idmap *m, struct p9_str name)
{
    return look_up(m, &m->users, name);
}

gid_t idmap_gid(struct idmap *m, struct p9_str name)
{
    return look_up(m, &m->groups, name);
}

static bool copy_name(const char *from, char *to)
{
    size_t n = strlen(from);

    if (n >= IDMAP_NAME_BYTES)
        return false;
    memcpy(to, from, n + 1);
    return true;
}

bool idmap_user_name(uid_t uid, char name[IDMAP_NAME_BYTES])
{
    struct passwd pw, *found = NULL;
    char text[RECORD_BYTES];

    getpwuid_r(uid, &pw, text, sizeof text, &found);
    return found != NULL && copy_name(pw.pw_name, name);
}

bool idmap_group_name(gid_t gid, char name[IDMAP_NAME_BYTES])
{
    struct group gr, *found = NULL;
    char text[RECORD_BYTES];

    getgrgid_r(gid, &gr, text, sizeof text, &found);
    return found != NULL && copy_name(gr.gr_name, name);
}
