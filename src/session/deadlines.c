/*
 * deadlines.c: time: requests that are given up, and servers that are silent.
 *
 * A request whose time is over completes at once, but the server may still answer it: a ghost takes
 * its place under its tag until the reply, Rflush, or the end of the connection.
 *
 * A server that owes a reply and sends nothing for long is probed with a Tflush of no request. One
 * that is slow answers that, and is left alone; the bytes also let TCP find out that the other host
 * is gone. If nothing arrives the connection is lost. As a server with a single thread answers the
 * probe only after the slow request, the next connection is given twice the time.
 */
#include "session/session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    BUSY_MS = 20,         /* until a request that another thread writes or reads is looked at again */
    STUCK_MS = 1000,      /* half a reply, and nothing for so long: the rest is not waited for */
    MOST_PATIENCE = 16,   /* factor of probe_ms */
    TICKS_IN_A_PROBE = 4, /* how often the clock looks */
};

/* How long the connection has been silent. Bytes may arrive after `now` was read. */
static uint64_t silence_ms(struct p9_session *s, uint64_t now)
{
    uint64_t heard = atomic_load(&s->heard);

    return now > heard ? now - heard : 0;
}

/* ---- deadlines ---------------------------------------------------------- */

static void wake_timer(struct p9_session *s, uint64_t ms)
{
    timer_arm(s->timer, ms < INT32_MAX ? (unsigned)ms : INT32_MAX);
}

void session_set_deadline(struct p9_session *s, struct p9_req *req, uint64_t ms)
{
    uint64_t now = clock_ms();

    if (req->deadline_ms != 0 && req->deadline_ms <= ms)
        return;
    req->deadline_ms = ms;
    if (s->deadline_ms == 0 || ms < s->deadline_ms) {
        s->deadline_ms = ms;
        wake_timer(s, ms > now ? ms - now : 0);
    }
}

void session_watch(struct p9_session *s, struct p9_req *req)
{
    unsigned limit = req->scope != NULL ? req->scope->limit_ms : 0;

    if (limit == 0 && s->kept && !session_is_of_connection(req))
        limit = s->keeping.limit_ms;
    if (limit > 0)
        session_set_deadline(s, req, clock_ms() + limit);
    if (s->nfree == s->max_tags)
        atomic_store(&s->heard, clock_ms());
    if (s->kept && s->keeping.probe_ms > 0 && !s->ticking) {
        s->ticking = true;
        wake_timer(s, s->keeping.probe_ms / TICKS_IN_A_PROBE + 1);
    }
}

static void free_request(struct p9_req *req)
{
    free(req);
}

/* A request that stands for req on the connection; NULL without memory. */
static struct p9_req *ghost_of(const struct p9_req *req)
{
    bool unwritten = req->state == P9_REQ_QUEUED;
    size_t n = req->head_len + (unwritten ? req->payload_len : 0);
    struct p9_req *g = calloc(1, sizeof *g);
    uint8_t *bytes = g != NULL ? malloc(n) : NULL;

    if (bytes == NULL) {
        free(g);
        return NULL;
    }
    *g = *req;
    g->done = free_request;
    g->scope = NULL;
    g->scope_link = NULL;
    g->into = NULL;
    g->into_size = 0;
    g->part_ok = true; /* a payload is skipped */
    g->body = NULL;
    g->ghost = true;
    g->deadline_ms = 0;
    g->head = bytes;
    memcpy(bytes, req->head, req->head_len);
    if (unwritten) {
        memcpy(bytes + req->head_len, req->payload, req->payload_len);
        g->head_len = n;
        g->payload_len = 0;
    }
    return g;
}

static void replace_first(struct queue *q, struct p9_req *ghost)
{
    q->first = ghost;
    if (ghost->next == NULL)
        q->last = &ghost->next;
}

/* Whether the request can complete now. A request that has a tag leaves a ghost. */
static bool give_up(struct p9_session *s, struct p9_req *req)
{
    bool begun = req->state == P9_REQ_SENT || (req == s->out.first && s->out_done > 0);
    struct p9_req *ghost;

    if (req == s->receiving || (req->state == P9_REQ_QUEUED && s->writing))
        return false;
    if (req->state == P9_REQ_WAITING) {
        session_queue_remove(&s->waiting, req);
    } else if (req == s->version) {
        s->version = NULL;
        session_queue_remove(&s->out, req);
    } else if (!begun) {
        session_queue_remove(&s->out, req);
        if (req->flushing)
            s->pending[req->tag] = NULL; /* the tag stays in use until Rflush */
        else
            session_free_tag(s, req->tag);
    } else if ((ghost = ghost_of(req)) != NULL) {
        s->pending[req->tag] = ghost;
        s->ghosts++;
        if (req->state == P9_REQ_QUEUED)
            replace_first(&s->out, ghost);
    } else {
        return false;
    }
    session_scope_leave(req);
    req->rc = req->flushing ? -EINTR : -ETIMEDOUT;
    req->late = !req->flushing;
    s->given_up += req->late;
    return true;
}

struct overdue {
    struct p9_session *s;
    uint64_t now, next; /* next: the first deadline to come; 0: none */
    struct queue done;
    struct p9_req *unflushed; /* a ghost that the server is to be told about */
    bool stuck;               /* half a reply to one has arrived, and no more */
};

