/*
 * test_nomem.c: names, listings and what is fetched ahead where an allocation fails, whichever it
 * is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/cache/poor_world.h"
#include "unit/test.h"

enum { FILES = 24, MANY = 400 };

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

/* ---- what the kernel asks for ------------------------------------------------- */

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
    forget(w, hard);
    cache_unlink(w->cache, w->root, "hard");
    forget(w, link);
}

/* One takes the place of the other in the hash. */
static void alike(struct world *w)
{
    struct inode *a = enter(w, w->root, "alike", "/alike"), *b = enter(w, w->root, "ALIKE", "/ALIKE");
    struct p9_qid qid;

    cache_unlink(w->cache, w->root, "alike");
    if (b != NULL)
        assert_true(cache_qid(w->cache, w->root, "ALIKE", &qid) && qid.path == b->qid.path);
    forget(w, a);
    forget(w, b);
}

static void use_cache(struct world *w)
{
    char path[32];

    for (int again = 0; again < 2; again++) {
        if (w->cache->lookahead != NULL)
            list(w);
        for (unsigned i = 0; i < FILES; i++) {
            snprintf(path, sizeof path, "/%s", name_of(i));
            forget(w, look(w, w->root, path + 1, path));
        }
        forget(w, look(w, w->root, "dir", "/dir"));
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
    }
    forget(w, below);
    forget(w, dir);
}

static void scenario(void)
{
    struct world w = begin(prepare);

    if (w.cache != NULL)
        use_cache(&w);
    end(&w);
}

static void an_allocation_fails(void **state)
{
    (void)state;
    nomem_each(scenario);
}

/* A name that is not stored is not known to be absent. */
static void list_many(void)
{
    struct world w = begin(prepare);
    bool on = w.cache != NULL && w.cache->lookahead != NULL;
    uint64_t l = on ? lookahead_begin(w.cache, w.root, w.user, cache_version(w.cache), clock_ms()) : 0;
    char name[16];

    for (unsigned i = 0; on && i < MANY; i++) {
        snprintf(name, sizeof name, "many%03u", i);
        add_name(&w, w.root, l, name, false);
    }
    if (on)
        lookahead_end(w.cache, w.root, l);
    for (unsigned i = 0; on && i < MANY; i++) {
        snprintf(name, sizeof name, "many%03u", i);
        assert_false(lookahead_absent(w.cache, w.root, w.user, name));
    }
    end(&w);
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
