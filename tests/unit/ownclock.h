/*
 * ownclock.h: a clock that stands still until the test, or its server, moves it. A test that links
 * it in has it instead of base/clock.c.
 */
#ifndef OWNCLOCK_H
#define OWNCLOCK_H

#include "base/clock.h"

void clock_pass(uint64_t us);

#endif
