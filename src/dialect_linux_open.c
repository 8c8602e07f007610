/*
 * dialect_linux_open.c: what is asked for at once when a file is opened.
 *
 * None of these requests depends on the order in which they are answered: the walk makes another fid, attributes can
 * be asked for by a fid whether it is open or not, and only what is open already is read.
 */
#include <errno.h>
#include <fcntl.h>

#include "dialect_linux.h"

enum { WALK, GETATTR, OPEN, READ, TOO, MOST = TOO + P9_OPEN_TOO };

struct opening {
    struct p9_batch batch;
    struct p9_session *session;
    struct p9_scope *scope;
    struct p9_req req[MOST];
};

static void ask(struct opening *o, int which, const struct p9_fcall *tx)
{
    struct p9_req *req = &o->req[which];

    req->done = p9_req_batch_done;
    req->arg = &o->batch;
    req->scope = o->scope;
    atomic_fetch_add(&o->batch.left, 1);
    p9_submit_more(o->session, req, tx);
}

static void ask_all(struct opening *all, struct p9_opening *o)
{
    uint32_t most = o->fid->iounit < o->fid->client->read_max ? o->fid->iounit : o->fid->client->read_max;
    struct p9_fcall tx = p9_walk_message(o->from, o->walked, o->n, o->names);

    p9_batch_init(&all->batch, 1);
    ask(all, WALK, &tx);
    tx = linux_getattr_message(o->fid);
    ask(all, GETATTR, &tx);
    if (!o->is_open) {
        tx = linux_lopen_message(o->fid, o->flags);
        ask(all, OPEN, &tx);
    } else if (o->first != NULL) {
        all->req[READ].into = o->first;
        all->req[READ].into_size = o->first_size < most ? o->first_size : most;
        tx = (struct p9_fcall){.type = P9_Tread, .Tread = {.fid = o->fid->num, .count = all->req[READ].into_size}};
        ask(all, READ, &tx);
    }
    for (size_t i = 0; i < o->ntoo; i++) {
        tx = linux_lopen_message(o->too[i], O_RDONLY);
        ask(all, TOO + (int)i, &tx);
    }
    p9_push(all->session);
    p9_batch_done(&all->batch);
    p9_batch_wait(all->session, &all->batch);
}

static void note_other(struct p9_fid **fid, const struct p9_req *req)
{
    if (req->rc == 0) {
        linux_note_opened(*fid, &req->rx);
    } else {
        p9_fid_put(*fid);
        *fid = NULL;
    }
}

int linux_open_checked(struct p9_scope *sc, struct p9_opening *o)
{
    struct opening all = {.session = o->fid->client->session, .scope = sc};
    int rc = fid_new(o->fid->client, &o->walked);

    if (rc != 0)
        return rc;
    ask_all(&all, o);
    for (size_t i = 0; i < o->ntoo; i++)
        note_other(&o->too[i], &all.req[TOO + i]);
    rc = all.req[WALK].rc;
    if (rc == 0 && all.req[WALK].rx.Rwalk.nwqid.n != o->n)
        rc = -ENOENT;
    if (rc != 0) {
        fid_failed(o->walked, rc);
        return rc;
    }
    o->walked->qid = all.req[WALK].rx.Rwalk.nwqid.qid[o->n - 1];
    rc = all.req[OPEN].rc != 0 ? all.req[OPEN].rc : all.req[GETATTR].rc;
    if (rc != 0) {
        p9_fid_put(o->walked);
        return rc;
    }
    if (!o->is_open)
        linux_note_opened(o->fid, &all.req[OPEN].rx);
    if (o->first != NULL)
        o->first_got = all.req[READ].rc == 0 ? (ssize_t)all.req[READ].rx.Rread.count.n : -EIO;
    linux_attr_of(&all.req[GETATTR].rx, &o->attr);
    return 0;
}
