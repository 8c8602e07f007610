/*
 * relay.c: passes messages between a 9P client and a server, delays them, and counts round trips.
 *
 *   relay PORT CONTROL-PORT SERVER-PORT RTT-MS [BYTES-PER-SECOND [TOTALS]]
 *
 * CONTROL-PORT 0: the data are not 9P, and not counted. bytes:CONTROL-PORT: the data are not 9P, as
 * those of TLS; rounds are counted of whatever is sent, not messages.
 *
 * Any number of messages may be in flight: each arrives half the round trip time after it was sent,
 * or when the line has had time to send it. A connection to CONTROL-PORT receives a line with what
 * has passed since the connection before it:
 *
 *   rounds N Twalk N Tlopen N ...
 *
 * Rounds are the longest chain of requests each of which was sent after the reply to the one before
 * had arrived: the round trips that the client has waited for. Tclunk and Tflush, for which it does
 * not wait, are counted, but make no round.
 *
 * On SIGUSR1 the file TOTALS is replaced by one with a line for each type of message, of both
 * directions, since the start: TYPE N BYTES.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "9p/codec.h"

enum { CHUNK = 65536 };

struct chunk {
    struct chunk *next;
    uint64_t due;   /* nanoseconds */
    uint32_t depth; /* without messages: its place in the longest chain */
    size_t n;
    uint8_t bytes[];
};

/* One direction of a connection. */
struct line {
    int from, to;
    bool requests; /* from the client */
    struct link *link;
    pthread_mutex_t mtx; /* guards the queue */
    pthread_cond_t more;
    struct chunk *first, **last;
    uint64_t free_at; /* when all bytes so far are sent */
    uint8_t head[P9_HDRSZ];
    size_t nhead, skip; /* bytes of the current message: read of its head, left of its body */
};

struct link {
    struct line up, down;
    uint32_t depth[65536]; /* by tag: of the request in flight, its place in the longest chain */
    uint32_t served;       /* without messages: of what has reached the server */
};

static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER; /* guards the counts and depths */
static unsigned long counts[256];
static struct {
    unsigned long n, bytes;
} totals[256];
static uint32_t arrived, rounds; /* the deepest reply that has arrived; the deepest request */
static bool counting, of_bytes;
static uint64_t one_way, per_second;

static uint64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- counting ----------------------------------------------------------- */

static void count(struct line *l, unsigned type, uint16_t tag, uint32_t size)
{
    uint32_t *depth = &l->link->depth[tag];

    pthread_mutex_lock(&mtx);
    totals[type].n++;
    totals[type].bytes += size;
    if (l->requests) {
        counts[type]++;
        *depth = type == P9_Tclunk || type == P9_Tflush ? 0 : arrived + 1;
        if (*depth > rounds)
            rounds = *depth;
    } else if (*depth > arrived) {
        arrived = *depth;
    }
    pthread_mutex_unlock(&mtx);
}

static void pass(struct line *l, const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t step = l->skip > 0 ? l->skip : P9_HDRSZ - l->nhead;
        step = step < n ? step : n;
        if (l->skip > 0) {
            l->skip -= step;
        } else {
            memcpy(l->head + l->nhead, p, step);
            l->nhead += step;
        }
        p += step;
        n -= step;
        if (l->nhead == P9_HDRSZ && l->skip == 0) {
            count(l, l->head[4], p9_get16(l->head + 5), p9_get32(l->head));
            l->skip = p9_get32(l->head) - P9_HDRSZ;
            l->nhead = 0;
        }
    }
}

/* Without messages, what the server sends answers all that has reached it. */
static void bytes_come(struct line *l, struct chunk *c)
{
    pthread_mutex_lock(&mtx);
    c->depth = l->requests ? arrived + 1 : l->link->served;
    if (l->requests && c->n > 0 && c->depth > rounds)
        rounds = c->depth;
    pthread_mutex_unlock(&mtx);
}

static void bytes_arrive(struct line *l, const struct chunk *c)
{
    uint32_t *latest = l->requests ? &l->link->served : &arrived;

    pthread_mutex_lock(&mtx);
    if (c->n > 0 && c->depth > *latest)
        *latest = c->depth;
    pthread_mutex_unlock(&mtx);
}

static void report(int fd)
{
    char text[4096];

    pthread_mutex_lock(&mtx);
    size_t n = (size_t)snprintf(text, sizeof text, "rounds %u", rounds);
    for (unsigned t = 0; t < 256; t++)
        if (counts[t] > 0)
            n += (size_t)snprintf(text + n, sizeof text - n, " %s %lu", p9_type_name(t), counts[t]);
    memset(counts, 0, sizeof counts);
    rounds = arrived = 0;
    pthread_mutex_unlock(&mtx);
    text[n++] = '\n';
    if (write(fd, text, n) < 0)
        perror("relay");
}

