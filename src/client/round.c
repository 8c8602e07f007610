/*
 * round.c: several requests in one round trip.
 */
#include "client/dialect.h"

void p9_round_begin(struct p9_round *r, struct p9_scope *sc, struct p9_client *c)
{
    r->client = c;
    r->scope = sc;
    p9_batch_init(&r->batch, 1); /* one completion is p9_round_end */
}

void p9_round_send(struct p9_round *r, struct p9_req *req, const struct p9_fcall *tx)
{
    req->done = p9_req_batch_done;
    req->arg = &r->batch;
    req->scope = r->scope;
    atomic_fetch_add(&r->batch.left, 1);
    p9_send_more(r->client, req, tx);
}

void p9_round_end(struct p9_round *r)
{
    p9_push(r->client->session);
    p9_batch_done(&r->batch);
    p9_batch_wait(r->client->session, &r->batch);
}
