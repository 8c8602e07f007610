/*
 * test_writebehind.c: writes that are answered before they are acknowledged. Holding the server's
 * lock stops the server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/writebehind.h"
#include "unit/ownclock.h"
#include "unit/pathsrv.h"
#include "unit/test.h"

enum { ROOM = 512 * 1024 };

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct cache *cache;
    struct writebehind *writebehind;
    struct writer writer;
    struct p9_fid *fid;
};

static struct world begin(void)
{
    struct world w = {.srv = calloc(1, sizeof *w.srv)};
    const char *name = "f";
    struct p9_attr attr;
    struct p9_fid *root;

    w.client = srv_start(w.srv, 64, &root);
    srv_add(w.srv, "/f", false);
    w.cache = cache_new(w.client, 0, root);
    w.writebehind = writebehind_new(w.cache, ROOM);
    assert_int_equal(p9_walk(NULL, root, 1, &name, &w.fid), 0);
    assert_int_equal(p9_open(NULL, w.fid, 0), 0);
    assert_int_equal(p9_getattr(NULL, w.fid, &attr), 0);
    w.writer.inode = cache_enter(w.cache, &w.cache->root, "f", &attr, NULL, NULL, 0);
    srv_count(w.srv, P9_Twrite);
    return w;
}

static void end(struct world *w)
{
    p9_fid_put(w->fid);
    cache_free(w->cache);
    p9_client_stop(w->client);
    writebehind_free(w->writebehind);
    srv_stop(w->srv);
}

static int put(struct world *w, struct p9_scope *sc, char byte, size_t n, uint64_t offset)
{
    char buf[8192];

    memset(buf, byte, n);
    return writebehind_write(w->writebehind, sc, &w->writer, w->fid, buf, n, offset);
}

static bool is_filled(struct world *w, char byte, size_t from, size_t to)
{
    while (from < to && w->srv->written[from] == (uint8_t)byte)
        from++;
    return from == to;
}

static void stop(struct world *w)
{
    pthread_mutex_lock(&w->srv->mtx);
}

static void go_on(struct world *w)
{
    pthread_mutex_unlock(&w->srv->mtx);
}

static void small_writes_are_gathered(void **state)
{
    struct world w = begin();

    (void)state;
    stop(&w);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(put(&w, NULL, 'a', 100, i * 100), 0);
    assert_true(writebehind_busy(w.writebehind, &w.writer.inode->qid));
    go_on(&w);
    assert_int_equal(writebehind_settle(w.writebehind, NULL, &w.writer.inode->qid), 0);
    assert_false(writebehind_busy(w.writebehind, &w.writer.inode->qid));
    assert_in_range(srv_count(w.srv, P9_Twrite), 13, 15); /* of 8 KiB each */
    assert_true(is_filled(&w, 'a', 0, 100000));
    end(&w);
}

static void a_write_alone_leaves_at_once(void **state)
{
    struct world w = begin();

    (void)state;
    assert_int_equal(put(&w, NULL, 'a', 10, 0), 0);
    while (writebehind_busy(w.writebehind, &w.writer.inode->qid)) /* nobody asks for it to be settled */
        sched_yield();
    assert_true(is_filled(&w, 'a', 0, 10));
    end(&w);
}

static void the_end_of_a_stream_leaves_by_itself(void **state)
{
    struct world w = begin();

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(put(&w, NULL, 'a', 100, i * 100), 0);
    while (writebehind_busy(w.writebehind, &w.writer.inode->qid)) {
        clock_pass(1000);
        sched_yield();
    }
    assert_true(is_filled(&w, 'a', 0, 1000));
    assert_in_range(srv_count(w.srv, P9_Twrite), 1, 10);
    end(&w);
}

static void the_last_write_to_a_place_counts(void **state)
{
    struct world w = begin();

    (void)state;
    stop(&w);
    assert_int_equal(put(&w, NULL, 'a', 100, 0), 0);   /* leaves */
    assert_int_equal(put(&w, NULL, 'b', 100, 100), 0); /* is gathered */
    assert_int_equal(put(&w, NULL, 'c', 100, 150), 0); /* over it */
    assert_int_equal(put(&w, NULL, 'd', 10, 400), 0);  /* elsewhere */
    assert_int_equal(put(&w, NULL, 'e', 10, 90 + 300), 0);
    go_on(&w);
    assert_int_equal(put(&w, NULL, 'f', 50, 0), 0); /* over what has left: waits for that */
    assert_int_equal(writebehind_settle(w.writebehind, NULL, NULL), 0);
    assert_true(is_filled(&w, 'f', 0, 50));
    assert_true(is_filled(&w, 'a', 50, 100));
    assert_true(is_filled(&w, 'b', 100, 150));
    assert_true(is_filled(&w, 'c', 150, 250));
    assert_true(is_filled(&w, 0, 250, 390));
    assert_true(is_filled(&w, 'e', 390, 400));
    assert_true(is_filled(&w, 'd', 400, 410));
    end(&w);
}

static void two_writers_of_a_file_see_each_other(void **state)
{
    struct world w = begin();
    struct writer other = {.inode = w.writer.inode};

    (void)state;
    stop(&w);
    assert_int_equal(put(&w, NULL, 'a', 1000, 0), 0);
    assert_int_equal(put(&w, NULL, 'a', 1000, 1000), 0);
    go_on(&w);
    assert_int_equal(writebehind_write(w.writebehind, NULL, &other, w.fid, "bbbb", 4, 1500), 0);
    assert_int_equal(writebehind_settle(w.writebehind, NULL, &w.writer.inode->qid), 0);
    assert_true(is_filled(&w, 'a', 0, 1500));
    assert_true(is_filled(&w, 'b', 1500, 1504));
    assert_true(is_filled(&w, 'a', 1504, 2000));
    end(&w);
}

