/*
 * clock.h: the time. Tests link a clock of their own instead.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since an arbitrary time in the past; monotonic. */
uint64_t clock_us(void);
/* The same in milliseconds. */
static inline uint64_t clock_ms(void)
{
    return clock_us() / 1000;
}
/* Seconds since 1970, to compare with the times of files. */
time_t clock_wall(void);

#endif
