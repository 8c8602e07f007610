/*
 * fs_notify.c: what the kernel is told of its own accord: to drop what it has of a file.
 *
 * The kernel waits then until the file's pages are not being read any more: for answers of ours. So it is told by a thread of its own,
 * for which nobody waits: what is to be answered only when nothing old can be read any more is answered by that thread.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs.h"
#include "thread.h"

struct notifier {
    pthread_t thread;
    pthread_mutex_t mtx; /* guards all below, and of every notice what is said to be the notifier's */
    pthread_cond_t changed;
    struct notice *notices; /* the first first */
    bool all, stale, stop;
};

/* ---- the thread --------------------------------------------------------- */

static void tell(struct fs *fs, struct node *node, bool pages)
{
    fuse_lowlevel_notify_inval_inode(fs->se, ino_of(fs, node), pages ? 0 : -1, 0);
}

static void tell_and_answer(struct fs *fs, struct notice *n)
{
    struct notifier *nf = fs->notifier;

    if (n->node != NULL)
        tell(fs, n->node, n->pages);
    pthread_mutex_lock(&nf->mtx);
    bool waits = !n->answered;
    n->answered = true;
    pthread_mutex_unlock(&nf->mtx);
    n->then(n, waits);
}

static void tell_stale(struct fs *fs)
{
    struct node *node;

    while ((node = tree_next_stale(fs->tree)) != NULL) {
        tell(fs, node, true);
        tree_forget(fs->tree, node, 1);
    }
}

static void tell_all(struct fs *fs)
{
    struct node *node = NULL;

    while ((node = tree_next(fs->tree, node)) != NULL)
        tell(fs, node, true);
}

/* Called with the lock, which is given up meanwhile. */
static void work(struct fs *fs)
{
    struct notifier *nf = fs->notifier;
    struct notice *n = nf->notices;
    bool all = nf->all;

    if (n != NULL)
        LL_DELETE(nf->notices, n);
    nf->all = nf->stale = false;
    pthread_mutex_unlock(&nf->mtx);
    tell_stale(fs);
    if (all)
        tell_all(fs);
    if (n != NULL)
        tell_and_answer(fs, n);
    pthread_mutex_lock(&nf->mtx);
}

static void *notifier_main(void *arg)
{
    struct fs *fs = arg;
    struct notifier *nf = fs->notifier;

    pthread_mutex_lock(&nf->mtx);
    while (!nf->stop || nf->notices != NULL) {
        if (nf->notices != NULL || nf->all || nf->stale)
            work(fs);
        else
            pthread_cond_wait(&nf->changed, &nf->mtx);
    }
    pthread_mutex_unlock(&nf->mtx);
    return NULL;
}

/* ---- what is to be told ------------------------------------------------- */

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
    struct notifier *nf = n->op->fs->notifier;

    (void)req;
    if (!op_should_end(n->op))
        return;
    pthread_mutex_lock(&nf->mtx);
    n->interrupted = true;
    if (!n->entering)
        answer_interrupted(n);
    pthread_mutex_unlock(&nf->mtx);
}

/* libfuse calls on_interrupt at once for a request that was interrupted before, and needs the request when that returns. */
void notify_then(struct notice *n)
{
    struct notifier *nf = n->op->fs->notifier;

    n->op->any_signal = false;
    n->entering = true;
    fuse_req_interrupt_func(n->op->req, on_interrupt, n);
    pthread_mutex_lock(&nf->mtx);
    n->entering = false;
    if (n->interrupted)
        answer_interrupted(n);
    LL_APPEND(nf->notices, n);
    pthread_cond_signal(&nf->changed);
    pthread_mutex_unlock(&nf->mtx);
}

void notify_all(struct fs *fs)
{
    struct notifier *nf = fs->notifier;

    pthread_mutex_lock(&nf->mtx);
    nf->all = true;
    pthread_cond_signal(&nf->changed);
    pthread_mutex_unlock(&nf->mtx);
}

void notify_stale(struct fs *fs)
{
    struct notifier *nf = fs->notifier;

    pthread_mutex_lock(&nf->mtx);
    nf->stale = true;
    pthread_cond_signal(&nf->changed);
    pthread_mutex_unlock(&nf->mtx);
}

struct late {
    struct notice notice;
    struct op op;
    struct answer answer;
};

static void reply_late(struct notice *n, bool waits)
{
    struct late *l = (struct late *)((char *)n - offsetof(struct late, notice));

    op_send(&l->op, &l->answer, waits);
    free(l);
}

void op_answer_dropped(struct op *op, struct node *node, bool pages, const struct answer *a)
{
    struct late *l = calloc(1, sizeof *l);

    if (l == NULL) {
        notify_all(op->fs);
        op_send(op, a, true);
        return;
    }
    l->op = *op;
    l->answer = *a;
    l->notice = (struct notice){.op = &l->op, .node = node, .pages = pages, .then = reply_late};
    notify_then(&l->notice);
}

/* ---- start and end ------------------------------------------------------ */

int notifier_start(struct fs *fs)
{
    struct notifier *nf = calloc(1, sizeof *nf);

    if (nf == NULL)
        return -ENOMEM;
    pthread_mutex_init(&nf->mtx, NULL);
    pthread_cond_init(&nf->changed, NULL);
    fs->notifier = nf;
    int err = thread_start(&nf->thread, notifier_main, fs);
    if (err != 0) {
        fs->notifier = NULL;
        free(nf);
    }
    return err;
}

void notifier_stop(struct fs *fs)
{
    struct notifier *nf = fs->notifier;

    if (nf == NULL)
        return;
    pthread_mutex_lock(&nf->mtx);
    nf->stop = true;
    pthread_cond_signal(&nf->changed);
    pthread_mutex_unlock(&nf->mtx);
    connection_abort(fs); /* it may wait for a page whose READ nobody takes any more */
    pthread_join(nf->thread, NULL);
    pthread_cond_destroy(&nf->changed);
    pthread_mutex_destroy(&nf->mtx);
    free(nf);
    fs->notifier = NULL;
}
