/*
 * recovery.h: restoring a lost connection: what recovery.c, replay.c and resolve.c share.
 *
 * - recovery.c: when to try, and the steps of a try
 * - replay.c: makes the fids again that are in use, under their numbers
 * - resolve.c, resolve_names.c: find out what became of requests that were sent
 */
#ifndef RECOVERY_H
#define RECOVERY_H

#include "9p/recovery.h"
#include "client/fid_numbers.h"
#include "client/track.h"

/* A fid to be made again. */
struct again {
    struct p9_fid *fid;    /* a reference */
    int rc;                /* 0: it was; or -errno */
    bool bound;            /* the server knows the number */
    const char *rest;      /* what is left to walk of `path` */
    uint16_t asked;        /* names in the walk that was sent last */
    char *path, *original; /* original: that of the fid */
    unsigned others;       /* other paths that were tried */
    struct p9_req req;
};

/* One try. */
struct attempt {
    struct p9_client *client;
    struct p9_scope scope; /* of all its requests */
    const struct p9_recovery_options *o;
    const struct expected *expected;
    struct again *fids;
    size_t n;
    struct p9_why why;
};

/* What a held request that was sent removes or renames, noted before idle fids are put. */
struct expected {
    uint64_t id;
    char *from, *to; /* paths, or NULL */
    bool has_qid;
    struct p9_qid qid; /* of the file at `from` */
    struct expected *next;
};

void recovery_free(struct recovery *r); /* r may be NULL */

/* ---- replay.c ---- */

/* Collects the fids in use and makes them again. 0, or -errno and a->why if no user could be
 * attached, or the connection is lost again. */
int replay_fids(struct attempt *a);
/* The fids that were made belong to the new connection, the others are lost. How many were made. */
unsigned replay_commit(struct attempt *a);
/* restored: the try succeeded; otherwise the next one finds the fids as this one did. */
void replay_free(struct attempt *a, bool restored);
/* What became of the fid with this number: 0, -errno, or 1 if it was not to be made again. */
int replay_result(const struct attempt *a, uint32_t num);
/* Walks the path of a fid anew. */
int replay_walk(struct attempt *a, const struct p9_fid *fid, struct p9_fid **out);

/* ---- resolve.c ---- */

/* Notes which files requests to remove and rename are about. */
struct expected *resolve_expect(struct p9_client *c);
void resolve_free(struct expected *list);
/* Completes the held requests whose outcome is known by now; the others are to be sent again. */
void resolve_held(struct attempt *a);
/* Where a file is if a rename was carried out whose outcome is unknown, malloc'd; NULL: nowhere
 * else. */
char *resolve_other_path(const struct expected *list, const char *path);

/* ---- resolve_names.c ---- */

/* A held request whose outcome is unknown. */
struct resolving {
    struct attempt *a;
    const struct p9_held *h;
    const struct p9_qid *expected; /* the file that is removed or renamed; NULL: not known */
};
/* A request that was sent and makes, removes or renames a name: completes it if it can be seen what
 * became of it. Others stay as they are. */
void resolve_name(struct resolving *v);
/* Completes the request with success, and notes its effect on fids. */
void resolve_done(struct resolving *v);
/* The fid with that number; the request keeps it. NULL if there is none. */
struct p9_fid *resolve_fid(struct resolving *v, uint32_t num);

#endif
