/*
 * privileges.h: what root's privileges are given up once they are not needed any more.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>

#include "command/options.h"

/* To be called before the first other thread starts: the threads that do not mount start without
 * privileges. */
void privileges_begin(const struct options *o);
/* Once the client is connected: synthetic files, of which close(2) must find every descriptor. */
void privileges_for_synthetic(void);
/* Gives up what is not needed after the mount: by the thread that has mounted, before it starts
 * those that serve. */
void privileges_drop(void);
/* Whether this process has what mount(2) and umount(2) require, as root. */
bool privileges_to_mount(void);
/* Gives up everything but what umount(2) requires. */
void privileges_only_unmount(void);

#endif
