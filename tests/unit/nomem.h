/*
 * nomem.h: allocations that fail. A test that links it in with the flags $(nomem_flags) runs its
 * scenario again and again: each time another allocation fails, and then also each one after it.
 */
#ifndef NOMEM_H
#define NOMEM_H

#include <stdbool.h>

/* Runs it until no allocation is left to fail. */
void nomem_each(void (*scenario)(void));
/* From here on allocations do not fail, as those of the test itself; and again they do. */
void nomem_pause(void);
void nomem_resume(void);
/* In this thread they never do. */
void nomem_spare_thread(void);
/* rc is right, or -ENOMEM if an allocation has failed. Whether it is right. */
bool nomem_is(int rc, int right);
/* p is not NULL, or an allocation has failed. */
bool nomem_got(const void *p);

#endif
