/*
 * unmounter.h: a process that unmounts at the end, so that the one that serves need not be able to.
 */
#ifndef UNMOUNTER_H
#define UNMOUNTER_H

#include <stdbool.h>

/* Starts the process, if root mounts at the directory. Before other threads start. 0 or -errno. */
int unmounter_start(const char *mountpoint);
/* Whether it was started, and not used. */
bool unmounter_waits(void);
/* Closes the device, has the process unmount lazily, and ends it. The device's descriptor becomes
 * one for which poll(2) reports POLLERR. 0 or -errno. */
int unmounter_unmount(int device);
/* Ends it, if it is there. */
void unmounter_stop(void);

#endif
