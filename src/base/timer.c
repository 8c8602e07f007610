/*
 * timer.c: a thread that sleeps until its deadline.
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
    bool armed, stop;
    struct timespec deadline; /* if armed */
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

/* Called with the lock. True if the thread must be woken. */
static bool set_deadline(struct timer *t, unsigned ms)
{
    struct timespec deadline = in_ms(ms);
    bool sooner = !t->armed || before(&deadline, &t->deadline);

    if (sooner)
        t->deadline = deadline;
    t->armed = true;
    return sooner;
}

static void *timer_main(void *timer)
{
    struct timer *t = timer;

    pthread_mutex_lock(&t->mtx);
    while (!t->stop) {
        struct timespec now = in_ms(0);
        if (!t->armed) {
            pthread_cond_wait(&t->changed, &t->mtx);
        } else if (before(&now, &t->deadline)) {
            pthread_cond_timedwait(&t->changed, &t->mtx, &t->deadline);
        } else {
            t->armed = false;
            pthread_mutex_unlock(&t->mtx);
            unsigned again = t->fn(t->arg);
            pthread_mutex_lock(&t->mtx);
            if (again > 0)
                set_deadline(t, again);
        }
    }
    pthread_mutex_unlock(&t->mtx);
    return NULL;
}

struct timer *timer_new(unsigned (*fn)(void *arg), void *arg)
{
    struct timer *t = calloc(1, sizeof *t);
    pthread_condattr_t monotonic;

    if (t == NULL)
        return NULL;
    t->fn = fn;
    t->arg = arg;
    pthread_mutex_init(&t->mtx, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (thread_start(&t->thread, timer_main, t) == 0)
        return t;
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mtx);
    free(t);
    return NULL;
}

void timer_arm(struct timer *t, unsigned ms)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->mtx);
    if (set_deadline(t, ms))
        pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mtx);
}

void timer_free(struct timer *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->mtx);
    t->stop = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mtx);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mtx);
    free(t);
}
