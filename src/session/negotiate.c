/*
 * negotiate.c: negotiating version and msize. version(5).
 */
#include "session/session_impl.h"

#include <errno.h>
#include <string.h>

/* A negotiation. The reader thread applies Rversion, as it reads the next message right
 * afterwards. */
struct negotiation {
    struct p9_session *s;
    const struct p9_session_options *o;
    enum p9_dialect asked;
    struct p9_why *why;
    struct p9_batch batch;
    int err;
};

static int check_version(struct negotiation *a, const struct p9_fcall *rx)
{
    struct p9_str got = rx->Rversion.version;
    uint32_t msize = rx->Rversion.msize;
    enum p9_dialect dialect = a->asked;

    while (dialect != 0 && !p9_str_eq(got, p9_dialect_name(dialect)))
        dialect = a->o->only ? 0 : p9_dialect_below(dialect);
    if (dialect == 0)
        return p9_set_why(a->why, -EPROTONOSUPPORT, "the server does not speak %s: it answered '%.*s'",
                          p9_dialect_name(a->asked), got.len < 64 ? got.len : 64, got.s);
    if (msize > a->o->msize || msize < P9_MIN_MSIZE)
        return p9_set_why(a->why, -EPROTO, "the server answers msize %u to %u: at least %u is needed", msize,
                          a->o->msize, P9_MIN_MSIZE);
    if (a->s->dialect != dialect)
        a->s->dialect = dialect;
    atomic_store(&a->s->msize, msize);
    return 0;
}

static void version_done(struct p9_req *req)
{
    struct negotiation *a = req->arg;
    /* The timer completes a request whose time is over, while the reader uses the transport. */
    const char *known = req->rc != 0 && req->rc != -ETIMEDOUT ? transport_why(a->s->t) : NULL;

    a->err = req->rc;
    if (req->rc == 0)
        a->err = check_version(a, &req->rx);
    else if (known != NULL)
        p9_set_why(a->why, 0, "%s", known);
    else if (req->rc == -EPROTO)
        p9_set_why(a->why, 0, "the server does not speak 9P");
    else if (req->rc == -ETIMEDOUT)
        p9_set_why(a->why, 0, "the server does not answer: it may not speak 9P");
    else if (req->rc == -ECONNRESET)
        p9_set_why(a->why, 0, "the server closed the connection: it may not speak 9P");
    else
        a->err = p9_set_why(a->why, -EPROTONOSUPPORT, "the server refuses %s: %s", p9_dialect_name(a->asked),
                            strerror(-req->rc));
    p9_batch_done(&a->batch);
}

static int ask(struct negotiation *a)
{
    struct p9_scope sc = {.limit_ms = (unsigned)a->o->setup_timeout_ms, .restores = true};
    struct p9_req req = {.done = version_done, .arg = a, .scope = &sc};
    struct p9_fcall tx = {.type = P9_Tversion,
                          .Tversion = {.msize = a->o->msize, .version = p9_str(p9_dialect_name(a->asked))}};

    if (a->s->dialect != a->asked)
        a->s->dialect = a->asked;
    p9_batch_init(&a->batch, 1);
    p9_submit(a->s, &req, &tx);
    p9_batch_wait(a->s, &a->batch);
    return a->err;
}

/* Some servers have .u, and answer 9P2000 to any version that they do not know (go9p). */
static bool may_have_u(const struct negotiation *a)
{
    return a->s->dialect == P9_2000 && a->asked > P9_2000U && !a->o->only && !a->o->last;
}

int session_negotiate(struct p9_session *s, const struct p9_session_options *o, struct p9_why *why)
{
    struct p9_why lower;
    struct negotiation a = {.s = s, .o = o, .asked = o->dialect, .why = why};
    int err = ask(&a);

    if (err == 0 && may_have_u(&a)) {
        a.asked = P9_2000U;
        err = ask(&a);
    }
    a.why = &lower; /* the caller gets the reason of the first refusal */
    while (err == -EPROTONOSUPPORT && !o->only && (a.asked = p9_dialect_below(a.asked)) != 0)
        err = ask(&a);
    return err;
}
