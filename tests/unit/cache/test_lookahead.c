/*
 * test_lookahead.c: names fetched before they are looked up.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "unit/cache/listed.h"

static void each_is_asked_for_once(void **state)
{
    for (int backwards = 0; backwards < 2; backwards++) { /* as listed, and sorted */
        struct world w = begin_listed(LONG);
        struct lookahead_found found;
        unsigned first = 0;
        make_and_list(&w, backwards);
        for (int i = 0; i < FILES; i++) {
            const char *name = name_of(i);
            assert_true(look_up(&w, name, &found));
            has_fid(&w, &found);
            assert_true(found.left_ms > 0 && found.left_ms <= LONG);
            done(&w, &found);
            assert_false(look_up(&w, name, &found)); /* taken */
            if (i == 0)
                first = srv_count(w.srv, P9_Twalk);
        }
        assert_int_equal(first, 1); /* one look is no reason for more */
        assert_int_equal(srv_count(w.srv, P9_Twalk), FILES - 1);
        end(&w);
    }
    (void)state;
}

static void what_changes_is_forgotten(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    for (int i = 0; i < 10; i++) { /* by now the next ones are there */
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
    }
    cache_name_changed(w.cache, w.root, "file20");
    assert_false(look_up(&w, "file20", &found));
    /* A file that we know and did something to. */
    assert_true(look_up(&w, "file22", &found));
    add_name(&w, w.root, lookahead_begin(w.cache, w.root, w.user, cache_version(w.cache), clock_ms()), "file22");
    struct inode *inode = found.inode;
    assert_true(look_up(&w, "file22", &found)); /* fetched once more, into the same inode */
    assert_ptr_equal(found.inode, inode);
    done(&w, &found);
    make_and_list(&w, false);
    for (int i = 0; i < 10; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
    }
    assert_int_equal(dentry_find(w.cache, w.root, "file22")->state, DENTRY_FETCHED);
    cache_changing(w.cache, inode);
    assert_false(look_up(&w, "file22", &found));
    cache_forget(w.cache, inode, 1);
    assert_false(look_up(&w, "not-listed", &found));
    end(&w);
}

/* An open was told what another client did, after these were asked for: they are older than what
 * the kernel knows. */
static void what_was_told_since_is_not_taken_back(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    struct p9_attr attr = {.qid = {.path = srv_add(w.srv, "/file05", false)}, .mode = S_IFREG, .nlink = 1, .size = 3};
    struct inode *inode = cache_enter(w.cache, w.root, "file05", &attr, NULL, w.user, 0);
    for (int i = 0; i < 4; i++) { /* by now the next ones are there */
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
    }
    attr.size = 10;
    assert_true(cache_announce(w.cache, inode, &attr));
    assert_false(look_up(&w, "file05", &found));
    assert_true(look_up(&w, "file06", &found));
    done(&w, &found);
    cache_forget(w.cache, inode, 1);
    end(&w);
}

/* The kernel was given other attributes than what is fetched since: it learns that at an open. */
static void what_is_fetched_of_a_known_file_is_its_own(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;
    struct p9_attr attr = {.qid = {.path = srv_add(w.srv, "/file03", false)}, .mode = S_IFREG, .nlink = 1, .size = 3},
                   now;

    (void)state;
    struct inode *inode = cache_enter(w.cache, w.root, "file03", &attr, NULL, w.user, 0);
    make_and_list(&w, false);
    for (int i = 0; i < 2; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
    }
    assert_true(cache_fresh(w.cache, inode, &now) > 0);
    assert_int_not_equal(now.size, attr.size);
    assert_true(cache_announce(w.cache, inode, &now));
    assert_false(cache_announce(w.cache, inode, &now));
    cache_changing(w.cache, inode);
    assert_int_equal(cache_fresh(w.cache, inode, &now), 0);
    cache_forget(w.cache, inode, 1);
    end(&w);
}

static void old_answers_are_not_taken(void **state)
{
    struct world w = begin_listed(0); /* too old at once */
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    for (int i = 0; i < FILES; i++)
        assert_false(look_up(&w, name_of(i), &found));
    end(&w);
    w = begin_listed(1000);
    const struct use u = use_of_root(&w);
    make_and_list(&w, false);
    for (int i = 0; i < 2; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
    }
    clock_pass(999 * 1000);
    assert_true(lookahead_take(w.cache, &u, name_of(2), &found));
    assert_int_equal(found.left_ms, 1);
    done(&w, &found);
    clock_pass(1000);
    assert_false(lookahead_take(w.cache, &u, name_of(3), &found));
    end(&w);
}