/* A thread: writes the totals at each signal. */
static void *totals_main(void *path)
{
    sigset_t usr1;
    char temporary[4096];
    int sig;

    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    snprintf(temporary, sizeof temporary, "%s.new", (const char *)path);
    while (sigwait(&usr1, &sig) == 0) {
        FILE *f = fopen(temporary, "w");
        if (f == NULL)
            exit(1);
        pthread_mutex_lock(&mtx);
        for (unsigned t = 0; t < 256; t++)
            if (totals[t].n > 0)
                fprintf(f, "%s %lu %lu\n", p9_type_name(t), totals[t].n, totals[t].bytes);
        pthread_mutex_unlock(&mtx);
        fclose(f);
        rename(temporary, path);
    }
    return NULL;
}

/* ---- passing on --------------------------------------------------------- */

static void *receive(void *arg)
{
    struct line *l = arg;
    ssize_t n = 1;

    while (n > 0) {
        struct chunk *c = malloc(sizeof *c + CHUNK);
        n = read(l->from, c->bytes, CHUNK);
        c->n = n > 0 ? (size_t)n : 0;
        c->next = NULL;
        if (of_bytes)
            bytes_come(l, c);
        else if (l->requests && counting)
            pass(l, c->bytes, c->n);
        uint64_t start = now();
        start = start > l->free_at ? start : l->free_at;
        l->free_at = per_second > 0 ? start + c->n * 1000000000u / per_second : start;
        c->due = l->free_at + one_way;
        pthread_mutex_lock(&l->mtx);
        *l->last = c;
        l->last = &c->next;
        pthread_cond_signal(&l->more);
        pthread_mutex_unlock(&l->mtx);
    }
    return NULL;
}

static void wait_until(uint64_t due)
{
    struct timespec ts = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        ;
}

static void *deliver(void *arg)
{
    struct line *l = arg;

    for (bool going = true; going;) {
        pthread_mutex_lock(&l->mtx);
        while (l->first == NULL)
            pthread_cond_wait(&l->more, &l->mtx);
        struct chunk *c = l->first;
        l->first = c->next;
        if (l->first == NULL)
            l->last = &l->first;
        pthread_mutex_unlock(&l->mtx);
        wait_until(c->due);
        if (of_bytes)
            bytes_arrive(l, c);
        else if (!l->requests && counting)
            pass(l, c->bytes, c->n);
        for (size_t at = 0; going && at < c->n;) {
            ssize_t w = write(l->to, c->bytes + at, c->n - at);
            going = w > 0;
            at += going ? (size_t)w : 0;
        }
        going = going && c->n > 0;
        free(c);
    }
    shutdown(l->to, SHUT_WR);
    return NULL;
}

static void start(struct line *l, struct link *link, int from, int to, bool requests)
{
    pthread_t in, out;

    l->from = from;
    l->to = to;
    l->requests = requests;
    l->link = link;
    l->last = &l->first;
    pthread_mutex_init(&l->mtx, NULL);
    pthread_cond_init(&l->more, NULL);
    if (pthread_create(&in, NULL, receive, l) != 0 || pthread_create(&out, NULL, deliver, l) != 0)
        exit(1);
    pthread_detach(in);
    pthread_detach(out);
}

static int endpoint(const char *port, bool listening)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = listening ? bind(s, (struct sockaddr *)&a, sizeof a) : connect(s, (struct sockaddr *)&a, sizeof a);
    if (rc != 0 || (listening && listen(s, 16) != 0)) {
        perror("relay");
        exit(1);
    }
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return s;
}

static void *control_main(void *arg)
{
    int s = *(int *)arg;

    for (int c; (c = accept(s, NULL, NULL)) >= 0; close(c))
        report(c);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t control, totaller;
    int one = 1;
    sigset_t usr1;

    if (argc < 5) {
        fprintf(stderr, "usage: relay PORT CONTROL-PORT SERVER-PORT RTT-MS [BYTES-PER-SECOND [TOTALS]]\n");
        return 2;
    }
    one_way = strtoull(argv[4], NULL, 10) * 500000u;
    per_second = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    of_bytes = strncmp(argv[2], "bytes:", 6) == 0;
    const char *control_port = of_bytes ? argv[2] + 6 : argv[2];
    counting = atoi(control_port) != 0;
    if (argc > 6 && pthread_create(&totaller, NULL, totals_main, argv[6]) != 0)
        return 1;
    int control_fd = counting ? endpoint(control_port, true) : -1, s = endpoint(argv[1], true);
    if (counting && pthread_create(&control, NULL, control_main, &control_fd) != 0)
        return 1;
    for (int c; (c = accept(s, NULL, NULL)) >= 0;) {
        struct link *link = calloc(1, sizeof *link);
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        int server = endpoint(argv[3], false);
        start(&link->up, link, c, server, true);
        start(&link->down, link, server, c, false);
    }
    return 0;
}
