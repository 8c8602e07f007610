/*
 * fs_lock.c: callbacks on locks: fcntl(2) ranges, of processes and of open files, and flock(2).
 *
 * The processes of this mount are kept apart here (locks.h); the server is told the strongest lock of any of them
 * for each byte, through one fid a file, so that it keeps other clients away. So it also works with a server that
 * locks whole files by fid (diod 1.0.24): there the lock is given back only when none is left.
 *
 * Who has to wait is left to one thread, which tries again when a lock of this mount goes, and at growing
 * intervals of at most a second for those of other clients: no thread of the kernel's requests is held.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include "fs.h"
#include "log.h"

enum { FIRST_WAIT_MS = 10, LAST_WAIT_MS = 1000 };

static const uint64_t probe_at = (uint64_t)1 << 62; /* a byte that nobody locks */

/* ---- what the server holds; all called with the file's locks held ------- */

static uint8_t on_wire(enum lock_type type)
{
    return type == LK_NONE ? P9_LOCK_UNLCK : type == LK_READ ? P9_LOCK_RDLCK : P9_LOCK_WRLCK;
}

static int lock_on_server(struct op *op, struct file_locks *fl, enum lock_type type, uint64_t start, uint64_t end)
{
    struct fs *fs = op->fs;
    int rc = 0;

    if (!atomic_load(&fs->no_locks))
        rc = p9_lock(type == LK_NONE ? NULL : &op->scope, fl->fid, 0, on_wire(type), start,
                     end == LK_TO_END ? 0 : end - start + 1);
    if (rc == -EOPNOTSUPP) {
        if (!atomic_exchange(&fs->no_locks, true))
            log_info("the server has no locks: they hold among the processes of this mount only");
        rc = 0;
    }
    if (rc == 0)
        rc = locks_set(&fl->server, &(struct lock_range){.start = start, .end = end, .type = type});
    return rc;
}

static enum lock_type strongest(const struct lock_range *list)
{
    enum lock_type type = LK_NONE;

    for (; list != NULL; list = list->next)
        type = list->type > type ? list->type : type;
    return type;
}

static enum lock_type needed_in_all(const struct file_locks *fl)
{
    enum lock_type a = strongest(fl->posix), b = strongest(fl->flock);

    return a > b ? a : b;
}

/* Whether a byte of ours is still kept from another owner. */
static bool still_held(struct p9_fid *fid, const struct lock_range *ours)
{
    const uint8_t other = ours->type == LK_WRITE ? P9_LOCK_RDLCK : P9_LOCK_WRLCK;
    int rc = p9_lock(NULL, fid, 1, other, ours->start, 1);

    if (rc == 0)
        p9_lock(NULL, fid, 1, P9_LOCK_UNLCK, ours->start, 1);
    return rc == -EAGAIN;
}

/* Tries by another fid whether a byte far from ours can be locked: a server of files refuses (diod 1.0.24). Then by
 * ours, and gives it back: nfs-ganesha 4.3 takes that for giving back all. */
static int try_ranges(struct file_locks *fl, struct p9_fid *fid)
{
    const uint8_t other = strongest(fl->server) == LK_WRITE ? P9_LOCK_RDLCK : P9_LOCK_WRLCK;

    if (p9_lock(NULL, fid, 0, other, probe_at, 1) != 0)
        return -1;
    p9_lock(NULL, fid, 0, P9_LOCK_UNLCK, probe_at, 1);
    if (p9_lock(NULL, fl->fid, 0, on_wire(strongest(fl->server)), probe_at, 1) != 0)
        return -1;
    p9_lock(NULL, fl->fid, 0, P9_LOCK_UNLCK, probe_at, 1);
    if (still_held(fid, fl->server))
        return 1;
    for (const struct lock_range *r = fl->server; r != NULL; r = r->next) /* taken again at once */
        p9_lock(NULL, fl->fid, 0, on_wire(r->type), r->start, r->end == LK_TO_END ? 0 : r->end - r->start + 1);
    return -1;
}