static void a_new_listing_takes_the_place_of_the_old(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    for (int i = 0; i < 3; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
    }
    lookahead_begin(w.cache, w.root, w.user, cache_version(w.cache), clock_ms());
    assert_false(look_up(&w, name_of(3), &found));
    end(&w);
}

/* What was fetched has expired. */
static void age(struct world *w)
{
    pthread_mutex_lock(&w->cache->mtx);
    for (struct inode *i = w->cache->lookahead->fetched; i != NULL; i = i->next_fetched)
        i->fetched_until = 1;
    pthread_mutex_unlock(&w->cache->mtx);
}

/* Waits until the server was asked for so many names in all. */
static void until_asked(struct world *w, unsigned *asked, unsigned n)
{
    while ((*asked += srv_count(w->srv, P9_Twalk)) < n)
        sched_yield();
}

static void the_next_names_are_asked_for_while_some_are_left(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;
    struct p9_attr attr;
    unsigned asked = 0, looked = 0;

    (void)state;
    make_and_list(&w, false);
    w.srv->takes_us = 1000;
    while (p9_session_latency(p9_client_session(w.client)) < 700) /* the server is far away by now */
        assert_int_equal(p9_getattr(NULL, w.user->root, &attr), 0);
    while (asked < FILES) {
        assert_true(looked < asked || looked < 2);
        assert_true(look_up(&w, name_of(looked++), &found));
        done(&w, &found);
        asked += srv_count(w.srv, P9_Twalk);
        if (asked > FULL_BATCH && asked - looked < FULL_BATCH / 2)
            until_asked(&w, &asked, asked + 1); /* while nobody looks at any */
    }
    for (; looked < FILES; looked++) {
        assert_true(look_up(&w, name_of(looked), &found));
        done(&w, &found);
    }
    assert_int_equal(asked + srv_count(w.srv, P9_Twalk), FILES); /* each once */
    end(&w);
}

static void what_is_there_is_taken_without_asking(void **state)
{
    struct world w = begin_listed(LONG);
    struct user *u = w.user;
    const struct use use = use_of_root(&w);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    assert_false(lookahead_has_some(w.cache, w.root, u));
    for (int i = 0; i < 2; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
    }
    assert_true(lookahead_has_some(w.cache, w.root, u));
    srv_count(w.srv, P9_Twalk);
    assert_true(lookahead_take(w.cache, &use, name_of(2), &found));
    done(&w, &found);
    assert_false(lookahead_take(w.cache, &use, name_of(2), &found));
    assert_false(lookahead_take(w.cache, &use, name_of(FILES - 1), &found));
    assert_int_equal(srv_count(w.srv, P9_Twalk), 0);
    end(&w);
}

/* As ls -l does: first it asks for those of the directory. */
static void who_asks_for_extended_attributes_will_ask_for_more(void **state)
{
    struct world w = begin_listed(LONG);
    const int lacks[P9_XATTRS] = {-ENODATA, -ENODATA, -ENODATA};
    struct user *u = w.user;
    struct inode *root = w.root;

    (void)state;
    make_and_list(&w, false);
    assert_false(lookahead_expects(w.cache, root, u));
    assert_int_equal(w.cache->lookahead->listings->nxattrs, 0);
    cache_set_lacks(w.cache, root, lacks, UINT64_MAX);
    assert_true(lookahead_begin(w.cache, root, u, cache_version(w.cache), clock_ms()) != 0);
    assert_true(lookahead_expects(w.cache, root, u));
    const struct p9_xattrs *x = &w.cache->lookahead->listings->xattrs;
    assert_string_equal(x->of_file[lookahead_xattr(w.cache, "security.selinux")], "security.selinux");
    assert_null(x->of_file[lookahead_xattr(w.cache, "system.posix_acl_default")]);
    assert_non_null(x->of_dir[lookahead_xattr(w.cache, "system.posix_acl_default")]);
    end(&w);
}

static void who_waits_for_a_name_can_be_interrupted(void **state)
{
    struct world w = begin_listed(LONG);
    struct p9_scope interrupted = {.interrupted = true};
    const struct use u = use_of_root(&w);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    w.root->listing->first->state = DENTRY_IN_FLIGHT; /* by another thread */
    assert_false(lookahead_look(w.cache, &interrupted, &u, name_of(0), &found));
    end(&w);
}

