/*
 * thread.c: threads without signals.
 */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static void (*begin)(void);

struct start {
    void *(*run)(void *);
    void *arg;
};

static void *thread_main(void *arg)
{
    struct start s = *(struct start *)arg;

    free(arg);
    if (begin != NULL)
        begin();
    return s.run(s.arg);
}

void thread_begins_with(void (*first)(void))
{
    begin = first;
}

int thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    struct start *s = malloc(sizeof *s);
    sigset_t all, before;

    if (s == NULL)
        return -ENOMEM;
    *s = (struct start){run, arg};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(thread, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0)
        free(s);
    return -err;
}

bool thread_wait_ms(pthread_cond_t *cond, pthread_mutex_t *mtx, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_cond_timedwait(cond, mtx, &until) == 0;
}
