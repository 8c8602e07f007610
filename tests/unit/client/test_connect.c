/*
 * test_connect.c: negotiating a dialect over several connections.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "9p/client.h"
#include "unit/session/peer.h"
#include "unit/test.h"

enum { MAX_CONNECTIONS = 3 };

/* A server that runs another script on each connection. */
struct several {
    struct peer peers[MAX_CONNECTIONS];
    void (*const *scripts)(struct peer *);
    int n;
    unsigned silent; /* bits: connections without a reply, with a short timeout */
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
    sem_init(&p->arrived, 0, 0);
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

static void script_only_9p2000(struct peer *p)
{
    struct p9_fcall f, r = {.type = P9_Rversion, .tag = P9_NOTAG, .Rversion = {4096, p9_str("9P2000")}};

    if (peer_get(p, &f) && p9_str_eq(f.Tversion.version, "9P2000"))
        peer_put(p, &r);
}

/* Answers a second Tversion with an error. */
static void script_one_version(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000");
    script_refusal(p);
    script_refusal(p);
}

static void a_lower_dialect_is_tried_on_a_new_connection(void **state)
{
    void (*const silent[MAX_CONNECTIONS])(struct peer *) = {script_silent, script_silent, script_only_9p2000};
    void (*const once[MAX_CONNECTIONS])(struct peer *) = {script_one_version, script_answer_u};
    void (*const never[MAX_CONNECTIONS])(struct peer *) = {script_silent, script_hang_up, script_silent};
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
    assert_null(connect_to(&v, never, 1, true, &why)); /* no second connection */
    assert_int_equal(v.n, 1);
    assert_non_null(strstr(why.text, "does not answer"));
    end_all(&v, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lower_dialect_is_tried_on_a_new_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
