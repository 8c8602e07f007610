/*
 * connections.c: the end of a connection, and the next one.
 *
 * A session that is kept outlives its connections. When one is lost the reader takes all requests
 * from their tags and puts them, in the order of their submission, before those that wait; then it
 * waits for another connection. Whoever restores that sends requests of its own first, by a scope
 * that restores; then resumes. What a request may have done on the server is unknown if it was
 * sent: whoever restores decides (p9_session_settle).
 */
#include "session/session_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void p9_session_keep(struct p9_session *s, const struct p9_keeping *keeping)
{
    pthread_mutex_lock(&s->mtx);
    s->keeping = *keeping;
    s->kept = true;
    pthread_mutex_unlock(&s->mtx);
}

bool p9_session_down(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    bool down = s->down || s->error != 0;
    pthread_mutex_unlock(&s->mtx);
    return down;
}

bool p9_session_away(struct p9_session *s)
{
    return atomic_load(&s->away);
}

/* ---- the end of a connection; with the lock ------------------------------ */

void session_mark_down(struct p9_session *s, int err)
{
    if (s->down)
        return;
    s->down = true;
    s->down_error = err;
    transport_shutdown(s->t);
    pthread_cond_broadcast(&s->full);
}

void session_lose(struct p9_session *s, int err, const char *reason)
{
    if (!s->down && reason != NULL)
        snprintf(s->reason, sizeof s->reason, "%s", reason);
    session_mark_down(s, err);
}

void p9_session_drop(struct p9_session *s, int err, const char *reason)
{
    pthread_mutex_lock(&s->mtx);
    bool kept = s->kept;
    if (kept)
        session_lose(s, err, reason);
    pthread_mutex_unlock(&s->mtx);
    if (!kept)
        p9_session_fail(s, err, reason);
}

/* Whether the request ends with its connection; rc is set then. */
static bool ends_with_connection(const struct p9_session *s, struct p9_req *req)
{
    req->rc = s->down_error;
    if (req->flushing)
        req->rc = -EINTR;
    return req->ghost || req->flushing || session_is_of_connection(req);
}

