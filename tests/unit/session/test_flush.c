/*
 * test_flush.c: interrupting requests.
 */
#include "unit/session/peer.h"
#include "unit/test.h"

static void script_flush(struct peer *p)
{
    struct p9_fcall read, flush, f;

    peer_version(p, MSIZE, "9P2000.L");
    if (!peer_get(p, &read))
        return;
    sem_post(&p->go);
    if (!peer_get(p, &flush) || flush.type != P9_Tflush || flush.Tflush.oldtag != read.tag || flush.tag == read.tag)
        return;
    /* Other requests continue, and do not get the tag before Rflush. */
    if (!peer_get(p, &f) || f.tag == read.tag)
        return;
    peer_answer(p, &f);
    peer_answer(p, &flush);
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

static void an_interrupted_request_ends_with_rflush(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_flush, 0);
    struct p9_scope scope = {0};
    struct p9_batch b;
    struct reader r;
    struct p9_fcall tx = {.type = P9_Tread, .Tread = {.fid = 1, .count = sizeof r.got}};

    (void)state;
    p9_batch_init(&b, 1);
    r.req = (struct p9_req){
        .done = p9_req_batch_done, .arg = &b, .scope = &scope, .into = &r.got, .into_size = sizeof r.got};
    p9_submit(s, &r.req, &tx);
    while (sem_wait(&p.go) < 0)
        ;
    p9_interrupt(s, &scope);
    assert_int_equal(clunk(s), 0);
    p9_batch_wait(s, &b);
    assert_int_equal(r.req.rc, -EINTR);
    assert_null(scope.reqs);
    /* Further requests of the scope are not sent. */
    struct p9_req late = {.scope = &scope};
    assert_int_equal(p9_call(s, &late, &tx), -EINTR);
    for (int i = 0; i < 10; i++)
        assert_int_equal(clunk(s), 0);
    end(&p, s);
}

static void script_late_flush(struct peer *p)
{
    struct p9_fcall read, flush, f;

    peer_version(p, MSIZE, "9P2000.L");
    if (!peer_get(p, &read))
        return;
    sem_post(&p->go);
    if (!peer_get(p, &flush))
        return;
    read.Tread.offset = 4711;
    peer_answer(p, &read);
    if (!peer_get(p, &f) || f.tag == read.tag)
        return;
    peer_answer(p, &f);
    peer_answer(p, &flush);
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

static void a_reply_before_rflush_counts(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_late_flush, 0);
    struct p9_scope scope = {0};
    struct p9_batch b;
    struct reader r;
    struct p9_fcall tx = {.type = P9_Tread, .Tread = {.fid = 1, .count = sizeof r.got}};

    (void)state;
    p9_batch_init(&b, 1);
    r.req = (struct p9_req){
        .done = p9_req_batch_done, .arg = &b, .scope = &scope, .into = &r.got, .into_size = sizeof r.got};
    p9_submit(s, &r.req, &tx);
    while (sem_wait(&p.go) < 0)
        ;
    p9_interrupt(s, &scope);
    p9_batch_wait(s, &b);
    assert_int_equal(r.req.rc, 0);
    assert_int_equal(r.got, 4711);
    assert_int_equal(clunk(s), 0); /* with another tag: Rflush is outstanding */
    assert_int_equal(clunk(s), 0);
    end(&p, s);
}

static void script_flushed_by_an_error(struct peer *p)
{
    struct p9_fcall read, flush, f, r = {.type = P9_Rlerror, .Rlerror.ecode = EINTR};

    peer_version(p, MSIZE, "9P2000.L");
    if (!peer_get(p, &read))
        return;
    sem_post(&p->go);
    if (!peer_get(p, &flush))
        return;
    r.tag = read.tag;
    peer_put(p, &r);
    peer_answer(p, &flush);
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

static void eintr_from_the_server_after_an_interrupt(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_flushed_by_an_error, 0);
    struct p9_scope scope = {0};
    struct p9_batch b;
    struct reader r;
    struct p9_fcall tx = {.type = P9_Tread, .Tread = {.fid = 1, .count = sizeof r.got}};

    (void)state;
    p9_batch_init(&b, 1);
    r.req = (struct p9_req){
        .done = p9_req_batch_done, .arg = &b, .scope = &scope, .into = &r.got, .into_size = sizeof r.got};
    p9_submit(s, &r.req, &tx);
    while (sem_wait(&p.go) < 0)
        ;
    p9_interrupt(s, &scope);
    p9_batch_wait(s, &b);
    assert_int_equal(r.req.rc, -EINTR);
    assert_int_equal(clunk(s), 0);
    end(&p, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eintr_from_the_server_after_an_interrupt),
        cmocka_unit_test(an_interrupted_request_ends_with_rflush),
        cmocka_unit_test(a_reply_before_rflush_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
