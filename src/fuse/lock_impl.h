/*
 * lock_impl.h: what the files of the locks share.
 *
 * - lock.c: the callbacks, and the locks of this mount's processes
 * - lock_server.c: the locks that the server holds for them, with lock_call.c, lock_fid.c and
 *   lock_ranges.c (lock_server.h)
 * - lock_wait.c: the requests that wait, and the thread that retries them
 *
 * One mutex, locks->mtx, guards every file's `struct file_locks` and the queue. It is never held
 * during a round trip. An operation that changes the server's locks of a file has exclusive use of
 * that file from lock_begin to lock_end (busy): others wait for it, and can be interrupted.
 * Meanwhile the locks of the processes here may only shrink. locks->mtx is acquired before the
 * tree's mutex.
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
    pthread_cond_t changed; /* wakes the thread: woken or stop is set */
    pthread_cond_t settled; /* an answer has arrived, a file is not busy, or an interrupt */
    pthread_t thread;
    struct lock_ask *asks; /* the requests that wait, the oldest first */
    unsigned pass;         /* number of the current pass over them */
    /* Requests to the server that no operation waits for: in flight, and answered. */
    struct lock_call *left, *returned;
    unsigned restores; /* how often the locks were taken again on a new connection */
    uint64_t probe_at; /* a byte that no process locks, and that other clients hardly probe */
    bool woken, stop;
    bool over; /* the tree is freed: an answer that arrives now is discarded */
};

/* A lock request of the kernel's. */
struct lock_ask {
    struct op op;
    struct file *f;
    struct lock_range want;
    struct flock found; /* the answer to a query */
    bool flock, query, wait;
    bool queued;        /* the thread tries it: it does not wait for a busy file */
    bool unsure;        /* the conflicting file may be closed already: the thread retries soon, */
    uint64_t unsure_ms; /* until this time of clock_ms; 0: not set yet */
    bool gained;        /* the server granted the lock: other clients may have written before */
    struct notice notice;

    unsigned pass;            /* the last pass that tried it */
    bool waits;               /* no attempt is under way: an interrupt answers it */
    struct lock_ask *reached; /* next in the search for a cycle */
    bool is_reached;
    struct lock_ask *prev, *next;
};

/* ---- lock.c ------------------------------------------------------------- */

/* One attempt. 0 or -errno: EAGAIN for a conflict, ETIME if the server answers other requests and
 * not this one, EBUSY if the file is busy (only with a->queued). */
int lock_try(struct lock_ask *a);
/* Answers the request and frees it: at once, or once the kernel has dropped its stale pages. */
void lock_done(struct lock_ask *a, int rc);
/* Whether the request is to be retried after the result `rc`. */
bool lock_goes_on(const struct lock_ask *a, int rc);

/* ---- lock_server.c, lock_call.c ----------------------------------------- */

/* A change of the locks that the server holds for a file. */
struct locking {
    struct op *op;
    struct locks *locks;
    struct inode *inode;
    struct file_locks *fl;
    const struct file *f; /* the file a lock is requested through; NULL: an unlock */
    bool patient;         /* the request waits anyway: the server may delay its answer */
};

/* Acquires locks->mtx and exclusive use of the file. 0; or -EINTR, or without `wait` -EBUSY, with
 * neither acquired. */
int lock_begin(struct locking *k, bool wait);
/* Unlocks what is owed to the server, and releases both. */
void lock_end(struct locking *k);
/* Called with locks->mtx, which they release during a round trip. lock_raise locks on the server
 * the part of `want` that it does not hold yet; lock_lower unlocks, from `start` to `last`, what no
 * process here needs. 0 or -errno. */
int lock_raise(struct locking *k, const struct lock_range *want);
int lock_lower(struct locking *k, uint64_t start, uint64_t last);
/* Before a lock: an earlier request for the file may not be answered yet. Waits for that while the
 * server is away or silent, and some seconds for an unlock. 0 or -EINTR. */
int lock_wait_overdue(struct locking *k);
/* Asks the server which lock of another client conflicts with `want`. Called like these. */
int lock_ask_other(struct locking *k, const struct lock_range *want, struct p9_lock_held *held);
/* The first records the results in `returned`, the second unlocks what no process here wants of
 * them. Called by the thread. */
void lock_note_returned(struct fs *fs);
void lock_settle_returned(struct fs *fs);
/* At the end: detaches the requests in `left` from their inodes, and frees those in `returned`. */
void lock_disown(struct fs *fs);

/* ---- lock_wait.c -------------------------------------------------------- */

/* Queues the request for the thread. */
void lock_wait(struct lock_ask *a);
/* Wakes the thread, as a range may be free. Called with locks->mtx. */
void lock_wake(struct locks *q);

#endif
