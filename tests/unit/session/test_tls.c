/*
 * test_tls.c: TLS as a transport: no byte is lost or doubled while both directions are full, and
 * what waits ends.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/transport_impl.h"
#include "unit/session/tls_server.h"
#include "unit/test.h"

static const char tls_1_3[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3", tls_1_2[] = "NORMAL:-VERS-ALL:+VERS-TLS1.2";

static void shrink_send_buffer(int fd)
{
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
}

/* ---- messages ------------------------------------------------------------- */

/* A message is its size, its number, and that many bytes of a pattern, as a head and a payload. The
 * sizes are such that records end at every place of one. */
enum { MOST_UPDATES = 6 }; /* GnuTLS allows 8 in a second */
enum { MESSAGES = 600, HEAD = 23, MOST_PAYLOAD = 40000, QUEUED = 8 };

struct message {
    uint8_t head[HEAD];
    uint8_t payload[MOST_PAYLOAD];
    size_t payload_len;
};

static uint8_t pattern(uint32_t number, size_t at)
{
    return (uint8_t)(number * 31 + at * 7 + at / 251);
}

static void make_sized(struct message *m, uint32_t number, size_t payload_len)
{
    uint32_t size = (uint32_t)(HEAD + payload_len);

    m->payload_len = payload_len;
    memcpy(m->head, &size, 4);
    memcpy(m->head + 4, &number, 4);
    for (size_t i = 8; i < HEAD; i++)
        m->head[i] = pattern(number, i);
    for (size_t i = 0; i < m->payload_len; i++)
        m->payload[i] = pattern(number, HEAD + i);
}

static void make(struct message *m, uint32_t number)
{
    uint32_t mixed = number * 2654435761u;

    make_sized(m, number,
               number % 5 == 0   ? 0
               : number % 5 == 1 ? 1
               : number % 5 == 2 ? mixed % 70
                                 : mixed % MOST_PAYLOAD);
}

/* Where the reader of messages is. */
struct parser {
    uint8_t head[8];
    uint32_t at, size, number, count, last;
};

/* All bytes are those of whole messages, whose numbers grow. */
static void parse(struct parser *p, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p->at < 8)
            p->head[p->at] = bytes[i];
        else
            assert_int_equal(bytes[i], pattern(p->number, p->at));
        if (++p->at == 8) {
            memcpy(&p->size, p->head, 4);
            memcpy(&p->number, p->head + 4, 4);
            assert_in_range(p->size, HEAD, HEAD + MOST_PAYLOAD);
            assert_true(p->number > p->last);
            p->last = p->number;
        }
        if (p->at >= 8 && p->at == p->size) {
            p->at = 0;
            p->count++;
        }
    }
}

/* ---- the server's end ----------------------------------------------------- */

struct echo {
    struct tls_server server;
    const char *versions;
    bool updates_keys;
    atomic_uint received; /* messages, whole */
    atomic_bool hold;     /* it does not read */
};

static void *sink_main(void *arg)
{
    struct echo *e = arg;
    struct parser p = {.at = 0};
    uint8_t buf[3000];
    ssize_t n;

    assert_int_equal(tls_server_accept(&e->server, e->versions), 0);
    for (unsigned reads = 0; (n = gnutls_record_recv(e->server.session, buf, sizeof buf)) != 0; reads++) {
        if (n == GNUTLS_E_AGAIN) /* an update of keys */
            continue;
        if (n < 0)
            break;
        parse(&p, buf, (size_t)n);
        atomic_store(&e->received, p.count);
        while (atomic_load(&e->hold))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        for (size_t sent = 0; sent < (size_t)n;) { /* and back */
            ssize_t w = gnutls_record_send(e->server.session, buf + sent, (size_t)n - sent);
            assert_true(w > 0);
            sent += (size_t)w;
        }
        if (e->updates_keys && reads % 100 == 99 && reads < MOST_UPDATES * 100)
            assert_int_equal(gnutls_session_key_update(e->server.session, GNUTLS_KU_PEER), 0);
    }
    tls_server_hang_up(&e->server);
    return NULL;
}

/* ---- the client's end ----------------------------------------------------- */

