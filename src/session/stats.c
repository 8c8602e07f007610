/*
 * stats.c: counting messages, and reading the counts.
 */
#include "base/clock.h"
#include "session/session_impl.h"

void session_count_sent(struct p9_session *s, const struct p9_req *req)
{
    struct traffic *t = &s->traffic[req->type / 2];

    t->sent++;
    t->bytes_out += req->head_len + req->payload_len;
}

void session_count_reply(struct p9_session *s, const struct p9_req *req, const struct arrival *a)
{
    struct traffic *t = &s->traffic[req->type / 2];

    t->bytes_in += a->size;
    t->errors += a->is_error;
    histogram_add(&t->latency, session_duration(req, a));
}

static struct p9_message_stats summary_of(const struct traffic *t)
{
    return (struct p9_message_stats){
        .sent = t->sent,
        .bytes_out = t->bytes_out,
        .replies = t->latency.n,
        .bytes_in = t->bytes_in,
        .errors = t->errors,
        .p50_us = histogram_percentile(&t->latency, 50),
        .p90_us = histogram_percentile(&t->latency, 90),
        .p99_us = histogram_percentile(&t->latency, 99),
        .max_us = t->latency.max,
    };
}

void p9_session_stats(struct p9_session *s, struct p9_session_stats *out)
{
    uint64_t now = clock_ms();

    pthread_mutex_lock(&s->mtx);
    *out = (struct p9_session_stats){
        .msize = atomic_load(&s->msize),
        .dialect = s->dialect,
        .ended = s->error != 0,
        .away = atomic_load(&s->away),
        .uptime_ms = now - s->started_ms,
        .since_ms = now - s->changed_ms,
        .reconnects = s->reconnects,
        .in_flight = s->max_tags - s->nfree,
        .ghosts = s->ghosts,
        .given_up = s->given_up,
        .flushed = s->flushed,
    };
    if (session_is_silent(s, 1) && !out->away && now > atomic_load(&s->heard))
        out->silent_ms = now - atomic_load(&s->heard);
    for (const struct p9_req *r = s->waiting.first; r != NULL; r = r->next)
        out->waiting++;
    for (unsigned i = 0; i < P9_REQUEST_TYPES; i++)
        if (s->traffic[i].sent > 0)
            out->messages[i] = summary_of(&s->traffic[i]);
    pthread_mutex_unlock(&s->mtx);
}
