/*
 * notify.h: what the kernel is told of its own accord: to drop what it has of a file. That waits
 * until its pages are not being read any more, and so may wait for us: a thread of its own does it,
 * and nobody waits for that.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "fuse/op.h"

/* An answer that waits until the kernel has dropped what it has. Whoever is being killed is
 * answered EINTR before. */
struct notice {
    struct op *op;       /* on the heap, as this is */
    struct inode *inode; /* which the operation's request keeps; NULL: what was changed by another name alone */
    bool pages;          /* else its attributes alone */
    /* Called by the notifier's thread; waits: it is not answered yet. Frees both. */
    void (*then)(struct notice *n, bool waits);
    bool entering, interrupted, answered; /* the notifier's */
    struct notice *next;
};

void notify_then(struct notice *n);
/* The answer when the kernel has dropped the attributes, or the pages as well, of the inode, as
 * in a notice. */
void op_answer_dropped(struct op *op, struct inode *inode, bool pages, const struct answer *a);
/* The kernel is told of what was changed by another name. */
void notify_stale(struct fs *fs);
/* The kernel drops all that it has, some time: where there is no memory to say what. */
void notify_all(struct fs *fs);
int notifier_start(struct fs *fs);
/* When the mount is gone. */
void notifier_stop(struct fs *fs);

#endif