/* Reads what comes back, with several iovecs, as a session does for a payload. */
static void *reader_main(void *arg)
{
    struct transport *t = arg;
    struct parser *p = calloc(1, sizeof *p);
    uint8_t a[700], b[5000];
    ssize_t n;

    while ((n = transport_read(t, (const struct iovec[]){{a, sizeof a}, {b, sizeof b}}, 2, p->count % 2 == 0)) > 0) {
        size_t first = (size_t)n < sizeof a ? (size_t)n : sizeof a;
        parse(p, a, first);
        parse(p, b, (size_t)n - first);
    }
    assert_int_equal(n, 0);
    return p;
}

/* A queue of messages from which those that are not begun may be taken, as requests are that are
 * given up. */
struct writer {
    struct message *queue;
    unsigned first, n;
    uint32_t next, waits, given_up;
    size_t done; /* bytes of the first that are written */
    bool gives_up;
};

static void fill(struct writer *w)
{
    for (; w->n < QUEUED && w->next <= MESSAGES; w->n++)
        make(&w->queue[(w->first + w->n) % QUEUED], w->next++);
}

static void give_up(struct writer *w)
{
    unsigned begun = w->done > 0 ? 1 : 0;

    if (w->n > begun) {
        w->given_up += w->n - begun;
        w->n = begun;
    }
}

static int gather(const struct writer *w, struct iovec *iov)
{
    size_t skip = w->done;
    int n = 0;

    for (unsigned i = 0; i < w->n; i++) {
        struct message *m = &w->queue[(w->first + i) % QUEUED];
        size_t in_head = skip < HEAD ? skip : HEAD, in_payload = skip - in_head;
        if (in_head < HEAD)
            iov[n++] = (struct iovec){m->head + in_head, HEAD - in_head};
        if (in_payload < m->payload_len)
            iov[n++] = (struct iovec){m->payload + in_payload, m->payload_len - in_payload};
        skip = 0;
    }
    return n;
}

static void written(struct writer *w, size_t n)
{
    w->done += n;
    while (w->n > 0 && w->done >= HEAD + w->queue[w->first].payload_len) {
        w->done -= HEAD + w->queue[w->first].payload_len;
        w->first = (w->first + 1) % QUEUED;
        w->n--;
    }
}

static void write_messages(struct transport *t, struct writer *w)
{
    struct iovec iov[2 * QUEUED];

    for (fill(w); w->n > 0; fill(w)) {
        ssize_t r = transport_write(t, iov, gather(w, iov));
        if (r == -EAGAIN) {
            if (w->waits++ % 3 == 0 && w->gives_up)
                give_up(w);
            assert_int_equal(transport_wait_writable(t), 0);
        } else {
            assert_true(r >= 0);
            written(w, (size_t)r);
        }
    }
}

static void exchange(const char *versions, bool updates_keys)
{
    struct echo e = {.versions = versions, .updates_keys = updates_keys};
    struct writer w = {.queue = calloc(QUEUED, sizeof *w.queue), .next = 1, .gives_up = true};
    struct p9_tls *tls = trusting_all();
    struct parser *p;
    pthread_t server, reader;
    struct p9_why why;
    int err;

    tls_server_listen(&e.server, 4096);
    assert_int_equal(pthread_create(&server, NULL, sink_main, &e), 0);
    struct transport *t =
        transport_tls(tls, &(struct p9_address){"127.0.0.1", e.server.port, false, 60000}, &err, &why);
    assert_non_null(t);
    shrink_send_buffer(t->wfd);
    assert_int_equal(pthread_create(&reader, NULL, reader_main, t), 0);
    write_messages(t, &w);
    assert_true(w.waits > 10);
    assert_true(w.given_up > 0);
    while (atomic_load(&e.received) != MESSAGES - w.given_up)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    shutdown(t->wfd, SHUT_WR);
    pthread_join(server, NULL);
    pthread_join(reader, (void **)&p);
    assert_int_equal(p->at, 0);
    assert_int_equal(p->count, MESSAGES - w.given_up);
    transport_close(t);
    tls_server_end(&e.server);
    p9_tls_free(tls);
    free(w.queue);
    free(p);
}

/* ---- tests ---------------------------------------------------------------- */

static void full_in_both_directions(void **state)
{
    (void)state;
    exchange(tls_1_3, false);
    exchange(tls_1_2, false);
}

static void keys_are_updated_meanwhile(void **state)
{
    (void)state;
    exchange(tls_1_3, true);
}

