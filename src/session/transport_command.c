/*
 * transport_command.c: a command whose standard input and output carry 9P.
 *
 * The process of starter.h starts and ends it. A thread here logs the lines of its standard
 * error and hears how it ended. Until the server has said something the last line is held back:
 * a command that fails is one line for the user, which has that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "session/starter.h"
#include "session/transport_impl.h"

enum {
    LONGEST_LINE = 200,
    MOST_LINES = 100, /* logged in LINES_MS; the others are counted */
    LINES_MS = 10000,
    HELD_MS = 2000,     /* how long a line is held back */
    END_WAIT_MS = 2000, /* how long the reader waits for the status of a command that has hung up */
    LAST_READS = 128,   /* of messages after its end: as many as a pipe holds */
    SHOWN_OF_COMMAND = 60,
};

struct command {
    struct transport t; /* first */
    const char *text;   /* the starter's */
    int messages, reports, quit;
    pthread_t listener;
    atomic_bool heard;    /* the server has said something */
    atomic_bool hung_up;  /* the command was seen to have closed its end */
    pthread_mutex_t mtx;  /* guards what follows */
    pthread_cond_t ended; /* is_ended, or leaving */
    bool is_ended, leaving;
    struct starter_report end;
    /* Of the listener, until is_ended. */
    char line[LONGEST_LINE + 1], held[LONGEST_LINE + 1];
    size_t length;
    unsigned lines; /* since lines_ms, of clock_ms() */
    uint64_t lines_ms;
};

/* ---- the listener --------------------------------------------------------- */

static void tell_left_out(struct command *c)
{
    if (c->lines > MOST_LINES)
        log_error("command: %u more lines", c->lines - MOST_LINES);
    c->lines = 0;
}

/* The command may pass on what a server says, which is not to fill the log. */
static void release_held(struct command *c)
{
    uint64_t now = clock_ms();

    if (c->held[0] == 0)
        return;
    if (now - c->lines_ms >= LINES_MS) {
        tell_left_out(c);
        c->lines_ms = now;
    }
    if (c->lines++ < MOST_LINES)
        log_error("command: %s", c->held);
    c->held[0] = 0;
}

static void end_line(struct command *c)
{
    c->line[c->length] = 0;
    c->length = 0;
    if (c->line[0] == 0)
        return;
    release_held(c);
    strcpy(c->held, c->line);
    if (atomic_load(&c->heard))
        release_held(c);
}

