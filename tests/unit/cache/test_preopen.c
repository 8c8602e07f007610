/*
 * test_preopen.c: files that are opened before they are needed.
 */
#include <stdlib.h>

#include "unit/cache/listed.h"

/* Opens a file as OPEN does; how many were opened with it. */
static size_t open_in_turn(struct world *w, const char *name)
{
    struct preopen next = {.n = 0};

    lookahead_preopen_begin(w->cache, w->root, w->user, name, &next);
    for (size_t i = 0; i < next.n; i++) {
        assert_int_equal(next.fids[i]->iounit, 0); /* once */
        assert_int_equal(p9_open(NULL, next.fids[i], 0), 0);
    }
    size_t n = next.n;
    lookahead_preopen_end(w->cache, w->user, &next);
    return n;
}

/* Whether what was found is open already; if not it has a fid to be opened by. */
static bool is_open(struct world *w, const struct lookahead_found *found)
{
    pthread_mutex_lock(&w->cache->mtx);
    bool open = idle_open_exists(w->cache, found->inode, w->user);
    pthread_mutex_unlock(&w->cache->mtx);
    if (!open)
        has_fid(w, found);
    return open;
}

static void files_opened_in_turn_are_opened_ahead(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, true);
    for (int i = 0; i < 3; i++) { /* sorted */
        if (look_up(&w, name_of(i), &found)) {
            assert_false(is_open(&w, &found));
            done(&w, &found);
        }
        assert_int_equal(open_in_turn(&w, name_of(i)), i < 2 ? 0 : P9_OPEN_TOO);
    }
    for (int i = 3; i < 3 + P9_OPEN_TOO; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        assert_true(is_open(&w, &found));
        done(&w, &found);
        size_t n = open_in_turn(&w, name_of(i));
        assert_in_range(n, i < 2 + P9_OPEN_TOO ? 0 : 1, i < 2 + P9_OPEN_TOO ? 0 : P9_OPEN_TOO); /* of those asked for */
    }
    cache_close_idle(w.cache, w.root, name_of(20)); /* it is to be removed */
    assert_true(look_up(&w, name_of(20), &found));
    assert_false(idle_open_exists(w.cache, found.inode, w.user));
    done(&w, &found);
    cache_name_changed(w.cache, w.root, name_of(21));
    assert_false(look_up(&w, name_of(21), &found));
    assert_true(cache_close_old(w.cache) > 0);
    end(&w);
}

static void what_was_open_for_long_is_not_opened_twice(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, true);
    for (int i = 0; i < 3; i++) {
        if (look_up(&w, name_of(i), &found))
            done(&w, &found);
        open_in_turn(&w, name_of(i));
    }
    clock_pass(IDLE_OPEN_MS * 1000);
    for (int i = 3; i < 3 + P9_OPEN_TOO; i++) {
        assert_true(look_up(&w, name_of(i), &found));
        done(&w, &found);
        open_in_turn(&w, name_of(i));
    }
    end(&w);
}

static void files_opened_here_and_there_are_not(void **state)
{
    struct world w = begin_listed(LONG);
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, false);
    assert_true(look_up(&w, name_of(0), &found));
    done(&w, &found);
    assert_true(look_up(&w, name_of(1), &found));
    done(&w, &found);
    for (int i = 0; i < FILES; i++)
        assert_int_equal(open_in_turn(&w, name_of(i * 37 % FILES)), 0);
    assert_int_equal(cache_close_old(w.cache), 0);
    end(&w);
}

static void what_is_forgotten_while_it_is_opened_ahead_is_not_taken(void **state)
{
    struct world w = begin_listed(LONG);
    struct preopen next = {.n = 0};
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, false);
    for (int i = 0; i < 2; i++) {
        if (look_up(&w, name_of(i), &found))
            done(&w, &found);
        open_in_turn(&w, name_of(i));
    }
    lookahead_preopen_begin(w.cache, w.root, w.user, name_of(2), &next);
    assert_int_equal(next.n, P9_OPEN_TOO);
    p9_fid_put(next.fids[1]);
    next.fids[1] = NULL; /* it failed */
    cache_name_changed(w.cache, w.root, name_of(3));
    lookahead_preopen_end(w.cache, w.user, &next);
    assert_false(look_up(&w, name_of(3), &found));
    assert_false(look_up(&w, name_of(4), &found));
    assert_true(look_up(&w, name_of(5), &found));
    assert_false(is_open(&w, &found)); /* the opening was not even sent */
    done(&w, &found);
    make_and_list(&w, false); /* the old listing goes */
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_opened_in_turn_are_opened_ahead),
        cmocka_unit_test(what_was_open_for_long_is_not_opened_twice),
        cmocka_unit_test(files_opened_here_and_there_are_not),
        cmocka_unit_test(what_is_forgotten_while_it_is_opened_ahead_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
