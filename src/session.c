/*
 * session.c: tags, one reader thread, gathered writes, flush.
 *
 * A request goes WAITING (no tag free) -> QUEUED (has a tag, in outq) -> SENT, and is
 * completed once. `pending[tag]` names it from the moment it has a tag until a reply
 * can no longer come; after a flush the tag stays taken until Rflush.
 *
 * Whoever submits also writes, as far as the connection takes it without waiting: one thread at
 * a time (`writing`) gathers what is queued into one writev, and the others leave their
 * requests to it. When the connection is full the writer thread waits in their
 * stead, so that neither a submitter nor, above all, the reader ever blocks on it.
 *
 * The reader alone completes what has a tag, so that a buffer it reads into cannot be
 * taken from under it: others who end the connection only mark it and shut it down.
 *
 * One lock, `mtx`, guards all of a session's fields and the scopes; it is never held
 * over a read, a write or a done().
 */
#include "session.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "errors.h"
#include "log.h"

enum {
    GATHER = 64,             /* messages in one writev */
    RESERVED_TAGS = 4,       /* kept for Tflush, so that a full window can be interrupted */
    READ_BUFFER = 80 * 1024, /* holds any reply but its payload: strings have at most 65535 bytes */
    READ_AHEAD = 4096,       /* bytes read at once where no payload is expected */
};

struct queue {
    struct p9_req *first, **last;
};

struct p9_session {
    struct transport *t;
    enum p9_dialect dialect;
    uint32_t msize;
    bool trace;
    atomic_int setup_timeout_ms;
    atomic_bool dead;
    atomic_bool rerror_is_rlerror; /* seen: a number in a message of Rerror's type (nfs-ganesha) */

    pthread_mutex_t mtx;
    pthread_cond_t idle;     /* `writing` became false */
    pthread_cond_t full;     /* `blocked` became true, or the session ended */
    struct p9_req **pending; /* [max_tags] */
    uint16_t *free_tags;     /* a stack */
    unsigned max_tags, nfree;
    struct p9_req *version; /* the request with tag NOTAG */
    struct queue waiting, out;
    struct queue cancelled; /* interrupted while they waited: for the reader to complete */
    size_t out_done;        /* bytes of the first in out already written */
    bool writing;           /* some thread is in transport_write */
    bool blocked;           /* the connection is full: the writer waits */
    int error;              /* -errno once the connection is given up */
    char reason[256];       /* and why, in words */

    pthread_t reader, writer;
    uint8_t in[READ_BUFFER]; /* the reader's: bytes read and not yet used */
    size_t in_start, in_end;
};

/* ---- queues, scopes ----------------------------------------------------- */

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_add(struct queue *q, struct p9_req *req)
{
    req->next = NULL;
    *q->last = req;
    q->last = &req->next;
}

static struct p9_req *queue_take(struct queue *q)
{
    struct p9_req *req = q->first;

    if (req != NULL && (q->first = req->next) == NULL)
        q->last = &q->first;
    return req;
}

static void scope_enter(struct p9_req *req)
{
    struct p9_scope *sc = req->scope;

    if (sc == NULL)
        return;
    req->scope_next = sc->reqs;
    req->scope_link = &sc->reqs;
    if (sc->reqs != NULL)
        sc->reqs->scope_link = &req->scope_next;
    sc->reqs = req;
}

static void scope_leave(struct p9_req *req)
{
    if (req->scope_link == NULL)
        return;
    *req->scope_link = req->scope_next;
    if (req->scope_next != NULL)
        req->scope_next->scope_link = req->scope_link;
    req->scope_link = NULL;
}

/* ---- trace -------------------------------------------------------------- */

static void trace(const struct p9_session *s, const char *way, const struct p9_fcall *f)
{
    char line[1024];

    if (!s->trace)
        return;
    p9_fcallfmt(line, sizeof line, f, s->dialect);
    fprintf(stderr, "%s %s\n", way, line);
}

/* ---- completing --------------------------------------------------------- */

/* Called without the lock, by one thread, once. */
static void complete(struct p9_req *req, int rc)
{
    if (req->head != req->small)
        free(req->head);
    req->head = NULL;
    req->state = P9_REQ_IDLE;
    req->rc = rc;
    req->done(req);
}

