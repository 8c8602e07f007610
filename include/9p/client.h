/*
 * client.h: one function per 9P operation, over fids.
 *
 * A table of operations (client/dialect.h) hides the dialects; no layer above knows a message.
 *
 * Unless a function says otherwise: it returns 0 or -errno, from the server or from the connection;
 * it blocks, and must not be called from the reader thread. `sc` is the scope by which the user's
 * operation can be interrupted; NULL: it cannot. Names are valid for 9P: not empty, without '/', at
 * most 65535 bytes.
 *
 * Locks: fids->mtx guards fid numbers and counts; it is a leaf.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "9p/idmap.h"
#include "9p/session.h"

struct p9_client;
struct p9_dialect_ops;

/* A fid: it names one file for one user on the server until it is clunked. Counted. The last
 * p9_fid_put sends Tclunk, with the next message if it is not open, and does not wait. */
struct p9_fid {
    struct p9_client *client;
    atomic_int refs;
    uint32_t num;
    atomic_uint generation;    /* p9_client_generation() of the connection that it belongs to */
    struct p9_qid qid;         /* of the last Rattach, Rwalk, Ropen or Rcreate */
    bool ended;                /* a request that ends it was answered */
    _Atomic uint32_t iounit;   /* the largest payload of a message on it, bytes; 0: it is not open */
    _Atomic uint64_t dir_next; /* dialect_plan9_dir.c: the offset of the next Tread of a directory */
    bool held;                 /* p9_fid_hold; guarded by fids->mtx */
    bool doubtful;             /* its walk ended short, and the server may have bound the number */
    struct p9_req clunk;       /* embedded, so that a clunk allocates nothing */
    struct p9_fid *next_doubt; /* fid.c; guarded by fids->mtx */

    /* What is needed to make it again on another connection (track.c); guarded by fids->mtx. */
    struct p9_attached *attached; /* the attach that its walk began at */
    char *path;                   /* from there, names with '/' between; NULL: it cannot be made again */
    char *linked;                 /* another path of the same file, or NULL */
    bool known, opened;           /* by the server */
    bool is_root;                 /* made by an attach, not by a walk */
    uint32_t open_mode;           /* of Tlopen or Topen, without truncation */
    int lost;                     /* -errno: it could not be made again, and requests on it fail; 0 */
};

struct p9_client_options {
    struct p9_session_options session;
    unsigned max_fids;        /* in use at once; a smaller bound of the server's is detected */
    unsigned clunk_wait_ms;   /* how long p9_walk and others wait for a clunk; 0: some seconds */
    struct idmap_options ids; /* maps the names of owners */
    bool noxattr, nodevmap;   /* no extended attributes; no special files in 9P2000.u */
};

/* The attributes of a file, from Rgetattr or from a stat. */
struct p9_attr {
    struct p9_qid qid;
    mode_t mode; /* permissions and type, with this host's S_IF* */
    uid_t uid;
    gid_t gid;
    nlink_t nlink;
    dev_t rdev;
    uint64_t size;    /* bytes */
    uint64_t blocks;  /* of 512 bytes */
    uint32_t blksize; /* bytes */
    struct timespec atime, mtime, ctime;
};

/* The attributes to change. `valid` is a set of P9_SETATTR_*. */
struct p9_setattr {
    uint32_t valid;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    uint64_t size;
    struct timespec atime, mtime;
};

enum { P9_HIDDEN_BYTES = 48 };

struct p9_statfs {
    uint32_t bsize, namelen; /* bytes */
    uint64_t blocks, bfree, bavail, files, ffree, fsid;
};
/* ---- the client --------------------------------------------------------- */

/* A source of connections. dial() returns NULL with *err (-errno) and `why` on failure. */
struct p9_dialer {
    struct transport *(*dial)(void *arg, int *err, struct p9_why *why);
    void *arg;
    bool once; /* it can be dialled only once */
};
/* Starts a client over t, which it owns from then on, also on failure. NULL with *err (-errno) and
 * `why` on failure. version(5). */
struct p9_client *p9_client_start(struct transport *t, const struct p9_client_options *o, int *err, struct p9_why *why);
/* p9_client_start over as many connections as it takes. If a server hangs up on an unknown dialect,
 * or does not answer within the setup timeout, a new connection asks for the next lower one; each
 * further attempt has half of the timeout. NULL on failure, with `why`, which names the dialects
 * that were tried. */
struct p9_client *p9_client_connect(const struct p9_dialer *d, const struct p9_client_options *o, struct p9_why *why);
/* Waits shortly for clunks in flight, ends the connection and frees; after every fid was put. */
void p9_client_stop(struct p9_client *c);

