/*
 * flush.c: scopes, and interrupting the requests of one. flush(5).
 */
#include "session/session_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

enum { FLUSH_MS = 1000 }; /* who is killed waits so long for Rflush */

void session_scope_enter(struct p9_req *req)
{
    struct p9_scope *sc = req->scope;

    if (sc == NULL)
        return;
    req->scope_next = sc->reqs;
    req->scope_link = &sc->reqs;
    if (sc->reqs != NULL)
        sc->reqs->scope_link = &req->scope_next;
    sc->reqs = req;
}

void session_scope_leave(struct p9_req *req)
{
    if (req->scope_link == NULL)
        return;
    *req->scope_link = req->scope_next;
    if (req->scope_next != NULL)
        req->scope_next->scope_link = req->scope_link;
    req->scope_link = NULL;
}

struct flush {
    struct p9_req req;
    struct p9_session *s;
    uint16_t oldtag;
};

static void flush_done(struct p9_req *req)
{
    struct flush *f = req->arg;
    struct p9_session *s = f->s;
    struct p9_req *target = NULL;

    pthread_mutex_lock(&s->mtx);
    /* An error reply to Tflush counts as Rflush. */
    if (s->error == 0 && !s->down && f->req.connection == s->connections + 1) {
        target = s->pending[f->oldtag];
        session_free_tag(s, f->oldtag);
        if (target != NULL) {
            session_scope_leave(target);
            s->ghosts -= target->ghost;
            s->order_unknown = true;
        }
        session_wake_waiting(s);
        session_pump(s);
    }
    pthread_mutex_unlock(&s->mtx);
    if (target != NULL)
        session_complete(target, -EINTR);
    free(f);
}

bool session_send_flush(struct p9_session *s, struct p9_req *target)
{
    struct flush *f = calloc(1, sizeof *f);

    if (f == NULL)
        return false;
    target->flushing = true;
    s->flushed++;
    *f = (struct flush){
        .req = {.done = flush_done, .arg = f, .connection = s->connections + 1}, .s = s, .oldtag = target->tag};
    struct p9_fcall tx = {.type = P9_Tflush, .Tflush.oldtag = target->tag};
    pthread_mutex_unlock(&s->mtx);
    p9_submit(s, &f->req, &tx);
    pthread_mutex_lock(&s->mtx);
    return true;
}

static struct p9_req *next_to_interrupt(struct p9_scope *scope)
{
    for (struct p9_req *r = scope->reqs; r != NULL; r = r->scope_next)
        if (!r->flushing)
            return r;
    return NULL;
}

void p9_interrupt(struct p9_session *s, struct p9_scope *scope)
{
    struct p9_req *req;
    bool memory = true; /* without it requests complete with their replies */

    pthread_mutex_lock(&s->mtx);
    scope->interrupted = true;
    while (memory && (req = next_to_interrupt(scope)) != NULL) {
        if (req->state == P9_REQ_WAITING) { /* never sent */
            req->flushing = true;
            session_queue_remove(&s->waiting, req);
            session_queue_add(&s->cancelled, req);
            timer_arm(s->timer, 0);
        } else {
            /* A server that has been silent for so long is not waited for: processes that are
             * killed may be waiting in turn for a directory. */
            session_set_deadline(s, req, clock_ms() + (session_is_silent(s, FLUSH_MS) ? 0 : FLUSH_MS));
            memory = session_send_flush(s, req);
        }
    }
    pthread_mutex_unlock(&s->mtx);
}
