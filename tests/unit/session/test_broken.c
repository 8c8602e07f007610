/*
 * test_broken.c: invalid frames, which end the connection, and malformed bodies, which fail one
 * request.
 */
#include <string.h>

#include "unit/session/peer.h"
#include "unit/test.h"

/* ---- invalid frames ----------------------------------------------------- */

static void send_after_version(struct peer *p, size_t n, const uint8_t *bytes)
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
        send_after_version(p, sizeof bytes, bytes);                                                                    \
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

static void an_invalid_frame_ends_the_connection(void **state)
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

/* ---- valid frames with malformed bodies --------------------------------- */

/* Answers the first request with bytes[n], under its tag, and the others correctly. */
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

static void a_malformed_body_fails_only_its_request(void **state)
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

static void a_payload_is_cut_if_the_request_allows(void **state)
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

static void eintr_without_an_interrupt_is_eio(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_eintr, 0);

    (void)state;
    assert_int_equal(clunk(s), -EIO);
    assert_int_equal(clunk(s), 0);
    end(&p, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invalid_frame_ends_the_connection),
        cmocka_unit_test(a_malformed_body_fails_only_its_request),
        cmocka_unit_test(a_payload_is_cut_if_the_request_allows),
        cmocka_unit_test(eintr_without_an_interrupt_is_eio),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
