/*
 * test_kept.c: a session that outlives its connections: what is held, and how it goes on.
 */
#include <stdlib.h>
#include <string.h>

#include "unit/session/kept.h"
#include "unit/test.h"

enum { REQUESTS = 8, TAGS = 8 /* 4 of them are reserved for Tflush */ };

/* ---- peers -------------------------------------------------------------- */

/* Answers two of six requests, so that tags are not in the order of the requests. */
static void script_two_of_six(struct peer *p)
{
    struct p9_fcall f[6];

    peer_version(p, MSIZE, "9P2000.L");
    for (int i = 0; i < 4; i++)
        if (!peer_get(p, &f[i]))
            return;
    while (sem_wait(&p->go) < 0) /* all are submitted */
        ;
    peer_answer(p, &f[0]);
    peer_answer(p, &f[1]);
    for (int i = 4; i < 6; i++)
        if (!peer_get(p, &f[i]))
            return;
}

static void script_one_and_no_more(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    peer_get(p, &f);
}

static void script_smaller(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, P9_MIN_MSIZE, "9P2000.L");
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

static void script_read_and_flush(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    for (int i = 0; i < 3; i++) /* two reads, and the Tflush of one */
        if (!peer_get(p, &f))
            return;
}

/* ---- what is held ------------------------------------------------------- */

struct held {
    struct kept k;
    struct reader r[REQUESTS];
    struct p9_batch b;
};

/* The connection is lost with two requests answered, four sent, and two that have no tag. */
static struct held *begin_held(void)
{
    static struct held h;

    kept_begin(&h.k, script_two_of_six, TAGS, 0, 0);
    p9_batch_init(&h.b, REQUESTS);
    for (uint64_t i = 0; i < REQUESTS; i++)
        start_read(h.k.s, &h.r[i], i, &h.b);
    sem_post(&h.k.p[0].go);
    kept_lost(&h.k);
    return &h;
}

static void end_held(struct held *h, int rc)
{
    p9_batch_wait(h->k.s, &h->b);
    for (uint64_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(h->r[i].req.rc, i < 2 ? 0 : rc);
        if (h->r[i].req.rc == 0)
            assert_int_equal(h->r[i].got, i);
    }
    kept_end(&h->k);
}

static void a_lost_connection_holds_requests_in_their_order(void **state)
{
    struct held *h = begin_held();
    struct p9_session *s = h->k.s;
    struct p9_held held = {.id = 0};

    (void)state;
    assert_string_equal(h->k.reason, "the server closed the connection");
    assert_int_equal(atomic_load(&h->b.left), REQUESTS - 2);
    assert_true(p9_session_away(s));
    assert_false(p9_session_dead(s));
    assert_true(p9_session_silent(s, 1000000));
    for (uint64_t i = 2; i < REQUESTS; i++) {
        assert_true(p9_session_next_held(s, held.id, &held));
        assert_int_equal(held.tx.type, P9_Tread);
        assert_int_equal(held.tx.Tread.offset, i);
        assert_int_equal(held.was_sent, i < 6);
        free(held.bytes);
    }
    assert_false(p9_session_next_held(s, held.id, &held));
    p9_session_fail(s, -EIO, NULL);
    end_held(h, -EIO);
    assert_int_equal(h->k.losses, 1);
    assert_int_equal(atomic_load(&h->k.wanted), 0);
}

static void data_of_a_held_write_is_complete(void **state)
{
    struct kept k;
    struct p9_batch b;
    uint8_t data[5000];
    struct p9_req req = {.done = p9_req_batch_done, .arg = &b};
    struct p9_fcall tx = {.type = P9_Twrite, .Twrite = {.fid = 7, .offset = 9, .count = {sizeof data, data}}};
    struct p9_held held;
    struct p9_why why;

    (void)state;
    memset(data, 'x', sizeof data);
    p9_batch_init(&b, 1);
    kept_begin(&k, script_one_and_no_more, 0, 0, 0);
    p9_submit(k.s, &req, &tx);
    kept_lost(&k);
    assert_true(p9_session_next_held(k.s, 0, &held));
    assert_false(p9_session_settle(k.s, held.id, -ESTALE, NULL)); /* there is no connection */
    assert_int_equal(kept_restore(&k, script_echo, &why), 0);
    assert_int_equal(held.tx.Twrite.count.n, sizeof data);
    assert_memory_equal(held.tx.Twrite.count.p, data, sizeof data);
    free(held.bytes);
    assert_true(p9_session_settle(k.s, held.id, -ESTALE, NULL));
    p9_batch_wait(k.s, &b);
    assert_int_equal(req.rc, -ESTALE);
    kept_end(&k);
}

