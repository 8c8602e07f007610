/*
 * test_session.c: the session over a socketpair, against a peer that does as the test says.
 *
 * The peer is a thread that runs the test's script. What it sends is made with the codec, or by hand
 * where it lies.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "9p/client.h"
#include "unit/ownclock.h"
#include "unit/test.h"

enum { MSIZE = 8192, SLOW_US = 20000 };

struct peer {
    int fd;
    pthread_t thread;
    void (*script)(struct peer *p);
    uint8_t buf[MSIZE];
    sem_t go;         /* for scripts that wait for the test */
    bool any_dialect; /* set before begin: lower ones are asked for, too */
};

/* ---- the peer's side ---------------------------------------------------- */

static bool peer_get(struct peer *p, struct p9_fcall *f)
{
    ssize_t n = p9_read9pmsg(p->fd, p->buf, sizeof p->buf);

    return n > 0 && p9_convM2S(p->buf, (size_t)n, P9_2000L, f) == (size_t)n;
}

static void peer_send(struct peer *p, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = send(p->fd, (const char *)bytes + at, n - at, MSG_NOSIGNAL);
        if (r <= 0)
            return;
        at += (size_t)r;
    }
}

static void peer_put(struct peer *p, const struct p9_fcall *f)
{
    uint8_t buf[MSIZE];

    peer_send(p, buf, p9_convS2M(f, P9_2000L, buf, sizeof buf));
}

static void peer_version(struct peer *p, uint32_t msize, const char *version)
{
    struct p9_fcall f, r = {.type = P9_Rversion, .tag = P9_NOTAG};

    if (!peer_get(p, &f))
        return;
    r.Rversion.msize = msize;
    r.Rversion.version = p9_str(version);
    peer_put(p, &r);
}

/* Answers a Tread with its offset, as eight bytes; anything else with its R-message. */
static void peer_answer(struct peer *p, const struct p9_fcall *f)
{
    struct p9_fcall r = {.type = (uint8_t)(f->type + 1), .tag = f->tag};
    uint64_t offset = f->Tread.offset;

    if (f->type == P9_Tread)
        r.Rread.count = (struct p9_blob){sizeof offset, (const uint8_t *)&offset};
    peer_put(p, &r);
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;

    p->script(p);
    shutdown(p->fd, SHUT_WR);
    while (read(p->fd, p->buf, sizeof p->buf) > 0) /* until the session lets go */
        ;
    return NULL;
}

static void script_far(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f)) {
        clock_pass(SLOW_US);
        peer_answer(p, &f);
    }
}

/* ---- the test's side ---------------------------------------------------- */

static struct p9_session *begin(struct peer *p, void (*script)(struct peer *), unsigned max_tags, int *err,
                                struct p9_why *why)
{
    const struct p9_session_options o = {
        .msize = MSIZE, .dialect = P9_2000L, .only = !p->any_dialect, .max_tags = max_tags};
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    p->fd = sv[1];
    p->script = script;
    sem_init(&p->go, 0, 0);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
    struct transport *t = transport_fds(sv[0], sv[0], err, why);
    assert_non_null(t);
    return p9_session_start(t, &o, err, why);
}

static struct p9_session *begin_well(struct peer *p, void (*script)(struct peer *), unsigned max_tags)
{
    struct p9_why why;
    int err;
    struct p9_session *s = begin(p, script, max_tags, &err, &why);

    assert_non_null(s);
    return s;
}

static void end(struct peer *p, struct p9_session *s)
{
    if (s != NULL)
        p9_session_stop(s);
    pthread_join(p->thread, NULL);
    sem_destroy(&p->go);
    close(p->fd);
}

struct reader {
    struct p9_req req;
    uint64_t got;
    struct p9_batch *batch;
};

