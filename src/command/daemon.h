/*
 * daemon.h: sane descriptors, and going to the background with a parent that waits for the outcome.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <stddef.h>

/* To be called first, while only inherited descriptors are open. Opens /dev/null as those of 0 to 2
 * that are closed, and marks those above 2 close-on-exec. 0 or -errno. */
int daemon_begin(void);
/* Whether fd was open at daemon_begin, or is 0 to 2. Not after daemon_fork. */
bool daemon_inherited(int fd);
/* Forks; only the child returns. The parent exits with 0 once the child calls daemon_ready, with
 * the child's status if it ends before that. If the parent is killed first the child gets SIGTERM.
 * The child closes inherited descriptors above 2, except for the n in keep (-1 is ignored). 0, or
 * -errno if the fork fails. */
int daemon_fork(const int *keep, size_t n);
/* The mount is usable: lets the parent exit, detaches from the terminal, logs to syslog. Does
 * nothing without daemon_fork. 0, or -EPIPE if the parent was killed: the mount is unwanted. */
int daemon_ready(void);

#endif
