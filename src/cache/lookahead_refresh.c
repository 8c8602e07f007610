/*
 * lookahead_refresh.c: whole listings that are too old are read again while names that are not there are asked for.
 *
 * In the background. What is found is added to what is known: a name too many is only asked for. So whatever we do to the
 * directory meanwhile (lookahead_forget) needs no thought.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"

enum {
    MOST_NAMES = 5000,    /* a larger directory is not read again, */
    MOST_ENTRIES = 10000, /* nor further than this: a server may never come to an end */
    BUFFER = 64 * 1024,   /* bytes */
    ENOUGH_MISSES = 2,    /* names asked for in vain, where none was known to be missing before */
};

/* ---- reading ------------------------------------------------------------ */

/* False where the names are no good, or too many, or nobody wants them any more. */
static bool note_names(struct lookahead *a, uint64_t listing, struct p9_fid *fid, const uint8_t *buf, uint32_t len,
                       uint64_t *next, unsigned *entries)
{
    struct p9_dirent de;
    struct p9_attr attr;
    size_t used;

    pthread_mutex_lock(&a->mtx);
    struct listing *l = a->stop ? NULL : lookahead_by_number(a, listing);
    bool good = l != NULL;
    for (uint32_t at = 0; good && at < len; at += (uint32_t)used) {
        used = p9_next_dirent(fid->client, buf + at, len - at, *next, &de, &attr);
        good = used > 0 && ++*entries <= MOST_ENTRIES;
        if (!good)
            break;
        *next = de.offset;
        if (de.name.len > 0 && !p9_str_eq(de.name, ".") && !p9_str_eq(de.name, ".."))
            lookahead_add_name(a, l, de.name.s, de.name.len, UNASKED, (de.qid.type & P9_QTDIR) != 0);
    }
    pthread_mutex_unlock(&a->mtx);
    return good;
}

/* Whether all names of the open directory were noted. */
static bool read_names(struct lookahead *a, uint64_t listing, struct p9_fid *fid)
{
    uint32_t most = fid->iounit < BUFFER ? fid->iounit : BUFFER, got = 1;
    uint8_t *buf = malloc(most);
    uint64_t next = 0;
    unsigned entries = 0;
    int rc = buf != NULL ? 0 : -ENOMEM;

    while (rc == 0 && got > 0) {
        rc = p9_readdir(NULL, fid, next, buf, most, &got);
        if (rc == 0 && got > 0 && !note_names(a, listing, fid, buf, got, &next, &entries))
            rc = -ECANCELED;
    }
    free(buf);
    return rc == 0;
}

/* Gives the lock up while it reads. */
static void refresh(struct lookahead *a, const struct lookahead_job *job)
{
    struct p9_fid *fid;
    bool whole = false;

    pthread_mutex_unlock(&a->mtx);
    if (p9_walk(NULL, job->dir, 0, NULL, &fid) != 0)
        fid = NULL;
    uint64_t began = cache_now_ms();
    if (fid != NULL && p9_open(NULL, fid, O_RDONLY | O_DIRECTORY) == 0)
        whole = read_names(a, job->listing, fid);
    p9_fid_put(fid);
    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_by_number(a, job->listing);
    if (l != NULL) {
        l->refreshing = false;
        if (whole)
            l->asked_ms = began;
    }
}

/* ---- asking for it ------------------------------------------------------ */

static bool is_worth_it(const struct lookahead *a, struct listing *l)
{
    return l->whole && !l->refreshing && cache_now_ms() - l->asked_ms >= a->lifetime_ms &&
           HASH_COUNT(l->names) <= MOST_NAMES && (l->denied || ++l->missed >= ENOUGH_MISSES);
}

void lookahead_missed(struct lookahead *a, struct inode *dir, struct user *user, struct p9_fid *dirfid,
                      const char *name)
{
    struct entry *e = NULL;

    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_listing_of(a, dir, user);
    if (l != NULL)
        HASH_FIND_STR(l->names, name, e);
    if (l != NULL && e == NULL && is_worth_it(a, l) && lookahead_background(a, l, dirfid, 0, refresh)) {
        l->refreshing = true;
        l->denied = false;
        l->missed = 0;
    }
    pthread_mutex_unlock(&a->mtx);
}
