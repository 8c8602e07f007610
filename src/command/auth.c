/*
 * auth.c: passes an afid's byte stream between the server and the authentication command.
 */
#include "command/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"

enum { CHUNK = 4096 };

/* From the server to the command, until either ends it or the scope is interrupted. */
struct inflow {
    struct p9_fid *afid;
    struct p9_scope scope;
    int to;
};

static bool write_all(int fd, const uint8_t *buf, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, buf, n);
        if (w <= 0)
            return false;
        buf += w;
        n -= (size_t)w;
    }
    return true;
}

static void *inflow_main(void *arg)
{
    struct inflow *in = arg;
    uint8_t buf[CHUNK];
    uint64_t offset = 0;
    ssize_t n = 1;

    while (n > 0) {
        struct p9_io io = {.fid = in->afid,
                           .buf = buf,
                           .offset = offset,
                           .count = sizeof buf < in->afid->iounit ? sizeof buf : in->afid->iounit,
                           .short_ok = true,
                           .scope = &in->scope};
        n = p9_read_wait(&io);
        if (n > 0 && !write_all(in->to, buf, (size_t)n))
            n = 0;
        offset += n > 0 ? (uint64_t)n : 0;
    }
    close(in->to);
    return NULL;
}

/* From the command to the server, until the command ends its output. */
static int outflow(struct p9_scope *sc, struct p9_fid *afid, int from)
{
    uint8_t buf[CHUNK];
    uint64_t offset = 0;
    ssize_t n;

    while ((n = read(from, buf, sizeof buf)) > 0) {
        struct p9_io io = {
            .fid = afid, .buf = buf, .offset = offset, .count = (uint32_t)n, .in_order = true, .scope = sc};
        ssize_t put = p9_write_wait(&io);
        if (put != n)
            return put < 0 ? (int)put : -EIO;
        offset += (uint64_t)n;
    }
    return 0;
}

static pid_t start(const char *command, const char *uname, const char *aname, int in, int out)
{
    const char *script = "P9_UNAME=$1 P9_ANAME=$2; export P9_UNAME P9_ANAME; eval \"$0\"";
    char *argv[] = {"sh", "-c", (char *)script, (char *)command, (char *)uname, (char *)aname, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t defaults, none;
    pid_t pid = -1;

    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    sigemptyset(&none); /* the threads of the mount block the signals that end it */
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    int rc = posix_spawn(&pid, "/bin/sh", &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rc == 0 ? pid : -rc;
}

/* The command's exit status, or its signal, into *why or the log. */
static void report_status(int status, struct p9_why *why)
{
    struct p9_why reason;

    snprintf(reason.text, sizeof reason.text, "the authentication command ended with %s %d",
             WIFEXITED(status) ? "status" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    if (why != NULL)
        *why = reason;
    else
        log_error("%s", reason.text);
}

static int converse(struct p9_scope *sc, struct p9_fid *afid, pid_t pid, int to, int from, struct p9_why *why)
{
    struct inflow in = {.afid = afid, .scope = {.restores = sc != NULL && sc->restores}, .to = to};
    pthread_t thread;
    int status, rc = thread_start(&thread, inflow_main, &in);
    bool flowing = rc == 0;

    if (flowing)
        rc = outflow(sc, afid, from);
    else
        close(to);
    close(from);
    if (rc != 0)
        kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (flowing) {
        p9_interrupt(p9_client_session(afid->client), &in.scope);
        pthread_join(thread, NULL);
    }
    if (rc == 0 && status != 0) {
        report_status(status, why);
        rc = -EACCES;
    }
    return rc;
}

static int run_command(struct p9_scope *sc, struct p9_fid *afid, const char *command, const char *uname,
                       const char *aname, struct p9_why *why)
{
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return -EMFILE;
    }
    pid_t pid = start(command, uname, aname, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (pid > 0)
        return converse(sc, afid, pid, in[1], out[0], why);
    close(in[1]);
    close(out[0]);
    return pid;
}

int auth_prepare(struct p9_scope *sc, struct p9_client *c, const char *command, const char *uname, uint32_t n_uname,
                 const char *aname, struct p9_fid **afid, struct p9_why *why)
{
    if (why != NULL)
        why->text[0] = 0;
    *afid = NULL;
    int rc = command != NULL ? p9_auth(sc, c, uname, n_uname, aname, afid) : 0;
    if (rc == 0 && command != NULL)
        rc = run_command(sc, *afid, command, uname, aname, why);
    return rc;
}

int auth_attach(struct p9_scope *sc, struct p9_client *c, const char *command, const char *uname, uint32_t n_uname,
                const char *aname, struct p9_fid **root, struct p9_why *why)
{
    struct p9_fid *afid;
    int rc = auth_prepare(sc, c, command, uname, n_uname, aname, &afid, why);

    if (rc == 0)
        rc = p9_attach(sc, c, uname, n_uname, aname, afid, root);
    p9_fid_put(afid);
    return rc;
}

bool auth_wanted(struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname)
{
    struct p9_fid *afid = NULL;
    bool wanted = p9_auth(NULL, c, uname, n_uname, aname, &afid) == 0;

    p9_fid_put(afid);
    return wanted;
}
