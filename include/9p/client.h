/*
 * client.h: one function per 9P operation, over fids.
 *
 * What differs between dialects is behind a table of operations (dialect.h); nothing
 * above this layer knows a message. Functions return 0 or -errno: the server's, or the
 * connection's. They block, but for those that say otherwise, and may not be called
 * from the reader thread. `sc` is the scope that an interrupt of the user's operation goes to; NULL
 * for what must not be interrupted. Names are valid for 9P: not empty, no '/', at
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

/* What the server knows a file by, for one attached user, until it is clunked. Counted: each
 * holder has a reference, and the last p9_fid_put sends Tclunk without waiting for it, and that of a fid that is not open with the next
 * message. */
struct p9_fid {
    struct p9_client *client;
    atomic_int refs;
    uint32_t num;
    unsigned generation; /* of the connection that knows it */
    struct p9_qid qid;   /* from Rattach, Rwalk, Ropen, Rcreate */
    uint32_t iounit;     /* once open: the largest payload of a message on it, bytes */
    uint64_t dir_next;   /* an open directory's, where reading goes on: for dialect_old.c */
    bool held;           /* see p9_fid_hold; guarded by fids->mtx */
    bool doubtful;       /* what was to make it failed, and the server may have made it */
    struct p9_req clunk; /* so that its end needs no memory */
};

struct p9_client_options {
    struct p9_session_options session;
    unsigned max_fids;        /* live at once; a server's smaller bound is learned */
    unsigned clunk_wait_ms;   /* how long who needs a fid waits for one to be clunked; 0: some seconds */
    struct idmap_options ids; /* for owners' names */
};

/* What a file is: Rgetattr's fields, or a stat's. */
struct p9_attr {
    struct p9_qid qid;
    mode_t mode; /* with the type, in this host's S_IF* */
    uid_t uid;
    gid_t gid;
    nlink_t nlink;
    dev_t rdev;
    uint64_t size;    /* bytes */
    uint64_t blocks;  /* of 512 bytes */
    uint32_t blksize; /* bytes */
    struct timespec atime, mtime, ctime;
};

/* What p9_setattr changes: P9_SETATTR_* bits say which fields hold. */
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

/* A client over t, which it owns from now on. NULL with *err and `why` on failure. version(5). */
struct p9_client *p9_client_start(struct transport *t, const struct p9_client_options *o, int *err, struct p9_why *why);
/* How to get a connection: NULL with *err and `why` on failure. */
struct p9_dialer {
    struct transport *(*dial)(void *arg, int *err, struct p9_why *why);
    void *arg;
    bool once; /* there is no second one */
};
/* The same with as many connections as it takes: a server that hangs up on a dialect that it does not know, or says nothing within
 * the setup timeout, is asked for a lower one on another; then it has half of that time. NULL with `why`, which names what was asked
 * for, on failure. */
struct p9_client *p9_client_connect(const struct p9_dialer *d, const struct p9_client_options *o, struct p9_why *why);
/* Ends the connection and frees. Every fid must have been put. */
void p9_client_stop(struct p9_client *c);

struct p9_session *p9_client_session(struct p9_client *c);
/* The number of the connection: a fid of another one is no longer known to the server. */
unsigned p9_client_generation(const struct p9_client *c);
/* Whether a fid stays with its file whatever happens to the path that it was walked by. Known from p9_client_learn. */
bool p9_fids_follow(struct p9_client *c);
/* Whether opening with O_TRUNC truncates. As above. */
bool p9_open_truncates(struct p9_client *c);
/* The largest payload of one message, bytes; and the most that a reply can hold: some servers fill it, whatever was asked for. */
uint32_t p9_client_payload(const struct p9_client *c);
uint32_t p9_client_reply_max(const struct p9_client *c);

