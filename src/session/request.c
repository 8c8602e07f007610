/*
 * request.c: submitting and completing requests, queues of requests.
 */
#include "session/session_impl.h"

#include <errno.h>
#include <stdlib.h>

/* ---- queues ------------------------------------------------------------- */

void session_queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

void session_queue_add(struct queue *q, struct p9_req *req)
{
    req->next = NULL;
    *q->last = req;
    q->last = &req->next;
}

struct p9_req *session_queue_take(struct queue *q)
{
    struct p9_req *req = q->first;

    if (req != NULL && (q->first = req->next) == NULL)
        q->last = &q->first;
    return req;
}

bool session_queue_remove(struct queue *q, struct p9_req *req)
{
    struct p9_req **p = &q->first;

    while (*p != NULL && *p != req)
        p = &(*p)->next;
    if (*p == NULL)
        return false;
    *p = req->next;
    if (req->next == NULL)
        q->last = p;
    return true;
}

/* ---- completing --------------------------------------------------------- */

void session_complete(struct p9_req *req, int rc)
{
    if (req->head != req->small)
        free(req->head);
    req->head = NULL;
    req->state = P9_REQ_IDLE;
    req->rc = rc;
    req->done(req);
}

void p9_refuse(struct p9_req *req, int rc)
{
    req->head = req->small;
    session_complete(req, rc);
}

/* ---- submitting --------------------------------------------------------- */

static int pack(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    size_t size = p9_sizeS2M(tx, s->dialect);
    const struct p9_blob *data = tx->type == P9_Twrite ? &tx->Twrite.count : NULL;

    if (size == 0)
        return -EINVAL;
    if (size > s->msize)
        return -EMSGSIZE;
    req->payload = data != NULL ? data->p : NULL;
    req->payload_len = data != NULL ? data->n : 0;
    req->head_len = size - req->payload_len;
    req->head = req->head_len <= sizeof req->small ? req->small : malloc(req->head_len);
    if (req->head == NULL)
        return -ENOMEM;
    p9_headS2M(tx, s->dialect, req->head, req->head_len);
    return 0;
}

static void submit(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx, bool now)
{
    int err = pack(s, req, tx);

    req->type = tx->type;
    req->flushing = req->was_sent = req->ghost = false;
    req->deadline_ms = 0;
    req->scope_link = NULL;
    if (err == 0) {
        pthread_mutex_lock(&s->mtx);
        err = s->error;
        if (err == 0 && s->down && session_is_of_connection(req))
            err = s->down_error;
        if (err == 0 && req->connection != 0 && req->connection != s->connections + 1)
            err = -ECONNRESET;
        if (req->scope != NULL && req->scope->interrupted)
            err = -EINTR;
    } else {
        req->head = req->small;
        pthread_mutex_lock(&s->mtx);
    }
    if (err != 0) {
        pthread_mutex_unlock(&s->mtx);
        session_complete(req, err);
        return;
    }
    session_scope_enter(req);
    req->tag = P9_NOTAG;
    req->id = ++s->submitted;
    session_watch(s, req);
    bool held = atomic_load(&s->away) && !session_is_of_connection(req);
    if (tx->type == P9_Tversion) {
        req->head[5] = req->head[6] = 0xff;
        s->version = req;
        session_enqueue(s, req);
    } else if (!held && (s->waiting.first == NULL || atomic_load(&s->away)) && session_take_tag(s, req)) {
        session_enqueue(s, req);
    } else {
        req->state = P9_REQ_WAITING;
        session_queue_add(&s->waiting, req);
    }
    if (now)
        session_pump(s);
    pthread_mutex_unlock(&s->mtx);
    if (held) /* the request may be completed already */
        s->keeping.wanted(s->keeping.arg);
}

void p9_submit(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    submit(s, req, tx, true);
}

void p9_submit_more(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    submit(s, req, tx, false);
}

void p9_push(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    session_pump(s);
    pthread_mutex_unlock(&s->mtx);
}
