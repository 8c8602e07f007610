/*
 * transport.h: a connection that carries bytes. Nothing else uses the socket.
 *
 * A transport is made by one of the first functions and freed by transport_close. One thread reads;
 * one at a time writes; any thread may call transport_shutdown, which makes both return.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

/* The reason of a failure, for the user. */
struct p9_why {
    char text[256];
};

/* Connects by TCP, with TCP_NODELAY, to host (name, IPv4, IPv6 without brackets) and port (name or
 * number). Tries each address, for at most timeout_ms milliseconds in all. Owned by the caller.
 * NULL with *err = -errno and `why` on failure. */
struct transport *transport_tcp(const char *host, const char *port, int timeout_ms, int *err, struct p9_why *why);

/* Connects to the unix stream socket at path. As above, without a timeout. */
struct transport *transport_unix(const char *path, int *err, struct p9_why *why);

/* Takes over two open descriptors, the same one twice for a socket; closed with the transport, but
 * left open on failure. As above. */
struct transport *transport_fds(int rfd, int wfd, int *err, struct p9_why *why);

/* Connects by vsock(7) to a port of the machine with this context ID. As transport_tcp. */
struct transport *transport_vsock(unsigned cid, unsigned port, int timeout_ms, int *err, struct p9_why *why);

/* Waits for bytes and reads them. Returns their number, 0 at the end of the connection or after a
 * shutdown, or -errno. several: the peer has several messages to send; the bytes are acknowledged
 * at once, as it may delay the next message until then. */
ssize_t transport_read(struct transport *t, const struct iovec *iov, int n, bool several);

/* Why the connection has ended, if the transport knows more than that it has; else NULL. By the
 * thread that reads. */
const char *transport_why(const struct transport *t);

/* Writes what it can without waiting. Returns the number of bytes, -EAGAIN if there is no room, or
 * -errno. Of an iovec that was written in part, the rest comes first in the next call. */
ssize_t transport_write(struct transport *t, const struct iovec *iov, int n);

/* Waits until there is room to write. 0; -EPIPE after a shutdown; or -errno. */
int transport_wait_writable(struct transport *t);

/* Ends both directions for good; readers and waiters return. Any thread. */
void transport_shutdown(struct transport *t);

/* Closes and frees; no thread may use it any more. */
void transport_close(struct transport *t);

#endif
