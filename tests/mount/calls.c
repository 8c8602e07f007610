/*
 * calls.c: system calls that no shell command makes, each with its rule.
 *
 *   calls CHECK DIR
 *
 * makes files in DIR and removes them. Says what is wrong and exits with 1.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHECK(what) check(what, #what, __LINE__)

static void check(bool ok, const char *what, int line)
{
    if (ok)
        return;
    printf("calls.c:%d: not so: %s (errno: %s)\n", line, what, strerror(errno));
    exit(1);
}

static int make(const char *name, const char *content)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0);
    CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    return fd;
}

static bool holds(const char *name, const char *content)
{
    char buf[256] = "";
    int fd = open(name, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, buf, sizeof buf - 1) : -1;

    close(fd);
    return n == (ssize_t)strlen(content) && memcmp(buf, content, (size_t)n) == 0;
}

/* A path longer than PATH_MAX and deeper than one walk message, by openat. */
static void deep(void)
{
    enum { LEVELS = 30 };
    static char name[200];
    int at = open(".", O_RDONLY | O_DIRECTORY), up[LEVELS];

    memset(name, 'n', sizeof name - 1);
    for (int i = 0; i < LEVELS; i++) {
        CHECK(mkdirat(at, name, 0755) == 0);
        up[i] = at;
        at = openat(at, name, O_RDONLY | O_DIRECTORY);
        CHECK(at >= 0);
    }
    int fd = openat(at, "file", O_RDWR | O_CREAT | O_EXCL, 0644);
    CHECK(fd >= 0 && write(fd, "deep", 4) == 4 && close(fd) == 0);
    CHECK(renameat(at, "file", at, "back") == 0);
    struct stat st;
    CHECK(fstatat(at, "back", &st, 0) == 0 && st.st_size == 4);
    CHECK(unlinkat(at, "back", 0) == 0);
    for (int i = LEVELS; i-- > 0;) {
        close(at);
        at = up[i];
        CHECK(unlinkat(at, name, AT_REMOVEDIR) == 0);
    }
    close(at);
}

/* A position of telldir leads to the same entry again, whatever went meanwhile. */
static void positions(void)
{
    enum { FILES = 700 };
    static char after[FILES][32];
    static long where[FILES];
    char name[32];
    struct dirent *e;
    int n = 0;

    CHECK(mkdir("d", 0755) == 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "d/file-%d", i);
        close(make(name, ""));
    }
    DIR *d = opendir("d");
    CHECK(d != NULL);
    for (long at = telldir(d); n < FILES && (e = readdir(d)) != NULL; at = telldir(d))
        if (e->d_name[0] == 'f') {
            where[n] = at;
            strcpy(after[n++], e->d_name);
        }
    CHECK(n == FILES);
    for (int i = FILES; i-- > 0;) {
        seekdir(d, where[i]);
        e = readdir(d);
        CHECK(e != NULL && strcmp(e->d_name, after[i]) == 0);
    }
    for (int i = 0; i < FILES; i += 2) {
        snprintf(name, sizeof name, "d/%.20s", after[i]);
        CHECK(unlink(name) == 0);
    }
    rewinddir(d);
    for (n = 0; (e = readdir(d)) != NULL;)
        n += e->d_name[0] == 'f';
    CHECK(n == FILES / 2);
    closedir(d);
    for (int i = 1; i < FILES; i += 2) {
        snprintf(name, sizeof name, "d/%.20s", after[i]);
        CHECK(unlink(name) == 0);
    }
    CHECK(rmdir("d") == 0);
}

/* Where directories give attributes, those of a reply may be older than what was written since. */
static void listed_before_written(void)
{
    enum { FILES = 2000 };
    char name[32];
    struct stat st;

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        close(make(name, ""));
    }
    DIR *d = opendir(".");
    CHECK(d != NULL && readdir(d) != NULL);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        close(make(name, "new"));
    }
    while (readdir(d) != NULL)
        ;
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        CHECK(stat(name, &st) == 0 && st.st_size == 3);
        CHECK(unlink(name) == 0);
    }
    closedir(d);
}

/* The kernel lets go of all names and files that are not in use. */
static void forget_all(void)
{
    CHECK(mount(NULL, "..", NULL, MS_REMOUNT, NULL) == 0);
}

/* What was written counts, also when nobody remembers the file by the time the directory is read on. */
static void listed_before_forgotten(void)
{
    enum { FILES = 2000 };
    char name[32];
    struct stat st;

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        close(make(name, ""));
    }
    DIR *d = opendir(".");
    CHECK(d != NULL && readdir(d) != NULL);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        close(make(name, "new"));
    }
    forget_all();
    while (readdir(d) != NULL)
        ;
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        CHECK(stat(name, &st) == 0 && st.st_size == 3);
        CHECK(unlink(name) == 0);
    }
    closedir(d);
}

