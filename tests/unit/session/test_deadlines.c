/*
 * test_deadlines.c: requests that are given up. The clock is the test's: session_tick finds that
 * time has passed.
 */
#include <stdlib.h>

#include "session/session_impl.h"
#include "unit/ownclock.h"
#include "unit/session/kept.h"
#include "unit/test.h"

enum { MS = 1000, SECOND = 1000 * MS };

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

/* ---- peers -------------------------------------------------------------- */

/* The answers of a server that is late, when another request arrives: */
enum late { NO_REPLY, REPLY, ERROR_REPLY };

static void put_late(struct peer *p, const struct p9_fcall *read, enum late late)
{
    struct p9_fcall error = {.type = P9_Rlerror, .tag = read->tag, .Rlerror.ecode = 5};

    if (late == REPLY)
        peer_answer(p, read);
    else if (late == ERROR_REPLY)
        peer_put(p, &error);
}

/* A read is not answered, nor its Tflush, before the test says so. */
static void late(struct peer *p, enum late late)
{
    struct p9_fcall read, flush, f;

    peer_version(p, MSIZE, "9P2000.L");
    if (!peer_get(p, &read) || !peer_get(p, &flush))
        return;
    for (int i = 0; i < 4 && peer_get(p, &f); i++)
        peer_answer(p, &f);
    if (!peer_get(p, &f))
        return;
    put_late(p, &read, late);
    peer_answer(p, &flush);
    peer_answer(p, &f);
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

static void script_late_reply(struct peer *p)
{
    late(p, REPLY);
}

static void script_late_error(struct peer *p)
{
    late(p, ERROR_REPLY);
}

static void script_no_reply(struct peer *p)
{
    late(p, NO_REPLY);
}

static void script_mute(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f))
        ;
}

/* ---- interrupted requests ----------------------------------------------- */

/* The tags of three requests differ, and this one is among them. */
static void assert_each_tag_once(struct peer *p, struct p9_session *s, unsigned seen, uint16_t tag)
{
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = 1};
    struct p9_req req[3];
    struct p9_batch b;
    unsigned found = 0;

    p9_batch_init(&b, 3);
    for (int i = 0; i < 3; i++) {
        req[i] = (struct p9_req){.done = p9_req_batch_done, .arg = &b};
        p9_submit_more(s, &req[i], &tx); /* none is answered before all have tags */
    }
    p9_push(s);
    p9_batch_wait(s, &b);
    peer_saw(p, seen + 2);
    const struct p9_fcall *f = &p->seen[seen - 1];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(req[i].rc, 0);
        found += f[i].tag == tag;
    }
    assert_int_equal(found, 1);
    assert_true(f[0].tag != f[1].tag && f[0].tag != f[2].tag && f[1].tag != f[2].tag);
}

/* The read is given up; the tag is in use until Rflush. */
static void read_that_is_late(void (*script)(struct peer *))
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script, 0);
    struct p9_scope scope = {0};
    struct p9_batch b;
    struct reader *r = calloc(1, sizeof *r);

    p9_batch_init(&b, 1);
    start_read_in(s, &scope, r, 1, &b);
    uint16_t tag = peer_saw(&p, 1)->tag;
    p9_interrupt(s, &scope);
    assert_int_equal(peer_saw(&p, 2)->type, P9_Tflush);
    assert_int_equal(p.seen[1].Tflush.oldtag, tag);
    pass(s, SECOND - MS);
    assert_waits(&b);
    pass(s, MS);
    expect(s, &b, r, -EINTR);
    assert_null(scope.reqs);
    free(r); /* what is late is not stored */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(clunk(s), 0);
        assert_int_not_equal(peer_saw(&p, 3 + (unsigned)i)->tag, tag);
    }
    assert_each_tag_once(&p, s, 8, tag);
    end(&p, s);
}

static void an_interrupted_request_ends_after_a_second(void **state)
{
    (void)state;
    read_that_is_late(script_no_reply);
}

static void a_late_reply_is_skipped(void **state)
{
    (void)state;
    read_that_is_late(script_late_reply);
}

static void a_late_error_is_skipped(void **state)
{
    (void)state;
    read_that_is_late(script_late_error);
}

/* ---- requests that wait ------------------------------------------------- */

