/*
 * recovery.c: restores a lost connection: when to try, and the steps of a try.
 *
 * Operations never see it: the session holds their requests, the fids that they use are made again
 * under their numbers, and then the requests leave. Idle fids are put instead: they are walked
 * again when they are needed.
 */
#include "client/recovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"

enum {
    FIRST_DELAY_MS = 250,  /* after the first try, which is at once; then it doubles */
    MOST_DELAY_MS = 30000, /* at most */
    STABLE_MS = 10000,     /* a connection that lives so long is no failure */
    WANTED_MS = 1000,      /* who needs the server makes a try, so long after the last */
    REPLY_MS = 10000,      /* the longest wait for a reply during a try */
};

struct recovery {
    struct p9_client *client;
    struct p9_recovery_options o;
    struct timer *timer;
    pthread_mutex_t mtx; /* guards all below */
    bool lost;           /* and not restored since */
    bool stop;
    uint64_t lost_ms, tried_ms, restored_ms; /* of clock_ms() */
    unsigned delay_ms;                       /* until the next try */
    struct p9_why told;                      /* the reason that was logged last */
    struct expected *expected;
};

/* ---- a try ----------------------------------------------------------------- */

static void adapt_to_msize(struct p9_client *c)
{
    uint32_t payload = p9_session_payload(c->session);

    if (c->read_max > payload)
        c->read_max = payload;
}

static void set_lost(struct recovery *r, bool lost)
{
    pthread_mutex_lock(&r->mtx);
    r->lost = lost;
    pthread_mutex_unlock(&r->mtx);
}

static int restore(struct recovery *r, struct attempt *a, unsigned *made)
{
    struct p9_client *c = r->client;
    int err = 0;
    struct transport *t = r->o.dialer.dial(r->o.dialer.arg, &err, &a->why);

    if (t == NULL)
        return err;
    err = p9_session_restore(c->session, t, r->o.first_ms > 0 ? r->o.first_ms : REPLY_MS, &a->why);
    if (err != 0)
        return err;
    adapt_to_msize(c);
    err = replay_fids(a);
    if (err == 0) {
        if (r->o.restored != NULL)
            r->o.restored(r->o.arg, &a->scope);
        resolve_held(a); /* a lock that is raised or lowered, too: after what it was before */
        err = p9_session_down(c->session) ? -ECONNRESET : 0;
    }
    if (err == 0) {
        *made = replay_commit(a);
        set_lost(r, false); /* from now on it may be lost again */
        err = p9_session_resume(c->session);
        if (err < 0)
            set_lost(r, true);
    }
    replay_free(a, err >= 0);
    return err;
}

static unsigned jitter(unsigned ms)
{
    return ms - ms / 4 + (unsigned)(clock_us() % (ms / 2 + 1));
}

/* A try failed: the delay until the next one. A reason that is not just the server's absence is
 * logged once. */
static unsigned failed(struct recovery *r, int err, const struct p9_why *why)
{
    bool absent = err == -ECONNREFUSED || err == -ECONNRESET || err == -ETIMEDOUT || err == -EHOSTUNREACH ||
                  err == -ENETUNREACH || err == -ENOENT || err == -EPIPE || err == -ECONNABORTED;

    pthread_mutex_lock(&r->mtx);
    r->delay_ms = r->delay_ms == 0 ? FIRST_DELAY_MS : r->delay_ms < MOST_DELAY_MS / 2 ? 2 * r->delay_ms : MOST_DELAY_MS;
    unsigned ms = r->stop ? 0 : jitter(r->delay_ms);
    bool tell = !absent && !r->stop && why->text[0] != 0 && strcmp(r->told.text, why->text) != 0;
    if (tell)
        r->told = *why;
    pthread_mutex_unlock(&r->mtx);
    if (tell)
        log_warning("cannot go on with %s: %s", r->o.name, why->text);
    else
        log_debug("%s cannot be reached: %s; the next try is in %u ms", r->o.name, why->text, ms);
    return ms;
}