static void start_read(struct p9_session *s, struct reader *r, uint64_t offset, struct p9_batch *b)
{
    struct p9_fcall tx = {.type = P9_Tread, .Tread = {.fid = 1, .offset = offset, .count = sizeof r->got}};

    r->req = (struct p9_req){.done = p9_req_batch_done, .arg = b, .into = &r->got, .into_size = sizeof r->got};
    p9_submit(s, &r->req, &tx);
}

static int clunk(struct p9_session *s)
{
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = 1};

    return p9_call(s, &req, &tx);
}

/* ---- agreeing ----------------------------------------------------------- */

static void script_smaller_msize(struct peer *p)
{
    peer_version(p, 4096, "9P2000.L");
}

static void servers_msize_rules(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_smaller_msize, 0);

    (void)state;
    assert_int_equal(p9_session_msize(s), 4096);
    assert_int_equal(p9_session_payload(s), 4096 - 24);
    assert_int_equal(p9_session_dialect(s), P9_2000L);
    end(&p, s);
}

static void script_larger_msize(struct peer *p)
{
    peer_version(p, MSIZE + 1, "9P2000.L");
}

static void script_tiny_msize(struct peer *p)
{
    peer_version(p, 64, "9P2000.L");
}

static void script_unknown(struct peer *p)
{
    peer_version(p, MSIZE, "unknown");
}

static void script_longer(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000.L.Other");
}

static void script_refusal(struct peer *p)
{
    struct p9_fcall f, r = {.type = P9_Rlerror, .tag = P9_NOTAG, .Rlerror.ecode = 5};

    if (peer_get(p, &f))
        peer_put(p, &r);
}

static void script_http(struct peer *p)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct p9_fcall f;

    if (peer_get(p, &f))
        peer_send(p, text, sizeof text - 1);
}

static void script_hang_up(struct peer *p)
{
    struct p9_fcall f;

    peer_get(p, &f);
}