/* A name that is still to come in a listing does not come back by that. */
static void listed_before_removed(void)
{
    enum { FILES = 2000 };
    char name[32];
    struct stat st;

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        close(make(name, ""));
    }
    DIR *d = opendir(".");
    CHECK(d != NULL && readdir(d) != NULL);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        CHECK(unlink(name) == 0);
        if (i % 2 == 0)
            close(make(name, "other"));
    }
    forget_all();
    while (readdir(d) != NULL)
        ;
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        int rc = stat(name, &st);
        CHECK(i % 2 == 0 ? rc == 0 && st.st_size == 5 : rc < 0 && errno == ENOENT);
        CHECK(unlink(name) == rc);
    }
    closedir(d);
}

/* What a directory's reply says of a file is not older than what was done to the file before that. */
static void changed_while_listed(void)
{
    enum { FILES = 400, PASSES = 3 };
    off_t size[FILES];
    char name[32], buf[600];
    struct stat st;
    int n;

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        close(make(name, "old"));
        size[i] = 3;
    }
    for (int pass = 0; pass < PASSES; pass++) {
        int fd = open(".", O_RDONLY | O_DIRECTORY), at = 0;
        CHECK(fd >= 0);
        getxattr(".", "system.posix_acl_access", NULL, 0); /* as ls -l does */
        while ((n = (int)getdents64(fd, buf, sizeof buf)) > 0)
            for (int used = 0; used < n; at++) {
                const struct dirent64 *de = (const void *)(buf + used);
                int i, other = (at * 7 + 40) % FILES;
                used += de->d_reclen;
                if (sscanf(de->d_name, "file-%d", &i) != 1)
                    continue;
                CHECK(i >= 0 && i < FILES && stat(de->d_name, &st) == 0 && st.st_size == size[i]);
                snprintf(name, sizeof name, "file-%d", other);
                if (at % 3 == 0) {
                    CHECK(unlink(name) == 0);
                    close(make(name, "other"));
                    size[other] = 5;
                } else {
                    CHECK(truncate(name, at % 100) == 0);
                    size[other] = at % 100;
                }
            }
        CHECK(n == 0);
        close(fd);
    }
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        CHECK(unlink(name) == 0);
    }
}

/* The protocol knows no holes: all is data, and the end is the one hole. */
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

/* Refused, so that nobody believes to have room; what the C library does instead loses nothing. */
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
    strcpy(shared + 16000, "late"); /* left to unmapping and close */
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

/* A program that runs cannot be written, and a file open for writing cannot be run. */
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

/* What the protocol cannot do in one step is refused, and nothing has happened. */
static void rename_flags(void)
{
    close(make("a", "A"));
    close(make("b", "B"));
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE) == -1 && (errno == EEXIST || errno == EINVAL));
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == -1 && errno == EINVAL);
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT) == -1 && errno == EINVAL);
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE) == -1 && errno == EINVAL);
    CHECK(holds("a", "A") && holds("b", "B") && access("c", F_OK) == -1);
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
    CHECK(rename("d", "d/e/f") == -1 && errno == EINVAL);
    CHECK(rename("d", "a") == -1 && errno == ENOTDIR);
    CHECK(rename("a", "d") == -1 && errno == EISDIR);
    CHECK(rename("d/e", "d") == -1 && errno == ENOTEMPTY);
    CHECK(open(".", O_TMPFILE | O_RDWR, 0600) == -1 && errno == EOPNOTSUPP);
    CHECK(rmdir("d/e") == 0 && rmdir("d") == 0 && unlink("a") == 0 && unlink("b") == 0);
}

/* A directory whose last file is open and unlinked is empty; what is gone can still be asked after. */
static void removed(void)
{
    struct stat st;

    CHECK(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0 && (mkfifo("fifo", 0600) == 0 || errno == EPERM));
    int fd = make("d/f", "content"), dir = open("d", O_RDONLY | O_DIRECTORY);
    CHECK(unlink("d/f") == 0 && rmdir("d") == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_size == 7);
    CHECK(pwrite(fd, "more", 4, 7) == 4 && fstat(fd, &st) == 0 && st.st_size == 11);
    CHECK(ftruncate(fd, 3) == 0 && fchmod(fd, 0600) == 0 && fstat(fd, &st) == 0 && st.st_size == 3);
    CHECK(fstat(dir, &st) == 0 && st.st_nlink == 0 && S_ISDIR(st.st_mode));
    CHECK(openat(dir, "f", O_RDWR | O_CREAT, 0644) == -1 && (errno == ENOENT || errno == ESTALE));
    close(fd);
    close(dir);
    fd = make("e/f", "content");
    CHECK(unlink("e/f") == 0 && mkdir("d", 0755) == 0 && rename("d", "e") == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 7);
    close(fd);
    fd = open("fifo", O_RDWR);
    CHECK(fd < 0 || (unlink("fifo") == 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_nlink == 0));
    close(fd);
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        CHECK(strncmp(e->d_name, ".9pfs", 5) != 0);
    closedir(d);
    CHECK(rmdir("e") == 0);
}