/* Called, without locks held, when fids run short: should put about n idle ones. */
void p9_client_on_shortage(struct p9_client *c, void (*evict)(void *arg, unsigned n), void *arg);
/* Fids now known to the server, and how many may be. */
void p9_client_fids(struct p9_client *c, unsigned *live, unsigned *bound);

/* ---- fids --------------------------------------------------------------- */

/* All that make a fid give the caller its one reference. ENFILE: the bound on live fids is
 * reached and none is idle, nor will be soon. */

/* An afid, open, over which the server may be convinced that we are uname. An error where it wants no proof. auth(5). */
int p9_auth(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
            struct p9_fid **afid);
/* Attaches as uname / n_uname to aname, with what was proven by afid, or NULL. attach(5). */
int p9_attach(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
              const struct p9_fid *afid, struct p9_fid **fid);

/* Gets to know the server's habits by a walk that fails; root is its fid of an attach. Once, before use. -errno if the connection
 * ends by it. */
int p9_client_learn(struct p9_client *c, struct p9_fid *root);

/* Walks n names (any number: split in messages of 16) from `from`, which is not open. n = 0
 * clones. ENOENT where the server went only part of the way. walk(5). */
int p9_walk(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **fid);

/* The same, for two fids at once, in one round trip; the second may be missing, as NULL. */
int p9_walk_twice(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **fid,
                  struct p9_fid **second);

enum { P9_XATTRS = 4 }; /* names of extended attributes that may be asked for beside */

/* A directory read ahead: what p9_readdir gave from its start. */
struct p9_listing {
    struct p9_fid *fid; /* open */
    bool whole;         /* nothing follows */
    uint32_t len;       /* bytes */
    uint8_t entries[];
};
void p9_listing_free(struct p9_listing *l); /* NULL is nothing */

/* A name to look for, and what p9_find_many found. */
struct p9_found {
    struct p9_fid *from; /* the directory; the caller's reference */
    const char *name;
    bool is_dir; /* as far as is known */
    bool list;   /* if it is a directory it is to be read */

    int rc;             /* 0 or -errno */
    struct p9_fid *fid; /* the caller's */
    struct p9_attr attr;
    int lacks[P9_XATTRS];       /* -errno where it has no such extended attribute; 0: it may have */
    struct p9_listing *listing; /* the caller's, or NULL */
};
/* Extended attributes to ask for, of directories and of other files; NULL: none. */
struct p9_xattrs {
    const char *of_dir[P9_XATTRS], *of_file[P9_XATTRS];
};
/* Walks to each of n names, which are likely to be there, and asks for the attributes of each: two round trips for all of them, one with a
 * server that answers in order, and two more if there are directories to read. 9P2000.L alone. */
void p9_find_many(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                  struct p9_found *found);

/* Walks one name from `from`, or with NULL clones it, without waiting: done() gets the fid, or NULL, from the reader thread or before
 * this returns. */
void p9_walk_start(struct p9_fid *from, const char *name, void (*done)(void *arg, struct p9_fid *fid), void *arg);

struct p9_fid *p9_fid_get(struct p9_fid *fid);
void p9_fid_put(struct p9_fid *fid); /* NULL is nothing; never blocks */
/* Before fid is opened for somebody who keeps it as long as he likes: ENFILE where those that are held so leave only the share that is
 * kept for all else; half of that is left to directories. It ends with the fid, or by p9_fid_let_go. */
int p9_fid_hold(struct p9_fid *fid, bool is_dir);
void p9_fid_let_go(struct p9_fid *fid);
/* The fids that are not held, or may be had. */
unsigned p9_client_room(struct p9_client *c);
/* Clunks the caller's, and last, reference and waits for the answer. */
int p9_fid_clunk(struct p9_scope *sc, struct p9_fid *fid);

/* ---- operations --------------------------------------------------------- */

/* POSIX flags of open(2): access mode, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_SYNC, O_DSYNC
 * are passed on, others are not the server's business. On success fid is open. */
int p9_open(struct p9_scope *sc, struct p9_fid *fid, int flags);
enum { P9_OPEN_TOO = 16 };

