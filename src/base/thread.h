/*
 * thread.h: threads that block all signals. Signals go to the main thread, which knows when one may
 * come.
 */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* Starts run(arg) in *thread. 0 or -errno. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *arg);
/* What each thread of thread_start does first. To be called while there is one thread. */
void thread_begins_with(void (*first)(void));

#endif
