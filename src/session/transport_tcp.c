/*
 * transport_tcp.c: connecting by TCP.
 */
#include "session/transport_impl.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* A free port below 1024, those of well-known services spared. One that another connection has is
 * not free, as that may be to the same server. 0 or -errno. */
static int bind_privileged(int fd, int family)
{
    enum { FIRST = 1023, LAST = 665 }; /* as the kernel's client does it */
    int err = -EADDRINUSE;

    for (in_port_t port = FIRST; err == -EADDRINUSE && port >= LAST; port--) {
        const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        int r = family == AF_INET ? bind(fd, (const struct sockaddr *)&v4, sizeof v4)
                                  : bind(fd, (const struct sockaddr *)&v6, sizeof v6);
        err = r == 0 ? 0 : -errno;
    }
    return err;
}

/* ---- several addresses ------------------------------------------------------ */

enum {
    NEXT_MS = 250, /* the next address is tried as well if those before do not answer in this time */
    MOST = 16,     /* addresses at a time */
};

/* The connections that are being made. */
struct attempts {
    struct pollfd waiting[MOST];
    nfds_t n;
    int err;   /* of the last that failed */
    bool over; /* none is waited for any more */
};

static void failed(struct attempts *a, int fd, int err)
{
    if (fd >= 0)
        close(fd);
    a->err = err;
}

/* The descriptor if it is connected at once; else -1. */
static int start(struct attempts *a, const struct addrinfo *ai, bool privileged)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
    int err = fd < 0 ? -errno : privileged ? bind_privileged(fd, ai->ai_family) : 0;

    if (err == 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
        return fd;
    if (err == 0 && errno == EINPROGRESS)
        a->waiting[a->n++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    else
        failed(a, fd, err != 0 ? err : -errno);
    return -1;
}

/* The first that is connected, which leaves the others; -1 if none is. Those that have failed leave
 * as well. */
static int take_connected(struct attempts *a)
{
    nfds_t left = 0;
    int fd = -1;

    for (nfds_t i = 0; i < a->n; i++) {
        const struct pollfd p = a->waiting[i];
        int err = fd < 0 && p.revents != 0 ? transport_connect_result(p.fd) : -EINPROGRESS;
        if (err == 0)
            fd = p.fd;
        else if (err == -EINPROGRESS)
            a->waiting[left++] = p;
        else
            failed(a, p.fd, err);
    }
    a->n = left;
    return fd;
}

/* Waits until one is connected, or has failed, or it is time for the next one. */
static int wait_for_one(struct attempts *a, bool more, const struct timespec *until)
{
    int left = transport_ms_left(until);
    int r = poll(a->waiting, a->n, more && left > NEXT_MS ? NEXT_MS : left);

    if (r > 0)
        return take_connected(a);
    if (r < 0 && errno != EINTR)
        a->err = -errno;
    else if (left == 0)
        a->err = -ETIMEDOUT;
    a->over = left == 0 || (r < 0 && errno != EINTR);
    return -1;
}

/* Some hosts have an address that cannot be reached from here, and nobody says so (IPv6, often):
 * the addresses are tried in turn, without waiting long for one. A descriptor or -errno. */
static int dial_any(const struct addrinfo *next, bool privileged, const struct timespec *until)
{
    struct attempts a = {.err = -EHOSTUNREACH};
    int fd = -1;

    while (fd < 0 && !a.over && (next != NULL || a.n > 0)) {
        nfds_t before = a.n;
        if (next != NULL && before < MOST) {
            fd = start(&a, next, privileged);
            next = next->ai_next;
            if (a.n == before) /* it is connected or has failed already */
                continue;
        }
        fd = wait_for_one(&a, next != NULL && a.n < MOST, until);
    }
    while (a.n > 0)
        close(a.waiting[--a.n].fd);
    return fd >= 0 ? fd : a.err;
}

int transport_dial_tcp(const struct p9_address *a, const struct timespec *until, struct p9_why *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list;
    const int on = 1;
    int fd = -EHOSTUNREACH;

    int r = getaddrinfo(a->host, a->port, &hints, &list);
    if (r == EAI_NONAME || r == EAI_ADDRFAMILY) { /* ::1, if only loopback is up */
        hints.ai_flags = 0;
        r = getaddrinfo(a->host, a->port, &hints, &list);
    }
    if (r == EAI_SERVICE)
        return p9_set_why(why, -EINVAL, "cannot find port %s: it is no number, and no service has the name", a->port);
    if (r != 0)
        return p9_set_why(why, fd, "cannot find %s port %s: %s", a->host, a->port, gai_strerror(r));
    fd = dial_any(list, a->privileged, until);
    freeaddrinfo(list);
    if (fd < 0)
        return p9_set_why(why, fd, "cannot connect to %s port %s%s: %s", a->host, a->port,
                          a->privileged ? " from a port below 1024" : "", strerror(-fd));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return fd;
}

struct transport *transport_tcp(const struct p9_address *a, int *err, struct p9_why *why)
{
    const struct timespec until = transport_deadline(a->timeout_ms);
    int fd = transport_dial_tcp(a, &until, why);

    if (fd >= 0)
        return transport_of_socket(fd, err, why);
    *err = fd;
    return NULL;
}
