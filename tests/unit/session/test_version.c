/*
 * test_version.c: negotiating dialect and msize.
 */
#include <string.h>

#include "unit/session/peer.h"
#include "unit/test.h"

static void script_smaller_msize(struct peer *p)
{
    peer_version(p, 4096, "9P2000.L");
}

static void a_lower_msize_is_accepted(void **state)
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

static void script_longer_version(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000.L.Other");
}

static void script_http(struct peer *p)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct p9_fcall f;

    if (peer_get(p, &f))
        peer_send(p, text, sizeof text - 1);
}

static void invalid_replies_to_version(void **state)
{
    static const struct {
        void (*script)(struct peer *);
        int err;
        const char *says;
    } cases[] = {
        {script_larger_msize, -EPROTO, "msize"},
        {script_tiny_msize, -EPROTO, "msize"},
        {script_unknown, -EPROTONOSUPPORT, "'unknown'"},
        {script_longer_version, -EPROTONOSUPPORT, "'9P2000.L.Other'"},
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

/* Refuses dialects in different ways. */
static void script_refuse_two(struct peer *p)
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

/* go9p: answers 9P2000 to an unknown version. */
static void script_9p2000_then_u(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000");
    peer_version(p, 4096, "9P2000.u");
}

static void script_always_9p2000(struct peer *p)
{
    for (int i = 0; i < 2; i++)
        peer_version(p, 4096, "9P2000");
}

static void script_9p2000_then_unknown(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000");
    peer_version(p, MSIZE, "unknown");
    peer_version(p, 4096, "9P2000");
}

static void script_always_unknown(struct peer *p)
{
    for (int i = 0; i < 3; i++)
        peer_version(p, 0, "unknown");
}

static void lower_dialects_are_proposed(void **state)
{
    struct peer p = {.any_dialect = true};
    struct p9_why why;
    int err;

    (void)state;
    struct p9_session *s = begin_well(&p, script_refuse_two, 0);
    assert_int_equal(p9_session_dialect(s), P9_2000);
    assert_int_equal(p9_session_msize(s), 8192);
    end(&p, s);
    s = begin_well(&p, script_answer_u, 0);
    assert_int_equal(p9_session_dialect(s), P9_2000U);
    end(&p, s);
    s = begin_well(&p, script_9p2000_then_u, 0);
    assert_int_equal(p9_session_dialect(s), P9_2000U);
    assert_int_equal(p9_session_msize(s), 4096);
    end(&p, s);
    for (int i = 0; i < 2; i++) {
        s = begin_well(&p, i == 0 ? script_always_9p2000 : script_9p2000_then_unknown, 0);
        assert_int_equal(p9_session_dialect(s), P9_2000);
        assert_int_equal(p9_session_msize(s), 4096);
        end(&p, s);
    }
    assert_null(begin(&p, script_always_unknown, 0, &err, &why));
    assert_int_equal(err, -EPROTONOSUPPORT);
    assert_non_null(strstr(why.text, "9P2000.L"));
    end(&p, NULL);
    p.any_dialect = false;
    assert_null(begin(&p, script_answer_u, 0, &err, &why));
    assert_non_null(strstr(why.text, "'9P2000.u'"));
    end(&p, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lower_msize_is_accepted),
        cmocka_unit_test(invalid_replies_to_version),
        cmocka_unit_test(lower_dialects_are_proposed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