/* False at the end of the command's standard error. */
static bool take_messages(struct command *c)
{
    char buf[512];
    ssize_t n = read(c->messages, buf, sizeof buf);

    for (ssize_t i = 0; i < n; i++) {
        bool ends = buf[i] == '\n' || buf[i] == '\r';
        if (ends || c->length == LONGEST_LINE)
            end_line(c);
        if (!ends)
            c->line[c->length++] = buf[i];
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Whether the command has ended, or cannot be known to. What it has left behind may go on writing:
 * that is not waited for. */
static bool take_report(struct command *c)
{
    struct starter_report r = {STARTER_NOT_EXECUTED, ESRCH};

    if (recv(c->reports, &r, sizeof r, 0) < 0 && errno == EINTR)
        return false;
    for (int i = 0; i < LAST_READS && poll(&(struct pollfd){.fd = c->messages, .events = POLLIN}, 1, 0) > 0; i++)
        if (!take_messages(c))
            break;
    if (c->length > 0)
        end_line(c);
    pthread_mutex_lock(&c->mtx);
    if (!c->is_ended)
        c->end = r;
    c->is_ended = true;
    pthread_cond_broadcast(&c->ended);
    pthread_mutex_unlock(&c->mtx);
    return true;
}

static void *listener_main(void *arg)
{
    struct command *c = arg;
    struct pollfd p[] = {
        {.fd = c->quit, .events = POLLIN}, {.fd = c->messages, .events = POLLIN}, {.fd = c->reports, .events = POLLIN}};

    while (p[0].revents == 0 && p[2].fd >= 0) {
        int n = poll(p, 3, c->held[0] != 0 ? HELD_MS : -1);
        if (n == 0)
            release_held(c);
        if (n <= 0)
            continue;
        if (p[1].revents != 0 && !take_messages(c))
            p[1].fd = -1;
        if (p[2].revents != 0 && take_report(c))
            p[2].fd = -1;
    }
    return NULL;
}

/* ---- the end -------------------------------------------------------------- */

/* The line for the user. 0 or -ENOLINK. */
static int say_why(struct command *c)
{
    int n = SHOWN_OF_COMMAND, status = c->end.value;
    const char *more = strlen(c->text) > SHOWN_OF_COMMAND ? "..." : "", *colon = c->held[0] != 0 ? ": " : "";

    if (c->end.what == STARTER_NOT_EXECUTED)
        p9_set_why(&c->t.why, 0, "cannot run command '%.*s%s': %s", n, c->text, more, strerror(status));
    else if (WIFSIGNALED(status))
        p9_set_why(&c->t.why, 0, "command '%.*s%s' was killed by signal %d%s%s", n, c->text, more, WTERMSIG(status),
                   colon, c->held);
    else
        p9_set_why(&c->t.why, 0, "command '%.*s%s' exited with status %d%s%s", n, c->text, more, WEXITSTATUS(status),
                   colon, c->held);
    c->held[0] = 0;
    return c->end.what == STARTER_ENDED && status == 0 ? 0 : -ENOLINK;
}

/* The reader has seen the end of the connection: how did the command end? */
static int await_end(struct command *c)
{
    int err = 0;

    pthread_mutex_lock(&c->mtx);
    while (!c->is_ended && !c->leaving)
        if (!thread_wait_ms(&c->ended, &c->mtx, END_WAIT_MS))
            break;
    if (c->is_ended && !c->leaving)
        err = say_why(c);
    pthread_mutex_unlock(&c->mtx);
    return err;
}

/* ---- the transport -------------------------------------------------------- */

static ssize_t command_read(struct transport *t, const struct iovec *iov, int n, bool several)
{
    struct command *c = (struct command *)t;
    ssize_t r = transport_fd_read(t, iov, n, several);

    if (r > 0) {
        if (!atomic_load(&c->heard))
            atomic_store(&c->heard, true);
        return r;
    }
    return await_end(c);
}

static ssize_t command_write(struct transport *t, const struct iovec *iov, int n)
{
    struct command *c = (struct command *)t;
    ssize_t r = transport_fd_write(t, iov, n);

    if (r < 0 && r != -EAGAIN)
        atomic_store(&c->hung_up, true);
    return r;
}

static void command_shutdown(struct transport *t)
{
    struct command *c = (struct command *)t;

    if (!atomic_load(&c->hung_up)) {
        pthread_mutex_lock(&c->mtx);
        c->leaving = true;
        pthread_cond_broadcast(&c->ended);
        pthread_mutex_unlock(&c->mtx);
    }
    transport_fd_shutdown(t);
}

static void command_close(struct transport *t)
{
    struct command *c = (struct command *)t;
    const uint64_t one = 1;

    transport_fd_close(t);
    if (write(c->quit, &one, sizeof one) == sizeof one)
        pthread_join(c->listener, NULL);
    release_held(c);
    tell_left_out(c);
    close(c->quit);
    close(c->messages);
    close(c->reports);
    pthread_cond_destroy(&c->ended);
    pthread_mutex_destroy(&c->mtx);
}

/* ---- the start ------------------------------------------------------------ */

static void close_pair(const int *fds)
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Three pairs, of which the second ones are the command's. The caller closes all of them. */
static int make_pairs(int io[2], int messages[2], int reports[2])
{
    bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, io) == 0 && pipe2(messages, O_CLOEXEC) == 0 &&
                fcntl(messages[0], F_SETFL, O_NONBLOCK) == 0 &&
                socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reports) == 0;

    return made ? 0 : -errno;
}

static int begin(struct command *c, struct p9_starter *s, int io[2], int messages[2], int reports[2],
                 struct p9_why *why)
{
    static const struct transport_ops ops = {command_read, command_write, command_shutdown, command_close};
    int err = make_pairs(io, messages, reports);

    if (err == 0)
        err = transport_init(&c->t, io[0], io[0], why);
    if (err != 0)
        return err;
    c->t.ops = &ops;
    c->text = starter_command(s);
    c->messages = messages[0];
    c->reports = reports[0];
    c->quit = eventfd(0, EFD_CLOEXEC);
    err = c->quit < 0 ? -errno : starter_start(s, io[1], messages[1], reports[1]);
    pthread_mutex_init(&c->mtx, NULL);
    pthread_cond_init(&c->ended, NULL);
    if (err == 0)
        err = thread_start(&c->listener, listener_main, c);
    if (err == 0)
        return 0;
    close(c->t.stop);
    if (c->quit >= 0)
        close(c->quit);
    return err;
}

struct transport *transport_command(struct p9_starter *s, int *err, struct p9_why *why)
{
    int io[2] = {-1, -1}, messages[2] = {-1, -1}, reports[2] = {-1, -1};
    struct command *c = calloc(1, sizeof *c);

    *err = c != NULL ? begin(c, s, io, messages, reports, why) : -ENOMEM;
    if (*err == 0) { /* ours stay */
        close(io[1]);
        close(messages[1]);
        close(reports[1]);
        return &c->t;
    }
    p9_set_why(why, *err, "cannot run command '%.*s': %s", SHOWN_OF_COMMAND, starter_command(s), strerror(-*err));
    close_pair(io);
    close_pair(messages);
    close_pair(reports);
    free(c);
    return NULL;
}
