/*
 * dialect_linux_round.c: several requests in one round trip.
 */
#include "client/dialect_linux.h"

void linux_round_begin(struct linux_round *r, struct p9_scope *sc, struct p9_client *c)
{
    r->session = c->session;
    r->scope = sc;
    p9_batch_init(&r->batch, 1); /* one completion is linux_round_end */
}

void linux_round_send(struct linux_round *r, struct p9_req *req, const struct p9_fcall *tx)
{
    req->done = p9_req_batch_done;
    req->arg = &r->batch;
    req->scope = r->scope;
    atomic_fetch_add(&r->batch.left, 1);
    p9_submit_more(r->session, req, tx);
}

void linux_round_end(struct linux_round *r)
{
    p9_push(r->session);
    p9_batch_done(&r->batch);
    p9_batch_wait(r->session, &r->batch);
}
