/*
 * calls_unnamed.c: checks of files that have no name any more.
 */
#include "mount/calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool shows_hidden(void)
{
    bool found = false;
    DIR *d = opendir(".");

    for (struct dirent *e; (e = readdir(d)) != NULL;)
        found = found || strncmp(e->d_name, ".9pfs", 5) == 0;
    closedir(d);
    return found;
}

/* A directory whose last file is open and unlinked is empty; fstat works on removed files. */
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
    for (int i = 0; i < 20000 && shows_hidden(); i++) /* the kernel does not wait for the close on the server */
        usleep(1000);
    CHECK(!shows_hidden());
    CHECK(rmdir("e") == 0);
}

/* The xattrs of a file without a name are reached by its descriptor; those of the file that has the
 * name now are its own. */
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

/* The same of a file that is unlinked right after its creation. */
static void xattrs_of_temporary(void)
{
    char value[8] = "";
    int fd = make("f", "content");

    CHECK(unlink("f") == 0);
    CHECK(fsetxattr(fd, "user.a", "one", 3, 0) == 0);
    CHECK(fgetxattr(fd, "user.a", value, sizeof value) == 3 && memcmp(value, "one", 3) == 0);
    close(fd);
}

/* Opens the file of a descriptor again. */
static int again(int fd, int flags)
{
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags);
}

/* A file that was not open when it was unlinked can be opened by a descriptor of O_PATH. */
static void reopened(bool can)
{
    char buf[16] = "";

    store_there("f", "content");  /* it has never been open here */
    CHECK(chmod("f", 0600) == 0); /* so that it has been walked to */
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

const struct check unnamed_checks[] = {
    {"xattrs_unnamed", xattrs_unnamed},
    {"xattrs_of_temporary", xattrs_of_temporary},
    {"reopened_without_name", reopened_without_name},
    {"not_reopened_without_name", not_reopened_without_name},
    {"removed", removed},
    {NULL, NULL},
};
