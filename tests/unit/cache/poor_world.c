/*
 * poor_world.c: see poor_world.h.
 */
#include "unit/cache/poor_world.h"

#include <string.h>

#include "unit/test.h"

struct world begin(void (*prepare)(struct srv *s))
{
    const struct lifetimes lifetimes = {
        .attr = POOR_LIFETIME_MS, .entry = POOR_LIFETIME_MS, .negative = POOR_LIFETIME_MS};
    struct world w = {.poor = poor_begin(prepare)};

    if (w.poor.root == NULL)
        return w;
    w.cache = cache_new(w.poor.client, 0, w.poor.root);
    if (!nomem_got(w.cache))
        return w;
    w.poor.root = NULL; /* the cache's */
    w.root = &w.cache->root;
    w.user = w.cache->users;
    cache_set_lifetimes(w.cache, &lifetimes);
    nomem_got(w.cache->lookahead);
    return w;
}

void end(struct world *w)
{
    if (w->cache != NULL)
        cache_free(w->cache);
    poor_end(&w->poor);
}

struct use use_of(struct world *w, struct inode *inode)
{
    return (struct use){.cache = w->cache, .inode = inode, .user = w->user};
}

uint64_t ino_of(struct world *w, const char *path)
{
    const struct srv_file *f = w->poor.srv->files;

    while (strcmp(f->path, path) != 0)
        f++;
    return f->ino;
}

struct inode *enter(struct world *w, struct inode *dir, const char *name, const char *path)
{
    struct use u = use_of(w, dir);
    struct inode *inode = NULL;
    struct p9_fid *fid = NULL;
    struct p9_attr attr;

    u.in_dir = true;
    int rc = use_begin(NULL, &u);
    if (rc == 0)
        rc = p9_walk(NULL, u.fid, 1, &name, &fid);
    if (rc == 0 && (rc = p9_getattr(NULL, fid, &attr)) != 0)
        p9_fid_put(fid);
    if (rc == 0)
        inode = cache_enter(w->cache, dir, name, &attr, fid, w->user, u.walked);
    use_again(&u, rc);
    if (!nomem_is(rc, 0) || !nomem_got(inode))
        return NULL;
    assert_int_equal(inode->qid.path, ino_of(w, path));
    return inode;
}

struct inode *look(struct world *w, struct inode *dir, const char *name, const char *path)
{
    struct use u = use_of(w, dir);
    struct lookahead_found found = {.inode = NULL};
    int rc = use_begin(NULL, &u);

    if (nomem_is(rc, 0)) {
        assert_false(lookahead_absent(w->cache, dir, w->user, name));
        if (!lookahead_look(w->cache, NULL, &u, name, &found))
            found.inode = enter(w, dir, name, path);
    }
    use_again(&u, rc);
    if (found.inode != NULL)
        assert_int_equal(found.inode->qid.path, ino_of(w, path));
    return found.inode;
}

void forget(struct world *w, struct inode *inode)
{
    if (inode != NULL)
        cache_forget(w->cache, inode, 1);
}

void add_name(struct world *w, struct inode *dir, uint64_t listing, const char *name, bool is_dir)
{
    const struct p9_dirent de = {.qid.type = is_dir ? P9_QTDIR : 0, .offset = 1, .name = p9_str(name)};
    uint8_t entry[64];
    size_t n = p9_dirent_pack(&de, entry, sizeof entry);

    assert_true(n > 0);
    lookahead_entries(w->cache, dir, listing, entry, (uint32_t)n, 0);
}
