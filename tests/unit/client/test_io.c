/*
 * test_io.c: reads and writes that are split; short replies and errors in the middle.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "unit/pathsrv.h"
#include "unit/test.h"

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct p9_fid *root, *fid;
};

static struct world begin(uint32_t size)
{
    struct world w = {.srv = calloc(1, sizeof *w.srv)};
    const char *name = "f";

    w.client = srv_start(w.srv, 64, &w.root);
    srv_add(w.srv, "/f", false);
    w.srv->read_size = size;
    assert_int_equal(p9_walk(NULL, w.root, 1, &name, &w.fid), 0);
    assert_int_equal(p9_open(NULL, w.fid, 0), 0);
    return w;
}

static void end(struct world *w)
{
    p9_fid_put(w->fid);
    p9_fid_put(w->root);
    p9_client_stop(w->client);
    srv_stop(w->srv);
}

static void done(struct p9_io *io)
{
    p9_batch_done(io->arg);
}

static ssize_t read_all(struct world *w, struct p9_io *io)
{
    struct p9_batch b;

    p9_batch_init(&b, 1);
    io->fid = w->fid;
    io->done = done;
    io->arg = &b;
    p9_read_start(io);
    p9_batch_wait(p9_client_session(w->client), &b);
    p9_io_finish(io);
    for (ssize_t i = 0; i < io->result; i++)
        assert_int_equal(io->buf[i], (uint8_t)((io->offset + (uint64_t)i) * 7));
    return io->result;
}

static void a_large_read_is_split(void **state)
{
    struct world w = begin(1 << 20);
    uint8_t *buf = malloc(100000);
    struct p9_io io = {.buf = buf, .offset = 12345, .count = 100000, .size = 1 << 20};

    (void)state;
    assert_int_equal(read_all(&w, &io), 100000);
    assert_int_equal(srv_count(w.srv, P9_Tread), 13);
    free(buf);
    end(&w);
}

static void iounit_bounds_a_message(void **state)
{
    struct world w = begin(1 << 20);
    uint8_t *buf = malloc(10000);
    struct p9_io io = {.buf = buf, .count = 10000, .size = 1 << 20};

    (void)state;
    w.srv->iounit = 1000;
    assert_int_equal(p9_open(NULL, w.fid, 0), 0);
    assert_int_equal(read_all(&w, &io), 10000);
    assert_int_equal(srv_count(w.srv, P9_Tread), 10);
    free(buf);
    end(&w);
}

static void a_short_reply_in_the_middle_is_not_the_end_of_file(void **state)
{
    struct world w = begin(1 << 20);
    uint8_t *buf = malloc(50000);
    struct p9_io io = {.buf = buf, .count = 50000, .size = 1 << 20};

    (void)state;
    w.srv->short_by = 100;
    assert_int_equal(read_all(&w, &io), 50000);
    free(buf);
    end(&w);
}

static void the_end_of_the_file_costs_no_further_read(void **state)
{
    struct world w = begin(3000);
    uint8_t *buf = malloc(8000);
    struct p9_io io = {.buf = buf, .count = 8000, .size = 3000};

    (void)state;
    assert_int_equal(read_all(&w, &io), 3000);
    assert_int_equal(srv_count(w.srv, P9_Tread), 1);
    /* If the size is unknown another read finds the end. */
    struct p9_io unsure = {.buf = buf, .count = 8000, .size = UINT64_MAX};
    assert_int_equal(read_all(&w, &unsure), 3000);
    assert_int_equal(srv_count(w.srv, P9_Tread), 2);
    struct p9_io stream = {.buf = buf, .count = 8000, .size = UINT64_MAX, .short_ok = true};
    assert_int_equal(read_all(&w, &stream), 3000);
    assert_int_equal(srv_count(w.srv, P9_Tread), 1);
    free(buf);
    end(&w);
}

static void a_short_write_is_continued(void **state)
{
    struct world w = begin(0);
    uint8_t *buf = malloc(100000);
    struct p9_io io = {.fid = w.fid, .buf = buf, .offset = 10, .count = 100000};

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf[i] = (uint8_t)(i * 13);
    w.srv->short_by = 77;
    assert_int_equal(p9_write_wait(&io), 100000);
    assert_memory_equal(w.srv->written + 10, buf, 100000);
    free(buf);
    end(&w);
}