static bool locks_ranges(struct op *op, struct node *node, struct file_locks *fl)
{
    struct fs *fs = op->fs;
    struct node_use u = op_use(op, node);
    int known = atomic_load(&fs->lock_ranges);

    if (known != 0 || atomic_load(&fs->no_locks))
        return known >= 0;
    if (node_take(NULL, &u) != 0)
        return false;
    if (p9_open(NULL, u.fid, O_RDWR) == 0) {
        known = try_ranges(fl, u.fid);
        atomic_store(&fs->lock_ranges, known);
    }
    p9_fid_put(u.fid);
    return known > 0;
}

/* The strongest lock that any process here has on the byte `at`; *end as in locks_at. */
static enum lock_type needed_at(const struct file_locks *fl, uint64_t at, uint64_t *end)
{
    enum lock_type a = locks_at(fl->posix, at, end), b = locks_at(fl->flock, at, end);

    return a > b ? a : b;
}

/* Takes on the server what it lacks of `type` in the range; *gained: there was something. */
static int raise_to(struct op *op, struct node *node, struct file_locks *fl, uint64_t start, uint64_t last,
                    enum lock_type type, bool *gained)
{
    enum lock_type held = strongest(fl->server);
    int rc = 0;

    if (held > type && !locks_ranges(op, node, fl)) /* a weaker one would replace it */
        type = held;
    for (uint64_t at = start, end = last; rc == 0; at = end + 1) {
        end = last;
        if (locks_at(fl->server, at, &end) < type) {
            rc = lock_on_server(op, fl, type, at, end);
            *gained = true;
        }
        if (end == last)
            break;
    }
    return rc;
}

/* Gives back on the server what nobody here needs any more of the range. */
static int lower(struct op *op, struct node *node, struct file_locks *fl, uint64_t start, uint64_t last)
{
    enum lock_type needed = needed_in_all(fl);
    int rc = 0;

    if (needed == LK_NONE)
        return fl->server != NULL ? lock_on_server(op, fl, LK_NONE, 0, LK_TO_END) : 0;
    for (uint64_t at = start, end = last; rc == 0; at = end + 1) {
        end = last;
        enum lock_type want = needed_at(fl, at, &end);
        if (want < locks_at(fl->server, at, &end)) {
            if (!locks_ranges(op, node, fl)) /* all or nothing */
                return needed < strongest(fl->server) ? lock_on_server(op, fl, needed, 0, LK_TO_END) : 0;
            rc = lock_on_server(op, fl, want, at, end);
        }
        if (end == last)
            break;
    }
    return rc;
}

/* ---- taking and giving back --------------------------------------------- */

static void queue_wake(struct fs *fs);

/* What others wrote until they gave their lock back is to be seen: what was read before is kept only if the file is the same. */
static void see_changes(struct op *op, struct node *node)
{
    struct fs *fs = op->fs;
    struct p9_attr attr;

    if (node_getattr(op, node, &attr) == 0 && tree_same_content(fs->tree, node, &attr, fs->ignores_version, fs->loose))
        return;
    tree_others_changed(fs->tree, node);
    fuse_lowlevel_notify_inval_inode(fs->se, ino_of(fs, node), 0, 0);
}

/* The lock, without waiting: -EAGAIN if another has it. */
static int try_lock(struct op *op, struct file *f, const struct lock_range *want, bool flock)
{
    struct node *node = f->handle.node;
    struct file_locks *fl = tree_locks(op->fs->tree, node, true);
    bool gained = false;
    int rc = 0;

    if (fl == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&fl->mtx);
    struct lock_range **list = flock ? &fl->flock : &fl->posix;
    if (want->type != LK_NONE && locks_conflict(*list, want) != NULL) {
        pthread_mutex_unlock(&fl->mtx);
        return -EAGAIN;
    }
    if (fl->fid == NULL)
        fl->fid = p9_fid_get(f->handle.fid);
    if (want->type != LK_NONE)
        rc = raise_to(op, node, fl, want->start, want->end, want->type, &gained);
    if (rc == 0)
        rc = locks_set(list, want);
    int lowered = lower(op, node, fl, want->start, want->end);
    if (fl->server == NULL) {
        p9_fid_put(fl->fid);
        fl->fid = NULL;
    }
    pthread_mutex_unlock(&fl->mtx);
    if (rc == 0 && gained && !atomic_load(&op->fs->no_locks))
        see_changes(op, node);
    if (rc == 0 && want->type != LK_WRITE) /* something may have become free */
        queue_wake(op->fs);
    return rc != 0 ? rc : want->type == LK_NONE ? lowered : 0;
}

