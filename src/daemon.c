/*
 * daemon.c: the fork comes first, so that threads and connections belong to the child, and the
 * parent stays until it knows: its exit status is the mount's.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

static int ready_fd = -1;

/* The parent's life: a byte means ready; the end of the pipe that the child is gone. */
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

int daemon_fork(void)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
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
    return 0;
}

void daemon_ready(void)
{
    if (ready_fd < 0)
        return;
    log_to_syslog();
    setsid();
    if (chdir("/") < 0)
        log_error("cannot leave the current directory");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    ssize_t n = write(ready_fd, "", 1);
    (void)n; /* the parent was killed: there is nobody to tell */
    close(ready_fd);
    ready_fd = -1;
}
