/*
 * helper.h: 9pfs as a mount helper, which mount(8) executes as mount.TYPE for the types 9pfs and
 * fuse.9pfs.
 */
#ifndef HELPER_H
#define HELPER_H

#include <stdbool.h>

#include "9p/transport.h"

/* mount(8)'s exit codes. */
enum { HELPER_USAGE = 1, HELPER_FAILED = 32 };

struct helper {
    bool is;      /* the program was called as a helper */
    bool fake;    /* -f: all but the mount */
    bool sloppy;  /* -s: unknown options are ignored */
    bool verbose; /* -v */
    int argc;     /* the command line without the helper's own switches, */
    char **argv;  /* owned by the structure */
};

/* Reads the command line if its first word is mount.*, and enters the namespace of -N. 0, or -1
 * with the reason in *why. */
int helper_read(struct helper *h, int argc, char **argv, struct p9_why *why);
void helper_free(struct helper *h);

#endif