static void bad_answers_to_version(void **state)
{
    static const struct {
        void (*script)(struct peer *);
        int err;
        const char *says;
    } cases[] = {
        {script_larger_msize, -EPROTO, "msize"},
        {script_tiny_msize, -EPROTO, "msize"},
        {script_unknown, -EPROTONOSUPPORT, "'unknown'"},
        {script_longer, -EPROTONOSUPPORT, "'9P2000.L.Other'"},
        {script_refusal, -EPROTONOSUPPORT, "refuses 9P2000.L"},
        {script_http, -EPROTO, "does not speak 9P"},
        {script_hang_up, -ECONNRESET, "closed the connection"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer p = {0};
        struct p9_why why;
        int err = 0;
        assert_null(begin(&p, cases[i].script, 0, &err, &why));
        assert_int_equal(err, cases[i].err);
        assert_non_null(strstr(why.text, cases[i].says));
        end(&p, NULL);
    }
}

/* Each dialect is asked for in turn, whatever a server's way of not knowing one. */
static void script_down(struct peer *p)
{
    static const char *const asked[] = {"9P2000.L", "9P2000.u", "9P2000"};
    struct p9_fcall f, unknown = {.type = P9_Rversion, .tag = P9_NOTAG, .Rversion.version = p9_str("unknown")},
                       error = {.type = P9_Rerror, .tag = P9_NOTAG, .Rerror.ename = p9_str("not implemented")};
    uint8_t buf[256];

    for (int i = 0; i < 3 && peer_get(p, &f); i++) {
        if (f.type != P9_Tversion || !p9_str_eq(f.Tversion.version, asked[i]))
            return;
        if (i == 0)
            peer_put(p, &unknown);
        else if (i == 1)
            peer_send(p, buf, p9_convS2M(&error, P9_2000, buf, sizeof buf));
    }
    struct p9_fcall r = {
        .type = P9_Rversion, .tag = P9_NOTAG, .Rversion = {.msize = 8192, .version = p9_str("9P2000")}};
    peer_put(p, &r);
}

static void script_lower_at_once(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000.u");
}

/* go9p: 9P2000 is what it says to what it does not know. */
static void script_plain_to_l(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000");
    peer_version(p, 4096, "9P2000.u");
}

static void script_plain_to_all(struct peer *p)
{
    for (int i = 0; i < 2; i++)
        peer_version(p, 4096, "9P2000");
}

static void script_plain_and_no_other(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000");
    peer_version(p, MSIZE, "unknown");
    peer_version(p, 4096, "9P2000");
}

static void script_knows_nothing(struct peer *p)
{
    for (int i = 0; i < 3; i++)
        peer_version(p, 0, "unknown");
}

static void lower_dialects_are_asked_for(void **state)
{
    struct peer p = {.any_dialect = true};
    struct p9_why why;
    int err;

    (void)state;
    struct p9_session *s = begin_well(&p, script_down, 0);
    assert_int_equal(p9_session_dialect(s), P9_2000);
    assert_int_equal(p9_session_msize(s), 8192);
    end(&p, s);
    s = begin_well(&p, script_lower_at_once, 0);
    assert_int_equal(p9_session_dialect(s), P9_2000U);
    end(&p, s);
    s = begin_well(&p, script_plain_to_l, 0);
    assert_int_equal(p9_session_dialect(s), P9_2000U);
    assert_int_equal(p9_session_msize(s), 4096);
    end(&p, s);
    for (int i = 0; i < 2; i++) {
        s = begin_well(&p, i == 0 ? script_plain_to_all : script_plain_and_no_other, 0);
        assert_int_equal(p9_session_dialect(s), P9_2000);
        assert_int_equal(p9_session_msize(s), 4096);
        end(&p, s);
    }
    assert_null(begin(&p, script_knows_nothing, 0, &err, &why));
    assert_int_equal(err, -EPROTONOSUPPORT);
    assert_non_null(strstr(why.text, "9P2000.L"));
    end(&p, NULL);
    p.any_dialect = false;
    assert_null(begin(&p, script_lower_at_once, 0, &err, &why));
    assert_non_null(strstr(why.text, "'9P2000.u'"));
    end(&p, NULL);
}

/* ---- over several connections ------------------------------------------- */

enum { AGAIN = 3 };

/* A server whose connections go their own ways. */
struct several {
    struct peer peers[AGAIN];
    void (*const *scripts)(struct peer *);
    int n;
    unsigned silent; /* bits: these say nothing, and are not given long for it */
    struct p9_client_options o;
};

static struct transport *dial_next(void *arg, int *err, struct p9_why *why)
{
    struct several *v = arg;
    struct peer *p = &v->peers[v->n];
    int sv[2];

    v->o.session.setup_timeout_ms = v->silent & 1u << v->n ? 50 : 40000;
    p->script = v->scripts[v->n++];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    p->fd = sv[1];
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
    return transport_fds(sv[0], sv[0], err, why);
}

static struct p9_client *connect_to(struct several *v, void (*const *scripts)(struct peer *), unsigned silent,
                                    bool once, struct p9_why *why)
{
    const struct p9_dialer d = {.dial = dial_next, .arg = v, .once = once};

    *v = (struct several){.scripts = scripts, .silent = silent};
    v->o = (struct p9_client_options){.session = {.msize = MSIZE, .dialect = P9_2000L}, .max_fids = 64};
    return p9_client_connect(&d, &v->o, why);
}

static void end_all(struct several *v, struct p9_client *c)
{
    if (c != NULL)
        p9_client_stop(c);
    for (int i = 0; i < v->n; i++) {
        pthread_join(v->peers[i].thread, NULL);
        close(v->peers[i].fd);
    }
}

static void script_silent(struct peer *p)
{
    struct p9_fcall f;

    while (peer_get(p, &f))
        ;
}

static void script_plain_alone(struct peer *p)
{
    struct p9_fcall f, r = {.type = P9_Rversion, .tag = P9_NOTAG, .Rversion = {4096, p9_str("9P2000")}};

    if (peer_get(p, &f) && p9_str_eq(f.Tversion.version, "9P2000"))
        peer_put(p, &r);
}

/* A second question on a connection is not answered but with an error. */
static void script_asks_once(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000");
    script_refusal(p);
    script_refusal(p);
}

static void who_does_not_answer_is_asked_for_less(void **state)
{
    void (*const silent[AGAIN])(struct peer *) = {script_silent, script_silent, script_plain_alone};
    void (*const once[AGAIN])(struct peer *) = {script_asks_once, script_lower_at_once};
    void (*const never[AGAIN])(struct peer *) = {script_silent, script_hang_up, script_silent};
    struct several v;
    struct p9_why why;

    (void)state;
    struct p9_client *c = connect_to(&v, silent, 3, false, &why);
    assert_non_null(c);
    assert_int_equal(p9_session_dialect(p9_client_session(c)), P9_2000);
    assert_int_equal(v.n, 3);
    end_all(&v, c);
    c = connect_to(&v, once, 0, false, &why);
    assert_non_null(c);
    assert_int_equal(p9_session_dialect(p9_client_session(c)), P9_2000U);
    end_all(&v, c);
    assert_null(connect_to(&v, never, 5, false, &why));
    assert_int_equal(v.n, 3);
    assert_non_null(strstr(why.text, "does not answer"));
    assert_non_null(strstr(why.text, "9P2000.L, 9P2000.u, 9P2000)"));
    end_all(&v, NULL);
    assert_null(connect_to(&v, never, 1, true, &why)); /* there is no other connection */
    assert_int_equal(v.n, 1);
    assert_non_null(strstr(why.text, "does not answer"));
    end_all(&v, NULL);
}

/* ---- many at once ------------------------------------------------------- */

enum { MANY = 500 };

static void script_backwards(struct peer *p)
{
    struct p9_fcall f[MANY];

    peer_version(p, MSIZE, "9P2000.L");
    for (int i = 0; i < MANY; i++)
        if (!peer_get(p, &f[i]))
            return;
    for (int i = MANY - 1; i >= 0; i--)
        peer_answer(p, &f[i]);
}

static void five_hundred_answered_backwards(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_backwards, 0);
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

static void script_forwards(struct peer *p)
{
    struct p9_fcall f[MANY];

    peer_version(p, MSIZE, "9P2000.L");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++)
            if (!peer_get(p, &f[i]))
                return;
        for (int i = 0; i < MANY; i++) /* the second time two change places */
            peer_answer(p, &f[round == 1 && (i == 7 || i == 8) ? 15 - i : i]);
    }
}

