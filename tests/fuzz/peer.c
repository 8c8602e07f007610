/*
 * peer.c: the transport of peer.h, in place of src/session/transport.c.
 */
#include "fuzz/peer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "fuzz/input.h"

enum { LONGEST = 1 << 17 }; /* bytes of a request */

struct transport {
    void (*request)(struct transport *t, const uint8_t *msg, size_t n, void *arg);
    void *arg;
    size_t step;
    uint8_t *in; /* the beginning of a request. Of the thread that writes */
    size_t in_len;

    pthread_mutex_t mtx; /* guards all below */
    pthread_cond_t more;
    uint8_t *said;
    size_t read, end, room;
    bool ended, down;
};

struct transport *peer_new(void (*request)(struct transport *t, const uint8_t *msg, size_t n, void *arg), void *arg)
{
    struct transport *t = calloc(1, sizeof *t);

    CHECK(t != NULL && (t->in = malloc(LONGEST)) != NULL);
    t->request = request;
    t->arg = arg;
    pthread_mutex_init(&t->mtx, NULL);
    pthread_cond_init(&t->more, NULL);
    return t;
}

void peer_step(struct transport *t, size_t most)
{
    t->step = most;
}

void peer_say(struct transport *t, const void *bytes, size_t n)
{
    pthread_mutex_lock(&t->mtx);
    if (t->end + n > t->room) {
        t->room = 2 * (t->end + n);
        t->said = realloc(t->said, t->room);
        CHECK(t->said != NULL);
    }
    if (n > 0)
        memcpy(t->said + t->end, bytes, n);
    t->end += n;
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->mtx);
}

void peer_end(struct transport *t)
{
    pthread_mutex_lock(&t->mtx);
    t->ended = true;
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->mtx);
}

void peer_version(struct transport *t, enum p9_dialect d, uint32_t msize)
{
    struct p9_fcall r = {.type = P9_Rversion, .tag = P9_NOTAG};
    uint8_t buf[64];

    r.Rversion.msize = msize;
    r.Rversion.version = p9_str(p9_dialect_name(d));
    peer_say(t, buf, p9_convS2M(&r, d, buf, sizeof buf));
}

/* ---- transport.h -------------------------------------------------------- */

const char *transport_why(const struct transport *t)
{
    (void)t;
    return NULL;
}

ssize_t transport_read(struct transport *t, const struct iovec *iov, int n, bool several)
{
    size_t got = 0;

    (void)several;
    pthread_mutex_lock(&t->mtx);
    while (t->read == t->end && !t->ended && !t->down)
        pthread_cond_wait(&t->more, &t->mtx);
    size_t left = t->down ? 0 : t->end - t->read;
    if (t->step != 0 && left > t->step)
        left = t->step;
    for (int i = 0; i < n && left > got; i++) {
        size_t part = iov[i].iov_len < left - got ? iov[i].iov_len : left - got;
        if (part > 0)
            memcpy(iov[i].iov_base, t->said + t->read, part);
        t->read += part;
        got += part;
    }
    pthread_mutex_unlock(&t->mtx);
    return (ssize_t)got;
}

static void take_requests(struct transport *t)
{
    size_t at = 0, size;

    while (t->in_len - at >= 4 && t->in_len - at >= (size = p9_get32(t->in + at))) {
        CHECK(size >= P9_HDRSZ);
        t->request(t, t->in + at, size, t->arg);
        at += size;
    }
    memmove(t->in, t->in + at, t->in_len - at);
    t->in_len -= at;
}

ssize_t transport_write(struct transport *t, const struct iovec *iov, int n)
{
    size_t before = t->in_len, most = t->step != 0 ? t->step : LONGEST;

    pthread_mutex_lock(&t->mtx);
    bool down = t->down;
    pthread_mutex_unlock(&t->mtx);
    if (down)
        return -EPIPE;
    for (int i = 0; i < n && most > 0; i++) {
        size_t part = iov[i].iov_len < most ? iov[i].iov_len : most;
        if (part > LONGEST - t->in_len)
            part = LONGEST - t->in_len;
        memcpy(t->in + t->in_len, iov[i].iov_base, part);
        t->in_len += part;
        most -= part;
    }
    size_t wrote = t->in_len - before;
    CHECK(wrote > 0);
    take_requests(t);
    return (ssize_t)wrote;
}

int transport_wait_writable(struct transport *t)
{
    (void)t;
    return 0;
}

void transport_shutdown(struct transport *t)
{
    pthread_mutex_lock(&t->mtx);
    t->down = true;
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->mtx);
}

void transport_close(struct transport *t)
{
    pthread_cond_destroy(&t->more);
    pthread_mutex_destroy(&t->mtx);
    free(t->in);
    free(t->said);
    free(t);
}
