/*
 * test_inode.c: inodes, names and attributes.
 */
#include <stdlib.h>
#include <string.h>

#include "unit/cache/world.h"

static void the_same_name_is_the_same_inode(void **state)
{
    struct world w = begin(128);
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_non_null(a);
    assert_ptr_equal(look(&w, &w.cache->root, "a"), a);
    assert_int_equal(a->nlookup, 2);
    assert_null(look(&w, &w.cache->root, "b"));
    assert_int_equal(w.cache->inodes, 2);
    cache_forget(w.cache, a, 1);
    assert_int_equal(w.cache->inodes, 2);
    cache_forget(w.cache, a, 1);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

static void forget_frees_from_the_leaves(void **state)
{
    struct world w = begin(128);
    srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/e", true);
    srv_add(w.srv, "/d/e/f", false);

    (void)state;
    struct inode *d = look(&w, &w.cache->root, "d"), *e = look(&w, d, "e"), *f = look(&w, e, "f");
    cache_forget(w.cache, d, 1);
    cache_forget(w.cache, e, 1);
    assert_int_equal(w.cache->inodes, 4); /* held by the file below */
    cache_forget(w.cache, f, 1);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

static void a_replaced_file_is_another_inode(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    srv_remove(w.srv, "/a");
    srv_add(w.srv, "/a", false);
    assert_int_equal(ask(&w, a, &attr), -ESTALE);
    struct inode *b = look(&w, &w.cache->root, "a");
    assert_ptr_not_equal(a, b);
    assert_int_equal(ask(&w, b, &attr), 0);
    assert_int_equal(ask(&w, a, &attr), -ESTALE);
    end(&w);
}

static void a_replaced_file_is_not_taken(void **state)
{
    struct world w = begin(128);
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    srv_remove(w.srv, "/a");
    srv_add(w.srv, "/a", false);
    struct use u = use_of(&w, a);
    assert_int_equal(use_take(NULL, &u), -ESTALE);
    assert_null(u.fid); /* put already: use_again must not put it once more */
    assert_true(use_again(&u, -ESTALE));
    assert_int_equal(use_take(NULL, &u), -ESTALE);
    assert_false(use_again(&u, -ESTALE));
    end(&w);
}

static void a_file_that_is_gone_is_enoent(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    srv_remove(w.srv, "/a");
    assert_int_equal(ask(&w, a, &attr), -ENOENT);
    end(&w);
}

static void one_move_takes_the_whole_subtree(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/e", true);
    uint64_t ino = srv_add(w.srv, "/d/e/f", false);

    (void)state;
    struct inode *d = look(&w, &w.cache->root, "d"), *e = look(&w, d, "e"), *f = look(&w, e, "f");
    rename_both(&w, "/d", "/x", &w.cache->root, "d", &w.cache->root, "x");
    /* A decoy with the old path: the fid that was walked by it must not be believed. */
    srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/e", true);
    srv_add(w.srv, "/d/e/f", false);
    assert_int_equal(ask(&w, f, &attr), 0);
    assert_int_equal(attr.qid.path, ino);
    srv_count(w.srv, P9_Twalk);
    assert_int_equal(ask(&w, f, &attr), 0);
    assert_int_equal(srv_count(w.srv, P9_Twalk), 0); /* cached again */
    assert_string_equal(f->names->name, "f");
    assert_ptr_equal(f->names->parent, e);
    assert_string_equal(d->names->name, "x");
    end(&w);
}

static void a_rename_over_a_file_detaches_it(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    uint64_t a_ino = srv_add(w.srv, "/a", false);
    srv_add(w.srv, "/b", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a"), *b = look(&w, &w.cache->root, "b");
    srv_remove(w.srv, "/b");
    rename_both(&w, "/a", "/b", &w.cache->root, "a", &w.cache->root, "b");
    assert_int_equal(ask(&w, a, &attr), 0);
    assert_int_equal(attr.qid.path, a_ino);
    assert_int_equal(ask(&w, b, &attr), -ESTALE);
    assert_ptr_equal(look(&w, &w.cache->root, "b"), a);
    end(&w);
}

static void an_unlinked_file_is_asked_by_its_open_fid(void **state)
{
    struct world w = begin(128);
    struct p9_fid *fid;
    const char *name = "a";
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_int_equal(p9_walk(NULL, w.user->root, 1, &name, &fid), 0);
    struct handle h = {.fid = fid, .inode = a, .user = w.user};
    cache_add_handle(w.cache, &h);
    cache_unlink(w.cache, &w.cache->root, "a");
    struct use u = use_of(&w, a);
    u.open_ok = true;
    assert_int_equal(use_begin(NULL, &u), 0);
    assert_ptr_equal(u.fid, fid);
    assert_false(use_again(&u, 0));
    cache_forget(w.cache, a, 1);
    assert_int_equal(w.cache->inodes, 2); /* open */
    cache_drop_handle(w.cache, &h);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

static void names_of_one_file_share_a_inode(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/a", false);
    srv_add(w.srv, "/b", false);
    srv_add(w.srv, "/c", false);
    for (unsigned i = 1; i <= 3; i++)
        w.srv->files[i].nlink = 2;
    w.srv->files[2].ino = w.srv->files[1].ino;

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_ptr_equal(look(&w, &w.cache->root, "b"), a);
    assert_ptr_not_equal(look(&w, &w.cache->root, "c"), a);
    assert_null(cache_take_named(w.cache, &w.cache->root, "a", w.user, false)); /* it may be that of the other name */
    cache_unlink(w.cache, &w.cache->root, "b");
    assert_int_equal(ask(&w, a, &attr), 0); /* by the name that is left */
    /* The same number with other attributes may be a file of another device. */
    attr.size += 1;
    attr.nlink = 2;
    assert_ptr_not_equal(cache_enter(w.cache, &w.cache->root, "other", &attr, NULL, w.user, 0), a);
    end(&w);
}

static struct inode *enter_as(struct world *w, struct inode *dir, const char *name, mode_t mode, uint64_t qid_path,
                              uint64_t size)
{
    struct p9_attr attr = {
        .qid = {.path = qid_path, .type = S_ISDIR(mode) ? P9_QTDIR : 0}, .mode = mode, .nlink = 2, .size = size};

    return cache_enter(w->cache, dir, name, &attr, NULL, NULL, 0);
}

static unsigned count_stale(struct world *w, struct inode *one)
{
    unsigned n = 0;

    for (struct inode *inode; (inode = cache_next_stale(w->cache)) != NULL; n++) {
        assert_ptr_not_equal(inode, one);
        cache_forget(w->cache, inode, 1);
    }
    return n;
}

static void what_is_done_by_one_name_is_stale_by_the_others(void **state)
{
    struct world w = begin(100);
    struct inode *root = &w.cache->root, *names[4];

    (void)state;
    for (unsigned gone = 0; gone < 4; gone++) { /* in whatever order they go */
        for (unsigned i = 0; i < 4; i++) {
            const char name[] = {(char)('a' + i), 0};
            names[i] = enter_as(&w, root, name, S_IFREG, 5, i); /* with other attributes each has a inode of its own */
        }
        struct inode *other = enter_as(&w, root, "other", S_IFREG, 6, 0);
        uint64_t before = inode_version(w.cache, names[1]);
        cache_changing(w.cache, names[0]);
        assert_true(w.cache->has_stale);
        assert_int_equal(count_stale(&w, names[0]), 3);
        assert_true(inode_version(w.cache, names[1]) != before);
        cache_changing(w.cache, other);
        assert_false(w.cache->has_stale);
        cache_forget(w.cache, names[gone], 1);
        cache_changing(w.cache, names[(gone + 1) % 4]);
        assert_int_equal(count_stale(&w, names[(gone + 1) % 4]), 2);
        for (unsigned i = 0; i < 4; i++)
            if (i != gone)
                cache_forget(w.cache, names[i], 1);
        cache_forget(w.cache, other, 1);
        assert_int_equal(w.cache->inodes, 1);
        assert_null(w.cache->by_qid);
    }
    end(&w);
}

static void names_share_nothing_where_qids_repeat(void **state)
{
    struct world w = begin(100);
    struct inode *root = &w.cache->root;
    const struct p9_attr attr = {.qid = {.path = 7, .type = P9_QTDIR}, .mode = S_IFDIR, .nlink = 2};

    (void)state;
    struct inode *a1 = enter_as(&w, root, "a1", S_IFDIR, 7, 0), *f = enter_as(&w, a1, "f", S_IFREG, 8, 0);
    assert_null(cache_other_place(w.cache, root, "a1", &attr));
    assert_ptr_equal(cache_other_place(w.cache, root, "a2", &attr), a1);
    cache_forget(w.cache, a1, 1);
    assert_ptr_equal(enter_as(&w, a1, "g", S_IFREG, 8, 0), f); /* two names of a file */
    cache_forget(w.cache, f, 1);
    cache_add_place(w.cache, root, "a2");
    assert_null(cache_other_place(w.cache, root, "a2", &attr)); /* by now that is known */
    struct inode *a2 = enter_as(&w, root, "a2", S_IFDIR, 7, 0), *other = enter_as(&w, a2, "f", S_IFREG, 8, 0);
    assert_ptr_not_equal(other, f);
    assert_int_equal(f->space, 0);
    assert_int_equal(a2->space, 1);
    assert_int_equal(other->space, 1);
    cache_forget(w.cache, other, 1);
    cache_forget(w.cache, a2, 1);
    a2 = enter_as(&w, root, "a2", S_IFDIR, 7, 0); /* for as long as the mount lives */
    assert_int_equal(a2->space, 1);
    cache_cut(w.cache, a1, cache_renames(w.cache));
    struct p9_qid qid;
    assert_false(cache_qid(w.cache, root, "a1", &qid));
    cache_forget(w.cache, a2, 1);
    cache_forget(w.cache, f, 1);
    cache_forget(w.cache, a1, 1);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

static void what_was_listed_before_a_change_is_old(void **state)
{
    struct world w = begin(100);
    struct inode *root = &w.cache->root;
    struct p9_attr attr;

    (void)state;
    srv_add(w.srv, "/a", false);
    uint64_t since = cache_version(w.cache);
    assert_true(cache_as_listed(w.cache, root, "a", since)); /* nobody knows it */
    struct inode *a = look(&w, root, "a");
    assert_false(cache_as_listed(w.cache, root, "a", since)); /* the kernel was told something newer */
    since = cache_version(w.cache);
    assert_int_equal(ask(&w, a, &attr), 0);
    assert_false(cache_announce(w.cache, a, &attr));
    assert_true(cache_as_listed(w.cache, root, "a", since));
    attr.size++;
    assert_true(cache_announce(w.cache, a, &attr));
    assert_false(cache_as_listed(w.cache, root, "a", since));
    since = cache_version(w.cache);
    cache_changing(w.cache, a);
    assert_false(cache_as_listed(w.cache, root, "a", since));
    cache_forget(w.cache, a, 1);
    assert_false(cache_as_listed(w.cache, root, "a", since)); /* nobody remembers that we changed it */
    since = cache_version(w.cache);
    assert_true(cache_as_listed(w.cache, root, "a", since));
    cache_changing(w.cache, root); /* as if it were removed */
    assert_false(cache_as_listed(w.cache, root, "a", since));
    end(&w);
}

static void announced_attributes_hold_until_a_change(void **state)
{
    struct world w = begin(100);
    const struct lifetimes lifetimes = {.attr = 100000};
    struct p9_attr attr, old;

    (void)state;
    cache_set_lifetimes(w.cache, &lifetimes);
    srv_add(w.srv, "/a", false);
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_int_equal(ask(&w, a, &attr), 0);
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    uint64_t before = inode_version(w.cache, a);
    assert_false(cache_announce_fresh(w.cache, a, &attr, before));
    assert_int_equal(cache_fresh(w.cache, a, &old), 100000);
    clock_pass(1000 * 1000);
    assert_int_equal(cache_fresh(w.cache, a, &old), 99000);
    cache_changing(w.cache, a);
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    cache_announce_fresh(w.cache, a, &attr, before); /* asked for before the change: too late */
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    attr.size++;
    assert_true(cache_announce_fresh(w.cache, a, &attr, inode_version(w.cache, a)));
    assert_true(cache_fresh(w.cache, a, &old) > 0);
    assert_int_equal(old.size, attr.size);
    cache_unlink(w.cache, &w.cache->root, "a");
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    cache_forget(w.cache, a, 1);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_is_the_same_inode),
        cmocka_unit_test(forget_frees_from_the_leaves),
        cmocka_unit_test(a_replaced_file_is_another_inode),
        cmocka_unit_test(what_is_done_by_one_name_is_stale_by_the_others),
        cmocka_unit_test(names_share_nothing_where_qids_repeat),
        cmocka_unit_test(a_replaced_file_is_not_taken),
        cmocka_unit_test(a_file_that_is_gone_is_enoent),
        cmocka_unit_test(one_move_takes_the_whole_subtree),
        cmocka_unit_test(a_rename_over_a_file_detaches_it),
        cmocka_unit_test(an_unlinked_file_is_asked_by_its_open_fid),
        cmocka_unit_test(names_of_one_file_share_a_inode),
        cmocka_unit_test(announced_attributes_hold_until_a_change),
        cmocka_unit_test(what_was_listed_before_a_change_is_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
