/*
 * lock.c: callbacks on locks: fcntl(2) ranges, of processes and of open files, and flock(2).
 *
 * This file resolves conflicts among the processes of this mount (locks.h); the server resolves
 * those with other clients (lock_server.c).
 *
 * The kernel releases the locks of a process when it closes a descriptor (FLUSH), and waits for the
 * answer. The locks of an open file, as of flock(2), end with its RELEASE, which no process waits
 * for: it may be in flight when the same program requests the lock through another descriptor. So a
 * lock through a file of which a descriptor was closed is a certain conflict only when the kernel
 * has no request left that no operation has begun for (connection.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/file.h>

#include "fuse/callbacks.h"
#include "fuse/connection.h"
#include "fuse/inode_attr.h"
#include "fuse/lock_impl.h"

enum {
    UNSURE_MS = 2000, /* the longest wait until the kernel has no unread requests, */
    UNKNOWN_MS = 20,  /* and where the kernel does not say whether it has any */
};

/* ---- setting ------------------------------------------------------------ */

enum conflict { NO_CONFLICT, CONFLICT_UNSURE, CONFLICT_CERTAIN };

/* Called with locks->mtx. */
static enum conflict find_conflict(const struct lock_range *list, const struct lock_range *want)
{
    enum conflict found = NO_CONFLICT;

    for (const struct lock_range *r = locks_conflict(list, want); r != NULL; r = locks_conflict(r->next, want)) {
        const struct file *f = r->via;
        if (!atomic_load(&f->closed_once))
            return CONFLICT_CERTAIN;
        found = CONFLICT_UNSURE;
    }
    return found;
}

/* 0 if no lock of this mount conflicts; else -EAGAIN, with a->unsure if the conflict is not
 * certain. Called with locks->mtx, which is released in between. */
static int check_local(struct lock_ask *a, struct lock_range *const *list)
{
    struct fs *fs = a->op.fs;
    enum conflict found = find_conflict(*list, &a->want);
    uint64_t now = clock_ms();

    a->unsure = false;
    if (found != CONFLICT_UNSURE || a->wait)
        return found == NO_CONFLICT ? 0 : -EAGAIN;
    pthread_mutex_unlock(&fs->locks->mtx);
    enum unread unread = unread_requests(fs);
    pthread_mutex_lock(&fs->locks->mtx);
    found = find_conflict(*list, &a->want);
    if (a->unsure_ms == 0)
        a->unsure_ms = now + (unread == UNREAD_UNKNOWN ? UNKNOWN_MS : UNSURE_MS);
    a->unsure = found == CONFLICT_UNSURE && unread != UNREAD_NONE && now < a->unsure_ms;
    return found == NO_CONFLICT ? 0 : -EAGAIN;
}

static struct locking locking_of(struct lock_ask *a, struct file_locks *fl)
{
    return (struct locking){
        .op = &a->op, .locks = a->op.fs->locks, .inode = a->f->handle.inode, .fl = fl, .f = a->f, .patient = a->wait};
}

/* Locks or unlocks, without waiting for a conflicting lock to go. */
static int set(struct lock_ask *a, struct file_locks *fl)
{
    struct locking k = locking_of(a, fl);
    const struct lock_range *want = &a->want;
    struct lock_range **list = a->flock ? &fl->flock : &fl->posix;
    int rc = lock_begin(&k, !a->queued);

    if (rc != 0)
        return rc;
    if (want->type != LK_NONE) {
        fl->raising = want;
        rc = a->queued ? 0 : lock_wait_overdue(&k);
        if (rc == 0)
            rc = check_local(a, list);
        if (rc == 0)
            rc = lock_raise(&k, want);
    }
    if (rc == 0)
        rc = locks_set(list, want);
    fl->raising = NULL;
    if (rc == 0 && want->type != LK_NONE) {
        a->gained = fl->gained;
        fl->gained = false;
    }
    int lowered = lock_lower(&k, want->start, want->end);
    fl->owed = fl->owed || (lowered != 0 && !fl->overdue);
    if (rc == 0 && want->type != LK_WRITE) /* part of the range may be free */
        lock_wake(k.locks);
    bool overdue = fl->overdue; /* the unlock is in flight, or sent once what is in flight is answered */
    lock_end(&k);
    if (rc == 0 && want->type == LK_NONE && !overdue)
        rc = lowered;
    return rc;
}