static bool take_tag(struct p9_session *s, struct p9_req *req)
{
    unsigned keep = req->type == P9_Tflush ? 0 : RESERVED_TAGS;

    if (s->nfree <= keep)
        return false;
    req->tag = s->free_tags[--s->nfree];
    s->pending[req->tag] = req;
    req->head[5] = (uint8_t)req->tag;
    req->head[6] = (uint8_t)(req->tag >> 8);
    return true;
}

static void free_tag(struct p9_session *s, uint16_t tag)
{
    s->pending[tag] = NULL;
    s->free_tags[s->nfree++] = tag;
}

static void enqueue(struct p9_session *s, struct p9_req *req)
{
    req->state = P9_REQ_QUEUED;
    queue_add(&s->out, req);
}

/* Tags came free: those that wait for one go on, in their order. */
static void wake_waiting(struct p9_session *s)
{
    struct p9_req *req;

    while ((req = s->waiting.first) != NULL && (req->flushing || take_tag(s, req))) {
        queue_take(&s->waiting);
        if (req->flushing)
            queue_add(&s->cancelled, req);
        else
            enqueue(s, req);
    }
}

/* ---- writing ------------------------------------------------------------ */

static int gather(struct p9_session *s, struct iovec *iov)
{
    size_t skip = s->out_done;
    int n = 0;

    for (struct p9_req *r = s->out.first; r != NULL && n + 2 <= 2 * GATHER; r = r->next) {
        if (skip < r->head_len) {
            iov[n++] = (struct iovec){r->head + skip, r->head_len - skip};
            skip = 0;
        } else {
            skip -= r->head_len;
        }
        if (r->payload_len > skip)
            iov[n++] = (struct iovec){(uint8_t *)r->payload + skip, r->payload_len - skip};
        skip = 0;
    }
    return n;
}

static void written(struct p9_session *s, size_t n)
{
    s->out_done += n;
    while (s->out.first != NULL) {
        size_t size = s->out.first->head_len + s->out.first->payload_len;
        if (s->out_done < size)
            break;
        s->out_done -= size;
        queue_take(&s->out)->state = P9_REQ_SENT;
    }
}

/* Writes what is queued. Called with the lock; gives it up while writing. */
static void pump(struct p9_session *s)
{
    struct iovec iov[2 * GATHER];

    while (!s->writing && !s->blocked && s->error == 0 && s->out.first != NULL) {
        int n = gather(s, iov);
        s->writing = true;
        pthread_mutex_unlock(&s->mtx);
        ssize_t r = transport_write(s->t, iov, n);
        pthread_mutex_lock(&s->mtx);
        s->writing = false;
        pthread_cond_broadcast(&s->idle);
        if (r == -EAGAIN) {
            s->blocked = true;
            pthread_cond_signal(&s->full);
        } else if (r < 0) {
            transport_shutdown(s->t); /* the reader sees the end and completes everything */
            return;
        } else {
            written(s, (size_t)r);
        }
    }
}

/* The writer thread: waits for a full connection to take bytes again. */
static void *writer_main(void *arg)
{
    struct p9_session *s = arg;

    pthread_mutex_lock(&s->mtx);
    while (s->error == 0) {
        if (!s->blocked) {
            pthread_cond_wait(&s->full, &s->mtx);
            continue;
        }
        pthread_mutex_unlock(&s->mtx);
        transport_wait_writable(s->t);
        pthread_mutex_lock(&s->mtx);
        s->blocked = false;
        pump(s);
    }
    pthread_mutex_unlock(&s->mtx);
    return NULL;
}

/* ---- submitting --------------------------------------------------------- */

static int pack(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    size_t size = p9_sizeS2M(tx, s->dialect);
    const struct p9_blob *data = tx->type == P9_Twrite ? &tx->Twrite.count : NULL;

    if (size == 0)
        return -EINVAL;
    if (size > s->msize)
        return -EMSGSIZE;
    req->payload = data != NULL ? data->p : NULL;
    req->payload_len = data != NULL ? data->n : 0;
    req->head_len = size - req->payload_len;
    req->head = req->head_len <= sizeof req->small ? req->small : malloc(req->head_len);
    if (req->head == NULL)
        return -ENOMEM;
    p9_headS2M(tx, s->dialect, req->head, req->head_len);
    return 0;
}