static void it_is_known_whether_answers_come_in_order(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_forwards, 0);
    struct reader *r = calloc(MANY, sizeof *r);
    struct p9_batch b;

    (void)state;
    assert_false(p9_session_in_order(s)); /* not seen yet */
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

static void script_echo(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

static void tags_run_out_and_it_goes_on(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_echo, 8); /* 4 of them are kept for flushes */
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

static void it_is_known_how_far_the_server_is(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_far, 0);
    struct reader r[4];
    struct p9_batch b;

    (void)state;
    assert_int_equal(p9_session_latency(s), 0);
    assert_int_equal(clunk(s), 0);
    assert_int_equal(p9_session_latency(s), SLOW_US + 1);
    p9_batch_init(&b, 4);
    for (uint64_t i = 0; i < 4; i++) /* the last has to wait for the others: it says nothing */
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

static void eight_threads_call(void **state)
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

/* The peer reads nothing until the pipe is full of what was submitted. */
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

static void a_full_connection_blocks_nobody(void **state)
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
        p9_submit(s, &reqs[i], &tx); /* 1.6 MB: more than a socket holds */
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

static void errors_are_the_servers(void **state)
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

/* ---- a peer that breaks the protocol ------------------------------------ */

static void say(struct peer *p, size_t n, const uint8_t *bytes)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    peer_get(p, &f);
    peer_send(p, bytes, n);
}
#define SCRIPT(name, ...)                                                                                              \
    static void name(struct peer *p)                                                                                   \
    {                                                                                                                  \
        static const uint8_t bytes[] = {__VA_ARGS__};                                                                  \
        say(p, sizeof bytes, bytes);                                                                                   \
    }
