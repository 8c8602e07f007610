/*
 * transport_tls.c: TLS over a TCP socket.
 *
 * GnuTLS never touches the socket: it takes what it decrypts from one buffer, and leaves what it
 * encrypts in another. So a lock is held for as long as that takes, and never while one waits:
 * one thread reads and another writes as by TCP, although the session of GnuTLS is used by one
 * at a time (an update of keys that the server asks for concerns both directions).
 *
 * A record that is encrypted must be sent, and whoever writes must come again to do that.
 * Therefore one byte less is reported as written while some of it is left to send: the caller
 * has this byte in the next call again, where it is only counted.
 */
#include "session/transport_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/transport_impl.h"

enum {
    RECORD = 16384,        /* bytes of data in one, at most */
    BATCH = 4,             /* records encrypted before they are sent */
    OVERHEAD = 512,        /* of a record, at most */
    KEY_UPDATE = OVERHEAD, /* may precede the data */
};

struct tls {
    struct transport t; /* first */
    gnutls_session_t session;
    struct tls_check check;
    /* Of the thread that reads: from the socket, not yet decrypted. */
    size_t in_start, in_end;
    pthread_mutex_t mtx; /* guards the session, and what follows */
    /* Encrypted, not yet sent: out[out_start] to out[out_end]. */
    size_t out_start, out_end;
    bool owed; /* one byte of the data is encrypted that was not reported */
    uint8_t in[64 * 1024];
    uint8_t out[BATCH * (RECORD + OVERHEAD) + KEY_UPDATE];
    uint8_t data[RECORD];
};

/* ---- what GnuTLS calls ---------------------------------------------------- */

static ssize_t pull(gnutls_transport_ptr_t arg, void *buf, size_t n)
{
    struct tls *s = arg;
    size_t have = s->in_end - s->in_start;

    if (have == 0) {
        gnutls_transport_set_errno(s->session, EAGAIN);
        return -1;
    }
    n = n < have ? n : have;
    memcpy(buf, s->in + s->in_start, n);
    s->in_start += n;
    return (ssize_t)n;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *buf, size_t n)
{
    struct tls *s = arg;
    size_t room = sizeof s->out - s->out_end;

    if (room == 0) {
        gnutls_transport_set_errno(s->session, EAGAIN);
        return -1;
    }
    n = n < room ? n : room;
    memcpy(s->out + s->out_end, buf, n);
    s->out_end += n;
    return (ssize_t)n;
}

static int pull_timeout(gnutls_transport_ptr_t arg, unsigned ms)
{
    struct tls *s = arg;

    (void)ms;
    return s->in_end > s->in_start;
}

/* ---- between the buffers and the socket ----------------------------------- */

/* 0 once all is sent, else -errno: -EAGAIN if there is no room. */
static int send_out(struct tls *s)
{
    while (s->out_start < s->out_end) {
        const struct iovec iov = {s->out + s->out_start, s->out_end - s->out_start};
        ssize_t r = transport_fd_write(&s->t, &iov, 1);
        if (r < 0)
            return (int)r;
        s->out_start += (size_t)r;
    }
    s->out_start = s->out_end = 0;
    return 0;
}

/* The number of bytes, 0 at the end of the connection, or -errno. */
static ssize_t receive_in(struct tls *s, bool several)
{
    s->in_start = s->in_end = 0;
    const struct iovec iov = {s->in, sizeof s->in};
    ssize_t r = transport_fd_read(&s->t, &iov, 1, several);

    s->in_end = r > 0 ? (size_t)r : 0;
    return r;
}

/* ---- reading -------------------------------------------------------------- */

/* The end of the connection by an error of GnuTLS. */
static ssize_t broken(struct tls *s, int rc)
{
    if (rc == 0 || rc == GNUTLS_E_PREMATURE_TERMINATION)
        return 0;
    if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        gnutls_alert_description_t alert = gnutls_alert_get(s->session);
        bool wants = alert == GNUTLS_A_CERTIFICATE_REQUIRED;
        const char *name = gnutls_alert_get_name(alert);
        const char *hint =
            s->check.has_own ? " (it takes none of the authority of tls_cert=)" : " (options tls_cert= and tls_key=)";
        return p9_set_why(&s->t.why, -EACCES, "the server ended TLS: %s%s", name != NULL ? name : "no reason",
                          wants ? hint : "");
    }
    return p9_set_why(&s->t.why, -EPROTO, "TLS failed: %s", gnutls_strerror(rc));
}

