/*
 * reader.c: the reader thread: reads one reply after the other and completes its request.
 *
 * Every length is checked against the request before a byte is stored. A payload is received
 * straight into its destination. A frame is size, type and tag. After an invalid frame the messages
 * that follow cannot be delimited: the connection ends, and the reason is logged. A valid frame
 * with a malformed body is skipped, and only its request fails.
 */
#include "session/session_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/errors.h"

enum { READ_AT_LEAST = 4096 + 64 }; /* bytes in one read(2): the reply to a small read fits */

/* Bytes have arrived just now. */
static void note_arrival(struct p9_session *s)
{
    s->read_us = clock_us();
    atomic_store(&s->heard, s->read_us / 1000);
}

/* Makes at least `need` bytes available at in[in_start]. 0, or -errno (-ECONNRESET at the end). */
static int fill(struct p9_session *s, size_t need)
{
    if (s->in_start + need > sizeof s->in) {
        memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
        s->in_end -= s->in_start;
        s->in_start = 0;
    }
    while (s->in_end - s->in_start < need) {
        size_t room = sizeof s->in - s->in_end, want = need - (s->in_end - s->in_start);
        if (want < READ_AT_LEAST)
            want = READ_AT_LEAST;
        struct iovec iov = {s->in + s->in_end, want < room ? want : room};
        ssize_t r = transport_read(s->t, &iov, 1, atomic_load(&s->several));
        if (r <= 0)
            return r < 0 ? (int)r : -ECONNRESET;
        note_arrival(s);
        s->in_end += (size_t)r;
    }
    return 0;
}

/* Receives a payload straight into its destination, and the bytes that follow it into the
 * buffer. */
static int fill_into(struct p9_session *s, uint8_t *dst, size_t n)
{
    size_t have = s->in_end - s->in_start < n ? s->in_end - s->in_start : n;

    if (have > 0)
        memcpy(dst, s->in + s->in_start, have);
    s->in_start += have;
    while (have < n) {
        s->in_start = s->in_end = 0;
        struct iovec iov[2] = {{dst + have, n - have}, {s->in, READ_AT_LEAST}};
        ssize_t r = transport_read(s->t, iov, 2, atomic_load(&s->several));
        if (r <= 0)
            return r < 0 ? (int)r : -ECONNRESET;
        note_arrival(s);
        if ((size_t)r > n - have)
            s->in_end = (size_t)r - (n - have);
        have += (size_t)r < n - have ? (size_t)r : n - have;
    }
    return 0;
}

