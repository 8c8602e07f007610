/*
 * fuzz_reader.c: the session's reader, with requests of all kinds in flight, and bytes that may be
 * their replies. Every request completes once.
 *
 * Input: the dialect and flags, the bytes of one read, what the server sends.
 */
#include <errno.h>
#include <string.h>

#include "9p/session.h"
#include "fuzz/input.h"
#include "fuzz/peer.h"

/* Flags. */
enum {
    NEGOTIATE = 4, /* the replies to Tversion are of the input, too */
    INTERRUPT = 8,
    FRAMES = 16, /* what the server sends is not bytes, but frames whose sizes are right */
    ROOMY = 32,  /* no request waits for a tag, and the last one is not sent */
};
enum {
    TAGS = 12, /* of which 4 are for Tflush: the last requests wait for a tag */
    MORE_TAGS = 16,
    INTO = 64,
    BODY = 48,
    REQUESTS = 11,
    FRAME = 1024,
    MSIZE = 1 << 18, /* more than the reader's buffer */
};

static const enum p9_dialect dialects[] = {P9_2000L, P9_2000U, P9_2000};

struct run {
    struct input in;
    uint8_t flags;
    enum p9_dialect dialect;
    struct p9_session *session;
    struct p9_batch batch;
};

struct shot {
    struct p9_req req;
    struct run *run;
    unsigned completed;
    bool again; /* done() submits another request */
};

/* The server: of a negotiation it sends as many bytes as the next message says that it has. */
static void request(struct transport *t, const uint8_t *msg, size_t n, void *arg)
{
    struct run *r = arg;
    size_t got;

    (void)n;
    if (msg[4] != P9_Tversion)
        return;
    if (!(r->flags & NEGOTIATE)) {
        peer_version(t, r->dialect, MSIZE);
        return;
    }
    size_t size = r->in.left >= 4 ? p9_get32(r->in.p) : 0;
    const uint8_t *p = take_bytes(&r->in, size, &got);
    peer_say(t, p, got);
    if (got < P9_HDRSZ || got < size)
        peer_end(t);
}

static void check_result(const struct p9_req *req)
{
    const struct p9_fcall *f = &req->rx;

    CHECK(req->rc <= 0);
    if (req->rc != 0)
        return;
    CHECK(f->type == req->type + 1);
    if (p9_has_payload(f->type))
        CHECK(f->Rread.count.p == req->into && f->Rread.count.n <= req->into_size);
    if (f->type == P9_Rreadlink && f->Rreadlink.target.len > 0)
        CHECK((const uint8_t *)f->Rreadlink.target.s + f->Rreadlink.target.len <= req->body + BODY);
}

static void done(struct p9_req *req)
{
    struct shot *s = req->arg;
    struct run *r = s->run;

    check_result(req);
    s->completed++;
    if (s->again) {
        struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = 9};
        s->again = false;
        s->completed = 0;
        *req = (struct p9_req){.done = done, .arg = s};
        p9_submit(r->session, req, &tx);
        return;
    }
    p9_batch_done(&r->batch);
}

static const uint8_t text[] = "written";

/* The requests of .L, or those of the others. */
static struct p9_fcall message(enum p9_dialect d, unsigned i)
{
    const struct p9_names name = {.n = 2, .name = {p9_str("a"), p9_str("b")}};
    const bool l = d == P9_2000L;
    struct p9_fcall all[REQUESTS] = {
        {.type = P9_Tread, .Tread = {.fid = 1, .count = INTO}},
        {.type = l ? P9_Treaddir : P9_Tread, .Treaddir = {.fid = 2, .count = INTO}},
        {.type = l ? P9_Treadlink : P9_Tstat, .Treadlink = {.fid = 3}},
        {.type = P9_Twalk, .Twalk = {.fid = 0, .newfid = 4, .nwname = name}},
        {.type = l ? P9_Tgetattr : P9_Tstat, .Tgetattr = {.fid = 3}},
        {.type = P9_Tread, .Tread = {.fid = 1, .offset = INTO, .count = INTO}},
        {.type = P9_Twrite, .Twrite = {.fid = 1, .count = {sizeof text, text}}},
        {.type = l ? P9_Tlopen : P9_Topen, .Tlopen = {.fid = 5}},
        {.type = P9_Tclunk, .Tclunk = {.fid = 6}},
        {.type = l ? P9_Tstatfs : P9_Tremove, .Tstatfs = {.fid = 0}},
        {.type = P9_Tread, .Tread = {.fid = 1, .offset = 2 * INTO, .count = INTO}},
    };
    return all[i];
}

