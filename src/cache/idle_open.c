/*
 * idle_open.c: files that are open on the server, and that nobody has open here.
 *
 * A file that was just closed may be opened again; one of many that are opened one after the other
 * will be. Its open fid stays, with the attributes that the file had before it was opened: opening
 * it asks for them again, beside its name, and takes the fid if they agree. So it must be a file
 * that had not changed just before, which times would not show.
 *
 * They are few, and do not last: they are closed before we unlink or replace the file, where fids
 * run short, and after cache_idle_open_ms.
 */
#include <stdlib.h>

#include "cache/impl.h"

enum {
    MAX_IDLE_OPENS = 32,
    ROUND_TRIPS = 4 * P9_OPEN_TOO, /* that use up files opened together */
    MOST_MS = 10000,
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

static struct p9_fid *unlist(struct cache *c, struct idle_open *o)
{
    struct p9_fid *fid = o->fid;

    DL_DELETE(c->idle_opens, o);
    c->nidle_opens--;
    free(o);
    return fid;
}

void idle_open_drop(struct cache *c, struct inode *inode)
{
    struct idle_open *o, *next;

    DL_FOREACH_SAFE (c->idle_opens, o, next) {
        if (o->inode == inode)
            p9_fid_put(unlist(c, o));
    }
}

unsigned idle_open_evict(struct cache *c, unsigned n)
{
    unsigned put = 0;

    for (; c->idle_opens != NULL && put < n; put++)
        p9_fid_put(unlist(c, c->idle_opens));
    return put;
}

struct p9_fid *idle_open_take(struct cache *c, struct inode *inode, struct user *user, struct p9_attr *attr)
{
    struct idle_open *o, *next;

    DL_FOREACH_SAFE (c->idle_opens, o, next) {
        if (o->inode != inode || o->user != user)
            continue;
        bool good = fid_is_good(c, inode, o->fid, o->walked);
        *attr = o->attr;
        struct p9_fid *fid = unlist(c, o);
        if (good)
            return fid;
        p9_fid_put(fid);
    }
    return NULL;
}

bool idle_open_exists(const struct cache *c, const struct inode *inode, const struct user *user)
{
    const struct idle_open *o = c->idle_opens;

    while (o != NULL && (o->inode != inode || o->user != user))
        o = o->next;
    return o != NULL;
}

/* ---- for others --------------------------------------------------------- */

bool idle_open_allowed(const struct cache *c, const struct p9_attr *attr)
{
    return p9_opens_checked(c->client, 1) && S_ISREG(attr->mode) && attr->size > 0 &&
           !(attr->qid.type & (P9_QTAPPEND | P9_QTEXCL)) && clock_wall() - attr->ctime.tv_sec > SETTLED_SECONDS;
}

void idle_open_add(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked,
                   const struct p9_attr *attr)
{
    struct idle_open *o = malloc(sizeof *o);
    struct p9_attr old;

    if (o == NULL || inode->names == NULL || inode->hidden) {
        free(o);
        p9_fid_put(fid);
        return;
    }
    *o = (struct idle_open){
        .inode = inode, .user = user, .fid = fid, .walked = walked, .since_ms = clock_ms(), .attr = *attr};
    p9_fid_put(idle_open_take(c, inode, user, &old));
    if (c->nidle_opens == MAX_IDLE_OPENS)
        p9_fid_put(unlist(c, c->idle_opens));
    DL_APPEND(c->idle_opens, o);
    c->nidle_opens++;
}

void cache_keep_open(struct cache *c, struct inode *inode, struct user *user, struct p9_fid *fid, uint64_t walked,
                     const struct p9_attr *attr)
{
    if (!idle_open_allowed(c, attr)) {
        p9_fid_put(fid);
        return;
    }
    p9_fid_let_go(fid);
    LOCKED(c);
    idle_open_add(c, inode, user, fid, walked, attr);
}

void cache_close_idle(struct cache *c, struct inode *parent, const char *name)
{
    LOCKED(c);
    struct inode *inode = c->idle_opens != NULL ? dentry_inode(c, parent, name) : NULL;
    if (inode != NULL)
        idle_open_drop(c, inode);
}

unsigned cache_idle_open_ms(const struct cache *c)
{
    unsigned ms = p9_session_latency(p9_client_session(c->client)) / 1000 * ROUND_TRIPS;

    return ms < IDLE_OPEN_MS ? IDLE_OPEN_MS : ms < MOST_MS ? ms : MOST_MS;
}

unsigned cache_close_old(struct cache *c)
{
    unsigned left = 0, keep_ms = cache_idle_open_ms(c);

    LOCKED(c);
    uint64_t now = clock_ms();
    while (c->idle_opens != NULL && now - c->idle_opens->since_ms >= keep_ms)
        p9_fid_put(unlist(c, c->idle_opens));
    if (c->idle_opens != NULL)
        left = (unsigned)(keep_ms - (now - c->idle_opens->since_ms));
    return left;
}
