/*
 * lock.h: locks, for the callbacks that close files and for interrupted operations.
 */
#ifndef LOCK_H
#define LOCK_H

#include "fuse/file.h"

/* FLUSH: `owner` has closed a descriptor of the file. Releases the owner's locks. */
void locks_closed(struct op *op, struct file *f, uint64_t owner);
/* RELEASE: frees, on this mount, the locks that were acquired through `f`. Called before the
 * operation counts as begun. */
void locks_let_go(struct fs *fs, struct file *f);
/* RELEASE: unlocks on the server what locks_let_go has freed. */
void locks_released(struct op *op, struct file *f);
/* Wakes the operations that wait here; an interrupted one ends. */
void locks_interrupt(struct fs *fs);

/* Takes the locks again that the server held, by requests of sc. */
void locks_restore(struct fs *fs, struct p9_scope *sc);

/* Start and stop the thread that retries waiting lock requests. locks_start returns 0 or -errno.
 * The server may answer until the client is stopped: locks_free_all is called after that. */
int locks_start(struct fs *fs);
void locks_stop(struct fs *fs);
void locks_free_all(struct fs *fs);

#endif
