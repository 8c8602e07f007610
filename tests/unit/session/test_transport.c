/*
 * test_transport.c: TCP acknowledgements, counted by a wrapper of setsockopt.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "9p/transport.h"
#include "unit/test.h"

static atomic_uint quickacks;
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (level == IPPROTO_TCP && name == TCP_QUICKACK && *(const int *)value == 1)
        atomic_fetch_add(&quickacks, 1);
    return __real_setsockopt(fd, level, name, value, len);
}

/* Two connected TCP sockets. */
static void tcp_pair(int sv[2])
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
    sv[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(sv[0], (struct sockaddr *)&sa, sizeof sa), 0);
    sv[1] = accept(listener, NULL, NULL);
    assert_true(sv[1] >= 0);
    close(listener);
}

static void *read_one(void *arg)
{
    char c;
    const struct iovec iov = {&c, 1};

    assert_int_equal(transport_read(arg, &iov, 1, true), 1);
    return NULL;
}

/* A server with Nagle's algorithm waits for an acknowledgement before it sends more, so none may be
 * delayed while a read waits. */
static void bytes_are_acknowledged_before_a_wait(void **state)
{
    const struct timespec instant = {.tv_nsec = 1000000};
    struct p9_why why;
    char c;
    int sv[2], err;

    (void)state;
    tcp_pair(sv);
    struct transport *t = transport_fds(sv[0], sv[0], &err, &why);
    assert_non_null(t);
    const struct iovec iov = {&c, 1};
    assert_int_equal(write(sv[1], "ab", 2), 2);
    assert_int_equal(transport_read(t, &iov, 1, true), 1); /* waits or not */
    atomic_store(&quickacks, 0);
    assert_int_equal(transport_read(t, &iov, 1, true), 1);
    assert_int_equal(atomic_load(&quickacks), 0); /* did not wait: no extra call */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_one, t), 0);
    while (atomic_load(&quickacks) == 0)
        nanosleep(&instant, NULL);
    assert_int_equal(write(sv[1], "c", 1), 1);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&quickacks), 1);
    assert_int_equal(write(sv[1], "d", 1), 1);
    assert_int_equal(transport_read(t, &iov, 1, false), 1); /* the next request acknowledges it */
    assert_int_equal(atomic_load(&quickacks), 1);
    transport_close(t);
    close(sv[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_acknowledged_before_a_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
