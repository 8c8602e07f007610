/*
 * transport.c: the functions of any transport, and transports of open descriptors.
 *
 * Reads from sockets block, and shutdown(2) ends them. Other descriptors are non-blocking; a wait
 * polls the descriptor and an eventfd that transport_shutdown raises.
 */
#include "session/transport_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- any transport -------------------------------------------------------- */

ssize_t transport_read(struct transport *t, const struct iovec *iov, int n, bool several)
{
    return t->ops->read(t, iov, n, several);
}

ssize_t transport_write(struct transport *t, const struct iovec *iov, int n)
{
    return t->ops->write(t, iov, n);
}

const char *transport_why(const struct transport *t)
{
    return t->why.text[0] != 0 ? t->why.text : NULL;
}

void transport_shutdown(struct transport *t)
{
    t->ops->shutdown(t);
}

void transport_close(struct transport *t)
{
    t->ops->close(t);
    free(t);
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

int transport_wait_writable(struct transport *t)
{
    return wait_for(t, t->wfd, POLLOUT);
}

/* ---- open descriptors ----------------------------------------------------- */

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

ssize_t transport_fd_read(struct transport *t, const struct iovec *iov, int n, bool several)
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

ssize_t transport_fd_write(struct transport *t, const struct iovec *iov, int n)
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

void transport_fd_shutdown(struct transport *t)
{
    const uint64_t one = 1;

    if (t->socket) {
        shutdown(t->wfd, SHUT_RDWR);
        shutdown(t->rfd, SHUT_RDWR);
    }
    if (write(t->stop, &one, sizeof one) < 0)
        return; /* cannot happen: the counter is far from full */
}

void transport_fd_close(struct transport *t)
{
    close(t->rfd);
    if (t->wfd != t->rfd)
        close(t->wfd);
    close(t->stop);
}

int transport_init(struct transport *t, int rfd, int wfd, struct p9_why *why)
{
    static const struct transport_ops ops = {transport_fd_read, transport_fd_write, transport_fd_shutdown,
                                             transport_fd_close};
    bool sockets = is_socket(rfd) && is_socket(wfd);
    int err = set_blocking(rfd, sockets);

    if (err == 0 && wfd != rfd)
        err = set_blocking(wfd, sockets);
    if (err != 0)
        return p9_set_why(why, err, "cannot use descriptors %d and %d: %s", rfd, wfd, strerror(-err));
    int stop = eventfd(0, EFD_CLOEXEC);
    if (stop < 0) {
        err = -errno;
        return p9_set_why(why, err, "cannot set up the connection: %s", strerror(-err));
    }
    *t = (struct transport){
        .ops = &ops, .rfd = rfd, .wfd = wfd, .stop = stop, .socket = is_socket(wfd), .tcp = sockets && is_tcp(rfd)};
    return 0;
}

struct transport *transport_fds(int rfd, int wfd, int *err, struct p9_why *why)
{
    struct transport *t = calloc(1, sizeof *t);

    *err = t != NULL ? transport_init(t, rfd, wfd, why)
                     : p9_set_why(why, -ENOMEM, "cannot set up the connection: %s", strerror(ENOMEM));
    if (*err == 0)
        return t;
    free(t);
    return NULL;
}