static void an_error_stays_until_a_sync_tells_of_it(void **state)
{
    struct world w = begin();

    (void)state;
    w.srv->fail_write = 1;
    assert_int_equal(put(&w, NULL, 'a', 10, 0), 0);
    assert_int_equal(writebehind_settle(w.writebehind, NULL, NULL), 0);
    assert_true(w.writer.failed);
    assert_int_equal(writebehind_error(w.writebehind, &w.writer), -ENOSPC);
    assert_int_equal(writebehind_unreported(w.writebehind, &w.writer), -ENOSPC);
    writebehind_reported(w.writebehind, &w.writer, true);
    assert_int_equal(writebehind_error(w.writebehind, &w.writer), -ENOSPC);
    assert_int_equal(writebehind_unreported(w.writebehind, &w.writer), 0);
    assert_int_equal(writebehind_sync(w.writebehind, &w.writer), -ENOSPC);
    assert_int_equal(writebehind_error(w.writebehind, &w.writer), 0);
    assert_int_equal(writebehind_sync(w.writebehind, &w.writer), 0);
    assert_true(is_filled(&w, 0, 0, 20));
    w.srv->fail_write = 1; /* a later one is a new one, which nobody was told of */
    assert_int_equal(put(&w, NULL, 'a', 10, 0), 0);
    assert_int_equal(writebehind_settle(w.writebehind, NULL, NULL), 0);
    assert_int_equal(writebehind_unreported(w.writebehind, &w.writer), -ENOSPC);
    assert_int_equal(writebehind_sync(w.writebehind, &w.writer), -ENOSPC);
    end(&w);
}

static void an_error_is_told_to_who_else_syncs(void **state)
{
    struct world w = begin();
    struct writer other = {.inode = w.writer.inode, .known_errors = cache_known_errors(w.cache, w.writer.inode)};

    (void)state;
    w.srv->fail_write = 1;
    assert_int_equal(put(&w, NULL, 'a', 10, 0), 0);
    assert_int_equal(writebehind_settle(w.writebehind, NULL, NULL), 0);
    assert_int_equal(writebehind_error(w.writebehind, &other), 0);
    struct writer later = {.inode = w.writer.inode, .known_errors = cache_known_errors(w.cache, w.writer.inode)};
    assert_int_equal(writebehind_sync(w.writebehind, &other), -ENOSPC);
    assert_int_equal(writebehind_sync(w.writebehind, &other), 0);
    assert_int_equal(writebehind_sync(w.writebehind, &later), -ENOSPC); /* nobody knew when it was opened */
    struct writer last = {.inode = w.writer.inode, .known_errors = cache_known_errors(w.cache, w.writer.inode)};
    assert_int_equal(writebehind_sync(w.writebehind, &last), 0);
    assert_int_equal(writebehind_sync(w.writebehind, &w.writer), -ENOSPC);
    end(&w);
}

static void what_follows_an_error_is_not_hidden_by_a_short_count(void **state)
{
    struct world w = begin();

    (void)state;
    w.srv->fail_write = 2; /* the second message of a chunk */
    stop(&w);
    assert_int_equal(put(&w, NULL, 'a', 10, 0), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(put(&w, NULL, 'b', 8192, 10 + i * 8192), 0);
    go_on(&w);
    assert_int_equal(writebehind_settle(w.writebehind, NULL, NULL), 0);
    assert_int_equal(writebehind_sync(w.writebehind, &w.writer), -ENOSPC);
    assert_int_equal(writebehind_error(w.writebehind, &w.writer), 0);
    end(&w);
}

static void a_short_write_goes_on(void **state)
{
    struct world w = begin();

    (void)state;
    w.srv->short_by = 100;
    assert_int_equal(put(&w, NULL, 'a', 8192, 0), 0);
    assert_int_equal(writebehind_settle(w.writebehind, NULL, NULL), 0);
    assert_int_equal(writebehind_error(w.writebehind, &w.writer), 0);
    assert_true(is_filled(&w, 'a', 0, 8192));
    end(&w);
}

static void what_is_under_way_is_bounded(void **state)
{
    struct world w = begin();
    struct p9_scope impatient = {.interrupted = true};
    unsigned n = 0;
    int rc = 0;

    (void)state;
    stop(&w);
    while (rc == 0 && n < 1000)
        if ((rc = put(&w, &impatient, 'a', 8192, n * 8192)) == 0)
            n++;
    assert_int_equal(rc, -EINTR);
    assert_in_range(n * 8192, ROOM / 2, 2 * ROOM);
    assert_int_equal(writebehind_settle(w.writebehind, &impatient, NULL), -EINTR);
    go_on(&w);
    assert_int_equal(put(&w, NULL, 'b', 8192, n * 8192), 0); /* waits, and goes on */
    assert_int_equal(writebehind_settle(w.writebehind, NULL, NULL), 0);
    assert_true(is_filled(&w, 'a', 0, n * 8192));
    assert_true(is_filled(&w, 'b', n * 8192, (n + 1) * 8192));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_writes_are_gathered),
        cmocka_unit_test(a_write_alone_leaves_at_once),
        cmocka_unit_test(the_end_of_a_stream_leaves_by_itself),
        cmocka_unit_test(the_last_write_to_a_place_counts),
        cmocka_unit_test(two_writers_of_a_file_see_each_other),
        cmocka_unit_test(an_error_stays_until_a_sync_tells_of_it),
        cmocka_unit_test(an_error_is_told_to_who_else_syncs),
        cmocka_unit_test(what_follows_an_error_is_not_hidden_by_a_short_count),
        cmocka_unit_test(a_short_write_goes_on),
        cmocka_unit_test(what_is_under_way_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
