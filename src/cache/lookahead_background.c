/*
 * lookahead_background.c: what is asked ahead while nobody waits for it, by a thread of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

#include "cache/lookahead_impl.h"
#include "base/timer.h"

enum { STOP_SECONDS = 2 /* then the connection is of no use */ };

struct background {
    struct timer *timer;
    pthread_cond_t done;
    struct lookahead_job *due;
    bool busy;
};

static void job_free(struct lookahead_job *job)
{
    p9_fid_put(job->dir);
    free(job);
}

/* For timer_new. */
static unsigned do_all(void *ahead)
{
    struct lookahead *a = ahead;
    struct background *b = a->background;
    struct lookahead_job *job;

    pthread_mutex_lock(&a->mtx);
    while (!a->stop && (job = b->due) != NULL) {
        LL_DELETE(b->due, job);
        b->busy = true;
        job->run(a, job);
        job_free(job);
    }
    b->busy = false;
    pthread_cond_broadcast(&b->done);
    pthread_mutex_unlock(&a->mtx);
    return 0;
}

struct background *background_new(struct lookahead *a)
{
    struct background *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    pthread_cond_init(&b->done, NULL);
    b->timer = timer_new(do_all, a);
    return b;
}

void background_free(struct lookahead *a)
{
    struct background *b = a->background;
    struct lookahead_job *job;
    struct timespec until;
    int rc = 0;

    if (b == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    pthread_mutex_lock(&a->mtx);
    a->stop = true;
    while (b->busy && rc == 0)
        rc = pthread_cond_timedwait(&b->done, &a->mtx, &until);
    pthread_mutex_unlock(&a->mtx);
    if (rc != 0)
        p9_session_fail(p9_client_session(a->cache->client), -ECANCELED, NULL);
    timer_free(b->timer);
    while ((job = b->due) != NULL) {
        LL_DELETE(b->due, job);
        job_free(job);
    }
    pthread_cond_destroy(&b->done);
    free(b);
}

bool lookahead_background(struct lookahead *a, const struct listing *l, struct p9_fid *dir, uint64_t walked,
                          void (*run)(struct lookahead *a, const struct lookahead_job *job))
{
    struct lookahead_job *job = a->background != NULL && a->background->timer != NULL ? malloc(sizeof *job) : NULL;

    if (job == NULL)
        return false;
    *job = (struct lookahead_job){.run = run, .dir = p9_fid_get(dir), .walked = walked, .listing = l->number};
    LL_APPEND(a->background->due, job);
    timer_arm(a->background->timer, 0);
    return true;
}
