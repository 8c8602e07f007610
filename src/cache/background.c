/*
 * background.c: what lookahead asks for while nobody waits, by a thread of its own.
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
    struct job *due;
    bool busy;
};

/* With the lock. */
static void job_free(struct cache *c, struct job *job)
{
    p9_fid_put(job->fid);
    job->dir->nlookup--;
    inode_release(c, job->dir);
    free(job);
}

/* For timer_new. */
static unsigned do_all(void *cache)
{
    struct cache *c = cache;
    struct background *b = c->lookahead->background;
    struct job *job;

    pthread_mutex_lock(&c->mtx);
    while (!c->lookahead->stop && (job = b->due) != NULL) {
        LL_DELETE(b->due, job);
        b->busy = true;
        job->run(c, job);
        job_free(c, job);
    }
    b->busy = false;
    pthread_cond_broadcast(&b->done);
    pthread_mutex_unlock(&c->mtx);
    return 0;
}

struct background *background_new(struct cache *c)
{
    struct background *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    pthread_cond_init(&b->done, NULL);
    b->timer = timer_new(do_all, c);
    return b;
}

void background_free(struct cache *c)
{
    struct background *b = c->lookahead->background;
    struct job *job;
    struct timespec until;
    int rc = 0;

    if (b == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    pthread_mutex_lock(&c->mtx);
    c->lookahead->stop = true;
    while (b->busy && rc == 0)
        rc = pthread_cond_timedwait(&b->done, &c->mtx, &until);
    pthread_mutex_unlock(&c->mtx);
    if (rc != 0)
        p9_session_fail(p9_client_session(c->client), -ECANCELED, NULL);
    timer_free(b->timer);
    pthread_mutex_lock(&c->mtx);
    while ((job = b->due) != NULL) {
        LL_DELETE(b->due, job);
        job_free(c, job);
    }
    pthread_mutex_unlock(&c->mtx);
    pthread_cond_destroy(&b->done);
    free(b);
}

bool background_do(struct cache *c, const struct job *job)
{
    struct background *b = c->lookahead->background;
    struct job *copy = b != NULL && b->timer != NULL ? malloc(sizeof *copy) : NULL;

    if (copy == NULL)
        return false;
    *copy = *job;
    copy->next = NULL;
    copy->dir->nlookup++;
    p9_fid_get(copy->fid);
    LL_APPEND(b->due, copy);
    timer_arm(b->timer, 0);
    return true;
}
