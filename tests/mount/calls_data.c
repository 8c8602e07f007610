/*
 * calls_data.c: checks of file data and times: holes, mapped pages, truncation, running programs.
 */
#include "mount/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The protocol has no holes: all is data, and the only hole is at the end. */
static void holes(void)
{
    int fd = make("f", "0123456789");

    CHECK(ftruncate(fd, 100000) == 0);
    CHECK(lseek(fd, 5, SEEK_DATA) == 5);
    CHECK(lseek(fd, 5, SEEK_HOLE) == 100000);
    CHECK(lseek(fd, 100000, SEEK_DATA) == -1 && errno == ENXIO);
    CHECK(lseek(fd, 100001, SEEK_HOLE) == -1 && errno == ENXIO);
    close(fd);
    CHECK(unlink("f") == 0);
}

/* fallocate fails, as it cannot reserve space; the emulation of the C library keeps all data. */
static void allocate(void)
{
    struct stat st;
    int fd = make("f", "content");

    CHECK(fallocate(fd, 0, 0, 100000) == -1 && errno == EOPNOTSUPP);
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4) == -1 && errno == EOPNOTSUPP);
    CHECK(holds("f", "content"));
    CHECK(posix_fallocate(fd, 0, 20000) == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 20000);
    char buf[8] = "";
    CHECK(pread(fd, buf, 7, 0) == 7 && strcmp(buf, "content") == 0);
    close(fd);
    CHECK(unlink("f") == 0);
}

static void copy_range(void)
{
    int from = make("from", "some content"), to = make("to", "0123456789");
    off_t in = 5, out = 2;

    ssize_t n = copy_file_range(from, &in, to, &out, 3, 0);
    CHECK(n == 3 || (n == -1 && (errno == EOPNOTSUPP || errno == EXDEV)));
    CHECK(holds("to", n == 3 ? "01con56789" : "0123456789"));
    CHECK(holds("from", "some content"));
    close(from);
    close(to);
    CHECK(unlink("from") == 0 && unlink("to") == 0);
}

static void maps(void)
{
    static char zero[20000];
    int fd = make("f", "");

    CHECK(write(fd, zero, sizeof zero) == sizeof zero);
    char *shared = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    strcpy(private + 100, "mine");
    strcpy(shared + 8190, "shared");
    CHECK(msync(shared, sizeof zero, MS_SYNC) == 0);
    char buf[8] = "";
    CHECK(pread(fd, buf, 6, 8190) == 6 && strcmp(buf, "shared") == 0);
    CHECK(pread(fd, buf, 1, 100) == 1 && buf[0] == 0);
    CHECK(pwrite(fd, "written", 7, 12000) == 7);
    CHECK(memcmp(shared + 12000, "written", 7) == 0);
    strcpy(shared + 16000, "late"); /* munmap and close write it back */
    CHECK(munmap(shared, sizeof zero) == 0 && munmap(private, sizeof zero) == 0 && close(fd) == 0);
    fd = open("f", O_RDONLY);
    CHECK(pread(fd, buf, 5, 16000) == 5 && strcmp(buf, "late") == 0);
    CHECK(pread(fd, buf, 6, 8190) == 6 && memcmp(buf, "shared", 6) == 0);
    close(fd);
    CHECK(unlink("f") == 0);
}

static void set_times(bool seconds)
{
    long a = seconds ? 0 : 7, m = seconds ? 0 : 987654321;
    struct stat st;
    int fd = make("f", "x");

    CHECK(futimens(fd, (struct timespec[]){{1000, 5}, {2000, m}}) == 0);
    CHECK(futimens(fd, (struct timespec[]){{3000, a}, {9, UTIME_OMIT}}) == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_atim.tv_sec == 3000 && st.st_atim.tv_nsec == a);
    CHECK(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == m);
    time_t before = st.st_ctime;
    CHECK(utimensat(AT_FDCWD, "f", (struct timespec[]){{9, UTIME_OMIT}, {9, UTIME_NOW}}, 0) == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_atim.tv_sec == 3000 && st.st_mtim.tv_sec >= before - 1);
    close(fd);
    CHECK(unlink("f") == 0);
}

static void times(void)
{
    set_times(false);
}

static void times_in_seconds(void)
{
    set_times(true);
}

/* A running program cannot be written, and a file open for writing cannot be run. */
static void busy_text(void)
{
    int status, fd = open("prog", O_WRONLY | O_CREAT, 0755), from = open("/bin/sleep", O_RDONLY);
    static char buf[1 << 20];
    ssize_t n;

    CHECK(fd >= 0 && from >= 0);
    while ((n = read(from, buf, sizeof buf)) > 0)
        CHECK(write(fd, buf, (size_t)n) == n);
    execl("./prog", "prog", "0", (char *)NULL);
    CHECK(errno == ETXTBSY);
    close(fd);
    close(from);
    int go[2];
    CHECK(pipe2(go, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        execl("./prog", "prog", "100", (char *)NULL);
        _exit(127);
    }
    close(go[1]);
    CHECK(read(go[0], buf, 1) == 0); /* it is running */
    CHECK(open("prog", O_WRONLY) == -1 && errno == ETXTBSY);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    CHECK(unlink("prog") == 0);
}

/* A file that is open for writing can be truncated, whatever its mode is now. */
static void truncate_by_file(void)
{
    CHECK(chmod(".", 0777) == 0 && seteuid(1) == 0);
    int fd = make("f", "content");
    CHECK(seteuid(0) == 0 && chown("f", 0, 0) == 0 && chmod("f", 0) == 0 && seteuid(1) == 0);
    CHECK(ftruncate(fd, 3) == 0);
    close(fd);
    CHECK(seteuid(0) == 0 && unlink("f") == 0);
}

const struct check data_checks[] = {
    {"holes", holes},
    {"allocate", allocate},
    {"copy_range", copy_range},
    {"truncate_by_file", truncate_by_file},
    {"maps", maps},
    {"times", times},
    {"times_in_seconds", times_in_seconds},
    {"busy_text", busy_text},
    {NULL, NULL},
};
