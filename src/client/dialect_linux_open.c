/*
 * dialect_linux_open.c: what is asked for at once when a file is opened.
 *
 * None of these requests depends on the order in which they are answered: the walk makes another fid, attributes can
 * be asked for by a fid whether it is open or not, and only what is open already is read. Where extended ones cannot, they
 * are asked for by the fid that the walk makes: if that is too early they are just not known.
 */
#include <errno.h>
#include <fcntl.h>

#include "client/dialect_linux.h"

enum { WALK, GETATTR, OPEN, READ, TOO, MOST = TOO + P9_OPEN_TOO };

static void ask_all(struct p9_scope *sc, struct p9_opening *o, struct p9_req *req, struct linux_xattrs *x)
{
    struct linux_round r;
    struct p9_fid *unopened = p9_lacks(o->fid->client, P9_NO_XATTR_OF_OPEN) ? o->walked : o->fid;
    uint32_t most = o->fid->iounit < o->fid->client->read_max ? o->fid->iounit : o->fid->client->read_max;
    struct p9_fcall tx = p9_walk_message(o->from, o->walked, o->n, o->names);

    linux_round_begin(&r, sc, o->fid->client);
    linux_round_send(&r, &req[WALK], &tx);
    tx = linux_getattr_message(o->fid);
    linux_round_send(&r, &req[GETATTR], &tx);
    if (!o->is_open) {
        tx = linux_lopen_message(o->fid, o->flags);
        linux_round_send(&r, &req[OPEN], &tx);
    } else if (o->first != NULL) {
        req[READ].into = o->first;
        req[READ].into_size = o->first_size < most ? o->first_size : most;
        tx = (struct p9_fcall){.type = P9_Tread, .Tread = {.fid = o->fid->num, .count = req[READ].into_size}};
        linux_round_send(&r, &req[READ], &tx);
    }
    linux_xattrs_ask(x, &r, unopened, o->xattrs.names);
    for (size_t i = 0; i < o->ntoo; i++) {
        tx = linux_lopen_message(o->too[i], O_RDONLY);
        linux_round_send(&r, &req[TOO + i], &tx);
    }
    linux_round_end(&r);
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
    struct p9_req req[MOST] = {0};
    struct linux_xattrs xattrs = {0};
    int rc = fid_new(sc, o->fid->client, &o->walked);

    if (rc != 0)
        return rc;
    ask_all(sc, o, req, &xattrs);
    linux_xattrs_take(&xattrs, o->xattrs.lacks);
    for (size_t i = 0; i < o->ntoo; i++)
        note_other(&o->too[i], &req[TOO + i]);
    rc = req[WALK].rc;
    o->walked->doubtful = rc == 0 && req[WALK].rx.Rwalk.nwqid.n != o->n;
    if (o->walked->doubtful)
        rc = -ENOENT;
    if (rc != 0) {
        fid_failed(o->walked, rc);
        return rc;
    }
    o->walked->qid = req[WALK].rx.Rwalk.nwqid.qid[o->n - 1];
    rc = req[OPEN].rc != 0 ? req[OPEN].rc : req[GETATTR].rc;
    if (rc != 0) {
        p9_fid_put(o->walked);
        return rc;
    }
    if (!o->is_open)
        linux_note_opened(o->fid, &req[OPEN].rx);
    if (o->first != NULL)
        o->first_got = req[READ].rc == 0 ? (ssize_t)req[READ].rx.Rread.count.n : -EIO;
    linux_attr_of(&req[GETATTR].rx, &o->attr);
    return 0;
}
