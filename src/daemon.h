/*
 * daemon.h: going to the background, with a parent that waits for the outcome.
 */
#ifndef DAEMON_H
#define DAEMON_H

/* Forks; the child returns. The parent exits with 0 once the child calls daemon_ready, and with the child's
 * status if it ends before. -errno if there can be no child. */
int daemon_fork(void);
/* The mount is usable: the parent may go, and this process leaves the terminal. Nothing in the foreground. */
void daemon_ready(void);

#endif
