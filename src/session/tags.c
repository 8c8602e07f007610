/*
 * tags.c: tags; measuring the latency of the server, and whether it answers in order.
 */
#include "session/session_impl.h"

enum {
    SLOW_WEIGHT = 16, /* a longer time moves the latency by 1/16 */
    SURE = 64,        /* replies in order that are no coincidence */
    MOST_LATENCY_US = 10000000,
    RESERVED_TAGS = 4, /* for Tflush: requests can be interrupted while all other tags are in use */
};

void session_reset_tags(struct p9_session *s)
{
    s->nfree = s->max_tags;
    for (unsigned i = 0; i < s->max_tags; i++)
        s->free_tags[i] = (uint16_t)(s->max_tags - 1 - i);
}

/* Some requests are slow on the server: a longer time counts little, a shorter one fully. */
static void note_latency(struct p9_session *s, uint64_t us)
{
    uint64_t before = atomic_load(&s->latency_us);

    if (us > MOST_LATENCY_US)
        us = MOST_LATENCY_US;
    if (before != 0 && us > before)
        us = before + (us - before) / SLOW_WEIGHT;
    atomic_store(&s->latency_us, (unsigned)us);
}

unsigned p9_session_latency(struct p9_session *s)
{
    return atomic_load(&s->latency_us);
}

bool session_take_tag(struct p9_session *s, struct p9_req *req)
{
    unsigned keep = req->type == P9_Tflush ? 0 : RESERVED_TAGS;

    if (s->nfree <= keep)
        return false;
    s->timed = s->free_tags[s->nfree - 1];
    s->is_timed = s->nfree == s->max_tags;
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
}

void session_note_latency(struct p9_session *s, const struct p9_req *req, uint64_t us)
{
    if (s->is_timed && req->tag == s->timed)
        note_latency(s, us + 1);
    s->is_timed = false;
}

void session_note_order(struct p9_session *s, const struct p9_req *req)
{
    if (s->nfree == s->max_tags) { /* none is in flight any more */
        s->answered = s->sent;
        s->order_unknown = false;
        return;
    }
    if (s->order_unknown)
        return;
    s->out_of_order = s->out_of_order || req->number != s->answered + 1;
    s->answered = req->number;
    s->in_order_count++;
}

bool p9_session_in_order(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    bool in_order = !s->out_of_order && s->in_order_count >= SURE;
    pthread_mutex_unlock(&s->mtx);
    return in_order;
}

bool p9_session_owes_given_up(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    bool owes = s->ghosts > 0;
    pthread_mutex_unlock(&s->mtx);
    return owes;
}

void session_enqueue(struct p9_session *s, struct p9_req *req)
{
    req->state = P9_REQ_QUEUED;
    req->number = ++s->sent;
    session_queue_add(&s->out, req);
    if (s->trace)
        session_trace_sent(s, req);
}

void session_wake_waiting(struct p9_session *s)
{
    struct p9_req *req;

    while (!atomic_load(&s->away) && (req = s->waiting.first) != NULL && session_take_tag(s, req)) {
        session_queue_take(&s->waiting);
        session_enqueue(s, req);
    }
}