/* Four records end with the first byte of the third message: it is not begun. */
static void a_message_that_is_not_begun_may_be_taken_back(void **state)
{
    struct echo e = {.versions = tls_1_3, .hold = true};
    struct writer w = {.queue = calloc(QUEUED, sizeof *w.queue), .next = MESSAGES + 1, .n = 3};
    struct p9_tls *tls = trusting_all();
    struct parser *p;
    struct iovec iov[2 * QUEUED];
    pthread_t server, reader;
    struct p9_why why;
    int err;

    (void)state;
    tls_server_listen(&e.server, 4096);
    assert_int_equal(pthread_create(&server, NULL, sink_main, &e), 0);
    struct transport *t =
        transport_tls(tls, &(struct p9_address){"127.0.0.1", e.server.port, false, 60000}, &err, &why);
    assert_non_null(t);
    shrink_send_buffer(t->wfd);
    assert_int_equal(pthread_create(&reader, NULL, reader_main, t), 0);
    make_sized(&w.queue[0], 1, 30000 - HEAD);
    make_sized(&w.queue[1], 2, 4 * 16384 - 1 - 30000 - HEAD);
    make_sized(&w.queue[2], 3, 5);
    ssize_t r = transport_write(t, iov, gather(&w, iov));
    assert_true(r > 0);
    written(&w, (size_t)r);
    assert_int_equal(w.n, 2);
    make_sized(&w.queue[(w.first + 1) % QUEUED], 4, 6);
    atomic_store(&e.hold, false);
    write_messages(t, &w);
    while (atomic_load(&e.received) != 3)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    shutdown(t->wfd, SHUT_WR);
    pthread_join(server, NULL);
    pthread_join(reader, (void **)&p);
    assert_int_equal(p->count, 3);
    assert_int_equal(p->last, 4);
    transport_close(t);
    tls_server_end(&e.server);
    p9_tls_free(tls);
    free(w.queue);
    free(p);
}

struct waiting {
    struct transport *t;
    ssize_t read;
    int writable;
};

static void *wait_to_read(void *arg)
{
    struct waiting *w = arg;
    char c;

    w->read = transport_read(w->t, &(struct iovec){&c, 1}, 1, false);
    return NULL;
}

/* The kernels may still find some room. */
static void *wait_to_write(void *arg)
{
    struct waiting *w = arg;
    static uint8_t bytes[1 << 16];

    while ((w->writable = transport_wait_writable(w->t)) == 0)
        transport_write(w->t, &(struct iovec){bytes, sizeof bytes}, 1);
    return NULL;
}

/* It shakes hands, and reads nothing. */
static void *deaf_main(void *arg)
{
    struct echo *e = arg;

    assert_int_equal(tls_server_accept(&e->server, e->versions), 0);
    while (atomic_load(&e->hold))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    tls_server_hang_up(&e->server);
    return NULL;
}

static void a_shutdown_ends_what_waits(void **state)
{
    struct echo e = {.versions = tls_1_3, .hold = true};
    struct p9_tls *tls = trusting_all();
    uint8_t *bytes = calloc(1, 1 << 20);
    pthread_t server, reader, writer;
    struct p9_why why;
    int err;

    (void)state;
    tls_server_listen(&e.server, 4096);
    assert_int_equal(pthread_create(&server, NULL, deaf_main, &e), 0);
    struct waiting w = {
        .t = transport_tls(tls, &(struct p9_address){"127.0.0.1", e.server.port, false, 60000}, &err, &why),
        .read = -1};
    assert_non_null(w.t);
    while (transport_write(w.t, &(struct iovec){bytes, 1 << 20}, 1) != -EAGAIN)
        ;
    pthread_create(&reader, NULL, wait_to_read, &w);
    pthread_create(&writer, NULL, wait_to_write, &w);
    transport_shutdown(w.t);
    pthread_join(reader, NULL);
    pthread_join(writer, NULL);
    assert_int_equal(w.read, 0);
    assert_int_equal(w.writable, -EPIPE);
    transport_close(w.t);
    atomic_store(&e.hold, false);
    pthread_join(server, NULL);
    tls_server_end(&e.server);
    p9_tls_free(tls);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_in_both_directions),
        cmocka_unit_test(keys_are_updated_meanwhile),
        cmocka_unit_test(a_message_that_is_not_begun_may_be_taken_back),
        cmocka_unit_test(a_shutdown_ends_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