void p9_submit(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    int err = pack(s, req, tx);

    req->type = tx->type;
    req->flushing = false;
    req->scope_link = NULL;
    if (err == 0) {
        pthread_mutex_lock(&s->mtx);
        err = s->error;
        if (req->scope != NULL && req->scope->interrupted)
            err = -EINTR;
    } else {
        req->head = req->small;
        pthread_mutex_lock(&s->mtx);
    }
    if (err != 0) {
        pthread_mutex_unlock(&s->mtx);
        complete(req, err);
        return;
    }
    scope_enter(req);
    req->tag = P9_NOTAG;
    if (tx->type == P9_Tversion) {
        req->head[5] = req->head[6] = 0xff;
        s->version = req;
        enqueue(s, req);
    } else if (s->waiting.first == NULL && take_tag(s, req)) {
        enqueue(s, req);
    } else {
        req->state = P9_REQ_WAITING;
        queue_add(&s->waiting, req);
    }
    if (s->trace) {
        struct p9_fcall shown = *tx;
        shown.tag = req->tag;
        trace(s, "->", &shown);
    }
    pump(s);
    pthread_mutex_unlock(&s->mtx);
}

/* ---- flush -------------------------------------------------------------- */

struct flush {
    struct p9_req req;
    struct p9_session *s;
    uint16_t oldtag;
};

static void flush_done(struct p9_req *req)
{
    struct flush *f = req->arg;
    struct p9_session *s = f->s;
    struct p9_req *target = NULL;

    pthread_mutex_lock(&s->mtx);
    if (s->error == 0) { /* an error to Tflush ends the wait as Rflush does */
        target = s->pending[f->oldtag];
        free_tag(s, f->oldtag);
        if (target != NULL)
            scope_leave(target);
        wake_waiting(s);
        pump(s);
    }
    pthread_mutex_unlock(&s->mtx);
    if (target != NULL)
        complete(target, -EINTR);
    free(f);
}

/* Sends a Tflush for a request that is out. Called with the lock; gives it up for a moment. */
static void send_flush(struct p9_session *s, struct p9_req *target)
{
    struct flush *f = calloc(1, sizeof *f);

    if (f == NULL)
        return; /* the request then simply takes its time */
    *f = (struct flush){.req = {.done = flush_done, .arg = f}, .s = s, .oldtag = target->tag};
    target->flushing = true;
    struct p9_fcall tx = {.type = P9_Tflush, .Tflush.oldtag = target->tag};
    pthread_mutex_unlock(&s->mtx);
    p9_submit(s, &f->req, &tx);
    pthread_mutex_lock(&s->mtx);
}

static struct p9_req *next_to_interrupt(struct p9_scope *scope)
{
    for (struct p9_req *r = scope->reqs; r != NULL; r = r->scope_next)
        if (!r->flushing)
            return r;
    return NULL;
}

void p9_interrupt(struct p9_session *s, struct p9_scope *scope)
{
    struct p9_req *req;

    pthread_mutex_lock(&s->mtx);
    scope->interrupted = true;
    while ((req = next_to_interrupt(scope)) != NULL) {
        if (req->state == P9_REQ_WAITING)
            req->flushing = true; /* never sent: it ends when its turn comes */
        else
            send_flush(s, req);
    }
    pthread_mutex_unlock(&s->mtx);
}

/* ---- the end of a connection -------------------------------------------- */

/* Marks the connection as over; the first reason counts. Called with the lock. */
static void give_up(struct p9_session *s, int err, const char *reason)
{
    if (s->error != 0)
        return;
    s->error = err;
    if (reason != NULL)
        snprintf(s->reason, sizeof s->reason, "%s", reason);
    atomic_store(&s->dead, true);
    transport_shutdown(s->t);
    pthread_cond_broadcast(&s->full);
}

void p9_session_fail(struct p9_session *s, int err, const char *reason)
{
    pthread_mutex_lock(&s->mtx);
    give_up(s, err, reason);
    pthread_mutex_unlock(&s->mtx);
}

