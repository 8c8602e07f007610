/*
 * transport_tcp.c: connecting by TCP.
 */
#include "session/transport_impl.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

static int dial_address(const struct addrinfo *ai, bool privileged, const struct timespec *until)
{
    const int on = 1;
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);

    if (fd < 0)
        return -errno;
    int err = privileged ? bind_privileged(fd, ai->ai_family) : 0;
    if (err == 0)
        err = transport_connect_until(fd, ai->ai_addr, ai->ai_addrlen, until);
    if (err != 0) {
        close(fd);
        return err;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return fd;
}

int transport_dial_tcp(const struct p9_address *a, const struct timespec *until, struct p9_why *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list;
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
    for (const struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next)
        fd = dial_address(ai, a->privileged, until);
    freeaddrinfo(list);
    if (fd < 0)
        p9_set_why(why, fd, "cannot connect to %s port %s%s: %s", a->host, a->port,
                   a->privileged ? " from a port below 1024" : "", strerror(-fd));
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
