/*
 * locks.h: the locks that the processes of this mount hold on a file.
 *
 * A list of byte ranges, with the rules of fcntl(2): one owner's ranges replace each other,
 * different owners' exclude each other unless both read. flock(2) locks are whole-file ranges in a
 * list of their own. The server gets the strongest lock of any owner for each byte, as one
 * owner's. Callers serialise access.
 */
#ifndef LOCKS_H
#define LOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LK_TO_END UINT64_MAX

/* In the order of strength. */
enum lock_type { LK_NONE, LK_READ, LK_WRITE };

struct lock_range {
    uint64_t start, end; /* first and last byte; LK_TO_END: to wherever the file ends */
    enum lock_type type;
    uint64_t owner;
    const void *via; /* the open file that it was made by */
    pid_t pid;
    struct lock_range *next;
};

/* The first range of another owner that `want` would have to wait for, or NULL. */
const struct lock_range *locks_conflict(const struct lock_range *list, const struct lock_range *want);
/* Gives want's owner exactly want->type in its range. -ENOMEM leaves the list as it was. */
int locks_set(struct lock_range **list, const struct lock_range *want);
/* Removes what fits: of this owner (if not any_owner) and made by `via` (if not NULL). Whether
 * there was any. */
bool locks_drop(struct lock_range **list, uint64_t owner, bool any_owner, const void *via);
/* The strongest lock on the byte `at`, and in *end the last byte up to which no range begins or
 * ends. */
enum lock_type locks_at(const struct lock_range *list, uint64_t at, uint64_t *end);
void locks_free(struct lock_range **list);

struct p9_fid;

/* All locks on one file. Guarded by whoever keeps them (fuse/lock.h). */
struct file_locks {
    struct lock_range *posix, *flock;
    struct lock_range *server;        /* what the server holds for us, as one owner */
    const struct lock_range *raising; /* what an operation locks on the server now; NULL: nothing */
    struct p9_fid *fid;               /* by which it does, their own; NULL when it holds nothing */
    bool fid_writes;                  /* that is open to read and write */
    bool busy;                        /* someone is changing what the server holds */
    bool wanted;                      /* and others wait for that */
    bool owed;                        /* the server may hold more than is needed here */
    bool stale;                       /* and less, since a reconnect: what it holds is not relied on */
    bool gained;                      /* the server granted something since a lock was last reported as granted */
    bool overdue;                     /* a request is not answered in time: no other is sent until it is, */
    bool overdue_gives;               /* and it releases */
};

#endif
