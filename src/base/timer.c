/*
 * timer.c: a thread that sleeps until something is due.
 */
#include "base/timer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"

struct timer {
    unsigned (*fn)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t mtx; /* guards all below */
    pthread_cond_t changed;
    bool due, stop; /* due: at `when` */
    struct timespec when;
};

static struct timespec in_ms(unsigned ms)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (long)(ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    return ts;
}

static bool before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Called with the lock. Whether the thread has to be told. */
static bool note(struct timer *l, unsigned ms)
{
    struct timespec when = in_ms(ms);
    bool sooner = !l->due || before(&when, &l->when);

    if (sooner)
        l->when = when;
    l->due = true;
    return sooner;
}

static void *timer_main(void *timer)
{
    struct timer *l = timer;

    pthread_mutex_lock(&l->mtx);
    while (!l->stop) {
        struct timespec now = in_ms(0);
        if (!l->due) {
            pthread_cond_wait(&l->changed, &l->mtx);
        } else if (before(&now, &l->when)) {
            pthread_cond_timedwait(&l->changed, &l->mtx, &l->when);
        } else {
            l->due = false;
            pthread_mutex_unlock(&l->mtx);
            unsigned again = l->fn(l->arg);
            pthread_mutex_lock(&l->mtx);
            if (again > 0)
                note(l, again);
        }
    }
    pthread_mutex_unlock(&l->mtx);
    return NULL;
}

struct timer *timer_new(unsigned (*fn)(void *arg), void *arg)
{
    struct timer *l = calloc(1, sizeof *l);
    pthread_condattr_t monotonic;

    if (l == NULL)
        return NULL;
    l->fn = fn;
    l->arg = arg;
    pthread_mutex_init(&l->mtx, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (thread_start(&l->thread, timer_main, l) == 0)
        return l;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mtx);
    free(l);
    return NULL;
}

void timer_arm(struct timer *l, unsigned ms)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->mtx);
    if (note(l, ms))
        pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mtx);
}

void timer_free(struct timer *l)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->mtx);
    l->stop = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mtx);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mtx);
    free(l);
}
