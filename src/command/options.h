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
enum dial { DIAL_TCP, DIAL_UNIX, DIAL_FDS, DIAL_VSOCK, DIAL_COMMAND, DIAL_TLS };

/* Strings are owned by the structure, freed by options_free. */
struct options {
    /* The server. */
    char *source; /* as typed */
    enum dial dial;
    char *host; /* DIAL_TCP, DIAL_TLS: name or address; DIAL_UNIX: path; DIAL_VSOCK: CID */
    char *port;
    char *trans;
    int bg, retry_min, privport;
    int rfdno, wfdno;
    char *command;            /* with DIAL_COMMAND; else NULL */
    unsigned cid, vsock_port; /* with DIAL_VSOCK */
    struct p9_tls_options tls;
    char *tls_verify;

    /* What to ask it for. */
    char *aname, *uname;
    char *auth; /* a command, or NULL */
    uint32_t n_uname;
    char *version;
    enum p9_dialect dialect; /* the first to ask for */
    int noextend;
    uid_t dfltuid;
    gid_t dfltgid;
    unsigned msize; /* bytes */
    unsigned max_fids;
    char *access;
    bool allow_other, allow_root;
    int posixacl, noxattr, nodevmap;

    /* Caching. */
    char *cache_name;
    enum cache_mode cache;
    int noac, ignoreqv, directio, negtimeout;
    unsigned attr_ms, entry_ms, negative_timeout_ms, actimeo_ms;
    int negative_ms; /* -1: entry_ms, or 0 where the server may serve synthetic files */

    /* When the server does not answer. */
    int soft, noreconnect;
    unsigned timeo_ms, probe_ms, unmount_wait_ms;

    /* The mount. */
    char *mountpoint;
    char *setuid;  /* a user, or NULL */
    uid_t uid;     /* who mounts */
    char *surplus; /* a third argument */
    char *given;   /* the options, with commas between */
    char *of_fuse; /* one that only a remount has, or NULL */
    bool remount;
    bool foreground, debug, singlethread, fsname_given;
    bool help, show_version;
    bool verbose; /* says on stdout that it has mounted */
    unsigned max_threads, max_read;
    unsigned readahead, readahead_memory, writebehind; /* KiB */
    int clone_fd;

    /* What it tells. */
    unsigned debug_mask; /* v9fs's bits */
    char *loglevel, *trace_file;
    int level;             /* of log.h */
    bool trace;            /* every message */
    struct fuse_args args; /* the options for libfuse */
};

enum {
    OPTIONS_SLOPPY = 1,    /* unknown options are logged and ignored */
    OPTIONS_OF_MOUNT8 = 2, /* the defaults are those of file systems of the kernel */
};
/* Parses argv; how: of the above. 0, or -1 with the reason in *why: one line, or empty if libfuse
 * has logged it. */
int options_parse(struct options *o, int argc, char **argv, unsigned how, struct p9_why *why);
void options_free(struct options *o);
/* Parses a source into dial and host, and port, aname and uname where it has them (a port replaces
 * that of the options; aname and uname do not). 0, or -1 with the reason in *why. */
int options_parse_source(struct options *o, const char *source, struct p9_why *why);
/* Prints --help on stdout. */
void options_help(void);

#endif
