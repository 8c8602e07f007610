/*
 * options.h: the command line, the mount options and the source, parsed.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "9p/proto.h"
#include "9p/transport.h"

enum cache_mode { CACHE_CTO, CACHE_NONE, CACHE_LOOSE };
enum dial { DIAL_TCP, DIAL_UNIX, DIAL_FDS };

/* Strings are owned by the structure, freed by options_free. */
struct options {
    /* Where to. */
    char *source; /* as typed */
    enum dial dial;
    char *host; /* DIAL_TCP: name or address; DIAL_UNIX: path */
    char *port;
    char *trans;
    int rfdno, wfdno;

    /* What to ask for. */
    char *aname, *uname;
    char *auth; /* a command, or NULL */
    uint32_t n_uname;
    char *version;
    enum p9_dialect dialect; /* to ask for first */
    int noextend;
    uid_t dfltuid;
    gid_t dfltgid;
    unsigned msize; /* bytes */
    unsigned max_fids;
    char *access;
    bool allow_other;
    int posixacl;

    /* What may be kept. */
    char *cache_name, *attr_text, *entry_text, *negative_text, *actimeo;
    enum cache_mode cache;
    int noac, ignoreqv, directio, negtimeout;
    unsigned attr_ms, entry_ms;
    int negative_ms; /* -1: as entries, where files are on a disk */

    /* How to run. */
    char *mountpoint;
    char *surplus; /* a third argument */
    bool foreground, debug, singlethread, help, show_version, fsname_given;
    unsigned max_threads;
    unsigned readahead, readahead_memory, writebehind; /* KiB */
    int clone_fd;
    struct fuse_args args; /* what is left for libfuse */
};

/* Parses argv. 0, or -1 with the reason in *why: one line, or empty if libfuse has logged it. */
int options_parse(struct options *o, int argc, char **argv, struct p9_why *why);
void options_free(struct options *o);
/* Takes a source apart: dial, host, port, aname, uname, where it has them. 0, or -1 with `why`. */
int options_parse_source(struct options *o, const char *source, struct p9_why *why);
void options_help(void);

#endif
