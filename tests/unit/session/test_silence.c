/*
 * test_silence.c: servers that send nothing, or half a reply. The clock is the test's: session_tick
 * finds that time has passed.
 */
#include <sched.h>
#include <stdlib.h>

#include "session/session_impl.h"
#include "unit/ownclock.h"
#include "unit/session/kept.h"
#include "unit/test.h"

enum { MS = 1000, SECOND = 1000 * MS, PROBE_MS = 600000 /* the timer does not come to it */ };

static void pass(struct p9_session *s, uint64_t us)
{
    clock_pass(us);
    session_tick(s);
}

static void assert_waits(struct p9_batch *b)
{
    assert_int_equal(atomic_load(&b->left), 1);
}

static void expect(struct p9_session *s, struct p9_batch *b, const struct reader *r, int rc)
{
    p9_batch_wait(s, b);
    assert_int_equal(r->req.rc, rc);
}

static bool is_down(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    bool down = s->down;
    pthread_mutex_unlock(&s->mtx);
    return down;
}

/* Until half a payload has arrived. */
static void wait_for_half(struct p9_session *s)
{
    bool receiving = false;

    while (!receiving) {
        sched_yield();
        pthread_mutex_lock(&s->mtx);
        receiving = s->receiving != NULL;
        pthread_mutex_unlock(&s->mtx);
    }
}

/* Until so many are in use. */
static void wait_for_tags(struct p9_session *s, unsigned in_use)
{
    bool free = false;

    while (!free) {
        sched_yield();
        pthread_mutex_lock(&s->mtx);
        free = s->max_tags - s->nfree == in_use;
        pthread_mutex_unlock(&s->mtx);
    }
}

/* ---- peers -------------------------------------------------------------- */

static void script_half_a_reply(struct peer *p)
{
    static const uint8_t half[] = {P9_RREAD_HDRSZ + 8, 0, 0, 0, P9_Rread, 0, 0, 8, 0, 0, 0, 1, 2, 3};
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    if (!peer_get(p, &f)) /* its tag is 0 */
        return;
    peer_send(p, half, sizeof half);
    while (peer_get(p, &f))
        ;
}

static void script_mute(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f))
        ;
}

/* Answers only Tflush. */
static void script_slow(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f))
        if (f.type == P9_Tflush)
            peer_answer(p, &f);
}

static void script_once(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    if (peer_get(p, &f))
        peer_answer(p, &f);
    while (peer_get(p, &f))
        ;
}

/* ---- half a reply ------------------------------------------------------- */

static void half_a_reply_is_not_waited_for(void **state)
{
    struct kept k;
    struct p9_scope scope = {0};
    struct p9_batch b;
    struct reader r;

    (void)state;
    p9_batch_init(&b, 1);
    kept_begin(&k, script_half_a_reply, 0, 0, 0);
    start_read_in(k.s, &scope, &r, 1, &b);
    wait_for_half(k.s);
    p9_interrupt(k.s, &scope);
    pass(k.s, SECOND - MS);
    assert_false(is_down(k.s));
    assert_waits(&b);
    pass(k.s, MS);
    kept_lost(&k);
    assert_string_equal(k.reason, "half a reply has arrived, and no more");
    expect(k.s, &b, &r, -EINTR);
    kept_end(&k);
}

/* The clock is read before the lock is taken: bytes may arrive in between. */
static void bytes_that_arrive_meanwhile_are_not_long_ago(void **state)
{
    struct kept k;
    struct p9_scope scope = {0};
    struct p9_batch b;
    struct reader r;

    (void)state;
    p9_batch_init(&b, 1);
    kept_begin(&k, script_half_a_reply, 0, 0, PROBE_MS);
    start_read_in(k.s, &scope, &r, 1, &b);
    wait_for_half(k.s);
    p9_interrupt(k.s, &scope);
    peer_saw(&k.p[0], 2);
    clock_pass(SECOND);
    atomic_store(&k.s->heard, clock_ms() + 1);
    assert_false(p9_session_silent(k.s, 1));
    session_tick(k.s);
    assert_waits(&b);
    p9_session_drop(k.s, -EIO, "the end");
    kept_lost(&k);
    assert_string_equal(k.reason, "the end");
    assert_int_equal(atomic_load(&k.p[0].nseen), 2); /* no probe */
    expect(k.s, &b, &r, -EINTR);
    kept_end(&k);
}

/* ---- silence ------------------------------------------------------------ */

static const struct p9_fcall *probe(struct kept *k, unsigned n)
{
    const struct p9_fcall *f = peer_saw(&k->p[0], n);

    assert_int_equal(f->type, P9_Tflush);
    for (unsigned i = 0; i < n; i++)
        assert_int_not_equal(f->Tflush.oldtag, k->p[0].seen[i].tag);
    return f;
}

static void a_slow_server_answers_the_probe(void **state)
{
    struct kept k;
    struct p9_batch b;
    struct reader r;

    (void)state;
    p9_batch_init(&b, 1);
    kept_begin(&k, script_slow, 0, 0, PROBE_MS);
    pass(k.s, (uint64_t)5 * PROBE_MS * MS); /* it owes nothing */
    start_read(k.s, &r, 1, &b);
    peer_saw(&k.p[0], 1);
    for (unsigned n = 2; n < 10; n++) {
        pass(k.s, (uint64_t)PROBE_MS * MS - MS);
        assert_int_equal(atomic_load(&k.p[0].nseen), n - 1);
        pass(k.s, MS);
        assert_false(is_down(k.s));
        probe(&k, n);
        wait_for_tags(k.s, 1); /* answered within the same millisecond */
    }
    assert_waits(&b);
    assert_false(is_down(k.s));
    p9_session_fail(k.s, -EIO, NULL);
    expect(k.s, &b, &r, -EIO);
    kept_end(&k);
    assert_int_equal(k.losses, 0);
}

