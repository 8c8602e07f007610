/*
 * test_nomem_dirs.c: directories that are read ahead, or again, where an allocation fails,
 * whichever it is.
 */
#include <stdio.h>
#include <string.h>

#include "unit/cache/poor_world.h"
#include "unit/ownclock.h"
#include "unit/test.h"

enum { DIRS = 5 };

static const char *path_of(unsigned i)
{
    static char path[16];

    snprintf(path, sizeof path, "/sub%u", i);
    return path;
}

/* Directories, each with a directory that has a file. */
static void prepare(struct srv *s)
{
    char path[32];

    for (unsigned i = 0; i < DIRS; i++) {
        srv_add(s, path_of(i), true);
        snprintf(path, sizeof path, "%s/x", path_of(i));
        srv_add(s, path, true);
        strcat(path, "/y");
        srv_add(s, path, false);
    }
}

static uint64_t list(struct world *w)
{
    uint64_t l = lookahead_begin(w->cache, w->root, w->user, cache_version(w->cache), clock_ms());

    for (unsigned i = 0; i < DIRS; i++)
        add_name(w, w->root, l, path_of(i) + 1, true);
    lookahead_end(w->cache, w->root, l);
    return l;
}

/* An OPENDIR: what was read ahead is the whole directory. */
static void open_dir(struct world *w, struct inode *dir)
{
    uint64_t asked, number;
    struct p9_listing *raw = lookahead_open(w->cache, dir, w->user, &asked, &number);
    struct p9_dirent de;

    if (raw == NULL)
        return;
    assert_int_equal(p9_next_dirent(w->poor.client, raw->entries, raw->len, 0, &de, NULL), raw->len);
    assert_true(p9_str_eq(de.name, "x"));
    p9_listing_free(raw);
}

static void walk_the_tree(struct world *w)
{
    char path[32];

    list(w);
    for (unsigned i = 0; i < DIRS; i++) {
        struct inode *dir = look(w, w->root, path_of(i) + 1, path_of(i));
        if (dir == NULL)
            continue;
        open_dir(w, dir);
        snprintf(path, sizeof path, "%s/x", path_of(i));
        forget(w, look(w, dir, "x", path));
        struct use u = use_of(w, w->root);
        int rc = use_begin(NULL, &u);
        if (nomem_is(rc, 0))
            lookahead_read_on(w->cache, NULL, &u, path_of(i) + 1);
        use_again(&u, rc);
        forget(w, dir);
    }
}

static void read_ahead(void)
{
    struct world w = begin(prepare);

    if (w.cache != NULL && w.cache->lookahead != NULL)
        walk_the_tree(&w);
    end(&w);
}

static void until_refreshed(struct world *w)
{
    for (bool done = false; !done; sched_yield()) {
        pthread_mutex_lock(&w->cache->mtx);
        done = w->root->listing == NULL || !w->root->listing->refreshing;
        pthread_mutex_unlock(&w->cache->mtx);
    }
}

/* What others make is not known to be absent once the listing is read again. */
static void read_the_root_again(struct world *w)
{
    struct use u = use_of(w, w->root);

    list(w);
    if (!nomem_is(use_begin(NULL, &u), 0))
        return;
    nomem_pause();
    srv_add(w->poor.srv, "/theirs", false);
    nomem_resume();
    clock_pass((uint64_t)POOR_LIFETIME_MS * 1000);
    for (int i = 0; i < 3; i++) {
        lookahead_missed(w->cache, &u, "missed");
        until_refreshed(w);
        assert_false(lookahead_absent(w->cache, w->root, w->user, "theirs"));
    }
    use_again(&u, 0);
}

static void read_again(void)
{
    struct world w = begin(prepare);

    if (w.cache != NULL && w.cache->lookahead != NULL)
        read_the_root_again(&w);
    end(&w);
}

static void directories_are_read_ahead(void **state)
{
    (void)state;
    nomem_each(read_ahead);
}

static void a_directory_is_read_again(void **state)
{
    (void)state;
    nomem_each(read_again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directories_are_read_ahead),
        cmocka_unit_test(a_directory_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