static void drop(struct op *op, struct node *node, uint64_t owner, bool any_owner, const struct file *via)
{
    struct file_locks *fl = tree_locks(op->fs->tree, node, false);

    if (fl == NULL)
        return;
    pthread_mutex_lock(&fl->mtx);
    bool any = locks_drop(&fl->posix, owner, any_owner, via);
    if (via != NULL)
        any = locks_drop(&fl->flock, owner, any_owner, via) || any;
    if (any)
        lower(op, node, fl, 0, LK_TO_END);
    if (fl->server == NULL) {
        p9_fid_put(fl->fid);
        fl->fid = NULL;
    }
    pthread_mutex_unlock(&fl->mtx);
    if (any)
        queue_wake(op->fs);
}

void locks_closed(struct op *op, struct node *node, uint64_t owner)
{
    drop(op, node, owner, false, NULL);
}

void locks_released(struct op *op, struct file *f)
{
    drop(op, f->handle.node, 0, true, f);
}

/* ---- waiting ------------------------------------------------------------ */

struct waiter {
    struct op op;
    struct file *f;
    struct lock_range want;
    bool flock;
    atomic_bool interrupted;
    struct waiter *next;
};

struct lock_queue {
    pthread_t thread;
    pthread_mutex_t mtx; /* guards all below */
    pthread_cond_t changed;
    struct waiter *waiters;
    bool woken, stop;
};

static void queue_wake(struct fs *fs)
{
    struct lock_queue *q = fs->lock_queue;

    pthread_mutex_lock(&q->mtx);
    q->woken = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->mtx);
}

static void on_interrupt(fuse_req_t req, void *arg)
{
    struct waiter *w = arg;

    (void)req;
    atomic_store(&w->interrupted, true);
    queue_wake(w->op.fs);
}

static void queue_add(struct fs *fs, struct waiter *w)
{
    struct lock_queue *q = fs->lock_queue;

    pthread_mutex_lock(&q->mtx);
    w->next = q->waiters;
    q->waiters = w;
    q->woken = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->mtx);
}

/* Waits for a reason to try again. Called with the lock. */
static void queue_sleep(struct lock_queue *q, unsigned *ms)
{
    struct timespec until;

    if (q->waiters == NULL) {
        while (q->waiters == NULL && !q->stop)
            pthread_cond_wait(&q->changed, &q->mtx);
        *ms = FIRST_WAIT_MS;
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += *ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!q->woken && !q->stop && pthread_cond_timedwait(&q->changed, &q->mtx, &until) == 0)
        ;
    *ms = q->woken ? FIRST_WAIT_MS : *ms * 2 < LAST_WAIT_MS ? *ms * 2 : LAST_WAIT_MS;
}

static void *queue_main(void *arg)
{
    struct fs *fs = arg;
    struct lock_queue *q = fs->lock_queue;
    unsigned ms = FIRST_WAIT_MS;

    pthread_mutex_lock(&q->mtx);
    while (!q->stop || q->waiters != NULL) {
        queue_sleep(q, &ms);
        struct waiter *all = q->waiters, *w;
        bool stop = q->stop;
        q->waiters = NULL;
        q->woken = false;
        pthread_mutex_unlock(&q->mtx);
        while ((w = all) != NULL) {
            all = w->next;
            int rc = stop || atomic_load(&w->interrupted) ? -EINTR : try_lock(&w->op, w->f, &w->want, w->flock);
            if (rc == -EAGAIN) {
                pthread_mutex_lock(&q->mtx);
                w->next = q->waiters;
                q->waiters = w;
                pthread_mutex_unlock(&q->mtx);
            } else {
                op_reply_err(&w->op, rc);
                free(w);
            }
        }
        pthread_mutex_lock(&q->mtx);
    }
    pthread_mutex_unlock(&q->mtx);
    return NULL;
}

int lock_queue_start(struct fs *fs)
{
    struct lock_queue *q = calloc(1, sizeof *q);

    if (q == NULL)
        return -ENOMEM;
    pthread_mutex_init(&q->mtx, NULL);
    pthread_cond_init(&q->changed, NULL);
    fs->lock_queue = q;
    int err = pthread_create(&q->thread, NULL, queue_main, fs);
    if (err != 0) {
        fs->lock_queue = NULL;
        free(q);
    }
    return -err;
}

