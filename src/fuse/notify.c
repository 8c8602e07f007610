/*
 * notify.c: what the kernel is told of its own accord: to drop what it has of a file.
 *
 * To drop pages the kernel waits until they are not being read or written any more: for answers of
 * ours. So it is told by threads of their own, for which nobody waits: what is to be answered only
 * when nothing old can be read any more is answered by them. What pages wait for, a READ or a
 * WRITE, is never answered so. Attributes alone wait for nothing, and have a thread for themselves.
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
    pthread_mutex_t mtx; /* guards all below, and of every notice what is said to be the notifier's */
    pthread_cond_t changed;
    struct notice *notices; /* the first first */
    bool all, stale, stop;
};

enum { ATTRIBUTES, PAGES, LANES };

struct notifier {
    struct lane lanes[LANES];
};

/* ---- the threads -------------------------------------------------------- */

static void tell(struct fs *fs, struct inode *inode, bool pages)
{
    fuse_lowlevel_notify_inval_inode(fs->se, ino_of(fs, inode), pages ? 0 : -1, 0);
}

static void tell_and_answer(struct lane *l, struct notice *n)
{
    if (n->inode != NULL)
        tell(l->fs, n->inode, n->pages);
    pthread_mutex_lock(&l->mtx);
    bool waits = !n->answered;
    n->answered = true;
    pthread_mutex_unlock(&l->mtx);
    n->then(n, waits);
}

static void tell_stale(struct fs *fs)
{
    struct inode *inode;

    while ((inode = cache_next_stale(fs->cache)) != NULL) {
        tell(fs, inode, true);
        cache_forget(fs->cache, inode, 1);
    }
}

static void tell_all(struct fs *fs)
{
    struct inode *inode = NULL;

    while ((inode = cache_next(fs->cache, inode)) != NULL)
        tell(fs, inode, true);
}

/* Called with the lock, which is given up meanwhile. */
static void work(struct lane *l)
{
    struct notice *n = l->notices;
    bool all = l->all, stale = l->stale || (n != NULL && n->inode == NULL);

    if (n != NULL)
        LL_DELETE(l->notices, n);
    l->all = l->stale = false;
    pthread_mutex_unlock(&l->mtx);
    if (stale)
        tell_stale(l->fs);
    if (all)
        tell_all(l->fs);
    if (n != NULL)
        tell_and_answer(l, n);
    pthread_mutex_lock(&l->mtx);
}

static void *lane_main(void *arg)
{
    struct lane *l = arg;

    pthread_mutex_lock(&l->mtx);
    while (!l->stop || l->notices != NULL) {
        if (l->notices != NULL || l->all || l->stale)
            work(l);
        else
            pthread_cond_wait(&l->changed, &l->mtx);
    }
    pthread_mutex_unlock(&l->mtx);
    return NULL;
}

/* ---- what is to be told ------------------------------------------------- */

static struct lane *lane_of(const struct notice *n)
{
    return &n->op->fs->notifier->lanes[n->inode != NULL && !n->pages ? ATTRIBUTES : PAGES];
}

/* Called with the lock: when it is given up the notice may be gone. */
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

/* libfuse calls on_interrupt at once for a request that was interrupted before, and needs the
 * request when that returns. */
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

    if (l == NULL) /* the mount is over */
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

struct late {
    struct notice notice;
    struct op op;
    struct answer answer;
};

static void reply_late(struct notice *n, bool waits)
{
    struct late *l = (struct late *)((char *)n - offsetof(struct late, notice));

    if (waits && l->answer.sent != NULL)
        l->answer.sent(&l->op, l->answer.sent_arg);
    op_send(&l->op, &l->answer, waits);
    free(l);
}

void op_answer_dropped(struct op *op, struct inode *inode, bool pages, const struct answer *a)
{
    struct late *l = calloc(1, sizeof *l);

    if (l == NULL) {
        notify_all(op->fs);
        if (a->sent != NULL)
            a->sent(op, a->sent_arg);
        op_send(op, a, true);
        return;
    }
    l->op = *op;
    l->answer = *a;
    l->notice = (struct notice){.op = &l->op, .inode = inode, .pages = pages, .then = reply_late};
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
    connection_abort(fs); /* one may wait for a page whose READ nobody takes any more */
    for (int i = 0; i < LANES; i++)
        lane_stop(&nf->lanes[i]);
    fs->notifier = NULL;
    for (int i = 0; i < LANES; i++) {
        pthread_cond_destroy(&nf->lanes[i].changed);
        pthread_mutex_destroy(&nf->lanes[i].mtx);
    }
    free(nf);
}
