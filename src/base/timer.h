/*
 * timer.h: something to be done after a while, by a thread of its own, if nothing else has done it by then.
 */
#ifndef TIMER_H
#define TIMER_H

struct timer;

/* Starts the thread. fn is called without locks held; it says in how many milliseconds it is to be called again, 0: not until
 * timer_arm says so. NULL without memory or a thread. */
struct timer *timer_new(unsigned (*fn)(void *arg), void *arg);
/* fn is called in about so many milliseconds, or earlier if that was asked for before. NULL is nothing. */
void timer_arm(struct timer *l, unsigned ms);
/* Waits for a call under way. NULL is nothing. */
void timer_free(struct timer *l);

#endif
