/*
 * timer.h: a function that a thread of its own calls after a delay.
 */
#ifndef TIMER_H
#define TIMER_H

struct timer;

/* Starts the thread; owned by the caller. fn is called without locks held. It returns the delay
 * until its next call in milliseconds; 0: none until timer_arm. NULL without memory or a thread. */
struct timer *timer_new(unsigned (*fn)(void *arg), void *arg);
/* Calls fn in about ms milliseconds; an earlier deadline stays. t may be NULL. Any thread. */
void timer_arm(struct timer *t, unsigned ms);
/* Waits for a call in progress, ends the thread and frees. t may be NULL. Not from fn. */
void timer_free(struct timer *t);

#endif
