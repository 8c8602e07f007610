/*
 * client.c: starting and stopping a client, habits of its server, and requests on its session.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/fid_numbers.h"
#include "client/recovery.h"

static void client_free(struct p9_client *c)
{
    if (c->fids != NULL)
        fids_free(c->fids);
    idmap_free(c->ids);
    track_free_attaches(c);
    free(c);
}

static struct p9_client *client_new(const struct p9_client_options *o)
{
    struct p9_client *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->fids = fids_new(o->max_fids, o->clunk_wait_ms);
    c->ids = idmap_new(&o->ids);
    if (c->fids != NULL && c->ids != NULL)
        return c;
    client_free(c);
    return NULL;
}

struct p9_client *p9_client_start(struct transport *t, const struct p9_client_options *o, int *err, struct p9_why *why)
{
    struct p9_session_options so = o->session;
    struct p9_client *c = client_new(o);

    if (c == NULL) {
        transport_close(t);
        *err = -ENOMEM;
        snprintf(why->text, sizeof why->text, "%s", strerror(ENOMEM));
        return NULL;
    }
    so.replied = track_reply;
    so.replied_arg = c;
    c->session = p9_session_start(t, &so, err, why);
    if (c->session == NULL) {
        client_free(c);
        return NULL;
    }
    atomic_init(&c->habits, 0);
    c->noxattr = o->noxattr;
    c->nodevmap = o->nodevmap;
    c->read_max = p9_session_payload(c->session);
    c->ops = p9_session_dialect(c->session) == P9_2000L ? &p9_linux_ops : &p9_plan9_ops;
    return c;
}

enum { DRAIN_MS = 1000, SILENT_MS = 500 };

/* Waits for replies in flight: a server that writes to a closed connection may die (diod:
 * SIGPIPE). */
void p9_client_stop(struct p9_client *c)
{
    p9_push(c->session);
    if (!p9_session_silent(c->session, SILENT_MS))
        fids_drain(c->fids, DRAIN_MS);
    p9_client_give_up(c);
    p9_session_stop(c->session);
    recovery_free(c->recovery);
    atomic_fetch_add(&c->generation, 1); /* no server knows those in doubt any more */
    pthread_mutex_lock(&c->fids->mtx);
    fids_put_doubts(c->fids);
    pthread_mutex_unlock(&c->fids->mtx);
    client_free(c);
}

struct p9_session *p9_client_session(struct p9_client *c)
{
    return c->session;
}

unsigned p9_client_generation(const struct p9_client *c)
{
    return atomic_load(&c->generation);
}

uint32_t p9_client_payload(const struct p9_client *c)
{
    return p9_session_payload(c->session);
}

uint32_t p9_client_reply_max(const struct p9_client *c)
{
    return p9_session_msize(c->session) - P9_RREAD_HDRSZ;
}

uint32_t p9_readdir_count(const struct p9_fid *fid, uint32_t n)
{
    uint32_t most = fid->iounit < fid->client->read_max ? fid->iounit : fid->client->read_max;

    return n < most ? n : most;
}

bool p9_lists_attributes(const struct p9_client *c)
{
    return c->ops->lists_attributes;
}

const struct p9_statfs p9_statfs_unknown = {.bsize = 4096, .namelen = P9_MAXNAME};

bool p9_may_be_synthetic(const struct p9_client *c)
{
    return c->ops->may_be_synthetic;
}

bool p9_counts_links(const struct p9_client *c)
{
    return c->ops->counts_links;
}

bool p9_has_habit(struct p9_client *c, enum p9_habit habit)
{
    return (atomic_load(&c->habits) & habit) != 0;
}

void p9_add_habit(struct p9_client *c, enum p9_habit habit)
{
    atomic_fetch_or(&c->habits, habit);
}

bool p9_fids_follow(struct p9_client *c)
{
    return p9_has_habit(c, P9_FIDS_FOLLOW);
}

bool p9_removes_by_fid(struct p9_client *c)
{
    return p9_has_habit(c, P9_NO_UNLINKAT);
}

bool p9_open_truncates(struct p9_client *c)
{
    return !p9_has_habit(c, P9_NO_TRUNC);
}

bool p9_learn_unsupported(struct p9_client *c, enum p9_habit habit, int rc)
{
    if (rc != -EOPNOTSUPP && rc != -ENOSYS)
        return false;
    p9_add_habit(c, habit);
    return true;
}

int p9_client_learn(struct p9_client *c, struct p9_fid *root)
{
    int rc = c->ops->learn != NULL ? c->ops->learn(c, root) : 0;

    return rc == -ENOMEM || (rc != 0 && p9_session_dead(c->session)) ? rc : 0;
}

/* -errno if the request needs a fid that is lost. */
static int check_lost(struct p9_client *c, const struct p9_fcall *tx)
{
    uint32_t num[TRACK_FIDS];
    int rc = 0;

    if (atomic_load(&c->lost_fids) == 0)
        return 0;
    unsigned n = track_needs(tx, num);
    pthread_mutex_lock(&c->fids->mtx);
    for (unsigned i = 0; i < n && rc == 0; i++) {
        const struct p9_fid *fid = track_find(c, num[i]);
        rc = fid != NULL ? fid->lost : 0;
    }
    pthread_mutex_unlock(&c->fids->mtx);
    return rc;
}

void p9_send(struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx)
{
    int rc = check_lost(c, tx);

    if (rc == 0)
        p9_submit(c->session, req, tx);
    else
        p9_refuse(req, rc);
}

void p9_send_more(struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx)
{
    int rc = check_lost(c, tx);

    if (rc == 0)
        p9_submit_more(c->session, req, tx);
    else
        p9_refuse(req, rc);
}

int p9_rpc(struct p9_scope *sc, struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx)
{
    int rc = check_lost(c, tx);

    req->scope = sc;
    return rc == 0 ? p9_call(c->session, req, tx) : rc;
}

int p9_do(struct p9_scope *sc, struct p9_client *c, const struct p9_fcall *tx)
{
    struct p9_req req = {0};

    return p9_rpc(sc, c, &req, tx);
}

uint32_t p9_fid_iounit(const struct p9_client *c, uint32_t iounit)
{
    uint32_t payload = p9_client_payload(c);

    return iounit > 0 && iounit < payload ? iounit : payload;
}
