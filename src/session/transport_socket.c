/*
 * transport_socket.c: connecting by TCP, to a unix socket, and by vsock.
 */
#include "session/transport_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- deadlines ------------------------------------------------------------ */

struct timespec transport_deadline(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    return until;
}

int transport_ms_left(const struct timespec *until)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    long long ms = (until->tv_sec - now.tv_sec) * 1000LL + (until->tv_nsec - now.tv_nsec) / 1000000;
    return ms > 0 ? (int)ms : 0;
}

int transport_connect_until(int fd, const struct sockaddr *sa, socklen_t len, const struct timespec *until)
{
    int flags = fcntl(fd, F_GETFL), err = 0;
    socklen_t errlen = sizeof err;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    if (connect(fd, sa, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int r;
    do
        r = poll(&p, 1, transport_ms_left(until));
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return -ETIMEDOUT;
    if (r < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &errlen) < 0)
        return -errno;
    return -err;
}

/* A transport that owns the socket, or NULL: it is closed then. */
static struct transport *of_socket(int fd, int *err, struct p9_why *why)
{
    struct transport *t = transport_fds(fd, fd, err, why);

    if (t == NULL)
        close(fd);
    return t;
}

/* ---- TCP ------------------------------------------------------------------ */

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
        return of_socket(fd, err, why);
    *err = fd;
    return NULL;
}

/* ---- unix sockets --------------------------------------------------------- */

struct transport *transport_unix(const char *path, int *err, struct p9_why *why)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof sa.sun_path) {
        *err = p9_set_why(why, -ENAMETOOLONG, "the path of a socket has at most %zu bytes: %s", sizeof sa.sun_path - 1,
                          path);
        return NULL;
    }
    strcpy(sa.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return of_socket(fd, err, why);
    *err = -errno;
    p9_set_why(why, *err, "cannot connect to %s: %s", path, strerror(-*err));
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* ---- vsock ---------------------------------------------------------------- */

/* In words what the errors of connect(2) mean for vsock(7). */
static const char *vsock_reason(int err)
{
    switch (-err) {
    case ECONNRESET:
        return "nothing listens on this port";
    case ENODEV:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "no such machine can be reached from here (the kernel may lack a vsock transport for it)";
    default:
        return strerror(-err);
    }
}

struct transport *transport_vsock(unsigned cid, unsigned port, int timeout_ms, int *err, struct p9_why *why)
{
    const struct sockaddr_vm sa = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
    const struct timespec until = transport_deadline(timeout_ms);
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        *err = -errno;
        p9_set_why(why, *err, "cannot connect to vsock CID %u port %u: %s", cid, port,
                   *err == -EAFNOSUPPORT ? "this kernel has no vsock" : strerror(-*err));
        return NULL;
    }
    *err = transport_connect_until(fd, (const struct sockaddr *)&sa, sizeof sa, &until);
    if (*err == 0)
        return of_socket(fd, err, why);
    p9_set_why(why, *err, "cannot connect to vsock CID %u port %u: %s", cid, port, vsock_reason(*err));
    close(fd);
    return NULL;
}
