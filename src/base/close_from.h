/*
 * close_from.h: closing what a process has inherited.
 */
#ifndef CLOSE_FROM_H
#define CLOSE_FROM_H

/* Closes the descriptor and all above it. */
void close_from(int first);

#endif
