/*
 * notify.c: invalidation of the kernel's caches of a file.
 *
 * Before it drops pages, the kernel waits until no READ or WRITE of them is in flight: for answers
 * of this process. So threads of their own invalidate, and no other thread waits for them: an
 * answer that must not arrive before all stale data are dropped is sent by them. The answer to a
 * READ or a WRITE, which pages wait for, never is. Dropping attributes alone waits for nothing, and
 * has a thread to itself.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <utlist.h>

#include "fuse/notify.h"
#include "fuse/connection.h"
#include "base/thread.h"

struct lane {
    struct fs *fs;
    pthread_t thread;
    pthread_mutex_t mtx; /* guards all below, and the private members of every notice */
    pthread_cond_t changed;
    struct notice *notices; /* the oldest first */
    bool all, stale, stop;
};

enum { ATTRIBUTES, PAGES, LANES };

struct notifier {
    struct lane lanes[LANES];
};

/* ---- the threads -------------------------------------------------------- */

static void invalidate(struct fs *fs, struct inode *inode, bool pages)
{
    fuse_lowlevel_notify_inval_inode(fs->se, ino_of(fs, inode), pages ? 0 : -1, 0);
}

static void invalidate_and_answer(struct lane *l, struct notice *n)
{
    if (n->inode != NULL)
        invalidate(l->fs, n->inode, n->pages);
    pthread_mutex_lock(&l->mtx);
    bool waits = !n->answered;
    n->answered = true;
    pthread_mutex_unlock(&l->mtx);
    n->then(n, waits);
}

static void invalidate_stale(struct fs *fs)
{
    struct inode *inode;

    while ((inode = cache_next_stale(fs->cache)) != NULL) {
        invalidate(fs, inode, true);
        cache_forget(fs->cache, inode, 1);
    }
}

static void invalidate_all(struct fs *fs)
{
    struct inode *inode = NULL;

    while ((inode = cache_next(fs->cache, inode)) != NULL)
        invalidate(fs, inode, true);
}

/* Called with l->mtx, which is released meanwhile. */
static void lane_work(struct lane *l)
{
    struct notice *n = l->notices;
    bool all = l->all, stale = l->stale || (n != NULL && n->inode == NULL);

    if (n != NULL)
        LL_DELETE(l->notices, n);
    l->all = l->stale = false;
    pthread_mutex_unlock(&l->mtx);
    if (stale)
        invalidate_stale(l->fs);
    if (all)
        invalidate_all(l->fs);
    if (n != NULL)
        invalidate_and_answer(l, n);
    pthread_mutex_lock(&l->mtx);
}

static void *lane_main(void *arg)
{
    struct lane *l = arg;

    pthread_mutex_lock(&l->mtx);
    while (!l->stop || l->notices != NULL) {
        if (l->notices != NULL || l->all || l->stale)
            lane_work(l);
        else
            pthread_cond_wait(&l->changed, &l->mtx);
    }
    pthread_mutex_unlock(&l->mtx);
    return NULL;
}

/* ---- the queue ---------------------------------------------------------- */

static struct lane *lane_of(const struct notice *n)
{
    return &n->op->fs->notifier->lanes[n->inode != NULL && !n->pages ? ATTRIBUTES : PAGES];
}

/* Called with the lane's mutex: once it is released, the notice may be freed. */
static void answer_interrupted(struct notice *n)
{
    if (!n->answered)
        op_reply_interrupted(n->op);
    n->answered = true;
}

static void on_interrupt(fuse_req_t req, void *arg)
{
    struct notice *n = arg;
    struct lane *l = lane_of(n);

    (void)req;
    if (!op_should_end(n->op))
        return;
    pthread_mutex_lock(&l->mtx);
    n->interrupted = true;
    if (!n->entering)
        answer_interrupted(n);
    pthread_mutex_unlock(&l->mtx);
}

/* libfuse calls on_interrupt at once for a request that is interrupted already, and needs the
 * request after that returns: `entering` delays the answer until then. */
void notify_then(struct notice *n)
{
    struct lane *l = lane_of(n);

    n->op->any_signal = false;
    n->entering = true;
    fuse_req_interrupt_func(n->op->req, on_interrupt, n);
    pthread_mutex_lock(&l->mtx);
    n->entering = false;
    if (n->interrupted)
        answer_interrupted(n);
    LL_APPEND(l->notices, n);
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mtx);
}

static void wake(struct fs *fs, bool all)
{
    struct lane *l = fs->notifier != NULL ? &fs->notifier->lanes[PAGES] : NULL;

    if (l == NULL) /* unmounted */
        return;
    pthread_mutex_lock(&l->mtx);
    l->all = l->all || all;
    l->stale = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mtx);
}

void notify_all(struct fs *fs)
{
    wake(fs, true);
}

void notify_stale(struct fs *fs)
{
    wake(fs, false);
}

struct deferred {
    struct notice notice;
    struct op op;
    struct answer answer;
};

static void reply_deferred(struct notice *n, bool waits)
{
    struct deferred *l = (struct deferred *)((char *)n - offsetof(struct deferred, notice));

    if (waits && l->answer.sent != NULL)
        l->answer.sent(&l->op, l->answer.sent_arg);
    op_send(&l->op, &l->answer, waits);
    free(l);
}

void op_answer_dropped(struct op *op, struct inode *inode, bool pages, const struct answer *a)
{
    struct deferred *l = calloc(1, sizeof *l);

    if (l == NULL) {
        notify_all(op->fs);
        if (a->sent != NULL)
            a->sent(op, a->sent_arg);
        op_send(op, a, true);
        return;
    }
    l->op = *op;
    l->answer = *a;
    l->notice = (struct notice){.op = &l->op, .inode = inode, .pages = pages, .then = reply_deferred};
    notify_then(&l->notice);
}

/* ---- start and end ------------------------------------------------------ */

static int lane_start(struct lane *l, struct fs *fs)
{
    l->fs = fs;
    pthread_mutex_init(&l->mtx, NULL);
    pthread_cond_init(&l->changed, NULL);
    return thread_start(&l->thread, lane_main, l);
}

static void lane_stop(struct lane *l)
{
    pthread_mutex_lock(&l->mtx);
    l->stop = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mtx);
    pthread_join(l->thread, NULL);
}

int notifier_start(struct fs *fs)
{
    struct notifier *nf = calloc(1, sizeof *nf);

    if (nf == NULL)
        return -ENOMEM;
    int rc = lane_start(&nf->lanes[ATTRIBUTES], fs);
    if (rc == 0 && (rc = lane_start(&nf->lanes[PAGES], fs)) != 0)
        lane_stop(&nf->lanes[ATTRIBUTES]);
    if (rc != 0)
        free(nf);
    else
        fs->notifier = nf;
    return rc;
}

void notifier_stop(struct fs *fs)
{
    struct notifier *nf = fs->notifier;

    if (nf == NULL)
        return;
    connection_abort(fs); /* a thread may wait for a page whose READ no thread receives any more */
    for (int i = 0; i < LANES; i++)
        lane_stop(&nf->lanes[i]);
    fs->notifier = NULL;
    for (int i = 0; i < LANES; i++) {
        pthread_cond_destroy(&nf->lanes[i].changed);
        pthread_mutex_destroy(&nf->lanes[i].mtx);
    }
    free(nf);
}