static int by_id(const void *a, const void *b)
{
    const struct p9_req *const *x = a, *const *y = b;

    return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

/* Puts the requests in order; without memory they stay as they are, and writes that overlap are
 * never in flight together. */
static void sort(struct queue *q)
{
    size_t n = 0, i = 0;

    for (struct p9_req *r = q->first; r != NULL; r = r->next)
        n++;
    struct p9_req **all = n > 1 ? malloc(n * sizeof(*all)) : NULL;
    if (all == NULL)
        return;
    for (struct p9_req *r; (r = session_queue_take(q)) != NULL;)
        all[i++] = r;
    qsort(all, n, sizeof(*all), by_id);
    for (i = 0; i < n; i++)
        session_queue_add(q, all[i]);
    free(all);
}

static void hold_one(struct p9_session *s, struct p9_req *req, struct queue *held, struct queue *ended)
{
    if (ends_with_connection(s, req)) {
        session_scope_leave(req);
        session_queue_add(ended, req);
        return;
    }
    req->was_sent = req->was_sent || req->state == P9_REQ_SENT;
    req->state = P9_REQ_WAITING;
    session_queue_add(held, req);
}

static void reset_connection(struct p9_session *s)
{
    session_queue_init(&s->out);
    s->out_done = 0;
    s->blocked = s->out_of_order = s->order_unknown = false;
    session_reset_tags(s);
    s->in_order_count = 0;
    s->sent = s->answered = 0;
    s->probed_ms = 0;
    s->is_timed = false;
    s->ghosts = 0;
    s->receiving = NULL;
    s->in_start = s->in_end = 0;
    atomic_store(&s->several, false);
    s->connections++;
}

/* Takes the requests from their tags: most are held, the others go to `ended`. */
static void hold_all(struct p9_session *s, struct queue *ended)
{
    struct queue held;

    session_queue_init(&held);
    for (unsigned i = 0; i < s->max_tags; i++)
        if (s->pending[i] != NULL) {
            hold_one(s, s->pending[i], &held, ended);
            s->pending[i] = NULL;
        }
    if (s->version != NULL)
        hold_one(s, s->version, ended, ended);
    s->version = NULL;
    for (struct p9_req *r; (r = session_queue_take(&s->waiting)) != NULL;)
        hold_one(s, r, &held, ended);
    sort(&held);
    s->waiting = held;
    if (held.first == NULL)
        session_queue_init(&s->waiting);
    reset_connection(s);
}

bool session_await_connection(struct p9_session *s, int err, const char *reason)
{
    struct queue ended;
    char why[sizeof s->reason];

    session_queue_init(&ended);
    pthread_mutex_lock(&s->mtx);
    session_mark_down(s, err);
    while (s->writing) /* the writing thread may read from buffers of requests */
        pthread_cond_wait(&s->idle, &s->mtx);
    if (!s->kept || s->error != 0) {
        pthread_mutex_unlock(&s->mtx);
        return false;
    }
    if (!atomic_exchange(&s->away, true))
        s->changed_ms = clock_ms();
    hold_all(s, &ended);
    strcpy(why, s->reason[0] != 0 ? s->reason : reason);
    s->reason[0] = 0;
    pthread_mutex_unlock(&s->mtx);

    session_trace_event(s, "connection lost: ", why);
    for (struct p9_req *r; (r = session_queue_take(&ended)) != NULL;)
        session_complete(r, r->rc);
    s->keeping.lost(s->keeping.arg, why);
    pthread_mutex_lock(&s->mtx);
    s->reader_waits = true;
    pthread_cond_broadcast(&s->idle);
    while (s->down && s->error == 0)
        pthread_cond_wait(&s->restored, &s->mtx);
    s->reader_waits = false;
    bool again = s->error == 0;
    pthread_mutex_unlock(&s->mtx);
    return again;
}

/* ---- the next connection -------------------------------------------------- */

int p9_session_restore(struct p9_session *s, struct transport *t, unsigned limit_ms, struct p9_why *why)
{
    const struct p9_session_options o = {
        .msize = s->msize_asked, .dialect = s->dialect, .only = true, .last = true, .setup_timeout_ms = (int)limit_ms};

    pthread_mutex_lock(&s->mtx);
    while (s->error == 0 && (s->writing || s->waits_for_room || !s->reader_waits))
        pthread_cond_wait(&s->idle, &s->mtx);
    int err = s->error;
    struct transport *old = err == 0 ? s->t : t;
    if (err == 0) {
        s->t = t;
        s->down = false;
        s->down_error = 0;
        atomic_store(&s->heard, clock_ms());
        pthread_cond_broadcast(&s->restored);
    }
    pthread_mutex_unlock(&s->mtx);
    transport_close(old);
    session_trace_event(s, "another connection", "");
    if (err == 0)
        err = session_negotiate(s, &o, why);
    else
        p9_set_why(why, err, "%s", strerror(-err));
    return err;
}

/* ---- requests that are held ------------------------------------------------ */

static struct p9_req *held_after(const struct p9_session *s, uint64_t id)
{
    struct p9_req *r = s->waiting.first;

    while (r != NULL && r->id <= id)
        r = r->next;
    return r;
}

bool p9_session_next_held(struct p9_session *s, uint64_t after, struct p9_held *held)
{
    *held = (struct p9_held){.id = 0};
    pthread_mutex_lock(&s->mtx);
    struct p9_req *req = held_after(s, after);
    size_t n = req != NULL ? req->head_len + req->payload_len : 0;
    held->bytes = req != NULL ? malloc(n) : NULL;
    if (held->bytes != NULL) {
        memcpy(held->bytes, req->head, req->head_len);
        if (req->payload_len > 0)
            memcpy(held->bytes + req->head_len, req->payload, req->payload_len);
        held->id = req->id;
        held->was_sent = req->was_sent;
    }
    pthread_mutex_unlock(&s->mtx);
    if (held->bytes != NULL && p9_convM2S(held->bytes, n, s->dialect, &held->tx) != 0)
        return true;
    free(held->bytes);
    return false;
}

bool p9_session_settle(struct p9_session *s, uint64_t id, int rc, const struct p9_fcall *rx)
{
    pthread_mutex_lock(&s->mtx);
    struct p9_req *req = s->down ? NULL : held_after(s, id - 1);
    if (req != NULL && req->id == id) {
        session_queue_remove(&s->waiting, req);
        session_scope_leave(req);
        s->patience = req->was_sent ? 0 : s->patience; /* it was not slow */
        if (rx != NULL)
            req->rx = *rx;
    } else { /* interrupted meanwhile */
        req = NULL;
    }
    pthread_mutex_unlock(&s->mtx);
    if (req != NULL)
        session_complete(req, rc);
    return req != NULL;
}

int p9_session_resume(struct p9_session *s)
{
    int n = 0;

    pthread_mutex_lock(&s->mtx);
    if (s->down)
        n = s->down_error;
    for (struct p9_req *r = s->waiting.first; r != NULL && n >= 0; r = r->next)
        n += r->was_sent;
    if (n >= 0) {
        atomic_store(&s->away, false);
        s->changed_ms = clock_ms();
        s->reconnects++;
        atomic_store(&s->heard, clock_ms());
        session_wake_waiting(s);
        session_pump(s);
        timer_arm(s->timer, 1); /* it looks for deadlines, and for silence */
    }
    pthread_mutex_unlock(&s->mtx);
    return n;
}
