/*
 * test_nomem.c: names, listings and what is fetched ahead where an allocation fails, whichever it
 * is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"
#include "unit/poor.h"
#include "unit/test.h"

enum { FILES = 24, MANY = 400, LONG = 1000000 };

struct world {
    struct poor poor;
    struct cache *cache;
    struct inode *root;
    struct user *user;
};

static const char *name_of(unsigned i)
{
    static char name[16];

    snprintf(name, sizeof name, "file%02u", i);
    return name;
}

/* Files in the root, of which two are one with two names, and a directory with a file. */
static void prepare(struct srv *s)
{
    char path[32];

    s->read_size = 100;
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/%s", name_of(i));
        srv_add(s, path, false);
    }
    srv_add(s, "/alike", false);
    srv_add(s, "/ALIKE", false);
    srv_add(s, "/hard", false);
    srv_add(s, "/link", false);
    srv_add(s, "/dir", true);
    srv_add(s, "/dir/below", false);
    struct srv_file *hard = &s->files[s->nfiles - 4];
    hard[1].ino = hard[0].ino;
    hard[0].nlink = hard[1].nlink = 2;
}

static bool begin(struct world *w)
{
    const struct lifetimes lifetimes = {.attr = LONG, .entry = LONG, .negative = LONG};

    *w = (struct world){.poor = poor_begin(prepare)};
    if (w->poor.root == NULL)
        return false;
    w->cache = cache_new(w->poor.client, 0, w->poor.root);
    if (!nomem_got(w->cache))
        return false;
    w->poor.root = NULL;
    w->root = &w->cache->root;
    w->user = w->cache->users;
    cache_set_lifetimes(w->cache, &lifetimes);
    nomem_got(w->cache->lookahead);
    return true;
}

static struct use use_of(struct world *w, struct inode *inode)
{
    return (struct use){.cache = w->cache, .inode = inode, .user = w->user};
}

/* The qid.path of a file of the server. */
static uint64_t ino_of(struct world *w, const char *path)
{
    const struct srv_file *f = w->poor.srv->files;

    while (strcmp(f->path, path) != 0)
        f++;
    return f->ino;
}

/* ---- what the kernel asks for ------------------------------------------------- */

/* A LOOKUP that the server answers. */
static struct inode *enter(struct world *w, struct inode *dir, const char *name, const char *path)
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

/* A LOOKUP that may have been fetched. */
static void look(struct world *w, struct inode *dir, const char *name, const char *path)
{
    struct use u = use_of(w, dir);
    struct lookahead_found found = {.inode = NULL};

    if (!nomem_is(use_begin(NULL, &u), 0)) {
        use_again(&u, -ENOMEM);
        return;
    }
    assert_false(w->cache->lookahead != NULL && lookahead_absent(w->cache, dir, w->user, name));
    if (!lookahead_look(w->cache, NULL, &u, name, &found))
        found.inode = enter(w, dir, name, path);
    use_again(&u, 0);
    if (found.inode == NULL)
        return;
    assert_int_equal(found.inode->qid.path, ino_of(w, path));
    cache_forget(w->cache, found.inode, 1);
}

static void ask(struct world *w, struct inode *inode)
{
    struct use u = use_of(w, inode);
    struct p9_attr attr;
    int rc;

    do {
        rc = use_begin(NULL, &u);
        if (rc == 0)
            rc = p9_getattr(NULL, u.fid, &attr);
    } while (use_again(&u, rc));
    if (nomem_is(rc, 0))
        assert_true(qid_same_file(&attr.qid, &inode->qid));
}

/* An OPENDIR, and READDIRs. */
static void list(struct world *w)
{
    struct p9_fid *fid = NULL;
    uint8_t buf[512];
    uint64_t next = 0;
    uint32_t got = 1;
    uint64_t l = lookahead_begin(w->cache, w->root, w->user, cache_version(w->cache), clock_ms());
    int rc = p9_walk(NULL, w->user->root, 0, NULL, &fid);

    if (rc == 0)
        rc = p9_open(NULL, fid, 0);
    while (rc == 0 && got > 0) {
        uint64_t from = next;
        struct p9_dirent de;
        rc = p9_readdir(NULL, fid, next, buf, sizeof buf, &got);
        for (size_t at = 0; rc == 0 && at < got; next = de.offset)
            at += p9_next_dirent(w->poor.client, buf + at, got - at, next, &de, NULL);
        if (rc == 0)
            lookahead_entries(w->cache, w->root, l, buf, got, from);
    }
    if (nomem_is(rc, 0))
        lookahead_end(w->cache, w->root, l);
    p9_fid_put(fid);
}

/* ---- what is done to names ------------------------------------------------------- */