static void bytes_before_an_error_count(void **state)
{
    struct world w = begin(0);
    uint8_t *buf = calloc(1, 100000);

    (void)state;
    w.srv->fail_write = 3;
    struct p9_io io = {.fid = w.fid, .buf = buf, .count = 100000};
    assert_int_equal(p9_write_wait(&io), -ENOSPC);
    assert_int_equal(io.finished, 2 * 8192);
    w.srv->fail_write = 1;
    struct p9_io at_once = {.fid = w.fid, .buf = buf, .count = 100000};
    assert_int_equal(p9_write_wait(&at_once), -ENOSPC);
    assert_int_equal(at_once.finished, 0);
    free(buf);
    end(&w);
}

static void a_failed_part_fails_the_read(void **state)
{
    struct world w = begin(1 << 20);
    uint8_t *buf = malloc(100000);
    struct p9_io io = {.buf = buf, .count = 100000, .size = 1 << 20};

    (void)state;
    w.srv->fail_read = 5;
    assert_int_equal(read_all(&w, &io), -EIO);
    assert_int_equal(io.finished, 4 * 8192);
    free(buf);
    end(&w);
}

/* How many requests of that size are in the connection while the server is stopped. */
static unsigned waiting(struct world *w, unsigned bytes)
{
    int n = 0;

    assert_int_equal(ioctl(w->srv->fd, FIONREAD, &n), 0);
    return (unsigned)n / bytes;
}

static void parts_in_flight_are_bounded(void **state)
{
    enum { TREAD = 23, TWRITE = 23 + 1, MOST = 256, COUNT = 3000 };
    struct world w = begin(COUNT);
    uint8_t *buf = malloc(COUNT);
    struct p9_batch b;

    (void)state;
    w.srv->iounit = 1;
    assert_int_equal(p9_open(NULL, w.fid, 0), 0);
    for (int i = 0; i < COUNT; i++)
        buf[i] = (uint8_t)(i * 7);
    for (int write = 1; write >= 0; write--) {
        struct p9_io io = {.fid = w.fid, .buf = buf, .count = COUNT, .size = COUNT, .done = done, .arg = &b};
        p9_batch_init(&b, 1);
        pthread_mutex_lock(&w.srv->mtx);
        (write ? p9_write_start : p9_read_start)(&io);
        unsigned n = waiting(&w, write ? TWRITE : TREAD);
        pthread_mutex_unlock(&w.srv->mtx);
        assert_in_range(n, 1, MOST);
        p9_batch_wait(p9_client_session(w.client), &b);
        p9_io_finish(&io);
        assert_int_equal(io.result, COUNT);
        assert_memory_equal(write ? w.srv->written : buf, buf, COUNT);
        memset(buf, 0, write ? COUNT : 0);
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(buf[i], (uint8_t)(i * 7));
    free(buf);
    end(&w);
}

static void an_excessive_count_fails_the_write(void **state)
{
    struct world w = begin(0);
    uint8_t buf[100] = {0};

    (void)state;
    w.srv->say_more = 1;
    struct p9_io io = {.fid = w.fid, .buf = buf, .count = sizeof buf};
    assert_int_equal(p9_write_wait(&io), -EPROTO);
    assert_int_equal(p9_write_wait(&io), sizeof buf);
    end(&w);
}

static void an_empty_write_sends_nothing(void **state)
{
    struct world w = begin(0);
    uint8_t byte = 0;
    struct p9_io io = {.fid = w.fid, .buf = &byte, .count = 0};

    (void)state;
    assert_int_equal(p9_write_wait(&io), 0);
    assert_int_equal(srv_count(w.srv, P9_Twrite), 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_read_is_split),
        cmocka_unit_test(iounit_bounds_a_message),
        cmocka_unit_test(a_short_reply_in_the_middle_is_not_the_end_of_file),
        cmocka_unit_test(the_end_of_the_file_costs_no_further_read),
        cmocka_unit_test(a_short_write_is_continued),
        cmocka_unit_test(bytes_before_an_error_count),
        cmocka_unit_test(a_failed_part_fails_the_read),
        cmocka_unit_test(parts_in_flight_are_bounded),
        cmocka_unit_test(an_excessive_count_fails_the_write),
        cmocka_unit_test(an_empty_write_sends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
