/*
 * test_session.c: many requests in flight, the detected order and latency, errors, bounds.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "unit/ownclock.h"
#include "unit/session/peer.h"
#include "unit/test.h"

/* ---- many requests in flight -------------------------------------------- */

enum { MANY = 500, SLOW_US = 20000 };

static void script_reverse(struct peer *p)
{
    struct p9_fcall f[MANY];

    peer_version(p, MSIZE, "9P2000.L");
    for (int i = 0; i < MANY; i++)
        if (!peer_get(p, &f[i]))
            return;
    for (int i = MANY - 1; i >= 0; i--)
        peer_answer(p, &f[i]);
}

static void replies_in_reverse_order(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_reverse, 0);
    struct reader *r = calloc(MANY, sizeof *r);
    struct p9_batch b;

    (void)state;
    p9_batch_init(&b, MANY);
    for (uint64_t i = 0; i < MANY; i++)
        start_read(s, &r[i], i * 1000003, &b);
    p9_batch_wait(s, &b);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(r[i].req.rc, 0);
        assert_int_equal(r[i].got, i * 1000003);
    }
    free(r);
    end(&p, s);
}

static void script_in_order(struct peer *p)
{
    struct p9_fcall f[MANY];

    peer_version(p, MSIZE, "9P2000.L");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++)
            if (!peer_get(p, &f[i]))
                return;
        for (int i = 0; i < MANY; i++) /* in the second round two change places */
            peer_answer(p, &f[round == 1 && (i == 7 || i == 8) ? 15 - i : i]);
    }
}

static void reply_order_is_detected(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_in_order, 0);
    struct reader *r = calloc(MANY, sizeof *r);
    struct p9_batch b;

    (void)state;
    assert_false(p9_session_in_order(s)); /* too few replies */
    for (int round = 0; round < 2; round++) {
        p9_batch_init(&b, MANY);
        for (uint64_t i = 0; i < MANY; i++)
            start_read(s, &r[i], i, &b);
        p9_batch_wait(s, &b);
        assert_int_equal(p9_session_in_order(s), round == 0);
    }
    free(r);
    end(&p, s);
}

static void requests_wait_for_tags(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_echo, 8); /* 4 of them are reserved for Tflush */
    struct reader *r = calloc(MANY, sizeof *r);
    struct p9_batch b;

    (void)state;
    p9_batch_init(&b, MANY);
    for (uint64_t i = 0; i < MANY; i++)
        start_read(s, &r[i], i, &b);
    p9_batch_wait(s, &b);
    for (uint64_t i = 0; i < MANY; i++)
        assert_true(r[i].req.rc == 0 && r[i].got == i);
    free(r);
    end(&p, s);
}

static void script_distant(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f)) {
        clock_pass(SLOW_US);
        peer_answer(p, &f);
    }
}

static void latency_of_a_single_request_is_measured(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_distant, 0);
    struct reader r[4];
    struct p9_batch b;

    (void)state;
    assert_int_equal(p9_session_latency(s), 0);
    assert_int_equal(clunk(s), 0);
    assert_int_equal(p9_session_latency(s), SLOW_US + 1);
    p9_batch_init(&b, 4);
    for (uint64_t i = 0; i < 4; i++) /* several in flight are not timed */
        start_read(s, &r[i], i, &b);
    p9_batch_wait(s, &b);
    assert_int_equal(p9_session_latency(s), SLOW_US + 1);
    end(&p, s);
}

struct caller {
    struct p9_session *s;
    pthread_t thread;
    int bad;
};

static void *caller_main(void *arg)
{
    struct caller *c = arg;

    for (int i = 0; i < 2000; i++) {
        uint64_t got = 0;
        struct p9_req req = {.into = &got, .into_size = sizeof got};
        struct p9_fcall tx = {.type = P9_Tread, .Tread = {.fid = 1, .offset = (uint64_t)i, .count = sizeof got}};
        if (p9_call(c->s, &req, &tx) != 0 || got != (uint64_t)i)
            c->bad++;
    }
    return NULL;
}

