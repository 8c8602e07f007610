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
struct p9_starter;
struct p9_tls;

/* The reason of a failure, for the user. */
struct p9_why {
    char text[256];
};
/* Formats it, cut where it is too long. Returns `result`. */
__attribute__((format(printf, 3, 4))) int p9_set_why(struct p9_why *why, int result, const char *fmt, ...);

/* What to connect to by TCP. */
struct p9_address {
    const char *host; /* a name, IPv4, or IPv6 without brackets */
    const char *port; /* a name or a number */
    bool privileged;  /* from a port below 1024, as only root can */
    int timeout_ms;   /* for all addresses of the host */
};
/* Connects with TCP_NODELAY to the first address of the host that answers; each is tried without
 * waiting long for those before. Owned by the caller. NULL with *err = -errno and `why` on failure:
 * the error of the last address that failed, or ETIMEDOUT. */
struct transport *transport_tcp(const struct p9_address *a, int *err, struct p9_why *why);

/* Connects to the unix stream socket at path. As above; timeout_ms: for a server that accepts no
 * connection. */
struct transport *transport_unix(const char *path, int timeout_ms, int *err, struct p9_why *why);

/* Takes over two open descriptors, the same one twice for a socket; closed with the transport, but
 * left open on failure. As above. */
struct transport *transport_fds(int rfd, int wfd, int *err, struct p9_why *why);

/* Connects by vsock(7) to a port of the machine with this context ID. As transport_tcp. */
struct transport *transport_vsock(unsigned cid, unsigned port, int timeout_ms, int *err, struct p9_why *why);

/* ---- a command ------------------------------------------------------------ */

/* A process that starts the command of a mount, so that it has the same privileges each time, and
 * ends with the mount. To be called before there are other threads. Owned by the caller; NULL with
 * *err = -errno. */
struct p9_starter *p9_starter_new(const char *command, int *err);
/* The command has connected: it lets go of the terminal, and gets none when it starts again. */
void p9_starter_settle(struct p9_starter *s);
/* Ends the process, and what is left of its commands. NULL: nothing. */
void p9_starter_free(struct p9_starter *s);

/* Starts the command, whose standard input and output are the connection; its standard error is
 * logged. It ends with the transport. -ENOLINK is the error of the connection if it ends with
 * another status than 0. As transport_tcp. */
struct transport *transport_command(struct p9_starter *s, int *err, struct p9_why *why);

/* ---- TLS ------------------------------------------------------------------ */

enum p9_tls_verify {
    P9_TLS_FULL, /* a trusted authority has signed the certificate, and it has the name */
    P9_TLS_CA,   /* the first alone */
    P9_TLS_NONE,
};

/* Files are in PEM; NULL where there is none. */
struct p9_tls_options {
    char *ca; /* trusted authorities; NULL: the system's */
    char *crl;
    char *cert, *key; /* to show to the server */
    char *name;       /* of the server; NULL: the host */
    enum p9_tls_verify verify;
};

/* Reads the files, once for all connections. Owned by the caller; NULL with *err = -errno and `why`
 * on failure: -ENOSYS if this 9pfs is built without TLS. */
struct p9_tls *p9_tls_new(const struct p9_tls_options *o, int *err, struct p9_why *why);
/* NULL: nothing. */
void p9_tls_free(struct p9_tls *tls);
/* Connects by TCP, and TLS 1.2 or 1.3. As transport_tcp. */
struct transport *transport_tls(struct p9_tls *tls, const struct p9_address *a, int *err, struct p9_why *why);

/* ---- any transport -------------------------------------------------------- */

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
