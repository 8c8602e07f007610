/*
 * twin.h: what twin.c has done in both directories: one system call.
 */
#ifndef TWIN_H
#define TWIN_H

#include <stdbool.h>
#include <sys/types.h>

enum { CHUNK = 9000, KINDS = 28, FIRST_OF_FILE = 19 };

struct step {
    unsigned kind, file, flags, length;
    const char *name, *other;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    off_t offset;
    int fd; /* what open gave */
    char data[CHUNK];
};

extern const char *const kind_names[KINDS];

/* Whether what the server does not do, by the command line, has this in it. */
bool lacks(const char *what);
/* Does it in the directory AT, or to the open file FD; what the call returned, with errno. */
long run(struct step *s, int at, int fd);

#endif
