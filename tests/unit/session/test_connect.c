/*
 * test_connect.c: connecting to a host with several addresses, some of which refuse or are silent,
 * and to a unix socket whose server accepts nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "9p/transport.h"
#include "unit/test.h"

enum { LISTENERS = 4, LONG_MS = 600000, PATIENCE_MS = 60000, SHORT_MS = 10 };

/* The addresses of the host, in turn. */
static struct sockaddr_in addresses[LISTENERS];
static struct addrinfo list[LISTENERS];
static int naddresses;
static int fds[64], nfds;

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)host;
    (void)port;
    (void)hints;
    *found = list;
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *found)
{
    assert_ptr_equal(found, list);
}

static int keep(int fd)
{
    assert_true(fd >= 0 && nfds < (int)(sizeof fds / sizeof *fds));
    return fds[nfds++] = fd;
}

static int close_all(void **state)
{
    (void)state;
    while (nfds > 0)
        close(fds[--nfds]);
    naddresses = 0;
    return 0;
}

/* Adds an address of the host; nothing listens there yet. */
static int add_address(void)
{
    struct sockaddr_in *sa = &addresses[naddresses];
    socklen_t len = sizeof *sa;
    int fd = keep(socket(AF_INET, SOCK_STREAM, 0));

    *sa = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)sa, sizeof *sa), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)sa, &len), 0);
    list[naddresses] = (struct addrinfo){
        .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_addrlen = sizeof *sa, .ai_addr = (struct sockaddr *)sa};
    if (naddresses > 0)
        list[naddresses - 1].ai_next = &list[naddresses];
    naddresses++;
    return fd;
}

static int add_working(void)
{
    int fd = add_address();

    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void await_connection(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};

    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

/* A queue that is full and never emptied: the kernel drops what arrives, and answers nothing. */
static void add_silent(void)
{
    const struct sockaddr *sa = (const struct sockaddr *)&addresses[naddresses];
    int listener = add_address();

    assert_int_equal(listen(listener, 0), 0);
    for (int i = 0; i < 4; i++) {
        int fd = keep(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        assert_true(connect(fd, sa, sizeof(struct sockaddr_in)) == 0 || errno == EINPROGRESS);
        await_connection(listener); /* the queue has room for one */
    }
}

static int dial(int timeout_ms, struct p9_why *why)
{
    const struct p9_address a = {.host = "host", .port = "564", .timeout_ms = timeout_ms};
    int err = 0;
    struct transport *t = transport_tcp(&a, &err, why);

    if (t != NULL)
        transport_close(t);
    else
        assert_int_not_equal(err, 0);
    return err;
}

static void has_accepted(int listener)
{
    await_connection(listener);
    keep(accept(listener, NULL, NULL));
}

/* The time for all addresses is never over: nobody waits for the first one's answer. */
static void a_silent_address_is_not_waited_for(void **state)
{
    struct p9_why why;

    (void)state;
    add_silent();
    add_silent();
    int works = add_working();
    assert_int_equal(dial(LONG_MS, &why), 0);
    has_accepted(works);
}

static void one_that_refuses_is_passed_by(void **state)
{
    struct p9_why why;

    (void)state;
    add_address();
    add_silent();
    add_address();
    int works = add_working();
    assert_int_equal(dial(LONG_MS, &why), 0);
    has_accepted(works);
}

static void only_the_first_that_answers_is_used(void **state)
{
    struct p9_why why;

    (void)state;
    int first = add_working(), second = add_working();
    assert_int_equal(dial(LONG_MS, &why), 0);
    has_accepted(first);
    assert_int_equal(fcntl(second, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(accept(second, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
}

static void all_refuse(void **state)
{
    struct p9_why why;

    (void)state;
    add_address();
    add_address();
    assert_int_equal(dial(LONG_MS, &why), -ECONNREFUSED);
    assert_string_equal(why.text, "cannot connect to host port 564: Connection refused");
}

static void all_are_silent(void **state)
{
    struct p9_why why;

    (void)state;
    add_silent();
    add_silent();
    assert_int_equal(dial(SHORT_MS, &why), -ETIMEDOUT);
    assert_string_equal(why.text, "cannot connect to host port 564: Connection timed out");
}

static void a_unix_socket_that_accepts_nothing(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    socklen_t len = sizeof sa;
    char path[] = "/tmp/9pfs-connect-XXXXXX";
    struct p9_why why;
    int err = 0;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/socket", path);
    int listener = keep(socket(AF_UNIX, SOCK_STREAM, 0));
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(listen(listener, 0), 0);
    struct transport *first = transport_unix(sa.sun_path, SHORT_MS, &err, &why); /* the queue has room for it */
    assert_non_null(first);
    assert_null(transport_unix(sa.sun_path, SHORT_MS, &err, &why));
    assert_int_equal(err, -ETIMEDOUT);
    transport_close(first);
    unlink(sa.sun_path);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_silent_address_is_not_waited_for, close_all),
        cmocka_unit_test_teardown(one_that_refuses_is_passed_by, close_all),
        cmocka_unit_test_teardown(only_the_first_that_answers_is_used, close_all),
        cmocka_unit_test_teardown(all_refuse, close_all),
        cmocka_unit_test_teardown(all_are_silent, close_all),
        cmocka_unit_test_teardown(a_unix_socket_that_accepts_nothing, close_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