static void succeeded(struct recovery *r, uint64_t since_ms, unsigned made, int resent)
{
    pthread_mutex_lock(&r->mtx);
    uint64_t now = clock_ms(), away = now - since_ms;
    r->restored_ms = now;
    r->told.text[0] = 0;
    pthread_mutex_unlock(&r->mtx);
    resolve_free(r->expected);
    r->expected = NULL;
    log_notice("connected to %s again after %llu.%llu s: %u files in use were found again, %d requests are sent again",
               r->o.name, (unsigned long long)away / 1000, (unsigned long long)away % 1000 / 100, made, resent);
}

/* For timer_new. */
static unsigned try_again(void *arg)
{
    struct recovery *r = arg;
    struct attempt a = {.client = r->client, .o = &r->o, .scope = {.limit_ms = REPLY_MS, .restores = true}};
    unsigned made = 0;

    pthread_mutex_lock(&r->mtx);
    bool wanted = r->lost && !r->stop;
    uint64_t since_ms = r->lost_ms;
    r->tried_ms = clock_ms();
    pthread_mutex_unlock(&r->mtx);
    if (!wanted)
        return 0;
    if (r->expected == NULL)
        r->expected = resolve_expect(r->client);
    a.expected = r->expected;
    fids_evict_all(r->client->fids);
    int err = restore(r, &a, &made);
    if (err >= 0) {
        succeeded(r, since_ms, made, err);
        return 0;
    }
    p9_session_drop(r->client->session, err, NULL);
    return failed(r, err, &a.why);
}

/* ---- when to try ------------------------------------------------------------ */

/* For p9_keeping. */
static void on_lost(void *arg, const char *reason)
{
    struct recovery *r = arg;
    uint64_t now = clock_ms();

    pthread_mutex_lock(&r->mtx);
    bool first = !r->lost && !r->stop;
    if (first) {
        r->lost = true;
        r->lost_ms = now;
        if (r->restored_ms == 0 || now - r->restored_ms >= STABLE_MS)
            r->delay_ms = 0;
    }
    /* Nothing uses idle fids any more, nor fids of a try that has failed. */
    atomic_fetch_add(&r->client->generation, 1);
    unsigned ms = r->delay_ms > 0 ? jitter(r->delay_ms) : 0;
    bool stop = r->stop;
    if (first)
        timer_arm(r->timer, ms);
    pthread_mutex_unlock(&r->mtx);
    if (first)
        log_warning("connection to %s lost: %s", r->o.name, reason);
    else if (stop)
        p9_session_fail(r->client->session, -ENOTCONN, NULL);
}

/* For p9_keeping. */
static void on_wanted(void *arg)
{
    struct recovery *r = arg;

    pthread_mutex_lock(&r->mtx);
    if (r->lost && !r->stop && clock_ms() - r->tried_ms >= WANTED_MS)
        timer_arm(r->timer, 0);
    pthread_mutex_unlock(&r->mtx);
}

int p9_client_keep(struct p9_client *c, const struct p9_recovery_options *o)
{
    struct recovery *r = calloc(1, sizeof *r);

    if (r == NULL)
        return -ENOMEM;
    r->client = c;
    r->o = *o;
    pthread_mutex_init(&r->mtx, NULL);
    r->timer = timer_new(try_again, r);
    if (r->timer == NULL) {
        recovery_free(r);
        return -EAGAIN;
    }
    c->recovery = r;
    p9_session_keep(
        c->session,
        &(struct p9_keeping){
            .lost = on_lost, .wanted = on_wanted, .arg = r, .limit_ms = o->limit_ms, .probe_ms = o->probe_ms});
    return 0;
}

void p9_client_give_up(struct p9_client *c)
{
    struct recovery *r = c->recovery;

    if (r == NULL)
        return;
    pthread_mutex_lock(&r->mtx);
    struct timer *timer = r->timer;
    r->stop = true;
    r->timer = NULL;
    pthread_mutex_unlock(&r->mtx);
    if (p9_session_away(c->session)) /* ends a try that is under way, and what waits for it */
        p9_session_fail(c->session, -ENOTCONN, NULL);
    timer_free(timer);
}

void recovery_free(struct recovery *r)
{
    if (r == NULL)
        return;
    resolve_free(r->expected);
    pthread_mutex_destroy(&r->mtx);
    free(r);
}
