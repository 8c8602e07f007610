/*
 * refresh.c: reads a whole listing again that is too old, in the background, while names that are
 * not there are asked for.
 *
 * What is found is added to what is known: a name too many is only asked for. So what we do to the
 * directory meanwhile (cache_name_changed) needs no thought.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "cache/lookahead_impl.h"

enum {
    MOST_ENTRIES = 10000, /* a server may never come to an end */
    BUFFER = 64 * 1024,   /* bytes */
};

/* False where the names are no good, or too many, or nobody wants them any more. */
static bool note_names(struct cache *c, struct inode *dir, uint64_t listing, const uint8_t *buf, uint32_t len,
                       uint64_t *next, unsigned *entries)
{
    LOCKED(c);
    struct listing *l = c->lookahead->stop ? NULL : listing_by_number(dir, listing);
    int n = l != NULL ? listing_add_entries(c, l, buf, len, next) : -1;

    *entries += n > 0 ? (unsigned)n : 0;
    return n >= 0 && *entries <= MOST_ENTRIES;
}

/* Whether all names of the open directory were noted. */
static bool read_names(struct cache *c, struct inode *dir, uint64_t listing, struct p9_fid *fid)
{
    uint32_t most = fid->iounit < BUFFER ? fid->iounit : BUFFER, got = 1;
    uint8_t *buf = malloc(most);
    uint64_t next = 0;
    unsigned entries = 0;
    int rc = buf != NULL ? 0 : -ENOMEM;

    while (rc == 0 && got > 0) {
        rc = p9_readdir(NULL, fid, next, buf, most, &got);
        if (rc == 0 && got > 0 && !note_names(c, dir, listing, buf, got, &next, &entries))
            rc = -ECANCELED;
    }
    free(buf);
    return rc == 0;
}

/* Gives the lock up while it reads. */
void listing_refresh(struct cache *c, const struct job *job)
{
    struct p9_fid *fid;
    bool whole = false;

    pthread_mutex_unlock(&c->mtx);
    if (p9_walk(NULL, job->fid, 0, NULL, &fid) != 0)
        fid = NULL;
    uint64_t began = clock_ms();
    if (fid != NULL && p9_open(NULL, fid, O_RDONLY | O_DIRECTORY) == 0)
        whole = read_names(c, job->dir, job->listing, fid);
    p9_fid_put(fid);
    pthread_mutex_lock(&c->mtx);
    struct listing *l = listing_by_number(job->dir, job->listing);
    if (l != NULL) {
        l->refreshing = false;
        if (whole && fid_is_good(c, job->dir, job->fid, job->walked))
            l->asked_ms = began;
    }
}