static void a_held_request_can_be_settled(void **state)
{
    struct held *h = begin_held();
    struct p9_session *s = h->k.s;
    struct p9_fcall rx = {.type = P9_Rread};
    struct p9_held held = {.id = 0};
    uint64_t id[REQUESTS];
    struct p9_why why;

    (void)state;
    assert_true(p9_session_down(s));
    assert_int_equal(kept_restore(&h->k, script_echo, &why), 0);
    assert_false(p9_session_down(s));
    for (uint64_t i = 2; i < REQUESTS; i++) {
        assert_true(p9_session_next_held(s, held.id, &held));
        free(held.bytes);
        id[i] = held.id;
    }
    assert_true(p9_session_settle(s, id[3], 0, &rx));
    assert_int_equal(h->r[3].req.rc, 0);
    assert_int_equal(h->r[3].req.rx.type, P9_Rread);
    assert_true(p9_session_settle(s, id[7], -ESTALE, NULL)); /* the last, which was not sent */
    assert_int_equal(h->r[7].req.rc, -ESTALE);
    assert_int_equal(atomic_load(&h->b.left), REQUESTS - 4);
    assert_false(p9_session_settle(s, id[3], -EIO, NULL));
    assert_int_equal(h->r[3].req.rc, 0);
    assert_true(p9_session_next_held(s, id[2], &held));
    assert_int_equal(held.id, id[4]);
    free(held.bytes);

    assert_int_equal(p9_session_resume(s), 3); /* 2, 4 and 5 */
    p9_batch_wait(s, &h->b);
    assert_int_equal(peer_saw(&h->k.p[1], 4)->Tread.offset, 6);
    kept_end(&h->k);
    assert_int_equal(atomic_load(&h->k.p[1].nseen), 4);
}

static void failing_the_session_while_away_completes_all(void **state)
{
    struct held *h = begin_held();
    struct p9_req late = {0};
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = 1};

    (void)state;
    p9_session_fail(h->k.s, -ECONNABORTED, "enough");
    assert_int_equal(p9_call(h->k.s, &late, &tx), -ECONNABORTED);
    end_held(h, -ECONNABORTED);
    assert_int_equal(h->k.losses, 1);
}

static void what_is_flushed_ends_with_the_connection(void **state)
{
    struct kept k;
    struct p9_scope scope = {0};
    struct reader r[2];
    struct p9_batch b, other;
    struct p9_held held;

    (void)state;
    p9_batch_init(&b, 1);
    p9_batch_init(&other, 1);
    kept_begin(&k, script_read_and_flush, 0, 0, 0);
    start_read_in(k.s, &scope, &r[0], 1, &b);
    start_read(k.s, &r[1], 2, &other);
    peer_saw(&k.p[0], 2);
    p9_interrupt(k.s, &scope);
    p9_batch_wait(k.s, &b);
    assert_int_equal(r[0].req.rc, -EINTR);
    kept_lost(&k);
    assert_true(p9_session_next_held(k.s, 0, &held));
    assert_int_equal(held.tx.Tread.offset, 2);
    free(held.bytes);
    assert_false(p9_session_next_held(k.s, held.id, &held));
    p9_session_fail(k.s, -EIO, NULL);
    p9_batch_wait(k.s, &other);
    kept_end(&k);
}

/* ---- the next connection ------------------------------------------------ */

