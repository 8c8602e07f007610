/*
 * notify.h: invalidation of the kernel's caches of a file. Dropping pages waits until no read uses
 * them, and so may wait for answers of this process: threads of their own do it, and no other
 * thread waits for them.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "fuse/op.h"

/* An answer that waits until the kernel has dropped its caches of a file. A process that is being
 * killed gets EINTR before that. */
struct notice {
    struct op *op; /* on the heap, as this is */
    /* The operation's request holds a reference; NULL: only files changed by another name. */
    struct inode *inode;
    bool pages; /* pages and attributes; else the attributes alone */
    /* Called by the notifier's thread; waits: there is no answer yet. Frees the notice and op. */
    void (*then)(struct notice *n, bool waits);
    bool entering, interrupted, answered; /* private to notify.c */
    struct notice *next;
};

/* Queues the notice: then() runs once the kernel has dropped its caches. */
void notify_then(struct notice *n);
/* Sends the answer `a` once the kernel has dropped the attributes, or with `pages` the pages as
 * well, of the inode; inode as in a notice. */
void op_answer_dropped(struct op *op, struct inode *inode, bool pages, const struct answer *a);
/* Invalidates the files that were changed by another name. */
void notify_stale(struct fs *fs);
/* Invalidates every file, at some time: for when memory is too short to name one. */
void notify_all(struct fs *fs);
/* Starts the threads. 0 or -errno. */
int notifier_start(struct fs *fs);
/* Called once the file system is unmounted. */
void notifier_stop(struct fs *fs);

#endif
