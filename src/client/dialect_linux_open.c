/*
 * dialect_linux_open.c: 9P2000.L: opening a file and revalidating its name in one round trip.
 *
 * No request depends on the order of the replies: the walk makes another fid; attributes can be
 * read by a fid whether it is open or not; only a file that is open already is read. If extended
 * attributes cannot be read by an open fid, they are read by the fid that the walk makes; if the
 * request overtakes the walk they stay unknown.
 */
#include <errno.h>
#include <fcntl.h>

#include "client/dialect_linux.h"

enum { WALK, GETATTR, OPEN, READ, OTHERS, NREQS = OTHERS + P9_OPEN_TOO };

static void send_all(struct p9_scope *sc, struct p9_opening *o, struct p9_req *req, struct linux_xattrs *x)
{
    struct p9_round r;
    struct p9_fid *unopened = p9_has_habit(o->fid->client, P9_NO_XATTR_OF_OPEN) ? o->walked : o->fid;
    uint32_t most = o->fid->iounit < o->fid->client->read_max ? o->fid->iounit : o->fid->client->read_max;
    struct p9_fcall tx = p9_walk_message(o->from, o->walked, o->n, o->names);

    p9_round_begin(&r, sc, o->fid->client);
    p9_round_send(&r, &req[WALK], &tx);
    tx = linux_getattr_message(o->fid);
    p9_round_send(&r, &req[GETATTR], &tx);
    if (!o->is_open) {
        tx = linux_lopen_message(o->fid, o->flags);
        p9_round_send(&r, &req[OPEN], &tx);
    } else if (o->first != NULL) {
        req[READ].into = o->first;
        req[READ].into_size = o->first_size < most ? o->first_size : most;
        tx = (struct p9_fcall){.type = P9_Tread, .Tread = {.fid = o->fid->num, .count = req[READ].into_size}};
        p9_round_send(&r, &req[READ], &tx);
    }
    linux_xattrs_send(x, &r, unopened, o->xattrs.names);
    for (size_t i = 0; i < o->ntoo; i++) {
        tx = linux_lopen_message(o->too[i], O_RDONLY);
        p9_round_send(&r, &req[OTHERS + i], &tx);
    }
    p9_round_end(&r);
}

static void set_other(struct p9_fid **fid, const struct p9_req *req)
{
    if (req->rc == 0) {
        linux_set_opened(*fid, &req->rx);
    } else {
        p9_fid_put(*fid);
        *fid = NULL;
    }
}

int linux_open_checked(struct p9_scope *sc, struct p9_opening *o)
{
    struct p9_req req[NREQS] = {0};
    struct linux_xattrs xattrs = {0};
    int rc = fid_new(sc, o->fid->client, &o->walked);

    if (rc != 0)
        return rc;
    send_all(sc, o, req, &xattrs);
    linux_xattrs_collect(&xattrs, o->xattrs.lacks);
    for (size_t i = 0; i < o->ntoo; i++)
        set_other(&o->too[i], &req[OTHERS + i]);
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
        linux_set_opened(o->fid, &req[OPEN].rx);
    if (o->first != NULL)
        o->first_got = req[READ].rc == 0 ? (ssize_t)req[READ].rx.Rread.count.n : -EIO;
    linux_attr_of(&req[GETATTR].rx, &o->attr);
    return 0;
}