/* The reader's last act. */
static void complete_all(struct p9_session *s)
{
    struct queue lost;

    queue_init(&lost);
    pthread_mutex_lock(&s->mtx);
    while (s->writing) /* it may be reading from a request's buffers */
        pthread_cond_wait(&s->idle, &s->mtx);
    for (unsigned i = 0; i < s->max_tags; i++)
        if (s->pending[i] != NULL) {
            queue_add(&lost, s->pending[i]);
            s->pending[i] = NULL;
        }
    if (s->version != NULL)
        queue_add(&lost, s->version);
    s->version = NULL;
    for (struct p9_req *r; (r = queue_take(&s->waiting)) != NULL || (r = queue_take(&s->cancelled)) != NULL;)
        queue_add(&lost, r);
    queue_init(&s->out);
    for (struct p9_req *r = lost.first; r != NULL; r = r->next)
        scope_leave(r);
    int err = s->error;
    pthread_mutex_unlock(&s->mtx);

    if (s->reason[0] != 0 && atomic_load(&s->setup_timeout_ms) == 0)
        log_error("connection lost: %s", s->reason);
    for (struct p9_req *r; (r = queue_take(&lost)) != NULL;)
        complete(r, err);
}

/* ---- reading ------------------------------------------------------------ */

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
        if (want < READ_AHEAD)
            want = READ_AHEAD;
        struct iovec iov = {s->in + s->in_end, want < room ? want : room};
        ssize_t r = transport_read(s->t, &iov, 1);
        if (r <= 0)
            return r < 0 ? (int)r : -ECONNRESET;
        s->in_end += (size_t)r;
    }
    return 0;
}

/* Receives a payload straight into its destination; what follows it lands in the buffer. */
static int fill_into(struct p9_session *s, uint8_t *dst, size_t n)
{
    size_t have = s->in_end - s->in_start < n ? s->in_end - s->in_start : n;

    if (have > 0)
        memcpy(dst, s->in + s->in_start, have);
    s->in_start += have;
    while (have < n) {
        s->in_start = s->in_end = 0;
        struct iovec iov[2] = {{dst + have, n - have}, {s->in, READ_AHEAD}};
        ssize_t r = transport_read(s->t, iov, 2);
        if (r <= 0)
            return r < 0 ? (int)r : -ECONNRESET;
        if ((size_t)r > n - have)
            s->in_end = (size_t)r - (n - have);
        have += (size_t)r < n - have ? (size_t)r : n - have;
    }
    return 0;
}

