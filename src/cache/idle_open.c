/*
 * idle_open.c: files that are open on the server for a while longer than on the mount, or sooner.
 *
 * A file that was just closed may be opened again; one of many that are opened one after the other will be. Its open fid is kept
 * with the attributes that the file had before it was opened: whoever opens it asks for them again, beside its name, and takes
 * the fid if they agree. So it must be a file that had not changed just before, which times would not tell.
 *
 * Few are kept, and not for long: they are closed before we unlink or replace the file, where fids run short, and after cache_keep_ms.
 */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "cache/cache.h"

enum {
    MAX_KEPT = 32,
    KEPT_ROUNDS = 4 * P9_OPEN_TOO, /* round trips that files which are opened together are used up in, and more */
    KEPT_MOST_MS = 10000,
};

struct idle_open {
    struct idle_open *prev, *next;
    struct inode *inode;
    struct user *user;
    struct p9_fid *fid;
    uint64_t walked;
    uint64_t since_ms;
    struct p9_attr attr;
};

/* All called with the lock. */

static struct p9_fid *kept_remove(struct cache *t, struct idle_open *k)
{
    struct p9_fid *fid = k->fid;

    DL_DELETE(t->kept, k);
    t->nkept--;
    free(k);
    return fid;
}

void inode_drop_kept(struct cache *t, struct inode *inode)
{
    struct idle_open *k, *next;

    DL_FOREACH_SAFE (t->kept, k, next) {
        if (k->inode == inode)
            p9_fid_put(kept_remove(t, k));
    }
}

unsigned cache_evict_kept(struct cache *t, unsigned n)
{
    unsigned put = 0;

    for (; t->kept != NULL && put < n; put++)
        p9_fid_put(kept_remove(t, t->kept));
    return put;
}

struct p9_fid *inode_take_kept(struct cache *t, struct inode *inode, struct user *user, struct p9_attr *attr)
{
    struct idle_open *k, *next;

    DL_FOREACH_SAFE (t->kept, k, next) {
        if (k->inode != inode || k->user != user)
            continue;
        bool good = inode_fid_is_good(t, inode, k->fid, k->walked);
        *attr = k->attr;
        struct p9_fid *fid = kept_remove(t, k);
        if (good)
            return fid;
        p9_fid_put(fid);
    }
    return NULL;
}

bool inode_has_kept(const struct cache *t, const struct inode *inode, const struct user *user)
{
    const struct idle_open *k = t->kept;

    while (k != NULL && (k->inode != inode || k->user != user))
        k = k->next;
    return k != NULL;
}

/* ---- for others --------------------------------------------------------- */

bool cache_may_keep(const struct cache *t, const struct p9_attr *attr)
{
    return p9_opens_checked(t->client, 1) && S_ISREG(attr->mode) && attr->size > 0 &&
           !(attr->qid.type & (P9_QTAPPEND | P9_QTEXCL)) && clock_wall() - attr->ctime.tv_sec > SETTLED_SECONDS;
}

void cache_keep_open(struct cache *t, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked,
                     const struct p9_attr *attr)
{
    struct idle_open *k = cache_may_keep(t, attr) ? malloc(sizeof *k) : NULL;

    if (k == NULL) {
        p9_fid_put(fid);
        return;
    }
    p9_fid_let_go(fid);
    *k = (struct idle_open){
        .inode = inode, .user = user, .fid = fid, .walked = walked, .since_ms = cache_now_ms(), .attr = *attr};
    pthread_mutex_lock(&t->mtx);
    struct p9_attr old;
    p9_fid_put(inode_take_kept(t, inode, user, &old));
    if (t->nkept == MAX_KEPT)
        p9_fid_put(kept_remove(t, t->kept));
    DL_APPEND(t->kept, k);
    t->nkept++;
    if (inode->dentries == NULL || inode->hidden)
        inode_drop_kept(t, inode);
    pthread_mutex_unlock(&t->mtx);
}

void cache_close_kept(struct cache *t, struct inode *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct inode *inode = t->kept != NULL ? cache_find(t, parent, name) : NULL;
    if (inode != NULL)
        inode_drop_kept(t, inode);
    pthread_mutex_unlock(&t->mtx);
}

unsigned cache_keep_ms(const struct cache *t)
{
    unsigned ms = p9_session_latency(p9_client_session(t->client)) / 1000 * KEPT_ROUNDS;

    return ms < KEPT_OPEN_MS ? KEPT_OPEN_MS : ms < KEPT_MOST_MS ? ms : KEPT_MOST_MS;
}

unsigned cache_close_old(struct cache *t)
{
    unsigned left = 0, keep_ms = cache_keep_ms(t);

    pthread_mutex_lock(&t->mtx);
    uint64_t now = cache_now_ms();
    while (t->kept != NULL && now - t->kept->since_ms >= keep_ms)
        p9_fid_put(kept_remove(t, t->kept));
    if (t->kept != NULL)
        left = (unsigned)(keep_ms - (now - t->kept->since_ms));
    pthread_mutex_unlock(&t->mtx);
    return left;
}
