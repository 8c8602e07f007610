/*
 * test_listing.c: listings: what a directory does not have, and reading it again.
 */
#include <sched.h>
#include <stdlib.h>

#include "unit/cache/listed.h"

static bool absent(struct world *w, const char *name)
{
    return lookahead_absent(w->cache, w->root, w->user, name);
}

static void a_whole_listing_knows_what_is_not_there(void **state)
{
    struct world w = begin_listed(LONG);

    (void)state;
    assert_false(absent(&w, "nothing"));
    make_and_list(&w, false);
    assert_true(absent(&w, "nothing"));
    assert_false(absent(&w, "file00"));
    assert_false(absent(&w, "FILE00")); /* a server may find it so */
    assert_false(absent(&w, "f\xc3\xadle"));
    assert_false(absent(&w, ".zfs"));
    cache_name_changed(w.cache, w.root, "nothing"); /* we made it */
    assert_false(absent(&w, "nothing"));
    assert_int_equal(srv_count(w.srv, P9_Twalk), 0);
    end(&w);
}

static void a_listing_that_lacks_something_knows_nothing(void **state)
{
    struct world w = begin_listed(LONG);
    struct user *u = w.user;
    uint64_t changes = cache_version(w.cache), now = clock_ms();

    (void)state;
    uint64_t first = lookahead_begin(w.cache, w.root, u, changes, now);
    assert_false(absent(&w, "a")); /* it has not ended */
    uint64_t second = lookahead_begin(w.cache, w.root, u, changes, now);
    lookahead_end(w.cache, w.root, first); /* the other one is read now */
    assert_false(absent(&w, "a"));
    lookahead_end(w.cache, w.root, second);
    assert_true(absent(&w, "a"));
    cache_changing(w.cache, w.root); /* something was made after it was asked for, and before it came */
    lookahead_end(w.cache, w.root, lookahead_begin(w.cache, w.root, u, changes, now));
    assert_false(absent(&w, "a"));
    lookahead_end(w.cache, w.root,
                  lookahead_begin(w.cache, w.root, u, cache_version(w.cache), now - LONG)); /* long ago */
    assert_false(absent(&w, "a"));
    end(&w);
}

static void a_directory_we_made_is_empty(void **state)
{
    struct world w = begin_listed(LONG);

    (void)state;
    lookahead_made(w.cache, w.root, w.user, clock_ms());
    assert_true(absent(&w, "a"));
    assert_true(absent(&w, ".a"));
    cache_name_changed(w.cache, w.root, "a");
    assert_false(absent(&w, "a"));
    assert_false(absent(&w, "A"));
    assert_true(absent(&w, "b"));
    end(&w);
}

static void until_refreshed(struct world *w)
{
    for (bool done = false; !done; sched_yield()) {
        pthread_mutex_lock(&w->cache->mtx);
        done = !w->root->listing->refreshing;
        pthread_mutex_unlock(&w->cache->mtx);
    }
}

static void a_whole_listing_that_is_used_is_read_again(void **state)
{
    struct world w = begin_listed(1000);
    const struct use use = use_of_root(&w);
    struct user *u = w.user;

    (void)state;
    lookahead_made(w.cache, w.root, u, clock_ms());
    srv_add(w.srv, "/theirs", false);
    assert_true(absent(&w, "theirs"));
    clock_pass(1000 * 1000);
    assert_false(absent(&w, "new"));
    lookahead_missed(w.cache, &use, "new");
    until_refreshed(&w);
    assert_true(absent(&w, "new"));
    assert_false(absent(&w, "theirs"));
    assert_true(absent(&w, "ours"));
    cache_name_changed(w.cache, w.root, "ours");
    assert_false(absent(&w, "ours"));
    end(&w);
}

static void a_directory_without_end_is_given_up(void **state)
{
    struct world w = begin_listed(1000);
    const struct use use = use_of_root(&w);
    struct user *u = w.user;

    (void)state;
    srv_add(w.srv, "/again", false);
    w.srv->endless = true;
    lookahead_made(w.cache, w.root, u, clock_ms());
    assert_true(absent(&w, "x"));
    uint64_t asked_ms = w.root->listing->asked_ms;
    clock_pass(1000 * 1000);
    lookahead_missed(w.cache, &use, "new");
    until_refreshed(&w);
    assert_int_equal(w.root->listing->asked_ms, asked_ms);
    assert_false(absent(&w, "new"));
    end(&w);
}

