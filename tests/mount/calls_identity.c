/*
 * calls_identity.c: checks of files whose name is given to another file, or that have two names.
 */
#include "mount/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void replace_there(const char *name, const char *text)
{
    char old[4096];

    store_there("new", text);
    snprintf(old, sizeof old, "%s", there("new"));
    CHECK(rename(old, there(name)) == 0);
}

/* A call on a descriptor does not change another file that has the name now. */
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
    CHECK(truncate("f", 2) == 0 && chmod("f", 0644) == 0); /* the name is that of the other file */
    CHECK(stat(there("f"), &st) == 0 && st.st_size == 2 && (st.st_mode & 0777) == 0644);
}

/* A log is read to its end after another file has replaced it, and after that has been removed. */
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
    CHECK(write(out, "two\n", 4) == 4); /* the writer has not noticed yet */
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

/* A change by one name of a file shows by the other, whatever the page cache has of that. */
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

/* A write by one name drops the pages of the other, where a dirty mapped one cannot be written. */
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

const struct check identity_checks[] = {
    {"two_names", two_names},
    {"two_names_mapped", two_names_mapped},
    {"other_file_unchanged", other_file_unchanged},
    {"read_after_rotation", read_after_rotation},
    {NULL, NULL},
};