SCRIPT(script_unknown_tag, 7, 0, 0, 0, P9_Rclunk, 77, 0)
SCRIPT(script_huge_tag, 7, 0, 0, 0, P9_Rclunk, 0xfe, 0xff)
SCRIPT(script_notag, 7, 0, 0, 0, P9_Rclunk, 0xff, 0xff)
SCRIPT(script_wrong_type, 7, 0, 0, 0, P9_Rremove, 0, 0)
SCRIPT(script_a_request, 11, 0, 0, 0, P9_Tclunk, 0, 0, 0, 0, 0, 0)
SCRIPT(script_no_type, 7, 0, 0, 0, 250, 0, 0)
SCRIPT(script_too_small, 6, 0, 0, 0, P9_Rread, 0, 0)
SCRIPT(script_over_msize, 1, 0x20, 0, 0, P9_Rread, 0, 0)
SCRIPT(script_enormous, 0xff, 0xff, 0xff, 0xff, P9_Rread, 0, 0)
SCRIPT(script_end_in_header, 20, 0, 0)
SCRIPT(script_end_in_payload, 19, 0, 0, 0, P9_Rread, 0, 0, 8, 0, 0, 0, 1, 2)
SCRIPT(script_just_end, )

static void a_broken_peer_ends_the_connection(void **state)
{
    static const struct {
        void (*script)(struct peer *);
        int err;
    } cases[] = {
        {script_unknown_tag, -EPROTO},       {script_huge_tag, -EPROTO},           {script_notag, -EPROTO},
        {script_wrong_type, -EPROTO},        {script_a_request, -EPROTO},          {script_no_type, -EPROTO},
        {script_too_small, -EPROTO},         {script_over_msize, -EPROTO},         {script_enormous, -EPROTO},
        {script_end_in_header, -ECONNRESET}, {script_end_in_payload, -ECONNRESET}, {script_just_end, -ECONNRESET},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer p = {0};
        struct p9_session *s = begin_well(&p, cases[i].script, 0);
        struct reader r[3];
        struct p9_batch b;
        p9_batch_init(&b, 3);
        for (int k = 0; k < 3; k++)
            start_read(s, &r[k], 0, &b);
        p9_batch_wait(s, &b);
        for (int k = 0; k < 3; k++)
            assert_int_equal(r[k].req.rc, cases[i].err);
        assert_true(p9_session_dead(s));
        assert_int_equal(clunk(s), cases[i].err);
        end(&p, s);
    }
}

/* ---- frames that are right, and insides that are not -------------------- */

/* Answers the first request with such bytes, under its tag, and the others as they should be. */
static void spoil_first(struct peer *p, size_t n, const uint8_t *bytes)
{
    struct p9_fcall f;
    uint8_t reply[MSIZE];

    peer_version(p, MSIZE, "9P2000.L");
    if (!peer_get(p, &f))
        return;
    memcpy(reply, bytes, n);
    reply[5] = (uint8_t)f.tag;
    reply[6] = (uint8_t)(f.tag >> 8);
    peer_send(p, reply, n);
    while (peer_get(p, &f))
        peer_answer(p, &f);
}
#define SPOILED(name, ...)                                                                                             \
    static void name(struct peer *p)                                                                                   \
    {                                                                                                                  \
        static const uint8_t bytes[] = {__VA_ARGS__};                                                                  \
        spoil_first(p, sizeof bytes, bytes);                                                                           \
    }
