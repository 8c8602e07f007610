/*
 * transport.c: TCP, unix sockets and open descriptors.
 *
 * Reads from sockets block, and shutdown(2) ends them. Other descriptors are non-blocking; a wait
 * polls the descriptor and an eventfd that transport_shutdown raises.
 */
#include "9p/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct transport {
    int rfd, wfd; /* equal for a socket */
    int stop;     /* eventfd: readable once shut down */
    bool socket;  /* wfd is a socket */
    bool tcp;     /* rfd is a TCP socket */
};

__attribute__((format(printf, 2, 3))) static void set_why(struct p9_why *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
}

static int set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static bool is_socket(int fd)
{
    int type;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

static bool is_tcp(int fd)
{
    int protocol;
    socklen_t len = sizeof protocol;

    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == IPPROTO_TCP;
}

struct transport *transport_fds(int rfd, int wfd, int *err, struct p9_why *why)
{
    struct transport *t = NULL;
    int stop = -1;
    bool sockets = is_socket(rfd) && is_socket(wfd);

    *err = set_blocking(rfd, sockets);
    if (*err == 0 && wfd != rfd)
        *err = set_blocking(wfd, sockets);
    if (*err != 0) {
        set_why(why, "cannot use descriptors %d and %d: %s", rfd, wfd, strerror(-*err));
        return NULL;
    }
    stop = eventfd(0, EFD_CLOEXEC);
    *err = stop < 0 ? -errno : 0;
    t = calloc(1, sizeof *t);
    if (stop < 0 || t == NULL) {
        if (stop >= 0)
            *err = -ENOMEM;
        set_why(why, "cannot set up the connection: %s", strerror(-*err));
        free(t);
        if (stop >= 0)
            close(stop);
        return NULL;
    }
    t->rfd = rfd;
    t->wfd = wfd;
    t->stop = stop;
    t->socket = is_socket(wfd);
    t->tcp = sockets && is_tcp(rfd);
    return t;
}

static int ms_left(const struct timespec *until)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    long long ms = (until->tv_sec - now.tv_sec) * 1000LL + (until->tv_nsec - now.tv_nsec) / 1000000;
    return ms > 0 ? (int)ms : 0;
}

/* connect() with a deadline. The descriptor is left non-blocking. */
static int connect_until(int fd, const struct sockaddr *sa, socklen_t len, const struct timespec *until)
{
    int err = set_blocking(fd, false);
    socklen_t errlen = sizeof err;

    if (err != 0)
        return err;
    if (connect(fd, sa, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int r;
    do
        r = poll(&p, 1, ms_left(until));
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return -ETIMEDOUT;
    if (r < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &errlen) < 0)
        return -errno;
    return -err;
}

static int dial_address(const struct addrinfo *ai, const struct timespec *until, int *fd)
{
    const int on = 1;

    *fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
    if (*fd < 0)
        return -errno;
    int err = connect_until(*fd, ai->ai_addr, ai->ai_addrlen, until);
    if (err != 0) {
        close(*fd);
        return err;
    }
    setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(*fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return 0;
}

struct transport *transport_tcp(const char *host, const char *port, int timeout_ms, int *err, struct p9_why *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list;
    struct timespec until;
    int fd = -1;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;

    int r = getaddrinfo(host, port, &hints, &list);
    if (r == EAI_NONAME || r == EAI_ADDRFAMILY) { /* ::1, if only loopback is up */
        hints.ai_flags = 0;
        r = getaddrinfo(host, port, &hints, &list);
    }
    if (r != 0) {
        *err = -EHOSTUNREACH;
        set_why(why, "cannot find %s port %s: %s", host, port, gai_strerror(r));
        return NULL;
    }
    *err = -EHOSTUNREACH;
    for (const struct addrinfo *ai = list; ai != NULL && *err != 0; ai = ai->ai_next)
        *err = dial_address(ai, &until, &fd);
    freeaddrinfo(list);
    if (*err != 0) {
        set_why(why, "cannot connect to %s port %s: %s", host, port, strerror(-*err));
        return NULL;
    }
    struct transport *t = transport_fds(fd, fd, err, why);
    if (t == NULL)
        close(fd);
    return t;
}

struct transport *transport_unix(const char *path, int *err, struct p9_why *why)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof sa.sun_path) {
        *err = -ENAMETOOLONG;
        set_why(why, "cannot connect to %s: the path of a socket has at most %zu bytes", path, sizeof sa.sun_path - 1);
        return NULL;
    }
    strcpy(sa.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        *err = -errno;
        set_why(why, "cannot connect to %s: %s", path, strerror(-*err));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct transport *t = transport_fds(fd, fd, err, why);
    if (t == NULL)
        close(fd);
    return t;
}

/* 0 when fd is ready for events, -EPIPE when shut down. */
static int wait_for(struct transport *t, int fd, short events)
{
    struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = t->stop, .events = POLLIN}};

    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            return -errno;
    return p[1].revents != 0 ? -EPIPE : 0;
}

/* Many servers use Nagle's algorithm: the second of two small replies leaves only when the first is
 * acknowledged, which the kernel delays by 40 ms while there is nothing to send. TCP_QUICKACK makes
 * it acknowledge at once. It is not permanent and is set before each wait; not while there are
 * bytes to read. */
static ssize_t read_tcp(int fd, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
    const int on = 1;
    ssize_t r = recvmsg(fd, &msg, MSG_DONTWAIT);

    if (r >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
        return r;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    return readv(fd, iov, n);
}

ssize_t transport_read(struct transport *t, const struct iovec *iov, int n, bool several)
{
    for (;;) {
        ssize_t r = t->tcp && several ? read_tcp(t->rfd, iov, n) : readv(t->rfd, iov, n);
        if (r >= 0)
            return r;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return -errno;
        int err = wait_for(t, t->rfd, POLLIN);
        if (err != 0)
            return err == -EPIPE ? 0 : err;
    }
}

ssize_t transport_write(struct transport *t, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
    ssize_t r;

    do
        r = t->socket ? sendmsg(t->wfd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) : writev(t->wfd, iov, n);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return r;
}

int transport_wait_writable(struct transport *t)
{
    return wait_for(t, t->wfd, POLLOUT);
}

void transport_shutdown(struct transport *t)
{
    const uint64_t one = 1;

    if (t->socket) {
        shutdown(t->wfd, SHUT_RDWR);
        shutdown(t->rfd, SHUT_RDWR);
    }
    if (write(t->stop, &one, sizeof one) < 0)
        return; /* cannot happen: the counter is far from full */
}

void transport_close(struct transport *t)
{
    close(t->rfd);
    if (t->wfd != t->rfd)
        close(t->wfd);
    close(t->stop);
    free(t);
}
