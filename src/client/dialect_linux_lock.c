/*
 * dialect_linux_lock.c: 9P2000.L: acquiring, releasing and querying locks.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/dialect_linux.h"

static void lock_host(struct p9_client *c, char *host)
{
    host[0] = 0;
    if (!p9_has_habit(c, P9_NO_FOREIGN_HOSTS))
        gethostname(host, P9_HOST_BYTES - 1);
    host[P9_HOST_BYTES - 1] = 0;
    if (host[0] == 0)
        strcpy(host, "localhost");
}

static struct p9_fcall lock_request(const struct p9_locking *l, uint32_t proc_id)
{
    if (l->query)
        return (struct p9_fcall){.type = P9_Tgetlock,
                                 .Tgetlock = {.fid = l->fid->num,
                                              .type = l->type,
                                              .start = l->start,
                                              .length = l->length,
                                              .proc_id = proc_id,
                                              .client_id = p9_str(l->host)}};
    return (struct p9_fcall){.type = P9_Tlock,
                             .Tlock = {.fid = l->fid->num,
                                       .type = l->type,
                                       .start = l->start,
                                       .length = l->length,
                                       .proc_id = proc_id,
                                       .client_id = p9_str(l->host)}};
}

static void lock_answered(struct p9_req *req);

void linux_lock_start(struct p9_locking *l)
{
    lock_host(l->fid->client, l->host);
    const struct p9_fcall tx = lock_request(l, (uint32_t)getpid() ^ l->owner << 31);
    l->req = (struct p9_req){.done = lock_answered, .arg = l, .scope = l->scope};
    p9_send(l->fid->client, &l->req, &tx);
}

static int lock_status(uint8_t status)
{
    switch (status) {
    case P9_LOCK_SUCCESS:
        return 0;
    case P9_LOCK_BLOCKED:
    case P9_LOCK_GRACE:
        return -EAGAIN;
    }
    return -ENOLCK;
}

static struct p9_lock_held lock_found(const struct p9_locking *l)
{
    const struct p9_fcall *rx = &l->req.rx;
    struct p9_lock_held held = {.type = rx->Rgetlock.type,
                                .start = rx->Rgetlock.start,
                                .length = rx->Rgetlock.length,
                                .proc_id = rx->Rgetlock.proc_id};

    /* nfs-ganesha returns the query itself, whether or not there is a conflicting lock. */
    if (p9_session_rerror_is_rlerror(l->fid->client->session) && held.proc_id == (uint32_t)getpid() &&
        p9_str_eq(rx->Rgetlock.client_id, l->host))
        held.type = P9_LOCK_UNLCK;
    return held;
}

/* In the reader thread, or before p9_submit returns. */
static void lock_answered(struct p9_req *req)
{
    struct p9_locking *l = req->arg;
    struct p9_client *c = l->fid->client;

    /* nfs-ganesha resolves client_id and refuses an unknown host. */
    if (req->rc == -EINVAL && !l->query && !p9_has_habit(c, P9_NO_FOREIGN_HOSTS)) {
        p9_add_habit(c, P9_NO_FOREIGN_HOSTS);
        linux_lock_start(l);
        return;
    }
    l->rc = req->rc == -ENOSYS ? -EOPNOTSUPP : req->rc;
    if (l->rc == 0 && l->query)
        l->held = lock_found(l);
    else if (l->rc == 0)
        l->rc = lock_status(req->rx.Rlock.status);
    l->done(l);
}