/* ---- querying ----------------------------------------------------------- */

static void fill_local(struct flock *found, const struct lock_range *r)
{
    found->l_type = r->type == LK_READ ? F_RDLCK : F_WRLCK;
    found->l_start = (off_t)r->start;
    found->l_len = r->end == LK_TO_END ? 0 : (off_t)(r->end - r->start + 1);
    found->l_pid = r->pid;
}

static void fill_remote(struct flock *found, const struct p9_lock_held *held)
{
    found->l_type = held->type == P9_LOCK_RDLCK ? F_RDLCK : F_WRLCK;
    found->l_start = (off_t)held->start;
    found->l_len = (off_t)held->length;
    found->l_pid = 0; /* the lock is another client's: no process here has it */
}

static int query(struct lock_ask *a, struct file_locks *fl)
{
    struct locking k = locking_of(a, fl);
    struct p9_lock_held held = {.type = P9_LOCK_UNLCK};
    struct fs *fs = a->op.fs;
    int rc = lock_begin(&k, !a->queued);

    if (rc != 0)
        return rc;
    a->found.l_type = F_UNLCK;
    rc = a->queued ? 0 : lock_wait_overdue(&k);
    if (rc == 0 && check_local(a, &fl->posix) != 0) {
        fill_local(&a->found, locks_conflict(fl->posix, &a->want));
        rc = a->unsure ? -EAGAIN : 0;
    } else if (rc == 0 && p9_may_lock(fs->client) && !atomic_load(&fs->no_locks) && !fl->overdue) {
        rc = lock_ask_other(&k, &a->want, &held);
    }
    lock_end(&k);
    if (rc == 0 && held.type != P9_LOCK_UNLCK)
        fill_remote(&a->found, &held);
    return rc == -EOPNOTSUPP ? 0 : rc == -ETIME ? -ENOLCK : rc;
}

int lock_try(struct lock_ask *a)
{
    struct file_locks *fl = cache_locks(a->op.fs->cache, a->f->handle.inode, true);

    return fl == NULL ? -ENOMEM : a->query ? query(a, fl) : set(a, fl);
}

/* ---- releasing at a close ----------------------------------------------- */

/* Unlocks on the server what no process here needs any more. */
static void unlock_owed(struct op *op, struct inode *inode, struct file_locks *fl)
{
    struct locking k = {.op = op, .locks = op->fs->locks, .inode = inode, .fl = fl};

    if (lock_begin(&k, true) == 0) /* else the operation that has the file busy unlocks */
        lock_end(&k);
}

void locks_closed(struct op *op, struct file *f, uint64_t owner)
{
    struct locks *q = op->fs->locks;
    struct file_locks *fl = cache_locks(op->fs->cache, f->handle.inode, false);

    atomic_store(&f->closed_once, true);
    if (fl == NULL)
        return;
    pthread_mutex_lock(&q->mtx);
    bool any = locks_drop(&fl->posix, owner, false, NULL);
    fl->owed = fl->owed || any;
    if (any)
        lock_wake(q);
    pthread_mutex_unlock(&q->mtx);
    if (any)
        unlock_owed(op, f->handle.inode, fl);
}

void locks_let_go(struct fs *fs, struct file *f)
{
    struct file_locks *fl = cache_locks(fs->cache, f->handle.inode, false);

    if (fl == NULL)
        return;
    pthread_mutex_lock(&fs->locks->mtx);
    bool any = locks_drop(&fl->posix, 0, true, f);
    any = locks_drop(&fl->flock, 0, true, f) || any;
    fl->owed = fl->owed || any;
    if (any)
        lock_wake(fs->locks);
    pthread_mutex_unlock(&fs->locks->mtx);
}

void locks_released(struct op *op, struct file *f)
{
    struct file_locks *fl = cache_locks(op->fs->cache, f->handle.inode, false);

    if (fl == NULL)
        return;
    pthread_mutex_lock(&op->fs->locks->mtx);
    bool owed = fl->owed;
    pthread_mutex_unlock(&op->fs->locks->mtx);
    if (owed)
        unlock_owed(op, f->handle.inode, fl);
}

/* ---- callbacks ---------------------------------------------------------- */

