/*
 * lock_server.c: what the server holds of a file's locks.
 *
 * It is told the strongest lock that any process here has on each byte, as one owner's, so that it keeps other clients away. So it also
 * works with a server that locks whole files by fid (diod 1.0.24): there the lock is given back only when none is left.
 *
 * The locks of a file have a fid of their own, open to read and write if any of its users may: a server locks as its own system
 * does, which wants a file that is open to write for a lock to write. It is clunked when nothing is held, as there are
 * servers that do not unlock otherwise (hugelgupf/p9); where it was seen that the server does, the fid of an open file
 * serves as well, if that can write.
 *
 * No request is waited for without end. A server that answers a lock only when it is free (hugelgupf/p9) is taken for one that
 * says that another has it, and locks no ranges. The request is flushed; if it cannot be it is left alone (`overdue`), and what it
 * brings is noted when it comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

#include "fuse/lock.h"
#include "base/log.h"

enum {
    ANSWER_MS = 5000, /* a server that locks does so at once: so long at most it is waited for, */
    FLUSH_MS = 1000,  /* and so long after a flush, or by who is being killed */
};

/* ---- one request -------------------------------------------------------- */

struct lock_call {
    struct p9_locking l;
    struct locks *locks;
    struct p9_scope scope;
    struct lock_range range; /* what the server holds when it has said yes, */
    struct inode *inode;     /* of this file; NULL: that is not noted */
    struct file_locks *fl;
    bool done, left;
    struct lock_call *next;
};

static uint8_t on_wire(enum lock_type type)
{
    return type == LK_NONE ? P9_LOCK_UNLCK : type == LK_READ ? P9_LOCK_RDLCK : P9_LOCK_WRLCK;
}

static void call_free(struct lock_call *c)
{
    p9_fid_put(c->l.fid);
    free(c);
}

/* From the reader thread, or before p9_lock_start returns. */
static void call_done(struct p9_locking *l)
{
    struct lock_call *c = l->arg;
    struct locks *q = c->locks;

    pthread_mutex_lock(&q->mtx);
    bool over = c->left && q->over;
    c->done = true;
    if (c->left)
        LL_DELETE(q->left, c);
    if (c->left && !over) {
        LL_PREPEND(q->returned, c);
        lock_wake(q);
    }
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->mtx);
    if (over)
        call_free(c);
}

static bool is_interrupted(const struct op *op)
{
    return op != NULL && atomic_load(&op->scope.interrupted);
}

/* Until it is answered, or so long, or the operation is interrupted (op may be NULL). */
static void call_wait(struct lock_call *c, const struct op *op, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    while (!c->done && !is_interrupted(op))
        if (pthread_cond_timedwait(&c->locks->settled, &c->locks->mtx, &until) != 0)
            break;
}

/* Nobody waits for it any more: the file takes no other request until it is answered. */
static int call_leave(struct locking *k, struct lock_call *c)
{
    c->left = true;
    LL_PREPEND(k->locks->left, c);
    if (c->inode != NULL) {
        cache_ref(k->op->fs->cache, c->inode);
        c->fl->overdue = true;
        c->fl->overdue_gives = c->range.type == LK_NONE;
    }
    /* Whether it is free by now is not known: nobody is to have it on the strength of what was. */
    if (c->inode != NULL && c->range.type == LK_NONE && locks_set(&c->fl->server, &c->range) != 0)
        locks_free(&c->fl->server);
    return is_interrupted(k->op) ? -EINTR : -ETIMEDOUT;
}

static int call_end(struct locking *k, struct lock_call *c, struct p9_lock_held *held)
{
    int rc = c->l.rc;

    if (held != NULL)
        *held = c->l.held;
    call_free(c);
    return rc == -EINTR && !is_interrupted(k->op) ? -ETIMEDOUT : rc;
}

/* Sends it and waits, with the lock, which is given up meanwhile. What is given back is not flushed, also if who does so is
 * being killed. */