/* Extended attributes that may be asked for next, NULL: none; and whether they are not there: -errno then. */
struct p9_xattrs_too {
    const char *names[P9_XATTRS];
    int lacks[P9_XATTRS];
};

/* A file that is opened while its name is looked at again. */
struct p9_opening {
    /* Set by the caller; the rest zero. */
    struct p9_fid *fid; /* to be opened, */
    int flags;
    bool is_open;        /* or that was, before */
    struct p9_fid *from; /* where names[n] lead from */
    size_t n;
    const char *const *names;
    uint8_t *first; /* where the first bytes go, if they are wanted, and the file is open */
    uint32_t first_size;
    struct p9_fid *too[P9_OPEN_TOO]; /* others, to be opened to read: the caller's. NULL where that failed */
    size_t ntoo;
    struct p9_xattrs_too xattrs; /* of the file; lacks is set */

    struct p9_fid *walked; /* the caller's */
    struct p9_attr attr;
    ssize_t first_got; /* bytes, or -errno */
};
/* In one round trip: p9_open of fid, p9_walk of its names, p9_getattr of fid, a read of what is open, and p9_open of others. The caller
 * compares the qids of walked, fid and attr. On failure nothing is left but fid, which may be open and is of no use any more, and the others
 * as far as they are not NULL: those that are open have an iounit. */
int p9_open_checked(struct p9_scope *sc, struct p9_opening *o);
/* Whether the dialect and the number of names allow it. */
bool p9_opens_checked(const struct p9_client *c, size_t n);
/* Creates a file in the directory fid, which becomes that file, open. O_EXCL passes as well. */
int p9_create(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid);
/* The same for an empty file that must not be there yet, and is not opened. */
int p9_make_file(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid,
                 struct p9_qid *made);
/* A name for a file of our own, not used before; name has room for P9_HIDDEN_BYTES. */
void p9_hidden_name(char *name);
int p9_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr);
/* The same, and extended attributes of it in the same round trip, where they can be asked for: by the fid `unopened` of the same file, or with
 * NULL by this one. */
int p9_getattr_too(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                   struct p9_xattrs_too *too);
int p9_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set);
/* The same, and attributes are asked for beside it: seen->nlink is 0 if there is no answer, and else they are those before or after. */
int p9_setattr_seen(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen);
/* What is made has the qid *made. */
int p9_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made);
int p9_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
             struct p9_qid *made);
int p9_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
               struct p9_qid *made);
int p9_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name);
/* The target, terminated, into buf[n]; ENAMETOOLONG if it does not fit. */
int p9_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n);
/* Removes a name. Where the server has no such message the file is walked to and removed by its
 * own fid. remove(5), Tunlinkat. */
int p9_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir);
/* Whether it was seen that there is no such message. */
bool p9_removes_by_fid(struct p9_client *c);
/* Removes the file and the fid, whatever the answer. remove(5). The caller's reference, the last, is taken. */
int p9_remove(struct p9_scope *sc, struct p9_fid *fid);
/* Moves a name, over another if there is one. As above with Trename. */
int p9_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
              const char *newname);
/* Directory entries from a cookie (0: the start) into buf[n]; *got = 0 at the end. Unpacked with
 * p9_next_dirent. fid is an open directory. Of a reply that is longer than n what fits is taken. */
int p9_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n, uint32_t *got);
int p9_statfs(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st);
int p9_fsync(struct p9_scope *sc, struct p9_fid *fid, bool datasync);

/* A lock that somebody else holds. */
struct p9_lock_held {
    uint8_t type; /* P9_LOCK_UNLCK: nobody does */
    uint64_t start, length;
    uint32_t proc_id;
};
enum { P9_HOST_BYTES = 65 };

/* A lock to be taken (P9_LOCK_RDLCK, P9_LOCK_WRLCK), given back (P9_LOCK_UNLCK), or asked after. Owned by the caller from start to
 * done(). */
