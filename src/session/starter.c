/*
 * starter.c: the process that starts commands: its life, and what the process that serves tells
 * it.
 *
 * It gets a byte in a socket: START, with three descriptors, or SETTLE. It ends with the socket,
 * and its commands with it. A command that is to end has its input closed already; after a
 * moment it gets SIGTERM, and after another one SIGKILL, as do the processes that it has
 * started, unless they have left its process group.
 *
 * Until SETTLE a person may be there, whom the command asks for a password: it is in the
 * foreground of the terminal, as a shell would have it. The interrupt key then ends the command
 * and not the mount. After that a command has no terminal.
 */
#include "session/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/close_from.h"
#include "base/null.h"
#include "base/words.h"

enum { START = 'S', SETTLE = 'R' };
enum { PASSED = 3 }; /* descriptors with START */
enum { TERM_AFTER_MS = 500, KILL_AFTER_MS = 1000 };
enum { MOST_JOBS = 16 }; /* one is in use; others may be about to end */

struct p9_starter {
    pid_t pid;
    int socket;
    char *command;
};

/* ---- the process ---------------------------------------------------------- */

/* A command that runs. */
struct job {
    pid_t pid;   /* of its process, and of its process group; 0: none */
    int reports; /* -1 once it is to end */
    int signal;  /* the next one, */
    uint64_t at; /* and when, of clock_ms(), once it is to end */
};

static struct {
    const char *command;
    int socket, children, terminal; /* -1: none */
    bool settled;
    struct job jobs[MOST_JOBS];
} here;

/* Nothing of the caller's stays open, nor a directory in use. Signals are for the process that
 * serves; here they are only read. */
static void detach(int socket)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    int null = null_open(0);
    if (chdir("/") < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(1);
    if (socket != 3 && dup3(socket, 3, O_CLOEXEC) < 0)
        _exit(1);
    close_from(4);
    here.socket = 3;
    here.children = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    here.terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (here.children < 0)
        _exit(1);
}

static void give_terminal(pid_t group)
{
    if (here.terminal >= 0)
        tcsetpgrp(here.terminal, group);
}

/* The command's process: whether it fails to execute, `reports` gets to know. */
__attribute__((noreturn)) static void execute(const int *fds)
{
    char *shell[] = {"/bin/sh", "-c", (char *)here.command, NULL}, **words;
    char **argv = words_split(here.command, &words) == 0 ? words : shell;
    sigset_t none;

    if (here.settled)
        setsid();
    else
        setpgid(0, 0);
    if (here.terminal >= 0 && tcgetpgrp(here.terminal) == getpgid(getppid()))
        give_terminal(getpid());
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(fds[0], 0) >= 0 && dup2(fds[0], 1) >= 0 && dup2(fds[1], 2) >= 0)
        execvp(argv[0], argv);
    const struct starter_report r = {STARTER_NOT_EXECUTED, errno};
    _exit(send(fds[2], &r, sizeof r, MSG_NOSIGNAL) == sizeof r ? 127 : 126);
}

static void report(const struct job *j, int what, int value)
{
    const struct starter_report r = {what, value};
    ssize_t n = send(j->reports, &r, sizeof r, MSG_NOSIGNAL | MSG_DONTWAIT);

    (void)n; /* nobody may listen any more */
}

static void start(const int *fds)
{
    struct job *j = here.jobs;

    while (j < here.jobs + MOST_JOBS && j->pid != 0)
        j++;
    if (j == here.jobs + MOST_JOBS) {
        report(&(struct job){.reports = fds[2]}, STARTER_NOT_EXECUTED, EAGAIN);
        close(fds[2]);
        return;
    }
    *j = (struct job){.pid = fork(), .reports = fds[2]};
    if (j->pid == 0)
        execute(fds);
    if (j->pid < 0) {
        report(j, STARTER_NOT_EXECUTED, errno);
        close(j->reports);
        j->pid = 0;
    } else if (!here.settled) {
        setpgid(j->pid, j->pid); /* whoever is first */
    }
}

static void take_terminal_back(void)
{
    pid_t foreground = here.terminal >= 0 ? tcgetpgrp(here.terminal) : -1;

    for (struct job *j = here.jobs; j < here.jobs + MOST_JOBS; j++)
        if (j->pid != 0 && j->pid == foreground)
            give_terminal(getpgrp());
}

static void settle(void)
{
    take_terminal_back();
    if (here.terminal >= 0)
        close(here.terminal);
    here.terminal = -1;
    here.settled = true;
    setsid();
}

/* False at the end. */
static bool take_order(void)
{
    char byte = 0, space[CMSG_SPACE(PASSED * sizeof(int))];
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    int fds[PASSED];

    if (recvmsg(here.socket, &msg, MSG_CMSG_CLOEXEC) <= 0)
        return false;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (byte == SETTLE)
        settle();
    if (byte != START || c == NULL || c->cmsg_len != CMSG_LEN(sizeof fds))
        return true;
    memcpy(fds, CMSG_DATA(c), sizeof fds);
    start(fds);
    close(fds[0]);
    close(fds[1]);
    return true;
}