static int call(struct locking *k, struct lock_call *c, struct p9_lock_held *held)
{
    bool gives = c->l.type == P9_LOCK_UNLCK;

    c->locks = k->locks;
    c->l.scope = gives ? NULL : &c->scope;
    c->l.done = call_done;
    c->l.arg = c;
    pthread_mutex_unlock(&k->locks->mtx);
    p9_lock_start(&c->l);
    pthread_mutex_lock(&k->locks->mtx);
    call_wait(c, k->op, ANSWER_MS);
    if (!c->done && !is_interrupted(k->op))
        atomic_store(&k->op->fs->lock_waits, true);
    if (!c->done && (gives || !k->patient || is_interrupted(k->op))) {
        pthread_mutex_unlock(&k->locks->mtx);
        p9_interrupt(p9_client_session(k->op->fs->client), &c->scope);
        pthread_mutex_lock(&k->locks->mtx);
        call_wait(c, NULL, FLUSH_MS);
    }
    return c->done ? call_end(k, c, held) : call_leave(k, c);
}

static uint64_t length_of(uint64_t start, uint64_t end)
{
    return end == LK_TO_END ? 0 : end - start + 1;
}

/* As `owner`, by that fid; noted: it is by the locks' fid, and part of what the server holds. */
static int ask(struct locking *k, struct p9_fid *fid, uint32_t owner, const struct lock_range *range, bool noted)
{
    if (range->type != LK_NONE && is_interrupted(k->op))
        return -EINTR;
    struct lock_call *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->range = *range;
    c->inode = noted ? k->inode : NULL;
    c->fl = k->fl;
    c->l = (struct p9_locking){.fid = p9_fid_get(fid),
                               .owner = owner,
                               .type = on_wire(range->type),
                               .start = range->start,
                               .length = length_of(range->start, range->end)};
    return call(k, c, NULL);
}

int lock_ask_other(struct locking *k, const struct lock_range *want, struct p9_lock_held *held)
{
    struct p9_fid *fid = k->fl->fid != NULL ? k->fl->fid : k->f->handle.fid; /* ours are not in our way */
    struct lock_call *c = fid != NULL ? calloc(1, sizeof *c) : NULL;

    if (c == NULL)
        return fid != NULL ? -ENOMEM : -EBADF;
    c->l = (struct p9_locking){.fid = p9_fid_get(fid),
                               .type = on_wire(want->type),
                               .query = true,
                               .start = want->start,
                               .length = length_of(want->start, want->end)};
    return call(k, c, held);
}

/* ---- the fid; with the lock, which is given up meanwhile ---------------- */

static int open_as(struct locking *k, struct user *user, int flags, struct p9_fid **fid)
{
    struct use u = {.cache = k->op->fs->cache, .inode = k->inode, .user = user};
    struct p9_opening o = {.flags = flags};
    struct p9_scope *sc = &k->op->scope;

    pthread_mutex_unlock(&k->locks->mtx);
    int rc = use_open(sc, &u, &o);
    *fid = o.fid;
    if (rc == -EAGAIN)
        do {
            rc = use_take(sc, &u);
            if (rc == 0)
                rc = p9_fid_hold(u.fid, false);
            if (rc == 0)
                rc = p9_open(sc, u.fid, flags);
            if (rc == 0)
                *fid = p9_fid_get(u.fid);
        } while (use_again(&u, rc));
    pthread_mutex_lock(&k->locks->mtx);
    return rc;
}

/* By who asks, or another who has the file open. */
static int open_to_write(struct locking *k, struct p9_fid **fid)
{
    struct user *first = k->f->handle.user, *user = NULL;
    int rc = open_as(k, first, O_RDWR, fid);

    while (rc != 0 && rc != -EINTR && (user = cache_next_opener(k->op->fs->cache, k->inode, user)) != NULL)
        if (user != first)
            rc = open_as(k, user, O_RDWR, fid);
    return rc;
}

/* Whether it was seen that what is given back is free before the fid is clunked: by try_ranges, on a server that answers at once. */
static bool unlocks(const struct fs *fs)
{
    return atomic_load(&fs->lock_ranges) != 0 && !atomic_load(&fs->lock_waits);
}