static void look_at(struct overdue *o, struct p9_req *req)
{
    struct p9_session *s = o->s;
    bool receiving = req == s->receiving;

    if (req == NULL || req->deadline_ms == 0)
        return;
    if (req->deadline_ms <= o->now) {
        bool has_tag = req->state == P9_REQ_SENT && req != s->version, flushing = req->flushing;
        uint16_t tag = req->tag;
        if (give_up(s, req)) {
            session_queue_add(&o->done, req);
            if (has_tag && !flushing)
                o->unflushed = s->pending[tag];
            return;
        }
        o->stuck = o->stuck || (receiving && silence_ms(s, o->now) >= STUCK_MS);
        req->deadline_ms = o->now + BUSY_MS;
    }
    if (o->next == 0 || req->deadline_ms < o->next)
        o->next = req->deadline_ms;
}

/* Called with the lock, which is released while Tflush is sent. */
static void give_up_overdue(struct overdue *o)
{
    struct p9_session *s = o->s;

    s->deadline_ms = 0; /* of those that are submitted meanwhile */
    look_at(o, s->version);
    for (struct p9_req *r = s->waiting.first, *next; r != NULL; r = next) {
        next = r->next;
        look_at(o, r);
    }
    for (unsigned i = 0; i < s->max_tags; i++) {
        o->unflushed = NULL;
        look_at(o, s->pending[i]);
        if (o->unflushed != NULL)
            session_send_flush(s, o->unflushed);
    }
    if (o->next != 0 && (s->deadline_ms == 0 || o->next < s->deadline_ms))
        s->deadline_ms = o->next;
    session_wake_waiting(s);
    session_pump(s);
}

/* ---- silent servers ------------------------------------------------------ */

static bool owes_reply(const struct p9_session *s)
{
    return s->nfree < s->max_tags;
}

bool session_is_silent(struct p9_session *s, unsigned ms)
{
    return atomic_load(&s->away) || (owes_reply(s) && silence_ms(s, clock_ms()) >= ms);
}

bool p9_session_silent(struct p9_session *s, unsigned ms)
{
    pthread_mutex_lock(&s->mtx);
    bool silent = session_is_silent(s, ms);
    pthread_mutex_unlock(&s->mtx);
    return silent;
}

/* Whether a probe is to be sent. *dead: the last one was not answered. */
static bool is_silent(struct p9_session *s, uint64_t now, bool *dead)
{
    uint64_t probe_ms = (uint64_t)s->keeping.probe_ms * (s->patience > 0 ? s->patience : 1);

    if (atomic_load(&s->heard) >= s->probed_ms) /* a near server answers within the millisecond */
        s->probed_ms = 0;
    if (!s->kept || probe_ms == 0 || s->down || !owes_reply(s))
        return false;
    *dead = s->probed_ms != 0 && now - s->probed_ms >= probe_ms;
    if (*dead) {
        s->probed_ms = 0;
        s->patience = s->patience == 0 ? 2 : s->patience < MOST_PATIENCE ? 2 * s->patience : MOST_PATIENCE;
    }
    return s->probed_ms == 0 && !*dead && silence_ms(s, now) >= probe_ms;
}

/* A Tflush of a tag that no request has is answered at once. */
static void send_probe(struct p9_session *s, unsigned connection)
{
    struct p9_req *req = calloc(1, sizeof *req);
    struct p9_fcall tx = {.type = P9_Tflush, .Tflush.oldtag = P9_NOTAG - 1};

    if (req == NULL)
        return;
    req->done = free_request;
    req->connection = connection;
    p9_submit(s, req, &tx);
}

void p9_session_probe(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    unsigned connection = s->connections + 1;
    pthread_mutex_unlock(&s->mtx);
    send_probe(s, connection);
}

/* ---- the timer ----------------------------------------------------------- */

static unsigned next_tick(struct p9_session *s, uint64_t now)
{
    uint64_t ms = s->kept && owes_reply(s) ? s->keeping.probe_ms / TICKS_IN_A_PROBE : 0;

    s->ticking = ms > 0; /* without a reply to come, a deadline may be far: it does not count */
    if (s->deadline_ms != 0) {
        uint64_t left = s->deadline_ms > now ? s->deadline_ms - now : 1;
        ms = ms == 0 || left < ms ? left : ms;
    }
    return ms < INT32_MAX ? (unsigned)ms : INT32_MAX;
}

unsigned session_tick(void *session)
{
    struct p9_session *s = session;
    struct overdue o = {.s = s, .now = clock_ms()};
    bool dead = false;

    session_queue_init(&o.done);
    pthread_mutex_lock(&s->mtx);
    for (struct p9_req *r; (r = session_queue_take(&s->cancelled)) != NULL;) {
        session_scope_leave(r);
        r->rc = -EINTR;
        session_queue_add(&o.done, r);
    }
    if (s->deadline_ms != 0 && o.now >= s->deadline_ms)
        give_up_overdue(&o);
    bool probe = is_silent(s, o.now, &dead);
    if (probe)
        s->probed_ms = clock_ms();
    if (dead) /* before another call finds it silent */
        session_lose(s, -ETIMEDOUT, "the server does not answer");
    unsigned again = next_tick(s, o.now), connection = s->connections + 1;
    pthread_mutex_unlock(&s->mtx);
    if (o.stuck)
        p9_session_drop(s, -ETIMEDOUT, "half a reply has arrived, and no more");
    else if (probe)
        send_probe(s, connection);
    for (struct p9_req *r; (r = session_queue_take(&o.done)) != NULL;)
        session_complete(r, r->rc);
    return again;
}
