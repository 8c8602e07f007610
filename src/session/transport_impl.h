/*
 * transport_impl.h: what the kinds of transports share. Each is a struct transport, perhaps with
 * more behind it, and a table of functions.
 */
#ifndef TRANSPORT_IMPL_H
#define TRANSPORT_IMPL_H

#include <sys/socket.h>
#include <time.h>

#include "9p/transport.h"

/* The contracts are those of transport.h. */
struct transport_ops {
    ssize_t (*read)(struct transport *t, const struct iovec *iov, int n, bool several);
    ssize_t (*write)(struct transport *t, const struct iovec *iov, int n);
    void (*shutdown)(struct transport *t);
    void (*close)(struct transport *t);
};

struct transport {
    const struct transport_ops *ops;
    int rfd, wfd;      /* equal for a socket */
    int stop;          /* eventfd: readable once shut down */
    bool socket;       /* wfd is a socket */
    bool tcp;          /* rfd is a TCP socket */
    struct p9_why why; /* for transport_why; set by the thread that reads */
};

/* ---- open descriptors: transport.c ----------------------------------------- */

/* Fills *t for two open descriptors, as transport_fds does. 0 or -errno, with the reason. */
int transport_init(struct transport *t, int rfd, int wfd, struct p9_why *why);
/* The functions of a transport of descriptors; the last closes them, and frees nothing. */
ssize_t transport_fd_read(struct transport *t, const struct iovec *iov, int n, bool several);
ssize_t transport_fd_write(struct transport *t, const struct iovec *iov, int n);
void transport_fd_shutdown(struct transport *t);
void transport_fd_close(struct transport *t);

/* ---- sockets with a deadline: transport_socket.c --------------------------- */

struct timespec transport_deadline(int ms);
/* Milliseconds until then, at least 0. */
int transport_ms_left(const struct timespec *until);
/* Of a connect(2) that is over: 0 or -errno. */
int transport_connect_result(int fd);
/* connect(2) with a deadline. The descriptor is left non-blocking. 0 or -errno. */
int transport_connect_until(int fd, const struct sockaddr *sa, socklen_t len, const struct timespec *until);
/* A transport that owns the socket, or NULL: it is closed then. */
struct transport *transport_of_socket(int fd, int *err, struct p9_why *why);

/* ---- TCP: transport_tcp.c --------------------------------------------------- */

/* A connected TCP socket, non-blocking; as transport_tcp. */
int transport_dial_tcp(const struct p9_address *a, const struct timespec *until, struct p9_why *why);

#endif