SPOILED(script_no_count, 7, 0, 0, 0, P9_Rread, 0, 0)
SPOILED(script_short_reply, 9, 0, 0, 0, P9_Rread, 0, 0, 0, 0)
SPOILED(script_count_lies, 12, 0, 0, 0, P9_Rread, 0, 0, 2, 0, 0, 0, 1)
SPOILED(script_count_is_less, 14, 0, 0, 0, P9_Rread, 0, 0, 2, 0, 0, 0, 1, 2, 3)
SPOILED(script_more_than_asked, 20, 0, 0, 0, P9_Rread, 0, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
SPOILED(script_long_error, 13, 0, 0, 0, P9_Rlerror, 0, 0, 1, 0, 0, 0, 0, 0)
SPOILED(script_short_error, 9, 0, 0, 0, P9_Rlerror, 0, 0, 1, 0)

static void script_much_more_than_asked(struct peer *p)
{
    static const uint8_t bytes[MSIZE] = {0, MSIZE >> 8, 0, 0, P9_Rread, 0, 0, (MSIZE - 11) & 0xff, (MSIZE - 11) >> 8};

    spoil_first(p, sizeof bytes, bytes);
}

static void a_malformed_reply_fails_its_request_alone(void **state)
{
    void (*const scripts[])(struct peer *) = {
        script_no_count,        script_short_reply, script_count_lies,  script_count_is_less,
        script_more_than_asked, script_long_error,  script_short_error, script_much_more_than_asked,
    };

    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct peer p = {0};
        struct p9_session *s = begin_well(&p, scripts[i], 0);
        struct reader r[3];
        struct p9_batch b;
        p9_batch_init(&b, 3);
        for (uint64_t k = 0; k < 3; k++)
            start_read(s, &r[k], 100 + k, &b);
        p9_batch_wait(s, &b);
        assert_int_equal(r[0].req.rc, -EPROTO);
        for (uint64_t k = 1; k < 3; k++) {
            assert_int_equal(r[k].req.rc, 0);
            assert_int_equal(r[k].got, 100 + k);
        }
        assert_false(p9_session_dead(s));
        assert_int_equal(clunk(s), 0);
        end(&p, s);
    }
}

/* What is asked for so is of use as far as it goes. */
static void a_payload_may_be_cut(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_more_than_asked, 0);
    uint8_t got[8];
    struct p9_req req = {.into = got, .into_size = sizeof got, .part_ok = true};
    struct p9_fcall tx = {.type = P9_Tread, .Tread = {.fid = 1, .count = sizeof got}};

    (void)state;
    assert_int_equal(p9_call(s, &req, &tx), 0);
    assert_true(req.cut);
    assert_int_equal(req.rx.Rread.count.n, 8);
    assert_int_equal(got[7], 8);
    assert_int_equal(clunk(s), 0);
    end(&p, s);
}

SPOILED(script_eintr, 11, 0, 0, 0, P9_Rlerror, 0, 0, EINTR, 0, 0, 0)

static void nobody_was_interrupted_but_by_us(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_eintr, 0);

    (void)state;
    assert_int_equal(clunk(s), -EIO);
    assert_int_equal(clunk(s), 0);
    end(&p, s);
}

/* ---- acknowledgements --------------------------------------------------- */

static atomic_uint quickacks;
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (level == IPPROTO_TCP && name == TCP_QUICKACK && *(const int *)value == 1)
        atomic_fetch_add(&quickacks, 1);
    return __real_setsockopt(fd, level, name, value, len);
}

/* Two connected sockets of TCP. */
static void tcp_pair(int sv[2])
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
    sv[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(sv[0], (struct sockaddr *)&sa, sizeof sa), 0);
    sv[1] = accept(listener, NULL, NULL);
    assert_true(sv[1] >= 0);
    close(listener);
}

static void *read_one(void *arg)
{
    char c;
    const struct iovec iov = {&c, 1};

    assert_int_equal(transport_read(arg, &iov, 1, true), 1);
    return NULL;
}

