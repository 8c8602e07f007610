/*
 * test_full.c: requests that are given up while the connection is full, and the peer does not read.
 */
#include <stdlib.h>
#include <string.h>

#include "session/session_impl.h"
#include "unit/ownclock.h"
#include "unit/session/peer.h"
#include "unit/test.h"

enum { WRITES = 200, BYTES = 8000, FLUSH_US = 1000000, LIMIT_MS = 1000 };

struct write {
    struct p9_req req;
    struct p9_scope scope;
    struct p9_batch b;
    uint8_t *data;
};

struct world {
    struct peer p;
    struct p9_session *s;
    struct write w[WRITES + 1];
};

static unsigned got[WRITES + 1], flushes; /* of the peer's thread, until it has ended */

static uint8_t byte_of(uint64_t offset)
{
    return (uint8_t)(offset + 1);
}

/* The peer does not read until the test has filled the connection. */
static void script_full(struct peer *p)
{
    struct p9_fcall f, r;

    peer_version(p, MSIZE, "9P2000.L");
    while (sem_wait(&p->go) < 0)
        ;
    while (peer_get(p, &f)) {
        r = (struct p9_fcall){.type = (uint8_t)(f.type + 1), .tag = f.tag};
        flushes += f.type == P9_Tflush;
        if (f.type == P9_Twrite) {
            r.Rwrite.count = f.Twrite.count.n;
            for (uint32_t i = 0; i < f.Twrite.count.n; i++)
                r.Rwrite.count -= f.Twrite.count.p[i] != byte_of(f.Twrite.offset);
            got[f.Twrite.offset] += r.Rwrite.count == BYTES;
        }
        peer_put(p, &r);
    }
}

static void send_write(struct world *w, unsigned i, unsigned limit_ms)
{
    struct write *k = &w->w[i];
    struct p9_fcall tx = {.type = P9_Twrite, .Twrite = {.fid = 1, .offset = i, .count = {BYTES, NULL}}};

    k->data = malloc(BYTES);
    memset(k->data, byte_of(i), BYTES);
    tx.Twrite.count.p = k->data;
    k->scope.limit_ms = limit_ms;
    p9_batch_init(&k->b, 1);
    k->req = (struct p9_req){.done = p9_req_batch_done, .arg = &k->b, .scope = &k->scope};
    p9_submit_more(w->s, &k->req, &tx);
}

/* 1.6 MB: more than a socket buffers. Of many messages in one write it takes a part. */
static struct world *begin_full(unsigned limit_ms)
{
    struct world *w = calloc(1, sizeof *w);

    memset(got, 0, sizeof got);
    flushes = 0;
    w->s = begin_well(&w->p, script_full, 0);
    for (unsigned i = 0; i < WRITES; i++)
        send_write(w, i, limit_ms);
    p9_push(w->s);
    return w;
}

/* Waits for the request, whose data is not the session's any more then. */
static int result(struct world *w, unsigned i)
{
    p9_batch_wait(w->s, &w->w[i].b);
    memset(w->w[i].data, 0, BYTES);
    free(w->w[i].data);
    return w->w[i].req.rc;
}

/* All but this one succeed. */
static void end_full(struct world *w, unsigned n, unsigned without)
{
    sem_post(&w->p.go);
    for (unsigned i = 0; i < n; i++)
        if (i != without) {
            assert_int_equal(result(w, i), 0);
            assert_int_equal(w->w[i].req.rx.Rwrite.count, BYTES);
        }
    for (int i = 0; i < 20; i++)
        assert_int_equal(clunk(w->s), 0);
    end(&w->p, w->s);
    for (unsigned i = 0; i < n; i++)
        if (i != without)
            assert_int_equal(got[i], 1);
    free(w);
}

/* The request that is partly written. */
static unsigned begun(struct world *w)
{
    pthread_mutex_lock(&w->s->mtx);
    const struct p9_req *req = w->s->out.first;
    assert_non_null(req);
    assert_true(w->s->out_done > 0);
    pthread_mutex_unlock(&w->s->mtx);
    return (unsigned)((const struct write *)req - w->w);
}

static void half_a_request_is_given_up(void **state)
{
    struct world *w = begin_full(0);
    unsigned i = begun(w);

    (void)state;
    p9_interrupt(w->s, &w->w[i].scope);
    clock_pass(FLUSH_US);
    session_tick(w->s);
    assert_int_equal(result(w, i), -EINTR);
    end_full(w, WRITES, i);
    assert_int_equal(got[i], 1); /* whole, and what it was */
    assert_int_equal(flushes, 1);
}

static void a_request_that_is_not_begun_is_not_sent(void **state)
{
    struct world *w = begin_full(0);
    const unsigned i = WRITES - 1;

    (void)state;
    assert_true(begun(w) < i);
    p9_interrupt(w->s, &w->w[i].scope);
    clock_pass(FLUSH_US);
    session_tick(w->s);
    assert_int_equal(result(w, i), -EINTR);
    send_write(w, WRITES, 0); /* not with the tag that its Tflush is about */
    end_full(w, WRITES + 1, i);
    assert_int_equal(got[i], 0);
}

static void all_are_given_up(void **state)
{
    struct world *w = begin_full(LIMIT_MS);
    unsigned first = begun(w);

    (void)state;
    clock_pass(LIMIT_MS * 1000);
    session_tick(w->s);
    for (unsigned i = 0; i < WRITES; i++)
        assert_int_equal(result(w, i), -ETIMEDOUT);
    send_write(w, WRITES, 0);
    p9_push(w->s);
    sem_post(&w->p.go);
    assert_int_equal(result(w, WRITES), 0);
    end(&w->p, w->s);
    for (unsigned i = 0; i < WRITES; i++)
        assert_int_equal(got[i], i <= first);
    assert_int_equal(flushes, first); /* those that were sent */
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_request_is_given_up),
        cmocka_unit_test(a_request_that_is_not_begun_is_not_sent),
        cmocka_unit_test(all_are_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