__attribute__((format(printf, 2, 3))) static int protocol_error(struct p9_session *s, const char *fmt, ...)
{
    char reason[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    p9_session_drop(s, -EPROTO, reason);
    return -EPROTO;
}

static struct p9_req *pending_with(const struct p9_session *s, uint16_t tag)
{
    if (tag == P9_NOTAG)
        return s->version;
    return tag < s->max_tags ? s->pending[tag] : NULL;
}

/* The request that a reply with this tag and type answers; NULL if there is none: the connection
 * ends then. receives: from now on only the reader completes it; until then another thread may
 * leave a ghost in its place. */
static struct p9_req *request_of(struct p9_session *s, uint16_t tag, unsigned type, bool receives)
{
    pthread_mutex_lock(&s->mtx);
    struct p9_req *req = pending_with(s, tag);
    /* A fast server answers before the writing thread has marked the request as sent. */
    while (req != NULL && req->state == P9_REQ_QUEUED && s->writing) {
        pthread_cond_wait(&s->idle, &s->mtx);
        req = pending_with(s, tag);
    }
    unsigned asked = req != NULL && req->state == P9_REQ_SENT ? req->type : 0;
    bool fits = asked != 0 && (type == asked + 1 || type == P9_Rlerror || type == P9_Rerror);
    if (fits && receives)
        s->receiving = req;
    pthread_mutex_unlock(&s->mtx);
    if (fits)
        return req;
    const char *name = p9_type_name(type);
    if (asked == 0)
        protocol_error(s, "the server sent a reply of type %u with tag %u, which no request in flight has", type, tag);
    else
        protocol_error(s, "the server answered %s with %s (type %u)", p9_type_name(asked),
                       name != NULL ? name : "an unknown message", type);
    return NULL;
}

/* A reply to Tversion may be an error in the form of any dialect. */
static size_t unpack(struct p9_session *s, const uint8_t *p, size_t n, struct p9_fcall *f, bool version)
{
    size_t r = p9_convM2S(p, n, s->dialect, f);

    for (enum p9_dialect d = P9_2000L; r == 0 && version && d != 0; d = p9_dialect_below(d))
        r = p9_convM2S(p, n, d, f);
    return r;
}

static int skip(struct p9_session *s, size_t n)
{
    int err = 0;

    while (n > 0 && err == 0) {
        size_t have = s->in_end - s->in_start < n ? s->in_end - s->in_start : n;
        s->in_start += have;
        n -= have;
        if (n > 0)
            err = fill(s, 1);
    }
    return err;
}

/* Logs the first malformed reply of each type. During setup the caller reports the failure. */
static void log_malformed(struct p9_session *s, unsigned type, uint32_t size)
{
    if (!s->malformed[type] && atomic_load(&s->setup_timeout_ms) == 0)
        log_warning("the server sent a malformed %s of %u bytes: its request fails, as will others with such replies",
                    p9_type_name(type), size);
    s->malformed[type] = true;
}

/* Receives a payload, and skips what exceeds the count asked for. */
static int receive_payload(struct p9_session *s, struct p9_req *req, uint32_t count)
{
    uint32_t n = count < req->into_size ? count : req->into_size;

    s->in_start += P9_RREAD_HDRSZ;
    req->rx.type = (uint8_t)(req->type + 1);
    req->rx.tag = req->tag;
    req->rx.Rread.count = (struct p9_blob){n, req->into};
    req->cut = n < count;
    int err = fill_into(s, req->into, n);
    return err == 0 ? skip(s, count - n) : err;
}

/* Reads a reply with a payload into the request's rx. *rc is -EPROTO if it is malformed. */
static int read_payload(struct p9_session *s, struct p9_req *req, uint32_t size, int *rc)
{
    bool has_count = size >= P9_RREAD_HDRSZ;
    uint32_t count = has_count ? p9_get32(s->in + s->in_start + P9_HDRSZ) : 0;

    if (has_count && count == size - P9_RREAD_HDRSZ && (count <= req->into_size || req->part_ok))
        return receive_payload(s, req, count);
    *rc = -EPROTO;
    return skip(s, size);
}

static int unpack_body(struct p9_session *s, struct p9_req *req, const uint8_t *p, uint32_t size)
{
    int rc = 0;

    if (req->body != NULL && size <= req->body_size)
        p = memcpy(req->body, p, size);
    else if (req->body != NULL)
        rc = -EMSGSIZE;
    if (unpack(s, p, size, &req->rx, req->type == P9_Tversion) == 0)
        rc = -EPROTO;
    else if (req->rx.type == P9_Rlerror && p[4] == P9_Rerror)
        atomic_store(&s->rerror_is_rlerror, true);
    return rc;
}

static int read_body(struct p9_session *s, struct p9_req *req, uint32_t size, int *rc)
{
    if (size > sizeof s->in) { /* longer than any valid reply */
        *rc = -EPROTO;
        return skip(s, size);
    }
    *rc = unpack_body(s, req, s->in + s->in_start, size);
    s->in_start += size;
    return 0;
}

/* Waits for what is read before the reply is stored: a payload's count, or a whole message. */
static struct p9_req *await_reply(struct p9_session *s, uint16_t tag, unsigned type, uint32_t size, int *err)
{
    uint32_t first = p9_has_payload(type) ? P9_RREAD_HDRSZ : sizeof s->in, need = size < first ? size : first;
    bool is_here = s->in_end - s->in_start >= need;
    struct p9_req *req = request_of(s, tag, type, is_here);

    *err = req == NULL ? -EPROTO : is_here ? 0 : fill(s, need);
    if (*err == 0 && !is_here && (req = request_of(s, tag, type, true)) == NULL)
        *err = -EPROTO;
    return req;
}

/* Frees the tag of a request that is answered. Called with the lock. */
static void answered(struct p9_session *s, struct p9_req *req, uint16_t tag, const struct arrival *a)
{
    s->receiving = NULL;
    s->ghosts -= req->ghost;
    session_count_reply(s, req, a);
    session_note_latency(s, req, session_duration(req, a));
    if (tag == P9_NOTAG)
        s->version = NULL;
    else if (req->flushing)
        s->pending[tag] = NULL; /* the tag stays in use until Rflush */
    else
        session_free_tag(s, tag);
    session_note_order(s, req);
    session_scope_leave(req);
    session_wake_waiting(s);
    session_pump(s);
}

/* Reads one reply and completes its request. -errno: the connection ends. */
static int read_reply(struct p9_session *s)
{
    int rc = 0, err = fill(s, P9_HDRSZ);
    if (err != 0)
        return err;
    const uint8_t *p = s->in + s->in_start;
    uint32_t size = p9_get32(p), msize = atomic_load(&s->msize);
    unsigned type = p[4];
    uint16_t tag = p9_get16(p + 5);

    if (size < P9_HDRSZ || size > msize) {
        return protocol_error(s, "the server sent a message of %u bytes (msize is %u)%s", size, msize,
                              s->version != NULL ? ": it does not speak 9P" : "");
    }
    struct p9_req *req = await_reply(s, tag, type, size, &err);
    if (err == 0)
        err = p9_has_payload(type) ? read_payload(s, req, size, &rc) : read_body(s, req, size, &rc);
    if (err != 0)
        return err;
    struct arrival a = {.us = s->read_us, .size = size, .type = (uint8_t)type, .malformed = rc == -EPROTO};
    a.is_error = a.malformed || req->rx.type == P9_Rlerror || req->rx.type == P9_Rerror;
    if (a.malformed)
        log_malformed(s, type, size);
    else if (a.is_error)
        rc = p9_error_of(&req->rx, &req->vague);
    if (rc == 0 && s->replied != NULL)
        s->replied(s->replied_arg, req->type, req->head, req->head_len, &req->rx);

    pthread_mutex_lock(&s->mtx);
    if (s->trace)
        session_trace_reply(s, req, &a);
    /* Without an interrupt EINTR would make the kernel repeat the operation. */
    if (rc == -EINTR && !req->flushing)
        rc = -EIO;
    s->patience = req->was_sent ? 0 : s->patience;
    answered(s, req, tag, &a);
    pthread_mutex_unlock(&s->mtx);
    session_complete(req, rc);
    return 0;
}

void *session_reader_main(void *arg)
{
    struct p9_session *s = arg;
    const char *reason;
    int err;

    do {
        while ((err = read_reply(s)) == 0)
            ;
        reason = transport_why(s->t);
        if (reason == NULL)
            reason = err == -ECONNRESET ? "the server closed the connection" : strerror(-err);
    } while (session_await_connection(s, err, reason));
    p9_session_fail(s, err, reason);
    session_complete_all(s);
    return NULL;
}