static void requests_go_on_in_their_order(void **state)
{
    struct held *h = begin_held();
    struct p9_session *s = h->k.s;
    struct peer *p = &h->k.p[1];
    struct reader more;
    struct p9_batch b;
    struct p9_why why;

    (void)state;
    p9_batch_init(&b, 1);
    assert_int_equal(kept_restore(&h->k, script_echo, &why), 0);
    assert_true(p9_session_away(s));
    assert_int_equal(atomic_load(&h->k.wanted), 0);
    start_read(s, &more, REQUESTS, &b); /* held, too */
    assert_int_equal(atomic_load(&h->k.wanted), 1);
    assert_int_equal(kept_try(&h->k), 0);
    assert_int_equal(kept_try(&h->k), 0);
    assert_int_equal(atomic_load(&p->nseen), 2);
    assert_int_equal(p->seen[1].type, P9_Tclunk);
    assert_int_equal(p9_session_resume(s), 4);
    assert_false(p9_session_away(s));
    p9_batch_wait(s, &b);
    assert_int_equal(more.req.rc, 0);
    for (unsigned i = 2; i <= REQUESTS; i++)
        assert_int_equal(peer_saw(p, i + 1)->Tread.offset, i);
    end_held(h, 0);
    assert_int_equal(h->k.losses, 1);
}

static void a_request_that_restores_ends_with_its_connection(void **state)
{
    struct held *h = begin_held();
    struct p9_session *s = h->k.s;
    struct p9_why why;

    (void)state;
    assert_int_equal(kept_try(&h->k), -ECONNRESET); /* there is none */
    assert_int_equal(kept_restore(&h->k, script_one_and_no_more, &why), 0);
    assert_int_equal(kept_try(&h->k), -ECONNRESET);
    kept_lost(&h->k);
    assert_int_equal(p9_session_resume(s), -ECONNRESET);
    assert_true(p9_session_away(s));
    assert_int_equal(atomic_load(&h->b.left), REQUESTS - 2);
    assert_int_equal(kept_restore(&h->k, script_echo, &why), 0);
    assert_int_equal(p9_session_resume(s), 4);
    end_held(h, 0);
    assert_int_equal(h->k.losses, 2);
}

static void a_lower_msize_is_accepted(void **state)
{
    struct held *h = begin_held();
    struct p9_session *s = h->k.s;
    struct p9_why why;

    (void)state;
    assert_int_equal(p9_session_msize(s), MSIZE);
    assert_int_equal(kept_restore(&h->k, script_smaller, &why), 0);
    assert_int_equal(p9_session_msize(s), P9_MIN_MSIZE);
    assert_int_equal(p9_session_resume(s), 4);
    end_held(h, 0);
}

static void another_dialect_is_refused(void **state)
{
    struct held *h = begin_held();
    struct p9_session *s = h->k.s;
    struct p9_why why = {.text = ""};

    (void)state;
    assert_int_equal(kept_restore(&h->k, script_answer_u, &why), -EPROTONOSUPPORT);
    assert_string_equal(why.text, "the server does not speak 9P2000.L: it answered '9P2000.u'");
    assert_int_equal(p9_session_dialect(s), P9_2000L);
    p9_session_drop(s, -EPROTONOSUPPORT, NULL);
    kept_lost(&h->k);
    assert_true(p9_session_away(s));
    assert_int_equal(kept_restore(&h->k, script_echo, &why), 0);
    assert_int_equal(p9_session_resume(s), 4);
    end_held(h, 0);
}

static void who_drops_the_connection_says_why(void **state)
{
    struct kept k;
    struct p9_why why;

    (void)state;
    kept_begin(&k, script_echo, 0, 0, 0);
    p9_session_drop(k.s, -ETIMEDOUT, "it is slow");
    p9_session_drop(k.s, -EIO, "it is gone already");
    kept_lost(&k);
    assert_string_equal(k.reason, "it is slow");
    assert_int_equal(kept_restore(&k, script_echo, &why), 0);
    assert_int_equal(p9_session_resume(k.s), 0);
    assert_int_equal(clunk(k.s), 0);
    p9_session_drop(k.s, -EIO, NULL);
    kept_lost(&k);
    assert_string_equal(k.reason, "the server closed the connection");
    kept_end(&k);
    assert_int_equal(k.losses, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_connection_holds_requests_in_their_order),
        cmocka_unit_test(data_of_a_held_write_is_complete),
        cmocka_unit_test(a_held_request_can_be_settled),
        cmocka_unit_test(failing_the_session_while_away_completes_all),
        cmocka_unit_test(what_is_flushed_ends_with_the_connection),
        cmocka_unit_test(requests_go_on_in_their_order),
        cmocka_unit_test(a_request_that_restores_ends_with_its_connection),
        cmocka_unit_test(a_lower_msize_is_accepted),
        cmocka_unit_test(another_dialect_is_refused),
        cmocka_unit_test(who_drops_the_connection_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
