/*
 * test_stats.c: what a session counts, and how its trace shows that.
 */
#include "9p/stats.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/trace.h"
#include "unit/ownclock.h"
#include "unit/session/kept.h"
#include "unit/test.h"

static struct p9_session_stats st;

static const struct p9_message_stats *stats_of(struct p9_session *s, unsigned type)
{
    p9_session_stats(s, &st);
    return &st.messages[type / 2];
}

static void of_one_type(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_echo, 0);

    (void)state;
    assert_int_equal(clunk(s), 0);
    assert_int_equal(clunk(s), 0);
    const struct p9_message_stats *m = stats_of(s, P9_Tclunk);
    assert_int_equal(m->sent, 2);
    assert_int_equal(m->replies, 2);
    assert_int_equal(m->errors, 0);
    assert_int_equal(m->bytes_out, 2 * 11);
    assert_int_equal(m->bytes_in, 2 * 7);
    m = stats_of(s, P9_Tversion);
    assert_int_equal(m->sent, 1);
    assert_int_equal(m->bytes_out, 13 + 8);
    assert_int_equal(stats_of(s, P9_Tread)->sent, 0);
    assert_int_equal(st.in_flight, 0);
    assert_int_equal(st.msize, MSIZE);
    assert_false(st.away || st.ended);
    end(&p, s);
}

static void script_error(struct peer *p)
{
    struct p9_fcall f, error = {.type = P9_Rlerror, .Rlerror.ecode = 2};

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f)) {
        error.tag = f.tag;
        peer_put(p, &error);
    }
}

static void errors_are_replies(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_error, 0);

    (void)state;
    assert_int_equal(clunk(s), -ENOENT);
    const struct p9_message_stats *m = stats_of(s, P9_Tclunk);
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->errors, 1);
    assert_int_equal(m->bytes_in, 11);
    end(&p, s);
}

static void script_when_told(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f)) {
        while (sem_wait(&p->go) < 0)
            ;
        peer_answer(p, &f);
    }
}

/* Each of ten takes as many milliseconds as its number. */
static void durations_are_exact(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_when_told, 0);
    struct reader r;
    struct p9_batch b;

    (void)state;
    for (unsigned i = 1; i <= 10; i++) {
        p9_batch_init(&b, 1);
        start_read(s, &r, i, &b);
        clock_pass(i * 1000);
        sem_post(&p.go);
        p9_batch_wait(s, &b);
    }
    const struct p9_message_stats *m = stats_of(s, P9_Tread);
    assert_int_equal(m->replies, 10);
    assert_in_range(m->p50_us, 5000, 5000 + 5000 / 16);
    assert_in_range(m->p90_us, 9000, 9000 + 9000 / 16);
    assert_int_equal(m->p99_us, 10000);
    assert_int_equal(m->max_us, 10000);
    end(&p, s);
}

/* Four of eight tags are kept for Tflush. */
static void requests_in_flight_and_waiting(void **state)
{
    struct peer p = {0};
    struct p9_session *s = begin_well(&p, script_when_told, 8);
    struct reader r[6];
    struct p9_batch b;

    (void)state;
    p9_batch_init(&b, 6);
    for (unsigned i = 0; i < 6; i++)
        start_read(s, &r[i], i, &b);
    p9_session_stats(s, &st);
    assert_int_equal(st.in_flight, 4);
    assert_int_equal(st.waiting, 2);
    clock_pass(5000);
    p9_session_stats(s, &st);
    assert_int_equal(st.silent_ms, 5);
    for (unsigned i = 0; i < 6; i++)
        sem_post(&p.go);
    p9_batch_wait(s, &b);
    p9_session_stats(s, &st);
    assert_int_equal(st.in_flight + st.waiting, 0);
    assert_int_equal(st.silent_ms, 0);
    end(&p, s);
}

/* ---- the trace ------------------------------------------------------------- */

static char text[65536];

static void script_write_and_read(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    for (unsigned i = 0; peer_get(p, &f); i++) {
        struct p9_fcall reply = {.type = (uint8_t)(f.type + 1), .tag = f.tag};
        if (f.type == P9_Twrite)
            reply.Rwrite.count = f.Twrite.count.n;
        if (f.type == P9_Twalk)
            reply = (struct p9_fcall){.type = P9_Rlerror, .tag = f.tag, .Rlerror.ecode = 2};
        if (f.type == P9_Tread)
            peer_answer(p, &f);
        else
            peer_put(p, &reply);
    }
}

static void call(struct p9_session *s, struct p9_fcall tx)
{
    uint64_t into;
    struct p9_req req = {.into = &into, .into_size = sizeof into};

    p9_call(s, &req, &tx);
}

static void write_trace(const char *path)
{
    struct peer p = {0};
    const struct p9_session_options o = {.msize = MSIZE, .dialect = P9_2000L, .only = true, .trace = true};
    struct p9_why why;
    int err;

    assert_int_equal(trace_to_file(path), 0);
    struct p9_session *s = p9_session_start(peer_start(&p, script_write_and_read), &o, &err, &why);
    call(s, (struct p9_fcall){
                .type = P9_Twrite,
                .Twrite = {.fid = 1, .offset = UINT64_C(0x123456789a), .count = {6, (const uint8_t *)"secret"}}});
    call(s, (struct p9_fcall){.type = P9_Tread, .Tread = {.fid = 1, .offset = 2, .count = 8}});
    call(s, (struct p9_fcall){.type = P9_Twalk, .Twalk = {.fid = 0, .newfid = 2, .nwname = {1, {p9_str("a\n\033b")}}}});
    end(&p, s);
}

/* Without data, with escaped names; without the times, which are real. */
static void lines_of_the_trace(void **state)
{
    static const char *const lines[] = {
        "-> Tversion tag -1 msize 8192 version 9P2000.L",
        "<- Rversion tag -1 msize 8192 version 9P2000.L after 0 us",
        "-> Twrite tag 0 fid 1 offset 78187493530 count 6",
        "<- Rwrite tag 0 count 6 after 0 us",
        "-> Tread tag 0 fid 1 offset 2 count 8",
        "<- Rread tag 0 count 8 after 0 us",
        "-> Twalk tag 0 fid 0 newfid 2 nwname 1 0:a\\x0a\\x1bb",
        "<- Rlerror tag 0 ecode 2 to Twalk after 0 us",
    };
    enum { TIME = sizeof "2026-01-31 23:59:59.123456 " - 1 };
    char path[] = "/tmp/9pfs-trace.XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    write_trace(path);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    unlink(path);
    assert_true(n > 0);
    text[n] = 0;
    char *save, *line = strtok_r(text, "\n", &save);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++, line = strtok_r(NULL, "\n", &save)) {
        assert_non_null(line);
        assert_string_equal(line + TIME, lines[i]);
    }
    assert_null(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_type),         cmocka_unit_test(errors_are_replies),
        cmocka_unit_test(durations_are_exact), cmocka_unit_test(requests_in_flight_and_waiting),
        cmocka_unit_test(lines_of_the_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
