/*
 * twin.h: one system call, which twin.c makes in both directories.
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
    int fd; /* out: of open, or -1 */
    char data[CHUNK];
};

extern const char *const kind_names[KINDS];

/* Whether WITHOUT, in the command line, has this. */
bool lacks(const char *what);
/* Makes the call, in the directory AT or on the open file FD. Returns its result; sets errno. */
long run(struct step *s, int at, int fd);

#endif