static void begin_end(struct job *j)
{
    if (j->pid == 0 || j->reports < 0)
        return;
    close(j->reports);
    j->reports = -1;
    j->signal = SIGTERM;
    j->at = clock_ms() + TERM_AFTER_MS;
}

static void signal_when_due(struct job *j)
{
    if (j->pid == 0 || j->reports >= 0 || j->signal == 0 || clock_ms() < j->at)
        return;
    kill(-j->pid, j->signal);
    kill(-j->pid, SIGCONT);
    j->signal = j->signal == SIGTERM ? SIGKILL : 0;
    j->at += KILL_AFTER_MS;
}

/* The group is ended before its number can be another's. */
static void look_after(struct job *j)
{
    siginfo_t info = {.si_pid = 0};
    int status;

    while (waitid(P_PID, (id_t)j->pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0) {
        kill(-j->pid, SIGCONT); /* nobody could continue it */
        info.si_pid = 0;
    }
    info.si_pid = 0;
    if (waitid(P_PID, (id_t)j->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return;
    if (!here.settled)
        take_terminal_back();
    kill(-j->pid, SIGKILL);
    waitpid(j->pid, &status, 0);
    if (j->reports >= 0) {
        report(j, STARTER_ENDED, status);
        close(j->reports);
    }
    j->pid = 0;
}

/* Milliseconds until a signal is due; -1: none will be. */
static int next_due(void)
{
    uint64_t now = clock_ms();
    int ms = -1;

    for (struct job *j = here.jobs; j < here.jobs + MOST_JOBS; j++)
        if (j->pid != 0 && j->reports < 0 && j->signal != 0) {
            int left = j->at > now ? (int)(j->at - now) : 0;
            ms = ms < 0 || left < ms ? left : ms;
        }
    return ms;
}

/* False once there is nothing left to do. */
static bool step(void)
{
    struct pollfd p[MOST_JOBS + 2] = {{.fd = here.socket, .events = POLLIN}, {.fd = here.children, .events = POLLIN}};
    struct signalfd_siginfo unused;
    bool running = false;

    for (int i = 0; i < MOST_JOBS; i++)
        p[i + 2].fd = here.jobs[i].pid != 0 ? here.jobs[i].reports : -1; /* for POLLHUP */
    if (poll(p, MOST_JOBS + 2, next_due()) < 0)
        return true;
    while (read(here.children, &unused, sizeof unused) > 0)
        ;
    for (int i = 0; i < MOST_JOBS; i++) {
        struct job *j = &here.jobs[i];
        if (p[i + 2].revents != 0)
            begin_end(j);
        signal_when_due(j);
        if (j->pid != 0)
            look_after(j);
        running = running || j->pid != 0;
    }
    if (p[0].revents != 0 && !take_order()) {
        close(here.socket);
        here.socket = -1;
        for (int i = 0; i < MOST_JOBS; i++)
            begin_end(&here.jobs[i]);
    }
    return here.socket >= 0 || running;
}

__attribute__((noreturn)) static void starter_main(int socket, const char *command)
{
    here.command = command;
    detach(socket);
    while (step())
        ;
    _exit(0);
}

/* ---- the process that serves ---------------------------------------------- */

struct p9_starter *p9_starter_new(const char *command, int *err)
{
    struct p9_starter *s = calloc(1, sizeof *s);
    char name[16] = "";
    int fds[2];

    *err = -ENOMEM;
    if (s == NULL || (s->command = strdup(command)) == NULL) {
        free(s);
        return NULL;
    }
    *err = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno;
    if (*err == 0) {
        prctl(PR_GET_NAME, name, 0, 0, 0);
        prctl(PR_SET_NAME, "9pfs-command", 0, 0, 0); /* at no time do two processes have the same name */
        s->pid = fork();
        *err = s->pid < 0 ? -errno : 0;
        if (s->pid == 0)
            starter_main(fds[1], command);
        prctl(PR_SET_NAME, name, 0, 0, 0);
        close(fds[1]);
        s->socket = fds[0];
        if (*err == 0)
            return s;
        close(fds[0]);
    }
    free(s->command);
    free(s);
    return NULL;
}

static int order(struct p9_starter *s, char what, const int *fds)
{
    char space[CMSG_SPACE(PASSED * sizeof(int))] = {0};
    struct iovec iov = {&what, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fds != NULL) {
        msg.msg_control = space;
        msg.msg_controllen = sizeof space;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        *c = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(PASSED * sizeof(int))};
        memcpy(CMSG_DATA(c), fds, PASSED * sizeof(int));
    }
    return sendmsg(s->socket, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int starter_start(struct p9_starter *s, int io, int messages, int reports)
{
    return order(s, START, (const int[PASSED]){io, messages, reports});
}

const char *starter_command(const struct p9_starter *s)
{
    return s->command;
}

void p9_starter_settle(struct p9_starter *s)
{
    if (s != NULL)
        order(s, SETTLE, NULL);
}

void p9_starter_free(struct p9_starter *s)
{
    if (s == NULL)
        return;
    close(s->socket);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(s->command);
    free(s);
}
