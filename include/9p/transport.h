/*
 * transport.h: a connection that carries bytes. The only layer that knows a socket.
 *
 * A transport is made by one of the dial functions and ended by transport_close.
 * One thread reads, one at a time writes; transport_shutdown may be called by any, and
 * makes both return.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

/* Why a dial failed, in words for the user. */
struct p9_why {
    char text[256];
};

/* Connects to host (name, IPv4, IPv6 without brackets) and port (name or number) by TCP, with
 * TCP_NODELAY, trying each address, for at most timeout_ms in all. Owned by the caller. NULL
 * with *err = -errno and `why` filled on failure. */
struct transport *transport_tcp(const char *host, const char *port, int timeout_ms, int *err, struct p9_why *why);

/* Connects to the unix stream socket at path. As above. */
struct transport *transport_unix(const char *path, int *err, struct p9_why *why);

/* Takes over two open descriptors (the same one twice for a socket), and makes them
 * non-blocking. Closed with the transport. As above. */
struct transport *transport_fds(int rfd, int wfd, int *err, struct p9_why *why);

/* Waits for bytes and reads them. Returns their number, 0 at end or after shutdown, -errno. several: the peer has more than one
 * message to send, and is not to wait with the second until the first is acknowledged. */
ssize_t transport_read(struct transport *t, const struct iovec *iov, int n, bool several);

/* Writes what can be written without waiting. Returns the number of bytes, -EAGAIN if
 * none could, -errno. */
ssize_t transport_write(struct transport *t, const struct iovec *iov, int n);

/* Waits until bytes can be written (0) or the transport was shut down (-EPIPE). */
int transport_wait_writable(struct transport *t);

/* Ends both directions for good; readers and waiters return. */
void transport_shutdown(struct transport *t);

/* Frees; nobody may be using it any more. */
void transport_close(struct transport *t);

#endif
