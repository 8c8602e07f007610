/*
 * ownclock.c: a clock that only the test moves: see ownclock.h.
 */
#include "unit/ownclock.h"

#include <stdatomic.h>

enum { DAY = 86400 };

static _Atomic uint64_t now_us = (uint64_t)DAY * 1000000; /* tests need times long ago */

void clock_pass(uint64_t us)
{
    atomic_fetch_add(&now_us, us);
}

uint64_t clock_us(void)
{
    return atomic_load(&now_us);
}

time_t clock_wall(void)
{
    return (time_t)(atomic_load(&now_us) / 1000000);
}
