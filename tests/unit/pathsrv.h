/*
 * pathsrv.h: a 9P server for the tests of the client and the cache: a thread on a socketpair. As
 * for diod, a fid is a path, and stands for the file that has that path now.
 */
#ifndef PATHSRV_H
#define PATHSRV_H

#include <pthread.h>

#include "9p/client.h"

enum { SRV_FIDS = 4096, SRV_FILES = 2048, SRV_PATH = 600 };

struct srv_file {
    char path[SRV_PATH]; /* "" is the root, then "/a", "/a/b" */
    uint64_t ino;
    bool is_dir;
    uint32_t nlink;
    uint64_t ctime; /* seconds */
};

struct srv {
    pthread_mutex_t mtx; /* guards all below: tests read and change it meanwhile */
    struct srv_file files[SRV_FILES];
    unsigned nfiles;
    char *fids[SRV_FIDS]; /* the path, or NULL */
    unsigned live, most_live, highest;
    uint32_t fid_limit;   /* fids from here on are refused with ERANGE; 0: none */
    uint32_t limit_ecode; /* the error instead of ERANGE, unless 0 */
    unsigned counts[256]; /* messages by type */
    unsigned bad;         /* requests that break the protocol's rules */
    uint32_t short_by;    /* the next Rread or Rwrite has so many bytes fewer than it could */
    uint32_t say_more;    /* the next Rwrite has so many bytes more than were written */
    uint32_t read_size;   /* bytes in every file: byte i is i * 7 */
    uint32_t iounit;
    bool endless;            /* every Treaddir reads the directory from its start */
    uint32_t known_ecode;    /* the error for a newfid that exists; 0: EBADF, and bad */
    bool binds_short;        /* a walk that ends short creates newfid */
    bool mute_clunk;         /* Tclunk has no effect and no reply */
    bool mute[256];          /* requests of this type have no reply */
    bool easy;               /* requests that it does not know succeed, and have no effect */
    uint8_t spoil;           /* the next reply to a request of this type lacks its last byte */
    unsigned clunk_wait_ms;  /* the client's, at srv_start */
    unsigned takes_us;       /* pass on the test's clock before each reply */
    unsigned refuse_getattr; /* so many fail with EBADF, as before the end of the walk */
    int fail_write;          /* this Twrite from now (1: the next) fails with ENOSPC */
    int fail_read;           /* the same of Tread, with EIO */
    uint8_t written[1 << 20];
    int fd;
    pthread_t thread;
    void (*in_thread)(void); /* called first in the server's thread; or NULL */
};

/* Starts the server. Returns the client's socket. */
int srv_listen(struct srv *s);
/* The same, and starts a client that has attached. */
struct p9_client *srv_start(struct srv *s, unsigned max_fids, struct p9_fid **root);
/* Waits until the server has no fid: before p9_client_stop, which does not wait for long. */
void srv_settle(struct srv *s, struct p9_client *c);
/* After p9_client_stop. */
void srv_stop(struct srv *s);

uint64_t srv_add(struct srv *s, const char *path, bool is_dir); /* returns its qid.path */
void srv_rename(struct srv *s, const char *from, const char *to);
void srv_remove(struct srv *s, const char *path);
unsigned srv_count(struct srv *s, enum p9_type type); /* since the last call */
unsigned srv_live(struct srv *s);
void srv_know(struct srv *s, uint32_t fid); /* creates the fid, for the root */

#endif