static void a_request_without_a_tag_is_interrupted_at_once(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_mute, 5); /* 4 of them are reserved for Tflush */
    struct p9_scope scope = {0};
    struct p9_batch b, other;
    struct reader r[2];

    (void)state;
    p9_batch_init(&b, 1);
    p9_batch_init(&other, 1);
    start_read(s, &r[0], 1, &other);
    start_read_in(s, &scope, &r[1], 2, &b);
    p9_interrupt(s, &scope);
    expect(s, &b, &r[1], -EINTR);
    assert_null(scope.reqs);
    assert_waits(&other);
    peer_saw(&p, 1);
    p9_session_fail(s, -EIO, NULL);
    expect(s, &other, &r[0], -EIO);
    end(&p, s);
    assert_int_equal(atomic_load(&p.nseen), 1);
}

static void a_request_that_is_held_is_interrupted_at_once(void **state)
{
    struct kept k;
    struct p9_scope scope = {0};
    struct p9_batch b;
    struct reader r;
    struct p9_held held;

    (void)state;
    p9_batch_init(&b, 1);
    kept_begin(&k, script_mute, 0, 0, 0);
    start_read_in(k.s, &scope, &r, 1, &b);
    peer_saw(&k.p[0], 1);
    p9_session_drop(k.s, -EIO, NULL);
    kept_lost(&k);
    assert_waits(&b);
    p9_interrupt(k.s, &scope);
    expect(k.s, &b, &r, -EINTR);
    assert_false(p9_session_next_held(k.s, 0, &held));
    kept_end(&k);
}

/* ---- limits ------------------------------------------------------------- */

static void a_limit_of_the_scope(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_late_reply, 0);
    struct p9_scope scope = {.limit_ms = 5000};
    struct p9_batch b;
    struct reader r;

    (void)state;
    p9_batch_init(&b, 1);
    start_read_in(s, &scope, &r, 1, &b);
    uint16_t tag = peer_saw(&p, 1)->tag;
    pass(s, 5 * SECOND - MS);
    assert_waits(&b);
    pass(s, MS);
    expect(s, &b, &r, -ETIMEDOUT);
    assert_int_equal(peer_saw(&p, 2)->type, P9_Tflush);
    assert_int_equal(p.seen[1].Tflush.oldtag, tag);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(clunk(s), 0);
        assert_int_not_equal(peer_saw(&p, 3 + i)->tag, tag);
    }
    assert_each_tag_once(&p, s, 8, tag);
    end(&p, s);
}

/* Of the session, in flight and held; of a request that restores there is none but its own. */
static void a_limit_of_the_session(void **state)
{
    struct kept k;
    struct p9_scope restores = {.restores = true};
    struct p9_batch b[4];
    struct reader r[4];
    struct p9_why why;

    (void)state;
    for (int i = 0; i < 4; i++)
        p9_batch_init(&b[i], 1);
    kept_begin(&k, script_mute, 0, 5000, 0);
    start_read(k.s, &r[0], 0, &b[0]);
    peer_saw(&k.p[0], 1);
    pass(k.s, 2 * SECOND);
    start_read(k.s, &r[1], 1, &b[1]);
    pass(k.s, 3 * SECOND);
    expect(k.s, &b[0], &r[0], -ETIMEDOUT);
    assert_waits(&b[1]);
    p9_session_drop(k.s, -EIO, NULL);
    kept_lost(&k);
    start_read(k.s, &r[2], 2, &b[2]);
    pass(k.s, 2 * SECOND);
    expect(k.s, &b[1], &r[1], -ETIMEDOUT);
    assert_waits(&b[2]);
    assert_int_equal(kept_restore(&k, script_mute, &why), 0);
    start_read_in(k.s, &restores, &r[3], 3, &b[3]);
    peer_saw(&k.p[1], 1);
    pass(k.s, 3 * SECOND);
    expect(k.s, &b[2], &r[2], -ETIMEDOUT);
    pass(k.s, 100 * SECOND);
    assert_waits(&b[3]);
    p9_session_drop(k.s, -EIO, NULL);
    kept_lost(&k);
    expect(k.s, &b[3], &r[3], -EIO);
    kept_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interrupted_request_ends_after_a_second),
        cmocka_unit_test(a_late_reply_is_skipped),
        cmocka_unit_test(a_late_error_is_skipped),
        cmocka_unit_test(a_request_without_a_tag_is_interrupted_at_once),
        cmocka_unit_test(a_request_that_is_held_is_interrupted_at_once),
        cmocka_unit_test(a_limit_of_the_scope),
        cmocka_unit_test(a_limit_of_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