static int make_fid(struct locking *k)
{
    struct handle const *h = &k->f->handle;
    struct p9_fid *fid = NULL;
    int rc = 0;

    if (unlocks(k->op->fs) && (h->flags & O_ACCMODE) == O_RDWR && h->fid != NULL) /* no other would be better */
        fid = p9_fid_get(h->fid);
    else
        rc = open_to_write(k, &fid);
    k->fl->fid_writes = rc == 0;
    if (rc != 0 && rc != -EINTR)
        rc = open_as(k, h->user, h->flags & O_ACCMODE, &fid);
    if (rc != 0 && rc != -EINTR && h->fid != NULL) { /* it has no name any more, or may not be opened again */
        fid = p9_fid_get(h->fid);
        rc = 0;
    }
    if (rc == 0)
        k->fl->fid = fid;
    return rc == -EINTR ? rc : rc != 0 ? -EBADF : 0;
}

/* The fid cannot write, and the server refuses: in its place comes one that can, if there is any by now. What is held, which is to read,
 * is taken by the new one before the old one goes. */
static int better_fid(struct locking *k)
{
    struct p9_fid *old = k->fl->fid, *fid;
    int rc = open_to_write(k, &fid);

    if (rc != 0)
        return rc;
    for (const struct lock_range *r = k->fl->server; r != NULL && rc == 0; r = r->next)
        rc = ask(k, fid, 0, r, false);
    if (rc != 0) {
        p9_fid_put(fid);
        return rc;
    }
    k->fl->fid = fid;
    k->fl->fid_writes = true;
    if (atomic_load(&old->refs) > 1) { /* an open file's: it stays */
        ask(k, old, 0, &(struct lock_range){.end = LK_TO_END}, false);
        p9_fid_put(old);
        return 0;
    }
    pthread_mutex_unlock(&k->locks->mtx);
    p9_fid_clunk(&k->op->scope, old);
    pthread_mutex_lock(&k->locks->mtx);
    return 0;
}

/* ---- what the server holds; with the lock, which is given up meanwhile -- */

static void note_no_locks(struct fs *fs)
{
    if (!atomic_exchange(&fs->no_locks, true))
        log_info("the server has no locks: they hold among the processes of this mount only");
}

static int note(struct locking *k, const struct lock_range *range, int rc)
{
    if (rc == -EOPNOTSUPP) {
        note_no_locks(k->op->fs);
        rc = 0;
    } else if (rc == 0 && range->type != LK_NONE && !atomic_load(&k->op->fs->no_locks)) {
        k->fl->gained = true;
    }
    return rc == 0 ? locks_set(&k->fl->server, range) : rc;
}

static int lock_on_server(struct locking *k, enum lock_type type, uint64_t start, uint64_t end)
{
    const struct lock_range range = {.start = start, .end = end, .type = type};

    if (k->fl->overdue)
        return -EAGAIN;
    return note(k, &range, atomic_load(&k->op->fs->no_locks) ? 0 : ask(k, k->fl->fid, 0, &range, true));
}

/* What a server may say to a lock that the fid is not open for. */
static bool is_refusal(int rc)
{
    return rc == -EBADF || rc == -ENOLCK || rc == -EACCES || rc == -EPERM || rc == -EINVAL || rc == -EROFS;
}