/* Their destinations are on the heap, and have no byte more than they need. */
static void submit(struct run *r, struct shot *s, unsigned i, struct p9_scope *scope)
{
    struct p9_fcall tx = message(r->dialect, i);
    struct p9_req *req = &s->req;

    *s = (struct shot){.run = r, .again = i == 3};
    *req = (struct p9_req){.done = done, .arg = s};
    if (i == 2 || i == 5 || i == 10) /* two in flight, and one that waits for a tag */
        req->scope = scope;
    if (p9_has_payload(tx.type + 1u)) {
        req->into = malloc(INTO);
        req->into_size = INTO;
        req->part_ok = i == 1;
    } else if (i == 2) {
        req->body = malloc(BODY);
        req->body_size = BODY;
    }
    if ((r->flags & ROOMY) && i + 1 == REQUESTS)
        p9_submit_more(r->session, req, &tx);
    else
        p9_submit(r->session, req, &tx);
}

/* One byte says what it answers and how, then come the length and the bytes of its body, or of its
 * payload. */
static void say_frame(struct run *r, struct transport *t)
{
    uint8_t how = take_byte(&r->in), frame[P9_RREAD_HDRSZ + FRAME] = {0};
    unsigned tag = how % 16, first_flush = r->flags & ROOMY ? REQUESTS : TAGS - 4;
    unsigned type = tag < first_flush ? message(r->dialect, tag).type + 1u : P9_Rflush;
    size_t n = take_number(&r->in) % FRAME, got;
    const uint8_t *p = take_bytes(&r->in, n, &got);

    if (how >= 224)
        type = take_byte(&r->in);
    else if (how >= 192)
        type = r->dialect == P9_2000L ? P9_Rlerror : P9_Rerror;
    size_t head = p9_has_payload(type) ? P9_RREAD_HDRSZ : P9_HDRSZ;
    for (unsigned i = 0; i < 4; i++) {
        frame[i] = (uint8_t)((head + n) >> (8 * i));
        if (head == P9_RREAD_HDRSZ)
            frame[P9_HDRSZ + i] = (uint8_t)(n >> (8 * i));
    }
    frame[4] = (uint8_t)type;
    frame[5] = (uint8_t)tag;
    if (got > 0)
        memcpy(frame + head, p, got);
    peer_say(t, frame, head + n);
}

static void run(struct run *r, struct transport *t)
{
    struct shot *shots = calloc(REQUESTS, sizeof *shots);
    struct p9_scope scope = {0};
    void *bufs[REQUESTS];

    CHECK(shots != NULL);
    r->dialect = p9_session_dialect(r->session);
    p9_batch_init(&r->batch, REQUESTS);
    for (unsigned i = 0; i < REQUESTS; i++) {
        submit(r, &shots[i], i, &scope);
        bufs[i] = shots[i].req.into != NULL ? shots[i].req.into : shots[i].req.body;
    }
    if (r->flags & INTERRUPT)
        p9_interrupt(r->session, &scope);
    while ((r->flags & FRAMES) && r->in.left > 0)
        say_frame(r, t);
    peer_say(t, r->in.p, r->in.left);
    peer_end(t);
    p9_batch_wait(r->session, &r->batch);
    CHECK(scope.reqs == NULL);
    p9_session_stop(r->session);
    for (unsigned i = 0; i < REQUESTS; i++) {
        CHECK(shots[i].completed == 1);
        free(bufs[i]);
    }
    free(shots);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct run r = {.in = {data, n}};
    uint8_t flags = take_byte(&r.in);
    struct p9_session_options o = {.msize = MSIZE, .dialect = dialects[flags % 4 % 3]};
    struct transport *t = peer_new(request, &r);
    struct p9_why why;
    int err;

    peer_step(t, take_byte(&r.in));
    r.flags = flags;
    o.max_tags = flags & ROOMY ? MORE_TAGS : TAGS;
    r.dialect = o.dialect;
    r.session = p9_session_start(t, &o, &err, &why);
    if (r.session != NULL)
        run(&r, t);
    else
        CHECK(err < 0 && memchr(why.text, 0, sizeof why.text) != NULL);
    return 0;
}
