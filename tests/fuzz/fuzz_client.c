/*
 * fuzz_client.c: a client that does what the input says, with a server that replies what the input
 * says. All ends, and no fid is left.
 *
 * Input: the dialect and a flag, the bytes of one read, the number of operations, that many bytes
 * (the operation, and in three bits what it is done to), the replies (answer.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "client/fid_numbers.h"
#include "fuzz/answer.h"
#include "fuzz/calls.h"
#include "fuzz/peer.h"

enum {
    MSIZE = 8192,
    MAX_CALLS = 64,
    IN_ORDER = 128, /* flag: the client relies on the order of the replies */
};

static const enum p9_dialect dialects[] = {P9_2000L, P9_2000U, P9_2000};

struct server {
    struct input in;
    enum p9_dialect dialect;
    struct p9_client *client;
    struct calls *calls;
    bool ended;
};

static void request(struct transport *t, const uint8_t *msg, size_t n, void *arg)
{
    struct server *s = arg;
    uint8_t buf[ANSWER_BYTES];
    struct p9_fcall tx;
    unsigned kind;

    CHECK(p9_convM2S(msg, n, s->dialect, &tx) == n);
    if (tx.type == P9_Tversion) {
        peer_version(t, s->dialect, MSIZE);
        return;
    }
    if (s->ended)
        return;
    if (tx.type == P9_Tclunk && tx.Tclunk.fid == P9_NOFID) { /* calls_in_order */
        const struct p9_fcall r = {.type = P9_Rclunk, .tag = tx.tag};
        peer_say(t, buf, p9_convS2M(&r, s->dialect, buf, sizeof buf));
        return;
    }
    size_t size = answer(&s->in, &tx, s->dialect, buf, &kind);
    s->ended = kind == ANSWER_END;
    /* Nobody waits for a clunk that could be interrupted. */
    if (kind == ANSWER_INTERRUPT && tx.type != P9_Tclunk && s->client != NULL)
        p9_interrupt(p9_client_session(s->client), &s->calls->scope);
    if (s->ended)
        peer_end(t);
    else
        peer_say(t, buf, size);
}

/* A number that is taken for ever is a leak that no sanitizer sees. */
static void all_fids_come_free(struct p9_client *c)
{
    unsigned live, bound;

    do {
        fids_evict_all(c->fids); /* those in doubt, too */
        p9_push(p9_client_session(c));
        p9_client_fids(c, &live, &bound);
        sched_yield();
    } while (live > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct server s = {.in = {data, n}};
    struct calls calls = {.client = NULL};
    size_t ncalls;

    uint8_t flags = take_byte(&s.in);
    s.dialect = dialects[flags % IN_ORDER % 3];
    struct p9_client_options o = {.session = {.msize = MSIZE, .dialect = s.dialect, .max_tags = 64}, .max_fids = 256};
    struct transport *t = peer_new(request, &s);
    struct p9_why why;
    int err;

    peer_step(t, take_byte(&s.in));
    const uint8_t *what = take_bytes(&s.in, take_byte(&s.in) % MAX_CALLS, &ncalls);
    s.calls = &calls;
    s.client = calls.client = p9_client_start(t, &o, &err, &why);
    CHECK(s.client != NULL);
    if (flags & IN_ORDER)
        calls_in_order(&calls);
    if (calls_begin(&calls) == 0)
        for (size_t i = 0; i < ncalls; i++)
            calls_do(&calls, what[i]);
    calls_end(&calls);
    all_fids_come_free(s.client);
    p9_client_stop(s.client);
    return 0;
}
