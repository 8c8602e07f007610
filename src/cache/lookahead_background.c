/*
 * ahead_background.c: what is asked ahead while nobody waits for it, by a thread of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

#include "cache/lookahead_impl.h"
#include "base/timer.h"

enum { STOP_SECONDS = 2 /* then the connection is of no use */ };

struct background {
    struct later *later;
    pthread_cond_t done;
    struct ahead_job *due;
    bool busy;
};

static void job_free(struct ahead_job *job)
{
    p9_fid_put(job->dir);
    free(job);
}

/* For later_new. */
static unsigned do_all(void *ahead)
{
    struct ahead *a = ahead;
    struct background *b = a->background;
    struct ahead_job *job;

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

struct background *background_new(struct ahead *a)
{
    struct background *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    pthread_cond_init(&b->done, NULL);
    b->later = later_new(do_all, a);
    return b;
}

void background_free(struct ahead *a)
{
    struct background *b = a->background;
    struct ahead_job *job;
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
        p9_session_fail(p9_client_session(a->tree->client), -ECANCELED, NULL);
    later_free(b->later);
    while ((job = b->due) != NULL) {
        LL_DELETE(b->due, job);
        job_free(job);
    }
    pthread_cond_destroy(&b->done);
    free(b);
}

bool ahead_background(struct ahead *a, const struct listing *l, struct p9_fid *dir, uint64_t walked,
                      void (*run)(struct ahead *a, const struct ahead_job *job))
{
    struct ahead_job *job = a->background != NULL && a->background->later != NULL ? malloc(sizeof *job) : NULL;

    if (job == NULL)
        return false;
    *job = (struct ahead_job){.run = run, .dir = p9_fid_get(dir), .walked = walked, .listing = l->number};
    LL_APPEND(a->background->due, job);
    later_in(a->background->later, 0);
    return true;
}
