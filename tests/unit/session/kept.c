/*
 * kept.c: a session that outlives its connections: see kept.h.
 */
#include "unit/session/kept.h"

#include <string.h>

#include "unit/test.h"

static void on_lost(void *arg, const char *reason)
{
    struct kept *k = arg;

    snprintf(k->reason, sizeof k->reason, "%s", reason);
    sem_post(&k->lost);
}

static void on_wanted(void *arg)
{
    struct kept *k = arg;

    atomic_fetch_add(&k->wanted, 1);
}

void kept_begin(struct kept *k, void (*script)(struct peer *), unsigned max_tags, unsigned limit_ms, unsigned probe_ms)
{
    memset(k, 0, sizeof *k);
    sem_init(&k->lost, 0, 0);
    k->s = begin_well(&k->p[k->npeers++], script, max_tags);
    p9_session_keep(k->s,
                    &(struct p9_keeping){
                        .lost = on_lost, .wanted = on_wanted, .arg = k, .limit_ms = limit_ms, .probe_ms = probe_ms});
}

void kept_lost(struct kept *k)
{
    while (sem_wait(&k->lost) < 0)
        ;
    k->losses++;
}

int kept_restore(struct kept *k, void (*script)(struct peer *), struct p9_why *why)
{
    assert_true(k->npeers < KEPT_PEERS);
    return p9_session_restore(k->s, peer_start(&k->p[k->npeers++], script), 0, why);
}

void kept_end(struct kept *k)
{
    p9_session_stop(k->s);
    for (unsigned i = 0; i < k->npeers; i++)
        peer_join(&k->p[i]);
    while (sem_trywait(&k->lost) == 0)
        k->losses++;
    sem_destroy(&k->lost);
}

int kept_try(struct kept *k)
{
    struct p9_scope scope = {.restores = true};
    struct p9_req req = {.scope = &scope};
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = 1};

    return p9_call(k->s, &req, &tx);
}
