/*
 * listed.c: see listed.h.
 */
#include "unit/cache/listed.h"

#include <stdio.h>

struct world begin_listed(unsigned lifetime_ms)
{
    const struct lifetimes lifetimes = {.attr = lifetime_ms, .entry = lifetime_ms};
    struct world w = begin(4096);

    cache_set_lifetimes(w.cache, &lifetimes);
    assert_int_equal(w.cache->lookahead != NULL, lifetime_ms > 0);
    return w;
}

void add_name(struct world *w, struct inode *dir, uint64_t listing, const char *name)
{
    uint8_t entry[300];
    const struct p9_dirent de = {.offset = 1, .name = p9_str(name)};
    size_t n = p9_dirent_pack(&de, entry, sizeof entry);

    assert_true(n > 0);
    lookahead_entries(w->cache, dir, listing, entry, (uint32_t)n, 0);
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
        add_name(w, w->root, l, name_of(backwards ? FILES - 1 - i : i));
    lookahead_end(w->cache, w->root, l);
}

bool look_up(struct world *w, const char *name, struct lookahead_found *found)
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
