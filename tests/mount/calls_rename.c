/*
 * calls_rename.c: checks of renaming, with flags and without.
 */
#include "mount/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* RENAME_NOREPLACE does not replace an existing name; a new one is as after any rename. */
static void no_replace(const char *from, const char *to, const char *existing)
{
    struct stat before, after;

    CHECK(lstat(from, &before) == 0);
    CHECK(renameat2(AT_FDCWD, from, AT_FDCWD, existing, RENAME_NOREPLACE) == -1 && errno == EEXIST);
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

/* Another client created "existing", of which the mount has a negative entry. */
static void rename_to_existing(void)
{
    close(make("a", "A"));
    CHECK(mkdir("d", 0755) == 0);
    CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "existing", RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK(renameat2(AT_FDCWD, "d", AT_FDCWD, "existing", RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK(holds("a", "A") && unlink("a") == 0 && rmdir("d") == 0);
}

/* What the protocol cannot do in one step fails, and has no effect. */
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

const struct check rename_checks[] = {
    {"rename_across", rename_across},
    {"rename_flags", rename_flags},
    {"rename_no_replace", rename_no_replace},
    {"rename_to_existing", rename_to_existing},
    {NULL, NULL},
};