__attribute__((format(printf, 2, 3))) static int broken(struct p9_session *s, const char *fmt, ...)
{
    char reason[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    p9_session_fail(s, -EPROTO, reason);
    return -EPROTO;
}

static struct p9_req *pending_with(const struct p9_session *s, uint16_t tag)
{
    if (tag == P9_NOTAG)
        return s->version;
    return tag < s->max_tags ? s->pending[tag] : NULL;
}

/* The request that a reply with this tag answers; NULL and the connection ended if there is none. */
static struct p9_req *request_of(struct p9_session *s, uint16_t tag, unsigned type)
{
    pthread_mutex_lock(&s->mtx);
    struct p9_req *req = pending_with(s, tag);
    /* A quick server answers before the thread that wrote has noted that it did. */
    while (req != NULL && req->state == P9_REQ_QUEUED && s->writing)
        pthread_cond_wait(&s->idle, &s->mtx);
    bool sent = req != NULL && req->state == P9_REQ_SENT;
    pthread_mutex_unlock(&s->mtx);
    if (!sent) {
        broken(s, "the server sent a reply of type %u with tag %u, which no request has", type, tag);
        return NULL;
    }
    if (type != req->type + 1u && type != P9_Rlerror && type != P9_Rerror) {
        const char *name = p9_type_name(type);
        broken(s, "the server answered %s with %s (type %u)", p9_type_name(req->type),
               name != NULL ? name : "an unknown message", type);
        return NULL;
    }
    return req;
}

/* Before the dialect is agreed an error may have any dialect's form. */
static size_t unpack(struct p9_session *s, const uint8_t *p, size_t n, struct p9_fcall *f, bool version)
{
    size_t r = p9_convM2S(p, n, s->dialect, f);

    if (r == 0 && version)
        r = p9_convM2S(p, n, P9_2000, f);
    if (r == 0 && version)
        r = p9_convM2S(p, n, P9_2000U, f);
    return r;
}

/* A reply whose bytes are to be had now: reads the rest of it and unpacks it into req->rx. */
static int read_payload(struct p9_session *s, struct p9_req *req, uint32_t size)
{
    int err = size >= P9_RREAD_HDRSZ ? fill(s, P9_RREAD_HDRSZ) : -EPROTO;
    if (err == -EPROTO)
        return broken(s, "the server sent a %s of %u bytes", p9_type_name(req->type + 1u), size);
    if (err != 0)
        return err;
    uint32_t count = p9_get32(s->in + s->in_start + P9_HDRSZ);
    if (count != size - P9_RREAD_HDRSZ)
        return broken(s, "the server sent a %s of %u bytes that says it holds %u", p9_type_name(req->type + 1u), size,
                      count);
    if (count > req->into_size)
        return broken(s, "the server sent %u bytes where %u were asked for", count, req->into_size);
    s->in_start += P9_RREAD_HDRSZ;
    req->rx.type = (uint8_t)(req->type + 1);
    req->rx.tag = req->tag;
    req->rx.Rread.count = (struct p9_blob){count, req->into};
    return fill_into(s, req->into, count);
}

static int read_body(struct p9_session *s, struct p9_req *req, uint32_t size, int *rc)
{
    if (size > sizeof s->in)
        return broken(s, "the server sent a reply to %s of %u bytes", p9_type_name(req->type), size);
    int err = fill(s, size);
    if (err != 0)
        return err;
    const uint8_t *p = s->in + s->in_start;
    s->in_start += size;
    *rc = 0;
    if (req->body != NULL && size <= req->body_size)
        p = memcpy(req->body, p, size);
    else if (req->body != NULL)
        *rc = -EMSGSIZE;
    if (unpack(s, p, size, &req->rx, req->type == P9_Tversion) == 0)
        return broken(s, "the server sent a malformed reply to %s", p9_type_name(req->type));
    if (req->rx.type == P9_Rlerror && p[4] == P9_Rerror)
        atomic_store(&s->rerror_is_rlerror, true);
    return 0;
}

static void complete_cancelled(struct p9_session *s)
{
    struct queue q;

    queue_init(&q);
    pthread_mutex_lock(&s->mtx);
    for (struct p9_req *r; (r = queue_take(&s->cancelled)) != NULL;) {
        scope_leave(r);
        queue_add(&q, r);
    }
    pthread_mutex_unlock(&s->mtx);
    for (struct p9_req *r; (r = queue_take(&q)) != NULL;)
        complete(r, -EINTR);
}

/* Reads one reply and completes its request. Not 0: the connection is over. */
static int read_reply(struct p9_session *s)
{
    int rc = 0, err = fill(s, P9_HDRSZ);
    if (err != 0)
        return err;
    const uint8_t *p = s->in + s->in_start;
    uint32_t size = p9_get32(p);
    unsigned type = p[4];
    uint16_t tag = p9_get16(p + 5);

    if (size < P9_HDRSZ || size > s->msize) {
        return broken(s, "the server sent a message of %u bytes (msize is %u)%s", size, s->msize,
                      s->version != NULL ? ": it does not speak 9P" : "");
    }
    struct p9_req *req = request_of(s, tag, type);
    if (req == NULL)
        return -EPROTO;
    if (p9_has_payload(type))
        err = read_payload(s, req, size);
    else
        err = read_body(s, req, size, &rc);
    if (err != 0)
        return err;
    trace(s, "<-", &req->rx);
    if (req->rx.type == P9_Rlerror || req->rx.type == P9_Rerror)
        rc = p9_error_of(&req->rx);

    pthread_mutex_lock(&s->mtx);
    if (tag == P9_NOTAG)
        s->version = NULL;
    else if (req->flushing)
        s->pending[tag] = NULL; /* the tag itself is free only after Rflush */
    else
        free_tag(s, tag);
    scope_leave(req);
    wake_waiting(s);
    pump(s);
    pthread_mutex_unlock(&s->mtx);
    complete(req, rc);
    complete_cancelled(s);
    return 0;
}

static void *reader_main(void *arg)
{
    struct p9_session *s = arg;
    int err;

    while ((err = read_reply(s)) == 0)
        ;
    p9_session_fail(s, err, err == -ECONNRESET ? "the server closed the connection" : strerror(-err));
    complete_all(s);
    return NULL;
}

/* ---- batches, calls ----------------------------------------------------- */

void p9_batch_init(struct p9_batch *b, int n)
{
    atomic_init(&b->left, n);
    sem_init(&b->done, 0, 0);
}

void p9_batch_done(struct p9_batch *b)
{
    if (atomic_fetch_sub(&b->left, 1) == 1)
        sem_post(&b->done);
}

void p9_req_batch_done(struct p9_req *req)
{
    p9_batch_done(req->arg);
}

static int sem_wait_ms(sem_t *sem, int ms)
{
    struct timespec until;
    int r;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while ((r = sem_timedwait(sem, &until)) < 0 && errno == EINTR)
        ;
    return r < 0 ? -errno : 0;
}

void p9_batch_wait(struct p9_session *s, struct p9_batch *b)
{
    int ms = atomic_load(&s->setup_timeout_ms);
    bool waited = ms > 0 && sem_wait_ms(&b->done, ms) == 0;

    if (ms > 0 && !waited)
        p9_session_fail(s, -ETIMEDOUT, NULL);
    while (!waited && sem_wait(&b->done) < 0)
        ; /* EINTR */
    sem_destroy(&b->done);
}

int p9_call(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    struct p9_batch b;

    p9_batch_init(&b, 1);
    req->done = p9_req_batch_done;
    req->arg = &b;
    p9_submit(s, req, tx);
    p9_batch_wait(s, &b);
    return req->rc;
}

/* ---- starting, stopping ------------------------------------------------- */

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
    struct p9_why *why;
    struct p9_batch batch;
    int err;
};