void lock_queue_stop(struct fs *fs)
{
    struct lock_queue *q = fs->lock_queue;

    if (q == NULL)
        return;
    pthread_mutex_lock(&q->mtx);
    q->stop = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->mtx);
    pthread_join(q->thread, NULL);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->mtx);
    free(q);
    fs->lock_queue = NULL;
}

/* ---- callbacks ---------------------------------------------------------- */

static void set_lock(fuse_req_t req, struct fuse_file_info *fi, struct lock_range *want, bool flock, bool wait)
{
    struct file *f = file_of(fi);
    struct op op;

    op_begin(&op, req);
    want->owner = fi->lock_owner;
    want->via = f;
    want->pid = fuse_req_ctx(req)->pid;
    int rc = op_settle(&op, f->handle.node); /* who gets the lock next is to see what was written under it */
    if (rc == 0)
        rc = try_lock(&op, f, want, flock);
    struct waiter *w = rc == -EAGAIN && wait ? calloc(1, sizeof *w) : NULL;
    if (w == NULL) {
        op_reply_err(&op, rc == -EAGAIN && wait ? -ENOLCK : rc);
        return;
    }
    op_end(&op);
    *w = (struct waiter){.op = op, .f = f, .want = *want, .flock = flock};
    fuse_req_interrupt_func(req, on_interrupt, w);
    queue_add(op.fs, w);
}

static enum lock_type type_of(short l_type)
{
    return l_type == F_UNLCK ? LK_NONE : l_type == F_RDLCK ? LK_READ : LK_WRITE;
}

/* The kernel's ranges start at l_start and have l_len bytes, or go to the end for 0. */
static struct lock_range range_of(const struct flock *lock)
{
    return (struct lock_range){.start = (uint64_t)lock->l_start,
                               .end = lock->l_len == 0 ? LK_TO_END : (uint64_t)(lock->l_start + lock->l_len - 1),
                               .type = type_of(lock->l_type)};
}

void fs_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep)
{
    struct lock_range want = range_of(lock);

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

static int find_holder(struct op *op, struct file *f, const struct lock_range *want, struct flock *lock)
{
    struct file_locks *fl = tree_locks(op->fs->tree, f->handle.node, true);
    struct p9_lock_held held = {.type = P9_LOCK_UNLCK};
    int rc = 0;

    if (fl == NULL)
        return -ENOMEM;
    lock->l_type = F_UNLCK;
    pthread_mutex_lock(&fl->mtx);
    const struct lock_range *ours = locks_conflict(fl->posix, want);
    if (ours != NULL) {
        lock->l_type = ours->type == LK_READ ? F_RDLCK : F_WRLCK;
        lock->l_start = (off_t)ours->start;
        lock->l_len = ours->end == LK_TO_END ? 0 : (off_t)(ours->end - ours->start + 1);
        lock->l_pid = ours->pid;
    } else if (!atomic_load(&op->fs->no_locks)) {
        /* By the fid that holds ours, which are not in our way. */
        rc = p9_getlock(&op->scope, fl->fid != NULL ? fl->fid : f->handle.fid,
                        want->type == LK_READ ? P9_LOCK_RDLCK : P9_LOCK_WRLCK, want->start,
                        want->end == LK_TO_END ? 0 : want->end - want->start + 1, &held);
    }
    pthread_mutex_unlock(&fl->mtx);
    if (rc == 0 && held.type != P9_LOCK_UNLCK) {
        lock->l_type = held.type == P9_LOCK_RDLCK ? F_RDLCK : F_WRLCK;
        lock->l_start = (off_t)held.start;
        lock->l_len = (off_t)held.length;
        lock->l_pid = 0; /* of another client: no process here */
    }
    return rc == -EOPNOTSUPP ? 0 : rc;
}

void fs_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
    struct lock_range want = range_of(lock);
    struct op op;

    (void)ino;
    op_begin(&op, req);
    want.owner = fi->lock_owner;
    int rc = find_holder(&op, file_of(fi), &want, lock);
    if (rc != 0) {
        op_reply_err(&op, rc);
        return;
    }
    op_end(&op);
    fuse_reply_lock(req, lock);
}
