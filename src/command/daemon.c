/*
 * daemon.c: the background. The fork comes before threads and connections, which so belong to the
 * child. The parent waits for the outcome, which is its exit status.
 */
#include "command/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/null.h"

static int ready_fd = -1, null_fd = -1;

/* ---- descriptors -------------------------------------------------------- */

static struct {
    int *fds; /* above 2 */
    size_t n;
} inherited;

static int fill_standard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && null_open(0) != fd)
            return -errno;
    return 0;
}

static int note_inherited(int fd)
{
    int *more = realloc(inherited.fds, (inherited.n + 1) * sizeof *more);

    if (more == NULL)
        return -ENOMEM;
    inherited.fds = more;
    inherited.fds[inherited.n++] = fd;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

/* Without /proc: in a chroot, or early during boot. */
static int note_without_proc(void)
{
    enum { MAX_TRIED = 65536 };
    struct rlimit limit;
    int err = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > MAX_TRIED)
        limit.rlim_cur = MAX_TRIED;
    for (int fd = 3; err == 0 && fd < (int)limit.rlim_cur; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            err = note_inherited(fd);
    return err;
}

bool daemon_inherited(int fd)
{
    for (size_t i = 0; i < inherited.n; i++)
        if (inherited.fds[i] == fd)
            return true;
    return fd >= 0 && fd <= 2;
}

int daemon_begin(void)
{
    int err = fill_standard();
    DIR *d = err == 0 ? opendir("/proc/self/fd") : NULL;

    if (err == 0 && d == NULL)
        return note_without_proc();
    for (struct dirent *de; err == 0 && (de = readdir(d)) != NULL;) {
        int fd = atoi(de->d_name); /* 0 for "." and ".." */
        if (fd > 2 && fd != dirfd(d))
            err = note_inherited(fd);
    }
    if (d != NULL)
        closedir(d);
    return err;
}

static void close_inherited(const int *keep, size_t n)
{
    for (size_t i = 0; i < inherited.n; i++) {
        bool keeps = false;
        for (size_t k = 0; k < n; k++)
            keeps = keeps || keep[k] == inherited.fds[i];
        if (!keeps)
            close(inherited.fds[i]);
    }
    free(inherited.fds);
    inherited.fds = NULL;
    inherited.n = 0;
}

/* ---- the background ----------------------------------------------------- */

/* All the parent does. A byte means that the child is ready; the end of the stream, that it
 * ended. */
static void wait_for_child(int fd, pid_t child)
{
    char byte;
    int status;
    ssize_t n;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(0);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            _exit(1);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Asks for SIGTERM when the other end closes: the parent, which alone has it, was killed. */
static void end_with_parent(int fd)
{
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETSIG, SIGTERM);
    fcntl(fd, F_SETFL, O_ASYNC);
}

int daemon_fork(const int *keep, size_t n)
{
    int fds[2];

    null_fd = null_open(O_CLOEXEC);
    /* Not a pipe: on Linux 6.1 a read that has to wait signals its writer. */
    if (null_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    pid_t child = fork();
    if (child < 0) {
        int err = errno;
        close(fds[0]);
        close(fds[1]);
        return -err;
    }
    if (child > 0) {
        close(fds[1]);
        wait_for_child(fds[0], child);
    }
    close(fds[0]);
    ready_fd = fds[1];
    end_with_parent(ready_fd);
    close_inherited(keep, n);
    return 0;
}

int daemon_ready(void)
{
    if (ready_fd < 0)
        return 0;
    log_to_syslog();
    setsid();
    if (chdir("/") < 0)
        log_error("cannot change to the root directory");
    for (int fd = 0; fd <= 2; fd++)
        dup2(null_fd, fd);
    close(null_fd);
    fcntl(ready_fd, F_SETFL, 0); /* no SIGTERM when the parent reads the byte */
    int err = write(ready_fd, "", 1) == 1 ? 0 : -errno;
    close(ready_fd);
    ready_fd = -1;
    return err;
}
