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

/* A name that is taken is not replaced; one that is not is as after any rename. */
static void no_replace(const char *from, const char *to, const char *taken)
{
    struct stat before, after;

    CHECK(lstat(from, &before) == 0);
    CHECK(renameat2(AT_FDCWD, from, AT_FDCWD, taken, RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0);
    CHECK(lstat(from, &after) == -1 && errno == ENOENT);
    CHECK(lstat(to, &after) == 0 && after.st_ino == before.st_ino && after.st_nlink == before.st_nlink);
    CHECK((after.st_mode & S_IFMT) == (before.st_mode & S_IFMT));
}

static void rename_no_replace(void)
{
    struct stat st;

    close(make("b", "B"));
    int fd = make("a", "A");
    no_replace("a", "c", "b");
    CHECK(write(fd, "more", 4) == 4 && fstat(fd, &st) == 0 && st.st_size == 5 && st.st_nlink == 1);
    close(fd);
    CHECK(holds("c", "Amore") && holds("b", "B"));
    CHECK(mkdir("d", 0755) == 0);
    close(make("d/f", "F"));
    no_replace("d", "e", "b");
    CHECK(holds("e/f", "F"));
    if (symlink("c", "l") == 0) {
        char target[8];
        no_replace("l", "m", "b");
        CHECK(readlink("m", target, sizeof target) == 1 && target[0] == 'c' && holds("c", "Amore") && unlink("m") == 0);
    }
    CHECK(unlink("e/f") == 0 && rmdir("e") == 0 && unlink("c") == 0 && unlink("b") == 0);
}

/* "taken" was made by another when the mount knew already that there is none. */
static void rename_to_taken(void)
{
    close(make("a", "A"));
    CHECK(mkdir("d", 0755) == 0);
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "taken", RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK(renameat2(AT_FDCWD, "d", AT_FDCWD, "taken", RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK(holds("a", "A") && unlink("a") == 0 && rmdir("d") == 0);
}

/* What the protocol cannot do in one step is refused, and nothing has happened. */
static void rename_flags(void)
{
    close(make("a", "A"));
    close(make("b", "B"));
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == -1 && errno == EINVAL);
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT) == -1 && errno == EINVAL);
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

/* What is written from WRONG on is never stored. */
enum { WRONG = 1000000 };

static void run_a_child(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0); /* with copies of all descriptors */
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* All that is not the writer's fsync leaves the error alone. */
static void error_kept(void)
{
    struct stat st;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int other = open("f", O_RDWR | O_CREAT, 0644), fd = open("f", O_RDWR), copy;

    CHECK(pwrite(fd, "x", 1, WRONG) == 1);
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
    CHECK(pwrite(fd, "x", 1, WRONG) < 0 && errno == ENOSPC); /* by now each write is waited for */
    CHECK(close(fd) == 0);
    fd = open("g", O_WRONLY);
    CHECK(pwrite(fd, "x", 1, WRONG) == 1);
    copy = dup(fd);
    CHECK(close(copy) < 0 && errno == ENOSPC);
    CHECK(close(fd) < 0 && errno == ENOSPC);
    CHECK(unlink("g") == 0);
}

/* A path in the exported folder, where $EXPORT is it: to do something there as another client would. */
static const char *there(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s", getenv("EXPORT"), name);
    return path;
}

static void store_there(const char *name, const char *text)
{
    int fd = open(there(name), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void replace_there(const char *name, const char *text)
{
    char old[4096];

    store_there("new", text);
    snprintf(old, sizeof old, "%s", there("new"));
    CHECK(rename(old, there(name)) == 0);
}

/* What is done by a descriptor is not done to another file, which has the name by now. */
static void other_file_unchanged(void)
{
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    char text[16] = "";
    struct stat st;

    store_there("f", "old");
    int fd = open("f", O_RDWR);
    CHECK(fd >= 0);
    replace_there("f", "another");
    CHECK(chmod(there("f"), 0640) == 0);
    CHECK(ftruncate(fd, 0) < 0 && errno == ESTALE);
    CHECK(fchmod(fd, 0600) < 0 && errno == ESTALE);
    CHECK(fchown(fd, 4711, 4711) < 0 && errno == ESTALE);
    CHECK(futimens(fd, times) < 0 && errno == ESTALE);
    CHECK(fsetxattr(fd, "user.a", "x", 1, 0) < 0);
    CHECK(fremovexattr(fd, "user.a") < 0);
    CHECK(linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH) < 0);
    CHECK(stat(there("f"), &st) == 0 && st.st_size == 7 && (st.st_mode & 0777) == 0640 && st.st_uid == 0);
    CHECK(st.st_mtim.tv_sec != 1 && getxattr(there("f"), "user.a", text, sizeof text) < 0);
    CHECK(pread(fd, text, sizeof text, 0) == 3 && strcmp(text, "old") == 0);
    CHECK(close(fd) == 0);
    CHECK(stat("f", &st) == 0 && st.st_size == 7);
    CHECK(truncate("f", 2) == 0 && chmod("f", 0644) == 0); /* by the name it is that file */
    CHECK(stat(there("f"), &st) == 0 && st.st_size == 2 && (st.st_mode & 0777) == 0644);
}

/* A log is read to its end, though another has its name, or none. */
static void read_after_rotation(void)
{
    char text[16] = "", line[] = "0123456789\n";
    struct stat st;
    size_t n = 0;
    ssize_t got;

    store_there("log", "one\n");
    int fd = open("log", O_RDONLY), out = open(there("log"), O_WRONLY | O_APPEND);
    CHECK(fd >= 0 && out >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 1);
    CHECK(read(fd, text, 4) == 4);
    replace_there("log", "another\n");
    CHECK(write(out, "two\n", 4) == 4); /* who writes it does not know yet */
    CHECK(fstat(fd, &st) == 0 && st.st_size == 8 && st.st_nlink == (nlink_t)atoi(getenv("LINKS")));
    CHECK(read(fd, text, sizeof text) == 4 && memcmp(text, "two\n", 4) == 0);
    CHECK(read(fd, text, sizeof text) == 0);
    CHECK(unlink(there("log")) == 0);
    for (int i = 0; i < 10000; i++)
        CHECK(write(out, line, 11) == 11);
    while ((got = read(fd, text, sizeof text)) > 0)
        n += (size_t)got;
    CHECK(got == 0 && n == 110000);
    CHECK(close(fd) == 0 && close(out) == 0);
}

/* What is done by one name of a file is seen by the other, whatever the kernel has of it. */
static void two_names(void)
{
    char text[16] = "";
    struct stat st;
    int fd = open("h1", O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK(write(fd, "old", 3) == 3 && close(fd) == 0);
    CHECK(link("h1", "h2") == 0);
    int other = open("h2", O_RDONLY);
    CHECK(pread(other, text, sizeof text, 0) == 3 && memcmp(text, "old", 3) == 0);
    CHECK(stat("h2", &st) == 0 && (st.st_mode & 0777) == 0644);
    CHECK(chmod("h1", 0600) == 0);
    CHECK(stat("h2", &st) == 0 && (st.st_mode & 0777) == 0600);
    fd = open("h1", O_RDWR);
    CHECK(pwrite(fd, "new", 3, 0) == 3 && close(fd) == 0);
    CHECK(pread(other, text, sizeof text, 0) == 3 && memcmp(text, "new", 3) == 0);
    CHECK(truncate("h1", 1) == 0);
    CHECK(fstat(other, &st) == 0 && st.st_size == 1);
    CHECK(pread(other, text, sizeof text, 0) == 1);
    CHECK(unlink("h1") == 0);
    CHECK(pread(other, text, sizeof text, 0) == 1 && text[0] == 'n');
    CHECK(stat("h2", &st) == 0 && st.st_nlink == 1);
    CHECK(close(other) == 0 && unlink("h2") == 0);
}

/* What is written to a mapped page of one name cannot be stored when what was done by the other has it dropped. */
static void two_names_mapped(void)
{
    int fd = open("h1", O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK(write(fd, "old", 3) == 3 && fsync(fd) == 0);
    CHECK(link("h1", "h2") == 0);
    int other = open("h2", O_RDWR);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
    CHECK(map != MAP_FAILED);
    map[0] = 'x';
    int full = open(getenv("SWITCH"), O_WRONLY | O_CREAT, 0644);
    CHECK(full >= 0 && close(full) == 0);
    CHECK(pwrite(fd, "new", 3, 0) == 3);
    CHECK(close(fd) < 0);
    CHECK(access("none", F_OK) < 0 && errno == ENOENT);
    CHECK(unlink(getenv("SWITCH")) == 0);
    CHECK(munmap(map, 4096) == 0);
    close(other);
    CHECK(unlink("h1") == 0 && unlink("h2") == 0);
}

/* A mapped page, of which the server stores a part only. */
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

/* A file without a name has attributes by its descriptor, and another one that has the name now keeps its own. */
static void xattrs_unnamed(void)
{
    char value[8] = "";
    int made = make("f", "content"), known = open("f", O_RDONLY);

    CHECK(known >= 0 && fsetxattr(made, "user.before", "x", 1, 0) == 0 && unlink("f") == 0);
    int other = make("f", "other");
    CHECK(fsetxattr(made, "user.a", "one", 3, 0) == 0);
    CHECK(fgetxattr(known, "user.a", value, sizeof value) == 3 && memcmp(value, "one", 3) == 0);
    CHECK(fgetxattr(made, "user.before", value, sizeof value) == 1);
    CHECK(flistxattr(made, NULL, 0) >= (ssize_t)sizeof "user.a");
    CHECK(fremovexattr(known, "user.a") == 0);
    CHECK(fgetxattr(made, "user.a", value, sizeof value) == -1 && errno == ENODATA);
    CHECK(fgetxattr(other, "user.a", value, sizeof value) == -1 && errno == ENODATA);
    CHECK(fgetxattr(other, "user.before", value, sizeof value) == -1 && errno == ENODATA);
    close(made);
    close(known);
    close(other);
    CHECK(unlink("f") == 0);
}

/* The same of a file that was made and lost its name at once. */
static void xattrs_of_temporary(void)
{
    char value[8] = "";
    int fd = make("f", "content");

    CHECK(unlink("f") == 0);
    CHECK(fsetxattr(fd, "user.a", "one", 3, 0) == 0);
    CHECK(fgetxattr(fd, "user.a", value, sizeof value) == 3 && memcmp(value, "one", 3) == 0);
    close(fd);
}

/* Opens what a descriptor stands for. */
static int again(int fd, int flags)
{
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags);
}

/* A file that was not open when it lost its name, but has a descriptor, may be opened by that. */
static void reopened(bool can)
{
    char buf[16] = "";

    close(make("f", "content"));
    CHECK(chmod("f", 0600) == 0); /* it was walked to */
    int path = open("f", O_PATH);
    CHECK(path >= 0 && unlink("f") == 0);
    int other = make("f", "other"), fd = again(path, O_RDWR);
    CHECK(can ? fd >= 0 : fd == -1 && (errno == ESTALE || errno == ENOENT));
    CHECK(!can || (read(fd, buf, sizeof buf) == 7 && memcmp(buf, "content", 7) == 0));
    close(fd);
    fd = again(path, O_RDWR | O_TRUNC);
    CHECK(!can || (fd >= 0 && write(fd, "new", 3) == 3 && lseek(fd, 0, SEEK_END) == 3));
    close(fd);
    CHECK(holds("f", "other"));
    close(other);
    close(path);
    CHECK(unlink("f") == 0);
}

static void reopened_without_name(void)
{
    reopened(true);
}

static void not_reopened_without_name(void)
{
    reopened(false);
}

/* What is removed while it is somebody's working directory is empty. */
static void removed_directory(void)
{
    struct dirent *e;

    CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0 && rmdir("../d") == 0);
    DIR *d = opendir(".");
    CHECK(d != NULL);
    errno = 0;
    while ((e = readdir(d)) != NULL)
        CHECK(e->d_name[0] == '.');
    CHECK(errno == 0);
    rewinddir(d);
    CHECK(readdir(d) == NULL);
    CHECK(fsync(dirfd(d)) == 0);
    closedir(d);
    CHECK(open("f", O_RDWR | O_CREAT, 0644) == -1 && errno == ENOENT);
}

static const struct {
    const char *name;
    void (*run)(void);
} checks[] = {
    {"xattrs_unnamed", xattrs_unnamed},
    {"xattrs_of_temporary", xattrs_of_temporary},
    {"reopened_without_name", reopened_without_name},
    {"not_reopened_without_name", not_reopened_without_name},
    {"removed_directory", removed_directory},
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
    {"error_kept", error_kept},
    {"map_partly_stored", map_partly_stored},
    {"two_names", two_names},
    {"two_names_mapped", two_names_mapped},
    {"other_file_unchanged", other_file_unchanged},
    {"read_after_rotation", read_after_rotation},
    {"rename_flags", rename_flags},
    {"rename_no_replace", rename_no_replace},
    {"rename_to_taken", rename_to_taken},
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
