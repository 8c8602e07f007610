/*
 * test_nomem.c: a session where an allocation fails, whichever it is.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/nomem.h"
#include "unit/session/peer.h"
#include "unit/test.h"

enum { HELD = 99, GO_ON = 7, READS = 6 };

/* Answers a Tread at HELD only after Tclunk of GO_ON, unless that was flushed. */
static void script(struct peer *p)
{
    struct p9_fcall f, held = {.type = 0};

    nomem_spare_thread();
    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f)) {
        if (f.type == P9_Tread && f.Tread.offset == HELD) {
            held = f;
            continue;
        }
        if (f.type == P9_Tflush && held.type != 0 && f.Tflush.oldtag == held.tag)
            held.type = 0;
        if (f.type == P9_Tclunk && f.Tclunk.fid == GO_ON && held.type != 0)
            peer_answer(p, &held);
        peer_answer(p, &f);
    }
}

static struct p9_session *start(struct peer *p)
{
    const struct p9_session_options o = {.msize = MSIZE, .dialect = P9_2000L, .max_tags = 64};
    struct p9_session *s = NULL;
    struct p9_why why;
    int sv[2], err;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    *p = (struct peer){.fd = sv[1], .script = script};
    sem_init(&p->arrived, 0, 0);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
    struct transport *t = transport_fds(sv[0], sv[0], &err, &why);
    if (t != NULL)
        s = p9_session_start(t, &o, &err, &why);
    else
        close(sv[0]);
    if (!nomem_got(s))
        assert_int_equal(err, -ENOMEM);
    return s;
}

/* A message that does not fit into the request. */
static void walk_a_long_name(struct p9_session *s)
{
    char name[P9_MAXNAME + 1];
    struct p9_req req = {.rc = 0};
    struct p9_fcall tx = {.type = P9_Twalk};

    memset(name, 'n', P9_MAXNAME);
    name[P9_MAXNAME] = 0;
    tx.Twalk.nwname = (struct p9_names){.n = 1, .name = {p9_str(name)}};
    nomem_is(p9_call(s, &req, &tx), 0);
}

static void read_some(struct p9_session *s)
{
    struct reader readers[READS];
    struct p9_batch batch;

    p9_batch_init(&batch, READS);
    for (unsigned i = 0; i < READS; i++)
        start_read(s, &readers[i], i, &batch);
    p9_batch_wait(s, &batch);
    for (unsigned i = 0; i < READS; i++) {
        assert_int_equal(readers[i].req.rc, 0);
        assert_int_equal(readers[i].got, i);
    }
}

/* Without memory for a Tflush it completes with its reply. */
static void interrupt(struct p9_session *s)
{
    struct p9_fcall read = {.type = P9_Tread, .Tread = {.fid = 1, .offset = HELD, .count = sizeof(uint64_t)}};
    struct p9_fcall go_on = {.type = P9_Tclunk, .Tclunk.fid = GO_ON};
    struct p9_scope scope = {.reqs = NULL};
    uint64_t got;
    struct p9_batch batch;
    struct p9_req held = {.done = p9_req_batch_done, .arg = &batch, .scope = &scope}, req = {.rc = 0};

    held.into = &got;
    held.into_size = sizeof got;
    p9_batch_init(&batch, 1);
    p9_submit(s, &held, &read);
    p9_interrupt(s, &scope);
    assert_int_equal(p9_call(s, &req, &go_on), 0);
    p9_batch_wait(s, &batch);
    if (held.rc == 0)
        assert_int_equal(got, HELD);
    nomem_is(held.rc == 0 ? -ENOMEM : held.rc, -EINTR);
    req = (struct p9_req){.scope = &scope};
    assert_int_equal(p9_call(s, &req, &go_on), -EINTR);
}

static void scenario(void)
{
    struct peer p;
    struct p9_session *s = start(&p);

    if (s != NULL) {
        read_some(s);
        walk_a_long_name(s);
        interrupt(s);
        read_some(s);
        p9_session_stop(s);
    }
    pthread_join(p.thread, NULL);
    close(p.fd);
}

static void an_allocation_fails(void **state)
{
    (void)state;
    nomem_each(scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
