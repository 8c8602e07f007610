/*
 * loop.c: the threads that answer the kernel. Each receives a request, and answers it before it
 * receives another. While threads answer, another one waits for the next request, up to the limit.
 *
 * libfuse's own loop ends the mount when it cannot allocate a thread's buffer. Here that thread
 * ends, unless no other thread waits for requests: then it retries after a pause.
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

enum { NO_MEMORY_PAUSE_MS = 500 };

struct loop {
    struct fuse_session *se;
    unsigned max;
    int ended;           /* eventfd: readable once the loop is over */
    pthread_mutex_t mtx; /* guards all below */
    struct worker *workers;
    unsigned threads, waiting; /* waiting: threads that wait for a request */
    bool answered;             /* a request has been received */
    bool over;                 /* no thread starts or ends by itself any more */
    int error;
};

struct worker {
    struct loop *loop;
    pthread_t thread;
    struct fuse_buf buf; /* libfuse allocates it at the first request; later ones reuse it */
    struct worker *prev, *next;
};

static void *worker_main(void *worker);

/* Called with l->mtx. 0 or -errno. */
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

/* The kernel sends FORGETs in large numbers, and they need no time: no thread starts for them. */
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
    const struct timespec ts = {.tv_nsec = NO_MEMORY_PAUSE_MS * 1000000L};

    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    nanosleep(&ts, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

/* Ends the thread if others wait for requests; true if it did: the worker is freed. */
static bool end_if_spare(struct worker *w)
{
    struct loop *l = w->loop;

    pthread_mutex_lock(&l->mtx);
    bool ends = l->waiting > 1 && !l->over;
    if (ends) {
        DL_DELETE(l->workers, w);
        l->threads--;
        l->waiting--;
        pthread_detach(w->thread);
    }
    pthread_mutex_unlock(&l->mtx);
    if (ends)
        worker_free(w);
    return ends;
}

static bool has_answered(struct loop *l)
{
    pthread_mutex_lock(&l->mtx);
    bool answered = l->answered;
    pthread_mutex_unlock(&l->mtx);
    return answered;
}

/* After a lack of memory to receive a request: whether the thread is to retry. No other thread
 * starts while it pauses here. */
static bool retries_without_memory(struct worker *w)
{
    if (!has_answered(w->loop)) {
        end_loop(w->loop, -ENOMEM);
        return false;
    }
    pause_without_memory();
    return !end_if_spare(w);
}

/* Receives a request into the worker's buffer. Threads can be cancelled here and in the pause. */
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
            if (!retries_without_memory(w))
                return NULL;
        } else if (n != -EINTR) {
            end_loop(l, n);
            return NULL;
        }
    }
    end_loop(l, 0);
    return NULL;
}

/* Signals that end the session reach this thread alone, and only while it waits here: none is
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