/* The kernel does not wait for the server to know of a close: the file may still be on its way out. */
static void emptied(void)
{
    char dir[32], name[40];

    for (int i = 0; i < 1000; i++) {
        snprintf(dir, sizeof dir, "d%d", i);
        snprintf(name, sizeof name, "%s/f", dir);
        CHECK(mkdir(dir, 0755) == 0);
        close(make(name, "x"));
        CHECK(unlink(name) == 0 && rmdir(dir) == 0);
    }
}

/* What was opened for writing may be truncated, whatever its mode is by now. */
static void truncate_by_file(void)
{
    CHECK(chmod(".", 0777) == 0 && seteuid(1) == 0);
    int fd = make("f", "content");
    CHECK(seteuid(0) == 0 && chown("f", 0, 0) == 0 && chmod("f", 0) == 0 && seteuid(1) == 0);
    CHECK(ftruncate(fd, 3) == 0);
    close(fd);
    CHECK(seteuid(0) == 0 && unlink("f") == 0);
}

/* An open directory may be given another mode by its owner, also where its path is out of bounds for him. */
static void mode_by_directory(void)
{
    CHECK(mkdir("d", 0700) == 0 && mkdir("d/e", 0700) == 0 && chown("d/e", 1, 1) == 0);
    int fd = open("d/e", O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && seteuid(1) == 0);
    CHECK(fchmod(fd, 0750) == 0);
    close(fd);
    CHECK(seteuid(0) == 0 && rmdir("d/e") == 0 && rmdir("d") == 0);
}

static void rename_across(void)
{
    CHECK(mkdir("d", 0755) == 0);
    close(make("d/f", "content"));
    int rc = rename("d/f", "f"), err = errno;
    CHECK(holds(rc == 0 ? "f" : "d/f", "content"));
    CHECK(unlink(rc == 0 ? "f" : "d/f") == 0 && rmdir("d") == 0);
    errno = err;
    CHECK(rc == 0);
}

/* A write fails on the server, of those behind: that is told once, or what failed was written the next time. Says how often. */
static void error_told_once(void)
{
    static char block[300000], there[sizeof block];
    int fd = open("f", O_RDWR | O_CREAT, 0644), told = 0, whole = 0;

    memset(block, 'x', sizeof block);
    for (int i = 0; i < 10; i++)
        CHECK(write(fd, block, sizeof block) == sizeof block);
    told += fsync(fd) < 0 && errno == ENOSPC;
    told += fsync(fd) < 0;
    CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0); /* what the server has */
    for (int i = 0; i < 10; i++)
        whole += pread(fd, there, sizeof there, i * (off_t)sizeof there) == sizeof there &&
                 memcmp(there, block, sizeof there) == 0;
    int other = dup(fd);
    told += close(fd) < 0;
    told += close(other) < 0;
    printf("%d\n", told);
    CHECK(told == (whole == 10 ? 0 : 1));
    fd = open("g", O_WRONLY | O_CREAT, 0644);
    CHECK(write(fd, "x", 1) == 1);
    CHECK(close(fd) == 0);
    CHECK(unlink("f") == 0 && unlink("g") == 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} checks[] = {
    {"deep", deep},
    {"positions", positions},
    {"holes", holes},
    {"allocate", allocate},
    {"copy_range", copy_range},
    {"truncate_by_file", truncate_by_file},
    {"mode_by_directory", mode_by_directory},
    {"emptied", emptied},
    {"listed_before_written", listed_before_written},
    {"listed_before_forgotten", listed_before_forgotten},
    {"listed_before_removed", listed_before_removed},
    {"changed_while_listed", changed_while_listed},
    {"maps", maps},
    {"times", times},
    {"times_in_seconds", times_in_seconds},
    {"rename_across", rename_across},
    {"busy_text", busy_text},
    {"error_told_once", error_told_once},
    {"rename_flags", rename_flags},
    {"removed", removed},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof checks / sizeof *checks; i++)
        if (strcmp(checks[i].name, argv[1]) == 0) {
            CHECK(chdir(argv[2]) == 0);
            checks[i].run();
            return 0;
        }
    fprintf(stderr, "usage: calls CHECK DIR\n");
    return 2;
}
