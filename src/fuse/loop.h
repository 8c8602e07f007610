/*
 * loop.h: the threads that answer the kernel.
 */
#ifndef LOOP_H
#define LOOP_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

/* Answers requests with up to max threads until the mount or the session ends; more requests wait
 * in a queue. drain(arg) is called then, and returns once callbacks in progress will. 0, or -errno
 * if something else ended it. The first thread must get its memory before the first answer; any
 * later thread that gets none ends. */
int loop_run(struct fuse_session *se, unsigned max, void (*drain)(void *arg), void *arg);

#endif