static int check_version(struct agreement *a, const struct p9_fcall *rx)
{
    static const enum p9_dialect known[] = {P9_2000L, P9_2000U, P9_2000};
    struct p9_str got = rx->Rversion.version;
    uint32_t msize = rx->Rversion.msize;
    enum p9_dialect dialect = 0;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] <= a->o->dialect && p9_str_eq(got, p9_dialect_name(known[i])))
            dialect = known[i];
    if (dialect == 0)
        return say_why(a->why, -EPROTONOSUPPORT, "the server does not speak %s: it answered '%.*s'",
                       p9_dialect_name(a->o->dialect), got.len < 64 ? got.len : 64, got.s);
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
    const char *asked = p9_dialect_name(a->o->dialect);

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
        say_why(a->why, 0, "the server refuses %s: %s", asked, strerror(-req->rc));
    p9_batch_done(&a->batch);
}

/* Agrees on dialect and msize. version(5). */
static int agree(struct p9_session *s, const struct p9_session_options *o, struct p9_why *why)
{
    struct agreement a = {.s = s, .o = o, .why = why};
    struct p9_req req = {.done = version_done, .arg = &a};
    struct p9_fcall tx = {.type = P9_Tversion,
                          .Tversion = {.msize = o->msize, .version = p9_str(p9_dialect_name(o->dialect))}};

    p9_batch_init(&a.batch, 1);
    p9_submit(s, &req, &tx);
    p9_batch_wait(s, &a.batch);
    return a.err;
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
    queue_init(&s->waiting);
    queue_init(&s->out);
    queue_init(&s->cancelled);
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
    *err = -pthread_create(&s->reader, NULL, reader_main, s);
    if (*err != 0) {
        say_why(why, *err, "cannot start a thread: %s", strerror(-*err));
        session_free(s);
        return NULL;
    }
    *err = -pthread_create(&s->writer, NULL, writer_main, s);
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

void p9_session_ready(struct p9_session *s)
{
    atomic_store(&s->setup_timeout_ms, 0);
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