/* Owned by the client. */
struct p9_session *p9_client_session(struct p9_client *c);
/* How many connections were lost: the server does not know fids from before the last loss. */
unsigned p9_client_generation(const struct p9_client *c);
/* Whether a fid follows its file when the path that it was walked by changes. Valid after
 * p9_client_learn. */
bool p9_fids_follow(struct p9_client *c);
/* Whether opening with O_TRUNC truncates. Valid after p9_client_learn. */
bool p9_open_truncates(struct p9_client *c);
/* The largest payload of one message in bytes, and the most that a reply can hold: some servers
 * fill the message whatever count they are asked for. */
uint32_t p9_client_payload(const struct p9_client *c);
uint32_t p9_client_reply_max(const struct p9_client *c);

/* Sets a function that is called, without locks held, when fids run short; it puts about n idle
 * fids. */
void p9_client_on_shortage(struct p9_client *c, void (*evict)(void *arg, unsigned n), void *arg);
/* The number of fids in use, and its bound. */
void p9_client_fids(struct p9_client *c, unsigned *live, unsigned *bound);

/* ---- fids --------------------------------------------------------------- */

/* Every function that makes a fid gives the caller its only reference. ENFILE: all fids are in use,
 * none is idle, and none comes free in time. */

/* Makes an afid, open, for the authentication protocol of uname. An error if the server requires no
 * authentication. auth(5). */
int p9_auth(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
            struct p9_fid **afid);
/* Attaches uname / n_uname to aname. afid is authenticated, or NULL: no authentication.
 * attach(5). */
int p9_attach(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
              const struct p9_fid *afid, struct p9_fid **fid);

/* Detects habits of the server from its reply to a walk that fails. root is attached. Called once,
 * before other use. -errno only if the connection ends, or without memory. */
int p9_client_learn(struct p9_client *c, struct p9_fid *root);

/* Walks any number n of names, 16 in a message, from `from`, which is not open. n = 0 clones. A
 * walk that ends short fails with the error of the name at which it ends: ENOENT, ENOTDIR, or the
 * server's. walk(5). */
int p9_walk(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **fid);

/* Makes two fids of the same walk in one round trip. *second is NULL if that one failed. */
int p9_walk_twice(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **fid,
                  struct p9_fid **second);

enum { P9_XATTRS = 4 }; /* extended attributes in one compound operation, at most */

/* A directory that lookahead has read: entries from its start, as of p9_readdir. */
struct p9_listing {
    struct p9_fid *fid; /* open */
    bool whole;         /* all entries are here */
    uint32_t len;       /* bytes */
    uint8_t entries[];
};
void p9_listing_free(struct p9_listing *l); /* l may be NULL */

/* A name for p9_find_many, and the result. */
struct p9_found {
    struct p9_fid *from; /* the directory; the caller's reference */
    const char *name;
    bool is_dir; /* expected to be a directory */
    bool list;   /* read it if it is one */

    int rc;             /* 0 or -errno; the rest is set if 0 */
    struct p9_fid *fid; /* owned by the caller */
    struct p9_attr attr;
    int lacks[P9_XATTRS];       /* -errno: the extended attribute is absent; 0: it may exist */
    struct p9_listing *listing; /* owned by the caller, or NULL */
};
/* Names of extended attributes whose absence is detected, of directories and of other files; NULL:
 * none. */
struct p9_xattrs {
    const char *of_dir[P9_XATTRS], *of_file[P9_XATTRS];
};
/* Walks to each of n names, which are expected to exist, and gets the attributes of each. All take
 * two round trips, or one with a server that answers in order, and two more to read directories.
 * 9P2000.L only. */
void p9_find_many(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                  struct p9_found *found);

/* Starts a walk of one name, or with NULL a clone, and does not wait. done() receives the fid, or
 * NULL on failure, in the reader thread or before this returns. */
void p9_walk_start(struct p9_fid *from, const char *name, void (*done)(void *arg, struct p9_fid *fid), void *arg);

/* Adds a reference; returns fid. */
struct p9_fid *p9_fid_get(struct p9_fid *fid);
/* Drops a reference. Never blocks. fid may be NULL. */
void p9_fid_put(struct p9_fid *fid);
/* Counts fid as held: a program keeps it open for as long as it likes. Called before it is opened.
 * ENFILE if only the share reserved for other uses is left; directories may use half of that share.
 * The hold ends with the fid, or with p9_fid_let_go. */
int p9_fid_hold(struct p9_fid *fid, bool is_dir);
void p9_fid_let_go(struct p9_fid *fid);
/* How many fids are not held. */
unsigned p9_client_room(struct p9_client *c);
/* Clunks fid and waits for the reply. Consumes the caller's reference, which is the last.
 * clunk(5). */
