/*
 * lock_impl.h: what the files of the locks share.
 *
 * lock.c         the callbacks; what the processes of this mount have lock_server.c  what the
 * server holds for them, with lock_call.c, lock_fid.c and lock_ranges.c (lock_server.h) lock_wait.c
 * those who wait, and the thread that tries again for them
 *
 * One lock, locks->mtx, guards every file's `struct file_locks` and the queue. It is never held
 * over a request. Who changes what the server holds of a file's locks has that file to himself from
 * lock_begin to lock_end (busy): others wait for it, and can be interrupted. What processes here
 * have may only become less meanwhile. It is taken before the tree's.
 */
#ifndef LOCK_IMPL_H
#define LOCK_IMPL_H

#include "fuse/file.h"
#include "fuse/lock.h"
#include "fuse/notify.h"

struct lock_call;

/* The locks of a mount. */
struct locks {
    pthread_mutex_t mtx;
    pthread_cond_t changed; /* for the thread: woken or stop */
    pthread_cond_t settled; /* for who waits for an answer, or for a file that is busy; or is interrupted */
    pthread_t thread;
    struct lock_ask *asks;             /* those who wait, the first first */
    unsigned pass;                     /* of trying them all */
    struct lock_call *left, *returned; /* requests that nobody waits for: not answered yet, and answered since */
    uint64_t probe_at;                 /* a byte that nobody locks, and hardly another client tries at the same time */
    bool woken, stop;
    bool over; /* the tree is gone: what is answered now is nobody's */
};

/* A request of the kernel's for a lock. */
struct lock_ask {
    struct op op;
    struct file *f;
    struct lock_range want;
    struct flock found; /* the answer to one that only asks */
    bool flock, query, wait;
    bool queued;        /* it is the thread that tries: it waits for no file that is busy */
    bool unsure;        /* what is in the way may have been closed already: it is to be tried again soon, */
    uint64_t unsure_ms; /* until then; 0: not known yet */
    bool gained;        /* the server gave what it has got: others may have written before */
    struct notice notice;

    unsigned pass;            /* in which it was tried last */
    bool waits;               /* it is not being tried just now: who interrupts it answers it */
    struct lock_ask *reached; /* for the search of a cycle */
    bool is_reached;
    struct lock_ask *prev, *next;
};

/* ---- lock.c ------------------------------------------------------------- */

/* Tries. 0 or -errno: EAGAIN where another has it, ETIMEDOUT where the server does not say,
 * EBUSY where that could not be tried (a->queued). */
int lock_try(struct lock_ask *a);
/* Answers it, and frees it: at once, or when the kernel has dropped what is old. */
void lock_done(struct lock_ask *a, int rc);
/* Whether to try again later after such a result. */
bool lock_goes_on(const struct lock_ask *a, int rc);

/* ---- lock_server.c, lock_call.c ----------------------------------------- */

/* A change of what the server holds of a file's locks. */
struct locking {
    struct op *op;
    struct locks *locks;
    struct inode *inode;
    struct file_locks *fl;
    const struct file *f; /* who asks for a lock; NULL: something is given back */
    bool patient;         /* a server that makes who asks wait may do so: he waits anyway */
};

/* Takes the lock, and the file: 0; or EINTR, or without `wait` EBUSY, and neither. */
int lock_begin(struct locking *k, bool wait);
/* Gives back what is owed, and lets go of both. */
void lock_end(struct locking *k);
/* With the lock, which they give up while the server is asked. The first takes on the server
 * what it lacks of `want`, the other gives back what nobody here needs of it. */
int lock_raise(struct locking *k, const struct lock_range *want);
int lock_lower(struct locking *k, uint64_t start, uint64_t last);
/* What other clients have in the way of `want`. */
int lock_ask_other(struct locking *k, const struct lock_range *want, struct p9_lock_held *held);
/* What is in `returned` is noted, and given back where nobody here wants it: in two steps. For
 * the thread. */
void lock_note_returned(struct fs *fs);
void lock_settle_returned(struct fs *fs);
/* At the end: nobody is interested any more in what was left, or came back. */
void lock_disown(struct fs *fs);

/* ---- lock_wait.c -------------------------------------------------------- */

/* Leaves it to the thread. */
void lock_wait(struct lock_ask *a);
/* With the lock: something may have become free. */
void lock_wake(struct locks *q);

#endif
