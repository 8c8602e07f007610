/*
 * disk.h: a 9P server whose files outlive its connections, for the tests of the recovery. A fid
 * stands for a file, whatever becomes of its names.
 *
 * One connection is served at a time, by a thread of its own. It can be cut, by the test or at a
 * request that is carried out or not.
 */
#ifndef DISK_H
#define DISK_H

#include <pthread.h>

#include "9p/client.h"

enum { DISK_NODES = 64, DISK_NAMES = 64, DISK_FIDS = 64, DISK_PATH = 128, DISK_BYTES = 256, DISK_CONNECTIONS = 16 };

struct disk_node {
    uint8_t type; /* of a qid; the qid's path is the index in nodes */
    char target[DISK_PATH];
    uint8_t data[DISK_BYTES];
    uint32_t size;
};

struct disk_name {
    char path[DISK_PATH]; /* "" is the root, then "/a", "/a/b" */
    unsigned node;
};

struct disk_fid {
    bool known, open;
    unsigned node;
    uint32_t flags; /* of Tlopen, Tlcreate, Topen */
};

struct disk {
    pthread_mutex_t mtx; /* guards all below */
    enum p9_dialect dialect;
    struct disk_node nodes[DISK_NODES];
    struct disk_name names[DISK_NAMES];
    unsigned nnodes, nnames;
    struct disk_fid fids[DISK_FIDS]; /* of this connection */
    unsigned bad;                    /* requests with a fid that is not known, or with a newfid that is */
    unsigned counts[256];            /* requests by type */
    bool no_renameat;                /* EOPNOTSUPP */

    uint8_t cut_at;  /* the next request of this type ends the connection; 0: none */
    bool cut_behind; /* after it is carried out */
    int cut_error;   /* the reason of the cut, for the client's requests; 0: that there is no server */
    /* Called once, before the next connection: what others do to the files. NULL: nothing. */
    void (*meanwhile)(struct disk *d);

    struct p9_client *client;
    struct p9_req wish; /* wants the server, so that a try that failed is made again at once */
    bool wished;
    unsigned nconns;
    struct disk_conn {
        struct disk *disk;
        int fd;
        pthread_t thread;
    } conns[DISK_CONNECTIONS];
};

/* Carries out a request. Returns 0 or the error's number. With the lock. */
uint32_t disk_serve(struct disk *d, const struct p9_fcall *t, struct p9_fcall *r);

/* Starts a client, which is kept, and attaches. */
struct p9_client *disk_start(struct disk *d, enum p9_dialect dialect, struct p9_fid **root);
/* Stops the client. */
void disk_stop(struct disk *d);

/* Cuts the connection, and waits until the client knows. */
void disk_drop(struct disk *d);
/* The same, and waits until there is another one. */
void disk_cut(struct disk *d);
/* Waits until a connection after this p9_client_generation is lost and restored. */
void disk_settle(struct disk *d, unsigned generation);
/* At the next request of this type. */
void disk_cut_at(struct disk *d, uint8_t type, bool behind);
/* Waits until there was one. */
void disk_wait_cut(struct disk *d);

unsigned disk_add(struct disk *d, const char *path, uint8_t type); /* returns its node */
void disk_remove(struct disk *d, const char *path);
/* The node at a path, or -1. */
int disk_node(struct disk *d, const char *path);
/* What the server knows of a fid on this connection. */
struct disk_fid disk_fid(struct disk *d, const struct p9_fid *fid);
unsigned disk_count(struct disk *d, uint8_t type); /* since the last call */
/* How many fids the server knows. */
unsigned disk_live(struct disk *d);

#endif