/* Decrypts what has arrived. The number of bytes; -EAGAIN if more must be received; 0 or -errno at
 * the end. */
static ssize_t decrypt(struct tls *s, const struct iovec *iov, int n)
{
    ssize_t got = 0, rc = 1;

    for (int i = 0; i < n && rc > 0; i++)
        for (size_t done = 0; done < iov[i].iov_len && rc > 0;) {
            do
                rc = gnutls_record_recv(s->session, (uint8_t *)iov[i].iov_base + done, iov[i].iov_len - done);
            while (rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_REHANDSHAKE); /* which may be ignored */
            done += rc > 0 ? (size_t)rc : 0;
            got += rc > 0 ? rc : 0;
        }
    if (got > 0)
        return got;
    return rc == GNUTLS_E_AGAIN ? -EAGAIN : broken(s, (int)rc);
}

static ssize_t tls_read(struct transport *t, const struct iovec *iov, int n, bool several)
{
    struct tls *s = (struct tls *)t;

    for (;;) {
        pthread_mutex_lock(&s->mtx);
        ssize_t r = decrypt(s, iov, n);
        pthread_mutex_unlock(&s->mtx);
        if (r != -EAGAIN)
            return r;
        if (s->in_start < s->in_end) /* what came was not data */
            continue;
        r = receive_in(s, several);
        if (r <= 0)
            return r;
    }
}

/* ---- writing -------------------------------------------------------------- */

/* Copies the next bytes at *skip of iov to s->data, as many as go into a record. The last one is
 * not the first one of an iovec, unless that is all: what was written of an iovec in part then
 * includes more than the byte that is owed. */
static size_t gather(struct tls *s, const struct iovec *iov, int n, size_t skip)
{
    size_t got = 0, most = gnutls_record_get_max_size(s->session);

    most = most < sizeof s->data ? most : sizeof s->data;
    for (int i = 0; i < n && got < most; i++) {
        size_t len = iov[i].iov_len;
        if (skip >= len) {
            skip -= len;
            continue;
        }
        size_t step = len - skip < most - got ? len - skip : most - got;
        if (step == 1 && skip == 0 && got > 0)
            break;
        memcpy(s->data + got, (const uint8_t *)iov[i].iov_base + skip, step);
        got += step;
        skip = 0;
    }
    return got;
}

/* Encrypts as much as there is room for. The bytes of iov that are encrypted then, or -errno. */
static ssize_t encrypt(struct tls *s, const struct iovec *iov, int n)
{
    size_t done = s->owed ? 1 : 0, got = 1;

    s->owed = false;
    for (int i = 0; i < BATCH && got > 0; i++) {
        got = gather(s, iov, n, done);
        ssize_t rc = got > 0 ? gnutls_record_send(s->session, s->data, got) : 0;
        if (rc != (ssize_t)got)
            return -EPIPE;
        done += got;
    }
    return (ssize_t)done;
}

static ssize_t write_locked(struct tls *s, const struct iovec *iov, int n)
{
    int err = send_out(s);
    ssize_t done = err == 0 ? encrypt(s, iov, n) : err;

    if (done <= 0)
        return done;
    err = send_out(s);
    s->owed = err == -EAGAIN;
    return err == 0 ? done : err == -EAGAIN ? done - 1 : err;
}

static ssize_t tls_write(struct transport *t, const struct iovec *iov, int n)
{
    struct tls *s = (struct tls *)t;

    pthread_mutex_lock(&s->mtx);
    ssize_t r = write_locked(s, iov, n);
    pthread_mutex_unlock(&s->mtx);
    return r;
}

/* ---- the handshake -------------------------------------------------------- */

static void tls_close(struct transport *t)
{
    struct tls *s = (struct tls *)t;

    transport_fd_close(t);
    gnutls_deinit(s->session);
    pthread_mutex_destroy(&s->mtx);
}

static int handshake_failed(struct tls *s, const char *host, const char *port, int rc, struct p9_why *why)
{
    if (s->check.refusal[0] != 0)
        return p9_set_why(why, -EACCES, "the certificate of %.80s is refused: %s", host, s->check.refusal);
    if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        broken(s, rc);
        return p9_set_why(why, -EACCES, "cannot connect to %.80s port %.20s: %.120s", host, port, s->t.why.text);
    }
    bool speaks = rc != GNUTLS_E_UNEXPECTED_PACKET_LENGTH && rc != GNUTLS_E_UNEXPECTED_PACKET &&
                  rc != GNUTLS_E_UNSUPPORTED_VERSION_PACKET && rc != GNUTLS_E_RECORD_OVERFLOW;
    return p9_set_why(why, -EPROTO, "cannot connect to %.80s port %.20s: %s", host, port,
                      speaks ? gnutls_strerror(rc) : "the server does not speak TLS");
}