static void eight_threads_submit(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_echo, 0);
    struct caller c[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        c[i] = (struct caller){.s = s};
        assert_int_equal(pthread_create(&c[i].thread, NULL, caller_main, &c[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(c[i].thread, NULL);
        assert_int_equal(c[i].bad, 0);
    }
    end(&p, s);
}

/* The peer does not read until the test has filled the connection. */
static void script_slow(struct peer *p)
{
    struct p9_fcall f, r = {.type = P9_Rwrite};

    peer_version(p, MSIZE, "9P2000.L");
    sem_wait(&p->go);
    while (peer_get(p, &f)) {
        r.tag = f.tag;
        r.Rwrite.count = f.Twrite.count.n;
        for (uint32_t i = 0; i < f.Twrite.count.n; i++)
            if (f.Twrite.count.p[i] != (uint8_t)f.Twrite.offset)
                r.Rwrite.count = 0;
        peer_put(p, &r);
    }
}

static void a_full_connection_blocks_no_thread(void **state)
{
    enum { WRITES = 200, BYTES = 8000 };
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_slow, 0);
    struct p9_req *reqs = calloc(WRITES, sizeof *reqs);
    uint8_t *data = malloc(256 * BYTES);
    struct p9_batch b;

    (void)state;
    p9_batch_init(&b, WRITES);
    for (int i = 0; i < WRITES; i++) {
        memset(data + i * BYTES, i, BYTES);
        struct p9_fcall tx = {.type = P9_Twrite,
                              .Twrite = {.fid = 1, .offset = (uint64_t)i, .count = {BYTES, data + i * BYTES}}};
        reqs[i] = (struct p9_req){.done = p9_req_batch_done, .arg = &b};
        p9_submit(s, &reqs[i], &tx); /* 1.6 MB: more than a socket buffers */
    }
    sem_post(&p.go);
    p9_batch_wait(s, &b);
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(reqs[i].rc, 0);
        assert_int_equal(reqs[i].rx.Rwrite.count, BYTES);
    }
    free(reqs);
    free(data);
    end(&p, s);
}

/* ---- errors, bounds ----------------------------------------------------- */

static void script_error(struct peer *p)
{
    struct p9_fcall f, r = {.type = P9_Rlerror, .Rlerror.ecode = 13};
    static const uint8_t odd[] = {11, 0, 0, 0, P9_Rerror, 0, 0, 2, 0, 0, 0};

    peer_version(p, MSIZE, "9P2000.L");
    peer_get(p, &f);
    r.tag = f.tag;
    peer_put(p, &r);
    peer_get(p, &f); /* its tag is 0 again */
    peer_send(p, odd, sizeof odd);
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

static void errors_of_the_server_are_returned(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_error, 0);

    (void)state;
    assert_int_equal(clunk(s), -EACCES);
    assert_false(p9_session_rerror_is_rlerror(s));
    assert_int_equal(clunk(s), -ENOENT);
    assert_true(p9_session_rerror_is_rlerror(s));
    assert_int_equal(clunk(s), 0);
    end(&p, s);
}

static void a_request_over_msize_is_not_sent(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_echo, 0);
    static const uint8_t data[MSIZE];
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Twrite, .Twrite = {.fid = 1, .count = {MSIZE, data}}};

    (void)state;
    assert_int_equal(p9_call(s, &req, &tx), -EMSGSIZE);
    assert_int_equal(clunk(s), 0);
    end(&p, s);
}

static void script_target(struct peer *p)
{
    struct p9_fcall f, r = {.type = P9_Rreadlink, .Rreadlink.target = p9_str("a/long/target")};

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f)) {
        r.tag = f.tag;
        peer_put(p, &r);
    }
}

static void strings_outlive_the_reply_in_body(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_target, 0);
    uint8_t body[64], small[8];
    struct p9_req req = {.body = body, .body_size = sizeof body};
    struct p9_req no_room = {.body = small, .body_size = sizeof small};
    struct p9_fcall tx = {.type = P9_Treadlink, .Treadlink.fid = 1};

    (void)state;
    assert_int_equal(p9_call(s, &req, &tx), 0);
    assert_true(p9_str_eq(req.rx.Rreadlink.target, "a/long/target"));
    assert_true((const uint8_t *)req.rx.Rreadlink.target.s >= body);
    assert_int_equal(p9_call(s, &no_room, &tx), -EMSGSIZE);
    end(&p, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_in_reverse_order),
        cmocka_unit_test(requests_wait_for_tags),
        cmocka_unit_test(latency_of_a_single_request_is_measured),
        cmocka_unit_test(reply_order_is_detected),
        cmocka_unit_test(eight_threads_submit),
        cmocka_unit_test(a_full_connection_blocks_no_thread),
        cmocka_unit_test(errors_of_the_server_are_returned),
        cmocka_unit_test(a_request_over_msize_is_not_sent),
        cmocka_unit_test(strings_outlive_the_reply_in_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