static void reply(struct lock_ask *a, int rc)
{
    if (rc == 0 && a->query) {
        op_end(&a->op);
        fuse_reply_lock(a->op.req, &a->found);
    } else {
        op_reply_err(&a->op, rc == -ETIME ? -EAGAIN : rc);
    }
    free(a);
}

static void on_dropped(struct notice *n, bool waits)
{
    struct lock_ask *a = (struct lock_ask *)((char *)n - offsetof(struct lock_ask, notice));

    if (waits)
        reply(a, 0);
    else /* the process is killed: closing its files releases the lock */
        free(a);
}

/* Acquiring a lock revalidates cached data, as other clients may have written before they released
 * theirs. True if the file is unchanged, so that its cached data stay valid. */
static bool is_unchanged(struct lock_ask *a)
{
    struct fs *fs = a->op.fs;
    struct inode *inode = a->f->handle.inode;
    struct p9_attr attr;

    if (inode_getattr(&a->op, inode, &attr) == 0 &&
        cache_same_content(fs->cache, inode, &attr, fs->ignores_version, fs->loose))
        return true;
    cache_others_changed(fs->cache, inode);
    return false;
}

void lock_done(struct lock_ask *a, int rc)
{
    if (rc != 0 || a->query || !a->gained || is_unchanged(a)) {
        reply(a, rc);
        return;
    }
    a->notice = (struct notice){.op = &a->op, .inode = a->f->handle.inode, .pages = true, .then = on_dropped};
    notify_then(&a->notice);
}

bool lock_goes_on(const struct lock_ask *a, int rc)
{
    return rc == -EBUSY || ((rc == -EAGAIN || rc == -ETIME) && (a->wait || a->unsure));
}

static void answer(struct lock_ask *a, int rc)
{
    if (lock_goes_on(a, rc))
        lock_wait(a);
    else
        lock_done(a, rc);
}

static struct lock_ask *ask_begin(fuse_req_t req, struct fuse_file_info *fi, const struct lock_range *want)
{
    struct lock_ask *a = calloc(1, sizeof *a);

    if (a == NULL) {
        fuse_reply_err(req, ENOLCK);
        return NULL;
    }
    op_begin(&a->op, req);
    a->f = file_of(fi);
    a->want = *want;
    a->want.owner = fi->lock_owner;
    a->want.via = a->f;
    a->want.pid = fuse_req_ctx(req)->pid;
    atomic_store(&a->f->closed_once, false); /* the file is open now */
    return a;
}

static void set_lock(fuse_req_t req, struct fuse_file_info *fi, const struct lock_range *want, bool flock, bool wait)
{
    struct lock_ask *a = ask_begin(req, fi, want);

    if (a == NULL)
        return;
    a->flock = flock;
    a->wait = a->op.any_signal = wait;
    /* Dirty data reach the server before the lock changes: the next holder sees them. */
    int rc = op_settle(&a->op, a->f->handle.inode);
    answer(a, rc == 0 ? lock_try(a) : rc);
}

static enum lock_type type_of(short l_type)
{
    return l_type == F_UNLCK ? LK_NONE : l_type == F_RDLCK ? LK_READ : LK_WRITE;
}

/* A kernel's range starts at l_start and has l_len bytes; 0 means up to the end of the file. */
static struct lock_range range_of(const struct flock *lock)
{
    return (struct lock_range){.start = (uint64_t)lock->l_start,
                               .end = lock->l_len == 0 ? LK_TO_END : (uint64_t)(lock->l_start + lock->l_len - 1),
                               .type = type_of(lock->l_type)};
}

void fs_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep)
{
    const struct lock_range want = range_of(lock);

    (void)ino;
    set_lock(req, fi, &want, false, sleep != 0);
}

void fs_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int how)
{
    struct lock_range want = {.end = LK_TO_END, .type = LK_WRITE};

    (void)ino;
    if (how & LOCK_UN)
        want.type = LK_NONE;
    else if (how & LOCK_SH)
        want.type = LK_READ;
    set_lock(req, fi, &want, true, !(how & LOCK_NB));
}

void fs_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
    const struct lock_range want = range_of(lock);
    struct lock_ask *a = ask_begin(req, fi, &want);

    (void)ino;
    if (a == NULL)
        return;
    a->query = true;
    a->found = *lock;
    answer(a, lock_try(a));
}
