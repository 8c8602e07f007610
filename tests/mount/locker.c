/*
 * locker.c: takes locks for the mount tests.
 *
 *   locker FILE WORD...
 *
 * Words are done in turn: rd:START:LEN wr:START:LEN un:START:LEN (F_SETLK), wait-wr:START:LEN (F_SETLKW), get:START:LEN
 * (F_GETLK), ofd-wr:START:LEN (F_OFD_SETLK), sh, ex, wait-ex (flock), say:TEXT, read (a line from stdin), alarm:MS (a
 * signal that interrupts). Prints for each lock "ok", "held" (EAGAIN), "interrupted", or the error; get prints
 * "free" or "held by PID".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <unistd.h>

static void tell(int rc)
{
    if (rc == 0)
        puts("ok");
    else if (errno == EAGAIN || errno == EACCES)
        puts("held");
    else if (errno == EINTR)
        puts("interrupted");
    else
        puts(strerror(errno));
    fflush(stdout);
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void do_range(int fd, const char *word)
{
    static const struct {
        const char *word;
        short type;
        int cmd;
    } words[] = {
        {"rd:", F_RDLCK, F_SETLK},       {"wr:", F_WRLCK, F_SETLK},  {"un:", F_UNLCK, F_SETLK},
        {"wait-wr:", F_WRLCK, F_SETLKW}, {"get:", F_WRLCK, F_GETLK}, {"ofd-wr:", F_WRLCK, F_OFD_SETLK},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        struct flock l = {.l_type = words[i].type};
        long start, len;
        if (strncmp(word, words[i].word, n) != 0 || sscanf(word + n, "%ld:%ld", &start, &len) != 2)
            continue;
        l.l_start = start;
        l.l_len = len;
        int rc = fcntl(fd, words[i].cmd, &l);
        if (words[i].cmd != F_GETLK || rc != 0)
            tell(rc);
        else if (l.l_type == F_UNLCK)
            puts("free");
        else
            printf("held by %d\n", (int)l.l_pid);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const struct sigaction sa = {.sa_handler = on_alarm};
    int fd = open(argc > 1 ? argv[1] : "", O_RDWR);
    char line[64];

    if (fd < 0) {
        perror("locker");
        return 1;
    }
    sigaction(SIGALRM, &sa, NULL);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "sh") == 0) {
            tell(flock(fd, LOCK_SH | LOCK_NB));
        } else if (strcmp(argv[i], "ex") == 0) {
            tell(flock(fd, LOCK_EX | LOCK_NB));
        } else if (strcmp(argv[i], "wait-ex") == 0) {
            tell(flock(fd, LOCK_EX));
        } else if (strncmp(argv[i], "say:", 4) == 0) {
            puts(argv[i] + 4);
            fflush(stdout);
        } else if (strcmp(argv[i], "read") == 0) {
            if (fgets(line, sizeof line, stdin) == NULL)
                return 0;
        } else if (strncmp(argv[i], "alarm:", 6) == 0) {
            struct itimerval t = {.it_value = {.tv_usec = atol(argv[i] + 6) * 1000}};
            setitimer(ITIMER_REAL, &t, NULL);
        } else {
            do_range(fd, argv[i]);
        }
    }
    return 0;
}
