/*
 * locker.c: acquires locks for the mount tests.
 *
 * locker [-r] FILE WORD...
 *
 * -r opens the file read-only. The words are processed in order:
 *
 * rd:START:LEN wr:START:LEN un:START:LEN   F_SETLK
 * wait-wr:START:LEN                        F_SETLKW
 * get:START:LEN                            F_GETLK; prints "free" or "held by PID"
 * ofd-wr:START:LEN                         F_OFD_SETLK
 * sh ex wait-ex                            flock(2)
 * closed:N ofd-closed:N                    N times: a descriptor gets a flock or OFD lock, and is
 *                                          closed; another asks for the lock; prints how often that
 *                                          gets it
 * dup:N                                    the same, but only a duplicate of the first is closed
 * in:FILE                                  the next words are for that file
 * see:OFFSET                               prints three bytes of the file
 * write sync                               writes three bytes at the start; fsync(2)
 * say:TEXT read                            prints; reads a line of stdin
 * alarm:MS                                 a signal that interrupts
 *
 * Every lock, write and sync prints "ok", "held" (EAGAIN), "interrupted", or the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <unistd.h>

static void print_result(int rc)
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

static int lock_all(int fd, bool ofd)
{
    struct flock l = {.l_type = F_WRLCK};

    return ofd ? fcntl(fd, F_OFD_SETLK, &l) : flock(fd, LOCK_EX | LOCK_NB);
}

static void close_and_lock(const char *file, int times, bool ofd, bool copy)
{
    int got = 0;

    for (int i = 0; i < times; i++) {
        int a = open(file, O_RDWR), b = open(file, O_RDWR), c = copy ? dup(a) : -1;
        if (lock_all(a, ofd) != 0)
            perror("the first");
        close(copy ? c : a);
        got += lock_all(b, ofd) == 0;
        close(b);
        if (copy)
            close(a);
    }
    printf("%d\n", got);
    fflush(stdout);
}

static void see(int fd, off_t offset)
{
    char bytes[4] = "";

    if (pread(fd, bytes, 3, offset) != 3)
        perror("see");
    puts(bytes);
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
            print_result(rc);
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
    const bool reads = argc > 1 && strcmp(argv[1], "-r") == 0;
    char line[64];

    argv += reads;
    argc -= reads;
    int fd = open(argc > 1 ? argv[1] : "", reads ? O_RDONLY : O_RDWR);

    if (fd < 0) {
        perror("locker");
        return 1;
    }
    sigaction(SIGALRM, &sa, NULL);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "sh") == 0) {
            print_result(flock(fd, LOCK_SH | LOCK_NB));
        } else if (strcmp(argv[i], "ex") == 0) {
            print_result(flock(fd, LOCK_EX | LOCK_NB));
        } else if (strcmp(argv[i], "wait-ex") == 0) {
            print_result(flock(fd, LOCK_EX));
        } else if (strncmp(argv[i], "say:", 4) == 0) {
            puts(argv[i] + 4);
            fflush(stdout);
        } else if (strcmp(argv[i], "read") == 0) {
            if (fgets(line, sizeof line, stdin) == NULL)
                return 0;
        } else if (strncmp(argv[i], "see:", 4) == 0) {
            see(fd, atol(argv[i] + 4));
        } else if (strcmp(argv[i], "write") == 0) {
            print_result(pwrite(fd, "xxx", 3, 0) == 3 ? 0 : -1);
        } else if (strcmp(argv[i], "sync") == 0) {
            print_result(fsync(fd));
        } else if (strncmp(argv[i], "in:", 3) == 0) {
            fd = open(argv[i] + 3, O_RDWR);
        } else if (strncmp(argv[i], "closed:", 7) == 0) {
            close_and_lock(argv[1], atoi(argv[i] + 7), false, false);
        } else if (strncmp(argv[i], "ofd-closed:", 11) == 0) {
            close_and_lock(argv[1], atoi(argv[i] + 11), true, false);
        } else if (strncmp(argv[i], "dup:", 4) == 0) {
            close_and_lock(argv[1], atoi(argv[i] + 4), false, true);
        } else if (strncmp(argv[i], "alarm:", 6) == 0) {
            struct timeval ms = {.tv_usec =
                                     atol(argv[i] + 6) * 1000}; /* 0: none; again, as the first may be too early */
            struct itimerval t = {.it_value = ms, .it_interval = ms};
            setitimer(ITIMER_REAL, &t, NULL);
        } else {
            do_range(fd, argv[i]);
        }
    }
    return 0;
}
