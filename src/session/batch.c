/*
 * batch.c: waiting for the completion of one request or several.
 */
#include "session/session_impl.h"

#include <errno.h>
#include <time.h>

void p9_batch_init(struct p9_batch *b, int n)
{
    atomic_init(&b->left, n);
    sem_init(&b->done, 0, 0);
}

void p9_batch_done(struct p9_batch *b)
{
    if (atomic_fetch_sub(&b->left, 1) == 1)
        sem_post(&b->done);
}

void p9_req_batch_done(struct p9_req *req)
{
    p9_batch_done(req->arg);
}

static int sem_wait_ms(sem_t *sem, int ms)
{
    struct timespec until;
    int r;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while ((r = sem_timedwait(sem, &until)) < 0 && errno == EINTR)
        ;
    return r < 0 ? -errno : 0;
}

void p9_batch_wait(struct p9_session *s, struct p9_batch *b)
{
    int ms = atomic_load(&s->setup_timeout_ms);
    bool waited = ms > 0 && sem_wait_ms(&b->done, ms) == 0;

    if (ms > 0 && !waited)
        p9_session_fail(s, -ETIMEDOUT, NULL);
    while (!waited && sem_wait(&b->done) < 0)
        ; /* EINTR */
    sem_destroy(&b->done);
}

int p9_call(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx)
{
    struct p9_batch b;

    p9_batch_init(&b, 1);
    req->done = p9_req_batch_done;
    req->arg = &b;
    p9_submit(s, req, tx);
    p9_batch_wait(s, &b);
    return req->rc;
}