int p9_fid_clunk(struct p9_scope *sc, struct p9_fid *fid);

/* ---- operations --------------------------------------------------------- */

/* Opens fid. Of the flags of open(2) the server receives the access mode, O_TRUNC, O_APPEND,
 * O_DIRECTORY, O_NOFOLLOW, O_SYNC and O_DSYNC. open(5), Tlopen. */
int p9_open(struct p9_scope *sc, struct p9_fid *fid, int flags);
enum { P9_OPEN_TOO = 16 }; /* further files in one p9_open_checked, at most */

/* Extended attributes whose absence is detected in the same round trip. Unused places of names are
 * NULL. lacks: -errno: absent; 0: it may exist. */
struct p9_xattrs_too {
    const char *names[P9_XATTRS];
    int lacks[P9_XATTRS];
};

/* Opening a file and revalidating its name at once. */
struct p9_opening {
    /* Set by the caller; the rest is zero. */
    struct p9_fid *fid; /* to open */
    int flags;
    bool is_open;        /* fid is open already */
    struct p9_fid *from; /* the directory that names[n] are walked from */
    size_t n;
    const char *const *names;
    uint8_t *first; /* receives the first bytes of the file, if it is open already; or NULL */
    uint32_t first_size;
    struct p9_fid *too[P9_OPEN_TOO]; /* further fids to open for reading, owned by the caller; NULL
                                        where that fails */
    size_t ntoo;
    struct p9_xattrs_too xattrs; /* of the file */

    /* Results. */
    struct p9_fid *walked; /* owned by the caller */
    struct p9_attr attr;
    ssize_t first_got; /* bytes, or -errno */
};
/* In one round trip: p9_open of fid, p9_walk of its names, p9_getattr of fid, a read of it if it is
 * open already, and p9_open of `too`. The caller compares the qids of walked, fid and attr. On
 * failure only these are left: fid, which may be open and is to be put, and the fids of `too` that
 * are not NULL; those that are open have an iounit. */
int p9_open_checked(struct p9_scope *sc, struct p9_opening *o);
/* Whether the dialect has p9_open_checked for n names. */
bool p9_opens_checked(const struct p9_client *c, size_t n);
/* Creates a file in the directory fid; fid becomes that file, open. Flags as of p9_open, and
 * O_EXCL. create(5), Tlcreate. */
int p9_create(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid);
/* Creates an empty file, which must not exist, and does not open it. *made is its qid. */
int p9_make_file(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid,
                 struct p9_qid *made);
/* Writes a unique name for a temporary file to name[P9_HIDDEN_BYTES]. */
void p9_hidden_name(char *name);
/* Gets the attributes. stat(5), Tgetattr. */
int p9_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr);
/* The same, and in the same round trip detects absent extended attributes, if the dialect has them.
 * They are asked for by the fid `unopened` of the same file; NULL: by fid. */
int p9_getattr_too(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                   struct p9_xattrs_too *too);
/* Changes attributes. stat(5), Tsetattr. */
int p9_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set);
/* The same, and gets the attributes in the same round trip, from before or after the change.
 * seen->nlink is 0 if there is no reply. */
int p9_setattr_seen(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen);
/* These make a file in the directory dir; *made is its qid. create(5), Tmkdir, Tmknod, Tsymlink. */
int p9_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made);
int p9_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
             struct p9_qid *made);
int p9_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
               struct p9_qid *made);
/* Gives the file fid a further name in dir. Tlink. */
int p9_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name);
/* Writes the target, terminated, to buf[n]; ENAMETOOLONG if it does not fit. Treadlink. */
int p9_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n);
/* Removes a name. Without Tunlinkat, walks to the file and removes it by its own fid. remove(5),
 * Tunlinkat. */
int p9_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir);
/* Whether the server is known not to have Tunlinkat. */
bool p9_removes_by_fid(struct p9_client *c);
/* Removes the file, and the fid whatever the reply. Consumes the caller's reference, which is the
 * last. remove(5). */
int p9_remove(struct p9_scope *sc, struct p9_fid *fid);
/* Renames; replaces newname if it exists. Without Trenameat, walks to the file and sends
 * Trename. */
int p9_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
              const char *newname);
/* Reads directory entries from the cookie `offset` (0: the start) into buf[n], for p9_next_dirent.
 * *got is their size in bytes; 0: the end. fid is an open directory. Whole entries that fit are
 * kept of a reply longer than n. read(5), Treaddir. */
