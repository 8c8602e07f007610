/*
 * negotiate.c: agreeing on version and msize; the session's beginning and end.
 */
#include "session/session_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

__attribute__((format(printf, 3, 4))) static int say_why(struct p9_why *why, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return err;
}

/* What the reader makes of Rversion, as the next message is already read by it. */
struct agreement {
    struct p9_session *s;
    const struct p9_session_options *o;
    enum p9_dialect asked;
    struct p9_why *why;
    struct p9_batch batch;
    int err;
};

static int check_version(struct agreement *a, const struct p9_fcall *rx)
{
    struct p9_str got = rx->Rversion.version;
    uint32_t msize = rx->Rversion.msize;
    enum p9_dialect dialect = a->asked;

    while (dialect != 0 && !p9_str_eq(got, p9_dialect_name(dialect)))
        dialect = a->o->only ? 0 : p9_dialect_below(dialect);
    if (dialect == 0)
        return say_why(a->why, -EPROTONOSUPPORT, "the server does not speak %s: it answered '%.*s'",
                       p9_dialect_name(a->asked), got.len < 64 ? got.len : 64, got.s);
    if (msize > a->o->msize || msize < P9_MIN_MSIZE)
        return say_why(a->why, -EPROTO, "the server answered msize %u to %u: at least %u is needed", msize, a->o->msize,
                       P9_MIN_MSIZE);
    a->s->dialect = dialect;
    a->s->msize = msize;
    return 0;
}

static void version_done(struct p9_req *req)
{
    struct agreement *a = req->arg;

    a->err = req->rc;
    if (req->rc == 0)
        a->err = check_version(a, &req->rx);
    else if (req->rc == -EPROTO)
        say_why(a->why, 0, "the server does not speak 9P");
    else if (req->rc == -ETIMEDOUT)
        say_why(a->why, 0, "the server does not answer: it may not speak 9P");
    else if (req->rc == -ECONNRESET)
        say_why(a->why, 0, "the server closed the connection: it may not speak 9P");
    else
        a->err = say_why(a->why, -EPROTONOSUPPORT, "the server refuses %s: %s", p9_dialect_name(a->asked),
                         strerror(-req->rc));
    p9_batch_done(&a->batch);
}

static int ask(struct agreement *a)
{
    struct p9_req req = {.done = version_done, .arg = a};
    struct p9_fcall tx = {.type = P9_Tversion,
                          .Tversion = {.msize = a->o->msize, .version = p9_str(p9_dialect_name(a->asked))}};

    a->s->dialect = a->asked;
    p9_batch_init(&a->batch, 1);
    p9_submit(a->s, &req, &tx);
    p9_batch_wait(a->s, &a->batch);
    return a->err;
}

/* Some know .u, and answer 9P2000 to anything that they do not know (go9p). */
static bool may_know_more(const struct agreement *a)
{
    return a->s->dialect == P9_2000 && a->asked > P9_2000U && !a->o->only && !a->o->last;
}

/* Agrees on dialect and msize: a server that does not know a dialect is asked for the next lower one. version(5). */
static int agree(struct p9_session *s, const struct p9_session_options *o, struct p9_why *why)
{
    struct p9_why lower;
    struct agreement a = {.s = s, .o = o, .asked = o->dialect, .why = why};
    int err = ask(&a);

    if (err == 0 && may_know_more(&a)) {
        a.asked = P9_2000U;
        err = ask(&a);
    }
    a.why = &lower; /* what it says of the first is what counts */
    while (err == -EPROTONOSUPPORT && !o->only && (a.asked = p9_dialect_below(a.asked)) != 0)
        err = ask(&a);
    return err;
}

static struct p9_session *session_new(struct transport *t, const struct p9_session_options *o)
{
    struct p9_session *s = calloc(1, sizeof *s);
    unsigned max = o->max_tags != 0 && o->max_tags < P9_NOTAG ? o->max_tags : P9_NOTAG;

    if (s == NULL)
        return NULL;
    s->pending = calloc(max, sizeof *s->pending);
    s->free_tags = calloc(max, sizeof *s->free_tags);
    if (s->pending == NULL || s->free_tags == NULL) {
        free(s->pending);
        free(s->free_tags);
        free(s);
        return NULL;
    }
    s->t = t;
    s->dialect = o->dialect;
    s->msize = o->msize;
    s->trace = o->trace;
    s->max_tags = s->nfree = max;
    for (unsigned i = 0; i < max; i++)
        s->free_tags[i] = (uint16_t)(max - 1 - i);
    atomic_init(&s->setup_timeout_ms, o->setup_timeout_ms);
    atomic_init(&s->dead, false);
    atomic_init(&s->rerror_is_rlerror, false);
    session_queue_init(&s->waiting);
    session_queue_init(&s->out);
    session_queue_init(&s->cancelled);
    pthread_mutex_init(&s->mtx, NULL);
    pthread_cond_init(&s->idle, NULL);
    pthread_cond_init(&s->full, NULL);
    return s;
}

static void session_free(struct p9_session *s)
{
    pthread_cond_destroy(&s->full);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->mtx);
    transport_close(s->t);
    free(s->pending);
    free(s->free_tags);
    free(s);
}

struct p9_session *p9_session_start(struct transport *t, const struct p9_session_options *o, int *err,
                                    struct p9_why *why)
{
    struct p9_session *s = session_new(t, o);

    if (s == NULL) {
        transport_close(t);
        *err = say_why(why, -ENOMEM, "%s", strerror(ENOMEM));
        return NULL;
    }
    *err = thread_start(&s->reader, session_reader_main, s);
    if (*err != 0) {
        say_why(why, *err, "cannot start a thread: %s", strerror(-*err));
        session_free(s);
        return NULL;
    }
    *err = thread_start(&s->writer, session_writer_main, s);
    if (*err != 0) {
        say_why(why, *err, "cannot start a thread: %s", strerror(-*err));
        p9_session_fail(s, -ECANCELED, NULL);
        pthread_join(s->reader, NULL);
        session_free(s);
        return NULL;
    }
    *err = agree(s, o, why);
    if (*err != 0) {
        p9_session_stop(s);
        return NULL;
    }
    return s;
}

void p9_session_stop(struct p9_session *s)
{
    p9_session_fail(s, -ECANCELED, NULL);
    pthread_join(s->reader, NULL);
    pthread_join(s->writer, NULL);
    session_free(s);
}

void p9_session_timeout(struct p9_session *s, int ms)
{
    atomic_store(&s->setup_timeout_ms, ms);
}

int p9_session_ready(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    int err = s->error;
    s->ready = err == 0;
    pthread_mutex_unlock(&s->mtx);
    if (err == 0)
        p9_session_timeout(s, 0);
    return err;
}

enum p9_dialect p9_session_dialect(const struct p9_session *s)
{
    return s->dialect;
}

uint32_t p9_session_msize(const struct p9_session *s)
{
    return s->msize;
}

uint32_t p9_session_payload(const struct p9_session *s)
{
    return s->msize - P9_IOHDRSZ;
}

bool p9_session_rerror_is_rlerror(struct p9_session *s)
{
    return atomic_load(&s->rerror_is_rlerror);
}

bool p9_session_dead(struct p9_session *s)
{
    return atomic_load(&s->dead);
}