static void a_refresh_under_way_is_no_trouble_at_the_end(void **state)
{
    struct world w = begin_listed(1000);
    const struct use use = use_of_root(&w);
    struct user *u = w.user;

    (void)state;
    lookahead_made(w.cache, w.root, u, clock_ms());
    assert_true(absent(&w, "x"));
    clock_pass(1000 * 1000);
    lookahead_missed(w.cache, &use, "new");
    end(&w);
}

/* Only some of what is fetched is of use, but that in time. */
static void names_that_are_skipped_are_no_sign_of_a_slow_reader(void **state)
{
    struct world w = begin_listed(1000);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    assert_true(look_up(&w, name_of(0), &found));
    done(&w, &found);
    for (int i = 1; i < FILES; i += 5) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
        clock_pass(120 * 1000);
    }
    assert_false(w.root->listing->slow);
    end(&w);
}

static void a_slow_reader_is_fetched_no_more_than_it_uses(void **state)
{
    struct world w = begin_listed(1000);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    srv_count(w.srv, P9_Twalk);
    for (int i = 0; i < FILES; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
        clock_pass(101 * 1000); /* ten of each batch in time */
    }
    assert_in_range(srv_count(w.srv, P9_Twalk), FILES, 2 * FILES);
    end(&w);
}

struct looking {
    struct world *w;
    bool found;
};

static void *look_up_first(void *arg)
{
    struct looking *k = arg;
    struct lookahead_found found;

    k->found = look_up(k->w, name_of(0), &found);
    if (k->found)
        done(k->w, &found);
    return NULL;
}

/* Whether an answer in flight is of use if that name is changed meanwhile. */
static bool is_stored_beside(const char *changed)
{
    struct world w = begin_listed(LONG);
    struct looking k = {.w = &w};
    pthread_t thread;

    make_and_list(&w, false);
    pthread_mutex_lock(&w.srv->mtx);
    assert_int_equal(pthread_create(&thread, NULL, look_up_first, &k), 0);
    for (bool sent = false; !sent; sched_yield()) {
        pthread_mutex_lock(&w.cache->mtx);
        sent = w.root->listing->first->state == DENTRY_IN_FLIGHT;
        pthread_mutex_unlock(&w.cache->mtx);
    }
    cache_name_changed(w.cache, w.root, changed);
    pthread_mutex_unlock(&w.srv->mtx);
    pthread_join(thread, NULL);
    end(&w);
    return k.found;
}

static void an_answer_is_old_if_its_own_name_changed(void **state)
{
    (void)state;
    assert_true(is_stored_beside("other"));
    assert_false(is_stored_beside("file00"));
}

static void listings_are_bounded(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;
    struct p9_attr attr = {.qid = {.type = P9_QTDIR}, .mode = S_IFDIR | 0755, .nlink = 2};

    (void)state;
    make_and_list(&w, false);
    assert_true(look_up(&w, name_of(0), &found));
    done(&w, &found);
    for (int i = 0; i < 300; i++) { /* listings that are used later take its place */
        attr.qid.path = 1000 + (uint64_t)i;
        struct inode *dir = cache_enter(w.cache, w.root, name_of(i), &attr, NULL, NULL, 0);
        lookahead_end(w.cache, dir, lookahead_begin(w.cache, dir, w.user, cache_version(w.cache), clock_ms()));
        cache_forget(w.cache, dir, 1);
    }
    assert_false(look_up(&w, name_of(1), &found));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_listing_knows_what_is_not_there),
        cmocka_unit_test(a_listing_that_lacks_something_knows_nothing),
        cmocka_unit_test(a_directory_we_made_is_empty),
        cmocka_unit_test(a_whole_listing_that_is_used_is_read_again),
        cmocka_unit_test(a_directory_without_end_is_given_up),
        cmocka_unit_test(a_refresh_under_way_is_no_trouble_at_the_end),
        cmocka_unit_test(names_that_are_skipped_are_no_sign_of_a_slow_reader),
        cmocka_unit_test(a_slow_reader_is_fetched_no_more_than_it_uses),
        cmocka_unit_test(an_answer_is_old_if_its_own_name_changed),
        cmocka_unit_test(listings_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