int p9_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n, uint32_t *got);
/* Tstatfs; without it *st has only fixed values. */
int p9_statfs(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st);
/* Asks the server to commit what was written; fid is open. Tfsync, or a Twstat that changes
 * nothing. */
int p9_fsync(struct p9_scope *sc, struct p9_fid *fid, bool datasync);

/* A lock of another owner. */
struct p9_lock_held {
    uint8_t type; /* P9_LOCK_UNLCK: there is none */
    uint64_t start, length;
    uint32_t proc_id;
};
enum { P9_HOST_BYTES = 65 };

/* A lock to acquire (P9_LOCK_RDLCK, P9_LOCK_WRLCK), to release (P9_LOCK_UNLCK), or to query. Lent
 * from p9_lock_start to done(). */
struct p9_locking {
    /* Set by the caller; the rest is zero. */
    struct p9_fid *fid; /* open; the caller's reference */
    uint32_t owner;     /* 0: locks of the mount; 1: another owner, to probe for conflicts */
    uint8_t type;
    bool query;             /* find a conflicting lock. Tgetlock */
    uint64_t start, length; /* bytes; 0: to the end */
    struct p9_scope *scope;
    void (*done)(struct p9_locking *l);
    void *arg;

    /* Results, set before done(). rc is 0 or -errno: EAGAIN: there is a conflicting lock; ENOLCK:
     * the server refuses; EOPNOTSUPP: it has no locks. */
    int rc;
    struct p9_lock_held held; /* of a query */

    /* Private. */
    char host[P9_HOST_BYTES];
    struct p9_req req;
};
/* Sends the request and does not wait, even if the server blocks until the lock is free. done() is
 * called by the reader thread, or before this returns. Tlock. */
void p9_lock_start(struct p9_locking *l);
/* Whether the dialect has locks. */
bool p9_may_lock(const struct p9_client *c);

/* Reads the value of an extended attribute, or with name "" the list of names, each terminated,
 * into buf[n]. Returns its size in bytes or -errno; ERANGE if it does not fit; n = 0 asks only for
 * the size. `too`, which may be NULL, takes the same round trip. Txattrwalk. */
ssize_t p9_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                    struct p9_xattrs_too *too);
/* Sets the value[n]; flags of setxattr(2). Waits for the clunk, which reports errors.
 * Txattrcreate. */
int p9_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags);
/* A p9_setxattr of no bytes with XATTR_REPLACE. */
int p9_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name);

/* Unpacks the directory entry at buf[n], read by p9_readdir from the cookie `at`. Returns its size
 * in bytes, or 0 if it is malformed. An invalid name (empty, with '/', over 255 bytes) has len 0.
 * attr is set if p9_lists_attributes. */
size_t p9_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                      struct p9_attr *attr);
/* Whether directory entries include attributes (9P2000, .u). */
bool p9_lists_attributes(const struct p9_client *c);
/* Whether an empty file may be synthetic (9P2000, .u): its clunk may report an error. */
bool p9_may_be_synthetic(const struct p9_client *c);
/* Whether attributes include the link count; otherwise nlink is always 1. */
bool p9_counts_links(const struct p9_client *c);

/* ---- reads and writes --------------------------------------------------- */

/* A read or write of any size, split into messages that are in flight together. Lent from start to
 * done(); p9_io_finish then frees what it holds. */
struct p9_io {
    /* Set by the caller; the rest is zero. */
    struct p9_fid *fid; /* open; the caller's reference */
    uint8_t *buf;       /* destination or source */
    uint64_t offset;    /* in the file, bytes */
    uint32_t count;     /* bytes */
    uint64_t size;      /* read: the expected size of the file, bytes. A short reply that reaches it
                           is the end; otherwise the rest is read until a reply is empty */
    bool short_ok;      /* read: the first short reply ends it */
    bool in_order;      /* write: one message at a time, for files open with O_APPEND */
    struct p9_scope *scope;
    void (*done)(struct p9_io *io);
    void *arg;

    /* Results, set before done(). */
    ssize_t result;    /* bytes, or -errno; less than count only for a read at the end of file */
    uint32_t finished; /* bytes from the start that were read or written, also before an error */

    /* Private. */
    uint32_t part; /* bytes in one message */
    uint32_t nparts, capacity;
    bool write;
    atomic_uint left;
    struct p9_req *reqs;
};

/* These do not block; done() is called by the reader thread, or before they return. read(5). */
void p9_read_start(struct p9_io *io);
void p9_write_start(struct p9_io *io);
void p9_io_finish(struct p9_io *io);
/* These wait. They return io->result and free what io holds. */
ssize_t p9_write_wait(struct p9_io *io);
ssize_t p9_read_wait(struct p9_io *io);

#endif