/* Where nobody may write what can be had is the lock to read (or the other way round); those here are kept apart anyway. */
static int take(struct locking *k, enum lock_type type, uint64_t start, uint64_t end)
{
    struct fs *fs = k->op->fs;

    if (!p9_may_lock(fs->client))
        note_no_locks(fs);
    int rc = k->fl->overdue ? -EAGAIN : 0;
    if (rc == 0 && k->fl->fid == NULL && !atomic_load(&fs->no_locks))
        rc = make_fid(k);
    if (rc != 0)
        return rc;
    rc = lock_on_server(k, type, start, end);
    if (is_refusal(rc) && !k->fl->fid_writes && better_fid(k) == 0)
        rc = lock_on_server(k, type, start, end);
    if (is_refusal(rc) && !k->fl->fid_writes)
        rc = lock_on_server(k, type == LK_WRITE ? LK_READ : LK_WRITE, start, end);
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

/* The strongest lock that any process here has on the byte `at`; *end as in locks_at. */
static enum lock_type needed_at(const struct file_locks *fl, uint64_t at, uint64_t *end)
{
    enum lock_type a = locks_at(fl->posix, at, end), b = locks_at(fl->flock, at, end);

    return a > b ? a : b;
}

/* ---- whether it locks ranges -------------------------------------------- */

static struct lock_range one_byte(uint64_t at, enum lock_type type)
{
    return (struct lock_range){.start = at, .end = at, .type = type};
}

static enum lock_type other_type(enum lock_type type)
{
    return type == LK_WRITE ? LK_READ : LK_WRITE;
}

/* Whether a byte of ours is still kept from another owner. */
static bool still_held(struct locking *k, struct p9_fid *fid, const struct lock_range *ours)
{
    const struct lock_range theirs = one_byte(ours->start, other_type(ours->type));
    const struct lock_range none = one_byte(ours->start, LK_NONE);
    int rc = ask(k, fid, 1, &theirs, false);

    if (rc == 0)
        ask(k, fid, 1, &none, false);
    return rc == -EAGAIN;
}

static bool says_whole_files(int rc)
{
    return rc == -EAGAIN || rc == -ETIMEDOUT || rc == -ENOLCK || rc == -EINVAL;
}

/* Tries by another fid whether a byte far from ours can be locked: a server of files refuses (diod 1.0.24), or does not answer
 * (hugelgupf/p9). Then by ours, and gives it back: nfs-ganesha 4.3 takes that for giving back all. 1, -1, or 0 if it could not be tried. */
static int try_ranges(struct locking *k, struct p9_fid *fid)
{
    const uint64_t probe_at = k->locks->probe_at;
    enum lock_type ours = strongest(k->fl->server);
    const struct lock_range none = one_byte(probe_at, LK_NONE), theirs = one_byte(probe_at, other_type(ours));
    int rc = ask(k, fid, 0, &theirs, false);

    if (rc != 0)
        return says_whole_files(rc) ? -1 : 0;
    ask(k, fid, 0, &none, false);
    rc = lock_on_server(k, ours, probe_at, probe_at);
    if (rc != 0)
        return says_whole_files(rc) ? -1 : 0;
    lock_on_server(k, LK_NONE, probe_at, probe_at);
    if (still_held(k, fid, k->fl->server))
        return 1;
    for (const struct lock_range *r = k->fl->server; r != NULL; r = r->next) /* taken again at once */
        ask(k, k->fl->fid, 0, r, true);
    return -1;
}

static bool locks_ranges(struct locking *k)
{
    struct fs *fs = k->op->fs;
    struct use u = {.cache = fs->cache,
                    .inode = k->inode}; /* by who has it open: to attach would be to ask the server */
    int known = atomic_load(&fs->lock_ranges);

    if (known != 0 || atomic_load(&fs->no_locks))
        return known >= 0;
    u.user = k->f != NULL ? k->f->handle.user : k->op->user;
    pthread_mutex_unlock(&k->locks->mtx);
    int rc = use_take(&k->op->scope, &u);
    if (rc == 0 && (rc = p9_open(&k->op->scope, u.fid, O_RDWR)) != 0)
        p9_fid_put(u.fid);
    pthread_mutex_lock(&k->locks->mtx);
    if (rc != 0)
        return false;
    known = try_ranges(k, u.fid);
    atomic_store(&fs->lock_ranges, known);
    p9_fid_put(u.fid);
    return known > 0;
}

/* ---- more and less ------------------------------------------------------ */

int lock_raise(struct locking *k, const struct lock_range *want)
{
    enum lock_type type = want->type, held = strongest(k->fl->server);
    int rc = 0;

    if (held > type && !locks_ranges(k)) /* a weaker one would replace it */
        type = held;
    for (uint64_t at = want->start, end = want->end; rc == 0; at = end + 1) {
        end = want->end;
        if (locks_at(k->fl->server, at, &end) < type)
            rc = take(k, type, at, end);
        if (end == want->end)
            break;
    }
    return rc;
}

static int give_all(struct locking *k)
{
    int rc = k->fl->server != NULL ? lock_on_server(k, LK_NONE, 0, LK_TO_END) : 0;

    bool goes =
        k->fl->fid == NULL || atomic_load(&k->fl->fid->refs) == 1; /* with the fid, which is not an open file's */
    if (!k->fl->overdue && (rc == 0 || goes))
        locks_free(&k->fl->server);
    return rc;
}

int lock_lower(struct locking *k, uint64_t start, uint64_t last)
{
    enum lock_type needed = needed_in_all(k->fl);
    int rc = 0;

    if (needed == LK_NONE)
        return give_all(k);
    for (uint64_t at = start, end = last; rc == 0; at = end + 1) {
        end = last;
        enum lock_type want = needed_at(k->fl, at, &end);
        if (want < locks_at(k->fl->server, at, &end)) {
            if (!locks_ranges(k)) /* all or nothing */
                return needed < strongest(k->fl->server) ? lock_on_server(k, needed, 0, LK_TO_END) : 0;
            rc = lock_on_server(k, want, at, end);
        }
        if (end == last)
            break;
    }
    return rc;
}

/* ---- the file to oneself ------------------------------------------------ */

int lock_begin(struct locking *k, bool wait)
{
    int rc = 0;

    pthread_mutex_lock(&k->locks->mtx);
    while (rc == 0 && k->fl->busy) {
        rc = is_interrupted(k->op) ? -EINTR : wait ? 0 : -EBUSY;
        if (rc == 0)
            pthread_cond_wait(&k->locks->settled, &k->locks->mtx);
    }
    if (rc == 0)
        k->fl->busy = true;
    else if (rc == -EBUSY)
        k->fl->wanted = true;
    if (rc != 0)
        pthread_mutex_unlock(&k->locks->mtx);
    return rc;
}

void lock_end(struct locking *k)
{
    struct file_locks *fl = k->fl;
    struct p9_fid *fid = NULL;

    while (fl->owed && !fl->overdue) {
        fl->owed = false;
        if (lock_lower(k, 0, LK_TO_END) != 0 && !fl->overdue) {
            fl->owed = true; /* for who changes something next */
            break;
        }
    }
    if (fl->server == NULL && !fl->overdue) {
        fid = fl->fid;
        fl->fid = NULL;
    }
    fl->busy = false;
    if (fl->wanted)
        lock_wake(k->locks);
    fl->wanted = false;
    pthread_cond_broadcast(&k->locks->settled);
    pthread_mutex_unlock(&k->locks->mtx);
    p9_fid_put(fid);
}

/* ---- answers that come late --------------------------------------------- */

void lock_note_returned(struct fs *fs)
{
    struct locks *q = fs->locks;

    pthread_mutex_lock(&q->mtx);
    for (struct lock_call *c = q->returned; c != NULL; c = c->next) {
        if (c->inode == NULL || !c->fl->overdue)
            continue;
        if (c->l.rc == 0 && locks_set(&c->fl->server, &c->range) != 0)
            continue; /* for lack of memory: the next time */
        c->fl->gained = c->fl->gained || (c->l.rc == 0 && c->range.type != LK_NONE);
        c->fl->overdue = false;
        c->fl->owed = true;
    }
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->mtx);
}