static void a_silent_server_is_lost(void **state)
{
    struct kept k;
    struct p9_batch b;
    struct reader r;
    struct p9_why why;

    (void)state;
    p9_batch_init(&b, 1);
    kept_begin(&k, script_mute, 0, 0, PROBE_MS);
    assert_false(p9_session_silent(k.s, 1));
    pass(k.s, SECOND);
    assert_false(p9_session_silent(k.s, 1)); /* it owes nothing */
    start_read(k.s, &r, 1, &b);
    assert_false(p9_session_silent(k.s, 1));
    clock_pass(499 * MS);
    assert_false(p9_session_silent(k.s, 500));
    clock_pass(MS);
    assert_true(p9_session_silent(k.s, 500));

    pass(k.s, (uint64_t)PROBE_MS * MS);
    probe(&k, 2);
    pass(k.s, (uint64_t)PROBE_MS * MS - MS);
    assert_false(is_down(k.s));
    pass(k.s, MS);
    kept_lost(&k);
    assert_string_equal(k.reason, "the server does not answer");
    assert_int_equal(atomic_load(&k.p[0].nseen), 2);
    assert_waits(&b);
    assert_true(p9_session_silent(k.s, 1000000));

    /* The next one has twice the time. */
    assert_int_equal(kept_restore(&k, script_mute, &why), 0);
    assert_int_equal(p9_session_resume(k.s), 1);
    peer_saw(&k.p[1], 1);
    pass(k.s, (uint64_t)PROBE_MS * 2 * MS - MS);
    assert_int_equal(atomic_load(&k.p[1].nseen), 1);
    pass(k.s, MS);
    assert_int_equal(peer_saw(&k.p[1], 2)->type, P9_Tflush);
    p9_session_fail(k.s, -EIO, NULL);
    expect(k.s, &b, &r, -EIO);
    kept_end(&k);
    assert_int_equal(k.losses, 1);
}

/* A request that is settled was not slow: the connection has no more time for others. */
static void a_settled_request_needs_no_more_time(void **state)
{
    struct kept k;
    struct p9_batch b;
    struct reader r;
    struct p9_held held;
    struct p9_why why;

    (void)state;
    p9_batch_init(&b, 1);
    kept_begin(&k, script_mute, 0, 0, PROBE_MS);
    start_read(k.s, &r, 1, &b);
    pass(k.s, (uint64_t)PROBE_MS * MS);
    pass(k.s, (uint64_t)PROBE_MS * MS);
    kept_lost(&k);
    assert_true(p9_session_next_held(k.s, 0, &held));
    free(held.bytes);
    assert_int_equal(kept_restore(&k, script_mute, &why), 0);
    assert_true(p9_session_settle(k.s, held.id, -ESTALE, NULL));
    expect(k.s, &b, &r, -ESTALE);
    assert_int_equal(p9_session_resume(k.s), 0);

    p9_batch_init(&b, 1);
    start_read(k.s, &r, 1, &b);
    peer_saw(&k.p[1], 1);
    pass(k.s, (uint64_t)PROBE_MS * MS - MS);
    assert_int_equal(atomic_load(&k.p[1].nseen), 1);
    pass(k.s, MS);
    assert_int_equal(peer_saw(&k.p[1], 2)->type, P9_Tflush);
    p9_session_fail(k.s, -EIO, NULL);
    expect(k.s, &b, &r, -EIO);
    kept_end(&k);
}

static bool looks_for_silence(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    bool ticking = s->ticking;
    pthread_mutex_unlock(&s->mtx);
    return ticking;
}

/* The timer may be set to the deadline of a request that is answered by now: that is no reason not
 * to set it for the next one. */
static void a_far_deadline_hides_no_silence(void **state)
{
    struct kept k;
    struct p9_scope scope = {.limit_ms = 10 * PROBE_MS};
    struct p9_batch b;
    struct reader r;

    (void)state;
    p9_batch_init(&b, 1);
    kept_begin(&k, script_once, 0, 0, PROBE_MS);
    start_read_in(k.s, &scope, &r, 1, &b);
    assert_true(looks_for_silence(k.s));
    expect(k.s, &b, &r, 0);
    pass(k.s, MS);
    assert_false(looks_for_silence(k.s));

    p9_batch_init(&b, 1);
    start_read(k.s, &r, 1, &b);
    assert_true(looks_for_silence(k.s));
    p9_session_fail(k.s, -EIO, NULL);
    expect(k.s, &b, &r, -EIO);
    kept_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_reply_is_not_waited_for),
        cmocka_unit_test(bytes_that_arrive_meanwhile_are_not_long_ago),
        cmocka_unit_test(a_slow_server_answers_the_probe),
        cmocka_unit_test(a_silent_server_is_lost),
        cmocka_unit_test(a_settled_request_needs_no_more_time),
        cmocka_unit_test(a_far_deadline_hides_no_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
