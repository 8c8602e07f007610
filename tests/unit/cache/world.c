/*
 * world.c: see world.h.
 */
#include "unit/cache/world.h"

#include <stdlib.h>

struct world begin(unsigned max_fids)
{
    struct world w = {.srv = calloc(1, sizeof *w.srv)};
    struct p9_fid *root;

    w.client = srv_start(w.srv, max_fids, &root);
    w.cache = cache_new(w.client, 0, root);
    assert_non_null(w.cache);
    w.root = &w.cache->root;
    w.user = w.cache->users;
    return w;
}

void end(struct world *w)
{
    cache_free(w->cache);
    srv_settle(w->srv, w->client);
    p9_client_stop(w->client);
    assert_int_equal(w->srv->bad, 0);
    assert_int_equal(w->srv->live, 0); /* every fid was clunked */
    srv_stop(w->srv);
}

struct use use_of(struct world *w, struct inode *inode)
{
    return (struct use){.cache = w->cache, .inode = inode, .user = w->user};
}

/* What a lookup does. */
struct inode *look(struct world *w, struct inode *dir, const char *name)
{
    struct use u = use_of(w, dir);
    struct p9_fid *fid;
    struct p9_attr attr;

    u.in_dir = true;
    assert_int_equal(use_begin(NULL, &u), 0);
    int rc = p9_walk(NULL, u.fid, 1, &name, &fid);
    use_again(&u, rc);
    if (rc != 0)
        return NULL;
    assert_int_equal(p9_getattr(NULL, fid, &attr), 0);
    return cache_enter(w->cache, dir, name, &attr, fid, w->user, u.walked);
}

int ask(struct world *w, struct inode *inode, struct p9_attr *attr)
{
    struct use u = use_of(w, inode);
    int rc;

    do {
        rc = use_begin(NULL, &u);
        if (rc == 0)
            rc = p9_getattr(NULL, u.fid, attr);
        if (rc == 0 && !qid_same_file(&attr->qid, &inode->qid))
            rc = -ESTALE;
    } while (use_again(&u, rc));
    return rc;
}

void rename_both(struct world *w, const char *from, const char *to, struct inode *olddir, const char *oldname,
                 struct inode *newdir, const char *newname)
{
    cache_rename_begin(w->cache);
    srv_rename(w->srv, from, to);
    cache_rename_end(w->cache, true, olddir, oldname, newdir, newname);
}

void end_mute(struct world *w)
{
    cache_free(w->cache);
    p9_client_stop(w->client);
    srv_stop(w->srv);
}
