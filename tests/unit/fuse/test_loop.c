/*
 * test_loop.c: the threads that answer the kernel, with a libfuse of this file's: requests are
 * numbers in a queue.
 */
#include "fuse/loop.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit/test.h"

struct fuse_session {
    sem_t requests; /* posted for each */
    sem_t go_on;    /* what is answered waits for it, if `blocks` */
    atomic_bool exited, blocks, unmounted;
    atomic_int memory; /* so many buffers can be had */
    atomic_int refused, answering, answered, received;
    atomic_int interrupt; /* the next request is an INTERRUPT of this one; 0: it is not */
    int fd;               /* the kernel's replies */
};

static struct fuse_session *current; /* for the signal handler */

int fuse_session_fd(struct fuse_session *se)
{
    return se->fd;
}

static atomic_bool killed;

bool op_is_killed(pid_t pid)
{
    (void)pid;
    return atomic_load(&killed);
}

int fuse_session_exited(struct fuse_session *se)
{
    return atomic_load(&se->exited);
}

void fuse_session_exit(struct fuse_session *se)
{
    atomic_store(&se->exited, true);
}

struct message {
    struct fuse_in_header header;
    struct fuse_interrupt_in interrupt;
};

int fuse_session_receive_buf(struct fuse_session *se, struct fuse_buf *buf)
{
    if (buf->mem == NULL) {
        if (atomic_fetch_sub(&se->memory, 1) <= 0) {
            atomic_fetch_add(&se->memory, 1);
            atomic_fetch_add(&se->refused, 1);
            return -ENOMEM;
        }
        buf->mem = calloc(1, sizeof(struct message));
    }
    while (sem_wait(&se->requests) != 0)
        ;
    if (atomic_load(&se->unmounted)) {
        sem_post(&se->requests);
        return 0;
    }
    struct message *m = buf->mem;
    int which = atomic_exchange(&se->interrupt, 0);
    *m =
        (struct message){.header.opcode = which != 0 ? FUSE_INTERRUPT : FUSE_READ, .interrupt.unique = (uint64_t)which};
    m->header.unique = (uint64_t)atomic_fetch_add(&se->received, 1) + 1;
    return sizeof *m;
}

void fuse_session_process_buf(struct fuse_session *se, const struct fuse_buf *buf)
{
    const struct fuse_in_header *in = buf->mem;

    if (in->opcode == FUSE_INTERRUPT)
        return;
    atomic_fetch_add(&se->answering, 1);
    if (atomic_load(&se->blocks))
        while (sem_wait(&se->go_on) != 0)
            ;
    atomic_fetch_sub(&se->answering, 1);
    atomic_fetch_add(&se->answered, 1);
}

static void on_signal(int sig)
{
    (void)sig;
    fuse_session_exit(current);
}

struct world {
    struct fuse_session se;
    pthread_t thread;
    unsigned max;
    int rc;
};

static void no_drain(void *arg)
{
    (void)arg;
}

static void *run(void *world)
{
    struct world *w = world;

    w->rc = loop_run(&w->se, w->max, no_drain, NULL);
    return NULL;
}

static void begin(struct world *w, unsigned max, int memory)
{
    *w = (struct world){.max = max};
    current = &w->se;
    sem_init(&w->se.requests, 0, 0);
    sem_init(&w->se.go_on, 0, 0);
    atomic_store(&w->se.memory, memory);
    signal(SIGTERM, on_signal);
    assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

static void end(struct world *w)
{
    pthread_join(w->thread, NULL);
    sem_destroy(&w->se.requests);
    sem_destroy(&w->se.go_on);
}

static void unmount(struct world *w)
{
    atomic_store(&w->se.unmounted, true);
    sem_post(&w->se.requests);
    end(w);
}

static void until(atomic_int *count, int n)
{
    while (atomic_load(count) < n)
        sched_yield();
}

static void send(struct world *w, int n)
{
    while (n-- > 0)
        sem_post(&w->se.requests);
}

static void requests_are_answered_together_as_far_as_threads_go(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 4, 100);
    atomic_store(&w.se.blocks, true);
    send(&w, 6);
    until(&w.se.received, 6);
    until(&w.se.answering, 3);
    assert_int_equal(atomic_load(&w.se.answered), 0);
    for (int i = 0; i < 6; i++)
        sem_post(&w.se.go_on);
    until(&w.se.answered, 6);
    unmount(&w);
    assert_int_equal(w.rc, 0);
}

static void interrupts_reach_requests_that_no_thread_has(void **state)
{
    struct fuse_out_header out;
    struct world w;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    begin(&w, 2, 100);
    w.se.fd = fds[1];
    atomic_store(&killed, true);
    atomic_store(&w.se.blocks, true);
    send(&w, 3); /* one is answered, 2 and 3 wait */
    until(&w.se.received, 3);
    until(&w.se.answering, 1);
    atomic_store(&w.se.interrupt, 3);
    send(&w, 1);
    assert_int_equal(read(fds[0], &out, sizeof out), sizeof out);
    assert_int_equal(out.unique, 3);
    assert_int_equal(out.error, -EINTR);
    sem_post(&w.se.go_on);
    sem_post(&w.se.go_on);
    until(&w.se.answered, 2);
    unmount(&w);
    assert_int_equal(w.rc, 0);
    assert_int_equal(atomic_load(&w.se.answered), 2);
    close(fds[0]);
    close(fds[1]);
}

static void threads_without_memory_are_done_without(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 4, 2);
    atomic_store(&w.se.blocks, true);
    send(&w, 3);
    until(&w.se.answering, 2);
    until(&w.se.refused, 2); /* the one that is left to wait for requests goes on trying */
    assert_false(atomic_load(&w.se.exited));
    atomic_store(&w.se.memory, 1);
    until(&w.se.answering, 3);
    for (int i = 0; i < 3; i++)
        sem_post(&w.se.go_on);
    until(&w.se.answered, 3);
    unmount(&w);
    assert_int_equal(w.rc, 0);
}

static void the_first_needs_its_memory(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 4, 0);
    end(&w);
    assert_int_equal(w.rc, -ENOMEM);
}

static void a_signal_ends_it(void **state)
{
    struct world w;

    (void)state;
    for (int i = 0; i < 200; i++) { /* at whatever moment */
        begin(&w, 2, 100);
        pthread_kill(w.thread, SIGTERM);
        end(&w);
        assert_int_equal(w.rc, 0);
    }
}

static void one_thread_answers_in_turn(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 1, 100);
    send(&w, 10);
    until(&w.se.answered, 10);
    assert_int_equal(atomic_load(&w.se.memory), 99);
    unmount(&w);
    assert_int_equal(w.rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_together_as_far_as_threads_go),
        cmocka_unit_test(interrupts_reach_requests_that_no_thread_has),
        cmocka_unit_test(threads_without_memory_are_done_without),
        cmocka_unit_test(the_first_needs_its_memory),
        cmocka_unit_test(a_signal_ends_it),
        cmocka_unit_test(one_thread_answers_in_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