struct p9_locking {
    /* Set by the caller; the rest zero. */
    struct p9_fid *fid; /* open; the caller's reference */
    uint32_t owner;     /* 0, for all that matters, or 1, to try things out */
    uint8_t type;
    bool query;             /* what would be in the way of it? Tgetlock */
    uint64_t start, length; /* bytes; 0: to the end */
    struct p9_scope *scope;
    void (*done)(struct p9_locking *l);
    void *arg;

    /* Set when done() is called. rc: EAGAIN where another has them; ENOLCK where the server says that it cannot; EOPNOTSUPP where it has
     * no locks. */
    int rc;
    struct p9_lock_held held; /* of a query */

    char host[P9_HOST_BYTES];
    struct p9_req req;
};
/* Does not wait, not even for a server that waits until the lock is free: done() may be called before this returns, or by the reader.
 * Tlock. */
void p9_lock_start(struct p9_locking *l);
/* Whether the dialect has locks. */
bool p9_may_lock(const struct p9_client *c);

/* The value of an extended attribute, or with name "" the list of names, each terminated. Returns its size in bytes and,
 * if it fits buf[n], puts it there; with n = 0 only the size is asked for. ERANGE if it does not fit. Others are asked for in the
 * same round trip; too may be NULL. Txattrwalk. */
ssize_t p9_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                    struct p9_xattrs_too *too);
/* Sets it; flags as of setxattr(2). What the server thinks of it is known when this returns. Txattrcreate. */
int p9_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags);
int p9_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name);

/* The entry at buf[n], which has the cookie `at`, of what p9_readdir gave; bytes taken, or 0 if what is there is malformed. Names
 * that are not fit for a directory (empty, with '/') have len 0. attr is filled where p9_lists_attributes. */
size_t p9_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                      struct p9_attr *attr);
/* Whether reading a directory gives the attributes of what is in it (9P2000, .u). */
bool p9_lists_attributes(const struct p9_client *c);
/* Whether an empty file may be a synthetic one, whose clunk tells of errors, and not a new one on a disk (9P2000, .u). */
bool p9_may_be_synthetic(const struct p9_client *c);
/* Whether attributes have the number of a file's names; else it is always 1. */
bool p9_counts_links(const struct p9_client *c);

/* ---- reads and writes --------------------------------------------------- */

/* A read or write of any size: split into messages that are all in flight together. Owned by the
 * caller from start to done(); p9_io_finish frees what it holds. */
struct p9_io {
    /* Set by the caller; the rest zero. */
    struct p9_fid *fid; /* open; the caller's reference */
    uint8_t *buf;       /* destination or source */
    uint64_t offset;    /* in the file, bytes */
    uint32_t count;     /* bytes */
    uint64_t size;      /* read: a short reply that reaches it is the end of the file; else the rest is
                           asked for again, until a reply is empty */
    bool short_ok;      /* read: the first short reply is the answer */
    bool in_order;      /* write: one message at a time, for files open to append */
    struct p9_scope *scope;
    void (*done)(struct p9_io *io);
    void *arg;

    /* Set when done() is called. */
    ssize_t result;    /* bytes: fewer than count only of a read, at the end of the file; or -errno, */
    uint32_t finished; /* before which so many from the start were read or written */

    /* Its own. */
    uint32_t part; /* bytes in one message */
    uint32_t nparts, capacity;
    bool write;
    atomic_uint left;
    struct p9_req *reqs;
};

/* Do not block; done() may be called before they return, or by the reader. read(5). */
void p9_read_start(struct p9_io *io);
void p9_write_start(struct p9_io *io);
void p9_io_finish(struct p9_io *io);
/* Write and wait. Returns io->result; frees what io holds. */
ssize_t p9_write_wait(struct p9_io *io);
ssize_t p9_read_wait(struct p9_io *io);

#endif
