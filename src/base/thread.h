/*
 * thread.h: threads that no signal goes to: those are for the main thread, which knows when one may come.
 */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* 0 or -errno. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
