/*
 * test_readahead.c: what will be read next. Holding the server's lock stops the server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit/pathsrv.h"
#include "cache/readahead.h"
#include "unit/test.h"

enum { KIB = 1024, READ = 128 * KIB, SIZE = 16 * KIB * KIB, WINDOW = KIB * KIB };

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct cache *cache;
    struct readahead_pool *readahead_pool;
    struct readahead *file;
    struct inode *inode;
    struct p9_fid *fid;
    uint64_t size; /* as it is known */
};

static struct world begin(size_t total)
{
    struct world w = {.srv = calloc(1, sizeof *w.srv), .size = SIZE};
    const char *name = "f";
    struct p9_attr attr;
    struct p9_fid *root;

    w.client = srv_start(w.srv, 64, &root);
    srv_add(w.srv, "/f", false);
    w.srv->read_size = SIZE;
    w.cache = cache_new(w.client, 0, root);
    w.readahead_pool = readahead_pool_new(w.cache, WINDOW, total);
    assert_int_equal(p9_walk(NULL, root, 1, &name, &w.fid), 0);
    assert_int_equal(p9_open(NULL, w.fid, 0), 0);
    assert_int_equal(p9_getattr(NULL, w.fid, &attr), 0);
    w.inode = cache_enter(w.cache, &w.cache->root, "f", &attr, NULL, NULL, 0);
    w.file = readahead_open(w.readahead_pool, w.inode, w.fid);
    srv_count(w.srv, P9_Tread);
    return w;
}

static void end(struct world *w)
{
    readahead_close(w->file);
    p9_fid_put(w->fid);
    cache_free(w->cache);
    p9_client_stop(w->client);
    readahead_pool_free(w->readahead_pool);
    assert_int_equal(w->srv->live, 0); /* every fid was clunked */
    srv_stop(w->srv);
}

struct wait {
    struct readahead_read read;
    struct p9_scope scope;
    struct p9_batch batch;
    int rc;
};

static void done(struct readahead_read *r, int rc)
{
    struct wait *wait = (struct wait *)r; /* its first member */
    uint64_t at = r->offset;

    wait->rc = rc;
    for (int i = 0; rc == 0 && i < r->n; i++)
        for (size_t k = 0; k < r->iov[i].iov_len; k++, at++)
            if (((uint8_t *)r->iov[i].iov_base)[k] != (uint8_t)(at * 7))
                wait->rc = -EIO;
    if (rc == 0 && at != r->offset + r->within)
        wait->rc = -EIO;
    p9_batch_done(&wait->batch);
}

static bool start(struct world *w, struct wait *wait, uint64_t offset, uint32_t size)
{
    *wait = (struct wait){.read = {.offset = offset, .size = size, .done = done}};
    wait->read.scope = &wait->scope;
    p9_batch_init(&wait->batch, 1);
    return readahead_read(w->file, &wait->read, w->size);
}

/* 0: served; -EAGAIN: to be read otherwise. */
static int read_at(struct world *w, uint64_t offset, uint32_t size)
{
    struct wait wait;

    if (!start(w, &wait, offset, size))
        return -EAGAIN;
    p9_batch_wait(p9_client_session(w->client), &wait.batch);
    return wait.rc;
}

static void give(struct world *w, uint64_t content)
{
    uint8_t data[5000];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    w->size = sizeof data;
    readahead_preload(w->file, data, sizeof data, content);
}

static void what_came_with_the_opening(void **state)
{
    struct world w = begin(SIZE);

    (void)state;
    give(&w, inode_version(w.cache, w.inode));
    assert_int_equal(read_at(&w, 0, 8192), 0); /* whole pages, as the kernel reads */
    assert_int_equal(read_at(&w, 4096, 4096), 0);
    assert_int_equal(read_at(&w, 5000, 4096), -EAGAIN);
    assert_int_equal(srv_count(w.srv, P9_Tread), 0);
    cache_others_changed(w.cache, w.inode);
    assert_int_equal(read_at(&w, 0, 8192), -EAGAIN);
    end(&w);
    w = begin(SIZE);
    uint64_t before = inode_version(w.cache, w.inode);
    cache_changing(w.cache, w.inode);
    give(&w, before);
    assert_int_equal(read_at(&w, 0, 8192), -EAGAIN);
    end(&w);
    w = begin(1000); /* there is no room */
    give(&w, inode_version(w.cache, w.inode));
    assert_int_equal(read_at(&w, 0, 8192), -EAGAIN);
    end(&w);
}

static void from_front_to_back(void **state)
{
    struct world w = begin(SIZE);

    (void)state;
    assert_int_equal(read_at(&w, 0, READ), -EAGAIN);
    assert_int_equal(srv_count(w.srv, P9_Tread), 0); /* one read is no reason */
    assert_int_equal(read_at(&w, READ, READ), -EAGAIN);
    for (uint64_t at = 2 * READ; at < SIZE; at += READ)
        assert_int_equal(read_at(&w, at, READ), 0);
    assert_int_equal(srv_count(w.srv, P9_Tread), (SIZE - 2 * READ) / 8192); /* once each, and nothing behind the end */
    assert_int_equal(read_at(&w, SIZE, READ), -EAGAIN);
    end(&w);
}