/* Names of the root looked up at once; how often attributes were asked for. */
static unsigned find_all(struct world *w)
{
    static const struct p9_xattrs none;
    struct p9_found found[FILES] = {0};
    char names[FILES][16];

    srv_count(w->srv, P9_Tgetattr);
    for (int i = 0; i < FILES; i++) {
        strcpy(names[i], name_of(i));
        found[i] = (struct p9_found){.from = w->cache->users->root, .name = names[i]};
    }
    p9_find_many(NULL, w->client, FILES, &none, found);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(found[i].rc, 0);
        assert_int_equal(found[i].attr.qid.path, found[i].fid->qid.path);
        p9_fid_put(found[i].fid);
    }
    return srv_count(w->srv, P9_Tgetattr);
}

/* It answers in order, but does not always do what it is asked in that order. */
static void a_server_that_only_seems_to_be_in_order(void **state)
{
    struct world w = begin_listed(LONG);

    (void)state;
    make_and_list(&w, false);
    assert_int_equal(find_all(&w), FILES); /* after the walks */
    assert_true(p9_session_in_order(p9_client_session(w.client)));
    assert_int_equal(find_all(&w), FILES); /* with them */
    w.srv->refuse_getattr = 3;
    assert_int_equal(find_all(&w), 2 * FILES); /* again */
    w.srv->refuse_getattr = 0;
    assert_int_equal(find_all(&w), FILES);
    end(&w);
}

/* What the fid of a directory leads to may be another by now. */
static void names_of_a_directory_that_has_moved_are_not_taken(void **state)
{
    struct world w = begin_listed(LONG);
    struct p9_attr attr = {.qid = {.type = P9_QTDIR}, .mode = S_IFDIR | 0755, .nlink = 2};
    struct user *u = w.user;
    struct lookahead_found found;
    const char *d = "d";
    struct p9_fid *fid;

    (void)state;
    attr.qid.path = srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/f", false);
    uint64_t walked = cache_renames(w.cache);
    assert_int_equal(p9_walk(NULL, u->root, 1, &d, &fid), 0);
    struct inode *dir = cache_enter(w.cache, w.root, "d", &attr, NULL, u, walked);
    uint64_t l = lookahead_begin(w.cache, dir, u, cache_version(w.cache), clock_ms());
    add_name(&w, dir, l, "f");
    cache_rename_begin(w.cache);
    cache_rename_end(w.cache, true, w.root, "d", w.root, "e");
    const struct use use = {.cache = w.cache, .inode = dir, .user = u, .fid = fid, .walked = walked};
    assert_false(lookahead_look(w.cache, NULL, &use, "f", &found));
    p9_fid_put(fid);
    cache_forget(w.cache, dir, 1);
    end(&w);
}

static void who_is_slow_is_asked_for_no_more_than_he_takes(void **state)
{
    struct world w = begin_listed(1000000);
    struct lookahead_found found;
    unsigned asked[30];

    (void)state;
    make_and_list(&w, false);
    srv_count(w.srv, P9_Twalk);
    for (int i = 0, batch = 0; i < 30 * 3; i++) { /* three of each batch in time */
        if (i % 3 == 0)
            age(&w);
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
        if (i % 3 == 2)
            asked[batch++] = srv_count(w.srv, P9_Twalk);
    }
    assert_in_range(asked[0], 3, 1 + FULL_BATCH); /* nobody knew */
    for (int i = 1; i < 30; i++)
        assert_in_range(asked[i], 1, 10);
    end(&w);
}

static void a_server_of_few_fids(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;
    int n = 0;

    (void)state;
    w.srv->fid_limit = 40;
    make_and_list(&w, false);
    for (int i = 0; i < FILES; i++)
        if (look_up(&w, name_of(i), &found)) {
            done(&w, &found);
            n++;
        }
    assert_true(n >= 40 - 1 && n < FILES); /* those that it refused are for a lookup of their own */
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_asked_for_once),
        cmocka_unit_test(what_changes_is_forgotten),
        cmocka_unit_test(what_was_told_since_is_not_taken_back),
        cmocka_unit_test(what_is_fetched_of_a_known_file_is_its_own),
        cmocka_unit_test(old_answers_are_not_taken),
        cmocka_unit_test(who_is_slow_is_asked_for_no_more_than_he_takes),
        cmocka_unit_test(a_server_of_few_fids),
        cmocka_unit_test(a_new_listing_takes_the_place_of_the_old),
        cmocka_unit_test(the_next_names_are_asked_for_while_some_are_left),
        cmocka_unit_test(what_is_there_is_taken_without_asking),
        cmocka_unit_test(who_asks_for_extended_attributes_will_ask_for_more),
        cmocka_unit_test(who_waits_for_a_name_can_be_interrupted),
        cmocka_unit_test(a_server_that_only_seems_to_be_in_order),
        cmocka_unit_test(names_of_a_directory_that_has_moved_are_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
