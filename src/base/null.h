/*
 * null.h: a file in which nothing is.
 */
#ifndef NULL_H
#define NULL_H

/* Opens /dev/null, or what is as good where nobody writes; flags: 0 or O_CLOEXEC. A descriptor, or
 * -1 with errno. */
int null_open(int flags);

#endif
