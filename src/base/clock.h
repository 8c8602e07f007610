/*
 * clock.h: what time it is. Tests have clocks of their own in its place.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since some time in the past, steadily. */
uint64_t clock_us(void);
/* The same in milliseconds. */
static inline uint64_t clock_ms(void)
{
    return clock_us() / 1000;
}
/* What a file's times are compared with, seconds. */
time_t clock_wall(void);

#endif
