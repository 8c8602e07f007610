/*
 * pause_thread.c: stops one thread of a process, until a line comes on the standard input.
 *
 * pause_thread TID
 *
 * Prints "paused" once the thread runs no more. SIGSTOP stops whole processes only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    const pid_t tid = argc > 1 ? atoi(argv[1]) : 0;

    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0 ||
        waitpid(tid, NULL, __WALL) != tid) {
        perror("pause_thread");
        return 1;
    }
    puts("paused");
    fflush(stdout);
    for (int c = 0; c != '\n' && c != EOF;)
        c = getchar();
    return ptrace(PTRACE_DETACH, tid, NULL, NULL) != 0;
}
