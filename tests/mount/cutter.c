/*
 * cutter.c: passes messages between a 9P client and a server, and cuts the connection at one.
 *
 *   cutter PORT CONTROL-PORT SERVER-PORT
 *
 * A line sent to CONTROL-PORT arms it:
 *
 *   rst|fin|silence request|reply N    at the Nth request or reply from now on
 *
 * What is cut at is not passed on, nor anything after it; "fin" and "rst" end the connection to the
 * client, and to the server; "silence" leaves both open and passes nothing. Later connections are
 * not cut. The answer to each line is the number of cuts, of requests and of replies since the line
 * before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "9p/codec.h"

enum { MAX_LINKS = 64, CHUNK = 1 << 16 };

static struct {
    enum { NEVER, RST, FIN, SILENCE } how;
    bool reply;
    unsigned long at;
    unsigned long cuts, requests, replies;
} plan;

/* One direction of a connection. */
struct side {
    int from, to;
    bool replies;
    uint8_t head[P9_HDRSZ];
    size_t nhead, skip; /* bytes of the current message: read of its head, left of its body */
};

static struct link {
    bool used, silent;
    struct side up, down;
} links[MAX_LINKS];

/* Until the server has no more to say: what it still does for this connection must not come after
 * what it does for the next. Ten seconds without a word are enough, as a test server may hang. */
static void end_of_server(int fd)
{
    static uint8_t buf[CHUNK];
    const struct timeval limit = {.tv_sec = 10};

    shutdown(fd, SHUT_WR);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (recv(fd, buf, sizeof buf, 0) > 0)
        ;
    close(fd);
}

static void end_link(struct link *k, bool reset)
{
    const struct linger now = {.l_onoff = 1};

    if (reset)
        setsockopt(k->up.from, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(k->up.from);
    end_of_server(k->up.to);
    *k = (struct link){.used = false};
}

static bool pass(const struct side *s, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t w = send(s->to, p, n, MSG_NOSIGNAL);
        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

/* A message begins: whether the connection is cut here. */
static bool cuts_here(const struct side *s)
{
    unsigned long *count = s->replies ? &plan.replies : &plan.requests;

    ++*count;
    if (plan.how == NEVER || plan.reply != s->replies || *count != plan.at)
        return false;
    plan.cuts++;
    return true;
}

/* Passes the bytes on, message by message. False: the link is over, or silent. */
static bool forward(struct link *k, struct side *s, const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t take;
        if (s->skip == 0 && s->nhead < 4) {
            take = n < 4 - s->nhead ? n : 4 - s->nhead;
            memcpy(s->head + s->nhead, p, take);
            s->nhead += take;
            p += take;
            n -= take;
            if (s->nhead < 4)
                return true;
            if (cuts_here(s)) {
                k->silent = plan.how == SILENCE;
                if (!k->silent)
                    end_link(k, plan.how == RST);
                plan.how = NEVER;
                return false;
            }
            s->skip = p9_get32(s->head) - 4;
            if (!pass(s, s->head, 4))
                break;
            continue;
        }
        take = n < s->skip ? n : s->skip;
        if (!pass(s, p, take))
            break;
        s->skip -= take;
        p += take;
        n -= take;
        if (s->skip == 0)
            s->nhead = 0;
    }
    if (n > 0)
        end_link(k, false);
    return n == 0;
}

static void readable(struct link *k, struct side *s)
{
    static uint8_t buf[CHUNK];
    ssize_t n = recv(s->from, buf, sizeof buf, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        end_link(k, false);
    else if (!k->silent)
        forward(k, s, buf, (size_t)n);
}

/* ---- connections ---------------------------------------------------------- */

static int listen_on(int port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 16) < 0) {
        perror("cutter");
        exit(1);
    }
    return fd;
}

static int dial(int port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static void begin_link(int client, int server_port)
{
    struct link *k = links;
    const int on = 1;
    int server = dial(server_port);

    while (k < links + MAX_LINKS && k->used)
        k++;
    if (server < 0 || k == links + MAX_LINKS) {
        close(client);
        if (server >= 0)
            close(server);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *k = (struct link){
        .used = true, .up = {.from = client, .to = server}, .down = {.from = server, .to = client, .replies = true}};
}

static void obey(int fd)
{
    char line[64] = "", how[16] = "", where[16] = "", answer[96];
    unsigned long at = 0;

    for (size_t n = 0; n + 1 < sizeof line && read(fd, line + n, 1) == 1 && line[n] != '\n'; n++)
        ;
    int n = snprintf(answer, sizeof answer, "%lu %lu %lu\n", plan.cuts, plan.requests, plan.replies);
    plan.how = NEVER;
    plan.cuts = plan.requests = plan.replies = 0;
    if (sscanf(line, "%15s %15s %lu", how, where, &at) == 3) {
        plan.how = strcmp(how, "rst") == 0 ? RST : strcmp(how, "fin") == 0 ? FIN : SILENCE;
        plan.reply = strcmp(where, "reply") == 0;
        plan.at = at;
    }
    if (write(fd, answer, (size_t)n) < 0)
        perror("cutter");
    close(fd);
}

int main(int argc, char **argv)
{
    struct pollfd p[2 + 2 * MAX_LINKS];

    if (argc != 4)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it ends with the case that started it */
    p[0] = (struct pollfd){.fd = listen_on(atoi(argv[1])), .events = POLLIN};
    p[1] = (struct pollfd){.fd = listen_on(atoi(argv[2])), .events = POLLIN};
    for (;;) {
        for (int i = 0; i < MAX_LINKS; i++) {
            p[2 + 2 * i] = (struct pollfd){.fd = links[i].used ? links[i].up.from : -1, .events = POLLIN};
            p[3 + 2 * i] = (struct pollfd){.fd = links[i].used ? links[i].down.from : -1, .events = POLLIN};
        }
        if (poll(p, 2 + 2 * MAX_LINKS, -1) < 0)
            continue;
        for (int i = 0; i < MAX_LINKS; i++) {
            if (p[2 + 2 * i].revents != 0 && links[i].used)
                readable(&links[i], &links[i].up);
            if (p[3 + 2 * i].revents != 0 && links[i].used)
                readable(&links[i], &links[i].down);
        }
        if (p[0].revents != 0)
            begin_link(accept(p[0].fd, NULL, NULL), atoi(argv[3]));
        if (p[1].revents != 0)
            obey(accept(p[1].fd, NULL, NULL));
    }
}
