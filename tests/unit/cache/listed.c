/*
 * listed.c: see listed.h.
 */
#include "unit/cache/listed.h"

#include <stdlib.h>

struct world begin(unsigned lifetime_ms)
{
    const struct lifetimes lifetimes = {.attr = lifetime_ms, .entry = lifetime_ms};
    struct world w = {.srv = calloc(1, sizeof *w.srv)};
    struct p9_fid *root;

    w.client = srv_start(w.srv, 4096, &root);
    w.cache = cache_new(w.client, 0, root);
    w.root = &w.cache->root;
    w.user = w.cache->users;
    cache_set_lifetimes(w.cache, &lifetimes);
    assert_int_equal(w.cache->lookahead != NULL, lifetime_ms > 0);
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

struct use use_of_root(struct world *w)
{
    return (struct use){
        .cache = w->cache, .inode = w->root, .user = w->user, .fid = w->user->root, .walked = cache_renames(w->cache)};
}

void done(struct world *w, const struct lookahead_found *found)
{
    cache_forget(w->cache, found->inode, 1);
}

const char *name_of(int i)
{
    static char name[16];

    snprintf(name, sizeof name, "file%02d", i);
    return name;
}

void make_and_list(struct world *w, bool backwards)
{
    char path[32];

    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/%s", name_of(i));
        srv_add(w->srv, path, false);
    }
    uint64_t l = lookahead_begin(w->cache, w->root, w->user, cache_version(w->cache), clock_ms());
    for (int i = 0; i < FILES; i++)
        lookahead_name(w->cache, w->root, l, p9_str(name_of(backwards ? FILES - 1 - i : i)), false);
    lookahead_end(w->cache, w->root, l);
}

bool look(struct world *w, const char *name, struct lookahead_found *found)
{
    const struct use u = use_of_root(w);

    return lookahead_look(w->cache, NULL, &u, name, found);
}

void has_fid(struct world *w, const struct lookahead_found *found)
{
    struct p9_fid *fid = cache_idle_fid(w->cache, found->inode, w->user);

    assert_non_null(fid);
    assert_int_equal(found->attr.qid.path, fid->qid.path);
    p9_fid_put(fid);
}
