/*
 * unmounter.c: the process that unmounts. All it does is to wait for a byte in a pipe: then it
 * unmounts the one directory, and its exit status is the result. It ends with the pipe.
 *
 * umount(2) requires CAP_SYS_ADMIN, which is nearly all of root's power. The process that reads
 * what servers send does not keep that for the moment in which a signal ends the mount.
 */
#include "command/unmounter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/close_from.h"
#include "command/mount.h"
#include "command/privileges.h"

static pid_t process;
static int pipe_end = -1;

/* Nothing of the caller's stays open here, nor its terminal or directory in use. A signal to all
 * processes of a group or service is for the process that serves. */
static void detach(int from)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    if (dup2(from, 0) < 0 || chdir("/") < 0)
        _exit(errno);
    close_from(1);
    privileges_only_unmount();
}

static void unmounter_main(int from, const char *mountpoint)
{
    char byte;
    ssize_t n;

    detach(from);
    do
        n = read(0, &byte, 1);
    while (n < 0 && errno == EINTR);
    _exit(n == 1 && umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) != 0 ? errno : 0);
}

int unmounter_start(const char *mountpoint)
{
    char name[16] = "";
    int fds[2];

    if (!privileges_to_mount() || mount_fd(mountpoint) >= 0)
        return 0;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    prctl(PR_GET_NAME, name, 0, 0, 0);
    prctl(PR_SET_NAME, "9pfs-unmount", 0, 0, 0); /* at no time do two processes have the same name */
    process = fork();
    int err = process < 0 ? -errno : 0;
    if (process == 0)
        unmounter_main(fds[0], mountpoint);
    prctl(PR_SET_NAME, name, 0, 0, 0);
    close(fds[0]);
    if (err == 0)
        pipe_end = fds[1];
    else
        close(fds[1]);
    return err;
}

bool unmounter_waits(void)
{
    return pipe_end >= 0;
}

/* The status with which the process has ended. */
static int end(void)
{
    int status = 0;

    close(pipe_end);
    pipe_end = -1;
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ESRCH;
}

/* With the device open, umount(2) would wait for answers. */
int unmounter_unmount(int device)
{
    if (dup3(pipe_end, device, O_CLOEXEC) < 0)
        return -errno;
    ssize_t n = write(pipe_end, "", 1); /* if it fails, the process has ended: its status says so */

    (void)n;
    return -end();
}

void unmounter_stop(void)
{
    if (unmounter_waits())
        end();
}