/* One that is noted; NULL if there is none. */
static struct lock_call *next_returned(struct locks *q)
{
    struct lock_call *c;

    pthread_mutex_lock(&q->mtx);
    for (c = q->returned; c != NULL && c->inode != NULL && c->fl->overdue;)
        c = c->next;
    if (c != NULL)
        LL_DELETE(q->returned, c);
    pthread_mutex_unlock(&q->mtx);
    return c;
}

void lock_settle_returned(struct fs *fs)
{
    struct lock_call *c;

    while ((c = next_returned(fs->locks)) != NULL) {
        struct op op = {.fs = fs, .user = fs->cache->users};
        struct locking k = {.op = &op, .locks = fs->locks, .inode = c->inode, .fl = c->fl};
        if (c->inode != NULL && lock_begin(&k, false) == 0)
            lock_end(&k);
        if (c->inode != NULL)
            cache_forget(fs->cache, c->inode, 1);
        call_free(c);
    }
}

void lock_disown(struct fs *fs)
{
    struct locks *q = fs->locks;
    struct lock_call *c;

    pthread_mutex_lock(&q->mtx);
    q->over = true;
    LL_FOREACH(q->left, c)
    {
        if (c->inode != NULL)
            cache_forget(fs->cache, c->inode, 1);
        c->inode = NULL;
    }
    while ((c = q->returned) != NULL) {
        LL_DELETE(q->returned, c);
        if (c->inode != NULL)
            cache_forget(fs->cache, c->inode, 1);
        call_free(c);
    }
    pthread_mutex_unlock(&q->mtx);
}
