/*
 * thread.h: threads that block all signals. Signals go to the main thread, which knows when one may
 * come.
 */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts run(arg) in *thread. 0 or -errno. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *arg);
/* What each thread of thread_start does first. To be called while there is one thread. */
void thread_begins_with(void (*first)(void));
/* Waits for cond, initialized without attributes, for at most ms milliseconds; false once they have
 * passed. Called with mtx. */
bool thread_wait_ms(pthread_cond_t *cond, pthread_mutex_t *mtx, unsigned ms);

#endif
