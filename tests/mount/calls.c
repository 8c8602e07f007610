/*
 * calls.c: checks of system calls that no shell command makes.
 *
 *   calls CHECK DIR
 *
 * CHECK is a name in a table of calls_*.c. It creates files in DIR and removes them. If a condition
 * does not hold, the program prints it and exits with 1.
 */
#include "mount/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void check(bool ok, const char *file, const char *what, int line)
{
    if (ok)
        return;
    printf("%s:%d: false: %s (errno: %s)\n", file, line, what, strerror(errno));
    fflush(stdout);
    _exit(1); /* no search for leaks, which a process that has changed its user cannot do */
}

int make(const char *name, const char *content)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0);
    CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    return fd;
}

bool holds(const char *name, const char *content)
{
    char buf[256] = "";
    int fd = open(name, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, buf, sizeof buf - 1) : -1;

    close(fd);
    return n == (ssize_t)strlen(content) && memcmp(buf, content, (size_t)n) == 0;
}

const char *there(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s", getenv("EXPORT"), name);
    return path;
}

void store_there(const char *name, const char *text)
{
    int fd = open(there(name), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

int main(int argc, char **argv)
{
    static const struct check *const tables[] = {data_checks,    errors_checks, identity_checks,
                                                 listing_checks, rename_checks, unnamed_checks};

    for (size_t i = 0; argc == 3 && i < sizeof tables / sizeof *tables; i++)
        for (const struct check *c = tables[i]; c->name != NULL; c++)
            if (strcmp(c->name, argv[1]) == 0) {
                CHECK(chdir(argv[2]) == 0);
                c->run();
                return 0;
            }
    fprintf(stderr, "usage: calls CHECK DIR\n");
    return 2;
}
