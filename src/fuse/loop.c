/*
 * loop.c: the threads that answer the kernel: each takes a request, and answers it before it takes
 * another. While one is answered there is another that waits for the next, as far as there may be
 * so many.
 *
 * libfuse has such a loop, which ends the mount when a thread's buffer cannot be had. Here that
 * thread is done without, unless no other waits for requests: then it tries again after a while.
 */
#include "fuse/loop.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"

enum { WITHOUT_MEMORY_MS = 500 };

struct loop {
    struct fuse_session *se;
    unsigned max;
    int ended;           /* eventfd: readable once the loop is over */
    pthread_mutex_t mtx; /* guards all below */
    struct worker *workers;
    unsigned threads, waiting; /* waiting: for a request */
    bool answered;             /* some request was */
    bool over;                 /* no thread starts or leaves any more */
    int error;
};

struct worker {
    struct loop *loop;
    pthread_t thread;
    struct fuse_buf buf; /* libfuse makes it at the first request, and it stays */
    struct worker *prev, *next;
};

static void *worker_main(void *worker);

/* Called with the lock. */
static int start_worker(struct loop *l)
{
    struct worker *w = calloc(1, sizeof *w);

    if (w == NULL)
        return -ENOMEM;
    w->loop = l;
    int err = -pthread_create(&w->thread, NULL, worker_main, w);
    if (err != 0) {
        free(w);
        return err;
    }
    DL_APPEND(l->workers, w);
    l->threads++;
    l->waiting++;
    return 0;
}

static void worker_free(struct worker *w)
{
    free(w->buf.mem);
    free(w);
}

static void end_loop(struct loop *l, int err)
{
    const uint64_t one = 1;

    pthread_mutex_lock(&l->mtx);
    if (l->error == 0)
        l->error = err;
    pthread_mutex_unlock(&l->mtx);
    fuse_session_exit(l->se);
    if (write(l->ended, &one, sizeof one) < 0)
        return; /* cannot happen: the counter is far from full */
}

/* The kernel sends these in numbers, and they take no time. */
static bool is_forget(const struct fuse_buf *buf)
{
    const struct fuse_in_header *in = buf->mem;

    return !(buf->flags & FUSE_BUF_IS_FD) && (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET);
}

static void answer(struct worker *w)
{
    struct loop *l = w->loop;
    bool counts = !is_forget(&w->buf);

    pthread_mutex_lock(&l->mtx);
    l->answered = true;
    l->waiting -= counts;
    if (l->waiting == 0 && l->threads < l->max && !l->over)
        start_worker(l);
    pthread_mutex_unlock(&l->mtx);
    fuse_session_process_buf(l->se, &w->buf);
    pthread_mutex_lock(&l->mtx);
    l->waiting += counts;
    pthread_mutex_unlock(&l->mtx);
}

static void pause_without_memory(void)
{
    const struct timespec ts = {.tv_nsec = WITHOUT_MEMORY_MS * 1000000L};

    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    nanosleep(&ts, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

/* Whether it could: others wait for requests. */
static bool leave(struct worker *w)
{
    struct loop *l = w->loop;

    pthread_mutex_lock(&l->mtx);
    bool leaves = l->waiting > 1 && !l->over;
    if (leaves) {
        DL_DELETE(l->workers, w);
        l->threads--;
        l->waiting--;
        pthread_detach(w->thread);
    }
    pthread_mutex_unlock(&l->mtx);
    if (leaves)
        worker_free(w);
    return leaves;
}

static bool has_answered(struct loop *l)
{
    pthread_mutex_lock(&l->mtx);
    bool answered = l->answered;
    pthread_mutex_unlock(&l->mtx);
    return answered;
}

/* There was no memory to receive a request. Whether the thread is to go on. As long as it waits
 * here no other is started. */
static bool goes_on_without(struct worker *w)
{
    if (!has_answered(w->loop)) {
        end_loop(w->loop, -ENOMEM);
        return false;
    }
    pause_without_memory();
    return !leave(w);
}

/* A request, into the worker's buffer: the one place where a thread can be cancelled. */
static int receive(struct worker *w)
{
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    int n = fuse_session_receive_buf(w->loop->se, &w->buf);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return n;
}

static void *worker_main(void *worker)
{
    struct worker *w = worker;
    struct loop *l = w->loop;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    while (!fuse_session_exited(l->se)) {
        int n = receive(w);
        if (n > 0) {
            answer(w);
        } else if (n == -ENOMEM) {
            if (!goes_on_without(w))
                return NULL;
        } else if (n != -EINTR) {
            end_loop(l, n);
            return NULL;
        }
    }
    end_loop(l, 0);
    return NULL;
}

/* Signals that end the session come to this thread alone, and only while it waits here: none is
 * missed. */
static void wait_for_end(struct loop *l, const sigset_t *open)
{
    struct pollfd p = {.fd = l->ended, .events = POLLIN};

    while (!fuse_session_exited(l->se) && ppoll(&p, 1, NULL, open) <= 0)
        ;
}

static void stop_workers(struct loop *l)
{
    struct worker *w, *next;

    pthread_mutex_lock(&l->mtx);
    l->over = true;
    pthread_mutex_unlock(&l->mtx);
    DL_FOREACH(l->workers, w)
    pthread_cancel(w->thread);
    DL_FOREACH_SAFE (l->workers, w, next) {
        pthread_join(w->thread, NULL);
        worker_free(w);
    }
}

int loop_run(struct fuse_session *se, unsigned max)
{
    struct loop l = {.se = se, .max = max, .ended = eventfd(0, EFD_CLOEXEC)};
    sigset_t ends, before;

    if (l.ended < 0)
        return -errno;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    sigaddset(&ends, SIGQUIT);
    pthread_mutex_init(&l.mtx, NULL);
    pthread_sigmask(SIG_BLOCK, &ends, &before);
    pthread_mutex_lock(&l.mtx);
    int err = start_worker(&l);
    pthread_mutex_unlock(&l.mtx);
    if (err == 0) {
        wait_for_end(&l, &before);
        stop_workers(&l);
        err = l.error;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_destroy(&l.mtx);
    close(l.ended);
    return err;
}
