/*
 * daemon.h: descriptors as they should be, and going to the background, with a parent that waits for the outcome.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <stddef.h>

/* The first thing that a program does, when only inherited descriptors are open: 0 to 2 are there from now on (what was closed is
 * /dev/null), and those above do not reach the programs that it runs. -errno. */
int daemon_begin(void);
/* Whether that was open then, or is 0 to 2. Before daemon_fork. */
bool daemon_inherited(int fd);
/* Forks; the child returns. The parent exits with 0 once the child calls daemon_ready, and with the child's
 * status if it ends before. If the parent is killed before that the child gets SIGTERM. Inherited descriptors above 2 are closed but for
 * the n in keep (of which any may be -1). -errno if there can be no child. */
int daemon_fork(const int *keep, size_t n);
/* The mount is usable: the parent may go, and this process leaves the terminal. Nothing in the foreground. -EPIPE if the parent was
 * killed: nobody wants the mount any more. */
int daemon_ready(void);

#endif
