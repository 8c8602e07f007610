/*
 * calls_errors.c: checks of errors that the server returns to write-behind.
 */
#include "mount/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A write of write-behind fails on the server: that is reported once, or else the next attempt
 * stores the data. Prints how often it is reported. */
static void error_reported_once(void)
{
    static char block[300000], there[sizeof block];
    int fd = open("f", O_RDWR | O_CREAT, 0644), reported = 0, whole = 0;

    memset(block, 'x', sizeof block);
    for (int i = 0; i < 10; i++)
        CHECK(write(fd, block, sizeof block) == sizeof block);
    reported += fsync(fd) < 0 && errno == ENOSPC;
    reported += fsync(fd) < 0;
    CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0); /* reads come from the server */
    for (int i = 0; i < 10; i++)
        whole += pread(fd, there, sizeof there, i * (off_t)sizeof there) == sizeof there &&
                 memcmp(there, block, sizeof there) == 0;
    int other = dup(fd);
    reported += close(fd) < 0;
    reported += close(other) < 0;
    printf("%d\n", reported);
    CHECK(reported == (whole == 10 ? 0 : 1));
    fd = open("g", O_WRONLY | O_CREAT, 0644);
    CHECK(write(fd, "x", 1) == 1);
    CHECK(close(fd) == 0);
    CHECK(unlink("f") == 0 && unlink("g") == 0);
}

/* The server stores nothing from this offset on. */
enum { REFUSED = 1000000 };

static void run_a_child(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0); /* with copies of all descriptors */
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Only the writer's fsync clears the error. */
static void error_until_fsync(void)
{
    struct stat st;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int other = open("f", O_RDWR | O_CREAT, 0644), fd = open("f", O_RDWR), copy;

    CHECK(pwrite(fd, "x", 1, REFUSED) == 1);
    CHECK(stat("f", &st) == 0 && fstat(fd, &st) == 0);
    CHECK(fcntl(fd, F_SETLK, &lock) == 0);
    CHECK(rename("f", "g") == 0 && fchmod(fd, 0600) == 0);
    run_a_child();
    copy = open("g", O_RDONLY);
    CHECK(close(copy) == 0);
    CHECK(fsync(other) < 0 && errno == ENOSPC); /* it is the same file */
    CHECK(fsync(other) == 0 && close(other) == 0);
    copy = dup(fd);
    CHECK(close(copy) < 0 && errno == ENOSPC);
    CHECK(fsync(fd) < 0 && errno == ENOSPC);
    CHECK(fsync(fd) == 0);
    copy = dup(fd);
    CHECK(close(copy) == 0);
    CHECK(pwrite(fd, "x", 1, REFUSED) < 0 && errno == ENOSPC); /* now each write waits */
    CHECK(close(fd) == 0);
    fd = open("g", O_WRONLY);
    CHECK(pwrite(fd, "x", 1, REFUSED) == 1);
    copy = dup(fd);
    CHECK(close(copy) < 0 && errno == ENOSPC);
    CHECK(close(fd) < 0 && errno == ENOSPC);
    CHECK(unlink("g") == 0);
}

/* The server stores only a part of a mapped page. */
static void map_partly_stored(void)
{
    enum { BYTES = 1 << 20 }; /* one request of the kernel's */
    int fd = open("f", O_RDWR | O_CREAT, 0644);

    CHECK(ftruncate(fd, BYTES) == 0);
    char *map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    memset(map, 'x', BYTES);
    CHECK(msync(map, BYTES, MS_SYNC) < 0);
    CHECK(munmap(map, BYTES) == 0);
    close(fd);
}

const struct check errors_checks[] = {
    {"error_reported_once", error_reported_once},
    {"error_until_fsync", error_until_fsync},
    {"map_partly_stored", map_partly_stored},
    {NULL, NULL},
};
