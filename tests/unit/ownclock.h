/*
 * ownclock.h: a clock that stands still until the test, or its server, moves it. It takes the place of the real one where it is linked in.
 */
#ifndef OWNCLOCK_H
#define OWNCLOCK_H

#include "base/clock.h"

void clock_pass(uint64_t us);

#endif
