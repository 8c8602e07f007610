/*
 * node_kept.c: files that are open on the server for a while longer than on the mount, or sooner.
 *
 * A file that was just closed may be opened again; one of many that are opened one after the other will be. Its open fid is kept
 * with the attributes that the file had before it was opened: whoever opens it asks for them again, beside its name, and takes
 * the fid if they agree. So it must be a file that had not changed just before, which times would not tell.
 *
 * Few are kept, and not for long: they are closed before we unlink or replace the file, where fids run short, and after tree_keep_ms.
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

struct node_kept {
    struct node_kept *prev, *next;
    struct node *node;
    struct user *user;
    struct p9_fid *fid;
    uint64_t walked;
    uint64_t since_ms;
    struct p9_attr attr;
};

/* All called with the lock. */

static struct p9_fid *kept_remove(struct tree *t, struct node_kept *k)
{
    struct p9_fid *fid = k->fid;

    DL_DELETE(t->kept, k);
    t->nkept--;
    free(k);
    return fid;
}

void node_drop_kept(struct tree *t, struct node *node)
{
    struct node_kept *k, *next;

    DL_FOREACH_SAFE (t->kept, k, next) {
        if (k->node == node)
            p9_fid_put(kept_remove(t, k));
    }
}

unsigned tree_evict_kept(struct tree *t, unsigned n)
{
    unsigned put = 0;

    for (; t->kept != NULL && put < n; put++)
        p9_fid_put(kept_remove(t, t->kept));
    return put;
}

struct p9_fid *node_take_kept(struct tree *t, struct node *node, struct user *user, struct p9_attr *attr)
{
    struct node_kept *k, *next;

    DL_FOREACH_SAFE (t->kept, k, next) {
        if (k->node != node || k->user != user)
            continue;
        bool good = node_fid_is_good(t, node, k->fid, k->walked);
        *attr = k->attr;
        struct p9_fid *fid = kept_remove(t, k);
        if (good)
            return fid;
        p9_fid_put(fid);
    }
    return NULL;
}

bool node_has_kept(const struct tree *t, const struct node *node, const struct user *user)
{
    const struct node_kept *k = t->kept;

    while (k != NULL && (k->node != node || k->user != user))
        k = k->next;
    return k != NULL;
}

/* ---- for others --------------------------------------------------------- */

bool tree_may_keep(const struct tree *t, const struct p9_attr *attr)
{
    return p9_opens_checked(t->client, 1) && S_ISREG(attr->mode) && attr->size > 0 &&
           !(attr->qid.type & (P9_QTAPPEND | P9_QTEXCL)) && clock_wall() - attr->ctime.tv_sec > SETTLED_SECONDS;
}

void tree_keep_open(struct tree *t, struct node *node, struct user *user, struct p9_fid *fid, uint64_t walked,
                    const struct p9_attr *attr)
{
    struct node_kept *k = tree_may_keep(t, attr) ? malloc(sizeof *k) : NULL;

    if (k == NULL) {
        p9_fid_put(fid);
        return;
    }
    p9_fid_let_go(fid);
    *k = (struct node_kept){
        .node = node, .user = user, .fid = fid, .walked = walked, .since_ms = tree_now_ms(), .attr = *attr};
    pthread_mutex_lock(&t->mtx);
    struct p9_attr old;
    p9_fid_put(node_take_kept(t, node, user, &old));
    if (t->nkept == MAX_KEPT)
        p9_fid_put(kept_remove(t, t->kept));
    DL_APPEND(t->kept, k);
    t->nkept++;
    if (node->links == NULL || node->hidden)
        node_drop_kept(t, node);
    pthread_mutex_unlock(&t->mtx);
}

void tree_close_kept(struct tree *t, struct node *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct node *node = t->kept != NULL ? tree_find(t, parent, name) : NULL;
    if (node != NULL)
        node_drop_kept(t, node);
    pthread_mutex_unlock(&t->mtx);
}

unsigned tree_keep_ms(const struct tree *t)
{
    unsigned ms = p9_session_latency(p9_client_session(t->client)) / 1000 * KEPT_ROUNDS;

    return ms < KEPT_OPEN_MS ? KEPT_OPEN_MS : ms < KEPT_MOST_MS ? ms : KEPT_MOST_MS;
}

unsigned tree_close_old(struct tree *t)
{
    unsigned left = 0, keep_ms = tree_keep_ms(t);

    pthread_mutex_lock(&t->mtx);
    uint64_t now = tree_now_ms();
    while (t->kept != NULL && now - t->kept->since_ms >= keep_ms)
        p9_fid_put(kept_remove(t, t->kept));
    if (t->kept != NULL)
        left = (unsigned)(keep_ms - (now - t->kept->since_ms));
    pthread_mutex_unlock(&t->mtx);
    return left;
}
