/*
 * lock.h: locks, for those who open, close and interrupt.
 */
#ifndef LOCK_H
#define LOCK_H

#include "fuse/file.h"

/* A descriptor of the file was closed by `owner`: what is his is given back. */
void locks_closed(struct op *op, struct file *f, uint64_t owner);
/* The last one was: what was taken by it is free here. Before the operation counts as begun. */
void locks_let_go(struct fs *fs, struct file *f);
/* And on the server. */
void locks_released(struct op *op, struct file *f);
/* An operation is interrupted: if it waits here it ends. */
void locks_interrupt(struct fs *fs);

/* Starts and ends the thread that those who wait for a lock are left to. 0 or -errno. Answers of
 * the server may come until the client is stopped: locks_free_all is for after that. */
int locks_start(struct fs *fs);
void locks_stop(struct fs *fs);
void locks_free_all(struct fs *fs);

#endif