static void reads_out_of_order_and_odd_ones(void **state)
{
    struct world w = begin(SIZE);
    struct wait waits[4];

    (void)state;
    read_at(&w, 0, 1000);
    read_at(&w, 1000, 1000);
    assert_int_equal(read_at(&w, 2000, 999), 0);
    assert_int_equal(read_at(&w, 2999, 300 * KIB), 0); /* of two pieces */
    for (unsigned i = 0; i < 4; i++)
        assert_true(start(&w, &waits[i], 400000 + (i ^ 1) * READ, READ));
    for (unsigned i = 0; i < 4; i++) {
        p9_batch_wait(p9_client_session(w.client), &waits[i].batch);
        assert_int_equal(waits[i].rc, 0);
    }
    assert_int_equal(read_at(&w, 5000, 100), 0); /* a little behind */
    end(&w);
}

static void seeks_are_not_read_ahead(void **state)
{
    struct world w = begin(SIZE);

    (void)state;
    for (unsigned i = 0; i < 50; i++) /* backwards, and strided */
        assert_int_equal(read_at(&w, SIZE - (uint64_t)(i + 1) * READ, READ), -EAGAIN);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(read_at(&w, (uint64_t)i * 2 * READ, READ), -EAGAIN);
    assert_int_equal(srv_count(w.srv, P9_Tread), 0);
    end(&w);
}

static void what_changes_is_read_anew(void **state)
{
    struct world w = begin(SIZE);

    (void)state;
    read_at(&w, 0, READ);
    read_at(&w, READ, READ);
    assert_int_equal(read_at(&w, 2 * READ, READ), 0);
    cache_changing(w.cache, w.inode); /* a write */
    assert_int_equal(read_at(&w, 3 * READ, READ), -EAGAIN);
    assert_int_equal(read_at(&w, 4 * READ, READ), -EAGAIN);
    assert_int_equal(read_at(&w, 5 * READ, READ), 0);
    end(&w);
}

static void memory_is_bounded(void **state)
{
    struct world w = begin(512 * KIB);
    struct wait wait;

    (void)state;
    pthread_mutex_lock(&w.srv->mtx);
    read_at(&w, 0, READ);
    read_at(&w, READ, READ);
    assert_true(start(&w, &wait, 2 * READ, READ));
    struct wait far;
    assert_false(start(&w, &far, 2 * READ + 512 * KIB, READ));
    pthread_mutex_unlock(&w.srv->mtx);
    p9_batch_wait(p9_client_session(w.client), &wait.batch);
    assert_int_equal(wait.rc, 0);
    readahead_close(w.file);
    w.file = NULL;
    pthread_mutex_lock(&w.srv->mtx);
    assert_in_range(w.srv->counts[P9_Tread], 1, 512 / 8);
    pthread_mutex_unlock(&w.srv->mtx);
    end(&w);
}

static void a_file_that_ended_early_is_read_otherwise(void **state)
{
    struct world w = begin(SIZE);

    (void)state;
    w.srv->read_size = 3 * READ; /* it was said to be longer */
    read_at(&w, 0, READ);
    read_at(&w, READ, READ);
    assert_int_equal(read_at(&w, 2 * READ, READ), -EAGAIN);
    end(&w);
}

static void who_waits_can_be_interrupted(void **state)
{
    struct world w = begin(SIZE);
    struct wait wait;

    (void)state;
    read_at(&w, 0, READ);
    pthread_mutex_lock(&w.srv->mtx);
    read_at(&w, READ, READ);
    assert_true(start(&w, &wait, 2 * READ, READ));
    p9_interrupt(p9_client_session(w.client), &wait.scope);
    readahead_interrupt(w.file);
    pthread_mutex_unlock(&w.srv->mtx);
    p9_batch_wait(p9_client_session(w.client), &wait.batch);
    assert_int_equal(wait.rc, -EINTR);
    assert_int_equal(read_at(&w, 3 * READ, READ), -EAGAIN); /* not here any more */
    end(&w);                                                /* with pieces under way */
}

struct last_read {
    struct wait wait;
    struct world *world;
};

static void done_and_closed(struct readahead_read *r, int rc)
{
    struct last_read *last = (struct last_read *)r; /* its first member's first */

    readahead_close(last->world->file);
    last->world->file = NULL;
    done(r, rc);
}

static void a_file_may_be_closed_as_soon_as_it_is_read(void **state)
{
    struct world w = begin(SIZE);
    struct last_read last = {.world = &w};

    (void)state;
    w.size = 6 * READ;
    read_at(&w, 0, READ);
    read_at(&w, READ, READ);
    for (unsigned i = 2; i < 5; i++) /* then all is there, and nothing under way */
        assert_int_equal(read_at(&w, i * READ, READ), 0);
    last.wait = (struct wait){.read = {.offset = 5 * READ, .size = READ, .done = done_and_closed}};
    last.wait.read.scope = &last.wait.scope;
    p9_batch_init(&last.wait.batch, 1);
    assert_true(readahead_read(w.file, &last.wait.read, w.size));
    p9_batch_wait(p9_client_session(w.client), &last.wait.batch);
    assert_int_equal(last.wait.rc, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_with_the_opening),
        cmocka_unit_test(from_front_to_back),
        cmocka_unit_test(reads_out_of_order_and_odd_ones),
        cmocka_unit_test(seeks_are_not_read_ahead),
        cmocka_unit_test(what_changes_is_read_anew),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(a_file_that_ended_early_is_read_otherwise),
        cmocka_unit_test(who_waits_can_be_interrupted),
        cmocka_unit_test(a_file_may_be_closed_as_soon_as_it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