static void rename_dir(struct world *w, struct inode *dir, struct inode *below)
{
    cache_name_changed(w->cache, w->root, "dir");
    cache_name_changed(w->cache, w->root, "moved");
    cache_rename_begin(w->cache);
    srv_rename(w->poor.srv, "/dir", "/moved");
    cache_rename_end(w->cache, true, w->root, "dir", w->root, "moved");
    /* Without memory the name is forgotten. */
    if (dir->names == NULL)
        return;
    char *path = cache_path(w->cache, below);
    if (nomem_got(path))
        assert_string_equal(path, "moved/below");
    free(path);
    ask(w, below);
}

static void other_user(struct world *w)
{
    struct p9_fid *root;

    if (!nomem_is(p9_attach(NULL, w->poor.client, "other", 1, "", NULL, &root), 0))
        return;
    if (nomem_got(cache_user(w->cache, 1, root)))
        assert_ptr_equal(cache_user(w->cache, 1, NULL), w->cache->users->next);
}

static void spares(struct world *w, struct inode *dir)
{
    struct use u = use_of(w, dir);

    u.want_spare = true;
    int rc = use_begin(NULL, &u);
    if (nomem_is(rc, 0)) {
        cache_want_spare(w->cache, dir, w->user, u.fid, u.walked);
        cache_want_fid(w->cache, dir, w->user, w->user->root, "dir", u.walked);
    }
    use_again(&u, rc);
    p9_fid_put(cache_take_spare(w->cache, dir, w->user));
}

static void names_of_one(struct world *w)
{
    struct inode *hard = enter(w, w->root, "hard", "/hard"), *link = enter(w, w->root, "link", "/link");

    if (hard != NULL && link != NULL && hard != link)
        assert_false(nomem_got(NULL)); /* they are two only without memory */
    if (hard != NULL)
        cache_forget(w->cache, hard, 1);
    cache_unlink(w->cache, w->root, "hard");
    if (link != NULL)
        cache_forget(w->cache, link, 1);
}

/* One takes the place of the other in the hash. */
static void alike(struct world *w)
{
    struct inode *a = enter(w, w->root, "alike", "/alike"), *b = enter(w, w->root, "ALIKE", "/ALIKE");
    struct p9_qid qid;

    cache_unlink(w->cache, w->root, "alike");
    if (b != NULL)
        assert_true(cache_qid(w->cache, w->root, "ALIKE", &qid) && qid.path == b->qid.path);
    if (a != NULL)
        cache_forget(w->cache, a, 1);
    if (b != NULL)
        cache_forget(w->cache, b, 1);
}

static void use_cache(struct world *w)
{
    char path[32];

    for (int again = 0; again < 2; again++) {
        if (w->cache->lookahead != NULL)
            list(w);
        for (unsigned i = 0; i < FILES; i++) {
            snprintf(path, sizeof path, "/%s", name_of(i));
            look(w, w->root, path + 1, path);
        }
        look(w, w->root, "dir", "/dir");
    }
    alike(w);
    names_of_one(w);
    other_user(w);
    struct inode *dir = enter(w, w->root, "dir", "/dir");
    struct inode *below = dir != NULL ? enter(w, dir, "below", "/dir/below") : NULL;
    if (dir != NULL) {
        cache_add_place(w->cache, w->root, "dir");
        nomem_got(cache_locks(w->cache, dir, true));
        spares(w, dir);
    }
    if (below != NULL) {
        ask(w, below);
        rename_dir(w, dir, below);
        cache_forget(w->cache, below, 1);
    }
    if (dir != NULL)
        cache_forget(w->cache, dir, 1);
}

static void scenario(void)
{
    struct world w;

    if (begin(&w)) {
        use_cache(&w);
        cache_free(w.cache);
    }
    poor_end(&w.poor);
}

static void an_allocation_fails(void **state)
{
    (void)state;
    nomem_each(scenario);
}

/* A name that is not stored is not known to be absent. */
static void list_many(void)
{
    struct world w;
    char name[16];

    if (begin(&w)) {
        bool on = w.cache->lookahead != NULL;
        uint64_t l = on ? lookahead_begin(w.cache, w.root, w.user, cache_version(w.cache), clock_ms()) : 0;
        for (unsigned i = 0; l != 0 && i < MANY; i++) {
            uint8_t entry[64];
            snprintf(name, sizeof name, "many%03u", i);
            size_t n = p9_dirent_pack(&(struct p9_dirent){.offset = 1, .name = p9_str(name)}, entry, sizeof entry);
            lookahead_entries(w.cache, w.root, l, entry, (uint32_t)n, 0);
        }
        if (l != 0)
            lookahead_end(w.cache, w.root, l);
        for (unsigned i = 0; on && i < MANY; i++) {
            snprintf(name, sizeof name, "many%03u", i);
            assert_false(lookahead_absent(w.cache, w.root, w.user, name));
        }
        cache_free(w.cache);
    }
    poor_end(&w.poor);
}

static void the_hash_cannot_grow(void **state)
{
    (void)state;
    nomem_each(list_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_fails),
        cmocka_unit_test(the_hash_cannot_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
