/*
 * loop.c: the threads that answer the kernel. Each receives a request, and answers it before it
 * receives another. While threads answer, another one waits for the next request. At the limit the
 * last one does not answer, but puts the requests into a queue, which threads take from as they
 * come free; so the kernel's interrupts are always received. They take requests out of the queue.
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

#include "fuse/op.h"

enum {
    NO_MEMORY_PAUSE_MS = 500,
    SPARE = 16,            /* threads that wait for requests, at most */
    STACK_BYTES = 1 << 20, /* of a thread */
    MOST_QUEUED = 10000,   /* requests; more fail with EAGAIN */
};

/* A request that no thread answers yet. */
struct queued {
    struct fuse_buf buf;
    struct queued *prev, *next;
};

struct loop {
    struct fuse_session *se;
    unsigned max;
    int ended;           /* eventfd: readable once the loop is over */
    pthread_mutex_t mtx; /* guards all below */
    struct worker *workers;
    struct queued *queue; /* the oldest first */
    unsigned nqueued;
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
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int err = -pthread_create(&w->thread, &attr, worker_main, w);
    pthread_attr_destroy(&attr);
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

static const struct fuse_in_header *header_of(const struct fuse_buf *buf)
{
    return buf->flags & FUSE_BUF_IS_FD ? NULL : buf->mem;
}

/* The kernel sends FORGETs in large numbers, and they and INTERRUPTs need no time: no thread starts
 * for them, and they are never queued. */
static bool is_brief(const struct fuse_buf *buf)
{
    const struct fuse_in_header *in = header_of(buf);

    return in != NULL && (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT);
}

/* ---- the queue ---------------------------------------------------------- */

/* A thread is cancelled below worker_main, whose frame must have no variables that the address
 * sanitizer guards: it does not see that the frame ends. */
#define NOT_INLINE __attribute__((noinline))

NOT_INLINE static void reply_error(struct loop *l, uint64_t unique, int err)
{
    const struct fuse_out_header out = {.len = sizeof out, .error = err, .unique = unique};

    if (write(fuse_session_fd(l->se), &out, sizeof out) < 0)
        return; /* the kernel does not wait for it any more */
}

static void queued_free(struct queued *q)
{
    free(q->buf.mem);
    free(q);
}

/* Moves the request to the queue. Called with l->mtx. False if it is full. */
static bool enqueue(struct loop *l, struct worker *w)
{
    struct queued *q = l->nqueued < MOST_QUEUED && header_of(&w->buf) != NULL ? calloc(1, sizeof *q) : NULL;

    if (q == NULL)
        return false;
    q->buf = w->buf;
    w->buf = (struct fuse_buf){.mem = NULL};
    DL_APPEND(l->queue, q);
    l->nqueued++;
    return true;
}

static struct queued *dequeue(struct loop *l, struct queued *q)
{
    if (q != NULL) {
        DL_DELETE(l->queue, q);
        l->nqueued--;
    }
    return q;
}

/* Answers a queued request whose process is being killed. True if the INTERRUPT is for one. */
static bool interrupt_queued(struct loop *l, const struct fuse_buf *buf)
{
    const struct fuse_in_header *in = header_of(buf);
    const struct fuse_interrupt_in *which = (const void *)(in + 1);
    struct queued *q;

    if (in->opcode != FUSE_INTERRUPT)
        return false;
    pthread_mutex_lock(&l->mtx);
    DL_FOREACH(l->queue, q)
    {
        if (header_of(&q->buf)->unique == which->unique)
            break;
    }
    bool ends = q != NULL && op_is_killed((pid_t)header_of(&q->buf)->pid);
    if (ends)
        dequeue(l, q);
    pthread_mutex_unlock(&l->mtx);
    if (ends) {
        reply_error(l, which->unique, -EINTR);
        queued_free(q);
    }
    return ends;
}

/* ---- answering ---------------------------------------------------------- */

static void process(struct loop *l, struct fuse_buf *buf)
{
    if (!is_brief(buf) || !interrupt_queued(l, buf))
        fuse_session_process_buf(l->se, buf);
}

/* Answers what is queued, as other threads wait for requests by now. Called with l->mtx. */
static void answer_queued(struct loop *l)
{
    struct queued *q;

    while (!l->over && (q = dequeue(l, l->queue)) != NULL) {
        pthread_mutex_unlock(&l->mtx);
        process(l, &q->buf);
        queued_free(q);
        pthread_mutex_lock(&l->mtx);
    }
}

/* A request that no thread is left for: it goes to the queue. */
static void answer_later(struct loop *l, struct worker *w)
{
    const struct fuse_in_header *in = header_of(&w->buf);

    pthread_mutex_lock(&l->mtx);
    bool queued = enqueue(l, w);
    if (l->waiting > 1) { /* another thread came free, and did not find it */
        l->waiting--;
        answer_queued(l);
        l->waiting++;
    }
    pthread_mutex_unlock(&l->mtx);
    if (!queued && in != NULL)
        reply_error(l, in->unique, -EAGAIN);
}

/* Whether more threads wait than are needed. */
static bool answer(struct worker *w)
{
    struct loop *l = w->loop;
    bool counts = !is_brief(&w->buf);

    pthread_mutex_lock(&l->mtx);
    l->answered = true;
    l->waiting -= counts;
    bool none_waits = l->waiting == 0 && !l->over && (l->threads >= l->max || start_worker(l) != 0);
    bool last = counts && none_waits && l->threads > 1;
    if (last)
        l->waiting++;
    pthread_mutex_unlock(&l->mtx);
    if (last) {
        answer_later(l, w);
        return false;
    }
    process(l, &w->buf);
    pthread_mutex_lock(&l->mtx);
    if (counts)
        answer_queued(l);
    l->waiting += counts;
    bool many = l->waiting > SPARE;
    pthread_mutex_unlock(&l->mtx);
    return many;
}

NOT_INLINE static void pause_without_memory(void)
{
    const struct timespec ts = {.tv_nsec = NO_MEMORY_PAUSE_MS * 1000000L};

    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    nanosleep(&ts, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

/* Ends the thread if more than `spare` wait for requests; true if it did: the worker is freed. */
static bool end_if_spare(struct worker *w, unsigned spare)
{
    struct loop *l = w->loop;

    pthread_mutex_lock(&l->mtx);
    bool ends = l->waiting > spare && !l->over;
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
    return !end_if_spare(w, 1);
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
            if (answer(w) && end_if_spare(w, SPARE))
                return NULL;
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

static void stop_workers(struct loop *l, void (*drain)(void *arg), void *arg)
{
    struct worker *w, *next;
    struct queued *q;

    pthread_mutex_lock(&l->mtx);
    l->over = true;
    while ((q = dequeue(l, l->queue)) != NULL) {
        reply_error(l, header_of(&q->buf)->unique, -ENODEV);
        queued_free(q);
    }
    pthread_mutex_unlock(&l->mtx);
    DL_FOREACH(l->workers, w)
    pthread_cancel(w->thread);
    drain(arg);
    DL_FOREACH_SAFE (l->workers, w, next) {
        pthread_join(w->thread, NULL);
        worker_free(w);
    }
}

int loop_run(struct fuse_session *se, unsigned max, void (*drain)(void *arg), void *arg)
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
        stop_workers(&l, drain, arg);
        err = l.error;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_destroy(&l.mtx);
    close(l.ended);
    return err;
}