/* A server with Nagle's algorithm waits for ours before it sends on: none may be held back while we wait for it. */
static void what_came_is_acknowledged_before_more_is_waited_for(void **state)
{
    const struct timespec instant = {.tv_nsec = 1000000};
    struct p9_why why;
    char c;
    int sv[2], err;

    (void)state;
    tcp_pair(sv);
    struct transport *t = transport_fds(sv[0], sv[0], &err, &why);
    assert_non_null(t);
    const struct iovec iov = {&c, 1};
    assert_int_equal(write(sv[1], "ab", 2), 2);
    assert_int_equal(transport_read(t, &iov, 1, true), 1); /* it may be there already, or not yet */
    atomic_store(&quickacks, 0);
    assert_int_equal(transport_read(t, &iov, 1, true), 1);
    assert_int_equal(atomic_load(&quickacks), 0); /* it was there: no call more than needed */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_one, t), 0);
    while (atomic_load(&quickacks) == 0)
        nanosleep(&instant, NULL);
    assert_int_equal(write(sv[1], "c", 1), 1);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&quickacks), 1);
    assert_int_equal(write(sv[1], "d", 1), 1);
    assert_int_equal(transport_read(t, &iov, 1, false), 1); /* nothing follows: the next request acknowledges it */
    assert_int_equal(atomic_load(&quickacks), 1);
    transport_close(t);
    close(sv[1]);
}

/* ---- flush -------------------------------------------------------------- */

static void script_flush(struct peer *p)
{
    struct p9_fcall read, flush, f;

    peer_version(p, MSIZE, "9P2000.L");
    if (!peer_get(p, &read))
        return;
    sem_post(&p->go);
    if (!peer_get(p, &flush) || flush.type != P9_Tflush || flush.Tflush.oldtag != read.tag || flush.tag == read.tag)
        return;
    /* Other work goes on, and does not get the tag before Rflush. */
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
    /* What the scope submits from now on is not even sent. */
    struct p9_req late = {.scope = &scope};
    assert_int_equal(p9_call(s, &late, &tx), -EINTR);
    for (int i = 0; i < 10; i++)
        assert_int_equal(clunk(s), 0);
    end(&p, s);
}

static void script_flush_late(struct peer *p)
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
    struct p9_session *s = begin_well(&p, script_flush_late, 0);
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
    assert_int_equal(clunk(s), 0); /* with another tag: Rflush has not come */
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

static void a_server_may_say_that_we_interrupted(void **state)
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
        cmocka_unit_test(servers_msize_rules),
        cmocka_unit_test(bad_answers_to_version),
        cmocka_unit_test(lower_dialects_are_asked_for),
        cmocka_unit_test(who_does_not_answer_is_asked_for_less),
        cmocka_unit_test(five_hundred_answered_backwards),
        cmocka_unit_test(tags_run_out_and_it_goes_on),
        cmocka_unit_test(it_is_known_how_far_the_server_is),
        cmocka_unit_test(it_is_known_whether_answers_come_in_order),
        cmocka_unit_test(eight_threads_call),
        cmocka_unit_test(a_full_connection_blocks_nobody),
        cmocka_unit_test(errors_are_the_servers),
        cmocka_unit_test(a_request_over_msize_is_not_sent),
        cmocka_unit_test(strings_outlive_the_reply_in_body),
        cmocka_unit_test(a_broken_peer_ends_the_connection),
        cmocka_unit_test(what_came_is_acknowledged_before_more_is_waited_for),
        cmocka_unit_test(a_malformed_reply_fails_its_request_alone),
        cmocka_unit_test(a_payload_may_be_cut),
        cmocka_unit_test(nobody_was_interrupted_but_by_us),
        cmocka_unit_test(a_server_may_say_that_we_interrupted),
        cmocka_unit_test(an_interrupted_request_ends_with_rflush),
        cmocka_unit_test(a_reply_before_rflush_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
