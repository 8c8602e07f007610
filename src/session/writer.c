/*
 * writer.c: writing queued requests, and the thread that waits while the connection is full.
 */
#include "session/session_impl.h"

#include <errno.h>

#include "base/clock.h"

enum { GATHER = 64 }; /* messages in one writev */

static int gather(struct p9_session *s, struct iovec *iov)
{
    size_t skip = s->out_done;
    int n = 0;

    for (struct p9_req *r = s->out.first; r != NULL && n + 2 <= 2 * GATHER; r = r->next) {
        if (skip < r->head_len) {
            iov[n++] = (struct iovec){r->head + skip, r->head_len - skip};
            skip = 0;
        } else {
            skip -= r->head_len;
        }
        if (r->payload_len > skip)
            iov[n++] = (struct iovec){(uint8_t *)r->payload + skip, r->payload_len - skip};
        skip = 0;
    }
    return n;
}

/* n bytes more are, by a write that began at this time of clock_us(). */
static void written(struct p9_session *s, size_t n, uint64_t began_us)
{
    s->out_done += n;
    while (s->out.first != NULL) {
        size_t size = s->out.first->head_len + s->out.first->payload_len;
        if (s->out_done < size)
            break;
        s->out_done -= size;
        struct p9_req *req = session_queue_take(&s->out);
        req->state = P9_REQ_SENT;
        req->sent_us = began_us;
        session_count_sent(s, req);
    }
}

void session_pump(struct p9_session *s)
{
    struct iovec iov[2 * GATHER];

    while (!s->writing && !s->blocked && !s->down && s->error == 0 && s->out.first != NULL) {
        int n = gather(s, iov);
        uint64_t began_us = clock_us();
        s->writing = true;
        pthread_mutex_unlock(&s->mtx);
        ssize_t r = transport_write(s->t, iov, n);
        pthread_mutex_lock(&s->mtx);
        s->writing = false;
        pthread_cond_broadcast(&s->idle);
        if (r == -EAGAIN) {
            s->blocked = true;
            pthread_cond_signal(&s->full);
        } else if (r < 0) {
            transport_shutdown(s->t); /* the reader then completes all requests */
            return;
        } else {
            written(s, (size_t)r, began_us);
        }
    }
}

void *session_writer_main(void *arg)
{
    struct p9_session *s = arg;

    pthread_mutex_lock(&s->mtx);
    while (s->error == 0) {
        if (!s->blocked) {
            pthread_cond_wait(&s->full, &s->mtx);
            continue;
        }
        s->waits_for_room = true;
        pthread_mutex_unlock(&s->mtx);
        transport_wait_writable(s->t);
        pthread_mutex_lock(&s->mtx);
        s->waits_for_room = s->blocked = false;
        pthread_cond_broadcast(&s->idle);
        session_pump(s);
    }
    pthread_mutex_unlock(&s->mtx);
    return NULL;
}
