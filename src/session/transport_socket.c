/*
 * transport_socket.c: connecting to a unix socket and by vsock.
 */
#include "session/transport_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
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

int transport_connect_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

int transport_connect_until(int fd, const struct sockaddr *sa, socklen_t len, const struct timespec *until)
{
    int flags = fcntl(fd, F_GETFL);

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
    return r == 0 ? -ETIMEDOUT : r < 0 ? -errno : transport_connect_result(fd);
}

struct transport *transport_of_socket(int fd, int *err, struct p9_why *why)
{
    struct transport *t = transport_fds(fd, fd, err, why);

    if (t == NULL)
        close(fd);
    return t;
}

/* ---- unix sockets --------------------------------------------------------- */

/* The kernel waits in connect(2) while the server's queue is full, as long as a write may wait. */
static int connect_unix(int fd, const struct sockaddr_un *sa, int timeout_ms)
{
    const struct timespec until = transport_deadline(timeout_ms);
    const struct timeval ever = {0, 0};
    int err = -EINTR, left;

    while (err == -EINTR && (left = transport_ms_left(&until)) > 0) { /* a stop and a continue interrupt it */
        const struct timeval most = {left / 1000, left % 1000 * 1000};
        err = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) == 0 &&
                      connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0
                  ? 0
                  : -errno;
    }
    if (err == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &ever, sizeof ever) < 0)
        err = -errno;
    return err == -EINTR || err == -EAGAIN ? -ETIMEDOUT : err;
}

struct transport *transport_unix(const char *path, int timeout_ms, int *err, struct p9_why *why)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof sa.sun_path) {
        *err = p9_set_why(why, -ENAMETOOLONG, "the path of a socket has at most %zu bytes: %s", sizeof sa.sun_path - 1,
                          path);
        return NULL;
    }
    strcpy(sa.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *err = fd < 0 ? -errno : connect_unix(fd, &sa, timeout_ms);
    if (*err == 0)
        return transport_of_socket(fd, err, why);
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
        return transport_of_socket(fd, err, why);
    p9_set_why(why, *err, "cannot connect to vsock CID %u port %u: %s", cid, port, vsock_reason(*err));
    close(fd);
    return NULL;
}
