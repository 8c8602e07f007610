/*
 * later.h: something to be done after a while, by a thread of its own, if nothing else has done it by then.
 */
#ifndef LATER_H
#define LATER_H

struct later;

/* Starts the thread. fn is called without locks held; it says in how many milliseconds it is to be called again, 0: not until
 * later_in says so. NULL without memory or a thread. */
struct later *later_new(unsigned (*fn)(void *arg), void *arg);
/* fn is called in about so many milliseconds, or earlier if that was asked for before. NULL is nothing. */
void later_in(struct later *l, unsigned ms);
/* Waits for a call under way. NULL is nothing. */
void later_free(struct later *l);

#endif
