/*
 * session.c: the beginning and the end of a session. How its files work together:
 *
 * A request goes WAITING (no tag is free) -> QUEUED (has a tag, in `out`) -> SENT, and completes
 * once. `pending[tag]` refers to it while it has a tag and a reply can arrive; after a flush the
 * tag stays in use until Rflush.
 *
 * The submitting thread also writes, as far as the connection accepts bytes without waiting: one
 * thread at a time (`writing`) gathers the queued requests into one writev, and the others leave
 * theirs to it. When the connection is full the writer thread waits for room, so that neither a
 * submitter nor the reader blocks on a write.
 *
 * A request with a tag is completed by the reader, or while the reader does not store its payload
 * by the timer: no other thread frees a buffer that the reader stores into. A thread that ends the
 * connection only marks it and shuts it down.
 *
 * The timer completes what is given up (deadlines.c). The end of a connection need not be that of
 * the session (connections.c).
 *
 * One lock, `mtx`, guards all fields of a session and the scopes. It is never held during a read, a
 * write or a done().
 */
#include "session/session_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

/* ---- start and stop ----------------------------------------------------- */

static struct p9_session *session_new(struct transport *t, const struct p9_session_options *o)
{
    struct p9_session *s = calloc(1, sizeof *s);
    unsigned max = o->max_tags != 0 && o->max_tags < P9_NOTAG ? o->max_tags : P9_NOTAG;

    if (s == NULL)
        return NULL;
    s->pending = calloc(max, sizeof *s->pending);
    s->free_tags = calloc(max, sizeof *s->free_tags);
    if (s->pending == NULL || s->free_tags == NULL) {
        free(s->pending);
        free(s->free_tags);
        free(s);
        return NULL;
    }
    s->t = t;
    s->dialect = o->dialect;
    atomic_init(&s->msize, o->msize);
    s->msize_asked = o->msize;
    s->replied = o->replied;
    s->replied_arg = o->replied_arg;
    s->trace = o->trace;
    s->max_tags = max;
    s->started_ms = s->changed_ms = clock_ms();
    session_reset_tags(s);
    atomic_init(&s->setup_timeout_ms, o->setup_timeout_ms);
    atomic_init(&s->dead, false);
    atomic_init(&s->rerror_is_rlerror, false);
    session_queue_init(&s->waiting);
    session_queue_init(&s->out);
    session_queue_init(&s->cancelled);
    pthread_mutex_init(&s->mtx, NULL);
    pthread_cond_init(&s->idle, NULL);
    pthread_cond_init(&s->full, NULL);
    pthread_cond_init(&s->restored, NULL);
    return s;
}

static void session_free(struct p9_session *s)
{
    timer_free(s->timer);
    pthread_cond_destroy(&s->restored);
    pthread_cond_destroy(&s->full);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->mtx);
    transport_close(s->t);
    free(s->pending);
    free(s->free_tags);
    free(s);
}

struct p9_session *p9_session_start(struct transport *t, const struct p9_session_options *o, int *err,
                                    struct p9_why *why)
{
    struct p9_session *s = session_new(t, o);

    if (s == NULL) {
        transport_close(t);
        *err = p9_set_why(why, -ENOMEM, "%s", strerror(ENOMEM));
        return NULL;
    }
    s->timer = timer_new(session_tick, s);
    *err = s->timer != NULL ? thread_start(&s->reader, session_reader_main, s) : -ENOMEM;
    if (*err != 0) {
        p9_set_why(why, *err, "cannot start a thread: %s", strerror(-*err));
        session_free(s);
        return NULL;
    }
    *err = thread_start(&s->writer, session_writer_main, s);
    if (*err != 0) {
        p9_set_why(why, *err, "cannot start a thread: %s", strerror(-*err));
        p9_session_fail(s, -ECANCELED, NULL);
        pthread_join(s->reader, NULL);
        session_free(s);
        return NULL;
    }
    *err = session_negotiate(s, o, why);
    if (*err != 0) {
        p9_session_stop(s);
        return NULL;
    }
    return s;
}

void p9_session_stop(struct p9_session *s)
{
    p9_session_fail(s, -ECANCELED, NULL);
    pthread_join(s->reader, NULL);
    pthread_join(s->writer, NULL);
    timer_free(s->timer); /* it may be about to complete requests */
    s->timer = NULL;
    session_free(s);
}

void p9_session_timeout(struct p9_session *s, int ms)
{
    atomic_store(&s->setup_timeout_ms, ms);
}

int p9_session_ready(struct p9_session *s)
{
    pthread_mutex_lock(&s->mtx);
    int err = s->error;
    s->ready = err == 0;
    pthread_mutex_unlock(&s->mtx);
    if (err == 0)
        p9_session_timeout(s, 0);
    return err;
}

/* ---- properties --------------------------------------------------------- */

enum p9_dialect p9_session_dialect(const struct p9_session *s)
{
    return s->dialect;
}

uint32_t p9_session_msize(const struct p9_session *s)
{
    return s->msize;
}

uint32_t p9_session_payload(const struct p9_session *s)
{
    return s->msize - P9_IOHDRSZ;
}

bool p9_session_rerror_is_rlerror(struct p9_session *s)
{
    return atomic_load(&s->rerror_is_rlerror);
}

bool p9_session_dead(struct p9_session *s)
{
    return atomic_load(&s->dead);
}

/* ---- the end ------------------------------------------------------------ */

/* Called with the lock. */
static void mark_ended(struct p9_session *s, int err, const char *reason)
{
    if (s->error != 0)
        return;
    s->error = err;
    s->reason[0] = 0;
    if (reason != NULL)
        snprintf(s->reason, sizeof s->reason, "%s", reason);
    atomic_store(&s->dead, true);
    session_mark_down(s, err);
    pthread_cond_broadcast(&s->full);
    pthread_cond_broadcast(&s->restored);
    pthread_cond_broadcast(&s->idle);
}

void p9_session_fail(struct p9_session *s, int err, const char *reason)
{
    pthread_mutex_lock(&s->mtx);
    mark_ended(s, err, reason);
    pthread_mutex_unlock(&s->mtx);
}

void session_complete_all(struct p9_session *s)
{
    struct queue failed;

    session_queue_init(&failed);
    pthread_mutex_lock(&s->mtx);
    while (s->writing) /* the writing thread may read from buffers of requests */
        pthread_cond_wait(&s->idle, &s->mtx);
    for (unsigned i = 0; i < s->max_tags; i++)
        if (s->pending[i] != NULL) {
            session_queue_add(&failed, s->pending[i]);
            s->pending[i] = NULL;
        }
    if (s->version != NULL)
        session_queue_add(&failed, s->version);
    s->version = NULL;
    for (struct p9_req *r;
         (r = session_queue_take(&s->waiting)) != NULL || (r = session_queue_take(&s->cancelled)) != NULL;)
        session_queue_add(&failed, r);
    session_queue_init(&s->out);
    for (struct p9_req *r = failed.first; r != NULL; r = r->next)
        session_scope_leave(r);
    int err = s->error;
    bool ready = s->ready;
    pthread_mutex_unlock(&s->mtx);

    if (s->reason[0] != 0 && ready)
        log_error("connection lost: %s", s->reason);
    for (struct p9_req *r; (r = session_queue_take(&failed)) != NULL;)
        session_complete(r, err);
}
