/*
 * calls_listing.c: checks of directories, above all of changes while they are read.
 */
#include "mount/calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* openat reaches a path longer than PATH_MAX, with more names than one Twalk has. */
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

/* seekdir to a position of telldir gives the same entry again, even when others are removed. */
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

/* Where directories give attributes, those of a reply may be older than a local write. */
static void write_during_listing(void)
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

/* The kernel forgets all dentries and inodes that are not in use. */
static void forget_all(void)
{
    CHECK(mount(NULL, "..", NULL, MS_REMOUNT, NULL) == 0);
}

/* The same when the inode has been forgotten before the rest of the directory is read. */
static void forget_during_listing(void)
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

/* The rest of a listing does not bring back a name that has been removed meanwhile. */
static void remove_during_listing(void)
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

/* The attributes that come with a listing are never older than a local change. */
static void change_during_listing(void)
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

/* The kernel does not wait for the close on the server: the unlinked file may still exist there. */
static void rmdir_after_unlink(void)
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

/* A removed directory that is a process's working directory is empty. */
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

/* The owner may change the mode of an open directory, even when the path is closed to him. */
static void mode_by_directory(void)
{
    CHECK(mkdir("d", 0700) == 0 && mkdir("d/e", 0700) == 0 && chown("d/e", 1, 1) == 0);
    int fd = open("d/e", O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && seteuid(1) == 0);
    CHECK(fchmod(fd, 0750) == 0);
    close(fd);
    CHECK(seteuid(0) == 0 && rmdir("d/e") == 0 && rmdir("d") == 0);
}

const struct check listing_checks[] = {
    {"removed_directory", removed_directory},
    {"deep", deep},
    {"positions", positions},
    {"mode_by_directory", mode_by_directory},
    {"rmdir_after_unlink", rmdir_after_unlink},
    {"write_during_listing", write_during_listing},
    {"forget_during_listing", forget_during_listing},
    {"remove_during_listing", remove_during_listing},
    {"change_during_listing", change_during_listing},
    {NULL, NULL},
};
