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
#include "session/session_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    GATHER = 64,      /* messages in one writev */
    SLOW_COUNTS = 16, /* a part of so many */
    SURE = 64,        /* answers in order that are no accident */
    MOST_LATENCY_US = 10000000,
    RESERVED_TAGS = 4, /* kept for Tflush, so that a full window can be interrupted */
};

/* ---- queues, scopes ----------------------------------------------------- */

void session_queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

void session_queue_add(struct queue *q, struct p9_req *req)
{
    req->next = NULL;
    *q->last = req;
    q->last = &req->next;
}

struct p9_req *session_queue_take(struct queue *q)
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

void session_scope_leave(struct p9_req *req)
{
    if (req->scope_link == NULL)
        return;
    *req->scope_link = req->scope_next;
    if (req->scope_next != NULL)
        req->scope_next->scope_link = req->scope_link;
    req->scope_link = NULL;
}

/* ---- trace -------------------------------------------------------------- */

void session_trace(const struct p9_session *s, const char *way, const struct p9_fcall *f)
{
    char line[1024];

    if (!s->trace)
        return;
    p9_fcallfmt(line, sizeof line, f, s->dialect);
    fprintf(stderr, "%s %s\n", way, line);
}

/* ---- completing --------------------------------------------------------- */

/* Called without the lock, by one thread, once. */
void session_complete(struct p9_req *req, int rc)
{
    if (req->head != req->small)
        free(req->head);
    req->head = NULL;
    req->state = P9_REQ_IDLE;
    req->rc = rc;
    req->done(req);
}

/* Some requests are slow by themselves: a longer time counts little, a shorter one at once. */
static void note_latency(struct p9_session *s)
{
    uint64_t us = clock_us() - s->timed_us + 1, before = atomic_load(&s->latency_us);

    s->timed_us = 0;
    if (us > MOST_LATENCY_US)
        us = MOST_LATENCY_US;
    if (before != 0 && us > before)
        us = before + (us - before) / SLOW_COUNTS;
    atomic_store(&s->latency_us, (unsigned)us);
}

unsigned p9_session_latency(struct p9_session *s)
{
    return atomic_load(&s->latency_us);
}

static bool take_tag(struct p9_session *s, struct p9_req *req)
{
    unsigned keep = req->type == P9_Tflush ? 0 : RESERVED_TAGS;

    if (s->nfree <= keep)
        return false;
    s->timed = s->free_tags[s->nfree - 1];
    s->timed_us = s->nfree == s->max_tags ? clock_us() : 0; /* one of several says nothing */
    req->tag = s->free_tags[--s->nfree];
    s->pending[req->tag] = req;
    if (s->max_tags - s->nfree == 2)
        atomic_store(&s->several, true);
    req->head[5] = (uint8_t)req->tag;
    req->head[6] = (uint8_t)(req->tag >> 8);
    return true;
}

void session_free_tag(struct p9_session *s, uint16_t tag)
{
    s->pending[tag] = NULL;
    s->free_tags[s->nfree++] = tag;
    if (s->nfree == s->max_tags)
        atomic_store(&s->several, false);
    if (s->timed_us != 0 && tag == s->timed)
        note_latency(s);
}

void session_note_order(struct p9_session *s, const struct p9_req *req)
{
    if (s->nfree == s->max_tags) { /* that was the last */
        s->answered = s->sent;
        s->lost_count = false;
        return;
    }
    if (s->lost_count)
        return;
    s->out_of_turn = s->out_of_turn || req->number != s->answered + 1;
    s->answered = req->number;
    s->in_turn++;
}

bool p9_session_in_order(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    bool in_order = !s->out_of_turn && s->in_turn >= SURE;
    pthread_mutex_unlock(&s->mtx);
    return in_order;
}

static void enqueue(struct p9_session *s, struct p9_req *req)
{
    req->state = P9_REQ_QUEUED;
    req->number = ++s->sent;
    session_queue_add(&s->out, req);
}

/* Tags came free: those that wait for one go on, in their order. */
void session_wake_waiting(struct p9_session *s)
{
    struct p9_req *req;

    while ((req = s->waiting.first) != NULL && (req->flushing || take_tag(s, req))) {
        session_queue_take(&s->waiting);
        if (req->flushing)
            session_queue_add(&s->cancelled, req);
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
        session_queue_take(&s->out)->state = P9_REQ_SENT;
    }
}

/* Writes what is queued. Called with the lock; gives it up while writing. */
void session_pump(struct p9_session *s)
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
void *session_writer_main(void *arg)
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
        session_pump(s);
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

static void submit(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx, bool now)
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
        session_complete(req, err);
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
        session_queue_add(&s->waiting, req);
    }
    if (s->trace) {
        struct p9_fcall shown = *tx;
        shown.tag = req->tag;
        session_trace(s, "->", &shown);
    }
    if (now)
        session_pump(s);
    pthread_mutex_unlock(&s->mtx);
}

void p9_submit(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    submit(s, req, tx, true);
}

void p9_submit_more(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    submit(s, req, tx, false);
}

void p9_push(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    session_pump(s);
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
        session_free_tag(s, f->oldtag);
        if (target != NULL) {
            session_scope_leave(target);
            s->lost_count = true;
        }
        session_wake_waiting(s);
        session_pump(s);
    }
    pthread_mutex_unlock(&s->mtx);
    if (target != NULL)
        session_complete(target, -EINTR);
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
void session_complete_all(struct p9_session *s)
{
    struct queue lost;

    session_queue_init(&lost);
    pthread_mutex_lock(&s->mtx);
    while (s->writing) /* it may be reading from a request's buffers */
        pthread_cond_wait(&s->idle, &s->mtx);
    for (unsigned i = 0; i < s->max_tags; i++)
        if (s->pending[i] != NULL) {
            session_queue_add(&lost, s->pending[i]);
            s->pending[i] = NULL;
        }
    if (s->version != NULL)
        session_queue_add(&lost, s->version);
    s->version = NULL;
    for (struct p9_req *r;
         (r = session_queue_take(&s->waiting)) != NULL || (r = session_queue_take(&s->cancelled)) != NULL;)
        session_queue_add(&lost, r);
    session_queue_init(&s->out);
    for (struct p9_req *r = lost.first; r != NULL; r = r->next)
        session_scope_leave(r);
    int err = s->error;
    bool ready = s->ready;
    pthread_mutex_unlock(&s->mtx);

    if (s->reason[0] != 0 && ready)
        log_error("connection lost: %s", s->reason);
    for (struct p9_req *r; (r = session_queue_take(&lost)) != NULL;)
        session_complete(r, err);
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