/* 0 when there is something to read, or -errno. */
static int await_bytes(struct tls *s, const struct timespec *until)
{
    struct pollfd p = {.fd = s->t.rfd, .events = POLLIN};
    int r;

    do
        r = poll(&p, 1, transport_ms_left(until));
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return -ETIMEDOUT;
    ssize_t got = r > 0 ? receive_in(s, false) : -errno;
    return got == 0 ? -ECONNABORTED : got < 0 ? (int)got : 0;
}

static int shake_hands(struct tls *s, const char *host, const char *port, const struct timespec *until,
                       struct p9_why *why)
{
    int rc, err = 0;

    do {
        rc = gnutls_handshake(s->session);
        int sent = send_out(s); /* also the reason of a refusal */
        if (sent != 0 && sent != -EAGAIN)
            err = sent;
        if (err == 0 && rc == GNUTLS_E_AGAIN && s->in_start == s->in_end)
            err = await_bytes(s, until);
    } while (err == 0 && rc < 0 && !gnutls_error_is_fatal(rc));
    if (err == 0 && rc != 0)
        return handshake_failed(s, host, port, rc, why);
    if (err == -ETIMEDOUT)
        return p9_set_why(why, err, "%.80s port %.20s does not answer: it may not speak TLS", host, port);
    if (err == -ECONNABORTED || err == -ECONNRESET || err == -EPIPE)
        return p9_set_why(why, -ECONNABORTED, "%.80s port %.20s closed the connection: it may not speak TLS", host,
                          port);
    return err == 0 ? 0 : p9_set_why(why, err, "cannot connect to %.80s port %.20s: %s", host, port, strerror(-err));
}

static int set_up(struct tls *s, struct p9_tls *tls, const char *host)
{
    const char *name = tls->name != NULL ? tls->name : host;
    struct in6_addr address;
    bool is_address = inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
    int rc = gnutls_init(&s->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

    if (rc != 0)
        return rc;
    s->check = (struct tls_check){.verify = tls->verify, .has_own = tls->has_own, .name = name};
    gnutls_session_set_ptr(s->session, &s->check);
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_pull_function(s->session, pull);
    gnutls_transport_set_push_function(s->session, push);
    gnutls_transport_set_pull_timeout_function(s->session, pull_timeout);
    gnutls_handshake_set_timeout(s->session, GNUTLS_INDEFINITE_TIMEOUT); /* the deadline is here */
    rc = gnutls_set_default_priority_append(s->session, "-VERS-TLS1.0:-VERS-TLS1.1", NULL, 0);
    if (rc == 0)
        rc = gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    if (rc == 0 && !is_address)
        rc = gnutls_server_name_set(s->session, GNUTLS_NAME_DNS, name, strlen(name));
    if (rc != 0)
        gnutls_deinit(s->session);
    return rc;
}

/* 0 or -errno. The socket is the caller's on failure. */
static int begin(struct tls *s, struct p9_tls *tls, int fd, const char *host, struct p9_why *why)
{
    static const struct transport_ops ops = {tls_read, tls_write, transport_fd_shutdown, tls_close};
    int err = transport_init(&s->t, fd, fd, why);

    if (err != 0)
        return err;
    int rc = set_up(s, tls, host);
    if (rc != 0) {
        close(s->t.stop);
        return p9_set_why(why, -ENOMEM, "cannot use TLS: %s", gnutls_strerror(rc));
    }
    s->t.ops = &ops;
    pthread_mutex_init(&s->mtx, NULL);
    return 0;
}

struct transport *transport_tls(struct p9_tls *tls, const struct p9_address *a, int *err, struct p9_why *why)
{
    const struct timespec until = transport_deadline(a->timeout_ms);
    int fd = transport_dial_tcp(a, &until, why);
    struct tls *s = fd >= 0 ? calloc(1, sizeof *s) : NULL;

    *err = fd;
    if (fd >= 0)
        *err = s != NULL ? begin(s, tls, fd, a->host, why) : p9_set_why(why, -ENOMEM, "%s", strerror(ENOMEM));
    if (*err != 0) {
        if (fd >= 0)
            close(fd);
        free(s);
        return NULL;
    }
    *err = shake_hands(s, a->host, a->port, &until, why);
    if (*err == 0)
        return &s->t;
    transport_close(&s->t);
    return NULL;
}
